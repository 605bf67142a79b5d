use super::candidates::{Candidate, Candidates, ImageDocuments, Missing, Unusable};
use super::source::StoredDocuments;
use super::{Damage, ImageError, Platforms, damage_anywhere, damage_at_end};
use dray_core::oci::{ChainId, Descriptor, DiffId, DocumentKind, Manifest, Platform};
use dray_ports::{ContentStore, PlatformMatcher, Snapshots, SnapshotterName, Store};

/// How thoroughly layers are checked. Documents are always read and checked as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scrutiny {
    /// A blob counts as present if the store has a record of it.
    Records,
    /// The last byte of each blob is read too.
    LastByte,
    /// All bytes of each blob are read, and their digest is computed.
    EveryByte,
}

/// The completeness of an image in a store.
#[derive(Debug, Default)]
pub struct Completeness {
    /// Indexes that are not in the store. Their entries are unknown.
    pub missing_indexes: Vec<Descriptor>,
    /// Indexes that are damaged. Their entries are unknown.
    pub damaged_indexes: Vec<DamagedBlob>,
    /// One per wanted manifest, best first.
    pub manifests: Vec<ManifestState>,
    /// Wanted entries of indexes that are not valid, so that no pull can fetch them.
    pub unusable: Vec<Unusable>,
}

/// The completeness of an image for one platform.
#[derive(Debug)]
pub struct ManifestState {
    /// The platform: from the index, else from the config, if there is one.
    pub platform: Option<Platform>,
    /// Whether the platform is wanted. False only for an image without index, as in
    /// [`ImageDocuments`](super::ImageDocuments). True if the platform is unknown.
    pub fits: bool,
    /// The manifest.
    pub manifest: Descriptor,
    /// Total size of manifest, config and layers as stated; absent if the manifest is missing or damaged.
    pub size: Option<u64>,
    /// Digests of the uncompressed layers, bottom-up. Empty if manifest or config are missing or damaged.
    pub diff_ids: Vec<DiffId>,
    /// Blobs that are not in the content store.
    pub missing_blobs: Vec<MissingBlob>,
    /// Blobs that are damaged in the content store.
    pub damaged_blobs: Vec<DamagedBlob>,
    /// The snapshotter that counts: of several, the first that has all layers, else the one that has most of them.
    pub snapshotter: Option<SnapshotterName>,
    /// Layers that are not in the snapshotter, bottom-up. Also empty if the config, which determines their names,
    /// cannot be read.
    pub missing_snapshots: Vec<ChainId>,
    /// Whether all layers are in the snapshotter.
    pub unpacked: bool,
}

/// A blob that is not in the content store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingBlob {
    /// What it is.
    pub role: BlobRole,
    /// The blob.
    pub descriptor: Descriptor,
    /// Whether it is an unpacked layer, whose blob is not needed to run the image.
    pub unpacked: bool,
}

/// A blob in the content store whose bytes are incomplete or changed.
#[derive(Debug)]
pub struct DamagedBlob {
    /// What it is.
    pub role: BlobRole,
    /// The blob.
    pub descriptor: Descriptor,
    /// Whether it is an unpacked layer, whose blob is not needed to run the image.
    pub unpacked: bool,
    /// How it is damaged.
    pub damage: Damage,
}

/// The role of a blob in an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobRole {
    /// An index or manifest list.
    Index,
    /// The manifest.
    Manifest,
    /// The image config.
    Config,
    /// A layer.
    Layer,
    /// Another blob that a manifest lists among its layers.
    Other,
}

impl BlobRole {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::Manifest => "manifest",
            Self::Config => "config",
            Self::Layer => "layer",
            Self::Other => "blob",
        }
    }
}

impl Completeness {
    /// Whether every blob is present and undamaged, or an unpacked layer: the image is complete to run.
    pub fn is_complete(&self) -> bool {
        self.knows_all_indexes() && self.manifests.iter().all(ManifestState::is_complete)
    }

    /// Whether every blob is present and undamaged: the image is complete to push and to save. A lazy image is not,
    /// as long as its blobs are not fetched.
    pub fn has_all_blobs(&self) -> bool {
        self.knows_all_indexes() && self.manifests.iter().all(ManifestState::has_all_blobs)
    }

    /// Whether everything is unpacked.
    pub fn is_unpacked(&self) -> bool {
        self.knows_all_indexes() && self.manifests.iter().all(|manifest| manifest.unpacked)
    }

    fn knows_all_indexes(&self) -> bool {
        self.missing_indexes.is_empty() && self.damaged_indexes.is_empty() && self.unusable.is_empty()
    }

