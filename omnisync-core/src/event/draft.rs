use std::collections::BTreeMap;

use super::attribute::{
    DATACONTENTTYPE, DATASCHEMA, ID, SOURCE, SPECVERSION, SUBJECT, TIME, TYPE, check_text, is_name,
};
use super::{
    CloudEvent, EventData, EventError, ExtensionValue, Reason, Timestamp, media_type, uri,
};

/// Attributes as they were given, before the rules are checked.
#[derive(Debug, Clone, Default)]
pub(super) struct Draft {
    pub(super) specversion: Option<String>,
    pub(super) id: Option<String>,
    pub(super) source: Option<String>,
    pub(super) event_type: Option<String>,
    pub(super) subject: Option<String>,
    pub(super) time: Option<String>,
    pub(super) datacontenttype: Option<String>,
    pub(super) dataschema: Option<String>,
    pub(super) extensions: BTreeMap<String, ExtensionValue>,
}

impl Draft {
    /// Sets the attribute `name`. Text of core attributes, any value for extensions.
    ///
    /// # Errors
    /// Bad name; a core attribute that is not a text; an attribute that is set already.
    pub(super) fn set(&mut self, name: &str, value: ExtensionValue) -> Result<(), EventError> {
        let slot = match name {
            SPECVERSION => &mut self.specversion,
            ID => &mut self.id,
            SOURCE => &mut self.source,
            TYPE => &mut self.event_type,
            SUBJECT => &mut self.subject,
            TIME => &mut self.time,
            DATACONTENTTYPE => &mut self.datacontenttype,
            DATASCHEMA => &mut self.dataschema,
            _ if !is_name(name) => return Err(EventError::at_name(Reason::BadName, name)),
            _ => {
                let before = self.extensions.insert(name.to_owned(), value);
                return before.map_or(Ok(()), |_| Err(EventError::about(Reason::Repeated, name)));
            }
        };
        let ExtensionValue::String(text) = value else {
            return Err(EventError::about(Reason::WrongType, name));
        };
        let before = slot.replace(text);
        before.map_or(Ok(()), |_| Err(EventError::about(Reason::Repeated, name)))
    }

    /// Checks every rule about attributes. The event has no data yet.
    pub(super) fn finish(self, attributes_max: usize) -> Result<CloudEvent, EventError> {
        if self.count() > attributes_max {
            return Err(EventError::new(Reason::TooManyAttributes));
        }
        required(SPECVERSION, self.specversion, |text| {
            (text == CloudEvent::SPECVERSION)
                .then_some(())
                .ok_or(Reason::UnsupportedVersion)
        })?;
        let event = CloudEvent {
            id: required(ID, self.id, check_text)?,
            source: required(SOURCE, self.source, check_source)?,
            event_type: required(TYPE, self.event_type, check_text)?,
            subject: optional(SUBJECT, self.subject, check_text)?,
            time: self.time.map(read_time).transpose()?,
            datacontenttype: optional(DATACONTENTTYPE, self.datacontenttype, check_media_type)?,
            dataschema: optional(DATASCHEMA, self.dataschema, check_schema)?,
            extensions: self.extensions,
            data: EventData::None,
        };
        for (name, value) in &event.extensions {
            value
                .check()
                .map_err(|reason| EventError::about(reason, name))?;
        }
        Ok(event)
    }

    fn count(&self) -> usize {
        let core = [
            &self.specversion,
            &self.id,
            &self.source,
            &self.event_type,
            &self.subject,
            &self.time,
            &self.datacontenttype,
            &self.dataschema,
        ];
        core.into_iter().flatten().count() + self.extensions.len()
    }
}

type Check = fn(&str) -> Result<(), Reason>;

fn required(name: &str, text: Option<String>, check: Check) -> Result<String, EventError> {
    optional(name, text, check)?.ok_or_else(|| EventError::about(Reason::Missing, name))
}

fn optional(name: &str, text: Option<String>, check: Check) -> Result<Option<String>, EventError> {
    let Some(text) = text else {
        return Ok(None);
    };
    let verdict = if text.is_empty() {
        Err(Reason::Empty)
    } else {
        check(&text)
    };
    verdict
        .map(|()| Some(text))
        .map_err(|reason| EventError::about(reason, name))
}

fn read_time(text: String) -> Result<Timestamp, EventError> {
    let time = if text.is_empty() {
        Err(Reason::Empty)
    } else {
        Timestamp::read(text)
    };
    time.map_err(|reason| EventError::about(reason, TIME))
}

fn check_source(text: &str) -> Result<(), Reason> {
    check_text(text)?;
    uri::is_uri_reference(text)
        .then_some(())
        .ok_or(Reason::BadUri)
}

fn check_schema(text: &str) -> Result<(), Reason> {
    check_text(text)?;
    uri::is_uri(text).then_some(()).ok_or(Reason::BadUri)
}

fn check_media_type(text: &str) -> Result<(), Reason> {
    check_text(text)?;
    media_type::is_media_type(text)
        .then_some(())
        .ok_or(Reason::BadMediaType)
}
