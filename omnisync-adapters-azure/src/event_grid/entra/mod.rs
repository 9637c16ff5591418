//! Bearer tokens of Entra ID, as Event Grid sends them.

mod config;
mod jwt;
mod keys;
mod tokens;

pub use config::{EVENT_GRID_APP_ID, EntraTokenConfig};
pub use tokens::EntraTokens;
