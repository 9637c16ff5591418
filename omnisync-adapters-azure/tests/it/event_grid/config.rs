use std::sync::Arc;

use omnisync_adapters_azure::event_grid::{EventGridConfig, EventGridCredential};
use omnisync_core::ErrorKind;
use omnisync_testkit::clock::ManualClock;

use super::support::{KEY, Peer, TOPIC, answer, client, events};

const PREFIX: &str = "OMNISYNC_AZURE_EVENT_GRID_";

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| (format!("{PREFIX}{name}"), (*value).to_owned()))
        .collect()
}

fn kind(credential: &EventGridCredential) -> &'static str {
    match credential {
        EventGridCredential::Bearer => "bearer",
        EventGridCredential::Key(_) => "key",
        EventGridCredential::Sas { .. } => "sas",
        EventGridCredential::SasToken(_) => "token",
    }
}

#[test]
fn variables_name_the_topic_and_at_most_one_credential() {
    for (name, expected) in [
        ("", "bearer"),
        ("KEY", "key"),
        ("SAS_KEY", "sas"),
        ("SAS_TOKEN", "token"),
    ] {
        let read = EventGridConfig::from_vars(variables(&[("ENDPOINT", TOPIC), (name, KEY)]));
        let config = read.unwrap();
        assert_eq!(
            (config.endpoint.as_str(), kind(&config.credential)),
            (TOPIC, expected)
        );
    }
    for pairs in [
        vec![("KEY", KEY)],
        vec![("ENDPOINT", " ")],
        vec![("ENDPOINT", TOPIC), ("KEY", KEY), ("SAS_KEY", KEY)],
    ] {
        let error = EventGridConfig::from_vars(variables(&pairs)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
        assert!(!format!("{error:?}").contains(KEY));
    }
}

#[test]
fn a_configuration_is_read_from_a_file() {
    let read = |json: &str| serde_json::from_str::<EventGridConfig>(json);
    let config = read(
        r#"{"endpoint": "https://a.example", "credential": {"sas": {"key": "a2V5"}},
            "batch_events_max": 5}"#,
    );
    let config = config.unwrap();
    assert_eq!(
        (kind(&config.credential), config.batch_events_max),
        ("sas", 5)
    );
    assert!(read(r#"{"endpoint": "x", "endpoints": []}"#).is_err());
}

#[test]
fn what_cannot_be_is_named_when_the_publisher_is_built() {
    let build = |config: EventGridConfig| {
        let clock = ManualClock::default().auto();
        let peer = Peer::script([]);
        config.build(client(&peer, &clock), Arc::new(clock))
    };
    let topic = || EventGridConfig::new(TOPIC);
    let with = |credential| topic().with_credential(credential);
    for (config, word) in [
        (EventGridConfig::new("orders"), "endpoint"),
        (EventGridConfig::new("http://orders.example"), "endpoint"),
        (EventGridConfig::new(format!("{TOPIC}?code=1")), "endpoint"),
        (topic().with_event_bytes_max(0), "event_bytes_max"),
        (topic().with_batch_bytes_max(2), "batch_bytes_max"),
        (topic().with_batch_events_max(0), "batch_events_max"),
        (with(EventGridCredential::Key("".into())), "empty"),
        (with(EventGridCredential::Key("a\nb".into())), "header"),
        (with(EventGridCredential::sas("not base64!")), "base64"),
        (
            with(EventGridCredential::Sas {
                key: KEY.into(),
                lifetime_seconds: 0,
            }),
            "lifetime_seconds",
        ),
    ] {
        let error = build(config).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
        assert!(error.report().contains(word), "{}", error.report());
    }
}

#[tokio::test]
async fn an_endpoint_without_a_path_gets_the_usual_one() {
    for endpoint in [
        "https://a.example",
        "https://a.example/",
        "https://a.example/api/events/",
    ] {
        let peer = Peer::script([answer(200, "")]);
        let clock = ManualClock::default().auto();
        let publisher = EventGridConfig::new(endpoint)
            .with_credential(EventGridCredential::Key(KEY.into()))
            .build(client(&peer, &clock), Arc::new(clock))
            .unwrap();
        assert!(publisher.publish(&events(0..1)).await.is_complete());
        assert_eq!(
            peer.take()[0].uri(),
            "https://a.example/api/events?api-version=2018-01-01"
        );
    }
}
