use super::candidates::{Candidate, Candidates, ImageDocuments, Missing, Unusable};
use super::source::StoredDocuments;
use super::{Damage, ImageError, Platforms, damage_anywhere, damage_at_end};
use dray_core::oci::{ChainId, Descriptor, DiffId, DocumentKind, Manifest, Platform};
use dray_ports::{ContentStore, PlatformMatcher, Snapshots, SnapshotterName, Store};

/// How closely blobs are looked at that are no documents. Documents are read as a whole, and checked, in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scrutiny {
    /// A blob of which the store has a record is there.
    Records,
    /// The last byte of each blob is read too.
    LastByte,
    /// All bytes of each blob are read, and their digest is computed.
    EveryByte,
}

/// What the store has of an image, and what it lacks.
#[derive(Debug, Default)]
pub struct Completeness {
    /// Indexes that are not in the store. What they would lead to is not known.
    pub missing_indexes: Vec<Descriptor>,
    /// Indexes that are damaged. What they would lead to is not known either.
    pub damaged_indexes: Vec<DamagedBlob>,
    /// One for each manifest that is meant, best first.
    pub manifests: Vec<ManifestState>,
    /// Entries of indexes that are meant and that no pull could bring.
    pub unusable: Vec<Unusable>,
}

/// What the store has of an image for one platform.
#[derive(Debug)]
pub struct ManifestState {
    /// What it is for: what the index says, else what the config says, where one of them is there.
    pub platform: Option<Platform>,
    /// Whether that is what was wanted. Can be false for an image without index only, as in
    /// [`ImageDocuments`](super::ImageDocuments); true where the platform is not known.
    pub fits: bool,
    /// The manifest.
    pub manifest: Descriptor,
    /// Bytes of manifest, config and layers as they state it; absent if the manifest is missing or damaged.
    pub size: Option<u64>,
    /// Digests of the uncompressed layers, bottom-up. Empty where manifest or config are missing or damaged.
    pub diff_ids: Vec<DiffId>,
    /// What is not in the content store.
    pub missing_blobs: Vec<MissingBlob>,
    /// What is in the content store and damaged there.
    pub damaged_blobs: Vec<DamagedBlob>,
    /// Layers that are not in the snapshotter, bottom-up. Empty also where the config cannot be read, which alone
    /// says what their names are.
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
    /// Whether it is a layer that is unpacked. Nothing needs the blob then to run the image.
    pub unpacked: bool,
}

/// A blob that is in the content store, and whose bytes are not all there, or are others.
#[derive(Debug)]
pub struct DamagedBlob {
    /// What it is.
    pub role: BlobRole,
    /// The blob.
    pub descriptor: Descriptor,
    /// Whether it is a layer that is unpacked. Nothing needs the blob then to run the image.
    pub unpacked: bool,
    /// How it is damaged.
    pub damage: Damage,
}

/// What a blob is in an image.
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
    /// What a manifest lists beside its layers.
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
    /// Whether every blob is there and not damaged, or is a layer that is unpacked.
    pub fn is_complete(&self) -> bool {
        self.knows_all_indexes() && self.manifests.iter().all(ManifestState::is_complete)
    }

    /// Whether everything is unpacked.
    pub fn is_unpacked(&self) -> bool {
        self.knows_all_indexes() && self.manifests.iter().all(|manifest| manifest.unpacked)
    }

    fn knows_all_indexes(&self) -> bool {
        self.missing_indexes.is_empty() && self.damaged_indexes.is_empty() && self.unusable.is_empty()
    }

    /// Everything that is not in the content store, indexes first.
    pub fn missing_blobs(&self) -> impl Iterator<Item = MissingBlob> {
        let indexes = self.missing_indexes.iter().map(|index| missing(BlobRole::Index, index));
        indexes.chain(self.manifests.iter().flat_map(|manifest| manifest.missing_blobs.iter().cloned()))
    }

    /// Everything that is damaged in the content store, indexes first.
    pub fn damaged_blobs(&self) -> impl Iterator<Item = &DamagedBlob> {
        self.damaged_indexes.iter().chain(self.manifests.iter().flat_map(|manifest| &manifest.damaged_blobs))
    }
}

