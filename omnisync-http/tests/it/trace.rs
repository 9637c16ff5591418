//! The cases of the conformance suite of W3C Trace Context, by number.
//!
//! A client passes on the trace that its host received; the host is who answers the suite. So a
//! case that expects a new trace is met here when nothing is continued and nothing is sent: cases
//! 39 and 40 ask for new identifiers in that place, which nobody makes up here, and apply with
//! that reading alone. All others apply as they are, the strict ones and that of level 2 too; of
//! members with the same key, case 30, each is kept. That we change no `tracestate` is no case.

use futures::executor::block_on;
use http::{HeaderMap, HeaderName};
use omnisync_core::event::TraceParent;
use omnisync_http::TraceContext;

use crate::support::{answer, client, get};

const IDS: &str = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";
const VALID: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// `traceparent` and `tracestate`, as three calls within what was received carry them.
fn sent(received: &[(&str, &str)]) -> Vec<(Option<TraceParent>, Option<String>)> {
    let mut headers = HeaderMap::new();
    for (name, value) in received {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, value.parse().unwrap());
    }
    let context = TraceContext::from_headers(&headers);
    let (client, script, _) = client([answer(200), answer(200), answer(200)]);
    for _ in 0..3 {
        let call = match &context {
            Some(context) => get().with_trace(context.clone()),
            None => get(),
        };
        block_on(client.send(call)).unwrap();
    }
    let text = |headers: &HeaderMap, name: &str| {
        let value = headers.get(name)?.to_str().unwrap();
        Some(value.to_owned())
    };
    let seen = script.take();
    seen.iter()
        .map(|seen| seen.request.headers())
        .map(|headers| {
            let parent = text(headers, "traceparent");
            let parent = parent.map(|parent| TraceParent::parse(&parent).unwrap());
            (parent, text(headers, "tracestate"))
        })
        .collect()
}

/// No call carries anything.
#[track_caller]
fn new(case: &str, received: &[(&str, &str)]) {
    for carried in sent(received) {
        assert_eq!(carried, (None, None), "case {case}: {received:?}");
    }
}

/// Each call is a span of its own within the trace, and carries `state`.
#[track_caller]
fn continued(case: &str, received: &[(&str, &str)], state: Option<&str>) {
    let received_parent = TraceParent::parse(VALID).unwrap();
    let mut spans = vec![received_parent.parent_id()];
    for (parent, carried) in sent(received) {
        let parent = parent.unwrap_or_else(|| panic!("case {case}: nothing is continued"));
        assert_eq!(parent.trace_id(), received_parent.trace_id(), "case {case}");
        assert_eq!(carried.as_deref(), state, "case {case}: {received:?}");
        spans.push(parent.parent_id());
    }
    spans.sort_unstable();
    spans.dedup();
    assert_eq!(
        spans.len(),
        4,
        "case {case}: each call has a parent id of its own"
    );
}

/// One valid `traceparent`, and the `tracestate` headers.
#[track_caller]
fn with_states(case: &str, states: &[&str], expected: Option<&str>) {
    let mut received = vec![("traceparent", VALID)];
    received.extend(states.iter().map(|state| ("tracestate", *state)));
    continued(case, &received, expected);
}

#[test]
fn one_valid_traceparent_is_continued() {
    continued("2, 38", &[("traceparent", VALID)], None);
    continued("5", &[("TraceParent", VALID)], None);
    continued("5", &[("TRACEPARENT", VALID)], None);
    for rest in ["", "-extra"] {
        let later = format!("cc-{IDS}-01{rest}");
        continued("7", &[("traceparent", &later)], None);
    }
    for (before, after) in [(" ", ""), ("\t", ""), ("", " "), ("", "\t"), ("\t ", " \t")] {
        let padded = format!("{before}{VALID}{after}");
        continued("23", &[("traceparent", &padded)], None);
    }
    let random = format!("00-{IDS}-02");
    continued("41", &[("traceparent", &random)], None);
    for (parent, _) in sent(&[("traceparent", &random)]) {
        let parent = parent.unwrap();
        assert!(parent.is_random() && !parent.is_sampled(), "case 41");
    }
}

