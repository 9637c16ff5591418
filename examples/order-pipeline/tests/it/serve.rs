//! The webhook: what it answers is what is durable.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;

use serde_json::{Value, json};

use crate::support::{Host, NO_CHANGE, Running, binary, check_counts, fails, order, order_id};

const STRUCTURED: (&str, &str) = ("content-type", "application/cloudevents+json");
const BATCH: (&str, &str) = ("content-type", "application/cloudevents-batch+json");

/// A server on a port of its own.
pub(crate) struct Server {
    process: Running,
    /// Kept open: the server may print more.
    _stdout: BufReader<ChildStdout>,
    address: String,
}

pub(crate) struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The problem, or the verdict, of each event.
    fn results(&self) -> Vec<String> {
        let json = self.json();
        let results = json["results"].as_array().unwrap().iter();
        let word = |result: &Value| {
            let word = result.get("problem").or_else(|| result.get("verdict"));
            word.and_then(Value::as_str).unwrap().to_owned()
        };
        results.map(word).collect()
    }

    pub(crate) fn check(&self, status: u16, results: &[&str]) {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.results(), results, "{}", self.body);
    }
}

impl Server {
    fn start(host: &Host, arguments: &[&str]) -> Self {
        Self::start_in(host, &[], arguments)
    }

    fn start_in(host: &Host, variables: &[(&str, &str)], arguments: &[&str]) -> Self {
        let mut command = host.command("serve");
        command.envs(variables.iter().copied());
        command.args(arguments);
        Self::of(command)
    }

    /// Starts a command that serves, on a free port.
    pub(crate) fn of(mut command: Command) -> Self {
        command.args(["--listen", "127.0.0.1:0"]);
        let mut child: Child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://");
        let address = address.and_then(|address| address.strip_suffix('/'));
        Self {
            address: address.unwrap_or_else(|| panic!("{line}")).to_owned(),
            process: Running(child),
            _stdout: stdout,
        }
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).unwrap()
    }

    fn request(&self, method: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.request_to("/", method, headers, body)
    }

    fn request_to(
        &self,
        target: &str,
        method: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let mut stream = self.connect();
        stream
            .write_all(&head_to(target, method, headers, body.len()))
            .unwrap();
        stream.write_all(body).unwrap();
        answer(stream)
    }

    pub(crate) fn post(&self, event: &Value) -> Answer {
        self.request("POST", &[STRUCTURED], event.to_string().as_bytes())
    }

    /// Asks the process to end, as an operator would.
    fn terminate(&self) {
        let id = self.process.0.id().to_string();
        let killed = Command::new("kill").args(["-TERM", &id]).status().unwrap();
        assert!(killed.success());
    }

    /// Waits for the end of the process, and checks what it logged.
    fn wait(mut self) -> ExitStatus {
        let status = self.process.0.wait().unwrap();
        let mut log = String::new();
        let mut stderr = self.process.0.stderr.take().unwrap();
        stderr.read_to_string(&mut log).unwrap();
        assert!(!log.contains("panicked"), "{log}");
        status
    }

    pub(crate) fn stop(self) {
        self.terminate();
        assert_eq!(self.wait().code(), Some(0));
    }
}

fn head(method: &str, headers: &[(&str, &str)], length: usize) -> Vec<u8> {
    head_to("/", method, headers, length)
}

fn head_to(target: &str, method: &str, headers: &[(&str, &str)], length: usize) -> Vec<u8> {
    let headers: Vec<String> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    format!(
        "{method} {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{}content-length: \
         {length}\r\n\r\n",
        headers.concat()
    )
    .into_bytes()
}

fn answer(mut stream: TcpStream) -> Answer {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    let headers = lines.map(|line| line.split_once(": ").unwrap());
    Answer {
        status: status.parse().unwrap(),
        headers: headers
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect(),
        body: body.to_owned(),
    }
}

#[test]
fn the_handshake_gives_consent_in_its_headers() {
    let host = Host::new();
    let server = Server::start(&host, &["--allow-origin", "events.example"]);
    let shake = |origin| {
        let headers = [
            ("webhook-request-origin", origin),
            ("webhook-request-rate", "120"),
        ];
        server.request("OPTIONS", &headers, b"")
    };

    let allowed = shake("events.example");
    let refused = shake("others.example");

    assert_eq!(allowed.status, 200);
    assert_eq!(allowed.headers["webhook-allowed-origin"], "events.example");
    assert_eq!(allowed.headers["webhook-allowed-rate"], "*");
    assert!(allowed.headers["allow"].contains("POST"));
    assert_eq!(refused.status, 400);
    assert!(!refused.headers.contains_key("webhook-allowed-origin"));
    server.stop();
}

