//! What the manifests of the members must say.

use super::Finding;
use super::source::SourceFile;
use crate::workspace::{Package, Workspace};

/// Files that tell users which Rust they need.
const MSRV_PROSE: &[&str] = &["README.md", "CONTRIBUTING.md"];

/// What marks a version of Rust as the oldest that will do.
const MSRV_WORDS: &[&str] = &["MSRV", "minimum", "or later", "or newer"];

pub(super) fn check(workspace: &Workspace, files: &[SourceFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in &workspace.packages {
        let path = workspace.relative(&package.manifest_path);
        let Some(manifest) = files.iter().find(|file| file.path == path) else {
            findings.push(Finding::error(path, 1, "is not in the repository"));
            continue;
        };
        findings.extend(lints(manifest));
        findings.extend(dev_dependencies(package, manifest));
        if package.is_published() {
            findings.extend(publishing(package, manifest));
        }
    }

    let packages = &workspace.packages;
    if let Some(msrv) = packages
        .iter()
        .find_map(|package| package.rust_version.as_deref())
    {
        for package in packages {
            let path = workspace.relative(&package.manifest_path);
            findings.extend(package_msrv(package, &path, msrv));
        }
        findings.extend(files.iter().flat_map(|file| written_msrv(file, msrv)));
    }
    findings
}

fn lints(manifest: &SourceFile) -> Option<Finding> {
    let mut lines = manifest
        .text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    let inherits = manifest
        .lines()
        .any(|(_, line)| line.trim() == "lints.workspace = true")
        || (lines.any(|line| line == "[lints]") && lines.next() == Some("workspace = true"));
    let message = "must inherit the lints: `[lints]` with `workspace = true`";
    (!inherits).then(|| Finding::error(&manifest.path, 1, message))
}

/// A dev-dependency with a version would have to be published first, in a circle.
fn dev_dependencies(package: &Package, manifest: &SourceFile) -> impl Iterator<Item = Finding> {
    let dev = |kind: &str| kind == "dev";
    let versioned = package.dependencies.iter().filter(move |dependency| {
        dependency.kind.as_deref().is_some_and(dev)
            && dependency.path.is_some()
            && dependency.req != "*"
    });
    versioned.map(|dependency| {
        let mut section = manifest
            .lines()
            .skip_while(|(_, line)| !line.contains("dev-dependencies"));
        let line = section.find(|(_, line)| line.starts_with(&dependency.name));
        let message = format!(
            "dev-dependency {} must be `path` only, without version",
            dependency.name
        );
        Finding::error(
            &manifest.path,
            line.map_or(1, |(number, _)| number),
            message,
        )
    })
}

fn publishing(package: &Package, manifest: &SourceFile) -> Vec<Finding> {
    [
        (package.description.is_some(), "a description"),
        (package.license.is_some(), "a license"),
        (package.readme.is_some(), "a README.md"),
        (
            package.has_docs_rs_metadata(),
            "`[package.metadata.docs.rs]`",
        ),
    ]
    .into_iter()
    .filter(|(given, _)| !given)
    .map(|(_, what)| Finding::error(&manifest.path, 1, format!("a published crate needs {what}")))
    .collect()
}

fn package_msrv(package: &Package, path: &str, msrv: &str) -> Option<Finding> {
    let message = match package.rust_version.as_deref() {
        Some(version) if version == msrv => return None,
        Some(version) => format!("rust-version is {version}, elsewhere it is {msrv}"),
        None => "has no rust-version".to_owned(),
    };
    Some(Finding::error(path, 1, message))
}

/// Compares what is written about the oldest Rust, for people or for clippy.
fn written_msrv(file: &SourceFile, msrv: &str) -> Vec<Finding> {
    let written = |line: &str| {
        if file.path == "clippy.toml" {
            let value = line.strip_prefix("msrv")?.trim_start().strip_prefix('=')?;
            return Some(value.trim().trim_matches('"').to_owned());
        }
        let stated =
            MSRV_PROSE.contains(&file.name()) && MSRV_WORDS.iter().any(|w| line.contains(w));
        let rest = stated.then(|| line.split_once("Rust 1."))??.1;
        let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
        Some(format!("1.{minor}"))
    };
    file.lines()
        .filter_map(|(number, line)| written(line).map(|version| (number, version)))
        .filter(|(_, version)| version != msrv)
        .map(|(number, version)| {
            let message = format!("says Rust {version}, the manifests say {msrv}");
            Finding::error(&file.path, number, message)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::check;
    use super::*;
    use crate::workspace::tests::package;

    const PATH: &str = "omnisync-sample/Cargo.toml";

    fn manifest(text: &str) -> SourceFile {
        SourceFile::new(PATH, text)
    }

    #[test]
    fn a_member_inherits_the_lints() {
        assert_eq!(
            lints(&manifest("[package]\n\n[lints]\nworkspace = true\n")),
            None
        );
        assert_eq!(lints(&manifest("lints.workspace = true\n")), None);
        let message = "omnisync-sample/Cargo.toml:1: must inherit the lints: `[lints]` with `workspace = true`";
        for text in [
            "[package]\n",
            "[lints]\n[dependencies]\n",
            "[package]\nworkspace = true\n",
        ] {
            check(lints(&manifest(text)).as_slice(), &[message]);
        }
    }

    #[test]
    fn an_internal_dev_dependency_has_no_version() {
        let manifest = manifest("[dependencies]\nb.path = \"../b\"\n[dev-dependencies]\nb = 1\n");
        let with = |kind: Option<&str>, req: &str, path: Option<&str>| {
            let dependency = json!({ "name": "b", "req": req, "kind": kind, "path": path });
            let package = package(json!({ "dependencies": [dependency] }));
            dev_dependencies(&package, &manifest).collect::<Vec<_>>()
        };

        check(&with(Some("dev"), "*", Some("b")), &[]);
        check(&with(Some("dev"), "^1.0", None), &[]);
        check(&with(None, "^1.0", Some("b")), &[]);
        check(
            &with(Some("dev"), "^1.0", Some("b")),
            &[
                "omnisync-sample/Cargo.toml:4: dev-dependency b must be `path` only, without version",
            ],
        );
    }

    #[test]
    fn a_published_crate_introduces_itself() {
        check(&publishing(&package(json!({})), &manifest("")), &[]);
        let silent =
            json!({ "description": null, "license": null, "readme": null, "metadata": null });
        check(
            &publishing(&package(silent), &manifest("")),
            &[
                "omnisync-sample/Cargo.toml:1: a published crate needs a description",
                "omnisync-sample/Cargo.toml:1: a published crate needs a license",
                "omnisync-sample/Cargo.toml:1: a published crate needs a README.md",
                "omnisync-sample/Cargo.toml:1: a published crate needs `[package.metadata.docs.rs]`",
            ],
        );
    }

    #[test]
    fn members_agree_on_the_oldest_rust() {
        assert_eq!(package_msrv(&package(json!({})), PATH, "1.89"), None);
        check(
            package_msrv(&package(json!({ "rust_version": "1.90" })), PATH, "1.89").as_slice(),
            &["omnisync-sample/Cargo.toml:1: rust-version is 1.90, elsewhere it is 1.89"],
        );
        check(
            package_msrv(&package(json!({ "rust_version": null })), PATH, "1.89").as_slice(),
            &["omnisync-sample/Cargo.toml:1: has no rust-version"],
        );
    }

    #[test]
    fn prose_and_clippy_agree_with_the_manifests() {
        let written = |path, text| written_msrv(&SourceFile::new(path, text), "1.89");

        check(&written("README.md", "Needs Rust 1.89 or later.\n"), &[]);
        check(&written("README.md", "Measured with Rust 1.95.\n"), &[]);
        check(&written("CHANGELOG.md", "Needs Rust 1.70 or later.\n"), &[]);
        check(
            &written("README.md", "Needs Rust 1.88 or later.\n"),
            &["README.md:1: says Rust 1.88, the manifests say 1.89"],
        );
        check(
            &written("clippy.toml", "msrv = \"1.88\"\n"),
            &["clippy.toml:1: says Rust 1.88, the manifests say 1.89"],
        );
    }
}
