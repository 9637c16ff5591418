use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use omnisync_core::crm::{ChangeKind, ForeignId};
use omnisync_core::error::{ErrorKind, PortError};
use omnisync_core::port::{Collection, DocumentKey};
use serde::{Deserialize, Serialize};

use super::{News, Parties, Party, Rule};

/// In whose name it works everywhere.
const USER: &str = "integration";
/// Which records have a natural key, as the copy has it.
const LAKE: Collection = Collection::new("lake");
/// How far the copy lags: what takes minutes in the design takes some rounds here.
const LAG: TimeDelta = TimeDelta::milliseconds(15);

/// The approach as it was published. What its own user did is not looked at, whatever else the
/// event holds. A new record is created everywhere unless the copy knows its key. A change goes,
/// as a whole and on no condition, to the counterparts that the copy knows, and is dropped where
/// it knows none. Events without content say nothing to it, and nothing is ever compared.
pub(super) struct UserFilter;

/// A record of the copy.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    id: ForeignId,
    visible_at: DateTime<Utc>,
}

#[async_trait]
impl Rule for UserFilter {
    const READS: bool = false;

    async fn follow(&self, parties: &Parties, news: &News) -> Result<(), PortError> {
        if news.user.as_deref() == Some(USER) {
            return Ok(());
        }
        let is_new = news.kind == Some(ChangeKind::Create);
        if is_new {
            if let Some(party) = parties.all.get(news.at) {
                keep(parties, party, news, &news.id).await?;
            }
            for other in parties.others(news) {
                if row(parties, other, news).await?.is_some() {
                    // Both have it by now: the record is marked, and left to people.
                    return Ok(());
                }
            }
        }
        for other in parties.others(news) {
            let known = row(parties, other, news).await?;
            let told = match known {
                Some(id) => other.update(&id, &news.values).await,
                None if is_new => match other.create(news).await {
                    Ok(id) => keep(parties, other, news, &id).await,
                    Err(error) => Err(error),
                },
                None => Ok(()),
            };
            match told {
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::AlreadyExists | ErrorKind::NotFound | ErrorKind::Invalid
                    ) => {}
                other => other?,
            }
        }
        Ok(())
    }
}

async fn row(
    parties: &Parties,
    party: &Party,
    news: &News,
) -> Result<Option<ForeignId>, PortError> {
    let row: Option<Row> = parties.kept(&place(party, news)).await?;
    let now = parties.clock.now();
    Ok(row.filter(|row| row.visible_at <= now).map(|row| row.id))
}

async fn keep(
    parties: &Parties,
    party: &Party,
    news: &News,
    id: &ForeignId,
) -> Result<(), PortError> {
    let row = Row {
        id: id.clone(),
        visible_at: parties.clock.now() + LAG,
    };
    parties.keep(place(party, news), &row).await
}

fn place(party: &Party, news: &News) -> DocumentKey {
    DocumentKey::new(LAKE, format!("{}:{}", news.key, party.name))
}
