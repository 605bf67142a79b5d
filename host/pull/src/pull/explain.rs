//! What the snapshotters of the store would make of an image, without pulling it.

use async_trait::async_trait;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::choice::consider;
use super::documents::Documents;
use super::ensure::{SHORT_ID, records};
use super::{
    ConsideredReport, PullError, PullRequest, SnapshotterChoice, Unpack, World, answering, or_cancelled,
    resolve_with, with_planners,
};
use crate::image::{
    Brought, DocumentSource, ImageError, Platforms, ServedDocuments, StoredDocuments, read_image_config,
};
use dray_core::oci::{Descriptor, Digest, DocumentKind, MediaType, Platform, Reference};
use dray_ports::Event;

/// What the snapshotters would make of an image. The JSON form is the schema `dray.explain/v1`: members are added in later
/// versions, never renamed or removed. Sizes are bytes.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// `dray.explain/v1`.
    pub schema: &'static str,
    /// The name: of the image record, or the reference in normal form.
    pub name: String,
    /// Digest of the target of the name.
    pub target: Digest,
    /// Media type of the target.
    pub target_media_type: MediaType,
    /// Digest of the manifest.
    pub manifest: Digest,
    /// The platform that was chosen.
    pub platform: Platform,
    /// Number of layers.
    pub layers: usize,
    /// Size of all layer blobs.
    pub layer_bytes: u64,
    /// What was said for each snapshotter.
    pub considered: Vec<ConsideredReport>,
}

/// Asks the planner of each snapshotter that answers what it would do with an image. Reads index, manifest and config: of
/// an image in the store, else from the registry. Changes nothing.
///
/// Where the request leaves the snapshotter open, all that have a planner are asked, and the default.
///
/// # Errors
///
/// Fails if the image is not found, if its documents cannot be used, and if a planner fails. An image that suits none is
/// no error: no snapshotter is chosen then.
///
/// # Cancellation
///
/// Nothing is left when the future is dropped, or when `cancel` ends it.
pub async fn explain_image(
    world: &World,
    request: &PullRequest,
    cancel: &CancellationToken,
) -> Result<Explanation, PullError> {
    or_cancelled(cancel, explain(world, request)).await
}

async fn explain(world: &World, request: &PullRequest) -> Result<Explanation, PullError> {
    let unpack = request.unpack.as_ref().map(|unpack| match &unpack.snapshotter {
        SnapshotterChoice::Default => {
            Unpack { snapshotter: SnapshotterChoice::Auto { order: Vec::new() }, ..unpack.clone() }
        }
        SnapshotterChoice::Named(_) | SnapshotterChoice::Auto { .. } => unpack.clone(),
    });
    let request = &PullRequest { unpack, ..request.clone() };
    let Platforms::One(wanted) = &request.platforms else { return Err(PullError::UnpackSeveral) };
    let answering = answering(world, request).await?;
    let Some(candidates) = with_planners(request, answering).await? else {
        return Err(PullError::UnpackSeveral);
    };
    let Subject { name, target, documents } = subject(world, request).await?;
    world.progress.event(Event::Resolved { digest: target.digest.clone() });
    let image = read_image_config(documents, world.matcher.as_ref(), &target, wanted).await?;
    let documents = Documents::from(image);
    let image_for = |snapshotter: &_| documents.to_plan(&request.name, &name, snapshotter);
    let considered = consider(&candidates, image_for).await?;
    let layers = documents.layers()?;
    Ok(Explanation {
        schema: "dray.explain/v1",
        target: target.digest,
        target_media_type: target.media_type,
        manifest: documents.manifest_descriptor.digest.clone(),
        platform: documents.platform.clone(),
        layers: layers.len(),
        layer_bytes: layers.iter().fold(0, |sum, layer| sum.saturating_add(layer.descriptor.size)),
        considered: considered.report(),
        name,
    })
}

/// What is explained, and where its documents are.
struct Subject<'a> {
    name: String,
    target: Descriptor,
    documents: StoredOrServed<'a>,
}

async fn subject<'a>(world: &'a World, request: &PullRequest) -> Result<Subject<'a>, PullError> {
    let stored = StoredDocuments(world.store.content.as_ref());
    if let Some(record) = records(world, &request.name, SHORT_ID).await?.into_iter().next() {
        let reference = Reference::parse(&record.name).ok();
        let served =
            reference.map(|reference| ServedDocuments { registry: world.registry.clone(), reference });
        let documents = StoredOrServed { stored, served };
        return Ok(Subject { name: record.name, target: record.target, documents });
    }
    let reference = Reference::parse(&request.name).map_err(|source| PullError::Reference { source })?;
    let resolved = resolve_with(world.registry.as_ref(), &reference).await?;
    let name = reference.to_string();
    let served = Some(ServedDocuments { registry: world.registry.clone(), reference });
    Ok(Subject { name, target: resolved.descriptor, documents: StoredOrServed { stored, served } })
}

/// The documents in the store, and those of the registry that the store lacks.
struct StoredOrServed<'a> {
    stored: StoredDocuments<'a>,
    served: Option<ServedDocuments>,
}

#[async_trait]
impl DocumentSource for StoredOrServed<'_> {
    type Error = ImageError;

    async fn bytes(&mut self, kind: DocumentKind, descriptor: &Descriptor) -> Result<Brought, ImageError> {
        match (self.stored.bytes(kind, descriptor).await?, &mut self.served) {
            (Brought::Missing | Brought::Damaged(_), Some(served)) => served.bytes(kind, descriptor).await,
            (brought, _) => Ok(brought),
        }
    }
}
