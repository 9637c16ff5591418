//! What is sent again, when, and how often.

use futures::executor::block_on;
use omnisync_core::policy::RetryPolicy;
use omnisync_core::port::Clock as _;
use omnisync_core::{ErrorKind, PortError};
use omnisync_http::{Repeat, TransportErrorKind};

use crate::support::{
    Script, answer, answer_with, builder, builder_with, client, clock, config, get, post, seconds,
};

const LOST: [TransportErrorKind; 2] = [TransportErrorKind::TimedOut, TransportErrorKind::Cut];

#[test]
fn what_passes_is_repeated_with_growing_delays() {
    let (client, script, _) = client([
        Err(TransportErrorKind::NotSent),
        answer(503),
        Err(TransportErrorKind::Cut),
        answer(200),
    ]);
    assert_eq!(block_on(client.send(get())).unwrap().status(), 200);
    assert_eq!(script.pauses(), [1_000, 2_000, 4_000]);
}

#[test]
fn jitter_halves_a_delay_at_most() {
    let clock = clock();
    let script = Script::new(&clock, [answer(500), answer(500), answer(200)]);
    let client = builder_with(&script, &clock, 0.0)
        .with_config(config())
        .build()
        .unwrap();
    block_on(client.send(get())).unwrap();
    assert_eq!(script.pauses(), [500, 1_000]);
}

#[test]
fn the_last_attempt_gives_its_error() {
    let (client, script, _) = client([answer(500), answer(502), answer(503), answer(504)]);
    let error = block_on(client.send(get())).unwrap_err();
    assert_eq!(error.status().unwrap(), 504);
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(error.attempts(), 4);
    assert_eq!(script.take().len(), 4);
}

#[test]
fn an_answer_that_will_not_change_is_given_at_once() {
    for (status, kind) in [
        (301, ErrorKind::Invalid),
        (307, ErrorKind::Invalid),
        (400, ErrorKind::Invalid),
        (403, ErrorKind::Denied),
        (404, ErrorKind::NotFound),
        (409, ErrorKind::Conflict),
        (412, ErrorKind::Conflict),
        (413, ErrorKind::TooLarge),
        (422, ErrorKind::Invalid),
        (501, ErrorKind::Invalid),
    ] {
        let (client, script, _) = client([answer(status)]);
        let error = block_on(client.send(get())).unwrap_err();
        assert_eq!(error.kind(), kind, "{status}");
        assert_eq!(error.status().unwrap(), status);
        assert_eq!(script.take().len(), 1);
    }
}

#[test]
fn a_success_and_not_modified_are_answers() {
    for status in [200, 201, 202, 204, 304] {
        let (client, ..) = client([answer(status)]);
        assert_eq!(block_on(client.send(get())).unwrap().status(), status);
    }
}

