use std::fmt;

use super::{CloudEvent, ExtensionValue};

const SAMPLED: u8 = 0x01;
const RANDOM_TRACE_ID: u8 = 0x02;

/// Length of `version-traceid-parentid-flags`, in bytes.
const TRACEPARENT_BYTES: usize = 55;

/// A valid W3C `traceparent`. `Display` writes it as version 00 with the flags known to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceParent {
    trace_id: u128,
    parent_id: u64,
    flags: u8,
}

impl TraceParent {
    /// Parses the value of a `traceparent`: version 00, or the part of a later version that 00
    /// knows. `None` when invalid: then a new trace begins.
    pub fn parse(text: &str) -> Option<Self> {
        let (known, rest) = text.split_at_checked(TRACEPARENT_BYTES)?;
        let mut fields = known.split('-');
        let version = hex(fields.next()?, 2)?;
        let trace_id = hex(fields.next()?, 32)?;
        let parent_id = hex(fields.next()?, 16).and_then(|id| u64::try_from(id).ok())?;
        let flags = hex(fields.next()?, 2).and_then(|flags| u8::try_from(flags).ok())?;
        let ends_well = rest.is_empty() || (version > 0 && rest.starts_with('-'));
        let valid = ends_well && version != 0xff && trace_id != 0 && parent_id != 0;
        valid.then_some(Self {
            trace_id,
            parent_id,
            flags,
        })
    }

    /// The trace; never zero.
    pub const fn trace_id(self) -> u128 {
        self.trace_id
    }

    /// The span that caused this one; never zero.
    pub const fn parent_id(self) -> u64 {
        self.parent_id
    }

    /// The caller records this trace.
    pub const fn is_sampled(self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The trace id is random.
    pub const fn is_random(self) -> bool {
        self.flags & RANDOM_TRACE_ID != 0
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = self.flags & (SAMPLED | RANDOM_TRACE_ID);
        write!(
            f,
            "00-{:032x}-{:016x}-{flags:02x}",
            self.trace_id, self.parent_id
        )
    }
}

impl CloudEvent {
    /// The trace in which the event began, from the extension `traceparent`. `None` when absent
    /// or invalid.
    pub fn traceparent(&self) -> Option<TraceParent> {
        self.extension("traceparent")
            .and_then(ExtensionValue::as_str)
            .and_then(TraceParent::parse)
    }

    /// The extension `tracestate`, which means something only beside a valid `traceparent`.
    pub fn tracestate(&self) -> Option<&str> {
        self.traceparent()?;
        self.extension("tracestate")
            .and_then(ExtensionValue::as_str)
    }
}

/// A number of exactly `digits` lower-case hexadecimal digits.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let legal = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (text.len() == digits && text.bytes().all(legal))
        .then(|| u128::from_str_radix(text, 16).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    /// What stands between version and flags in `VALID`.
    const IDS: &str = "-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-";

    #[test]
    fn a_valid_traceparent_is_written_as_it_was() {
        let parent = TraceParent::parse(VALID).unwrap();
        assert_eq!(parent.to_string(), VALID);
        assert_eq!(parent.parent_id(), 0xb7ad_6b71_6920_3331);
        assert_eq!(parent.trace_id() >> 120, 0x0a);
        assert!(parent.is_sampled() && !parent.is_random());
    }

    #[test]
    fn a_later_version_is_read_as_far_as_known_and_written_as_00() {
        for rest in ["", "-extra", "-"] {
            let text = format!("cc{IDS}ff{rest}");
            let parent = TraceParent::parse(&text).unwrap();
            assert_eq!(parent.to_string(), format!("00{IDS}03"));
        }
        assert_eq!(TraceParent::parse(&format!("cc{IDS}01.extra")), None);
    }

    #[test]
    fn anything_else_is_no_traceparent() {
        for text in [
            "",
            "00",
            VALID.trim_end_matches('1'),
            &format!("{VALID}-"),
            &format!("{VALID}."),
            &VALID.to_uppercase(),
            &VALID.replacen("00-", "ff-", 1),
            &VALID.replacen("00-", "0-0", 1),
            &VALID.replace('-', "_"),
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g",
            "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert_eq!(TraceParent::parse(text), None, "{text}");
        }
    }
}
