//! JSON text as the default serializer of .NET writes it.
//!
//! `System.Text.Json` with indentation writes two spaces a level and escapes everything outside
//! printable ASCII and the characters that matter to HTML, with upper-case digits.

/// Appends a JSON string.
pub(super) fn push_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    // Most values need no escape.
    if text.bytes().all(is_plain) {
        out.extend_from_slice(text.as_bytes());
    } else {
        push_escaped(text, out);
    }
    out.push(b'"');
}

const fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~')
        && !matches!(
            byte,
            b'"' | b'&' | b'\'' | b'+' | b'<' | b'>' | b'`' | b'\\'
        )
}

fn push_escaped(text: &str, out: &mut Vec<u8>) {
    for c in text.chars() {
        match c {
            '\u{8}' => out.extend_from_slice(b"\\b"),
            '\t' => out.extend_from_slice(b"\\t"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\u{c}' => out.extend_from_slice(b"\\f"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\\' => out.extend_from_slice(b"\\\\"),
            '"' | '&' | '\'' | '+' | '<' | '>' | '`' => push_escape(c, out),
            ' '..='~' => {
                let mut buffer = [0; 4];
                out.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
            }
            _ => push_escape(c, out),
        }
    }
}

fn push_escape(c: char, out: &mut Vec<u8>) {
    const DIGITS: [u8; 16] = *b"0123456789ABCDEF";
    for unit in c.encode_utf16(&mut [0; 2]) {
        out.extend_from_slice(b"\\u");
        for shift in [12, 8, 4, 0] {
            let digit = usize::from((*unit >> shift) & 0xf);
            out.extend(DIGITS.get(digit));
        }
    }
}

/// What stands before the value of a member of a row: what ends the member before, indentation,
/// quoted name and colon.
pub(super) fn member_prefix(name: &str, is_first: bool) -> Vec<u8> {
    let mut prefix = if is_first { "    " } else { ",\n    " }
        .as_bytes()
        .to_vec();
    push_string(name, &mut prefix);
    prefix.extend_from_slice(b": ");
    prefix
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        push_string(text, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn text_is_escaped_as_dot_net_does() {
        for (text, json) in [
            ("plain /~", r#""plain /~""#),
            (
                "\"&'+<>`\\",
                r#""\u0022\u0026\u0027\u002B\u003C\u003E\u0060\\""#,
            ),
            ("\u{8}\t\n\u{c}\r\u{1}\u{7f}", r#""\b\t\n\f\r\u0001\u007F""#),
            ("Café Zoë", r#""Caf\u00E9 Zo\u00EB""#),
            ("😀", r#""\uD83D\uDE00""#),
        ] {
            assert_eq!(written(text), json);
            assert_eq!(serde_json::from_str::<String>(json).unwrap(), text);
        }
    }
}
