use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use crate::error::{ErrorKind, PortError};
use crate::id::{BatchId, OrderId, Sha256};
use crate::order::{OrderRecord, Revision};
use crate::port::{Action, Collection, Content, Document, DocumentKey, Expect, Write};

/// Where member lists are stored.
pub const SEGMENTS: Collection = Collection::new("batch_segments");

/// Members in one segment: few enough that a segment stays far below a megabyte.
pub const SEGMENT_MEMBERS_MAX: usize = 1_000;

/// One order of a batch, in the version that the batch takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// The order.
    pub order: OrderId,
    /// Its revision.
    pub revision: Revision,
    /// Hash of what the revision says.
    pub content: Sha256,
    /// How often the order had returned to waiting.
    pub generation: u32,
}

impl Member {
    /// The member that `record` would be now.
    pub fn of(record: &OrderRecord) -> Self {
        Self {
            order: record.order_id.clone(),
            revision: record.revision,
            content: record.content_hash,
            generation: record.claim_generation,
        }
    }
}

/// Identity of a batch: a hash of its members, which have to be sorted by order id.
///
/// `round` is 0, and counts up only when a batch of exactly these members was given up before
/// anything was claimed.
pub fn batch_id(members: &[Member], round: u32) -> BatchId {
    let mut hash = sha2::Sha256::new();
    hash.update(b"omnisync batch 1\n");
    hash.update(round.to_be_bytes());
    for member in members {
        hash.update(member.order.as_str().as_bytes());
        hash.update([0]);
        hash.update(member.revision.to_string().as_bytes());
        hash.update([0]);
        hash.update(member.content.as_bytes());
        hash.update(member.generation.to_be_bytes());
    }
    let digest: [u8; 32] = hash.finalize().into();
    let mut head = [0_u8; 16];
    head.copy_from_slice(digest.first_chunk::<16>().unwrap_or(&[0; 16]));
    BatchId::from_hash(head)
}

/// A member list, stored in segments so that no document outgrows its store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentList {
    /// Distinguishes the lists of one batch: `p` for the proposal, `s3` for what epoch 3 sealed.
    pub label: String,
    /// Number of segments.
    pub segments: u32,
    /// Number of members.
    pub members: u32,
}

#[derive(Serialize, Deserialize)]
struct Segment<M> {
    members: M,
}

impl SegmentList {
    /// The list that a batch proposes.
    pub fn proposal(members: usize) -> Self {
        Self::new("p".to_owned(), members)
    }

    /// The list that the worker of `epoch` seals. Workers of other epochs write elsewhere, so a
    /// worker that lost its lease cannot touch a list that counts.
    pub fn sealed(epoch: u32, members: usize) -> Self {
        Self::new(format!("s{epoch}"), members)
    }

    /// The epoch that sealed this list; `None` for a proposal.
    pub fn sealed_by(&self) -> Option<u32> {
        self.label.strip_prefix('s')?.parse().ok()
    }

    fn new(label: String, members: usize) -> Self {
        let segments = members.div_ceil(SEGMENT_MEMBERS_MAX);
        Self {
            label,
            segments: u32::try_from(segments).unwrap_or(u32::MAX),
            members: u32::try_from(members).unwrap_or(u32::MAX),
        }
    }

    /// Addresses of the segments.
    pub fn keys(&self, batch: BatchId) -> impl Iterator<Item = DocumentKey> + '_ {
        let label = self.label.clone();
        (0..self.segments)
            .map(move |n| DocumentKey::new(SEGMENTS, format!("{}.{label}.{n}", batch.simple())))
    }

    /// Renders the writes that store `members`. Writing the same list twice is harmless.
    ///
    /// # Errors
    /// `Invalid` when a member cannot be rendered.
    pub fn to_writes(&self, batch: BatchId, members: &[Member]) -> Result<Vec<Write>, PortError> {
        self.keys(batch)
            .zip(members.chunks(SEGMENT_MEMBERS_MAX))
            .map(|(key, members)| {
                let body = crate::port::body_of(&Segment { members })?;
                let state = "Segment".to_owned();
                let content = Content {
                    state,
                    due_at: None,
                    expires_at: None,
                    body,
                };
                Ok(Write {
                    key,
                    expect: Expect::Any,
                    action: Action::Put(content),
                })
            })
            .collect()
    }

    /// Reads the list from its segments, in the order of [`SegmentList::keys`]. `None` when a
    /// segment is missing: the worker died before it had written the list.
    ///
    /// # Errors
    /// `Corrupt` when the segments do not hold as many members as the batch says.
    pub fn read(
        &self,
        batch: BatchId,
        segments: &[Option<Document>],
    ) -> Result<Option<Vec<Member>>, PortError> {
        let mut members = Vec::with_capacity(usize::try_from(self.members).unwrap_or_default());
        for segment in segments {
            let Some(segment) = segment else {
                return Ok(None);
            };
            members.extend(segment.parse::<Segment<Vec<Member>>>()?.members);
        }
        if u32::try_from(members.len()) == Ok(self.members) {
            Ok(Some(members))
        } else {
            Err(
                PortError::new(ErrorKind::Corrupt, "batch.members").with_detail(format!(
                    "batch {batch} has {} members in list {}, its record says {}",
                    members.len(),
                    self.label,
                    self.members
                )),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(order: &str, generation: u32) -> Member {
        Member {
            order: OrderId::new(order).unwrap(),
            revision: Revision::new(Some(1), None),
            content: Sha256::of(order.as_bytes()),
            generation,
        }
    }

    #[test]
    fn the_same_members_make_the_same_batch_and_any_difference_another() {
        let members = [member("A", 0), member("B", 0)];
        assert_eq!(batch_id(&members, 0), batch_id(&members.clone(), 0));
        let mut ids = std::collections::BTreeSet::from([batch_id(&members, 0)]);
        assert!(ids.insert(batch_id(&members, 1)));
        assert!(ids.insert(batch_id(&members[..1], 0)));
        assert!(ids.insert(batch_id(&[member("A", 1), member("B", 0)], 0)));
        assert!(ids.insert(batch_id(&[member("AB", 0)], 0)));
    }

    #[test]
    fn a_list_is_cut_into_segments_that_a_store_can_hold() {
        let members: Vec<_> = (0..2_500).map(|n| member(&format!("O{n:05}"), 0)).collect();
        let batch = batch_id(&members, 0);
        let list = SegmentList::proposal(members.len());
        let writes = list.to_writes(batch, &members).unwrap();
        assert_eq!(writes.len(), 3);
        for write in &writes {
            let Action::Put(content) = &write.action else {
                panic!("a put")
            };
            assert!(content.body.get().len() < 1024 * 1024);
        }
    }

    #[test]
    fn a_list_knows_the_epoch_that_sealed_it() {
        assert_eq!(SegmentList::sealed(17, 1).sealed_by(), Some(17));
        assert_eq!(SegmentList::proposal(1).sealed_by(), None);
    }

    #[test]
    fn a_missing_segment_is_told_apart_from_a_short_one() {
        let batch = batch_id(&[], 0);
        let list = SegmentList::proposal(1);
        assert_eq!(list.read(batch, &[None]).unwrap(), None);
        assert!(list.read(batch, &[]).is_err());
    }
}
