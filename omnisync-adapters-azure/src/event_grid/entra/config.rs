use std::sync::Arc;

use omnisync_core::port::Clock;
use omnisync_core::{ErrorKind, PortError};
use omnisync_http::{Client, Endpoint, HostAllowList};
use serde::{Deserialize, Serialize};

use super::keys::{KeyCache, KeySource};
use super::tokens::EntraTokens;
use crate::shared::text::is_guid;

/// The application by which Event Grid delivers in the public cloud.
pub const EVENT_GRID_APP_ID: &str = "4962773b-9cdb-44cf-a8bf-237846a00ab7";

/// Whose tokens let deliveries in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntraTokenConfig {
    /// Id of the tenant that issues the tokens: a GUID, since tokens name no domains.
    pub tenant: String,
    /// Whom the tokens are for: the application id, or its URI, of this webhook. Any of these.
    pub audiences: Vec<String>,
    /// Applications that may deliver. Default [`EVENT_GRID_APP_ID`].
    #[serde(default = "event_grid")]
    pub app_ids: Vec<String>,
    /// Who issues tokens of version 2 and publishes the keys. Default
    /// `https://login.microsoftonline.com`, the public cloud.
    #[serde(default = "authority")]
    pub authority: String,
    /// Who issues tokens of version 1. Default `https://sts.windows.net`, the public cloud.
    #[serde(default = "authority_v1")]
    pub authority_v1: String,
    /// How far the clocks may be apart, in seconds. Default 300.
    #[serde(default = "five_minutes")]
    pub skew_seconds_max: u32,
    /// When published keys are asked for again, in seconds. Default 86,400 (a day).
    #[serde(default = "day")]
    pub keys_seconds: u32,
    /// How long keys are used while newer ones cannot be had, in seconds. Default 172,800 (two
    /// days).
    #[serde(default = "two_days")]
    pub keys_seconds_max: u32,
    /// Shortest time between two questions for keys, in seconds, whoever comes with tokens of
    /// which keys. Default 300; after a question that failed it is 15 at most.
    #[serde(default = "five_minutes")]
    pub keys_pause_seconds: u32,
}

impl EntraTokenConfig {
    /// Tokens that `tenant` issues to Event Grid for `audience`.
    pub fn new(tenant: impl Into<String>, audience: impl Into<String>) -> Self {
        Self {
            tenant: tenant.into(),
            audiences: vec![audience.into()],
            app_ids: event_grid(),
            authority: authority(),
            authority_v1: authority_v1(),
            skew_seconds_max: five_minutes(),
            keys_seconds: day(),
            keys_seconds_max: two_days(),
            keys_pause_seconds: five_minutes(),
        }
    }

    /// Sets [`Self::app_ids`].
    #[must_use]
    pub fn with_app_ids<A: Into<String>>(mut self, ids: impl IntoIterator<Item = A>) -> Self {
        self.app_ids = ids.into_iter().map(Into::into).collect();
        self
    }

    /// Sets [`Self::authority`].
    #[must_use]
    pub fn with_authority(mut self, url: impl Into<String>) -> Self {
        self.authority = url.into();
        self
    }

    /// The judge of tokens. `client` asks for the published keys and needs no tokens itself.
    ///
    /// # Errors
    /// `Misconfigured` for a setting that cannot be; names it.
    pub fn build(self, client: Client, clock: Arc<dyn Clock>) -> Result<EntraTokens, PortError> {
        let settings = [
            (!is_guid(&self.tenant), "tenant is no GUID"),
            (
                self.audiences.is_empty() || self.audiences.iter().any(String::is_empty),
                "audiences is empty, or one of them",
            ),
            (
                self.app_ids.is_empty() || self.app_ids.iter().any(String::is_empty),
                "app_ids is empty, or one of them",
            ),
            (self.keys_seconds == 0, "keys_seconds is 0"),
            (
                self.keys_seconds_max < self.keys_seconds,
                "keys_seconds_max is less than keys_seconds",
            ),
        ];
        if let Some((_, what)) = settings.into_iter().find(|(is_wrong, _)| *is_wrong) {
            return Err(wrong(what));
        }
        let endpoint = |text: &str, what| {
            let endpoint = text.parse::<Endpoint>();
            endpoint.map_err(|error| wrong(what).with_source(error))
        };
        let authority = endpoint(&self.authority, "authority is no URL")?;
        let older = endpoint(&self.authority_v1, "authority_v1 is no URL")?;
        let hosts = if authority.is_plain() {
            HostAllowList::new::<&str>([]).map(HostAllowList::with_loopback)
        } else {
            HostAllowList::new([authority.host()])
        };
        let hosts = hosts.map_err(|error| wrong("authority is no name").with_source(error))?;
        let tenant = self.tenant.to_ascii_lowercase();
        let path = format!("/{tenant}/v2.0/.well-known/openid-configuration");
        let discovery = authority.join(&path);
        let discovery =
            discovery.map_err(|error| wrong("authority is no URL").with_source(error))?;
        let issuer = format!("{authority}/{tenant}/v2.0");
        let issuers = vec![issuer.clone(), format!("{older}/{tenant}/")];
        let source = KeySource {
            discovery,
            issuer,
            hosts,
        };
        let keys = KeyCache::new(client, Arc::clone(&clock), source, &self);
        Ok(EntraTokens::new(keys, clock, issuers, self))
    }
}

fn wrong(what: &'static str) -> PortError {
    PortError::new(ErrorKind::Misconfigured, "event_grid.tokens.build").with_detail(what)
}

fn event_grid() -> Vec<String> {
    vec![EVENT_GRID_APP_ID.to_owned()]
}

fn authority() -> String {
    "https://login.microsoftonline.com".to_owned()
}

fn authority_v1() -> String {
    "https://sts.windows.net".to_owned()
}

const fn five_minutes() -> u32 {
    300
}

const fn day() -> u32 {
    86_400
}

const fn two_days() -> u32 {
    172_800
}
