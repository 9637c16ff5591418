//! The real transport against servers of this machine that behave as each test says.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, RecvError, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use omnisync_core::ErrorKind;
use omnisync_http::{
    Call, Client, EntraClientCredentials, EntraConfig, Limits, Request, ReqwestConfig,
    ReqwestTransport, Response, Scope, TokenCache, Transport as _, TransportError,
    TransportErrorKind,
};
use omnisync_testkit::clock::ManualClock;

use crate::canary::{Printed, logged};
use crate::support::Ids;

/// A server that reads one request a connection and answers with whatever bytes a test wrote down.
struct Server {
    address: SocketAddr,
    requests: Receiver<String>,
}

impl Server {
    fn answering(answer: &'static str) -> Self {
        Self::doing(move |_, stream| stream.write_all(answer.as_bytes()).unwrap_or_default())
    }

    /// Serves every connection with `behaviour`, once a request was read.
    fn doing(behaviour: impl Fn(&str, &mut TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, requests) = channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let request = read(&mut stream);
                if sender.send(request.clone()).is_err() {
                    return;
                }
                behaviour(&request, &mut stream);
            }
        });
        Self { address, requests }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Requests that arrived.
    fn requests(&self) -> Vec<String> {
        self.requests.try_iter().collect()
    }
}

/// Reads a request to the end of its head, and of the body that the head announces.
fn read(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let mut piece = [0; 1_024];
    loop {
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let announced = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            let bytes: usize = announced.map_or(0, |length| length.parse().unwrap());
            if body.len() >= bytes {
                return text;
            }
        }
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return text,
            Ok(length) => text.push_str(&String::from_utf8_lossy(&piece[..length])),
        }
    }
}

/// Waits until the test lets go.
fn wait(end: &Mutex<Receiver<()>>) {
    assert_eq!(end.lock().unwrap().recv(), Err(RecvError));
}

fn transport() -> ReqwestTransport {
    ReqwestConfig::default().open().unwrap()
}

fn get(url: &str) -> Request {
    http::Request::get(url).body(Bytes::new()).unwrap()
}

fn limits(timeout_ms: u64, body_bytes_max: usize) -> Limits {
    Limits {
        timeout: Duration::from_millis(timeout_ms),
        body_bytes_max,
    }
}

fn send(request: Request, limits: Limits) -> Result<Response, TransportError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(transport().send(request, limits))
}

/// Enough for anything that answers.
const AMPLE: u64 = 30_000;

#[track_caller]
fn check_error(server: &Server, limits: Limits, expected: TransportErrorKind) {
    let error = send(get(&server.url("/?sig=canary")), limits).unwrap_err();
    assert_eq!(error.kind(), expected, "{error:?}");
    let mut report = format!("{error:?} {error}");
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        report = format!("{report} {error:?} {error}");
        cause = error.source();
    }
    assert!(!report.contains("canary"), "{report}");
}

#[test]
fn an_answer_is_given_whole_and_nothing_is_added_to_the_request() {
    let server = Server::answering(
        "HTTP/1.1 201 Created\r\ncontent-length: 5\r\nset-cookie: a=b\r\netag: W/\"7\"\r\n\r\nhello",
    );
    let request = http::Request::put(server.url("/a%20b?sig=x%2Fy"))
        .header("if-match", "\"6\"")
        .body(Bytes::from_static(b"body"))
        .unwrap();
    let response = send(request, limits(AMPLE, 5)).unwrap();
    assert_eq!(response.status(), 201);
    assert_eq!(response.headers()["etag"], "W/\"7\"");
    assert_eq!(response.body(), "hello");
    let expected = format!(
        "PUT /a%20b?sig=x%2Fy HTTP/1.1\r\nif-match: \"6\"\r\naccept: */*\r\nhost: {}\r\n\
         content-length: 4\r\n\r\nbody",
        server.address
    );
    assert_eq!(server.requests(), [expected]);
}

#[test]
fn a_redirection_is_an_answer() {
    for status in [301, 302, 303, 307, 308] {
        let target = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        let location = target.url("/elsewhere");
        let server = Server::doing(move |_, stream| {
            let answer = format!(
                "HTTP/1.1 {status} Moved\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"
            );
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let response = send(get(&server.url("/")), limits(AMPLE, 10)).unwrap();
        assert_eq!(response.status(), status);
        assert!(target.requests().is_empty());
    }
}

#[test]
fn a_body_beyond_the_cap_is_not_read() {
    let announced = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n123456789");
    check_error(&announced, limits(AMPLE, 8), TransportErrorKind::TooLarge);
    // In chunks, without a word about the length, and without an end.
    let endless = Server::doing(|_, stream| {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        let mut sent = stream.write_all(head.as_bytes());
        while sent.is_ok() {
            sent = stream.write_all(b"4\r\nabcd\r\n");
        }
    });
    check_error(
        &endless,
        limits(AMPLE, 100_000),
        TransportErrorKind::TooLarge,
    );
}

#[test]
fn a_packed_body_is_given_as_it_is() {
    let server = Server::answering(
        "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc",
    );
    let response = send(get(&server.url("/")), limits(AMPLE, 3)).unwrap();
    assert_eq!(response.body(), "abc");
    assert!(!server.requests()[0].contains("accept-encoding"));
}

#[test]
fn a_connection_that_ends_before_the_answer_leaves_the_effect_open() {
    let silent = Server::doing(|_, _| ());
    check_error(&silent, limits(AMPLE, 10), TransportErrorKind::Cut);
    assert_eq!(silent.requests().len(), 1);
    let half = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n1234");
    check_error(&half, limits(AMPLE, 10), TransportErrorKind::Cut);
    let nonsense = Server::answering("220 smtp.example.com ready\r\n\r\n");
    check_error(&nonsense, limits(AMPLE, 10), TransportErrorKind::Cut);
}

#[test]
fn a_connection_that_ends_before_the_request_was_read_leaves_the_effect_open() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || listener.incoming().for_each(drop));
    let error = send(get(&format!("http://{address}/")), limits(AMPLE, 10)).unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::Cut);
}

