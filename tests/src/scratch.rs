//! Directories that are removed with their owner, with anything mounted in them.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Once;
use std::time::Duration;

const PREFIX: &str = "dray-tests.";

/// Where a [`Scratch`] is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// In memory: fast, and independent of the file system below the checkout.
    #[default]
    Memory,
    /// On disk, below `TMPDIR`, for measurements and for content larger than memory.
    Disk,
}

impl Place {
    fn parent(self) -> PathBuf {
        let memory = Path::new("/dev/shm");
        match self {
            // Containers often have a /dev/shm of 64 MiB, which one image fills.
            Self::Memory if memory.is_dir() && has_room(memory) => memory.to_owned(),
            Self::Memory | Self::Disk => std::env::temp_dir(),
        }
    }
}

fn has_room(directory: &Path) -> bool {
    const ENOUGH: u64 = 2 << 30;
    rustix::fs::statvfs(directory).is_ok_and(|stat| stat.f_bavail.saturating_mul(stat.f_frsize) >= ENOUGH)
}

/// A private directory. Dropping it unmounts everything below it and removes it.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    /// Locked as long as the directory is in use. The kernel releases the lock when the process dies for any reason,
    /// and the next run then knows that the directory is abandoned.
    _lock: File,
}

impl Scratch {
    /// Creates a directory with a short name, because socket paths are limited to 107 bytes.
    ///
    /// The first call of a process also removes the directories that killed runs left behind.
    pub fn new(place: Place) -> Self {
        static SWEPT: Once = Once::new();
        SWEPT.call_once(|| {
            for place in [Place::Memory, Place::Disk] {
                sweep(&place.parent());
            }
        });
        let parent = place.parent();
        let directory = tempfile::Builder::new()
            .prefix(PREFIX)
            .rand_bytes(6)
            .tempdir_in(&parent)
            .unwrap_or_else(|error| panic!("no directory can be made in {}: {error}", parent.display()));
        let lock = File::open(directory.path()).expect("a new directory can be opened");
        lock.lock().expect("a new directory can be locked");
        Self { path: directory.keep(), _lock: lock }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A path below the directory, as a string, for command lines and configuration files.
    pub fn file(&self, name: &str) -> String {
        self.path.join(name).into_os_string().into_string().expect("scratch paths are ASCII")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.path)
            && !std::thread::panicking()
        {
            panic!("{} stays behind: {error}", self.path.display());
        }
    }
}

/// Removes our directories whose owner is dead.
fn sweep(parent: &Path) {
    // An owner creates the directory and locks it an instant later.
    const FRESH: Duration = Duration::from_mins(1);
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        let is_old = modified.is_ok_and(|time| time.elapsed().is_ok_and(|age| age > FRESH));
        if is_ours
            && is_old
            && let Ok(directory) = File::open(entry.path())
            && directory.try_lock().is_ok()
        {
            // A directory of another user cannot be removed, and need not be.
            let _ = remove(&entry.path());
        }
    }
}

fn remove(directory: &Path) -> io::Result<()> {
    for mount in mounts_below(directory)?.iter().rev() {
        // Lazily: a busy mount disappears with its last user.
        Command::new("umount").arg("--lazy").arg(mount).stdout(Stdio::null()).status()?;
    }
    // Never delete inside a mount that is still there.
    if let Some(mount) = mounts_below(directory)?.first() {
        return Err(io::Error::other(format!("{} is still mounted", mount.display())));
    }
    fs::remove_dir_all(directory)
}

/// The mount points below a directory, in the order of mounting.
pub fn mounts_below(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let table = fs::read_to_string("/proc/self/mountinfo")?;
    let points = table.lines().filter_map(|line| line.split(' ').nth(4)).map(|point| {
        // The kernel writes blanks in this table as octal escapes.
        PathBuf::from(point.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\"))
    });
    Ok(points.filter(|point| point.starts_with(directory)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_directory_is_gone() {
        let scratch = Scratch::new(Place::Disk);
        let path = scratch.path().to_owned();
        fs::create_dir_all(path.join("a/b")).expect("a directory can be made");
        fs::write(path.join("a/b/c"), "content").expect("a file can be written");
        drop(scratch);
        assert!(!path.exists());
    }

    #[test]
    fn a_directory_in_use_is_not_swept() {
        let scratch = Scratch::new(Place::Disk);
        let hour_ago = std::time::SystemTime::now() - Duration::from_hours(1);
        File::open(scratch.path()).and_then(|dir| dir.set_modified(hour_ago)).expect("times can be set");
        sweep(scratch.path().parent().expect("a scratch directory has a parent"));
        assert!(scratch.path().exists());
    }
}
