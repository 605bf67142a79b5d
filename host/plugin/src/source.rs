use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use wasmparser::Parser;
use wasmtime::Engine;

use super::embedded::{self, EMBEDDED, Embedded};
use super::{PluginOrigin, failure};
use dray_core::limits::COMPONENT_BYTES;
use dray_core::oci::{Algorithm, Digest};
use dray_core::verify::digest_of;
use dray_ports::{PluginFailure, PluginFault};

/// The bytes of a component and their origin.
///
/// The bytes start like a component and are at most [`COMPONENT_BYTES`] long. Nothing else is checked. Cloning is
/// cheap.
#[derive(Clone)]
pub struct PluginSource {
    label: Arc<str>,
    origin: PluginOrigin,
    digest: Digest,
    bytes: Bytes,
}

#[derive(Clone)]
enum Bytes {
    Embedded(&'static [u8]),
    Read(Arc<[u8]>),
}

impl PluginSource {
    /// The embedded plugin of this name.
    pub fn embedded(name: &str) -> Option<Self> {
        embedded::find(name).map(Self::of_embedded)
    }

    /// All embedded plugins.
    pub fn all_embedded() -> Vec<Self> {
        EMBEDDED.iter().map(Self::of_embedded).collect()
    }

    pub(super) fn of_embedded(embedded: &Embedded) -> Self {
        let Embedded { name, bytes, .. } = *embedded;
        Self {
            label: name.into(),
            origin: PluginOrigin::Embedded(name),
            digest: digest_of(Algorithm::Sha256, bytes),
            bytes: Bytes::Embedded(bytes),
        }
    }

    /// Reads a component from a file.
    ///
    /// # Errors
    ///
    /// Fails with [`PluginFault::Unreadable`] if the file cannot be read, is too large (then it is not read), or does
    /// not hold a component.
    pub fn read(path: &Path) -> Result<Self, PluginFailure> {
        let label = path.display().to_string();
        let bytes = read_bounded(path, &label)?;
        check_preamble(&bytes, &label)?;
        let digest = digest_of(Algorithm::Sha256, &bytes);
        let origin = PluginOrigin::File(path.to_owned());
        Ok(Self { label: label.into(), origin, digest, bytes: Bytes::Read(bytes.into()) })
    }

    /// The name of an embedded plugin, or the file as given.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Where the component comes from.
    pub fn origin(&self) -> &PluginOrigin {
        &self.origin
    }

    /// Whether the plugin is embedded.
    pub fn is_embedded(&self) -> bool {
        matches!(self.origin, PluginOrigin::Embedded(_))
    }

    /// SHA-256 of the bytes.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Embedded(bytes) => bytes,
            Bytes::Read(bytes) => bytes,
        }
    }
}

fn read_bounded(path: &Path, label: &str) -> Result<Vec<u8>, PluginFailure> {
    let cannot = |source: io::Error| {
        failure::unreadable(label, format!("cannot read plugin `{label}`")).caused_by(source)
    };
    // Otherwise opening a named pipe would wait for a writer.
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(nonblocking).open(path).map_err(cannot)?;
    let metadata = file.metadata().map_err(cannot)?;
    if !metadata.is_file() {
        return Err(failure::unreadable(label, format!("plugin `{label}` is not a regular file")).into());
    }
    let too_large = |size: u64| {
        failure::unreadable(
            label,
            format!("plugin `{label}` has {size} bytes or more, at most {COMPONENT_BYTES} are accepted"),
        )
    };
    if metadata.len() > COMPONENT_BYTES {
        return Err(too_large(metadata.len()).into());
    }
    // The file may grow while it is read.
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default());
    file.take(COMPONENT_BYTES + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > COMPONENT_BYTES {
        return Err(too_large(bytes.len() as u64).into());
    }
    Ok(bytes)
}

fn check_preamble(bytes: &[u8], label: &str) -> Result<(), PluginFailure> {
    if Parser::is_component(bytes) {
        return Ok(());
    }
    let (what, hint) = if bytes.is_empty() {
        ("is an empty file", None)
    } else if Engine::detect_precompiled(bytes).is_some() {
        ("is compiled code", Some("give the component itself: dray loads only code that it compiled"))
    } else if Parser::is_core_wasm(bytes) {
        (
            "is a WebAssembly module, not a component",
            Some("make a component of it, for example with `wasm-tools component new`"),
        )
    } else if bytes.trim_ascii_start().starts_with(b"(") {
        ("is WebAssembly text", Some("translate it first, for example with `wasm-tools parse`"))
    } else {
        ("is not a WebAssembly component", None)
    };
    let failure = failure::Failure::new(PluginFault::Unreadable, label, format!("plugin `{label}` {what}"));
    Err(failure.hint(hint).into())
}
