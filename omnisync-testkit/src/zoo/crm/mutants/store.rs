//! Mutants that treat the other documents of CRM sync differently.

use omnisync_core::error::PortError;
use omnisync_core::flow::{CRM_KEYS, CRM_RECORDS, CRM_STREAMS};
use omnisync_core::id::ETag;
use omnisync_core::port::{Action, Content, Document, DocumentKey, Write, WriteResult, Written};
use serde_json::value::to_raw_value;
use serde_json::{Map, Value as Json};

use super::{on_store, scenes};
use crate::zoo::Specimen;
use crate::zoo::edits::Edits;

pub(super) fn specimens() -> Vec<Specimen> {
    vec![
        Specimen::of_sync(
            "key-not-reserved",
            "the reservation of a natural key always succeeds",
            &["I-S1", "I-S2", "I-S4", "I-S5", "I-S7"],
            [scenes::race(), scenes::two_records()],
            on_store(|| {
                Edits::default()
                    .documents(|key: &DocumentKey, document: &mut Option<Document>| {
                        if key.collection == CRM_KEYS {
                            *document = None;
                        }
                    })
                    .results(|write: &Write, result: &mut WriteResult| {
                        if write.key.collection == CRM_KEYS
                            && let Ok(tag) = ETag::new("reserved")
                        {
                            *result = Ok(Written::Put(tag));
                        }
                    })
            }),
        ),
        Specimen::of_sync(
            "records-not-bound",
            "which link a record belongs to is not kept, so its removal leads nowhere",
            &["I-S1", "I-S2", "I-S5"],
            [scenes::deletion(), scenes::any()],
            on_store(|| {
                bodies(CRM_RECORDS.as_str(), |body, _| {
                    body.remove("link");
                })
            }),
        ),
        Specimen::of_sync(
            "gap-ignored",
            "that changes were lost is noted, and nobody compares",
            &["I-S10"],
            [scenes::any()],
            on_store(|| {
                bodies(CRM_STREAMS.as_str(), |body, state| {
                    let gaps = body.get("gaps").cloned().unwrap_or_default();
                    body.insert("covered".to_owned(), gaps);
                    body.insert("behind".to_owned(), Json::Bool(false));
                    body.remove("pass");
                    "read".clone_into(state);
                })
            }),
        ),
        Specimen::of_sync(
            "delays-of-the-store-forgotten",
            "the time for which the store asks is not told to anybody",
            &["I-X5"],
            [scenes::edits()],
            on_store(|| {
                Edits::errors(|error| {
                    PortError::new(error.kind(), error.operation()).with_source(error)
                })
            }),
        ),
    ]
}

/// Documents of a collection as they are stored: the members of the body, and the state.
fn bodies(
    collection: &'static str,
    edit: impl Fn(&mut Map<String, Json>, &mut String) + Send + Sync + 'static,
) -> Edits {
    Edits::writes(move |write: &mut Write| {
        if write.key.collection.as_str() == collection
            && let Action::Put(content) = &mut write.action
        {
            edited(content, &edit);
        }
    })
}

fn edited(content: &mut Content, edit: &dyn Fn(&mut Map<String, Json>, &mut String)) {
    if let Ok(Json::Object(mut body)) = serde_json::from_str(content.body.get()) {
        edit(&mut body, &mut content.state);
        if let Ok(body) = to_raw_value(&body) {
            content.body = body;
        }
    }
}
