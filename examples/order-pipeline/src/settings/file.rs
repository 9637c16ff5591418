//! Reading a TOML file of settings.

use std::fs;
use std::path::Path;

use serde::de::DeserializeOwned;
use toml::Value;

use crate::error::HostError;

/// Longest file that is read.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Settings that are secrets, in whatever table; with `-` for `_` as well.
const SECRETS: &[&str] = &[
    "account_key",
    "client_secret",
    "connection_string",
    "key",
    "sas",
    "secret",
    "shared_access_key",
];

/// What is shown of a secret.
const HIDDEN: &str = "(a secret)";

/// Where variables of the environment and files come from.
trait Surroundings {
    fn variable(&self, name: &str) -> Result<String, HostError>;
    fn file(&self, path: &Path) -> Result<String, HostError>;
}

/// Those of this process.
struct Process;

/// Reads a TOML file. `${NAME}` in a text stands for a variable of the environment, `$$` for a
/// dollar sign. `{ env = "NAME" }` and `{ file = "PATH" }` stand for a secret, which never stands
/// in the file itself.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, HostError> {
    let length = fs::metadata(path)
        .map_err(HostError::io("read", path))?
        .len();
    if length > FILE_BYTES_MAX {
        return Err(wrong(path, "it is larger than a megabyte"));
    }
    let text = fs::read_to_string(path).map_err(HostError::io("read", path))?;
    parse(&text, &Process).map_err(|error| wrong(path, &error))
}

fn wrong(path: &Path, what: &str) -> HostError {
    HostError::Config(format!("{}: {what}", path.display()))
}

fn parse<T: DeserializeOwned>(text: &str, around: &dyn Surroundings) -> Result<T, String> {
    let mut file: Value = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    let mut secrets = Vec::new();
    fill(&mut file, around, &mut secrets)?;
    // What is wrong with a setting quotes it, and it may be a secret in the wrong place.
    file.try_into().map_err(|error: toml::de::Error| {
        let mut what = error.message().to_owned();
        for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
            what = what
                .replace(&format!("{secret:?}"), HIDDEN)
                .replace(secret.as_str(), HIDDEN);
        }
        what
    })
}

impl Surroundings for Process {
    fn variable(&self, name: &str) -> Result<String, HostError> {
        let missing = |_| {
            let what = format!("the environment has no variable {name}: set it");
            HostError::Config(what)
        };
        std::env::var(name).map_err(missing)
    }

    fn file(&self, path: &Path) -> Result<String, HostError> {
        fs::read_to_string(path).map_err(HostError::io("read the secret in", path))
    }
}

/// Puts variables into every text, and secrets where they are named; notes the secrets.
fn fill(
    value: &mut Value,
    around: &dyn Surroundings,
    secrets: &mut Vec<String>,
) -> Result<(), String> {
    match value {
        Value::String(text) => *text = expanded(text, around)?,
        Value::Array(items) => {
            for item in items {
                fill(item, around, secrets)?;
            }
        }
        Value::Table(table) => {
            for (name, item) in table {
                if let Some(secret) = secret(item, around)? {
                    secrets.push(secret.clone());
                    *item = Value::String(secret);
                } else if SECRETS.contains(&name.replace('-', "_").as_str()) && item.is_str() {
                    return Err(format!(
                        "{name} is a text: write {{ env = \"NAME\" }} or {{ file = \"PATH\" }}"
                    ));
                } else {
                    fill(item, around, secrets)?;
                }
            }
        }
        _ => {}
    }
    Ok(())
}

/// The secret that a table names, if it is such a table.
fn secret(value: &Value, around: &dyn Surroundings) -> Result<Option<String>, String> {
    let Some(table) = value.as_table().filter(|table| table.len() == 1) else {
        return Ok(None);
    };
    let text = |name| table.get(name).and_then(Value::as_str);
    let secret = if let Some(name) = text("env") {
        around.variable(name)
    } else if let Some(path) = text("file") {
        let text = around.file(Path::new(path));
        text.map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
    } else {
        return Ok(None);
    };
    secret.map(Some).map_err(|error| error.report())
}

fn expanded(text: &str, around: &dyn Surroundings) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((name, after)) = after.strip_prefix('{').and_then(|a| a.split_once('}'))
        {
            out.push_str(&around.variable(name).map_err(|error| error.to_string())?);
            rest = after;
        } else {
            return Err(
                "a dollar sign stands alone: write $$, or ${NAME} for a variable".to_owned(),
            );
        }
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
pub(crate) mod tests {
    use omnisync_http::Secret;
    use serde::Deserialize;

    use super::*;

    struct Fixed;

    impl Surroundings for Fixed {
        fn variable(&self, name: &str) -> Result<String, HostError> {
            match name {
                "URL" => Ok("https://acme.example".to_owned()),
                "CANARY" => Ok("canary".to_owned()),
                _ => Err(HostError::Config(format!("no variable {name}"))),
            }
        }

        fn file(&self, path: &Path) -> Result<String, HostError> {
            assert_eq!(path, Path::new("/run/secret"));
            Ok("canary\r\n".to_owned())
        }
    }

    /// Parses a file where `URL` and `CANARY` are variables.
    pub(crate) fn parsed<T: DeserializeOwned>(text: &str) -> Result<T, String> {
        parse(text, &Fixed)
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        url: String,
        key: Option<Secret>,
        #[serde(default)]
        many: Vec<String>,
    }

    #[test]
    fn variables_are_put_into_texts_wherever_they_stand() {
        let sample: Sample = parsed("url = \"${URL}/a$$b\"\nmany = [\"x${URL}\"]").unwrap();
        assert_eq!(sample.url, "https://acme.example/a$b");
        assert_eq!(sample.many, ["xhttps://acme.example"]);
    }

    #[test]
    fn secrets_come_from_where_the_file_says() {
        for place in ["env = \"CANARY\"", "file = \"/run/secret\""] {
            let sample: Sample = parsed(&format!("url = \"\"\nkey = {{ {place} }}")).unwrap();
            assert_eq!(sample.key.unwrap().expose(), "canary");
        }
    }

    #[test]
    fn what_is_missing_or_misspelt_is_named() {
        for (text, named) in [
            ("url = \"${NOPE}\"", "NOPE"),
            ("url = \"$URL\"", "dollar"),
            ("uri = \"x\"", "uri"),
            ("url = 1", "string"),
            ("url = ", "value"),
            ("url = \"\"\nkey = { env = \"NOPE\" }", "NOPE"),
        ] {
            let error = parsed::<Sample>(text).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn a_secret_in_the_file_is_refused_and_not_shown() {
        for name in ["key", "account-key", "connection_string"] {
            let text = format!("url = \"\"\n{name} = \"canary\"");
            let error = parsed::<Sample>(&text).unwrap_err();
            assert!(error.contains("env ="), "{error}");
            assert!(!error.contains("canary"), "{error}");
        }
    }

    #[test]
    fn a_secret_in_the_wrong_place_is_not_shown() {
        let text = "url = \"\"\nmany = { env = \"CANARY\" }";
        let error = parsed::<Sample>(text).unwrap_err();
        assert!(error.contains("(a secret)"), "{error}");
        assert!(!error.contains("canary"), "{error}");
    }
}
