use async_trait::async_trait;
use omnisync_core::error::{ErrorKind, PortError};
use omnisync_core::id::Sha256;
use omnisync_core::port::{Collection, DocumentKey};

use super::{News, Parties, Rule};

/// The hash of what was copied last, by natural key.
const HASHES: Collection = Collection::new("hashes");

/// An event is an echo if its values are those that were copied last. Every other one is the truth,
/// and goes to all other systems as a whole.
pub(super) struct ValueHash;

#[async_trait]
impl Rule for ValueHash {
    const READS: bool = true;

    async fn follow(&self, parties: &Parties, news: &News) -> Result<(), PortError> {
        let text = serde_json::to_vec(&news.values).map_err(|error| {
            PortError::new(ErrorKind::Internal, "value_hash.follow").with_source(error)
        })?;
        let hash = Sha256::of(&text).to_string();
        let key = DocumentKey::new(HASHES, news.key.clone());
        let copied: Option<String> = parties.kept(&key).await?;
        if copied.as_ref() == Some(&hash) {
            return Ok(());
        }
        for other in parties.others(news) {
            if let Some(id) = other.met(news).await? {
                other.update(&id, &news.values).await?;
            }
        }
        parties.keep(key, &hash).await
    }
}
