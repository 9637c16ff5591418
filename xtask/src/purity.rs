//! Checks what crates depend on: the core on nothing that touches the world, an adapter without its
//! transport on nothing that opens a connection.

use std::collections::BTreeSet;

use crate::command::Cargo;
use crate::error::Error;
use crate::workspace::{Package, Workspace};

const CORE: &str = "omnisync-core";

/// The embedded adapters work without a network, whatever features are on.
const OFFLINE: &[&str] = &["omnisync-adapters-local"];

/// The features that add a transport to a crate, by convention.
const TRANSPORTS: &[&str] = &["reqwest", "tokio-rustls"];

/// Features whose official client opens its connections itself.
const SELF_CONNECTED: &[&str] = &["cosmos"];

/// TLS other than rustls with ring: C code that is built, or that has to be there already.
const FOREIGN_TLS: &[&str] = &["aws-lc-sys", "native-tls", "openssl", "openssl-sys"];

/// Crates that open connections.
const NETWORK: &[&str] = &[
    "aws-lc-rs",
    "azure_identity",
    "curl",
    "h2",
    "hyper-util",
    "isahc",
    "mio",
    "native-tls",
    "openssl",
    "quinn",
    "reqwest",
    "rustls",
    "socket2",
    "tonic",
    "tungstenite",
    "ureq",
];

/// Runtimes, sources of randomness and C builds, among them cryptography that opens no connection:
/// the core refuses them on top of [`NETWORK`].
const EFFECTS: &[&str] = &[
    "async-io",
    "async-std",
    "azure_core",
    "cc",
    "cmake",
    "fastrand",
    "hyper",
    "iana-time-zone",
    "object_store",
    "rand",
    "ring",
    "rusqlite",
    "smol",
    "tempfile",
    "tokio",
];

/// Features that bring a clock or randomness into a crate the core does use.
const HIDDEN_EFFECTS: &[(&str, &[&str])] = &[
    ("chrono", &["clock", "now"]),
    ("uuid", &["v1", "v4", "v6", "v7"]),
    ("zip", &["time"]),
];

/// A crate in the tree of another, with the features it is built with.
#[derive(Debug)]
struct Resolved<'a> {
    name: &'a str,
    features: Vec<&'a str>,
}

pub(crate) fn run(workspace: &Workspace) -> Result<(), Error> {
    for package in &workspace.packages {
        let name = package.name.as_str();
        let selected = ["--package", name];
        if name == CORE {
            let everything = ["--all-features", "--edges=normal,build"];
            refuse(workspace, name, &[selected.as_slice(), &everything], impure)?;
        } else if OFFLINE.contains(&name) {
            let everything = ["--all-features", "--edges=normal"];
            let selection = [selected.as_slice(), &everything];
            refuse(workspace, name, &selection, networked)?;
        } else if has_transport(package) {
            let features = format!("--features={}", without_transport(package).join(","));
            let offline = ["--no-default-features", &features, "--edges=normal"];
            refuse(workspace, name, &[selected.as_slice(), &offline], networked)?;
        }
    }
    let everything = ["--workspace", "--all-features", "--target=all"];
    refuse(workspace, "the workspace", &[&everything], foreign_tls)
}

