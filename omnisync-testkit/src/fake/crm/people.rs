//! What people do in the system itself, past the port.

use omnisync_core::crm::{FieldName, Fields, ForeignId, Native, VersionToken};
use omnisync_core::error::{ErrorKind, PortError};

use super::FakeCrm;
use super::engine::Engine;
use super::log::ChangeCause;
use super::record::Standing;
use super::wish::{Actor, Wish};

/// People's hands. Whatever the faults of the port, they get through; what the system refuses,
/// it refuses to them too, but for fields that are closed to the integration alone.
impl FakeCrm {
    /// A person creates a record.
    ///
    /// # Errors
    /// `Invalid`, `AlreadyExists`.
    pub fn create_by(
        &self,
        user: &str,
        object: &str,
        fields: Fields<Native>,
    ) -> Result<ForeignId, PortError> {
        self.by_hand(|engine| engine.create(object, fields, &person(user)))
    }

    /// A person changes some fields. Gives the version that the record has then.
    ///
    /// # Errors
    /// `NotFound` (not in use), `Invalid`, `AlreadyExists`.
    pub fn edit(
        &self,
        id: &ForeignId,
        fields: Fields<Native>,
        user: &str,
    ) -> Result<VersionToken, PortError> {
        self.by_hand(|engine| {
            in_use(engine, id)?;
            engine.change(id, Wish::update(fields), &person(user))?;
            let record = engine.inner.records.get(id);
            let version = record.map(|record| record.now.version.clone());
            version.ok_or_else(|| engine.refusal(ErrorKind::Internal, id.to_string()))
        })
    }

    /// A person takes a record out of use, as the system does it.
    ///
    /// # Errors
    /// `NotFound` (not in use).
    pub fn delete_by(&self, id: &ForeignId, user: &str) -> Result<(), PortError> {
        self.by_hand(|engine| {
            in_use(engine, id)?;
            let wish = Wish::delete(engine.removed());
            engine.change(id, wish, &person(user))
        })
    }

    /// A person brings a record back, also where the port cannot.
    ///
    /// # Errors
    /// `NotFound` (in use, merged, or forgotten), `AlreadyExists` (its key is taken by now).
    pub fn undelete_by(&self, id: &ForeignId, user: &str) -> Result<(), PortError> {
        self.by_hand(|engine| {
            let standing = engine.known(id).map(|record| &record.now.standing);
            if !matches!(standing, Some(Standing::Inactive | Standing::Deleted)) {
                return Err(engine.refusal(ErrorKind::NotFound, id.to_string()));
            }
            engine.change(id, Wish::undelete(), &person(user))
        })
    }

    /// A person merges two records of one object: `loser` is gone, and `winner` takes these
    /// fields from it. Two events: the loser is deleted, the winner updated.
    ///
    /// # Errors
    /// `NotFound` (one is not in use), `Invalid` (one record, or two objects).
    pub fn merge_by(
        &self,
        loser: &ForeignId,
        winner: &ForeignId,
        taking: &[FieldName],
        user: &str,
    ) -> Result<(), PortError> {
        self.by_hand(|engine| {
            let lost = in_use(engine, loser)?;
            let won = in_use(engine, winner)?;
            if loser == winner || lost.0 != won.0 {
                return Err(engine.refusal(ErrorKind::Invalid, "these cannot be merged"));
            }
            let merging = |with: &ForeignId| Actor {
                user: user.to_owned(),
                cause: ChangeCause::Merge { with: with.clone() },
            };
            let into = winner.clone();
            let gone = Wish::delete(Standing::Merged { into });
            engine.change(loser, gone, &merging(winner))?;
            let mut fields = lost.1;
            fields.retain(|name, _| taking.contains(name));
            engine.change(winner, Wish::update(fields), &merging(loser))
        })
    }

    /// The system forgets a record that is out of use, at once and for good. No event tells.
    /// `false` when it is in use or not known.
    pub fn forget(&self, id: &ForeignId) -> bool {
        let forgotten = self.by_hand(|engine| {
            let record = engine.known(id).filter(|record| !record.is_in_use());
            Ok(record.map(|record| record.is_purged = true).is_some())
        });
        forgotten.unwrap_or_default()
    }
}

fn person(user: &str) -> Actor {
    Actor {
        user: user.to_owned(),
        cause: ChangeCause::Person,
    }
}

/// Object and fields of a record that has to be in use.
fn in_use(engine: &mut Engine<'_>, id: &ForeignId) -> Result<(String, Fields<Native>), PortError> {
    let record = engine.known(id).filter(|record| record.is_in_use());
    let found = record.map(|record| (record.object.clone(), record.now.fields.clone()));
    found.ok_or_else(|| engine.refusal(ErrorKind::NotFound, id.to_string()))
}