#[test]
fn single_events_are_taken_structured_and_binary() {
    let host = Host::new();
    let server = Server::start(&host, &[]);
    let event = order(2, 2);
    let attribute = |name: &str| event[name].as_str().unwrap();
    let binary = [
        ("ce-specversion", attribute("specversion")),
        ("ce-type", attribute("type")),
        ("ce-source", attribute("source")),
        ("ce-id", attribute("id")),
        ("ce-time", attribute("time")),
        ("content-type", "application/json"),
    ];
    let body = event["data"].to_string();

    server.post(&order(1, 1)).check(200, &["Accepted"]);
    let post = || server.request("POST", &binary, body.as_bytes());
    post().check(200, &["Accepted"]);
    // The same order again, in the other form.
    post().check(200, &["Duplicate"]);
    server.post(&event).check(200, &["Duplicate"]);

    server.stop();
    assert_eq!(host.states().len(), 2);
}

#[test]
fn a_batch_keeps_its_good_events_when_one_is_bad() {
    let host = Host::new();
    let server = Server::start(&host, &[]);
    let mut bad = order(2, 2);
    bad["data"]["currency"] = json!("SECRET");
    let mut other = order(1, 5);
    other["id"] = json!("other");
    let batch = json!([order(1, 1), bad, order(3, 3), {"specversion": "1.0"}, other]);

    let answer = server.request("POST", &[BATCH], batch.to_string().as_bytes());

    answer.check(
        400,
        &[
            "Accepted",
            "ValidationFailure",
            "Accepted",
            "InvalidCloudEvent",
            "RevisionConflict",
        ],
    );
    let violations = answer.json()["results"][1]["violations"].to_string();
    assert!(violations.contains("/currency"), "{violations}");
    assert!(!answer.body.contains("SECRET"), "{}", answer.body);
    server.stop();
    let states = host.states();
    assert_eq!(
        states.keys().collect::<Vec<_>>(),
        [&order_id(1), &order_id(3)]
    );
    assert_eq!(states[&order_id(1)], "Quarantined");
}

#[test]
fn what_is_no_event_is_refused_with_a_problem() {
    let host = Host::new();
    let server = Server::start(&host, &[]);
    let post =
        |content_type, body: &[u8]| server.request("POST", &[("content-type", content_type)], body);

    post(STRUCTURED.1, b"{").check(400, &["JsonDeserialiseFailure"]);
    post(STRUCTURED.1, b"\xff\xfe").check(400, &["JsonDeserialiseFailure"]);
    post(STRUCTURED.1, b"{}").check(400, &["InvalidCloudEvent"]);
    post(BATCH.1, b"{}").check(400, &["InvalidCloudEvent"]);
    post("application/json", b"{}").check(400, &["InvalidCloudEvent"]);
    assert_eq!(post("application/cloudevents+avro", b"x").status, 415);
    assert_eq!(post(BATCH.1, b"[]").status, 200);
    assert_eq!(server.request("DELETE", &[], b"").status, 405);
    server.stop();
    assert!(host.states().is_empty());
}

#[test]
fn a_body_that_is_too_large_is_refused_before_it_is_sent() {
    let host = Host::new();
    let server = Server::start(&host, &[]);
    let mut announced = server.connect();
    announced
        .write_all(&head("POST", &[BATCH], 1_114_113))
        .unwrap();

    assert_eq!(answer(announced).status, 413);

    let mut event = order(1, 1);
    // Larger than an event may be, and no larger than a delivery.
    event["data"]["customerId"] = json!("x".repeat(1_060_000));
    server.post(&event).check(413, &["TooLarge"]);
    server.stop();
    assert!(host.states().is_empty());
}