#[test]
fn no_other_traceparent_is_continued() {
    let zero_trace = "00-00000000000000000000000000000000-b7ad6b7169203331-01";
    new("1, 39", &[]);
    new("3", &[("traceparent", VALID), ("traceparent", VALID)]);
    new("4", &[("trace-parent", VALID)]);
    new("4", &[("trace.parent", VALID)]);
    new("12, 40", &[("traceparent", zero_trace)]);
    // Whole, without the first digit, and without the last one.
    let (trace, trace_end, trace_start) = (
        "0af7651916cd43dd8448eb211c80319c",
        "af7651916cd43dd8448eb211c80319c",
        "0af7651916cd43dd8448eb211c80319",
    );
    let (span, span_end, span_start) = ("b7ad6b7169203331", "7ad6b7169203331", "b7ad6b716920333");
    for (case, wrong) in [
        ("6", format!("{VALID}.")),
        ("6", format!("{VALID}-extra")),
        ("7", format!("cc-{IDS}-01.extra")),
        ("8", format!("ff-{IDS}-01")),
        ("9", format!(".0-{IDS}-01")),
        ("9", format!("0.-{IDS}-01")),
        ("10", format!("000-{IDS}-01")),
        ("10", format!("0000-{IDS}-01")),
        ("11", format!("0-{IDS}-01")),
        ("13", format!("00-.{trace_end}-{span}-01")),
        ("13", format!("00-{trace_start}.-{span}-01")),
        ("14", format!("00-{trace}3-{span}-01")),
        ("15", format!("00-{trace_start}-{span}-01")),
        ("16", format!("00-{trace}-0000000000000000-01")),
        ("17", format!("00-{trace}-.{span_end}-01")),
        ("17", format!("00-{trace}-{span_start}.-01")),
        ("18", format!("00-{trace}-{span}3-01")),
        ("19", format!("00-{trace}-{span_start}-01")),
        ("20", format!("00-{IDS}-.0")),
        ("20", format!("00-{IDS}-0.")),
        ("21", format!("00-{IDS}-001")),
        ("22", format!("00-{IDS}-1")),
    ] {
        new(case, &[("traceparent", &wrong), ("tracestate", "a=1")]);
    }
    new("24", &[("tracestate", "a=1")]);
    new("24", &[("tracestate", "a=1,b=2")]);
}

#[test]
fn a_tracestate_is_passed_on_or_dropped_as_a_whole() {
    with_states("25", &["a=1,b=2"], Some("a=1,b=2"));
    for name in ["trace-state", "trace.state"] {
        continued("26", &[("traceparent", VALID), (name, "a=1")], None);
    }
    for name in ["TraceState", "TRACESTATE"] {
        continued("27", &[("traceparent", VALID), (name, "a=1")], Some("a=1"));
    }
    with_states("28", &[""], None);
    with_states("28", &["a=1", ""], Some("a=1"));
    with_states("28", &["", "a=1"], Some("a=1"));
    with_states("29", &["a=1,b=2", "c=3", "d=4"], Some("a=1,b=2,c=3,d=4"));
    with_states("30", &["a=1,a=1"], Some("a=1,a=1"));
    with_states("30", &["a=1", "a=2"], Some("a=1,a=2"));

    let letters = "abcdefghijklmnopqrstuvwxyz0123456789_-*/";
    let printable: String = (' '..='~').filter(|char| !",=".contains(*char)).collect();
    for key in [letters.to_owned(), format!("{letters}@a-z0-9_-*/")] {
        // A value does not begin or end with a space here: it would belong to the separator.
        let member = format!("{key}={}", printable.trim());
        with_states("31", &[&member], Some(&member));
    }
    with_states("32", &[" \ta=1\t , \tb=2 \t"], Some("a=1,b=2"));
    with_states("32", &["a=1\t", "\tb=2"], Some("a=1,b=2"));

    for wrong in ["a =1", "A=1", "a.b=1", "@a=1", "a=b=c", "a="] {
        let case = match wrong {
            "@a=1" => "34",
            "a=b=c" | "a=" => "37",
            _ => "33",
        };
        with_states(case, &[wrong], None);
        with_states(case, &["good=1", wrong], None);
    }
    let ats = "x@=1,x@@y=2,x@y@z=3";
    with_states("34", &[ats], Some(ats));
}

#[test]
fn a_tracestate_has_its_limits() {
    let many = |count: usize| {
        let members: Vec<String> = (0..count).map(|n| format!("k{n}=v")).collect();
        members.join(",")
    };
    with_states("35", &[&many(32)], Some(&many(32)));
    with_states("35", &[&many(33)], None);
    let key = |bytes: usize| "k".repeat(bytes);
    let longest = format!("{}=1", key(256));
    with_states("36", &[&longest], Some(&longest));
    with_states("36", &["a=1", &format!("{}=1", key(257))], None);
    for (tenant, system) in [(241, 14), (242, 1), (1, 15)] {
        let member = format!("{}@{}=1", key(tenant), key(system));
        with_states("36", &[&member], Some(&member));
    }
}
