use std::sync::Arc;

use omnisync_core::id::ETag;
use omnisync_core::port::{
    Action, Collection, Content, Document, DocumentKey, Expect, StateStore, StateStoreExt, Write,
    WriteResult, Written,
};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::super::{Check, Violation};
use super::StateStoreFixture;

/// A store, a collection and a clause: what every clause works with. Documents hold one number,
/// which says who wrote them.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) store: Arc<dyn StateStore>,
    pub(super) check: Check,
    pub(super) collection: Collection,
}

impl Desk {
    /// Opens the store and removes what an earlier run left under `ids`.
    pub(super) async fn open(
        fixture: &dyn StateStoreFixture,
        clause: &'static str,
        collection: &'static str,
        ids: &[String],
    ) -> Result<Self, Violation> {
        let desk = Self {
            store: fixture.store().await,
            check: Check::of(clause),
            collection: Collection::new(collection),
        };
        for id in ids {
            desk.check.ok(
                "removing a left-over document",
                desk.delete(id, Expect::Any).await,
            )?;
        }
        Ok(desk)
    }

    pub(super) fn key(&self, id: &str) -> DocumentKey {
        DocumentKey::new(self.collection, id)
    }

    pub(super) fn content(&self, number: usize) -> Result<Content, Violation> {
        let body = self.raw(&json!({ "number": number }))?;
        Ok(Content {
            state: "open".to_owned(),
            due_at: None,
            expires_at: None,
            body,
        })
    }

    pub(super) fn raw(&self, value: &Value) -> Result<Box<RawValue>, Violation> {
        serde_json::value::to_raw_value(value).map_err(|error| {
            self.check
                .violation(format!("the suite has no such JSON: {error}"))
        })
    }

    pub(super) fn put_of(
        &self,
        id: &str,
        expect: Expect,
        number: usize,
    ) -> Result<Write, Violation> {
        let action = Action::Put(self.content(number)?);
        Ok(Write {
            key: self.key(id),
            expect,
            action,
        })
    }

    pub(super) async fn put(
        &self,
        id: &str,
        expect: Expect,
        number: usize,
    ) -> Result<WriteResult, Violation> {
        Ok(self.store.write_one(self.put_of(id, expect, number)?).await)
    }

    /// A put that has to succeed.
    pub(super) async fn must_put(
        &self,
        id: &str,
        expect: Expect,
        number: usize,
    ) -> Result<ETag, Violation> {
        let written = self.put(id, expect, number).await?;
        self.tag("a put whose condition holds", written)
    }

    pub(super) fn tag(&self, doing: &str, written: WriteResult) -> Result<ETag, Violation> {
        match self.check.ok(doing, written)? {
            Written::Put(tag) => Ok(tag),
            Written::Deleted => Err(self.check.violation(format!("{doing} reported a deletion"))),
        }
    }

    pub(super) async fn delete(&self, id: &str, expect: Expect) -> WriteResult {
        self.store
            .write_one(Write {
                key: self.key(id),
                expect,
                action: Action::Delete,
            })
            .await
    }

    pub(super) async fn get(&self, id: &str) -> Result<Option<Document>, Violation> {
        self.check
            .ok("get", self.store.get_one(&self.key(id)).await)
    }

    /// The number and tag of a document, `None` when it is absent.
    pub(super) async fn found(&self, id: &str) -> Result<Option<(usize, ETag)>, Violation> {
        let Some(document) = self.get(id).await? else {
            return Ok(None);
        };
        Ok(Some((self.number(&document)?, document.etag)))
    }

    pub(super) fn number(&self, document: &Document) -> Result<usize, Violation> {
        let body: Value = self.check.ok("parsing a stored body", document.parse())?;
        let number = body.get("number").and_then(Value::as_u64);
        let number = number.and_then(|number| usize::try_from(number).ok());
        self.check.some("the number in a stored body", number)
    }

    /// A document has to be there with this number and tag.
    #[track_caller]
    pub(super) fn unchanged(
        &self,
        found: Option<&(usize, ETag)>,
        number: usize,
        tag: &ETag,
    ) -> Result<(), Violation> {
        self.check
            .equal("the document", &found, &Some(&(number, tag.clone())))
    }
}

pub(super) fn ids<const N: usize>(ids: [&str; N]) -> Vec<String> {
    ids.into_iter().map(str::to_owned).collect()
}

pub(super) fn numbered(prefix: &str, count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("{prefix}{number:03}"))
        .collect()
}
