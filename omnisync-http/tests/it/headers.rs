//! What a request carries besides what its adapter wrote.

use futures::executor::block_on;
use http::HeaderMap;
use omnisync_core::event::TraceParent;
use omnisync_http::TraceContext;

use crate::support::{answer, client, get};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03";

fn names(headers: &HeaderMap) -> Vec<&str> {
    headers.keys().map(http::HeaderName::as_str).collect()
}

#[test]
fn a_call_is_named_once_and_the_client_names_itself() {
    let (client, script, _) = client([answer(500), answer(200), answer(200)]);
    block_on(client.send(get())).unwrap();
    block_on(client.send(get())).unwrap();
    let seen = script.take();
    let ids: Vec<_> = seen
        .iter()
        .map(|seen| &seen.request.headers()["x-ms-client-request-id"])
        .collect();
    assert_eq!(ids[0], ids[1]);
    assert_ne!(ids[1], ids[2]);
    let headers = seen[0].request.headers();
    assert!(
        headers["user-agent"]
            .to_str()
            .unwrap()
            .starts_with("omnisync/")
    );
    assert_eq!(names(headers), ["x-ms-client-request-id", "user-agent"]);
}

#[test]
fn headers_of_the_adapter_are_kept() {
    let mut request = http::Request::get(crate::support::URL);
    for (name, value) in [
        ("user-agent", "mine"),
        ("x-ms-client-request-id", "1"),
        ("accept", "a/b"),
    ] {
        request = request.header(name, value);
    }
    let request = request.body(bytes::Bytes::new()).unwrap();
    let expected = request.headers().clone();
    let (client, script, _) = client([answer(200)]);
    block_on(client.send(omnisync_http::Call::new("test", request).without_token())).unwrap();
    assert_eq!(script.take()[0].request.headers(), &expected);
}

#[test]
fn every_attempt_is_a_span_of_its_own_in_the_trace_of_the_call() {
    let (client, script, _) = client([answer(500), answer(200), answer(200)]);
    let parent = TraceParent::parse(PARENT).unwrap();
    let context = TraceContext::new(parent, Some("b=2, a=1"));
    block_on(client.send(get().with_trace(context.clone()))).unwrap();
    block_on(client.send(get().with_trace(context))).unwrap();
    let mut spans = vec![parent.parent_id()];
    for seen in script.take() {
        let headers = seen.request.headers();
        let child = TraceParent::parse(headers["traceparent"].to_str().unwrap()).unwrap();
        assert_eq!(child.trace_id(), parent.trace_id());
        assert!(child.is_sampled() && child.is_random());
        assert_eq!(headers["tracestate"], "b=2,a=1");
        spans.push(child.parent_id());
    }
    spans.sort_unstable();
    spans.dedup();
    assert_eq!(spans.len(), 4);
}

#[test]
fn a_trace_is_continued_only_from_one_valid_parent() {
    let context = |headers: &[(&'static str, &str)]| {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        TraceContext::from_headers(&map)
    };
    let valid = ("traceparent", PARENT);
    assert_eq!(context(&[valid]).unwrap().parent().to_string(), PARENT);
    assert_eq!(context(&[valid, valid]), None);
    assert_eq!(context(&[("tracestate", "a=1")]), None);
    assert_eq!(context(&[("traceparent", "00-00-00-00")]), None);
    let padded = format!(" {PARENT}\t");
    assert!(context(&[("traceparent", &padded)]).is_some());

    let states = [
        valid,
        ("tracestate", "a=1"),
        ("tracestate", ""),
        ("tracestate", " b=2 "),
    ];
    assert_eq!(context(&states).unwrap().state(), Some("a=1,b=2"));
    let broken = [valid, ("tracestate", "a=1"), ("tracestate", "A=2")];
    assert_eq!(context(&broken).unwrap().state(), None);
}
