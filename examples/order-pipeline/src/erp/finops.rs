//! An environment of Finance & Operations, and how to behave towards it.

use omnisync_adapters_dataverse::finops::FinOpsConfig;
use omnisync_core::flow::{DeliverPolicy, GuardPolicy};
use omnisync_core::policy::{BudgetPolicy, ThrottlePolicy};
use omnisync_http::ClientConfig;
use serde::Deserialize;

use crate::settings::Credentials;

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

#[cfg(test)]
mod tests {
    use omnisync_adapters_dataverse::finops::FinOpsMode;

    use super::*;
    use crate::settings::parsed;

    const CREDENTIALS: &str = r#"
        [credentials]
        kind = "client-secret"
        tenant = "t"
        client_id = "c"
        client_secret = { env = "CANARY" }
    "#;

    #[test]
    fn an_environment_and_credentials_are_enough() {
        let text = format!("[environment]\nbase_url = \"${{URL}}\"\n{CREDENTIALS}");
        let settings: FinOpsSettings = parsed(&text).unwrap();
        assert_eq!(settings.environment.base_url, "https://acme.example");
        assert_eq!(settings.environment.mode, FinOpsMode::Package);
        assert_eq!(settings.project, "Sales orders");
        assert!(!format!("{settings:?}").contains("canary"));
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = parsed::<FinOpsSettings>("[environment]\nbase_url = \"x\"").unwrap_err();
        assert!(error.contains("credentials"), "{error}");
        let error = parsed::<FinOpsSettings>(CREDENTIALS).unwrap_err();
        assert!(error.contains("environment"), "{error}");
    }
}