#[test]
fn a_body_without_a_length_is_refused_where_it_grows_too_large() {
    let host = Host::new();
    let server = Server::start(&host, &[]);
    let mut stream = server.connect();
    let head = "POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ntransfer-encoding: \
                chunked\r\ncontent-type: application/cloudevents-batch+json\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let reader = stream.try_clone().unwrap();
    let writer = thread::spawn(move || {
        let chunk = format!("{:x}\r\n{}\r\n", 1 << 20, "x".repeat(1 << 20));
        // The server may close the connection before it has read everything.
        (0..17)
            .try_for_each(|_| stream.write_all(chunk.as_bytes()))
            .ok();
    });

    let mut first = [0; 12];
    let read = (&reader).read_exact(&mut first);

    if read.is_ok() {
        assert_eq!(&first, b"HTTP/1.1 413");
    }
    writer.join().unwrap();
    server.post(&order(1, 1)).check(200, &["Accepted"]);
    server.stop();
}

#[test]
fn a_body_that_breaks_off_comes_again() {
    let host = Host::new();
    let server = Server::start(&host, &[]);
    let body = order(1, 1).to_string();
    let mut stream = server.connect();
    stream
        .write_all(&head("POST", &[STRUCTURED], body.len()))
        .unwrap();
    stream.write_all(&body.as_bytes()[..10]).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();

    assert_eq!(answer(stream).status, 503);

    server.stop();
    assert!(host.states().is_empty());
}

#[test]
fn too_many_requests_are_told_to_come_again() {
    let host = Host::new();
    let server = Server::start(&host, &["--max-requests", "1"]);
    let body = order(1, 1).to_string();
    let (first, rest) = body.as_bytes().split_at(10);
    let mut held = server.connect();
    // The server asks for the body once it has taken the only place.
    let headers = [STRUCTURED, ("expect", "100-continue")];
    held.write_all(&head("POST", &headers, body.len())).unwrap();
    let mut invitation = [0; 25];
    held.read_exact(&mut invitation).unwrap();
    assert_eq!(&invitation, b"HTTP/1.1 100 Continue\r\n\r\n");
    held.write_all(first).unwrap();

    let refused = server.post(&order(2, 2));

    assert_eq!(refused.status, 429);
    assert_eq!(refused.headers["retry-after"], "1");
    held.write_all(rest).unwrap();
    answer(held).check(200, &["Accepted"]);
    server.post(&order(2, 2)).check(200, &["Accepted"]);
    server.stop();
}

#[test]
fn only_who_knows_a_secret_may_deliver() {
    let host = Host::new();
    let (old, new) = ("the-old-secret-of-this-test", "the-new-secret-of-this-test");
    let server = Server::start_in(
        &host,
        &[("OLD_SECRET", old), ("NEW_SECRET", new)],
        &["--secret-env", "OLD_SECRET", "--secret-env", "NEW_SECRET"],
    );
    let deliver = |number, target: &str, header: Option<&str>| {
        let mut headers = vec![STRUCTURED];
        headers.extend(header.map(|secret| ("x-omnisync-secret", secret)));
        let body = order(number, 1).to_string();
        server.request_to(target, "POST", &headers, body.as_bytes())
    };

    deliver(1, &format!("/?code={old}"), None).check(200, &["Accepted"]);
    deliver(2, "/", Some(new)).check(200, &["Accepted"]);
    for (target, header) in [("/", None), ("/?code=guessed", None), ("/", Some(""))] {
        let refused = deliver(3, target, header);
        assert_eq!(refused.status, 401, "{}", refused.body);
    }
    // The body of a stranger is not even asked for.
    let mut stranger = server.connect();
    let headers = [STRUCTURED, ("expect", "100-continue")];
    stranger.write_all(&head("POST", &headers, 100)).unwrap();
    assert_eq!(answer(stranger).status, 401);

    server.stop();
    assert_eq!(host.states().len(), 2);
}

#[test]
fn a_secret_that_is_missing_or_short_is_reported() {
    let host = Host::new();
    let mut command = host.command("serve");
    command.args(["--listen", "127.0.0.1:0", "--secret-env", "NO_SUCH_SECRET"]);
    let missing = fails(&command.output().unwrap());
    let short = fails(&command.env("NO_SUCH_SECRET", "short").output().unwrap());

    assert!(missing.contains("NO_SUCH_SECRET"), "{missing}");
    assert!(short.contains("16 bytes"), "{short}");
}

