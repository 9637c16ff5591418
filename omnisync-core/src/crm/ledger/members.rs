use std::fmt;
use std::iter::Map;
use std::ops::Index;
use std::slice;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::member::MemberRecord;
use crate::crm::name::SystemName;

/// One system.
type Member = (SystemName, MemberRecord);

/// Every system with what is known there.
type Iter<'a> = Map<slice::Iter<'a, Member>, fn(&'a Member) -> (&'a SystemName, &'a MemberRecord)>;

/// What is known of a record in each system, in the order of their names. They are few: one sorted
/// list takes a fifth of the memory of a tree, and is looked through faster.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Members(Vec<Member>);

impl Members {
    /// No system.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    fn position(&self, system: &SystemName) -> Option<usize> {
        // A name that comes from the landscape is the same to a pointer: equal is asked before less.
        self.0.iter().position(|(name, _)| name == system)
    }

    /// What is known in `system`.
    pub fn get(&self, system: &SystemName) -> Option<&MemberRecord> {
        let mut all = self.0.iter();
        all.find(|(name, _)| name == system)
            .map(|(_, member)| member)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, system: &SystemName) -> Option<&mut MemberRecord> {
        let mut all = self.0.iter_mut();
        all.find(|(name, _)| name == system)
            .map(|(_, member)| member)
    }

    /// True if something is known in `system`.
    pub fn contains_key(&self, system: &SystemName) -> bool {
        self.position(system).is_some()
    }

    /// Puts what is known in `system`, and returns what was there before.
    pub fn insert(&mut self, system: SystemName, member: MemberRecord) -> Option<MemberRecord> {
        if let Some(place) = self.get_mut(&system) {
            return Some(std::mem::replace(place, member));
        }
        let at = self.0.partition_point(|(name, _)| *name < system);
        self.0.insert(at, (system, member));
        None
    }

    /// Takes away what is known in `system`.
    pub fn remove(&mut self, system: &SystemName) -> Option<MemberRecord> {
        let at = self.position(system)?;
        Some(self.0.remove(at).1)
    }

    /// What is known in `system`, which takes part from now on if it did not.
    #[expect(
        clippy::indexing_slicing,
        reason = "it was found or put there just now"
    )]
    pub fn of(&mut self, system: &SystemName) -> &mut MemberRecord {
        let at = self.position(system).unwrap_or_else(|| {
            let at = self.0.partition_point(|(name, _)| name < system);
            self.0.insert(at, (system.clone(), MemberRecord::default()));
            at
        });
        let (_, member) = &mut self.0[at];
        member
    }

    /// How many systems there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there is no system.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every system with what is known there.
    pub fn iter(&self) -> Iter<'_> {
        self.into_iter()
    }

    /// The systems.
    pub fn keys(&self) -> Map<slice::Iter<'_, Member>, fn(&Member) -> &SystemName> {
        self.0.iter().map(|(name, _)| name)
    }

    /// What is known in each.
    pub fn values(&self) -> Map<slice::Iter<'_, Member>, fn(&Member) -> &MemberRecord> {
        self.0.iter().map(|(_, member)| member)
    }

    /// Every system, with what is known there to be changed.
    pub fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = (&SystemName, &mut MemberRecord)> {
        self.0.iter_mut().map(|(name, member)| (&*name, member))
    }

    /// The same, to be changed.
    pub fn values_mut(
        &mut self,
    ) -> Map<slice::IterMut<'_, Member>, fn(&mut Member) -> &mut MemberRecord> {
        self.0.iter_mut().map(|(_, member)| member)
    }
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[expect(clippy::expect_used, reason = "as of every list: `get` asks first")]
impl Index<&SystemName> for Members {
    type Output = MemberRecord;
    fn index(&self, system: &SystemName) -> &MemberRecord {
        self.get(system).expect("the system takes part")
    }
}

impl<'a> IntoIterator for &'a Members {
    type Item = (&'a SystemName, &'a MemberRecord);
    type IntoIter = Iter<'a>;
    fn into_iter(self) -> Iter<'a> {
        self.0.iter().map(|(name, member)| (name, member))
    }
}

impl Serialize for Members {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (system, member) in self {
            map.serialize_entry(system, member)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Systems;

        impl<'de> Visitor<'de> for Systems {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of systems")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut systems: A) -> Result<Members, A::Error> {
                let mut all = Members::new();
                while let Some((system, member)) = systems.next_entry()? {
                    all.insert(system, member);
                }
                Ok(all)
            }
        }

        deserializer.deserialize_map(Systems)
    }
}
