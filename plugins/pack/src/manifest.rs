use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::Kind;

/// Which components there are, and which sources they were built from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    /// What compiled the modules. Another toolchain makes other bytes of the same sources.
    pub(crate) toolchain: String,
    /// The components.
    pub(crate) components: Vec<Entry>,
}

/// One component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// Name of the plugin and of its directory.
    pub(crate) name: String,
    /// Version of the plugin.
    pub(crate) version: String,
    /// What it is for.
    pub(crate) kind: Kind,
    /// Its file, beside the manifest.
    pub(crate) file: String,
    /// SHA-256 over the paths and digests of the sources.
    pub(crate) sources: String,
    /// The built bytes.
    pub(crate) component: Bytes,
}

/// What bytes are expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bytes {
    pub(crate) sha256: String,
    pub(crate) size: u64,
}

impl Bytes {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self { sha256: sha256(bytes), size: bytes.len() as u64 }
    }
}

impl Entry {
    pub(crate) fn new(name: &str, kind: Kind, sources: String, component: &[u8]) -> Self {
        Self {
            name: name.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            kind,
            file: format!("{name}.wasm"),
            sources,
            component: Bytes::of(component),
        }
    }
}

const FILE: &str = "manifest.json";

impl Manifest {
    pub(crate) fn read(dist: &Path) -> anyhow::Result<Self> {
        let path = dist.join(FILE);
        let text = fs::read(&path).with_context(|| format!("reading `{}`", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("reading `{}`", path.display()))
    }

    pub(crate) fn write(&self, dist: &Path) -> anyhow::Result<()> {
        let path = dist.join(FILE);
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        fs::write(&path, text).with_context(|| format!("writing `{}`", path.display()))
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