impl ManifestState {
    /// Whether every blob is there and not damaged, or is a layer that is unpacked.
    pub fn is_complete(&self) -> bool {
        self.missing_blobs.iter().all(|blob| blob.unpacked)
            && self.damaged_blobs.iter().all(|blob| blob.unpacked)
    }
}

/// Finds out what the store has of the image that `target` stands for, in its content store and in a
/// snapshotter. Without a snapshotter, nothing counts as unpacked.
///
/// What is missing or damaged is the answer and not an error.
///
/// # Errors
///
/// Fails if the image has nothing for one of the platforms, if it is no image, if one of its documents cannot be
/// understood, and if the store fails.
pub async fn completeness(
    store: &Store,
    matcher: &dyn PlatformMatcher,
    snapshotter: Option<&SnapshotterName>,
    target: &Descriptor,
    platforms: &Platforms,
    scrutiny: Scrutiny,
) -> Result<Completeness, ImageError> {
    let (content, snapshots) = (store.content.as_ref(), store.snapshots.as_ref());
    let survey = Survey { content, snapshots, snapshotter, scrutiny, needs_layers: platforms.is_one() };
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
            // Where one is meant, it is the only candidate.
            Candidate::Unusable(unusable) if platforms.is_one() => return Err(unusable.into()),
            Candidate::Unusable(unusable) => found.unusable.push(unusable),
        }
    }
    if is_nothing { Err(candidates.none().into()) } else { Ok(found) }
}

struct Survey<'a> {
    content: &'a dyn ContentStore,
    snapshots: &'a dyn Snapshots,
    snapshotter: Option<&'a SnapshotterName>,
    scrutiny: Scrutiny,
    /// Whether the image is to be unpacked one day, for which each layer must have a diff id.
    needs_layers: bool,
}

/// What is wrong with a blob.
enum Fault {
    Missing,
    Damaged(Damage),
}

impl Survey<'_> {
    /// What there is of an image whose documents are there.
    async fn image(&self, image: ImageDocuments) -> Result<ManifestState, ImageError> {
        let chain: Option<Vec<ChainId>> = match image.layers() {
            Ok(layers) => Some(layers.into_iter().map(|layer| layer.chain_id).collect()),
            Err(count) if self.needs_layers => return Err(count.into()),
            Err(_) => None,
        };
        let unpacked = self.unpacked(chain.as_deref().unwrap_or_default()).await?;
        let mut state = ManifestState::of(image.manifest.descriptor(), Some(image.platform));
        state.fits = image.fits;
        state.size = Some(size(image.manifest.descriptor(), &image.manifest));
        state.unpacked =
            self.snapshotter.is_some() && chain.as_ref().is_some_and(|chain| chain.len() == unpacked);
        state.missing_snapshots = chain.map(|mut chain| chain.split_off(unpacked)).unwrap_or_default();
        self.look_at_layers(&mut state, &image.manifest, unpacked).await?;
        state.diff_ids = image.config.into_content().diff_ids;
        Ok(state)
    }

    /// What there is of an image whose manifest or config is missing or damaged.
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

    /// Looks at the layers, the lowest of which are `unpacked`, and at what else a manifest lists with them.
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

    /// What is wrong with a blob that is no document.
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

    /// How many layers, counted from the bottom, are in the snapshotter. A snapshot keeps those below it
    /// alive, so that the highest one speaks for all of them.
    async fn unpacked(&self, chain: &[ChainId]) -> Result<usize, ImageError> {
        let Some(snapshotter) = self.snapshotter else { return Ok(0) };
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
    /// That of a manifest of which nothing else is known.
    fn of(manifest: &Descriptor, platform: Option<Platform>) -> Self {
        Self {
            platform,
            fits: true,
            manifest: manifest.clone(),
            size: None,
            diff_ids: Vec::new(),
            missing_blobs: Vec::new(),
            damaged_blobs: Vec::new(),
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

/// Bytes of an image as its manifest states them.
fn size(descriptor: &Descriptor, manifest: &Manifest) -> u64 {
    let blobs = [descriptor, &manifest.config].into_iter().chain(&manifest.layers);
    blobs.fold(0, |sum, blob| sum.saturating_add(blob.size))
}

fn missing(role: BlobRole, descriptor: &Descriptor) -> MissingBlob {
    MissingBlob { role, descriptor: descriptor.clone(), unpacked: false }
}
