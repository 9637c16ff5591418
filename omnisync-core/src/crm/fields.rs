use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::name::FieldName;

/// Something for each of some fields, in the order of their names. Small and compared often, so
/// it is one sorted list.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fields<T>(Vec<(FieldName, T)>);

impl<T> Fields<T> {
    /// No field.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there is no field.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Where `name` stands, or would.
    pub(in crate::crm) fn position(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(key, _)| key.as_str().cmp(name))
    }

    /// What is there for `name`.
    pub fn get(&self, name: &str) -> Option<&T> {
        let at = self.position(name).ok()?;
        self.0.get(at).map(|(_, value)| value)
    }

    /// The same, if another list of about the same fields has it at `place`: then this one mostly has
    /// it there too, and nothing else of it has to be read.
    pub(in crate::crm) fn get_near(&self, name: &str, place: usize) -> Option<&T> {
        match self.0.get(place) {
            Some((key, value)) if key.as_str() == name => Some(value),
            _ => self.get(name),
        }
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut T> {
        let at = self.position(name).ok()?;
        self.0.get_mut(at).map(|(_, value)| value)
    }

    /// True if there is something for `name`.
    pub fn contains(&self, name: &str) -> bool {
        self.position(name).is_ok()
    }

    /// Puts `value` for `name`, and returns what was there before.
    pub fn insert(&mut self, name: FieldName, value: T) -> Option<T> {
        match self.position(name.as_str()) {
            Ok(at) => {
                let place = self.0.get_mut(at)?;
                Some(std::mem::replace(&mut place.1, value))
            }
            Err(at) => {
                self.0.insert(at, (name, value));
                None
            }
        }
    }

    /// Takes away what is there for `name`.
    pub fn remove(&mut self, name: &str) -> Option<T> {
        let at = self.position(name).ok()?;
        Some(self.0.remove(at).1)
    }

    /// Keeps the fields that `keep` wants.
    pub fn retain(&mut self, mut keep: impl FnMut(&FieldName, &T) -> bool) {
        self.0.retain(|(name, value)| keep(name, value));
    }

    /// Every field, by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&FieldName, &T)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// The same, with what is there to be changed.
    pub fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = (&FieldName, &mut T)> {
        self.0.iter_mut().map(|(name, value)| (&*name, value))
    }

    /// The names, in their order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &FieldName> {
        self.0.iter().map(|(name, _)| name)
    }
}

impl<T> Default for Fields<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for Fields<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Of several values for one name the last stays.
impl<T> FromIterator<(FieldName, T)> for Fields<T> {
    fn from_iter<I: IntoIterator<Item = (FieldName, T)>>(fields: I) -> Self {
        let mut all: Vec<_> = fields.into_iter().collect();
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut kept: Vec<(FieldName, T)> = Vec::with_capacity(all.len());
        for field in all {
            match kept.last_mut() {
                Some(last) if last.0 == field.0 => *last = field,
                _ => kept.push(field),
            }
        }
        Self(kept)
    }
}

impl<T> IntoIterator for Fields<T> {
    type Item = (FieldName, T);
    type IntoIter = std::vec::IntoIter<(FieldName, T)>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<T: Serialize> Serialize for Fields<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Fields<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = Fields<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of fields")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Fields<T>, A::Error> {
                let mut all = Vec::new();
                while let Some(field) = members.next_entry::<FieldName, T>()? {
                    all.push(field);
                }
                Ok(all.into_iter().collect())
            }
        }

        deserializer.deserialize_map(Members(std::marker::PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> FieldName {
        FieldName::new(text).unwrap()
    }

    #[test]
    fn fields_come_in_the_order_of_their_names_and_once() {
        let fields: Fields<u8> = [("b", 1), ("a", 2), ("b", 3)]
            .map(|(field, value)| (name(field), value))
            .into_iter()
            .collect();
        let all: Vec<_> = fields.iter().map(|(n, v)| (n.as_str(), *v)).collect();
        assert_eq!(all, [("a", 2), ("b", 3)]);
        let text = serde_json::to_string(&fields).unwrap();
        assert_eq!(text, r#"{"a":2,"b":3}"#);
        let back: Fields<u8> = serde_json::from_str(r#"{"b":3,"a":2}"#).unwrap();
        assert_eq!(back, fields);
    }

    #[test]
    fn a_field_is_put_once_and_taken_away() {
        let mut fields = Fields::new();
        assert_eq!(fields.insert(name("x"), 1), None);
        assert_eq!(fields.insert(name("x"), 2), Some(1));
        assert_eq!(fields.get("x"), Some(&2));
        assert_eq!(fields.remove("x"), Some(2));
        assert!(fields.is_empty());
    }
}
