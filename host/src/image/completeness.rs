use super::read::{self, Paths};
use super::walk::Path;
use super::{Damage, ImageError, Platforms, damage_anywhere, damage_at_end};
use crate::oci::{ChainId, Descriptor, DiffId, Platform};
use crate::ports::{ContentStore, PlatformMatcher, Snapshots, SnapshotterName, Store};

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
#[derive(Debug)]
pub struct Completeness {
    /// Indexes that are not in the store. What they would lead to is not known.
    pub missing_indexes: Vec<Descriptor>,
    /// Indexes that are damaged. What they would lead to is not known either.
    pub damaged_indexes: Vec<DamagedBlob>,
    /// One for each manifest that is meant, best first.
    pub manifests: Vec<ManifestState>,
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
        self.missing_indexes.is_empty() && self.damaged_indexes.is_empty()
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
    let survey = Survey { content, snapshots, matcher, snapshotter, platforms, scrutiny };
    let Paths { found, missing, damaged, mut offered } =
        read::paths(content, matcher, platforms, target).await?;
    let mut manifests = Vec::new();
    for path in found {
        match survey.manifest(&path).await {
            Ok(Ok(state)) => manifests.push(state),
            Ok(Err(platform)) => offered.push(platform),
            // An index may list signatures and the like beside its images.
            Err(error) if error.is_not_an_image() && !path.indexes.is_empty() && !platforms.is_one() => {}
            Err(error) => return Err(error),
        }
    }
    if manifests.is_empty() && missing.is_empty() && damaged.is_empty() {
        return Err(ImageError::NoPlatform { wanted: platforms.to_string(), offered });
    }
    Ok(Completeness { missing_indexes: missing, damaged_indexes: damaged, manifests })
}

struct Survey<'a> {
    content: &'a dyn ContentStore,
    snapshots: &'a dyn Snapshots,
    matcher: &'a dyn PlatformMatcher,
    snapshotter: Option<&'a SnapshotterName>,
    platforms: &'a Platforms,
    scrutiny: Scrutiny,
}

/// What is wrong with a blob.
enum Fault {
    Missing,
    Damaged(Damage),
}

impl Survey<'_> {
    /// What there is of one image. An entry that does not say what it is for may turn out to be for a platform
    /// that nobody wants, which is then the other answer.
    async fn manifest(&self, path: &Path) -> Result<Result<ManifestState, Platform>, ImageError> {
        let mut state = ManifestState {
            platform: path.end.platform.clone(),
            fits: true,
            manifest: path.end.clone(),
            size: None,
            diff_ids: Vec::new(),
            missing_blobs: Vec::new(),
            damaged_blobs: Vec::new(),
            missing_snapshots: Vec::new(),
            unpacked: false,
        };
        let manifest = match readable(read::manifest(self.content, &path.end).await)? {
            Ok(manifest) => manifest,
            Err(fault) => {
                state.note(fault, BlobRole::Manifest, &path.end, false);
                return Ok(Ok(state));
            }
        };
        let blobs = [&path.end, &manifest.config].into_iter().chain(&manifest.layers);
        state.size = Some(blobs.fold(0, |sum, blob| u64::saturating_add(sum, blob.size)));

        let mut unpacked = 0;
        match readable(read::config(self.content, &manifest.config).await)? {
            Err(fault) => state.note(fault, BlobRole::Config, &manifest.config, false),
            Ok(config) => {
                if state.platform.is_none() {
                    // What does not say what it is for may be for anything, where there is no other choice.
                    let is_silent = path.indexes.is_empty() && config.platform.os.is_empty();
                    state.fits =
                        is_silent || read::is_wanted(self.matcher, self.platforms, &config.platform).await?;
                    if !state.fits && !path.indexes.is_empty() {
                        return Ok(Err(config.platform));
                    }
                    state.platform = Some(config.platform);
                }
                let layers = manifest.layers.iter().filter(|blob| blob.is_layer()).count();
                let diff_ids = config.diff_ids.len();
                if layers == diff_ids {
                    let mut chain = ChainId::stack(&config.diff_ids);
                    unpacked = self.unpacked(&chain).await?;
                    state.unpacked = self.snapshotter.is_some() && unpacked == chain.len();
                    state.missing_snapshots = chain.split_off(unpacked);
                } else if self.platforms.is_one() {
                    return Err(ImageError::LayerCount { layers, diff_ids });
                }
                state.diff_ids = config.diff_ids;
            }
        }

        let mut layers = 0;
        for blob in &manifest.layers {
            let role = if blob.is_layer() { BlobRole::Layer } else { BlobRole::Other };
            layers += usize::from(role == BlobRole::Layer);
            if let Some(fault) = self.fault(blob).await? {
                let unpacked = role == BlobRole::Layer && layers <= unpacked;
                state.note(fault, role, blob, unpacked);
            }
        }
        Ok(Ok(state))
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
    pub(super) fn index(descriptor: Descriptor, damage: Damage) -> Self {
        Self { role: BlobRole::Index, descriptor, unpacked: false, damage }
    }
}

impl ManifestState {
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

/// A document, or why the store has none that can be read.
fn readable<T>(read: Result<T, ImageError>) -> Result<Result<T, Fault>, ImageError> {
    match read {
        Ok(document) => Ok(Ok(document)),
        Err(ImageError::MissingBlob { .. }) => Ok(Err(Fault::Missing)),
        Err(ImageError::Damaged { source, .. }) => Ok(Err(Fault::Damaged(source))),
        Err(error) => Err(error),
    }
}

fn missing(role: BlobRole, descriptor: &Descriptor) -> MissingBlob {
    MissingBlob { role, descriptor: descriptor.clone(), unpacked: false }
}
