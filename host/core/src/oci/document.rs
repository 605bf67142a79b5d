mod raw;
#[cfg(test)]
mod tests;
mod unicode;

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use self::raw::{RawDescriptor, RawPlatform, Text};
pub use self::unicode::in_unicode;
use super::{Descriptor, DiffId, Digest, DigestError, MediaKind, MediaType, Platform};

/// A kind of document of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DocumentKind {
    /// An image index or manifest list.
    Index,
    /// An image manifest.
    Manifest,
    /// An image config.
    Config,
}

impl DocumentKind {
    /// The name of the kind, for messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Index => "image index",
            Self::Manifest => "image manifest",
            Self::Config => "image config",
        }
    }
}

impl fmt::Display for DocumentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why the bytes of an index, manifest or image config cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The bytes are not JSON, or JSON of another shape.
    #[error("the {kind} is not valid JSON of its kind")]
    Json {
        /// The expected kind.
        kind: DocumentKind,
        /// Position and reason.
        #[source]
        source: serde_json::Error,
    },
    /// Its own media type or its members belong to another kind.
    #[error("the {kind} is something else inside: it has {found}")]
    OtherKind {
        /// The expected kind.
        kind: DocumentKind,
        /// The member that shows it.
        found: String,
    },
    /// A schema 1 manifest.
    #[error("the {kind} is a Docker schema 1 manifest, which is not supported")]
    Schema1 {
        /// The expected kind.
        kind: DocumentKind,
    },
    /// A required descriptor is not valid.
    #[error("the {kind} has a descriptor that cannot be used")]
    Descriptor {
        /// The expected kind.
        kind: DocumentKind,
        /// The reason.
        #[source]
        source: DescriptorError,
    },
}

/// Why a descriptor is not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DescriptorError {
    /// The digest cannot be verified.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// The size is negative.
    #[error("the size of blob {digest} is negative")]
    NegativeSize {
        /// The digest.
        digest: Digest,
    },
}

/// Members that tell the kind of a document, whatever its descriptor says.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Probe {
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    manifests: Option<IgnoredAny>,
    #[serde(default)]
    config: Option<IgnoredAny>,
    #[serde(default)]
    layers: Option<IgnoredAny>,
    #[serde(default)]
    fs_layers: Option<Vec<IgnoredAny>>,
}

fn probe(json: &str, kind: DocumentKind) -> Result<(), DocumentError> {
    let probe: Probe = parse(json, kind)?;
    if probe.fs_layers.is_some_and(|layers| !layers.is_empty()) {
        return Err(DocumentError::Schema1 { kind });
    }
    let stated = probe.media_type.map(|text| MediaType::new(&text));
    let (foreign_kind, foreign_member) = if kind == DocumentKind::Manifest {
        (MediaKind::Index, probe.manifests.map(|_| "`manifests`"))
    } else {
        (MediaKind::Manifest, probe.config.map(|_| "`config`").or(probe.layers.map(|_| "`layers`")))
    };
    if let Some(member) = foreign_member {
        return Err(DocumentError::OtherKind { kind, found: member.to_owned() });
    }
    if let Some(stated) = stated
        && stated.kind() == foreign_kind
    {
        return Err(DocumentError::OtherKind { kind, found: format!("media type `{stated}`") });
    }
    Ok(())
}

fn parse<T: DeserializeOwned>(json: &str, kind: DocumentKind) -> Result<T, DocumentError> {
    serde_json::from_str(json).map_err(|source| DocumentError::Json { kind, source })
}

/// An image index or manifest list.
#[derive(Clone, Debug)]
pub struct Index {
    /// The usable entries, in order: manifests and other indexes.
    pub manifests: Vec<Descriptor>,
    /// The entries that are not valid, in order. They matter only if one of them is wanted.
    pub unusable: Vec<UnusableEntry>,
    /// Annotations of the index.
    pub annotations: BTreeMap<String, String>,
}

/// An entry of an index that is not valid, for example because its digest cannot be verified.
#[derive(Clone, Debug)]
pub struct UnusableEntry {
    /// Media type of the blob.
    pub media_type: MediaType,
    /// Platform, if stated.
    pub platform: Option<Platform>,
    /// Why it is not valid.
    pub fault: DescriptorError,
}

impl Index {
    /// Parses an index whose digest was verified.
    ///
    /// # Errors
    ///
    /// Fails if the bytes are not an index, whatever their descriptor says.
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        #[derive(Deserialize)]
        struct Raw {
            #[serde(default)]
            manifests: Option<Vec<RawDescriptor>>,
            #[serde(default)]
            annotations: Option<BTreeMap<String, Text>>,
        }
        let (kind, json) = (DocumentKind::Index, in_unicode(bytes));
        probe(&json, kind)?;
        let raw: Raw = parse(&json, kind)?;
        let (mut manifests, mut unusable) = (Vec::new(), Vec::new());
        for entry in raw.manifests.unwrap_or_default() {
            let (media_type, platform) = (entry.media_type(), entry.platform());
            match entry.into_descriptor() {
                Ok(descriptor) => manifests.push(descriptor),
                Err(fault) => unusable.push(UnusableEntry { media_type, platform, fault }),
            }
        }
        Ok(Self { manifests, unusable, annotations: raw::texts(raw.annotations) })
    }
}