/// Fails when the tree that `selection` selects holds something that `objection` objects to.
fn refuse(
    workspace: &Workspace,
    subject: &str,
    selection: &[&[&str]],
    objection: fn(&Resolved<'_>) -> Option<String>,
) -> Result<(), Error> {
    let head = ["tree", "--prefix=none", "--format={p}|{f}"];
    let command = Cargo::new(head.iter().chain(selection.concat().iter()).copied());
    println!("$ {command}");
    let output = command.output(&workspace.root)?;
    let tree: Vec<Resolved<'_>> = output.lines().filter_map(Resolved::parse).collect();

    let objections: BTreeSet<String> = tree.iter().filter_map(objection).collect();
    if objections.is_empty() {
        let crates: BTreeSet<&str> = tree.iter().map(|resolved| resolved.name).collect();
        println!("  {} crates, none of them forbidden", crates.len());
        Ok(())
    } else {
        let dependencies = objections.into_iter().collect();
        Err(Error::Impure {
            package: subject.to_owned(),
            dependencies,
        })
    }
}

/// What the core objects to.
fn impure(resolved: &Resolved<'_>) -> Option<String> {
    let name = resolved.name;
    if EFFECTS.contains(&name) || name.ends_with("-sys") {
        return Some(name.to_owned());
    }
    let hidden = HIDDEN_EFFECTS.iter().find(|(package, _)| *package == name);
    let feature = hidden.and_then(|(_, hidden)| {
        resolved
            .features
            .iter()
            .find(|feature| hidden.contains(feature))
    });
    match feature {
        Some(feature) => Some(format!("{name} with `{feature}`")),
        None => networked(resolved),
    }
}

/// What an adapter without its transport objects to.
fn networked(resolved: &Resolved<'_>) -> Option<String> {
    NETWORK
        .contains(&resolved.name)
        .then(|| resolved.name.to_owned())
}

/// What nothing here builds upon.
fn foreign_tls(resolved: &Resolved<'_>) -> Option<String> {
    FOREIGN_TLS
        .contains(&resolved.name)
        .then(|| resolved.name.to_owned())
}

fn has_transport(package: &Package) -> bool {
    let has = |transport: &&str| package.features.contains_key(*transport);
    TRANSPORTS.iter().any(has)
}

/// The features of a package that do not turn its transport on.
fn without_transport(package: &Package) -> Vec<&str> {
    let reaches_transport = |feature: &str| {
        let mut pending = vec![feature];
        let mut seen = BTreeSet::new();
        while let Some(feature) = pending.pop() {
            // A `name/feature` or `name?/feature` entry, or the optional dependency itself.
            let name = feature.strip_prefix("dep:").unwrap_or(feature);
            let name = name.split(['/', '?']).next().unwrap_or(name);
            let connects = TRANSPORTS.contains(&name) || SELF_CONNECTED.contains(&name);
            if connects && !feature.contains('?') {
                return true;
            }
            if seen.insert(feature) {
                let enabled = package.features.get(feature);
                pending.extend(enabled.into_iter().flatten().map(String::as_str));
            }
        }
        false
    };
    let features = package.features.keys().map(String::as_str);
    features
        .filter(|feature| !reaches_transport(feature))
        .collect()
}

impl<'a> Resolved<'a> {
    /// Reads a line such as `chrono v0.4.45|serde,std (*)`.
    fn parse(line: &'a str) -> Option<Self> {
        let (package, features) = line.split_once('|')?;
        let name = package.split(' ').next()?;
        let features = features.strip_suffix(" (*)").unwrap_or(features);
        Some(Self {
            name,
            features: features.split(',').collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::workspace::tests::package;

    fn check(objection: fn(&Resolved<'_>) -> Option<String>, line: &str, expected: Option<&str>) {
        let resolved = Resolved::parse(line).unwrap();
        assert_eq!(objection(&resolved).as_deref(), expected, "{line}");
    }

    #[test]
    fn the_core_takes_data_structures_and_refuses_effects() {
        check(impure, "bytes v1.12.1|default,std", None);
        check(impure, "serde_derive v1.0.229 (proc-macro)|default", None);
        check(impure, "tokio v1.54.0|", Some("tokio"));
        check(impure, "rustls v0.23.0|std", Some("rustls"));
        check(
            impure,
            "libsqlite3-sys v0.36.0|bundled (*)",
            Some("libsqlite3-sys"),
        );
    }

    #[test]
    fn the_core_refuses_a_clock_hidden_in_a_feature() {
        check(impure, "chrono v0.4.45|alloc,serde,std", None);
        check(
            impure,
            "chrono v0.4.45|alloc,now,std (*)",
            Some("chrono with `now`"),
        );
        check(impure, "uuid v1.29.1|std,v4 (*)", Some("uuid with `v4`"));
        check(impure, "zip v9.4.1|deflate-flate2", None);
        check(impure, "zip v9.4.1|time", Some("zip with `time`"));
    }

    #[test]
    fn an_adapter_without_transport_refuses_the_network_only() {
        check(networked, "tokio v1.54.0|rt,time", None);
        check(networked, "libsqlite3-sys v0.36.0|bundled", None);
        check(networked, "hyper v1.8.0|", None);
        check(networked, "hyper-util v0.1.20|", Some("hyper-util"));
    }

    #[test]
    fn nothing_builds_upon_another_tls() {
        check(foreign_tls, "ring v0.17.14|default", None);
        check(foreign_tls, "openssl-sys v0.9.1|", Some("openssl-sys"));
        check(foreign_tls, "aws-lc-sys v0.30.0|", Some("aws-lc-sys"));
    }

    #[test]
    fn features_that_lead_to_the_transport_are_left_out() {
        let adapter = package(json!({ "features": {
            "blob": ["dep:object_store", "reqwest?/stream"],
            "cosmos": ["dep:client"],
            "default": ["online"],
            "online": ["blob", "reqwest"],
            "raw": ["reqwest/json"],
            "reqwest": ["dep:reqwest"],
            "tokio-rustls": ["dep:tokio-rustls"],
        } }));

        assert_eq!(without_transport(&adapter), ["blob"]);
    }
}
