use async_trait::async_trait;
use omnisync_core::error::{ErrorKind, PortError};
use omnisync_core::port::{
    Document, DocumentKey, Page, Query, StateStore, StateStoreCapability, Write, WriteResult,
};

use super::super::distortion::shuffle;
use super::super::{Distortion, Seen, Subject};
use super::Intercepted;

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<P: StateStore> StateStore for Intercepted<P> {
    fn capability(&self) -> StateStoreCapability {
        self.inner.capability()
    }

    async fn get(&self, keys: &[DocumentKey]) -> Result<Vec<Option<Document>>, PortError> {
        let subject = Subject::documents(keys.first(), keys.len());
        let (call, _) = self.seam.before("state_store.get", subject).await?;
        let result = self.inner.get(keys).await;
        if let Ok(documents) = &result {
            for document in documents {
                self.seam.show(&call, Seen::Document(document.as_ref()));
            }
        }
        self.seam.after(&call, result).await
    }

    async fn write(&self, writes: Vec<Write>) -> Result<Vec<WriteResult>, PortError> {
        let subject = Subject::documents(writes.first().map(|write| &write.key), writes.len());
        let (call, distortion) = self.seam.before("state_store.write", subject).await?;
        let watched = self.seam.is_watched().then(|| writes.clone());
        let show = |results: &Result<Vec<WriteResult>, PortError>| {
            if let (Some(writes), Ok(results)) = (&watched, results) {
                for (write, result) in writes.iter().zip(results) {
                    self.seam.show(&call, Seen::Write(write, result));
                }
            }
        };
        let result = match distortion {
            Some(Distortion::Partial { dice }) => {
                let part = Part::of(dice, writes.len());
                let keys: Vec<_> = writes.iter().map(|write| write.key.clone()).collect();
                let sent = writes.into_iter().take(part.sent).collect();
                let sent = self.inner.write(sent).await;
                show(&sent);
                sent.map(|results| part.told(results, &keys))
            }
            Some(Distortion::Repeated) => {
                let first = self.inner.write(writes.clone()).await;
                show(&first);
                let second = self.inner.write(writes).await;
                show(&second);
                second
            }
            _ => {
                let result = self.inner.write(writes).await;
                show(&result);
                result
            }
        };
        self.seam.after(&call, result).await
    }

    async fn query(&self, query: Query) -> Result<Page, PortError> {
        let subject = Subject::Collection(query.collection);
        let (call, distortion) = self.seam.before("state_store.query", subject).await?;
        let mut result = self.inner.query(query).await;
        if let Ok(page) = &mut result {
            if let Some(Distortion::Shuffled { dice }) = distortion {
                shuffle(&mut page.documents, dice);
            }
            self.seam.show(&call, Seen::Page(page));
        }
        self.seam.after(&call, result).await
    }
}

/// Which items of a write are sent, and whose answer is lost.
struct Part {
    sent: usize,
    lost: Option<usize>,
}

impl Part {
    /// Even dice: so many items are sent and the rest never reaches the store. Odd dice: all are
    /// sent, and the answer to one is lost.
    fn of(dice: u32, items: usize) -> Self {
        let place = usize::try_from(dice / 2)
            .unwrap_or_default()
            .checked_rem(items)
            .unwrap_or_default();
        if dice.is_multiple_of(2) {
            Self {
                sent: place,
                lost: None,
            }
        } else {
            Self {
                sent: items,
                lost: Some(place),
            }
        }
    }

    fn told(&self, results: Vec<WriteResult>, keys: &[DocumentKey]) -> Vec<WriteResult> {
        let refused = |kind, key: &DocumentKey| {
            Err(PortError::new(kind, "state_store.write").with_detail(key.to_string()))
        };
        let mut results = results.into_iter();
        keys.iter()
            .enumerate()
            .map(|(index, key)| match results.next() {
                Some(_) if self.lost == Some(index) => refused(ErrorKind::TimedOut, key),
                Some(result) => result,
                None => refused(ErrorKind::Unavailable, key),
            })
            .collect()
    }
}
