//! How an environment is set up.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use omnisync_core::port::{Clock, RepeatedExecution};

/// How an environment is set up. All of it can be filled in by struct update from
/// [`FnoOptions::new`].
#[derive(Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of an environment, and none excludes another"
)]
pub struct FnoOptions {
    /// What time it is for tokens, signed URLs and limits.
    pub clock: Arc<dyn Clock>,
    /// Companies that exist; the first one is the default.
    pub companies: Vec<String>,
    /// Who may call.
    pub access: Access,
    /// What happens to an execution id that comes a second time.
    pub repeated_execution: RepeatedExecution,
    /// The status question that finds an import ended; 0 ends it with its submission, `None`
    /// leaves that to [`Fno::finish`](super::Fno::finish).
    pub polls_to_end: Option<u32>,
    /// Lets imports of one data project run side by side.
    pub enhanced_parallel: bool,
    /// How many status questions after a submission are told that it was not found.
    pub unseen_polls: u32,
    /// `ImportFromPackage` answers when the import has ended.
    pub blocking: bool,
    /// How long a signed URL is good for.
    pub sas_minutes: u32,
    /// Scheme, host and port of handed out blob URLs, in place of the server's own.
    pub blob_host: Option<String>,
    /// Error keys files begin with a line of column names.
    pub keys_file_header: bool,
    /// Encoding of error keys and staging error files.
    pub error_file_encoding: FileEncoding,
    /// Lines need the address location that the documentation requires.
    pub requires_location: bool,
    /// Recurring data jobs: data project by activity id.
    pub activities: BTreeMap<String, String>,
    /// An installation that has no recurring integrations, and redirects whoever asks for them.
    pub on_premises: bool,
    /// Length of the longest request that is read.
    pub body_bytes_max: usize,
}

impl FnoOptions {
    /// The company `USMF`, imports that end with the second status question, and one recurring
    /// data job.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            companies: vec!["USMF".to_owned()],
            access: Access::default(),
            repeated_execution: RepeatedExecution::Rejected,
            polls_to_end: Some(2),
            enhanced_parallel: false,
            unseen_polls: 0,
            blocking: false,
            sas_minutes: 35,
            blob_host: None,
            keys_file_header: true,
            error_file_encoding: FileEncoding::Utf8,
            requires_location: false,
            activities: BTreeMap::from([(
                "6a1c9f3e-0d8e-4c2f-9b57-2f1f7d3b8a10".to_owned(),
                "Recurring sales orders".to_owned(),
            )]),
            on_premises: false,
            body_bytes_max: 256 << 20,
        }
    }
}

impl fmt::Debug for FnoOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FnoOptions")
            .field("companies", &self.companies)
            .field("access", &self.access)
            .field("repeated_execution", &self.repeated_execution)
            .field("polls_to_end", &self.polls_to_end)
            .field("enhanced_parallel", &self.enhanced_parallel)
            .field("unseen_polls", &self.unseen_polls)
            .field("blocking", &self.blocking)
            .finish_non_exhaustive()
    }
}

/// The application that may call, and how it proves itself.
#[derive(Clone)]
pub struct Access {
    /// Id of the directory.
    pub tenant: String,
    /// Id of the application.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// How long a token is good for.
    pub token_seconds: u32,
    /// A token that is good for ever, for tests about something else.
    pub fixed_token: Option<String>,
}

impl Default for Access {
    fn default() -> Self {
        Self {
            tenant: "0f6f5cda-8c0b-4f19-8b62-5d0a3b6a1c11".to_owned(),
            client_id: "8d4f2c8e-51a4-4a56-9a7e-0f2d8a2e7c22".to_owned(),
            client_secret: "loopback-secret".to_owned(),
            token_seconds: 3_599,
            fixed_token: None,
        }
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("tenant", &self.tenant)
            .field("client_id", &self.client_id)
            .field("token_seconds", &self.token_seconds)
            .finish_non_exhaustive()
    }
}

/// Encoding of a text file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileEncoding {
    /// UTF-8 without a byte order mark.
    Utf8,
    /// UTF-8 with a byte order mark.
    Utf8Bom,
    /// UTF-16LE with a byte order mark.
    Utf16,
}

impl FileEncoding {
    pub(crate) fn encode(self, text: &str) -> Vec<u8> {
        match self {
            Self::Utf8 => text.as_bytes().to_vec(),
            Self::Utf8Bom => [&[0xEF, 0xBB, 0xBF], text.as_bytes()].concat(),
            Self::Utf16 => std::iter::once(0xFEFF)
                .chain(text.encode_utf16())
                .flat_map(u16::to_le_bytes)
                .collect(),
        }
    }
}
