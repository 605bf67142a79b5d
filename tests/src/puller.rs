//! A reference client: pulls the layers of an image with client-side unpacking, without dray's code.
//!
//! It sends the labels of nerdctl 1.7. It takes blobs from memory and not from a registry, so all requests to a registry are
//! those of a snapshotter daemon.

use std::collections::HashMap;
use std::fmt;

use containerd_client::services::v1::snapshots::{
    CommitSnapshotRequest, PrepareSnapshotRequest, StatSnapshotRequest,
};
use containerd_client::services::v1::{ApplyRequest, WriteAction, WriteContentRequest};
use containerd_client::tonic::{Code, Request, Status};
use containerd_client::types::Descriptor;
use containerd_client::{Client, with_namespace};
use serde_json::Value;

use crate::daemon::{Containerd, complete};
use crate::image::{Blob, Image};

/// The label with the chain id of a layer. It makes `Prepare` the question whether the snapshotter provides that layer.
pub const REF: &str = "containerd.io/snapshot.ref";

/// The labels of a `Prepare`.
pub type Labels = HashMap<String, String>;

/// A snapshotter's answer for a layer.
#[derive(Clone, Debug)]
pub enum Answer {
    /// `AlreadyExists`: it provides the layer.
    Provided,
    /// Mounts: the client fetched the layer, applied and committed it.
    Mounts,
    /// Read-only mounts: it has the files, and the client only committed.
    Staged,
    /// An error, which ends the pull.
    Error(Status),
}

/// One letter: `P`, `m`, `s` or `E`.
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Provided => "P",
            Self::Mounts => "m",
            Self::Staged => "s",
            Self::Error(_) => "E",
        })
    }
}

/// The letters of the answers, from the bottom layer up: `PPm`.
pub fn word(answers: &[Answer]) -> String {
    answers.iter().map(ToString::to_string).collect()
}

/// The labels for a layer, counted from 0 at the bottom: its annotations, overwritten by what the client knows.
pub fn labels(image: &Image, reference: &str, layer: usize) -> Labels {
    // A label has at most 4096 bytes with its key.
    const MOST: usize = 56;
    let mut labels = annotations(image, layer);
    let mut set = |key: &str, value: String| labels.insert(key.to_owned(), value);
    set(REF, image.chain_ids()[layer].clone());
    set("containerd.io/snapshot/cri.image-ref", reference.to_owned());
    set("containerd.io/snapshot/cri.layer-digest", image.layers[layer].digest.clone());
    set("containerd.io/snapshot/cri.manifest-digest", image.manifest.digest.clone());
    let above: Vec<_> = image.layers[layer..].iter().take(MOST).map(|layer| layer.digest.as_str()).collect();
    set("containerd.io/snapshot/cri.image-layers", above.join(","));
    labels
}

/// The annotations of a layer that clients pass on to snapshotters.
pub fn annotations(image: &Image, layer: usize) -> Labels {
    let manifest: Value = serde_json::from_slice(&image.manifest.bytes).expect("a manifest is JSON");
    let annotations = manifest["layers"][layer]["annotations"].as_object().cloned().unwrap_or_default();
    let pairs = annotations.into_iter().filter(|(key, _)| key.starts_with("containerd.io/snapshot/"));
    pairs.map(|(key, value)| (key, value.as_str().unwrap_or_default().to_owned())).collect()
}

/// Pulls all layers of `image` into `snapshotter`, up to the first error.
pub fn pull(
    daemon: &Containerd,
    namespace: &str,
    snapshotter: &str,
    image: &Image,
    reference: &str,
) -> Vec<Answer> {
    pull_asking(daemon, namespace, snapshotter, image, |layer| labels(image, reference, layer))
}

