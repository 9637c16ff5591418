//! Header values of the HTTP binding: percent-encoded UTF-8.

/// The header value of an attribute. A blank, `"`, `%` and everything outside U+0021 to U+007E
/// is percent-encoded.
#[must_use]
pub fn encode(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if matches!(byte, 0x21..=0x7e) && !matches!(byte, b'"' | b'%') {
            out.push(char::from(byte));
        } else {
            let digits = [byte >> 4, byte & 0x0f];
            out.push('%');
            out.extend(
                digits
                    .iter()
                    .filter_map(|d| HEX.get(usize::from(*d)))
                    .map(|d| char::from(*d)),
            );
        }
    }
    out
}

/// The attribute of a header value: double-quoted strings are undone, then one round of
/// percent-encoding. Encoding that was not needed is accepted, and so are plain blanks and
/// quotes, which older senders leave as they are.
///
/// `None` for open quotes, a `%` without two digits, bytes outside of printable ASCII, and what
/// does not decode to UTF-8.
pub(super) fn decode(value: &[u8]) -> Option<String> {
    let unquoted = unquote(value.trim_ascii())?;
    let mut out = Vec::with_capacity(unquoted.len());
    let mut bytes = unquoted.into_iter();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let (high, low) = (hex_digit(bytes.next()?)?, hex_digit(bytes.next()?)?);
            out.push(high << 4 | low);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

fn unquote(value: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(value.len());
    let mut quoted = false;
    let mut bytes = value.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => quoted = !quoted,
            b'\\' if quoted => out.push(bytes.next().filter(|byte| is_printable(*byte))?),
            byte if is_printable(byte) => out.push(byte),
            _ => return None,
        }
    }
    (!quoted).then_some(out)
}

fn is_printable(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e)
}

fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_encoded_where_they_must_be() {
        assert_eq!(encode("Euro € 😀"), "Euro%20%E2%82%AC%20%F0%9F%98%80");
        assert_eq!(encode("100% \"x\"\\~!"), "100%25%20%22x%22\\~!");
    }

    #[test]
    fn values_are_decoded_once() {
        for (value, text) in [
            ("Euro%20%e2%82%ac", "Euro €"),
            ("%41%42", "AB"),
            ("%2541", "%41"),
            ("plain blank", "plain blank"),
            ("", ""),
            (" \t trimmed ", "trimmed"),
            ("\"a \\\"b\\\" %25\"", "a \"b\" %"),
            ("x\"y z\"", "xy z"),
            ("a\\b", "a\\b"),
        ] {
            assert_eq!(decode(value.as_bytes()).as_deref(), Some(text), "{value}");
        }
    }

    #[test]
    fn values_that_do_not_decode_are_refused() {
        for value in [
            &b"%"[..],
            b"%4",
            b"%zz",
            b"%C0%A0",
            b"%ED%A0%80",
            b"%FF",
            b"\"open",
            b"\"open\\\"",
            b"\xC3\xA9",
            b"a\nb",
            b"a\0",
            b"%E2%82",
        ] {
            assert_eq!(decode(value), None, "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn texts_survive(text: String) {
            let encoded = encode(&text);
            prop_assert!(encoded.bytes().all(|byte| matches!(byte, 0x21..=0x7e)));
            prop_assert_eq!(decode(encoded.as_bytes()), Some(text));
        }

        #[test]
        fn decoding_never_panics(value: Vec<u8>) {
            drop(decode(&value));
        }
    }
}
