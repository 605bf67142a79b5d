//! What can be done where this process meets a limit of the system.

use std::error::Error;
use std::io;

use rustix::io::Errno;

/// What can be done if the system denied something for want of room: a hint for the first such cause.
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
    fn limits_say_which_they_are() {
        let hint = |errno: Errno| hint(&io::Error::from(errno));
        assert!(hint(Errno::MFILE).is_some_and(|hint| hint.contains("ulimit -n")));
        assert!(hint(Errno::FBIG).is_some_and(|hint| hint.contains("ulimit -f")));
        assert_eq!(hint(Errno::NOENT), None);
    }
}
