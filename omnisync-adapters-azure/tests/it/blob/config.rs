use std::sync::Arc;

use omnisync_adapters_azure::blob::{AzureBlobConfig, BlobCredential};
use omnisync_core::{ErrorKind, PortError};
use omnisync_http::{Client, ReqwestConfig, Secret};
use omnisync_testkit::clock::ManualClock;
use omnisync_testkit::ids::SeqIds;

fn build(config: AzureBlobConfig) -> Result<(), PortError> {
    let transport = Arc::new(ReqwestConfig::default().open()?);
    let (clock, ids) = (Arc::new(ManualClock::default()), Arc::new(SeqIds::new(1)));
    let client = Client::builder(
        transport,
        Arc::<ManualClock>::clone(&clock),
        Arc::<SeqIds>::clone(&ids),
    );
    config.build(client.build()?, clock, ids).map(drop)
}

#[track_caller]
fn check_wrong(config: AzureBlobConfig, says: &str) {
    let error = build(config).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error}");
    assert!(error.report().contains(says), "{}", error.report());
}

fn acme() -> AzureBlobConfig {
    AzureBlobConfig::new("https://acme.blob.core.windows.net", "packages")
}

#[test]
fn settings_that_cannot_be_are_named() {
    build(acme()).unwrap();
    check_wrong(acme().with_block_bytes(0), "block_bytes");
    check_wrong(acme().with_block_bytes(200 << 20), "block_bytes");
    check_wrong(acme().with_parallel_blocks_max(0), "parallel_blocks_max");
    check_wrong(acme().with_block_bytes(1_000), "blob_bytes_max");
    check_wrong(acme().with_page_names_max(5_001), "page_names_max");
    check_wrong(acme().with_timeout_ms(0), "timeout_ms");
    check_wrong(
        acme().with_clock_skew_seconds(700_000),
        "clock_skew_seconds",
    );
    check_wrong(acme().with_folder("../other"), "folder");
    check_wrong(
        AzureBlobConfig::new("http://acme.blob.core.windows.net", "packages"),
        "https",
    );
    check_wrong(
        AzureBlobConfig::new("https://acme.example.com", "No"),
        "container",
    );
    let key = BlobCredential::AccountKey(Secret::new("c4nary!"));
    check_wrong(acme().with_credential(key), "not base64");
    let sas = BlobCredential::Sas(Secret::new("sv=1"));
    check_wrong(acme().with_credential(sas), "sig");
    let id = "0d7b3a5c-6a52-4f4e-8f0e-1f6a2b3c4d5e";
    let onelake = AzureBlobConfig::new("https://onelake.dfs.fabric.microsoft.com", id)
        .with_folder(format!("{id}/Files"));
    build(onelake.clone()).unwrap();
    let key = BlobCredential::AccountKey(Secret::new("a2V5"));
    check_wrong(onelake.with_credential(key), "OneLake");
}

fn from(variables: &[(&str, &str)]) -> Result<AzureBlobConfig, PortError> {
    let own = |text: &str| text.to_owned();
    let variables = variables
        .iter()
        .map(|(name, value)| (format!("OMNISYNC_AZURE_BLOB_{name}"), own(value)));
    AzureBlobConfig::from_vars(variables)
}

#[test]
fn the_environment_names_folder_and_credential() {
    let url = ("URL", "abfss://packages@acme.dfs.core.windows.net/in/today");
    let config = from(&[url]).unwrap();
    assert_eq!(config.account_url, "https://acme.dfs.core.windows.net");
    assert_eq!(config.container, "packages");
    assert_eq!(config.folder.as_deref(), Some("in/today"));
    assert!(matches!(config.credential, BlobCredential::Bearer));
    let config = from(&[url, ("ACCOUNT_KEY", "a2V5")]).unwrap();
    assert!(matches!(config.credential, BlobCredential::AccountKey(_)));
    let config = from(&[url, ("SAS", "?sv=1&sig=2")]).unwrap();
    build(config).unwrap();

    let text = "AccountName=acme;AccountKey=a2V5";
    let config = from(&[
        ("CONNECTION_STRING", text),
        ("CONTAINER", "packages"),
        ("FOLDER", "in"),
    ]);
    let config = config.unwrap();
    assert_eq!(config.account_url, "https://acme.blob.core.windows.net");
    build(config).unwrap();
}

#[test]
fn what_the_environment_lacks_is_named_and_what_it_has_is_not_shown() {
    let url = ("URL", "https://acme.blob.core.windows.net/packages");
    for (variables, says) in [
        (&[][..], "OMNISYNC_AZURE_BLOB_URL"),
        (
            &[("URL", "https://acme.blob.core.windows.net")],
            "container",
        ),
        (
            &[url, ("ACCOUNT_KEY", "c4nary"), ("SAS", "c4nary")],
            "keep one",
        ),
        (
            &[("CONNECTION_STRING", "AccountName=a;AccountKey=c4nary")],
            "CONTAINER",
        ),
        (
            &[("CONNECTION_STRING", "c4nary"), ("CONTAINER", "packages")],
            "NAME=VALUE",
        ),
    ] {
        let error = from(variables).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error}");
        assert!(error.report().contains(says), "{}", error.report());
        assert!(!format!("{error:?}").contains("c4nary"), "{error:?}");
    }
}

#[test]
fn a_file_is_read_strictly() {
    let read = |text: &str| serde_json::from_str::<AzureBlobConfig>(text);
    let config = read(
        r#"{ "account_url": "https://acme.blob.core.windows.net", "container": "packages",
             "credential": { "account-key": "a2V5" } }"#,
    );
    let config = config.unwrap();
    assert_eq!(config.block_bytes, 8 << 20);
    assert!(!format!("{config:?}").contains("a2V5"));
    let error = read(r#"{ "account_url": "", "container": "", "block_size": 1 }"#).unwrap_err();
    assert!(error.to_string().contains("block_size"), "{error}");
}
