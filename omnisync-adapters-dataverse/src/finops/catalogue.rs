//! What the error messages of data management mean: whose fault it is, and whether repeating
//! helps.

use omnisync_core::port::FailureClass;

/// A message of data management, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DmfError {
    /// The code in the message, such as `DMF1996`.
    pub code: Option<String>,
    /// Whose fault it is.
    pub class: FailureClass,
}

/// Codes that may pass.
const TRANSIENT: [&str; 11] = [
    "DMF042", "DMF1968", "DMF1995", "DMF1997", "DMF2008", "DMF2028", "DMF2036", "DMF2037",
    "DMF2043", "DMF2045", "DMF2048",
];
/// Codes of imports that stand in each other's way.
const CONTENTION: [&str; 3] = ["DMF1996", "DMF2025", "DMF2039"];
/// Codes of packages that are wrong.
const PACKAGING: [&str; 17] = [
    "DMF1830", "DMF1855", "DMF1959", "DMF1961", "DMF1963", "DMF1966", "DMF1999", "DMF2016",
    "DMF2018", "DMF2022", "DMF2050", "DMF2053", "DMF2055", "DMF2057", "DMF2060", "FF004", "MAP011",
];

/// What messages without a code say, in lower case.
const PHRASES: [(&str, FailureClass); 12] = [
    ("update conflict", FailureClass::Contention),
    ("deadlock", FailureClass::Contention),
    ("concurrent imports", FailureClass::Contention),
    (
        "another process is trying to update the same record",
        FailureClass::Contention,
    ),
    ("is not unicode", FailureClass::Packaging),
    ("mapping is incorrect", FailureClass::Packaging),
    (
        "does not exist in the target environment",
        FailureClass::Packaging,
    ),
    ("manifest", FailureClass::Packaging),
    ("package header", FailureClass::Packaging),
    ("packageheader", FailureClass::Packaging),
    ("source format", FailureClass::Packaging),
    ("try again later", FailureClass::Transient),
];

/// Reads a message about one record. One that the catalogue does not know is a rule of the
/// business that the record breaks.
pub fn classify(message: &str) -> DmfError {
    understood(message).unwrap_or(DmfError {
        code: None,
        class: FailureClass::Data,
    })
}

/// Reads a message about a whole import. One that the catalogue does not know says nothing about
/// whose fault it is.
pub(super) fn classify_whole(message: &str) -> DmfError {
    understood(message).unwrap_or(DmfError {
        code: None,
        class: FailureClass::Unknown,
    })
}

fn understood(message: &str) -> Option<DmfError> {
    if let Some(code) = code_in(message) {
        let class = class_of(&code);
        return Some(DmfError {
            code: Some(code),
            class,
        });
    }
    let message = message.to_lowercase();
    let known = PHRASES.iter().find(|(phrase, _)| message.contains(phrase));
    known.map(|(_, class)| DmfError {
        code: None,
        class: *class,
    })
}

fn class_of(code: &str) -> FailureClass {
    let classes = [
        (TRANSIENT.as_slice(), FailureClass::Transient),
        (CONTENTION.as_slice(), FailureClass::Contention),
        (PACKAGING.as_slice(), FailureClass::Packaging),
    ];
    let found = classes.iter().find(|(codes, _)| codes.contains(&code));
    match found {
        Some((_, class)) => *class,
        None => FailureClass::Unknown,
    }
}

/// The first code in a message: `DMF`, `FF` or `MAP` and digits, as a word of its own.
fn code_in(message: &str) -> Option<String> {
    let is_separator = |c: char| !c.is_ascii_alphanumeric();
    message.split(is_separator).find_map(|word| {
        let word = word.to_ascii_uppercase();
        let digits = ["DMF", "FF", "MAP"]
            .iter()
            .find_map(|prefix| word.strip_prefix(prefix))?;
        let is_code = (3..=5).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        is_code.then_some(word)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(message: &str, code: Option<&str>, class: FailureClass) {
        let wanted = DmfError {
            code: code.map(str::to_owned),
            class,
        };
        assert_eq!(classify(message), wanted, "{message}");
    }

    #[test]
    fn codes_of_the_catalogue_have_their_class() {
        for code in TRANSIENT {
            check(
                &format!("{code}: later"),
                Some(code),
                FailureClass::Transient,
            );
        }
        for code in CONTENTION {
            check(&format!("({code})"), Some(code), FailureClass::Contention);
        }
        for code in PACKAGING {
            check(&format!("x {code}."), Some(code), FailureClass::Packaging);
        }
        check("DMF9999 new", Some("DMF9999"), FailureClass::Unknown);
    }

    #[test]
    fn messages_without_a_code_are_read_by_what_they_say() {
        check(
            "Selected file is not Unicode",
            None,
            FailureClass::Packaging,
        );
        check(
            "Import to target failed due to an update conflict",
            None,
            FailureClass::Contention,
        );
        check("Customer 42 is on hold.", None, FailureClass::Data);
        // Part of a word is no code.
        check("Item XDMF1996Y is unknown", None, FailureClass::Data);
        assert_eq!(classify_whole("Something odd").class, FailureClass::Unknown);
    }

    proptest! {
        #[test]
        fn no_message_makes_it_panic(message in any::<String>()) {
            classify(&message);
            classify_whole(&message);
        }
    }
}
