//! The directory of the store, and safe access to its files.
//!
//! Files are opened relative to the open directory and never through a link. Owner and mode are read from the open
//! file. Files are written under a temporary name and renamed when they are on disk, so that a reader finds the old
//! file, the new one, or none.

use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::time::SystemTime;

use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt as _};
use cap_std::fs::{Dir, File, Metadata, MetadataExt as _, OpenOptions, OpenOptionsExt as _};
use rand::{Rng as _, RngCore as _};
use rustix::fs::OFlags;

use super::entry::SECRET_BYTES;
use super::{key, way};

/// Name of the file with the secret. It is shorter than the name of any entry.
pub(super) const SECRET: &str = "secret";

/// Prefix of the names of unfinished files. Sixteen hexadecimal digits follow.
pub(super) const UNFINISHED: &str = ".new-";

/// Suffix of the names of files that were set aside.
const ASIDE: &str = ".aside";

/// Whether the store may remove a file of this name.
fn is_removable(name: &str) -> bool {
    let aside = name.strip_suffix(ASIDE);
    let unfinished = name.strip_prefix(UNFINISHED);
    aside == Some(SECRET)
        || key::is_file_name(aside.unwrap_or(name))
        || unfinished.is_some_and(|digits| digits.len() == 16 && is_hex(digits))
}

/// Whether a text consists of lower-case hexadecimal digits.
pub(super) fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// An open directory that belongs to this user and that no other user can write to.
pub(super) struct Directory(Dir);

impl Directory {
    /// Opens a directory, and creates it with up to two parents. Fails with "permission denied" if it belongs to
    /// another user, or if another user chose a link on its path.
    pub(super) fn open(place: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(way::open(place)?, ".", flags, rustix::fs::Mode::empty())?;
        let directory = Dir::from_std_file(opened.into());
        let metadata = directory.dir_metadata()?;
        if is_of_another(&metadata) {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, OTHER_OWNER));
        }
        check_owner(&metadata, 0o022)?;
        Ok(Self(directory))
    }

    /// The secret, which is created on first use.
    pub(super) fn secret(&self) -> io::Result<[u8; SECRET_BYTES]> {
        match self.read_secret() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            // The secret belongs to another user, and so do the entries.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "the secret of the store of compiled plugins is put aside");
                self.put_aside(SECRET);
            }
            Ok(secret) => return Ok(secret),
        }
        let mut secret = [0; SECRET_BYTES];
        rand::rng().fill_bytes(&mut secret);
        let unfinished = self.write_new(&[&secret])?;
        // A hard link does not replace a file: if two processes create a secret, the first one stays.
        let linked = self.0.hard_link(&unfinished, &self.0, SECRET);
        self.0.remove_file(&unfinished)?;
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => self.read_secret(),
        }
    }

    fn read_secret(&self) -> io::Result<[u8; SECRET_BYTES]> {
        let bytes = self.read_guarded(SECRET, SECRET_BYTES as u64, 0o077)?;
        bytes.try_into().map_err(|_| odd("it is short"))
    }

    /// Reads a whole file that only this user can write to.
    pub(super) fn read(&self, name: &str, limit: u64) -> io::Result<Vec<u8>> {
        self.read_guarded(name, limit, 0o022)
    }

    fn read_guarded(&self, name: &str, limit: u64, forbidden: u32) -> io::Result<Vec<u8>> {
        let mut options = OpenOptions::new();
        // Otherwise opening a named pipe would wait for a writer.
        options.read(true).follow(FollowSymlinks::No).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
        let file = self.0.open_with(name, &options).map_err(|error| {
            if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) {
                odd("it is a symbolic link")
            } else {
                error
            }
        })?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(odd("it is not a regular file"));
        }
        check_owner(&metadata, forbidden)?;
        if metadata.len() > limit {
            return Err(odd("it is too large"));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default());
        file.take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Writes a file of these parts, or replaces it as a whole.
    pub(super) fn write(&self, name: &str, parts: &[&[u8]]) -> io::Result<()> {
        let unfinished = self.write_new(parts)?;
        self.0.rename(&unfinished, &self.0, name).inspect_err(|_| {
            let _ = self.0.remove_file(&unfinished);
        })
    }

    /// Writes a file to disk under a temporary name.
    fn write_new(&self, parts: &[&[u8]]) -> io::Result<String> {
        let name = format!("{UNFINISHED}{:016x}", rand::rng().random::<u64>());
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let mut file = self.0.open_with(&name, &options)?;
        let written = parts.iter().try_for_each(|part| file.write_all(part)).and_then(|()| file.sync_all());
        written.map(|()| name.clone()).inspect_err(|_| {
            let _ = self.0.remove_file(&name);
        })
    }

    /// Takes a file out of use. It is kept under another name for diagnosis, until the store needs its space.
    pub(super) fn put_aside(&self, name: &str) {
        let aside = format!("{name}{ASIDE}");
        if self.0.rename(name, &self.0, &aside).is_err() {
            // For example a directory in place of a file.
            tracing::debug!(name, "cannot be put aside");
        }
    }

    /// Marks a file as used now.
    pub(super) fn touch(&self, name: &str) {
        let mut options = OpenOptions::new();
        options.read(true).follow(FollowSymlinks::No);
        // On failure the file only counts as less recently used.
        let _ = self
            .0
            .open_with(name, &options)
            .map(File::into_std)
            .and_then(|file| file.set_modified(SystemTime::now()));
    }

    /// The files of the store except the secret, with size and time of last use. Files with foreign names are
    /// skipped.
    pub(super) fn files(&self) -> io::Result<Vec<(String, u64, SystemTime)>> {
        let mut files = Vec::new();
        for entry in self.0.entries()? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let metadata = self.0.symlink_metadata(&name)?;
            if is_removable(&name) && !metadata.is_dir() {
                files.push((name, metadata.len(), metadata.modified()?.into_std()));
            }
        }
        Ok(files)
    }

    /// Removes a file.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        self.0.remove_file(name)
    }
}

/// Checks that the owner is this user or root, and that no other user has the access in `forbidden`.
fn check_owner(metadata: &Metadata, forbidden: u32) -> io::Result<()> {
    if is_of_another(metadata) {
        return Err(odd(OTHER_OWNER));
    }
    if metadata.mode() & forbidden != 0 {
        return Err(odd("others have access to it"));
    }
    Ok(())
}

fn is_of_another(metadata: &Metadata) -> bool {
    let owner = metadata.uid();
    owner != 0 && owner != rustix::process::geteuid().as_raw()
}

const OTHER_OWNER: &str = "it belongs to another user";

fn odd(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