#[test]
fn a_server_that_does_not_answer_in_time_leaves_the_effect_open() {
    let (test, end) = channel();
    let end = Mutex::new(end);
    let mute = Server::doing(move |_, _| wait(&end));
    check_error(&mute, limits(50, 10), TransportErrorKind::TimedOut);
    drop(test);

    let (test, end) = channel();
    let end = Mutex::new(end);
    let slow = Server::doing(move |_, stream| {
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n1234";
        stream.write_all(head.as_bytes()).unwrap_or_default();
        wait(&end);
    });
    check_error(&slow, limits(50, 10), TransportErrorKind::TimedOut);
    drop(test);
}

#[test]
fn where_nobody_listens_nothing_is_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = send(get(&format!("http://{address}/")), limits(AMPLE, 10)).unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::NotSent);
}

#[test]
fn without_tls_on_the_other_side_nothing_is_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/?sig=canary", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _greeting = stream.read(&mut [0; 16]).unwrap();
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .unwrap();
    });
    let error = send(get(&url), limits(AMPLE, 10)).unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::NotSent);
}

#[test]
fn what_leaves_this_machine_is_not_sent_in_plain_text() {
    for url in [
        "http://example.com/",
        "http://10.0.0.1/",
        "http://169.254.169.254/metadata/identity",
        "http://127.0.0.1.example.com/",
        "http://user:pass@127.0.0.1/",
        "/nowhere",
    ] {
        let error = send(get(url), limits(50, 10)).unwrap_err();
        assert_eq!(error.kind(), TransportErrorKind::Invalid, "{url}");
    }
}

#[test]
fn a_connection_without_a_time_limit_is_refused() {
    let error = ReqwestConfig::default()
        .with_connect_timeout_ms(0)
        .open()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

/// Gives a token for the right secret, and an answer for the right token.
fn organisation(request: &str, stream: &mut TcpStream) {
    let (line, _) = request.split_once("\r\n").unwrap();
    let body = match line {
        "POST /tenant/oauth2/v2.0/token HTTP/1.1" if request.contains("client_secret=c4nary") => {
            r#"{"access_token":"c4nary","expires_in":60}"#
        }
        "GET /data?sig=c4nary HTTP/1.1" if request.contains("authorization: Bearer c4nary\r\n") => {
            "whole"
        }
        _ => panic!("unexpected {request}"),
    };
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: ";
    let answer = format!("{head}{}\r\n\r\n{body}", body.len());
    stream.write_all(answer.as_bytes()).unwrap();
}

#[test]
fn a_client_fetches_a_token_and_asks_with_it_and_logs_neither() {
    let server = Server::doing(organisation);
    let clock = ManualClock::default();
    let builder = || {
        Client::builder(
            Arc::new(transport()),
            Arc::new(clock.clone()),
            Ids::new(0.0),
        )
    };
    let config = EntraConfig::new("tenant", "id", "c4nary").with_authority(server.url(""));
    let provider = EntraClientCredentials::new(config, builder().build().unwrap()).unwrap();
    let tokens = TokenCache::new(Arc::new(provider), Arc::new(clock.clone()), Ids::new(0.0));
    let scope = Scope::of_resource(&server.url("")).unwrap();
    let client = builder().with_tokens(tokens, scope).build().unwrap();

    let printed = Printed::default();
    let calls = async {
        for _ in 0..2 {
            let call = Call::new("test.read", get(&server.url("/data?sig=c4nary")));
            assert_eq!(client.send(call).await.unwrap().body(), "whole");
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    logged(&printed, || runtime.unwrap().block_on(calls));
    // One token served both.
    assert_eq!(server.requests().len(), 3);
    printed.check();
}

#[test]
fn certificates_that_are_none_are_refused() {
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for pem in ["", "no certificate", broken] {
        let error = ReqwestConfig::default().with_root_certificates(pem).open();
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{pem}");
        assert!(error.to_string().contains("root_certificates"), "{error}");
    }
}
