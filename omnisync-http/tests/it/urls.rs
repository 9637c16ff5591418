//! Which URLs are taken, from settings and from peers.

use omnisync_http::{Endpoint, HostAllowList, UrlError, is_loopback, redact};
use proptest::prelude::*;
use url::Url;

fn blobs() -> HostAllowList {
    HostAllowList::new(["*.blob.core.windows.net", "files.example.com"]).unwrap()
}

#[test]
fn hosts_of_the_list_pass() {
    for url in [
        "https://acme.blob.core.windows.net/in/a.zip?sv=1&sig=a%2Fb%3D",
        "https://ACME.Blob.Core.Windows.NET/",
        "HTTPS://acme.blob.core.windows.net",
        "https://acme.blob.core.windows.net:443/",
        "https://a.b.blob.core.windows.net/",
        "https://files.example.com/x",
        "https://xn--bcher-kva.blob.core.windows.net/",
    ] {
        assert!(blobs().check(url).is_ok(), "{url}");
    }
}

#[test]
fn other_hosts_and_tricks_do_not() {
    use UrlError::{Address, Host, NotAllowed, Plain, Port, Syntax, Userinfo};
    for (url, why) in [
        ("https://blob.core.windows.net/", NotAllowed),
        ("https://blob.core.windows.net.evil.com/", NotAllowed),
        ("https://evilblob.core.windows.net/", NotAllowed),
        ("https://www.files.example.com/", NotAllowed),
        ("https://evil.com/.blob.core.windows.net", NotAllowed),
        ("https://evil.com?.blob.core.windows.net", NotAllowed),
        ("https://evil.com#.blob.core.windows.net", Syntax),
        ("https://a.blob.core.windows.net/#x", Syntax),
        ("https://evil.com\\.blob.core.windows.net/", Syntax),
        ("https://a.blob.core.windows.net./", Syntax),
        ("https://.blob.core.windows.net/", Syntax),
        ("https://a..blob.core.windows.net/", Syntax),
        ("https://ａ.blob.core.windows.net/", Syntax),
        ("https://a%2eevil.com.blob.core.windows.net/", Syntax),
        (" https://a.blob.core.windows.net/", Syntax),
        ("https://a.blob.core\t.windows.net/", Syntax),
        ("https://a.blob.core.windows.net@evil.com/", Userinfo),
        ("https://user:pass@a.blob.core.windows.net/", Userinfo),
        ("http://a.blob.core.windows.net/", Plain),
        ("ftp://a.blob.core.windows.net/", Plain),
        ("https://a.blob.core.windows.net:8443/", Port),
        ("https://127.0.0.1/", Address),
        ("https://169.254.169.254/metadata", Address),
        ("https://[::1]/", Address),
        ("https://127.1/", Syntax),
        ("https://0x7f.0.0.1/", Syntax),
        ("https://2130706433/", Syntax),
        ("https://localhost/", NotAllowed),
        ("//a.blob.core.windows.net/", Host),
        ("/in/a.zip", Host),
        ("a.blob.core.windows.net", Plain),
        ("", Syntax),
    ] {
        assert_eq!(blobs().check(url).map(|_| url), Err(why), "{url}");
    }
    let long = format!("https://a.blob.core.windows.net/{}", "a".repeat(8_192));
    assert_eq!(blobs().check(&long), Err(Syntax));
}

#[test]
fn this_machine_passes_where_it_is_allowed() {
    let url = "http://127.0.0.1:10000/devstore/in/a.zip?sig=1";
    assert_eq!(blobs().check(url), Err(UrlError::Plain));
    let list = blobs().with_loopback();
    assert!(list.check(url).is_ok());
    assert!(list.check("https://[::1]:1/").is_ok());
    assert_eq!(list.check("ftp://127.0.0.1/"), Err(UrlError::Plain));
    assert_eq!(list.check("http://u@127.0.0.1/"), Err(UrlError::Userinfo));
    assert_eq!(list.check("https://10.0.0.1/"), Err(UrlError::Address));
}

#[test]
fn this_machine_is_known_with_and_without_brackets() {
    for host in [
        "localhost",
        "LocalHost",
        "127.0.0.1",
        "127.8.9.1",
        "[::1]",
        "::1",
    ] {
        assert!(is_loopback(host), "{host}");
    }
    for host in [
        "",
        "localhost.example.com",
        "127.0.0.1.example.com",
        "10.0.0.1",
        "::2",
        "[127.0.0.1]",
        "[::1",
        "::1]",
    ] {
        assert!(!is_loopback(host), "{host}");
    }
}

