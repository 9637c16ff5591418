use super::attribute::{DATA, is_core};
use super::draft::Draft;
use super::{
    CloudEvent, EventData, EventError, EventLimits, ExtensionValue, Reason, Timestamp, media_type,
};
use crate::json::{self, Limits, Pointer};

/// Collects what an event consists of; [`EventBuilder::build`] checks it.
#[derive(Debug, Clone)]
#[must_use = "an event exists once it was built"]
pub struct EventBuilder {
    draft: Draft,
    extensions: Vec<(String, ExtensionValue)>,
    data: EventData,
}

impl EventBuilder {
    pub(super) fn new(id: String, source: String, event_type: String) -> Self {
        let draft = Draft {
            specversion: Some(CloudEvent::SPECVERSION.to_owned()),
            id: Some(id),
            source: Some(source),
            event_type: Some(event_type),
            ..Draft::default()
        };
        Self {
            draft,
            extensions: Vec::new(),
            data: EventData::None,
        }
    }

    /// What it happened to, within the source.
    pub fn with_subject(mut self, subject: impl Into<String>) -> Self {
        self.draft.subject = Some(subject.into());
        self
    }

    /// When it happened.
    pub fn with_time(mut self, time: &Timestamp) -> Self {
        self.draft.time = Some(time.as_str().to_owned());
        self
    }

    /// Media type of the data.
    pub fn with_datacontenttype(mut self, media_type: impl Into<String>) -> Self {
        self.draft.datacontenttype = Some(media_type.into());
        self
    }

    /// URI of the schema that the data follows.
    pub fn with_dataschema(mut self, uri: impl Into<String>) -> Self {
        self.draft.dataschema = Some(uri.into());
        self
    }

    /// An extension attribute.
    pub fn with_extension(
        mut self,
        name: impl Into<String>,
        value: impl Into<ExtensionValue>,
    ) -> Self {
        self.extensions.push((name.into(), value.into()));
        self
    }

    /// What the event carries.
    pub fn with_data(mut self, data: EventData) -> Self {
        self.data = data;
        self
    }

    /// The event, if it keeps every rule.
    ///
    /// The number of attributes and the depth of JSON data are held to the default
    /// [`EventLimits`]; the size is not, since each way to send an event has its own.
    ///
    /// # Errors
    /// The reasons of [`CloudEvent::from_json`]; [`Reason::Repeated`] when an extension is given
    /// twice; [`Reason::BadName`] when it has the name of a core attribute; [`Reason::WrongType`] when JSON data comes with another media type, or a text
    /// without one.
    pub fn build(self) -> Result<CloudEvent, EventError> {
        let Self {
            mut draft,
            extensions,
            data,
        } = self;
        for (name, value) in extensions {
            if is_core(&name) {
                return Err(EventError::at_name(Reason::BadName, &name));
            }
            draft.set(&name, value)?;
        }
        let limits = EventLimits::default();
        let mut event = draft.finish(limits.attributes_max)?;
        let expects_json = event.datacontenttype().is_none_or(media_type::is_json);
        match &data {
            EventData::Json(_) if !expects_json => {
                return Err(EventError::about(Reason::WrongType, DATA));
            }
            EventData::Text(_) if expects_json => {
                return Err(EventError::about(Reason::WrongType, DATA));
            }
            EventData::Json(raw) => {
                let limits = Limits {
                    bytes_max: usize::MAX,
                    values_max: usize::MAX,
                    ..limits.of_data()
                };
                json::parse(raw.get().as_bytes(), &limits)
                    .map_err(|error| EventError::json(error, &Pointer::root().child(DATA)))?;
            }
            EventData::None | EventData::Text(_) | EventData::Binary(_) => {}
        }
        event.data = data;
        Ok(event)
    }
}
