//! Percent-encoding of texts in URLs, forms and headers.

const DIGITS: &[u8; 16] = b"0123456789ABCDEF";

/// Encodes every byte that is not to be kept.
///
/// ```
/// use omnisync_http::percent::{encoded, is_unreserved};
///
/// assert_eq!(encoded("a b/ü", is_unreserved), "a%20b%2F%C3%BC");
/// ```
pub fn encoded(text: &str, keep: impl Fn(u8) -> bool) -> String {
    let digit = |half: u8| {
        DIGITS
            .get(usize::from(half))
            .copied()
            .map_or('0', char::from)
    };
    let mut out = String::with_capacity(text.len() + text.len() / 4);
    for byte in text.bytes() {
        if keep(byte) {
            out.push(char::from(byte));
        } else {
            out.extend(['%', digit(byte >> 4), digit(byte & 0x0f)]);
        }
    }
    out
}

/// What RFC 3986 never encodes.
pub const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_not_kept_are_two_digits() {
        assert_eq!(encoded("a-b c/ü", is_unreserved), "a-b%20c%2F%C3%BC");
        assert_eq!(encoded("a/b", |byte| byte != b'a'), "%61/b");
    }
}
