//! Texts of which only the form is known.

/// Longest code of an error that is believed to be one, in bytes.
const CODE_BYTES_MAX: usize = 64;

/// True for what may be the code of an error: one word. Whatever else a service says may quote
/// what it was sent.
pub(crate) fn is_code(text: &str) -> bool {
    (1..=CODE_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// True for an id such as `0d7b3a5c-6a52-4f4e-8f0e-1f6a2b3c4d5e`.
#[cfg(any(feature = "blob", feature = "event-grid-entra"))]
pub(crate) fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_one_word_that_is_not_too_long() {
        assert!(is_code("BlobNotFound"));
        assert!(is_code(&"x".repeat(64)));
        for text in ["", "order 7", "a-b", "ä", &"x".repeat(65)] {
            assert!(!is_code(text), "{text}");
        }
    }

    #[cfg(any(feature = "blob", feature = "event-grid-entra"))]
    #[test]
    fn a_guid_has_five_groups_of_hexadecimal_digits() {
        assert!(is_guid("0d7b3a5c-6a52-4f4e-8f0e-1f6a2b3c4d5e"));
        assert!(is_guid("0D7B3A5C-6A52-4F4E-8F0E-1F6A2B3C4D5E"));
        for text in [
            "",
            "acme.example.com",
            "0d7b3a5c6a524f4e8f0e1f6a2b3c4d5e",
            "0d7b3a5c-6a52-4f4e-8f0e-1f6a2b3c4d5",
            "0d7b3a5c-6a52-4f4e-8f0e-1f6a2b3c4d5e0",
            "0d7b3a5c-6a52-4f4e-8f0e1-f6a2b3c4d5e",
            "0d7b3a5c-6a52-4f4e-8f0e-1f6a2b3c4d5g",
        ] {
            assert!(!is_guid(text), "{text}");
        }
    }
}
