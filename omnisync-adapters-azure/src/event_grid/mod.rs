#![doc = include_str!("docs.md")]

mod dead_letter;
#[cfg(feature = "event-grid-entra")]
mod entra;
mod handler;
mod publish;

pub use dead_letter::{DeadLettered, GridDeadLetterReason};
#[cfg(feature = "event-grid-entra")]
#[cfg_attr(docsrs, doc(cfg(feature = "event-grid-entra")))]
pub use entra::{EVENT_GRID_APP_ID, EntraTokenConfig, EntraTokens};
pub use handler::{
    Admission, Begun, DeliveryReceiver, DeliverySecrets, DeliveryTokens, EventGridHandler,
    EventGridHandlerBuilder, EventGridHandlerConfig, Evidence, EvidenceKeeper, FixedSecrets,
    IngestReceiver, NamedSecrets, Pushed, PushedEvent, SecretsFn, Taken, TakenStatus, TokenRefusal,
};
pub use publish::{
    EventGridConfig, EventGridCredential, EventGridPublisher, PublishOutcome, PublishRefusal,
    Published,
};

/// Longest token that is looked at, in bytes.
const TOKEN_BYTES_MAX: usize = 16_384;
