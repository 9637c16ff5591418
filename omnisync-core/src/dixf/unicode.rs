//! Byte order marks and the two encodings of package files.

use std::borrow::Cow;

/// Byte order mark of UTF-16LE.
pub(super) const BOM_UTF16LE: [u8; 2] = [0xff, 0xfe];
/// Byte order mark of UTF-8.
pub(super) const BOM_UTF8: [u8; 3] = [0xef, 0xbb, 0xbf];

/// Decodes UTF-16LE with byte order mark, or UTF-8 with or without it. `None` for anything else.
pub(super) fn decode(bytes: &[u8]) -> Option<Cow<'_, str>> {
    if let Some(units) = bytes.strip_prefix(&BOM_UTF16LE) {
        let (pairs, rest) = units.as_chunks::<2>();
        if !rest.is_empty() {
            return None;
        }
        let units = pairs.iter().map(|pair| u16::from_le_bytes(*pair));
        let text: Result<String, _> = char::decode_utf16(units).collect();
        return text.ok().map(Cow::Owned);
    }
    std::str::from_utf8(bytes.strip_prefix(&BOM_UTF8).unwrap_or(bytes))
        .ok()
        .map(Cow::Borrowed)
}

/// Encodes `text` as UTF-16LE with byte order mark.
pub(super) fn encode_utf16le(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() * 2 + 2);
    bytes.extend_from_slice(&BOM_UTF16LE);
    push_utf16le(text, &mut bytes);
    bytes
}

/// Appends `text` in UTF-16LE.
pub(super) fn push_utf16le(text: &str, out: &mut Vec<u8>) {
    if text.is_ascii() {
        out.extend(text.bytes().flat_map(|byte| [byte, 0]));
    } else {
        out.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    }
}

/// True when `text` holds U+0000, which readers in C take for the end of a value. Everything
/// else survives in a package.
pub(super) fn has_forbidden(text: &str) -> bool {
    text.as_bytes().contains(&0)
}
