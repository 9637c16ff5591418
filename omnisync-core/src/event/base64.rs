//! Base64 with the standard alphabet and padding (RFC 4648 §4). A byte string has exactly one
//! text: wrong padding, line breaks and stray bits are refused.

/// Appends the base64 text of `bytes` to `out`.
pub(super) fn encode(bytes: &[u8], out: &mut String) {
    out.reserve(bytes.len().div_ceil(3) * 4);
    let (groups, rest) = bytes.as_chunks::<3>();
    for &[a, b, c] in groups {
        out.push(symbol(a >> 2));
        out.push(symbol((a & 0x03) << 4 | b >> 4));
        out.push(symbol((b & 0x0f) << 2 | c >> 6));
        out.push(symbol(c & 0x3f));
    }
    match *rest {
        [a] => {
            out.push(symbol(a >> 2));
            out.push(symbol((a & 0x03) << 4));
            out.push_str("==");
        }
        [a, b] => {
            out.push(symbol(a >> 2));
            out.push(symbol((a & 0x03) << 4 | b >> 4));
            out.push(symbol((b & 0x0f) << 2));
            out.push('=');
        }
        _ => {}
    }
}

/// The bytes of a base64 text; `None` when it is not one.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let (groups, rest) = text.as_bytes().as_chunks::<4>();
    if !rest.is_empty() {
        return None;
    }
    let mut out = Vec::with_capacity(groups.len() * 3);
    let Some((last, groups)) = groups.split_last() else {
        return Some(out);
    };
    for group in groups {
        decode_group(*group, &mut out)?;
    }
    match *last {
        [a, b, b'=', b'='] => {
            let (a, b) = (bits(a)?, bits(b)?);
            out.push(a << 2 | b >> 4);
            (b & 0x0f == 0).then_some(out)
        }
        [a, b, c, b'='] => {
            let (a, b, c) = (bits(a)?, bits(b)?, bits(c)?);
            out.extend([a << 2 | b >> 4, b << 4 | c >> 2]);
            (c & 0x03 == 0).then_some(out)
        }
        group => decode_group(group, &mut out).map(|()| out),
    }
}

fn decode_group([a, b, c, d]: [u8; 4], out: &mut Vec<u8>) -> Option<()> {
    let (a, b, c, d) = (bits(a)?, bits(b)?, bits(c)?, bits(d)?);
    out.extend([a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d]);
    Some(())
}

fn symbol(bits: u8) -> char {
    char::from(match bits {
        0..=25 => b'A' + bits,
        26..=51 => b'a' + (bits - 26),
        52..=61 => b'0' + (bits - 52),
        62 => b'+',
        _ => b'/',
    })
}

fn bits(symbol: u8) -> Option<u8> {
    match symbol {
        b'A'..=b'Z' => Some(symbol - b'A'),
        b'a'..=b'z' => Some(symbol - b'a' + 26),
        b'0'..=b'9' => Some(symbol - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(bytes: &[u8]) -> String {
        let mut out = String::new();
        encode(bytes, &mut out);
        out
    }

    #[test]
    fn the_vectors_of_rfc_4648_hold() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encoded(bytes.as_bytes()), text);
            assert_eq!(decode(text).as_deref(), Some(bytes.as_bytes()));
        }
        assert_eq!(encoded(&[0xfb, 0xff]), "+/8=");
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in [
            "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Zm9v\n", "Zm 9", "-_8=", "=", "====", "Z===",
            "Zg==Zg==", "Zm9é",
        ] {
            assert_eq!(decode(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn bytes_survive(bytes: Vec<u8>) {
            prop_assert_eq!(decode(&encoded(&bytes)), Some(bytes));
        }

        #[test]
        fn a_text_that_decodes_is_the_only_one(text in "[A-Za-z0-9+/=]{0,12}") {
            if let Some(bytes) = decode(&text) {
                prop_assert_eq!(encoded(&bytes), text);
            }
        }
    }
}
