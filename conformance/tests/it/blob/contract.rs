//! The whole contract of blob stages, by every kind of credential.

use std::sync::Arc;

use async_trait::async_trait;
use omnisync_adapters_azure::blob::AzureBlobStage;
use omnisync_core::id::BlobName;
use omnisync_core::port::BlobStage;
use omnisync_testkit::contract::{BlobStageFixture, blob_stage};

use super::support::{Azurite, Way};

/// A container of Azurite, with a stage that writes blocks where the contents of the contract are
/// no longer tiny.
struct Folder {
    azurite: Azurite,
    way: Way,
    container: String,
}

impl Folder {
    async fn new(azurite: Azurite, way: Way) -> Self {
        let owner = if matches!(way, Way::Token) {
            way
        } else {
            Way::Key
        };
        let (_, container) = azurite.stage_of(owner, |config| config).await;
        Self {
            azurite,
            way,
            container,
        }
    }

    fn open(&self) -> AzureBlobStage {
        self.azurite.stage_in(self.way, &self.container, |config| {
            config.with_block_bytes(100_000).with_page_names_max(2)
        })
    }
}

#[async_trait]
impl BlobStageFixture for Folder {
    async fn stage(&self) -> Arc<dyn BlobStage> {
        Arc::new(self.open())
    }

    async fn reopen(&self) -> Option<Arc<dyn BlobStage>> {
        Some(Arc::new(self.open()))
    }

    async fn alter(&self, name: &BlobName) {
        self.azurite.js("alter", &self.container, &[name.as_str()]);
    }
}

/// One test a clause, for one kind of credential.
macro_rules! clauses {
    ($way:ident, $azurite:expr, $credential:expr, [$($clause:ident,)*]) => {
        mod $way {
            use super::*;

            $(
                #[tokio::test]
                #[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
                async fn $clause() {
                    let fixture = Folder::new($azurite, $credential).await;
                    if let Err(violation) = blob_stage::$clause(&fixture).await {
                        panic!("{violation}");
                    }
                }
            )*

            #[test]
            fn no_clause_is_left_out() {
                let all: Vec<&str> = blob_stage::clauses::<Folder>()
                    .iter()
                    .map(|clause| clause.name())
                    .collect();
                assert_eq!(all, [$(stringify!($clause)),*]);
            }
        }
    };
}

macro_rules! contract {
    ($($way:ident: $azurite:expr, $credential:expr;)*) => {
        $(clauses!($way, $azurite, $credential, [
            c01_acknowledged_blobs_are_read_back,
            c02_put_on_a_present_name_changes_nothing,
            c03_one_of_concurrent_puts_succeeds,
            c04_receipts_carry_length_and_hash,
            c05_a_failed_or_dropped_put_leaves_no_blob,
            c06_absent_names_are_not_found,
            c07_altered_blobs_are_corrupt,
            c08_list_pages_in_byte_order,
            c09_delete_says_whether_there_was_a_blob,
            c10_empty_and_multi_chunk_contents_are_kept,
        ]);)*
    };
}

contract! {
    by_account_key: Azurite::plain(), Way::Key;
    by_signature: Azurite::plain(), Way::Sas(["rcwdl", "-5", "60"]);
    by_token_over_tls: Azurite::tls(), Way::Token;
}
