use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a change says about one field: nothing, that it is empty now, or its new value.
///
/// In a struct with `#[serde(default, skip_serializing_if = "Patch::is_absent")]` a member that is
/// missing is `Absent` and `null` is `Null`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Patch<T> {
    /// Not spoken of: stays as it is.
    #[default]
    Absent,
    /// Emptied.
    Null,
    /// Has this value now.
    Set(T),
}

impl<T> Patch<T> {
    /// True if nothing is said.
    pub const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// The field after the change: `None` where nothing is said of it.
    pub fn said(self) -> Option<Option<T>> {
        match self {
            Self::Absent => None,
            Self::Null => Some(None),
            Self::Set(value) => Some(Some(value)),
        }
    }

    /// The value, if there is one.
    pub const fn value(&self) -> Option<&T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Absent | Self::Null => None,
        }
    }

    /// The same word about another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Patch<U> {
        match self {
            Self::Absent => Patch::Absent,
            Self::Null => Patch::Null,
            Self::Set(value) => Patch::Set(change(value)),
        }
    }
}

/// A field that is spoken of: empty or a value.
impl<T> From<Option<T>> for Patch<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Self::Set)
    }
}

impl<T: Serialize> Serialize for Patch<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value().serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    struct Change {
        #[serde(default, skip_serializing_if = "Patch::is_absent")]
        city: Patch<String>,
    }

    #[track_caller]
    fn check(json: &str, city: Patch<&str>) {
        let change: Change = serde_json::from_str(json).unwrap();
        assert_eq!(change.city, city.map(str::to_owned));
        assert_eq!(serde_json::to_string(&change).unwrap(), json);
    }

    #[test]
    fn missing_null_and_a_value_are_three_things() {
        check("{}", Patch::Absent);
        check(r#"{"city":null}"#, Patch::Null);
        check(r#"{"city":"Bern"}"#, Patch::Set("Bern"));
    }
}
