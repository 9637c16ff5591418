use bytes::Bytes;

/// Pairs as `application/x-www-form-urlencoded`, which is also the form of a query.
pub(super) fn encode(pairs: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        if !text.is_empty() {
            text.push('&');
        }
        escape(name, &mut text);
        text.push('=');
        escape(value, &mut text);
    }
    text
}

/// The same as the body of a request.
pub(super) fn body(pairs: &[(&str, &str)]) -> Bytes {
    Bytes::from(encode(pairs))
}

fn escape(text: &str, to: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                to.push(char::from(byte));
            }
            _ => {
                to.push('%');
                for half in [byte >> 4, byte & 0xf] {
                    let digit = char::from_digit(half.into(), 16).unwrap_or('0');
                    to.push(digit.to_ascii_uppercase());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_back(pairs in proptest::collection::vec((".*", ".*"), 0..5)) {
            let borrowed: Vec<(&str, &str)> =
                pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let text = encode(&borrowed);
            let read: Vec<(String, String)> =
                url::form_urlencoded::parse(text.as_bytes()).into_owned().collect();
            prop_assert_eq!(read, pairs);
        }
    }
}