#[test]
fn a_write_with_an_open_effect_is_not_repeated() {
    for lost in LOST {
        let (client, script, _) = client([Err(lost)]);
        let error = block_on(client.send(post())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(error.is_effect_open());
        assert_eq!(script.take().len(), 1);
    }
    for status in [408, 500, 502, 503, 504] {
        let (client, script, _) = client([answer(status)]);
        let error = block_on(client.send(post())).unwrap_err();
        assert!(error.is_effect_open(), "{status}");
        assert_eq!(script.take().len(), 1);
    }
}

#[test]
fn a_write_that_was_certainly_not_processed_is_repeated() {
    let (client, script, _) = client([
        Err(TransportErrorKind::NotSent),
        answer(429),
        answer_with(429, &[("retry-after", "9")], ""),
        answer(204),
    ]);
    assert_eq!(block_on(client.send(post())).unwrap().status(), 204);
    assert_eq!(script.pauses(), [1_000, 2_000, 9_000]);
}

#[test]
fn a_write_that_is_safe_is_repeated_like_a_read() {
    let (client, script, _) = client([Err(TransportErrorKind::TimedOut), answer(500), answer(204)]);
    block_on(client.send(post().with_repeat(Repeat::Safe))).unwrap();
    assert_eq!(script.take().len(), 3);
}

#[test]
fn an_effect_stays_open_whatever_a_later_attempt_says() {
    for last in [answer(412), answer(404), Err(TransportErrorKind::Invalid)] {
        let (client, ..) = client([Err(TransportErrorKind::TimedOut), answer(429), last]);
        let error = block_on(client.send(post().with_repeat(Repeat::Safe))).unwrap_err();
        assert!(error.is_effect_open());
    }
    let (client, ..) = client([answer(429), Err(TransportErrorKind::NotSent), answer(412)]);
    let error = block_on(client.send(post())).unwrap_err();
    assert!(!error.is_effect_open());
}

/// The last answer is about the last attempt alone.
#[test]
fn an_open_effect_is_open_in_the_error_of_the_port() {
    for last in [403, 429, 400, 413] {
        let headers = [("retry-after", "99")];
        let script = || {
            let last = answer_with(last, &headers, "");
            client([Err(TransportErrorKind::TimedOut), last]).0
        };
        let error = block_on(script().send(post().with_repeat(Repeat::Safe))).unwrap_err();
        let error = PortError::from(error);
        assert!(error.is_ambiguous(), "{last}: {}", error.report());
        assert_eq!(error.retry_after(), Some(seconds(99)));
        let error = PortError::from(block_on(script().send(get())).unwrap_err());
        assert!(!error.is_ambiguous(), "a read has no effect: {last}");
    }
    let (client, ..) = client([Err(TransportErrorKind::TimedOut), answer(412)]);
    let error = block_on(client.send(post().with_repeat(Repeat::Safe))).unwrap_err();
    assert_eq!(PortError::from(error).kind(), ErrorKind::Conflict);
}

#[test]
fn a_request_without_effect_fails_as_its_last_attempt_says() {
    for (last, kind) in [(403, ErrorKind::Denied), (504, ErrorKind::TimedOut)] {
        // As many as the client asks for: the one is final, and the other is repeated.
        let cut = Err(TransportErrorKind::TimedOut);
        let (client, ..) = client([cut, answer(last), answer(last), answer(last)]);
        let error = block_on(client.send(post().with_repeat(Repeat::Safe))).unwrap_err();
        assert!(error.is_effect_open());
        let error = error.without_effect();
        assert!(!error.is_effect_open());
        let error = PortError::from(error);
        assert_eq!(error.kind(), kind, "{error}");
        assert!(!error.is_ambiguous(), "{error}");
    }
}

#[test]
fn an_answer_beyond_its_limit_and_a_wrong_request_are_final() {
    for (kind, expected, open) in [
        (TransportErrorKind::TooLarge, ErrorKind::TooLarge, true),
        (TransportErrorKind::Invalid, ErrorKind::Invalid, false),
    ] {
        let (client, script, _) = client([Err(kind)]);
        let error = block_on(client.send(get())).unwrap_err();
        assert_eq!((error.kind(), error.is_effect_open()), (expected, open));
        assert_eq!(script.take().len(), 1);
    }
}

#[test]
fn statuses_of_a_peer_that_is_not_ready_are_repeated_where_the_call_says_so() {
    let (client, script, _) = client([answer(404), answer(410), answer(200)]);
    block_on(client.send(get().with_repeat_also(&[404, 410]))).unwrap();
    assert_eq!(script.take().len(), 3);
}

#[test]
fn the_peer_may_ask_for_more_than_our_own_delay_but_not_for_less() {
    let (client, script, _) = client([
        answer_with(429, &[("retry-after", "20")], ""),
        answer_with(429, &[("retry-after", "0")], ""),
        answer_with(429, &[("x-ms-retry-after-ms", "4500")], ""),
        answer(200),
    ]);
    block_on(client.send(get())).unwrap();
    assert_eq!(script.pauses(), [20_000, 2_000, 4_500]);
}

#[test]
fn a_date_to_retry_after_counts_from_the_date_of_the_answer() {
    // Ten years before the clock of the test.
    let headers = [
        ("date", "Fri, 01 Jan 2016 00:00:00 GMT"),
        ("retry-after", "Fri, 01 Jan 2016 00:00:17 GMT"),
    ];
    let (first, script, _) = client([answer_with(429, &headers, ""), answer(200)]);
    block_on(first.send(get())).unwrap();
    assert_eq!(script.pauses(), [17_000]);

    let headers = [("retry-after", "Thu, 01 Jan 2026 00:00:11 GMT")];
    let (second, script, _) = client([answer_with(429, &headers, ""), answer(200)]);
    block_on(second.send(get())).unwrap();
    assert_eq!(script.pauses(), [11_000]);
}

#[test]
fn a_long_wait_is_given_to_the_caller_and_not_slept() {
    let (client, script, clock) = client([answer_with(429, &[("retry-after", "31")], "")]);
    let before = clock.now();
    let error = block_on(client.send(get())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled);
    assert_eq!(error.retry_after(), Some(seconds(31)));
    assert_eq!(clock.now(), before);
    assert_eq!(script.take().len(), 1);

    let port = PortError::from(error);
    assert_eq!(port.operation(), "crm.read");
    assert_eq!(port.retry_after(), Some(seconds(31)));
}

#[test]
fn an_absurd_wait_is_cut() {
    let (client, ..) = client([answer_with(
        503,
        &[("retry-after", "999999999999999999999")],
        "",
    )]);
    let error = block_on(client.send(get())).unwrap_err();
    assert_eq!(error.retry_after(), Some(seconds(3_600)));
}

#[test]
fn all_calls_of_a_client_share_a_budget() {
    let clock = clock();
    let script = Script::new(&clock, (0..100).map(|_| answer(429)));
    let settings = config()
        .with_retry_percent_max(10)
        .with_retry_reserve(2)
        .with_retry(RetryPolicy {
            base_ms: 0,
            cap_ms: 0,
            attempts_max: 4,
        });
    let client = builder(&script, &clock)
        .with_config(settings)
        .build()
        .unwrap();
    let sent: Vec<u32> = (0..14)
        .map(|_| block_on(client.clone().send(get())).unwrap_err().attempts())
        .collect();
    // Two of the reserve, and one for ten calls.
    assert_eq!(sent, [3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1]);
}

#[test]
fn a_spent_budget_comes_back_with_time() {
    let clock = clock();
    let script = Script::new(&clock, (0..6).map(|_| answer(500)));
    let settings = config().with_retry_percent_max(0).with_retry_reserve(1);
    let client = builder(&script, &clock)
        .with_config(settings)
        .build()
        .unwrap();
    let attempts = || block_on(client.send(get())).unwrap_err().attempts();
    assert_eq!(attempts(), 2);
    assert_eq!(attempts(), 1);
    clock.advance(seconds(60));
    assert_eq!(attempts(), 2);
}