/// Pulls with other labels than those of [`labels`]. Both get the number of the layer.
pub fn pull_asking(
    daemon: &Containerd,
    namespace: &str,
    snapshotter: &str,
    image: &Image,
    labels: impl Fn(usize) -> Labels + Send + Sync,
) -> Vec<Answer> {
    let pull = async {
        let client = daemon.client().await;
        let puller = Puller { client, namespace, snapshotter, image };
        // Some daemons read both during the first `Prepare`.
        for document in [&image.manifest, &image.config] {
            puller.store(document).await.expect("a document can be stored");
        }
        let mut answers = Vec::new();
        for layer in 0..image.layers.len() {
            let answer = puller.layer(layer, labels(layer)).await.unwrap_or_else(Answer::Error);
            answers.push(answer);
            if let Some(Answer::Error(_)) = answers.last() {
                break;
            }
        }
        answers
    };
    complete(pull)
}

struct Puller<'a> {
    client: Client,
    namespace: &'a str,
    snapshotter: &'a str,
    image: &'a Image,
}

impl Puller<'_> {
    async fn layer(&self, layer: usize, mut labels: Labels) -> Result<Answer, Status> {
        let chain = self.image.chain_ids();
        let parent = layer.checked_sub(1).map(|below| chain[below].clone()).unwrap_or_default();
        let key = format!("extract-{layer} {}", chain[layer]);
        // No image refers to the snapshot. containerd does not pass this label on to snapshotters.
        labels.insert("containerd.io/gc.root".to_owned(), "pulling".to_owned());
        let snapshotter = self.snapshotter.to_owned();
        let request =
            PrepareSnapshotRequest { snapshotter, key: key.clone(), parent, labels: labels.clone() };
        let prepared = self.client.snapshots().prepare(with_namespace!(request, self.namespace)).await;
        let mounts = match prepared {
            Ok(answer) => answer.into_inner().mounts,
            Err(status) if status.code() == Code::AlreadyExists => {
                let (snapshotter, key) = (self.snapshotter.to_owned(), chain[layer].clone());
                let request = StatSnapshotRequest { snapshotter, key };
                self.client.snapshots().stat(with_namespace!(request, self.namespace)).await?;
                return Ok(Answer::Provided);
            }
            Err(status) => return Err(status),
        };

        let is_staged = mounts.last().is_some_and(|mount| mount.options.iter().any(|option| option == "ro"));
        if !is_staged {
            let blob = &self.image.layers[layer];
            self.store(blob).await?;
            let size = i64::try_from(blob.bytes.len()).expect("a blob is small");
            let (media_type, digest) = (blob.media_type.clone(), blob.digest.clone());
            let diff = Some(Descriptor { media_type, digest, size, ..Descriptor::default() });
            let request = ApplyRequest { diff, mounts, ..ApplyRequest::default() };
            self.client.diff().apply(with_namespace!(request, self.namespace)).await?;
        }
        let (snapshotter, name) = (self.snapshotter.to_owned(), chain[layer].clone());
        let request = CommitSnapshotRequest { snapshotter, name, key, labels };
        self.client.snapshots().commit(with_namespace!(request, self.namespace)).await?;
        Ok(if is_staged { Answer::Staged } else { Answer::Mounts })
    }

    async fn store(&self, blob: &Blob) -> Result<(), Status> {
        let size = i64::try_from(blob.bytes.len()).expect("a blob is small");
        let request = WriteContentRequest {
            action: WriteAction::Commit.into(),
            r#ref: format!("pulling {}", blob.digest),
            total: size,
            expected: blob.digest.clone(),
            data: blob.bytes.to_vec(),
            labels: Labels::from([("containerd.io/gc.root".to_owned(), "pulling".to_owned())]),
            ..WriteContentRequest::default()
        };
        let requests = futures_util::stream::iter([request]);
        let written = self.client.content().write(with_namespace!(requests, self.namespace)).await;
        let written = match written {
            Ok(answers) => answers.into_inner().message().await.map(drop),
            Err(status) => Err(status),
        };
        match written {
            Err(status) if status.code() != Code::AlreadyExists => Err(status),
            _ => Ok(()),
        }
    }
}
