//! Looks for words that must not appear in what a system says about itself.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::sync::OnceLock;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Metadata, Subscriber};

thread_local! {
    static SEARCH: RefCell<Option<Search>> = const { RefCell::new(None) };
}

/// Making a subscriber known is slow, so there is one for all runs.
static LOOKOUT: OnceLock<Dispatch> = OnceLock::new();

struct Search {
    words: &'static [&'static str],
    text: String,
    found: Option<String>,
}

impl Search {
    fn look(&mut self, place: &str) {
        let hit = self.words.iter().any(|word| self.text.contains(word));
        if hit && self.found.is_none() {
            self.found = Some(place.to_owned());
        }
        self.text.clear();
    }
}

/// Does `work` on this thread and says where one of `words` was logged meanwhile, if anywhere.
pub(super) fn listen<T>(
    words: &'static [&'static str],
    work: impl FnOnce() -> T,
) -> (T, Option<String>) {
    if words.is_empty() {
        return (work(), None);
    }
    SEARCH.set(Some(Search {
        words,
        text: String::new(),
        found: None,
    }));
    let lookout = LOOKOUT.get_or_init(|| Dispatch::new(Lookout));
    let done = tracing::dispatcher::with_default(lookout, work);
    let found = SEARCH.take().and_then(|search| search.found);
    (done, found)
}

/// Looks at a text that somebody may log.
pub(super) fn mentions(words: &[&str], text: &dyn fmt::Display) -> bool {
    !words.is_empty() && {
        let text = text.to_string();
        words.iter().any(|word| text.contains(word))
    }
}

struct Lookout;

impl Subscriber for Lookout {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut Reader);
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Reader);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Reader);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Reader;

impl Visit for Reader {
    fn record_i64(&mut self, _: &Field, _: i64) {}

    fn record_u64(&mut self, _: &Field, _: u64) {}

    fn record_bool(&mut self, _: &Field, _: bool) {}

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        SEARCH.with_borrow_mut(|search| {
            if let Some(search) = search {
                // Writing to a string does not fail.
                if write!(search.text, "{value:?}").is_ok() {
                    search.look(field.name());
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: &[&str] = &["secret-7"];

    #[test]
    fn a_word_is_found_in_events_and_spans() {
        let ((), clean) = listen(WORDS, || tracing::info!(order = "O-1", "fine"));
        assert_eq!(clean, None);
        let ((), event) = listen(WORDS, || tracing::info!(order = "a secret-7 b", "not fine"));
        assert_eq!(event.as_deref(), Some("order"));
        let (_, span) = listen(WORDS, || tracing::info_span!("work", who = %"secret-7"));
        assert_eq!(span.as_deref(), Some("who"));
        let ((), message) = listen(WORDS, || tracing::warn!("it was secret-7"));
        assert_eq!(message.as_deref(), Some("message"));
    }
}