#[test]
fn without_a_secret_other_machines_reach_nothing_unless_that_is_wanted() {
    let host = Host::new();
    let mut command = host.command("serve");
    let refused = fails(&command.args(["--listen", "0.0.0.0:0"]).output().unwrap());
    for advice in ["--secret-env", "--listen", "--open"] {
        assert!(refused.contains(advice), "{refused}");
    }
    // An address of documentation: nobody can listen on it.
    let mut command = host.command("serve");
    command.args(["--listen", "192.0.2.1:80", "--open"]);
    let open = fails(&command.output().unwrap());
    let mut command = host.command("serve");
    command.env("SECRET", "the-long-secret-of-this-test");
    command.args(["--listen", "192.0.2.1:80", "--secret-env", "SECRET"]);
    let closed = fails(&command.output().unwrap());
    for error in [open, closed] {
        assert!(error.contains("listen on 192.0.2.1:80"), "{error}");
    }
}

#[test]
fn orders_are_delivered_in_the_background() {
    let host = Host::new();
    let server = Server::start(&host, &["--max-age", "0"]);
    server.post(&order(1, 1)).check(200, &["Accepted"]);
    server.post(&order(2, 2)).check(200, &["Accepted"]);

    // Looking is what is waited with: every look is a process of its own.
    while !host.status().contains("Imported               2") {
        assert_eq!(server.request("GET", &[], b"").status, 405);
    }

    server.stop();
    assert_eq!(host.erp().orders(), 2);
    host.write_orders(format!("{}\n{}\n", order(1, 1), order(2, 2)));
    check_counts(&host.run(&[]), NO_CHANGE);
}

#[test]
fn a_signal_lets_requests_end_and_keeps_their_orders() {
    let host = Host::new();
    let server = Server::start(&host, &[]);
    let body = order(1, 1).to_string();
    let mut held = server.connect();
    let headers = [STRUCTURED, ("expect", "100-continue")];
    held.write_all(&head("POST", &headers, body.len())).unwrap();
    let mut invitation = [0; 25];
    held.read_exact(&mut invitation).unwrap();
    // An idle connection must not hold the server up.
    let idle = server.connect();

    server.terminate();
    while TcpStream::connect(&server.address).is_ok() {
        thread::yield_now();
    }
    held.write_all(body.as_bytes()).unwrap();

    answer(held).check(200, &["Accepted"]);
    assert_eq!(server.wait().code(), Some(0));
    drop(idle);
    assert_eq!(host.states()[&order_id(1)], "Pending");
}

#[test]
fn what_was_answered_with_200_survives_a_kill() {
    let host = Host::new();
    for number in 1..=5 {
        let mut server = Server::start(&host, &[]);
        server.post(&order(number, 1)).check(200, &["Accepted"]);
        server.process.0.kill().unwrap();
        server.process.0.wait().unwrap();

        assert_eq!(host.states()[&order_id(number)], "Pending");
    }
    let server = Server::start(&host, &[]);
    server.post(&order(5, 1)).check(200, &["Duplicate"]);
    server.stop();
    host.write_orders(order(6, 1).to_string());
    check_counts(
        &host.run(&[]),
        &[("accepted", 1), ("imported", 6), ("pending", 0)],
    );
}

#[test]
fn a_folder_that_is_served_is_closed_to_others() {
    let host = Host::new();
    let server = Server::start(&host, &[]);
    host.write_orders(order(1, 1).to_string());

    let run = host.run_fails(&[]);
    let mut second = host.command("serve");
    let second = fails(&second.args(["--listen", "127.0.0.1:0"]).output().unwrap());

    for error in [run, second] {
        assert!(error.contains("another process"), "{error}");
    }
    server.stop();
    check_counts(&host.run(&[]), &[("accepted", 1), ("imported", 1)]);
}

#[test]
fn an_address_in_use_is_reported() {
    let host = Host::new();
    let server = Server::start(&host, &[]);
    let mut second = binary(["serve", "--listen", &server.address]);
    second.arg("--work").arg(host.path("other"));

    let error = fails(&second.output().unwrap());

    assert!(
        error.contains(&server.address) && error.contains("--listen"),
        "{error}"
    );
    server.stop();
}

#[test]
fn a_wrong_window_is_reported() {
    let host = Host::new();
    let mut command = host.command("serve");
    command.args(["--window", "at noon"]);

    let error = fails(&command.output().unwrap());

    assert!(
        error.contains("at noon") || error.contains("cron"),
        "{error}"
    );
}
