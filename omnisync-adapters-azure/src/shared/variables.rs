//! Settings in variables of the environment.

use std::collections::BTreeMap;

use omnisync_core::{ErrorKind, PortError};

/// The variables of one service: those behind its prefix that are not empty.
pub(crate) struct Variables {
    prefix: &'static str,
    found: BTreeMap<String, String>,
}

impl Variables {
    pub(crate) fn read(
        prefix: &'static str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let own = variables.into_iter().filter_map(|(name, value)| {
            let name = name.strip_prefix(prefix)?;
            let value = value.trim();
            (!value.is_empty()).then(|| (name.to_owned(), value.to_owned()))
        });
        Self {
            prefix,
            found: own.collect(),
        }
    }

    /// The value of the variable that is called so behind the prefix.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.found.get(name).map(String::as_str)
    }

    /// The same, of one that has to be there.
    pub(crate) fn need(&self, name: &str, operation: &'static str) -> Result<&str, PortError> {
        self.get(name)
            .ok_or_else(|| self.wrong(name, "is not set", operation))
    }

    /// The same, as something else than a text; `default` where it is not there.
    pub(crate) fn parsed<T: std::str::FromStr>(
        &self,
        name: &str,
        default: T,
        what: &str,
        operation: &'static str,
    ) -> Result<T, PortError> {
        self.get(name).map_or(Ok(default), |text| {
            text.parse().map_err(|_| self.wrong(name, what, operation))
        })
    }

    fn wrong(&self, name: &str, what: &str, operation: &'static str) -> PortError {
        PortError::new(ErrorKind::Misconfigured, operation)
            .with_detail(format!("{}{name} {what}", self.prefix))
    }
}

/// The environment of this process, but for what is no Unicode.
pub(crate) fn of_process() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Variables {
        let pairs = pairs.iter();
        let owned = pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Variables::read("A_", owned)
    }

    #[test]
    fn only_what_is_behind_the_prefix_and_says_something_counts() {
        let variables = variables(&[("A_URL", " x "), ("A_KEY", " "), ("B_SAS", "y")]);
        assert_eq!(variables.get("URL"), Some("x"));
        assert_eq!(variables.get("KEY"), None);
        assert_eq!(variables.get("SAS"), None);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let variables = variables(&[("A_MS", "soon")]);
        let error = variables
            .parsed("MS", 1, "is no number", "test")
            .unwrap_err();
        assert_eq!(error.detail(), Some("A_MS is no number"));
        assert_eq!(
            variables
                .parsed("OTHER", 1, "is no number", "test")
                .unwrap(),
            1
        );
    }
}
