//! Connection strings: `Name=value;Name=value`.

/// The fields of a connection string. None of its values is ever shown.
pub(crate) struct Fields<'a>(Vec<(String, &'a str)>);

/// A part of a connection string is no `Name=value`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotAField;

impl<'a> Fields<'a> {
    pub(crate) fn parse(text: &'a str) -> Result<Self, NotAField> {
        let parts = text.split(';').map(str::trim);
        let fields = parts.filter(|part| !part.is_empty()).map(|part| {
            let (name, value) = part.split_once('=').ok_or(NotAField)?;
            Ok((name.trim().to_ascii_lowercase(), value.trim()))
        });
        fields.collect::<Result<_, _>>().map(Self)
    }

    /// The value of a field, unless it is empty. `name` is in lower case; names have no case.
    pub(crate) fn get(&self, name: &str) -> Option<&'a str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| *value).filter(|it| !it.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_whatever_their_case_and_values_may_hold_equal_signs() {
        let fields = Fields::parse(" AccountKey=a2V5== ; Endpoint = sb://a;Empty=;").unwrap();
        assert_eq!(fields.get("accountkey"), Some("a2V5=="));
        assert_eq!(fields.get("endpoint"), Some("sb://a"));
        assert_eq!(fields.get("empty"), None);
        assert_eq!(fields.get("other"), None);
        assert!(Fields::parse("a=b;broken").is_err());
    }
}
