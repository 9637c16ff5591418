//! Media types: those of CloudEvents, and the syntax of all (RFC 2046, RFC 9110 §8.3).

/// One event as JSON.
pub const EVENT_JSON: &str = "application/cloudevents+json";

/// A batch of events as JSON.
pub const BATCH_JSON: &str = "application/cloudevents-batch+json";

/// JSON data, which is also what an event without `datacontenttype` carries.
pub const JSON: &str = "application/json";

/// Begins the content type of a message whose body is a whole event.
pub(super) const EVENT_PREFIX: &str = "application/cloudevents";

/// Begins the content type of a message whose body is a batch.
pub(super) const BATCH_PREFIX: &str = "application/cloudevents-batch";

/// True for `type/subtype`, with or without parameters.
pub fn is_media_type(text: &str) -> bool {
    let Some((essence, mut rest)) = split_essence(text) else {
        return false;
    };
    if !essence
        .split_once('/')
        .is_some_and(|(main, sub)| is_token(main) && is_token(sub))
    {
        return false;
    }
    while let Some(parameter) = rest.trim_matches([' ', '\t']).strip_prefix(';') {
        let parameter = parameter.trim_start_matches([' ', '\t']);
        if parameter.is_empty() || parameter.starts_with(';') {
            rest = parameter;
            continue;
        }
        match after_parameter(parameter) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    rest.trim_matches([' ', '\t']).is_empty()
}

/// True for a media type of JSON data: the subtype is `json` or ends in `+json`.
pub fn is_json(text: &str) -> bool {
    let subtype = split_essence(text).and_then(|(essence, _)| essence.split_once('/'));
    subtype.is_some_and(|(_, subtype)| {
        subtype.eq_ignore_ascii_case("json") || ends_with(subtype, "+json")
    })
}

/// True for a media type whose data is text in UTF-8: `text/*`, or XML, without another charset.
pub(super) fn is_utf8_text(text: &str) -> bool {
    let Some((essence, _)) = split_essence(text) else {
        return false;
    };
    let is_text = starts_with(essence, "text/")
        || essence.eq_ignore_ascii_case("application/xml")
        || ends_with(essence, "+xml");
    is_text && is_utf8(text)
}

/// True unless a `charset` parameter names an encoding that is not UTF-8 or a part of it.
pub(super) fn is_utf8(text: &str) -> bool {
    let charset = text.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("charset")
            .then(|| value.trim().trim_matches('"'))
    });
    charset.is_none_or(|charset| {
        ["utf-8", "utf8", "us-ascii"]
            .iter()
            .any(|known| charset.eq_ignore_ascii_case(known))
    })
}

/// True when type and subtype are those of `essence`, whatever the case and the parameters.
pub(super) fn is_essence(text: &str, essence: &str) -> bool {
    split_essence(text).is_some_and(|(found, _)| found.eq_ignore_ascii_case(essence))
}

/// `starts_with` that ignores ASCII case.
pub(super) fn starts_with(text: &str, prefix: &str) -> bool {
    text.split_at_checked(prefix.len())
        .is_some_and(|(head, _)| head.eq_ignore_ascii_case(prefix))
}

fn ends_with(text: &str, suffix: &str) -> bool {
    let at = text.len().checked_sub(suffix.len());
    at.and_then(|at| text.get(at..))
        .is_some_and(|tail| tail.eq_ignore_ascii_case(suffix))
}

/// Splits type and subtype from the parameters, which keep their semicolon.
fn split_essence(text: &str) -> Option<(&str, &str)> {
    let (essence, parameters) = text.split_at_checked(text.find(';').unwrap_or(text.len()))?;
    Some((essence.trim_matches([' ', '\t']), parameters))
}

/// What follows the parameter at the beginning of `text`.
fn after_parameter(text: &str) -> Option<&str> {
    let (name, value) = text.split_once('=')?;
    if !is_token(name) {
        return None;
    }
    if let Some(quoted) = value.strip_prefix('"') {
        return after_quoted(quoted);
    }
    let end = value.find(|c| !is_token_char(c)).unwrap_or(value.len());
    value
        .split_at_checked(end)
        .and_then(|(token, after)| (!token.is_empty()).then_some(after))
}

/// What follows the closing quote.
fn after_quoted(text: &str) -> Option<&str> {
    let mut chars = text.chars();
    loop {
        match chars.next()? {
            '"' => return Some(chars.as_str()),
            '\\' => drop(chars.next().filter(|c| is_quotable(*c))?),
            c if is_quotable(c) => {}
            _ => return None,
        }
    }
}

const fn is_quotable(c: char) -> bool {
    matches!(c, '\t' | ' '..='~')
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_token_char)
}

const fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || matches!(
            c,
            '!' | '#'
                | '$'
                | '%'
                | '&'
                | '\''
                | '*'
                | '+'
                | '-'
                | '.'
                | '^'
                | '_'
                | '`'
                | '|'
                | '~'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_have_a_type_a_subtype_and_parameters() {
        for text in [
            "text/plain",
            "application/vnd.x.y+json",
            "application/json; charset=utf-8",
            "a/b;c=d;e=\"f;g\\\"h\"",
            "a/b ; c=d",
            "a/b;",
            "a/b;;c=d",
            "multipart/mixed; boundary=\"a b\"",
            "x/*",
        ] {
            assert!(is_media_type(text), "{text}");
        }
        for text in [
            "",
            "text",
            "/",
            "text/",
            "/plain",
            "text/plain/x",
            "text plain",
            "a/b c",
            "a/b;c",
            "a/b;c=",
            "a/b;c=d e",
            "a/b;c=\"d",
            "a/b;=d",
            "a/b;c=\"\u{1}\"",
            "a/é",
            "a/b;c=\"é\"",
            "a/b,c/d",
            "a/b;c=\"d\"x",
        ] {
            assert!(!is_media_type(text), "{text}");
        }
    }

    #[test]
    fn json_is_recognised_by_the_subtype() {
        for text in [
            "application/json",
            "TEXT/JSON",
            "application/x+JSON; a=b",
            "application/cloudevents+json",
        ] {
            assert!(is_json(text), "{text}");
        }
        for text in [
            "application/jsonl",
            "application/json5",
            "text/plain",
            "application/xjson",
            "json",
        ] {
            assert!(!is_json(text), "{text}");
        }
    }

    #[test]
    fn a_charset_other_than_utf8_is_noticed() {
        assert!(is_utf8("a/b; x=y; CharSet=\"UTF-8\"") && is_utf8("a/b"));
        assert!(!is_utf8("a/b;charset=iso-8859-1"));
        assert!(is_utf8_text("text/html") && is_utf8_text("image/svg+xml"));
        assert!(!is_utf8_text("text/html;charset=utf-16") && !is_utf8_text("image/png"));
    }
}
