//! Members of the documents as they are written.
//!
//! As in Go, a member that is `null` counts as absent, and a string that is `null` as empty.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use super::DescriptorError;
use crate::oci::{Descriptor, Digest, MediaType, Platform};

/// A string in a list or a map.
#[derive(Clone)]
pub(super) struct Text(pub(super) String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Option::deserialize(deserializer)?.unwrap_or_default()))
    }
}

/// The entries of a map that may be absent.
pub(super) fn texts(map: Option<BTreeMap<String, Text>>) -> BTreeMap<String, String> {
    map.unwrap_or_default().into_iter().map(|(key, Text(value))| (key, value)).collect()
}

fn list(texts: Option<Vec<Text>>) -> Vec<String> {
    texts.unwrap_or_default().into_iter().map(|Text(text)| text).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawDescriptor {
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    digest: Option<String>,
    #[serde(default)]
    size: Option<i64>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, Text>>,
    #[serde(default)]
    urls: Option<Vec<Text>>,
    #[serde(default)]
    artifact_type: Option<String>,
    #[serde(default)]
    platform: Option<RawPlatform>,
}

impl RawDescriptor {
    pub(super) fn media_type(&self) -> MediaType {
        MediaType::new(self.media_type.as_deref().unwrap_or_default())
    }

    pub(super) fn platform(&self) -> Option<Platform> {
        self.platform.clone().map(Platform::from)
    }

    pub(super) fn into_descriptor(self) -> Result<Descriptor, DescriptorError> {
        let (media_type, platform) = (self.media_type(), self.platform());
        let digest = Digest::parse(self.digest.as_deref().unwrap_or_default())?;
        let Ok(size) = u64::try_from(self.size.unwrap_or_default()) else {
            return Err(DescriptorError::NegativeSize { digest });
        };
        Ok(Descriptor {
            media_type,
            digest,
            size,
            annotations: texts(self.annotations),
            urls: list(self.urls),
            artifact_type: self.artifact_type.filter(|t| !t.is_empty()).map(|t| MediaType::new(&t)),
            platform,
        })
    }
}

#[derive(Clone, Deserialize)]
pub(super) struct RawPlatform {
    #[serde(default)]
    os: Option<String>,
    #[serde(default)]
    architecture: Option<String>,
    #[serde(default)]
    variant: Option<String>,
    #[serde(default, rename = "os.version")]
    os_version: Option<String>,
    #[serde(default, rename = "os.features")]
    os_features: Option<Vec<Text>>,
}

impl From<RawPlatform> for Platform {
    fn from(raw: RawPlatform) -> Self {
        Self {
            os: raw.os.unwrap_or_default(),
            architecture: raw.architecture.unwrap_or_default(),
            variant: raw.variant.unwrap_or_default(),
            os_version: raw.os_version.unwrap_or_default(),
            os_features: list(raw.os_features),
        }
    }
}
