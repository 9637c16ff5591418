use omnisync_core::error::{ErrorKind, PortError};
use omnisync_core::port::Query;

/// Where a page begins. A keyset: changes between pages neither repeat nor drop a document.
pub(super) struct Position {
    /// The last id of the page before.
    pub(super) after: Option<String>,
    /// The empty page of this position has been given.
    pub(super) pause_over: bool,
}

impl Position {
    pub(super) fn parse(query: &Query) -> Result<Self, PortError> {
        let Some(text) = &query.continuation else {
            return Ok(Self {
                after: None,
                pause_over: false,
            });
        };
        let foreign = || {
            PortError::new(ErrorKind::Invalid, "state_store.query")
                .with_detail("the continuation is not of this store and collection")
        };
        let rest = text
            .strip_prefix(query.collection.as_str())
            .ok_or_else(foreign)?;
        let (pause_over, after) = match rest.split_once('/').ok_or_else(foreign)? {
            ("?0", "") => (false, None),
            ("?1", "") => (true, None),
            ("?0", id) => (false, id.strip_prefix('=')),
            ("?1", id) => (true, id.strip_prefix('=')),
            _ => return Err(foreign()),
        };
        Ok(Self {
            after: after.map(str::to_owned),
            pause_over,
        })
    }

    pub(super) fn text(&self, query: &Query) -> String {
        let pause = u8::from(self.pause_over);
        let after = self
            .after
            .as_ref()
            .map_or_else(String::new, |id| format!("={id}"));
        format!("{}?{pause}/{after}", query.collection)
    }
}