    /// All blobs that are not in the content store, indexes first.
    pub fn missing_blobs(&self) -> impl Iterator<Item = MissingBlob> {
        let indexes = self.missing_indexes.iter().map(|index| missing(BlobRole::Index, index));
        indexes.chain(self.manifests.iter().flat_map(|manifest| manifest.missing_blobs.iter().cloned()))
    }

    /// All damaged blobs in the content store, indexes first.
    pub fn damaged_blobs(&self) -> impl Iterator<Item = &DamagedBlob> {
        self.damaged_indexes.iter().chain(self.manifests.iter().flat_map(|manifest| &manifest.damaged_blobs))
    }
}

impl ManifestState {
    /// Whether every blob is present and undamaged, or an unpacked layer.
    pub fn is_complete(&self) -> bool {
        self.missing_blobs.iter().all(|blob| blob.unpacked)
            && self.damaged_blobs.iter().all(|blob| blob.unpacked)
    }

    /// Whether every blob is present and undamaged.
    pub fn has_all_blobs(&self) -> bool {
        self.missing_blobs.is_empty() && self.damaged_blobs.is_empty()
    }
}

/// Determines the completeness of the image of `target`, in the content store and in one of the snapshotters: the first
/// that has all its layers, else the one that has most of them. Without a snapshotter, nothing counts as unpacked.
///
/// Missing and damaged blobs are part of the result, not an error.
///
/// # Errors
///
/// Fails if the image has nothing for one of the platforms, if it is an artifact, if one of its documents is not
/// valid, or if the store fails.
pub async fn completeness(
    store: &Store,
    matcher: &dyn PlatformMatcher,
    snapshotters: &[SnapshotterName],
    target: &Descriptor,
    platforms: &Platforms,
    scrutiny: Scrutiny,
) -> Result<Completeness, ImageError> {
    let (content, snapshots) = (store.content.as_ref(), store.snapshots.as_ref());
    let survey = Survey { content, snapshots, snapshotters, scrutiny, needs_layers: platforms.is_one() };
    let mut candidates = Candidates::new(StoredDocuments(content), matcher, platforms, target);
    let mut found = Completeness::default();
    let mut is_nothing = true;
    while let Some(candidate) = candidates.next_image().await? {
        is_nothing = false;
        match candidate {
            Candidate::Found(image) => found.manifests.push(survey.image(image).await?),
            Candidate::Missing(missing) if missing.kind == DocumentKind::Index => match missing.damage {
                None => found.missing_indexes.push(missing.descriptor),
                Some(damage) => found.damaged_indexes.push(DamagedBlob::index(missing.descriptor, damage)),
            },
            Candidate::Missing(missing) => found.manifests.push(survey.incomplete(*missing).await?),
            // If one platform is wanted, it is the only candidate.
            Candidate::Unusable(unusable) if platforms.is_one() => return Err(unusable.into()),
            Candidate::Unusable(unusable) => found.unusable.push(unusable),
        }
    }
    if is_nothing { Err(candidates.none().into()) } else { Ok(found) }
}

struct Survey<'a> {
    content: &'a dyn ContentStore,
    snapshots: &'a dyn Snapshots,
    snapshotters: &'a [SnapshotterName],
    scrutiny: Scrutiny,
    /// Whether the image may be unpacked later, so that each layer must have a diff id.
    needs_layers: bool,
}

/// The fault of a blob.
enum Fault {
    Missing,
    Damaged(Damage),
}

