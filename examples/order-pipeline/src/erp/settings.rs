//! The file that describes an environment.

use std::fs;
use std::path::{Path, PathBuf};

use omnisync_adapters_dataverse::finops::FinOpsConfig;
use omnisync_core::flow::{DeliverPolicy, GuardPolicy};
use omnisync_core::policy::{BudgetPolicy, ThrottlePolicy};
use omnisync_http::{ClientConfig, Secret, WorkloadIdentityConfig};
use serde::Deserialize;
use toml::Value;

use crate::error::HostError;

/// Longest file that is read.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// An environment of Finance & Operations, and how to behave towards it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FinOpsSettings {
    /// Data project that imports the packages.
    #[serde(default = "project")]
    pub(crate) project: String,
    /// The environment.
    pub(crate) environment: FinOpsConfig,
    /// Who asks.
    pub(super) credentials: Credentials,
    /// How patient deliveries are.
    #[serde(default)]
    pub(crate) deliver: DeliverPolicy,
    /// When the environment is left alone.
    #[serde(default)]
    pub(super) guard: GuardPolicy,
    /// How requests are repeated and limited.
    #[serde(default)]
    pub(super) http: ClientConfig,
    /// How the limits of the environment are learnt.
    #[serde(default)]
    pub(super) throttle: ThrottlePolicy,
    /// How many calls the environment grants.
    #[serde(default)]
    pub(super) budget: BudgetPolicy,
}

fn project() -> String {
    "Sales orders".to_owned()
}

/// Who asks for tokens.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Credentials {
    /// An application and its secret.
    ClientSecret {
        tenant: String,
        client_id: String,
        client_secret: SecretReference,
        authority: Option<String>,
    },
    /// The identity that Azure gave to this machine or app.
    ManagedIdentity { client_id: Option<String> },
    /// An application and a token that the platform writes to a file.
    WorkloadIdentity(WorkloadIdentityConfig),
}

/// Where a secret is: it never stands in the file itself.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum SecretReference {
    /// In this variable of the environment.
    Env(String),
    /// In this file, without the line end after it.
    File(PathBuf),
}

impl SecretReference {
    pub(super) fn read(&self) -> Result<Secret, HostError> {
        match self {
            Self::Env(name) => variable(name).map(Secret::new),
            Self::File(path) => {
                let text =
                    fs::read_to_string(path).map_err(HostError::io("read the secret in", path))?;
                Ok(Secret::new(text.trim_end_matches(['\r', '\n'])))
            }
        }
    }
}

impl FinOpsSettings {
    /// Reads a TOML file. `${NAME}` in a text stands for a variable of the environment, `$$` for
    /// a dollar sign.
    pub(crate) fn read(path: &Path) -> Result<Self, HostError> {
        let length = fs::metadata(path)
            .map_err(HostError::io("read", path))?
            .len();
        if length > FILE_BYTES_MAX {
            return Err(wrong(path, "it is larger than a megabyte"));
        }
        let text = fs::read_to_string(path).map_err(HostError::io("read", path))?;
        Self::parse(&text, &variable).map_err(|error| wrong(path, &error))
    }

    fn parse(
        text: &str,
        variable: &dyn Fn(&str) -> Result<String, HostError>,
    ) -> Result<Self, String> {
        let mut file: Value = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        if let Some(Value::String(_)) = file
            .get("credentials")
            .and_then(|credentials| credentials.get("client_secret"))
        {
            return Err(
                "client_secret is a text: write { env = \"NAME\" } or { file = \"PATH\" }"
                    .to_owned(),
            );
        }
        expand(&mut file, variable)?;
        file.try_into()
            .map_err(|error: toml::de::Error| error.message().to_owned())
    }
}

fn wrong(path: &Path, what: &str) -> HostError {
    HostError::Config(format!("{}: {what}", path.display()))
}

fn variable(name: &str) -> Result<String, HostError> {
    std::env::var(name)
        .map_err(|_| HostError::Config(format!("the environment has no variable {name}: set it")))
}

