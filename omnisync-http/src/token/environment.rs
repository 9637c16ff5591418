use super::error::TokenError;

/// The variables of an environment that one kind of credential reads.
pub(super) struct Environment {
    variables: Vec<(String, String)>,
}

impl Environment {
    /// Keeps what is named in `wanted` and not empty.
    pub(super) fn of(
        variables: impl IntoIterator<Item = (String, String)>,
        wanted: &[&str],
    ) -> Self {
        let variables = variables
            .into_iter()
            .filter(|(name, value)| wanted.contains(&name.as_str()) && !value.trim().is_empty())
            .collect();
        Self { variables }
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.variables.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn need(&self, name: &'static str) -> Result<&str, TokenError> {
        self.get(name).ok_or(TokenError::Environment(name))
    }
}
