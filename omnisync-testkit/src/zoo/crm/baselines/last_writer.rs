use async_trait::async_trait;
use chrono::{DateTime, Utc};
use omnisync_core::crm::{Fields, Value};
use omnisync_core::error::PortError;
use omnisync_core::port::{Collection, DocumentKey};
use serde::{Deserialize, Serialize};

use super::{News, Parties, Party, Rule};

/// What was copied last, by natural key.
const COPIED: Collection = Collection::new("copied");

/// The latest change wins, by the clocks of the systems. What is older than what was copied last
/// is dropped, and so is what has the same values.
pub(super) struct LastWriter;

#[derive(Debug, Serialize, Deserialize)]
struct Copied {
    at: DateTime<Utc>,
    system: String,
    values: Fields<Option<Value>>,
}

#[async_trait]
impl Rule for LastWriter {
    const READS: bool = true;

    async fn follow(&self, parties: &Parties, news: &News) -> Result<(), PortError> {
        let Some(source) = parties.all.get(news.at) else {
            return Ok(());
        };
        let key = DocumentKey::new(COPIED, news.key.clone());
        let copied: Option<Copied> = parties.kept(&key).await?;
        let is_old = copied.is_some_and(|copied| {
            let is_later = (&copied.at, &copied.system) > (&news.modified_at, &source.name);
            is_later || copied.values == news.values
        });
        if is_old {
            return Ok(());
        }
        for other in parties.others(news) {
            copy(other, news).await?;
        }
        let copied = Copied {
            at: news.modified_at,
            system: source.name.clone(),
            values: news.values.clone(),
        };
        parties.keep(key, &copied).await
    }
}

/// Writes what differs.
async fn copy(party: &Party, news: &News) -> Result<(), PortError> {
    let Some(id) = party.met(news).await? else {
        return Ok(());
    };
    let Some(held) = party.snapshot(&id).await? else {
        return Ok(());
    };
    let held = party.values(&held.fields);
    let mut values = news.values.clone();
    values.retain(|field, value| held.get(field.as_str()) != Some(value));
    if values.is_empty() {
        return Ok(());
    }
    party.update(&id, &values).await
}
