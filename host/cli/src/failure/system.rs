//! Hints for limits of the system on this process.

use std::error::Error;
use std::io;

use rustix::io::Errno;

/// A hint for the first cause that is a limit of the system.
pub(super) fn hint(error: &(dyn Error + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(hint) = error.downcast_ref::<io::Error>().and_then(of_io) {
            return Some(hint.to_owned());
        }
        next = error.source();
    }
    None
}

fn of_io(error: &io::Error) -> Option<&'static str> {
    Some(match Errno::from_raw_os_error(error.raw_os_error()?) {
        Errno::MFILE | Errno::NFILE => "raise the limit of open files: `ulimit -n`",
        Errno::AGAIN => {
            "raise the limit of processes and threads: `ulimit -u`, `TasksMax` of the unit, or `pids` of the container"
        }
        Errno::FBIG => "raise the limit of file sizes: `ulimit -f`",
        Errno::NOSPC => "the file system has no free bytes or inodes",
        Errno::DQUOT => "the disk quota of this user is used up",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_the_system_have_hints() {
        let hint = |errno: Errno| hint(&io::Error::from(errno));
        assert!(hint(Errno::MFILE).is_some_and(|hint| hint.contains("ulimit -n")));
        assert!(hint(Errno::FBIG).is_some_and(|hint| hint.contains("ulimit -f")));
        assert_eq!(hint(Errno::NOENT), None);
    }
}