impl Survey<'_> {
    /// The completeness of an image whose documents are present.
    async fn image(&self, image: ImageDocuments) -> Result<ManifestState, ImageError> {
        let chain: Option<Vec<ChainId>> = match image.layers() {
            Ok(layers) => Some(layers.into_iter().map(|layer| layer.chain_id).collect()),
            Err(count) if self.needs_layers => return Err(count.into()),
            Err(_) => None,
        };
        let (snapshotter, unpacked) = self.best(chain.as_deref().unwrap_or_default()).await?;
        let mut state = ManifestState::of(image.manifest.descriptor(), Some(image.platform));
        state.fits = image.fits;
        state.size = Some(size(image.manifest.descriptor(), &image.manifest));
        state.snapshotter = snapshotter.cloned();
        state.unpacked = snapshotter.is_some() && chain.as_ref().is_some_and(|chain| chain.len() == unpacked);
        state.missing_snapshots = chain.map(|mut chain| chain.split_off(unpacked)).unwrap_or_default();
        self.look_at_layers(&mut state, &image.manifest, unpacked).await?;
        state.diff_ids = image.config.into_content().diff_ids;
        Ok(state)
    }

    /// The completeness of an image whose manifest or config is missing or damaged.
    async fn incomplete(&self, missing: Missing) -> Result<ManifestState, ImageError> {
        let Missing { descriptor, damage, platform, manifest, .. } = missing;
        let fault = damage.map_or(Fault::Missing, Fault::Damaged);
        let Some(manifest) = manifest else {
            let mut state = ManifestState::of(&descriptor, platform);
            state.note(fault, BlobRole::Manifest, &descriptor, false);
            return Ok(state);
        };
        let mut state = ManifestState::of(manifest.descriptor(), platform);
        state.size = Some(size(manifest.descriptor(), &manifest));
        state.note(fault, BlobRole::Config, &descriptor, false);
        self.look_at_layers(&mut state, &manifest, 0).await?;
        Ok(state)
    }

    /// Checks the layers, the lowest of which are `unpacked`, and the other blobs among them.
    async fn look_at_layers(
        &self,
        state: &mut ManifestState,
        manifest: &Manifest,
        unpacked: usize,
    ) -> Result<(), ImageError> {
        let mut layers = 0;
        for blob in &manifest.layers {
            let role = if blob.is_layer() { BlobRole::Layer } else { BlobRole::Other };
            layers += usize::from(role == BlobRole::Layer);
            if let Some(fault) = self.fault(blob).await? {
                state.note(fault, role, blob, role == BlobRole::Layer && layers <= unpacked);
            }
        }
        Ok(())
    }

    /// The fault of a blob that is not a document.
    async fn fault(&self, blob: &Descriptor) -> Result<Option<Fault>, ImageError> {
        let fault = async {
            let Some(known) = self.content.info(&blob.digest).await? else { return Ok(Some(Fault::Missing)) };
            let damage = match self.scrutiny {
                Scrutiny::Records => None,
                _ if known.size != blob.size => Some(Damage::of_size(blob, known.size)),
                Scrutiny::LastByte => damage_at_end(self.content, blob).await?,
                Scrutiny::EveryByte => damage_anywhere(self.content, blob).await?,
            };
            Ok(damage.map(Fault::Damaged))
        };
        fault.await.map_err(ImageError::store(format!("looking for blob {}", blob.digest)))
    }

    /// The snapshotter that has most layers, the first of several, and how many these are.
    async fn best(&self, chain: &[ChainId]) -> Result<(Option<&SnapshotterName>, usize), ImageError> {
        let mut best = (self.snapshotters.first(), 0);
        for snapshotter in self.snapshotters {
            let unpacked = self.unpacked(snapshotter, chain).await?;
            if unpacked > best.1 {
                best = (Some(snapshotter), unpacked);
            }
            if unpacked == chain.len() {
                break;
            }
        }
        Ok(best)
    }

    /// The number of layers from the bottom that are in the snapshotter. A snapshot protects those below it, so the
    /// highest one stands for all.
    async fn unpacked(&self, snapshotter: &SnapshotterName, chain: &[ChainId]) -> Result<usize, ImageError> {
        for (below, chain_id) in chain.iter().enumerate().rev() {
            let known = self.snapshots.stat(snapshotter, chain_id).await;
            let doing = || format!("looking for layer {chain_id} in snapshotter `{snapshotter}`");
            if known.map_err(|source| ImageError::store(doing())(source))?.is_some() {
                return Ok(below + 1);
            }
        }
        Ok(0)
    }
}

impl DamagedBlob {
    fn index(descriptor: Descriptor, damage: Damage) -> Self {
        Self { role: BlobRole::Index, descriptor, unpacked: false, damage }
    }
}

impl ManifestState {
    /// The state of a manifest without further facts.
    fn of(manifest: &Descriptor, platform: Option<Platform>) -> Self {
        Self {
            platform,
            fits: true,
            manifest: manifest.clone(),
            size: None,
            diff_ids: Vec::new(),
            missing_blobs: Vec::new(),
            damaged_blobs: Vec::new(),
            snapshotter: None,
            missing_snapshots: Vec::new(),
            unpacked: false,
        }
    }

    fn note(&mut self, fault: Fault, role: BlobRole, descriptor: &Descriptor, unpacked: bool) {
        match fault {
            Fault::Missing => self.missing_blobs.push(MissingBlob { unpacked, ..missing(role, descriptor) }),
            Fault::Damaged(damage) => {
                let descriptor = descriptor.clone();
                self.damaged_blobs.push(DamagedBlob { role, descriptor, unpacked, damage });
            }
        }
    }
}

/// The size of an image as its manifest states it.
fn size(descriptor: &Descriptor, manifest: &Manifest) -> u64 {
    let blobs = [descriptor, &manifest.config].into_iter().chain(&manifest.layers);
    blobs.fold(0, |sum, blob| sum.saturating_add(blob.size))
}

fn missing(role: BlobRole, descriptor: &Descriptor) -> MissingBlob {
    MissingBlob { role, descriptor: descriptor.clone(), unpacked: false }
}
