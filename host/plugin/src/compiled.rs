//! The store of compiled plugins: machine code from earlier runs, checked before use.
//!
//! Foreign machine code would run outside of any sandbox. Therefore an entry is used only if its HMAC is right. Its
//! secret is in a file beside the entries that only the owner can read. An irregular entry (truncated, changed, of
//! another owner, writable by others, a link) is set aside under another name, with a log line, and the plugin is
//! compiled again. No fault of the store fails a command.
//!
//! This protects against damage, against entries from elsewhere (the cache of a build service, a copied home
//! directory, a shared file system), and against other users of the machine. It does not protect against processes of
//! the same user or of root: they can read the secret, and could as well replace this program.
//!
//! An entry is one file: a header with the tag, then the code. It is read into memory of this process, the tag is
//! checked there, and the code is loaded from the same memory. So later changes of the file have no effect, as they
//! would with a mapped file. The copy takes a fraction of a millisecond for usual plugins.
//!
//! An entry exists only for a component that passed the comparison with this host's interfaces for one kind
//! of plugin and one set of grants; kind, grants and version of the program are part of its key. That is why a
//! found entry needs no look at the component itself.

mod directory;
mod entry;
mod key;
mod prune;
mod way;

use std::io;
use std::path::Path;

use wasmtime::Engine;
use wasmtime::component::Component;

use self::directory::Directory;
use self::entry::EntryError;
use self::key::Key;
use super::{Grants, PluginKind, PluginSource};
use dray_core::limits::COMPILED_STORE_BYTES;

/// An open store.
pub(super) struct CompiledStore {
    directory: Directory,
    secret: [u8; entry::SECRET_BYTES],
}

impl CompiledStore {
    /// Opens or creates a store. `None`, with a log line, if the directory cannot be used.
    pub(super) fn open(place: &Path) -> Option<Self> {
        let opened = Directory::open(place).and_then(|directory| {
            let secret = directory.secret()?;
            Ok(Self { directory, secret })
        });
        opened
            .inspect_err(|error| {
                let place = place.display();
                match error.kind() {
                    // As with `sudo` that keeps the user's home: this is normal, and root must not write files into
                    // that user's directory.
                    io::ErrorKind::PermissionDenied if rustix::process::geteuid().is_root() => {
                        tracing::debug!(%place, %error, "compiled plugins are not kept");
                        return;
                    }
                    // As for a system user without a home.
                    io::ErrorKind::NotFound => {
                        tracing::info!(%place, %error, "compiled plugins are not kept");
                        return;
                    }
                    _ => {}
                }
                tracing::warn!(%place, %error, "compiled plugins are not kept: the store cannot be used");
            })
            .ok()
    }

    /// The code of a component for one kind of plugin with these grants, if it is here and can be trusted.
    pub(super) fn find(
        &self,
        engine: &Engine,
        source: &PluginSource,
        kind: PluginKind,
        grants: &Grants,
    ) -> Option<Component> {
        let key = Key::new(engine, source.digest(), kind, grants);
        let name = key.file_name();
        let loaded = match self.directory.read(&name, COMPILED_STORE_BYTES) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => Err(EntryError::File(error)),
            Ok(file) => entry::open(&file, &key, &self.secret).and_then(|code| load(engine, &code)),
        };
        match loaded {
            Ok(component) => {
                self.directory.touch(&name);
                Some(component)
            }
            Err(error) => {
                tracing::warn!(
                    plugin = source.label(),
                    entry = %name,
                    reason = %error,
                    "compiled code is put aside and made again"
                );
                self.directory.put_aside(&name);
                None
            }
        }
    }

    /// Stores the code of a component. The engine must have compiled it.
    pub(super) fn keep(
        &self,
        engine: &Engine,
        source: &PluginSource,
        kind: PluginKind,
        grants: &Grants,
        code: &[u8],
    ) {
        let key = Key::new(engine, source.digest(), kind, grants);
        let kept = self.directory.write(&key.file_name(), &[&entry::seal(&key, code, &self.secret), code]);
        if let Err(error) = kept {
            tracing::warn!(plugin = source.label(), %error, "compiled code cannot be kept");
        }
        prune::prune(&self.directory, COMPILED_STORE_BYTES);
    }
}

/// A hash of everything that all components of this build have in common.
pub(super) fn build() -> &'static [u8; 32] {
    key::build()
}

/// Loads code whose tag was checked.
fn load(engine: &Engine, code: &Authentic<'_>) -> Result<Component, EntryError> {
    #[expect(unsafe_code, reason = "loading machine code trusts whoever made it")]
    // SAFETY: `deserialize` wants bytes that this engine's compiler made, unchanged. `Authentic` is made only by
    // `entry::open`, after the HMAC over exactly these bytes was found right; a right tag can only be made by
    // `entry::seal` with this store's secret, and `keep`, its only caller, seals what the compiler returned.
    // The bytes are private memory of this process, and the call copies them before it reads them.
    let component = unsafe { Component::deserialize(engine, code.0) };
    component.map_err(EntryError::Engine)
}

/// Code that this store sealed.
struct Authentic<'a>(&'a [u8]);