/// The manifest of an image or of an artifact.
#[derive(Clone, Debug)]
pub enum AnyManifest {
    /// The manifest of an image.
    Image(Box<Manifest>),
    /// The manifest of a chart, a signature or the like. Its contents are not parsed.
    Artifact {
        /// The artifact type, or else the media type of the config.
        media_type: MediaType,
    },
}

impl AnyManifest {
    /// Parses a manifest whose digest was verified.
    ///
    /// # Errors
    ///
    /// Fails if the bytes are not a manifest, whatever their descriptor says.
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Raw {
            config: RawDescriptor,
            #[serde(default)]
            layers: Option<Vec<RawDescriptor>>,
            #[serde(default)]
            annotations: Option<BTreeMap<String, Text>>,
            #[serde(default)]
            artifact_type: Option<String>,
        }
        let (kind, json) = (DocumentKind::Manifest, in_unicode(bytes));
        probe(&json, kind)?;
        let raw: Raw = parse(&json, kind)?;
        let config_type = raw.config.media_type();
        if !config_type.is_image_config() {
            let stated = raw.artifact_type.filter(|stated| !stated.is_empty());
            let media_type = stated.map_or(config_type, |stated| MediaType::new(&stated));
            return Ok(Self::Artifact { media_type });
        }
        let unusable = |source| DocumentError::Descriptor { kind, source };
        let layers = raw.layers.unwrap_or_default().into_iter().map(RawDescriptor::into_descriptor);
        Ok(Self::Image(Box::new(Manifest {
            config: raw.config.into_descriptor().map_err(unusable)?,
            layers: layers.collect::<Result<_, _>>().map_err(unusable)?,
            annotations: raw::texts(raw.annotations),
        })))
    }
}

/// The manifest of an image.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The image config.
    pub config: Descriptor,
    /// The layers, bottom-up, and other blobs listed among them.
    pub layers: Vec<Descriptor>,
    /// Annotations of the manifest.
    pub annotations: BTreeMap<String, String>,
}

/// The members of an image config that a pull needs.
#[derive(Clone, Debug)]
pub struct ImageConfig {
    /// The platform that the config states.
    pub platform: Platform,
    /// Digests of the uncompressed layers, bottom-up.
    pub diff_ids: Vec<DiffId>,
    /// Labels of the image.
    pub labels: BTreeMap<String, String>,
}

impl ImageConfig {
    /// Parses an image config whose digest was verified. Other members may have any shape.
    ///
    /// # Errors
    ///
    /// Fails if the bytes are not JSON of an image config.
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        #[derive(Deserialize)]
        struct Raw {
            #[serde(default)]
            rootfs: Option<RawRootfs>,
            #[serde(default)]
            config: Option<RawConfig>,
        }
        #[derive(Deserialize)]
        struct RawRootfs {
            #[serde(default)]
            diff_ids: Option<Vec<Text>>,
        }
        #[derive(Deserialize)]
        struct RawConfig {
            #[serde(default, rename = "Labels")]
            labels: Option<BTreeMap<String, Text>>,
        }
        let (kind, json) = (DocumentKind::Config, in_unicode(bytes));
        let platform = raw_platform(&json)?;
        let raw: Raw = parse(&json, kind)?;
        let diff_ids = raw.rootfs.and_then(|rootfs| rootfs.diff_ids).unwrap_or_default();
        let diff_ids = diff_ids.iter().map(|Text(text)| Digest::parse(text).map(DiffId::from_uncompressed));
        let unusable = |source: DigestError| DocumentError::Descriptor { kind, source: source.into() };
        Ok(Self {
            platform,
            diff_ids: diff_ids.collect::<Result<_, _>>().map_err(unusable)?,
            labels: raw::texts(raw.config.and_then(|config| config.labels)),
        })
    }

    /// Only the platform that an image config states. Its other members are not parsed.
    ///
    /// # Errors
    ///
    /// Fails if the bytes are not JSON with the members of a platform.
    pub fn platform_of(bytes: &[u8]) -> Result<Platform, DocumentError> {
        raw_platform(&in_unicode(bytes))
    }
}

fn raw_platform(json: &str) -> Result<Platform, DocumentError> {
    parse::<RawPlatform>(json, DocumentKind::Config).map(Platform::from)
}
