//! Walks the path to the directory of the store.
//!
//! The path comes from the environment and may belong to another user: `sudo`, for example, may keep that user's
//! `HOME`. The owner of a directory on the path can put a link into it. So the path is walked name by name, and a
//! link is followed only if it must come from this user or root.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, Stat, fstat, mkdirat, openat, readlinkat};
use rustix::io::Errno;

/// Maximum number of links on the path, as in the kernel.
const LINKS: usize = 40;

/// Number of names at the end of the path that may be created: the directory of caches, and two below it. The
/// directories above are a home or a mount; if they are missing, there is a reason.
const MADE: usize = 3;

/// Opens a directory for looking up names in it. Creates up to three at the end of the path.
///
/// Fails with "permission denied" if a link, or the parent of a directory to create, belongs to another user.
pub(super) fn open(place: &Path) -> io::Result<OwnedFd> {
    let mut names = names_of(place);
    let start = if place.is_absolute() { "/" } else { "." };
    let mut at = openat(CWD, start, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let mut links = 0;
    // The rest of the path, the next name last.
    while let Some(name) = names.pop() {
        let found = openat(&at, &name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
        let next = match found {
            Ok(next) => next,
            Err(Errno::NOENT) if names.len() < MADE => {
                make(&at, &name)?;
                names.push(name);
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let stat = fstat(&next)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => at = next,
            FileType::Symlink => {
                links += 1;
                if links > LINKS {
                    return Err(Errno::LOOP.into());
                }
                if is_of_another(&stat) || is_of_another(&fstat(&at)?) {
                    return Err(denied("a link on the way to it belongs to another user"));
                }
                let target = readlinkat(&next, "", Vec::new())?.into_bytes();
                names.extend(names_of(&PathBuf::from(OsString::from_vec(target))));
            }
            _ => return Err(Errno::NOTDIR.into()),
        }
    }
    Ok(at)
}

/// The names of a path, the first one last. The name of the root is absolute, so that it leads there from any
/// directory.
fn names_of(path: &Path) -> Vec<OsString> {
    let names = path.components().rev().filter(|name| *name != Component::CurDir);
    names.map(|name| name.as_os_str().to_owned()).collect()
}

/// Creates a directory for this user alone.
fn make(parent: &OwnedFd, name: &OsString) -> io::Result<()> {
    if is_of_another(&fstat(parent)?) {
        return Err(denied("it would have to be made in a directory of another user"));
    }
    match mkdirat(parent, name, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn is_of_another(stat: &Stat) -> bool {
    stat.st_uid != 0 && stat.st_uid != rustix::process::geteuid().as_raw()
}

fn denied(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, what)
}
