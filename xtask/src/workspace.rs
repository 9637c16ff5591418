//! The workspace as `cargo metadata` describes it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::command::Cargo;
use crate::error::Error;

/// The workspace and its member packages.
#[derive(Debug, Deserialize)]
pub(crate) struct Workspace {
    #[serde(rename = "workspace_root")]
    pub(crate) root: PathBuf,
    pub(crate) target_directory: PathBuf,
    pub(crate) packages: Vec<Package>,
}

/// A member of the workspace.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) manifest_path: PathBuf,
    pub(crate) description: Option<String>,
    pub(crate) license: Option<String>,
    pub(crate) readme: Option<PathBuf>,
    pub(crate) rust_version: Option<String>,
    /// The registries it may go to: `None` is any, an empty list is none.
    publish: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) features: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub(crate) dependencies: Vec<Dependency>,
    #[serde(default)]
    targets: Vec<Target>,
    metadata: Option<Metadata>,
}

/// A dependency as the manifest declares it.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// The version requirement, `*` when the manifest gives none.
    pub(crate) req: String,
    /// `dev`, `build`, or absent for a normal dependency.
    pub(crate) kind: Option<String>,
    pub(crate) path: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
struct Target {
    kind: Vec<String>,
}

/// The tables under `[package.metadata]` that mean something here.
#[derive(Debug, Default, Deserialize)]
struct Metadata {
    docs: Option<Docs>,
    omnisync: Option<Omnisync>,
}

#[derive(Debug, Deserialize)]
struct Docs {
    rs: Option<serde_json::Value>,
}

/// `[package.metadata.omnisync]`.
#[derive(Debug, Deserialize)]
struct Omnisync {
    /// The argument lists with which CI runs an example.
    #[serde(default)]
    ci: Vec<Vec<String>>,
}

impl Workspace {
    pub(crate) fn load() -> Result<Self, Error> {
        let metadata = Cargo::new(["metadata", "--format-version", "1", "--no-deps"]);
        let text = metadata.output(Path::new("."))?;
        serde_json::from_str(&text).map_err(|source| Error::Metadata { source })
    }

    /// The packages that go to a registry.
    pub(crate) fn published(&self) -> impl Iterator<Item = &Package> {
        self.packages
            .iter()
            .filter(|package| package.is_published())
    }

    /// The path relative to the root, with forward slashes.
    pub(crate) fn relative(&self, path: &Path) -> String {
        let path = path.strip_prefix(&self.root).unwrap_or(path);
        path.to_string_lossy().replace('\\', "/")
    }
}

impl Package {
    pub(crate) fn is_published(&self) -> bool {
        self.publish
            .as_ref()
            .is_none_or(|registries| !registries.is_empty())
    }

    pub(crate) fn has_library(&self) -> bool {
        let library = |kind: &String| kind.ends_with("lib") || kind == "proc-macro";
        self.targets
            .iter()
            .any(|target| target.kind.iter().any(library))
    }

    pub(crate) fn has_docs_rs_metadata(&self) -> bool {
        let docs = self
            .metadata
            .as_ref()
            .and_then(|metadata| metadata.docs.as_ref());
        docs.is_some_and(|docs| docs.rs.is_some())
    }

    /// The argument lists with which CI runs this package, if it is an example.
    pub(crate) fn ci_runs(&self) -> &[Vec<String>] {
        let omnisync = self
            .metadata
            .as_ref()
            .and_then(|metadata| metadata.omnisync.as_ref());
        omnisync.map_or(&[], |omnisync| &omnisync.ci)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;

    /// A member that breaks no rule, changed by the fields of `with`.
    pub(crate) fn package(with: serde_json::Value) -> Package {
        let mut package = json!({
            "name": "omnisync-sample",
            "manifest_path": "/repository/omnisync-sample/Cargo.toml",
            "description": "A sample",
            "license": "MIT OR Apache-2.0",
            "readme": "README.md",
            "rust_version": "1.89",
            "publish": null,
            "metadata": { "docs": { "rs": { "all-features": true } } },
            "targets": [{ "kind": ["lib"] }],
        });
        if let (Some(package), serde_json::Value::Object(with)) = (package.as_object_mut(), with) {
            package.extend(with);
        }
        serde_json::from_value(package).unwrap()
    }

    #[test]
    fn a_package_is_published_unless_its_manifest_says_otherwise() {
        assert!(package(json!({})).is_published());
        assert!(package(json!({ "publish": ["a-registry"] })).is_published());
        assert!(!package(json!({ "publish": [] })).is_published());
    }

    #[test]
    fn a_binary_is_not_a_library() {
        assert!(package(json!({})).has_library());
        assert!(!package(json!({ "targets": [{ "kind": ["bin"] }] })).has_library());
    }

    #[test]
    fn the_runs_of_an_example_come_from_its_metadata() {
        let example = package(json!({ "metadata": { "omnisync": { "ci": [["run", "--json"]] } } }));

        assert_eq!(example.ci_runs(), [["run", "--json"]]);
        assert!(package(json!({})).ci_runs().is_empty());
        assert!(package(json!({ "metadata": null })).ci_runs().is_empty());
    }
}
