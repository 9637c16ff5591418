//! Mutants that treat their stage differently.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt as _;
use omnisync_core::error::{ErrorKind, PortError};
use omnisync_core::id::{BlobName, Sha256};
use omnisync_core::port::{BlobReceipt, BlobStage, BlobStageExt as _, ByteStream};

use super::format::Stamped;
use super::{on_stage, scenes};
use crate::sim::Worker;
use crate::sim::orders::{Host, Pipeline, PipelinePolicies, Ports};
use crate::zoo::Specimen;
use crate::zoo::mutated::{Mutated, StageHabit};

pub(super) fn specimens() -> Vec<Specimen> {
    vec![
        Specimen::new(
            "package-overwritten",
            "a package is stamped with the time and written over the one that is there",
            &["I-O7", "I-O8"],
            [scenes::pair()],
            overwriting(),
        ),
        Specimen::new(
            "failed-upload-counts-as-staged",
            "an upload that failed is taken for a package in the stage",
            &["I-O7"],
            [scenes::pair()],
            on_stage(|| Believing),
        ),
    ]
}

fn overwriting() -> impl Host {
    move |ports: Ports| -> Box<dyn Worker> {
        let format = Stamped::by(Arc::clone(&ports.clock));
        let policies = PipelinePolicies::quick(Arc::new(format));
        let stage = Arc::new(Mutated::new(Arc::clone(&ports.stage), Overwriting));
        Box::new(Pipeline::new(Ports { stage, ..ports }, &policies))
    }
}

/// Makes room for what it puts.
#[derive(Debug)]
struct Overwriting;

#[async_trait]
impl StageHabit for Overwriting {
    async fn put(
        &self,
        stage: &dyn BlobStage,
        name: &BlobName,
        content: ByteStream,
    ) -> Result<BlobReceipt, PortError> {
        let content = whole(content).await?;
        match stage.put_bytes(name, content.clone()).await {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                stage.delete(name).await?;
                stage.put_bytes(name, content).await
            }
            put => put,
        }
    }
}

/// Takes every upload for one that succeeded.
#[derive(Debug)]
struct Believing;

#[async_trait]
impl StageHabit for Believing {
    async fn put(
        &self,
        stage: &dyn BlobStage,
        name: &BlobName,
        content: ByteStream,
    ) -> Result<BlobReceipt, PortError> {
        let content = whole(content).await?;
        let put = stage.put_bytes(name, content.clone()).await;
        put.or_else(|_| {
            Ok(BlobReceipt {
                name: name.clone(),
                bytes: u64::try_from(content.len()).unwrap_or(u64::MAX),
                sha256: Sha256::of(&content),
            })
        })
    }
}

async fn whole(content: ByteStream) -> Result<Bytes, PortError> {
    let chunks: Vec<Bytes> = content.try_collect().await?;
    Ok(chunks.concat().into())
}
