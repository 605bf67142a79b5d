use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

use super::{Descriptor, DiffId, Digest, MediaKind, MediaType, Platform};

/// Which document of an image.
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
    /// The words for it.
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
    /// Not JSON, or JSON of another shape.
    #[error("the {kind} is not valid JSON of its kind")]
    Json {
        /// What was being read.
        kind: DocumentKind,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// Its own media type, or its members, say that it is something else.
    #[error("the {kind} is something else inside: it has {found}")]
    OtherKind {
        /// What was being read.
        kind: DocumentKind,
        /// What was found.
        found: String,
    },
    /// A schema 1 manifest.
    #[error("the {kind} is a Docker schema 1 manifest, which is not supported")]
    Schema1 {
        /// What was being read.
        kind: DocumentKind,
    },
    /// A descriptor in it states a negative size.
    #[error("the {kind} has a descriptor ({digest}) with a negative size")]
    NegativeSize {
        /// What was being read.
        kind: DocumentKind,
        /// Whose size.
        digest: Digest,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDescriptor {
    #[serde(default)]
    media_type: Option<String>,
    digest: Digest,
    size: i64,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
    #[serde(default)]
    urls: Option<Vec<String>>,
    #[serde(default)]
    artifact_type: Option<String>,
    #[serde(default)]
    platform: Option<RawPlatform>,
}

#[derive(Deserialize)]
struct RawPlatform {
    #[serde(default)]
    os: Option<String>,
    #[serde(default)]
    architecture: Option<String>,
    #[serde(default)]
    variant: Option<String>,
    #[serde(default, rename = "os.version")]
    os_version: Option<String>,
    #[serde(default, rename = "os.features")]
    os_features: Option<Vec<String>>,
}

impl From<RawPlatform> for Platform {
    fn from(raw: RawPlatform) -> Self {
        Self {
            os: raw.os.unwrap_or_default(),
            architecture: raw.architecture.unwrap_or_default(),
            variant: raw.variant.unwrap_or_default(),
            os_version: raw.os_version.unwrap_or_default(),
            os_features: raw.os_features.unwrap_or_default(),
        }
    }
}

impl RawDescriptor {
    fn into_descriptor(self, kind: DocumentKind) -> Result<Descriptor, DocumentError> {
        let Ok(size) = u64::try_from(self.size) else {
            return Err(DocumentError::NegativeSize { kind, digest: self.digest });
        };
        Ok(Descriptor {
            media_type: MediaType::new(self.media_type.as_deref().unwrap_or_default()),
            digest: self.digest,
            size,
            annotations: self.annotations.unwrap_or_default(),
            urls: self.urls.unwrap_or_default(),
            artifact_type: self.artifact_type.filter(|t| !t.is_empty()).map(|t| MediaType::new(&t)),
            platform: self.platform.map(Platform::from),
        })
    }
}

/// Members that tell a document's kind, whatever the descriptor claims.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Probe {
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    manifests: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    config: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    layers: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    fs_layers: Option<Vec<serde::de::IgnoredAny>>,
}

fn probe(bytes: &[u8], kind: DocumentKind) -> Result<(), DocumentError> {
    let probe: Probe =
        serde_json::from_slice(bytes).map_err(|source| DocumentError::Json { kind, source })?;
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

/// An image index or manifest list.
#[derive(Clone, Debug)]
pub struct Index {
    /// Its entries, in order.
    pub manifests: Vec<IndexEntry>,
    /// Annotations of the index.
    pub annotations: BTreeMap<String, String>,
}

/// One entry of an index: a manifest, or another index.
pub type IndexEntry = Descriptor;

impl Index {
    /// Parses an index whose digest was verified.
    ///
    /// # Errors
    ///
    /// Fails if the bytes are not an index, whatever their media type said.
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        #[derive(Deserialize)]
        struct Raw {
            #[serde(default)]
            manifests: Option<Vec<RawDescriptor>>,
            #[serde(default)]
            annotations: Option<BTreeMap<String, String>>,
        }
        let kind = DocumentKind::Index;
        probe(bytes, kind)?;
        let raw: Raw =
            serde_json::from_slice(bytes).map_err(|source| DocumentError::Json { kind, source })?;
        let entries = raw.manifests.unwrap_or_default().into_iter();
        Ok(Self {
            manifests: entries.map(|entry| entry.into_descriptor(kind)).collect::<Result<_, _>>()?,
            annotations: raw.annotations.unwrap_or_default(),
        })
    }
}

/// An image manifest.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The image config, or the config of some other artifact.
    pub config: Descriptor,
    /// The layers, bottom-up, and whatever else an artifact lists as its layers.
    pub layers: Vec<Descriptor>,
    /// Annotations of the manifest.
    pub annotations: BTreeMap<String, String>,
    /// Artifact type, where stated.
    pub artifact_type: Option<MediaType>,
}

impl Manifest {
    /// Parses a manifest whose digest was verified.
    ///
    /// # Errors
    ///
    /// Fails if the bytes are not a manifest, whatever their media type said.
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Raw {
            config: RawDescriptor,
            #[serde(default)]
            layers: Option<Vec<RawDescriptor>>,
            #[serde(default)]
            annotations: Option<BTreeMap<String, String>>,
            #[serde(default)]
            artifact_type: Option<String>,
        }
        let kind = DocumentKind::Manifest;
        probe(bytes, kind)?;
        let raw: Raw =
            serde_json::from_slice(bytes).map_err(|source| DocumentError::Json { kind, source })?;
        let layers = raw.layers.unwrap_or_default().into_iter();
        Ok(Self {
            config: raw.config.into_descriptor(kind)?,
            layers: layers.map(|layer| layer.into_descriptor(kind)).collect::<Result<_, _>>()?,
            annotations: raw.annotations.unwrap_or_default(),
            artifact_type: raw.artifact_type.filter(|t| !t.is_empty()).map(|t| MediaType::new(&t)),
        })
    }
}

/// What a pull needs of an image config.
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
    /// Parses an image config whose digest was verified.
    ///
    /// # Errors
    ///
    /// Fails if the bytes are not JSON of an image config.
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        #[derive(Deserialize)]
        struct Raw {
            #[serde(flatten)]
            platform: RawPlatform,
            #[serde(default)]
            rootfs: Option<RawRootfs>,
            #[serde(default)]
            config: Option<RawConfig>,
        }
        #[derive(Deserialize)]
        struct RawRootfs {
            #[serde(default)]
            diff_ids: Option<Vec<Digest>>,
        }
        #[derive(Deserialize)]
        struct RawConfig {
            #[serde(default, rename = "Labels")]
            labels: Option<BTreeMap<String, String>>,
        }
        let kind = DocumentKind::Config;
        let raw: Raw =
            serde_json::from_slice(bytes).map_err(|source| DocumentError::Json { kind, source })?;
        let diff_ids = raw.rootfs.and_then(|rootfs| rootfs.diff_ids).unwrap_or_default();
        Ok(Self {
            platform: raw.platform.into(),
            diff_ids: diff_ids.into_iter().map(DiffId::from_uncompressed).collect(),
            labels: raw.config.and_then(|config| config.labels).unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests;