/// Puts variables into every text.
fn expand(
    value: &mut Value,
    variable: &dyn Fn(&str) -> Result<String, HostError>,
) -> Result<(), String> {
    match value {
        Value::String(text) => {
            *text = expanded(text, variable)?;
            Ok(())
        }
        Value::Array(items) => items.iter_mut().try_for_each(|item| expand(item, variable)),
        Value::Table(table) => table
            .iter_mut()
            .try_for_each(|(_, item)| expand(item, variable)),
        _ => Ok(()),
    }
}

fn expanded(
    text: &str,
    variable: &dyn Fn(&str) -> Result<String, HostError>,
) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((name, after)) = after.strip_prefix('{').and_then(|a| a.split_once('}'))
        {
            out.push_str(&variable(name).map_err(|error| error.to_string())?);
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
mod tests {
    use omnisync_adapters_dataverse::finops::FinOpsMode;

    use super::*;

    fn parse(text: &str) -> Result<FinOpsSettings, String> {
        FinOpsSettings::parse(text, &|name| match name {
            "URL" => Ok("https://acme.operations.dynamics.com".to_owned()),
            _ => Err(HostError::Config(format!("no variable {name}"))),
        })
    }

    const CREDENTIALS: &str = r#"
        [credentials]
        kind = "client-secret"
        tenant = "t"
        client_id = "c"
        client_secret = { env = "SECRET" }
    "#;

    #[test]
    fn variables_are_put_into_texts() {
        let text = format!(
            "[environment]\nbase_url = \"${{URL}}\"\nlegal_entity = \"A$$B\"\n{CREDENTIALS}"
        );
        let settings = parse(&text).unwrap();
        let environment = settings.environment;
        assert_eq!(environment.base_url, "https://acme.operations.dynamics.com");
        assert_eq!(environment.legal_entity.as_deref(), Some("A$B"));
        assert_eq!(environment.mode, FinOpsMode::Package);
        assert_eq!(settings.project, "Sales orders");
    }

    #[test]
    fn what_is_missing_or_misspelt_is_named() {
        let cases = [
            ("[environment]\nbase_url = \"${NOPE}\"", "NOPE"),
            ("[environment]\nbase_url = \"$URL\"", "dollar"),
            ("[environment]\nbase_uri = \"x\"", "base_uri"),
            ("[environment]\nbase_url = 1", "string"),
            ("environment = ", "value"),
        ];
        for (text, named) in cases {
            let error = parse(&format!("{text}\n{CREDENTIALS}")).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
        let error = parse("[environment]\nbase_url = \"x\"").unwrap_err();
        assert!(error.contains("credentials"), "{error}");
    }

    #[test]
    fn identities_of_the_platform_need_no_secret() {
        let environment = "[environment]\nbase_url=\"x\"\n[credentials]\n";
        let workload = "kind=\"workload-identity\"\ntenant=\"t\"\nclient_id=\"c\"\n\
            token_file=\"/run/token\"";
        let settings = parse(&format!("{environment}{workload}")).unwrap();
        let Credentials::WorkloadIdentity(config) = settings.credentials else {
            panic!("{:?}", settings.credentials)
        };
        assert_eq!(config.tenant, "t");
        assert!(config.authority.starts_with("https://"));
        parse(&format!("{environment}kind=\"managed-identity\"")).unwrap();
        let misspelt = format!("{environment}{workload}\nauthorty=\"x\"");
        assert!(parse(&misspelt).unwrap_err().contains("authorty"));
    }

    #[test]
    fn a_secret_in_the_file_is_refused_and_not_shown() {
        let text = "[environment]\nbase_url=\"x\"\n[credentials]\nkind=\"client-secret\"\n\
            tenant=\"t\"\nclient_id=\"c\"\nclient_secret=\"canary\"";
        let error = parse(text).unwrap_err();
        assert!(
            error.contains("env =") && !error.contains("canary"),
            "{error}"
        );
    }
}
