use http::header::{HeaderMap, HeaderName, HeaderValue};
use omnisync_core::event::TraceParent;
use omnisync_core::port::IdSource;

/// Names of the headers of W3C Trace Context.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// What the specification allows in a `tracestate`.
const MEMBERS_MAX: usize = 32;
const KEY_BYTES_MAX: usize = 256;
const VALUE_BYTES_MAX: usize = 256;

/// The trace that a call belongs to, by W3C Trace Context.
///
/// Every request of the call, each repetition too, is a span of its own: it carries the trace id,
/// a fresh parent id and the unchanged `tracestate`. A call without a context carries nothing:
/// no trace is made up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    parent: TraceParent,
    state: Option<HeaderValue>,
}

impl TraceContext {
    /// Continues `parent`. A `state` that breaks a rule is dropped as a whole.
    ///
    /// ```
    /// use omnisync_core::event::TraceParent;
    /// use omnisync_http::TraceContext;
    ///
    /// let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    /// let parent = TraceParent::parse(parent).ok_or("no traceparent")?;
    /// let context = TraceContext::new(parent, Some(" a=1 ,, b=2"));
    /// assert_eq!(context.state(), Some("a=1,b=2"));
    /// # Ok::<(), &str>(())
    /// ```
    pub fn new(parent: TraceParent, state: Option<&str>) -> Self {
        let state = state
            .and_then(members)
            .and_then(|state| HeaderValue::from_str(&state).ok());
        Self { parent, state }
    }

    /// The context that a received request carries. `None` when `traceparent` is missing, repeated
    /// or invalid; several `tracestate` headers are one, in order.
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let mut parents = headers.get_all(TRACEPARENT).iter();
        let parent = parents.next()?.to_str().ok()?;
        if parents.next().is_some() {
            return None;
        }
        let parent = TraceParent::parse(parent.trim_matches([' ', '\t']))?;
        let states: Option<Vec<&str>> = headers
            .get_all(TRACESTATE)
            .iter()
            .map(|value| value.to_str().ok())
            .collect();
        let state = states.map(|states| states.join(","));
        Some(Self::new(parent, state.as_deref()))
    }

    /// The span that the calls belong to.
    pub fn parent(&self) -> TraceParent {
        self.parent
    }

    /// What the tracing systems on the way said, member by member.
    pub fn state(&self) -> Option<&str> {
        self.state.as_ref()?.to_str().ok()
    }

    /// Puts a child of this context into the headers of a request.
    pub(crate) fn put(&self, headers: &mut HeaderMap, ids: &dyn IdSource) {
        let flags = u8::from(self.parent.is_sampled()) | (u8::from(self.parent.is_random()) << 1);
        let trace_id = self.parent.trace_id();
        let child = format!("00-{trace_id:032x}-{:016x}-{flags:02x}", span_id(ids));
        if let Ok(child) = HeaderValue::from_str(&child) {
            headers.insert(TRACEPARENT, child);
            headers.remove(TRACESTATE);
            if let Some(state) = &self.state {
                headers.insert(TRACESTATE, state.clone());
            }
        }
    }
}

/// A span id that nobody else has; never zero.
fn span_id(ids: &dyn IdSource) -> u64 {
    let (high, low) = ids.unique().as_u64_pair();
    match high ^ low {
        0 => 1,
        id => id,
    }
}

/// The members of a `tracestate`, trimmed and joined. `None` when there are none or when one of
/// them breaks a rule.
fn members(text: &str) -> Option<String> {
    let members: Vec<&str> = text
        .split(',')
        .map(|member| member.trim_matches([' ', '\t']))
        .filter(|member| !member.is_empty())
        .collect();
    let legal = members.len() <= MEMBERS_MAX && members.iter().all(|member| is_member(member));
    (legal && !members.is_empty()).then(|| members.join(","))
}

fn is_member(member: &str) -> bool {
    let Some((key, value)) = member.split_once('=') else {
        return false;
    };
    let in_key =
        |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@');
    let in_value = |byte: u8| matches!(byte, b' '..=b'~') && byte != b',' && byte != b'=';
    key.len() <= KEY_BYTES_MAX
        && key.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
        && key.bytes().all(in_key)
        && (1..=VALUE_BYTES_MAX).contains(&value.len())
        && value.bytes().all(in_value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(state: &str, expected: Option<&str>) {
        assert_eq!(members(state).as_deref(), expected, "{state}");
    }

    #[test]
    fn members_are_trimmed_and_kept_in_order() {
        check("a=1", Some("a=1"));
        check(" b=2\t, \t,a=1 ,", Some("b=2,a=1"));
        check("x@=1,x@@y=2,x@y@z=3", Some("x@=1,x@@y=2,x@y@z=3"));
        check("0a_-*/=! ~", Some("0a_-*/=! ~"));
        check(
            &format!("{}=1", "k".repeat(256)),
            Some(&format!("{}=1", "k".repeat(256))),
        );
        check("", None);
        check(" , ,", None);
    }

    #[test]
    fn one_wrong_member_drops_all() {
        for wrong in [
            "a", "=1", "a =1", "A=1", "a.b=1", "@a=1", "a=b=c", "a=", "a=\u{7f}", "ä=1",
        ] {
            check(&format!("good=1,{wrong}"), None);
        }
        check(&format!("{}=1", "k".repeat(257)), None);
        check(&format!("a={}", "v".repeat(257)), None);
    }

    #[test]
    fn at_most_thirty_two_members_are_kept() {
        let many = |count: usize| {
            let members: Vec<String> = (0..count).map(|n| format!("k{n}=v")).collect();
            members.join(",")
        };
        check(&many(32), Some(&many(32)));
        check(&many(33), None);
    }
}
