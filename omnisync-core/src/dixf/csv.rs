//! Writes delimited text as the source data format `CSV-Unicode` takes it: UTF-16LE with byte
//! order mark, comma, CRLF, and double quotes where a value needs them.
//!
//! Every text survives: a value with a comma, a quote, a line break, or white space at either
//! end is quoted, quotes are doubled, and nothing is altered. The one exception is U+0000, which
//! the field map refuses.

use super::unicode::push_utf16le;

/// Appends one row.
pub(super) fn push_row<'f>(
    fields: impl IntoIterator<Item = &'f str>,
    columns: usize,
    out: &mut Vec<u8>,
) {
    for (index, field) in fields.into_iter().enumerate() {
        if index > 0 {
            out.extend_from_slice(b",\0");
        }
        // The only value of a row must not leave a blank line.
        if (field.is_empty() && columns == 1) || needs_quotes(field) {
            push_quoted(field, out);
        } else {
            push_utf16le(field, out);
        }
    }
    out.extend_from_slice(b"\r\0\n\0");
}

fn needs_quotes(field: &str) -> bool {
    field
        .bytes()
        .any(|byte| matches!(byte, b',' | b'"' | b'\r' | b'\n'))
        || field.starts_with(char::is_whitespace)
        || field.ends_with(char::is_whitespace)
}

fn push_quoted(field: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"\0");
    for (index, part) in field.split('"').enumerate() {
        if index > 0 {
            out.extend_from_slice(b"\"\0\"\0");
        }
        push_utf16le(part, out);
    }
    out.extend_from_slice(b"\"\0");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(fields: &[&str]) -> String {
        let mut out = Vec::new();
        push_row(fields.iter().copied(), fields.len(), &mut out);
        let units: Vec<u16> = out
            .chunks_exact(2)
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
            .collect();
        String::from_utf16(&units).unwrap()
    }

    #[test]
    fn a_value_is_quoted_only_where_it_must_be() {
        assert_eq!(
            written(&["a", "", "b c", "0012", "=1+1"]),
            "a,,b c,0012,=1+1\r\n"
        );
        assert_eq!(
            written(&[
                "a,b",
                "say \"hi\"",
                "two\r\nlines",
                " pad",
                "pad ",
                "\t",
                "\""
            ]),
            "\"a,b\",\"say \"\"hi\"\"\",\"two\r\nlines\",\" pad\",\"pad \",\"\t\",\"\"\"\"\r\n"
        );
        assert_eq!(written(&["😀é"]), "😀é\r\n");
    }

    #[test]
    fn the_only_value_of_a_row_never_leaves_a_blank_line() {
        assert_eq!(written(&[""]), "\"\"\r\n");
    }
}