#[test]
fn a_pattern_is_a_host_or_what_is_below_one() {
    for pattern in [
        "",
        "*",
        "*.",
        "*.net",
        "localhost",
        "10.0.0.1",
        "a.*.com",
        "https://a.b",
        "a.b.",
        "*.1.2",
        "ä.com",
        "a.b:443",
    ] {
        assert_eq!(
            HostAllowList::new([pattern]),
            Err(UrlError::Pattern),
            "{pattern}"
        );
    }
    assert!(HostAllowList::new(["*.Example.COM", "a-1.example.com"]).is_ok());
}

#[test]
fn a_base_url_is_scheme_host_and_path() {
    for (base, path, expected) in [
        ("https://a.example.com", "/x", "https://a.example.com/x"),
        (
            "https://a.example.com/",
            "/x?y=1",
            "https://a.example.com/x?y=1",
        ),
        (
            "https://a.example.com/ns/AX/",
            "/data",
            "https://a.example.com/ns/AX/data",
        ),
        ("http://127.0.0.1:8080", "/", "http://127.0.0.1:8080/"),
    ] {
        let endpoint: Endpoint = base.parse().unwrap();
        assert_eq!(endpoint.join(path).unwrap(), expected);
        assert_eq!(endpoint.join("x"), Err(UrlError::Syntax));
        assert_eq!(endpoint.join("/x#y"), Err(UrlError::Syntax));
        assert_eq!(endpoint.join("/x y"), Err(UrlError::Syntax));
    }
    for (base, why) in [
        ("http://a.example.com", UrlError::Plain),
        ("http://169.254.169.254", UrlError::Plain),
        ("https://u:p@a.example.com", UrlError::Userinfo),
        ("https://a.example.com/?x=1", UrlError::Query),
        ("https://a.example.com/#x", UrlError::Query),
        ("https://a.example.com:x", UrlError::Syntax),
        ("a.example.com", UrlError::Syntax),
        ("", UrlError::Syntax),
    ] {
        assert_eq!(base.parse::<Endpoint>(), Err(why), "{base}");
    }
}

#[test]
fn what_is_shown_of_a_url_is_short_and_has_no_query() {
    let uri = format!("https://a.example.com:8443/{}?sig=s", "p".repeat(300))
        .parse()
        .unwrap();
    let shown = redact::url(&uri);
    assert_eq!(
        shown,
        format!("https://a.example.com:8443/{}...", "p".repeat(199))
    );
}

/// Pieces of which clever URLs are made.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("https://".to_owned()),
        Just("evil.com".to_owned()),
        Just("a.blob.core.windows.net".to_owned()),
        Just(".blob.core.windows.net".to_owned()),
        Just("127.0.0.1".to_owned()),
        Just("xn--".to_owned()),
        "[/@:#?\\\\.%\\[\\]&;,!]",
        "[a-zA-Z0-9]{1,3}",
        ":[0-9]{1,5}",
        "\\PC",
    ]
}

proptest! {
    #[test]
    fn what_passes_has_the_same_allowed_host_for_every_reader(
        pieces in proptest::collection::vec(piece(), 0..8),
    ) {
        let url = format!("https://{}", pieces.concat());
        for url in [url, pieces.concat()] {
            if let Ok(uri) = blobs().check(&url) {
                let host = uri.host().unwrap().to_ascii_lowercase();
                let allowed = host.ends_with(".blob.core.windows.net") || host == "files.example.com";
                prop_assert!(allowed, "{url}");
                // Punycode that stands for nothing is read by nobody.
                let Ok(other) = Url::parse(&url) else { continue };
                prop_assert_eq!(other.host_str(), Some(host.as_str()));
                prop_assert_eq!(other.scheme(), "https");
                prop_assert_eq!(other.port(), None);
                prop_assert_eq!((other.username(), other.password()), ("", None));
                // What is sent is what was checked.
                let sent = Url::parse(&uri.to_string()).unwrap();
                prop_assert_eq!(sent.host_str(), other.host_str());
            }
        }
    }

    #[test]
    fn no_text_is_too_strange_to_be_refused(text in "\\PC{0,60}") {
        prop_assert!(blobs().with_loopback().check(&text).is_err());
        prop_assert!(text.parse::<Endpoint>().is_err() || text.contains("://"));
        prop_assert!(HostAllowList::new([&text]).is_err() || text.contains('.'));
    }
}
