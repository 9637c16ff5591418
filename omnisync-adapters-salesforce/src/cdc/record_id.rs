use std::fmt;

use omnisync_core::crm::ForeignId;

const SHORT_CHARS: usize = 15;
const LONG_CHARS: usize = 18;

/// Characters of an id that one character of its suffix speaks of.
const GROUP_CHARS: usize = 5;

const SUFFIX_ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";

/// What an event is about: a record, or more than it can name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordRef {
    /// A record.
    Id(ForeignId),
    /// Every record whose id begins so, which is every record of the object: `001*`.
    All(String),
}

impl RecordRef {
    /// Reads an element of `recordIds`. `None` for what cannot be an id.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Some(prefix) = text.strip_suffix('*') {
            let is_prefix = prefix.len() < SHORT_CHARS
                && prefix.bytes().all(|byte| byte.is_ascii_alphanumeric());
            return is_prefix.then(|| Self::All(text.to_owned()));
        }
        normalize_id(text).map(Self::Id)
    }

    /// The record, if it is one.
    pub const fn id(&self) -> Option<&ForeignId> {
        match self {
            Self::Id(id) => Some(id),
            Self::All(_) => None,
        }
    }
}

impl fmt::Display for RecordRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::All(text) => f.write_str(text),
        }
    }
}

/// Brings a record id into the one form in which ids can be compared: 18 characters.
///
/// An id of 15 characters means something else in another case, so Salesforce appends three that
/// say which of them are capitals. An id of 18 characters that went through a system without cases
/// gets its capitals back. What does not look like an id is kept as it is; `None` is for what no
/// [`ForeignId`] can be.
///
/// ```
/// use omnisync_adapters_salesforce::cdc::normalize_id;
///
/// let id = normalize_id("001D000000IqhSL").ok_or("no id")?;
/// assert_eq!(id.as_str(), "001D000000IqhSLIAZ");
/// assert_eq!(normalize_id("001d000000iqhsliaz"), Some(id));
/// # Ok::<(), &str>(())
/// ```
pub fn normalize_id(text: &str) -> Option<ForeignId> {
    let is_id = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    match text.len() {
        SHORT_CHARS if is_id => ForeignId::new(format!("{text}{}", suffix(text))).ok(),
        LONG_CHARS if is_id => match restored(text) {
            Some(restored) => ForeignId::new(restored).ok(),
            None => ForeignId::new(text).ok(),
        },
        _ => ForeignId::new(text).ok(),
    }
}

/// The three characters that say which of the 15 are capitals.
fn suffix(short: &str) -> String {
    let groups = short.as_bytes().chunks(GROUP_CHARS);
    let character = |group: &[u8]| {
        let capitals = group.iter().rev().fold(0_usize, |bits, byte| {
            bits << 1 | usize::from(byte.is_ascii_uppercase())
        });
        SUFFIX_ALPHABET.get(capitals).map(|byte| char::from(*byte))
    };
    groups.filter_map(character).collect()
}

/// The id with the capitals that its suffix tells, if its own are evidently lost.
fn restored(long: &str) -> Option<String> {
    let has = |test: fn(&u8) -> bool| long.as_bytes().iter().any(&test);
    if has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase) {
        return None;
    }
    let (short, told) = long.split_at_checked(SHORT_CHARS)?;
    let told = told.to_ascii_uppercase();
    let mut id = String::with_capacity(LONG_CHARS);
    for (group, character) in short.as_bytes().chunks(GROUP_CHARS).zip(told.bytes()) {
        let capitals = SUFFIX_ALPHABET.iter().position(|byte| *byte == character)?;
        for (bit, byte) in group.iter().enumerate() {
            let is_capital = capitals >> bit & 1 == 1;
            let byte = if is_capital {
                byte.to_ascii_uppercase()
            } else {
                byte.to_ascii_lowercase()
            };
            id.push(char::from(byte));
        }
    }
    (suffix(&id) == told).then(|| id + &told)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let id = normalize_id(text);
        assert_eq!(id.as_ref().map(ForeignId::as_str), Some(expected), "{text}");
    }

    #[test]
    fn fifteen_characters_become_eighteen() {
        check("001D000000IqhSL", "001D000000IqhSLIAZ");
        check("001000000000001", "001000000000001AAA");
        check("AAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAA555");
        check("a0B5g00000Fd1Zz", "a0B5g00000Fd1ZzEAJ");
    }

    #[test]
    fn eighteen_characters_stay_unless_their_capitals_were_lost() {
        check("001D000000IqhSLIAZ", "001D000000IqhSLIAZ");
        check("001D000000IQHSLIAZ", "001D000000IqhSLIAZ");
        check("001d000000iqhsliaz", "001D000000IqhSLIAZ");
        // The suffix does not belong to these.
        check("001D000000IqhSLAAA", "001D000000IqhSLAAA");
        check("001D000000IQHSLZZZ", "001D000000IQHSLZZZ");
    }

    #[test]
    fn what_is_no_id_is_kept() {
        check("e00xx0000000001", "e00xx0000000001AAA");
        check("some-key", "some-key");
        assert_eq!(normalize_id(""), None);
        assert_eq!(normalize_id("a\nb"), None);
    }

    #[test]
    fn a_star_stands_for_every_record() {
        let all = |text: &str| Some(RecordRef::All(text.to_owned()));
        assert_eq!(RecordRef::parse("001*"), all("001*"));
        assert_eq!(RecordRef::parse("*"), all("*"));
        assert_eq!(RecordRef::parse("0/1*"), None);
    }
}
