//! What running a program costs.

use std::io;
use std::mem::MaybeUninit;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ExitStatus};
use std::time::Duration;

/// What a process cost, with those that it has started and waited for.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// The most memory that one of them had, in KiB.
    pub peak_kib: u64,
    /// Time of processors that all of them took.
    pub processor: Duration,
}

/// Waits for a child whose output somebody else reads, or that has none.
pub fn wait(child: &mut Child) -> io::Result<(ExitStatus, Cost)> {
    drop(child.stdin.take());
    let id = libc::pid_t::try_from(child.id()).map_err(io::Error::other)?;
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    #[expect(unsafe_code, reason = "nothing in the standard library tells what a child has used")]
    // SAFETY: both pointers are to places of the types that the call fills, and for `rusage` all bits zero is a value.
    let (waited, usage) = unsafe {
        let waited = libc::wait4(id, &raw mut status, 0, usage.as_mut_ptr());
        (waited, usage.assume_init())
    };
    if waited != id {
        return Err(io::Error::last_os_error());
    }
    let time = |time: libc::timeval| {
        Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_usec).unwrap_or_default() * 1000)
    };
    let cost = Cost {
        peak_kib: usage.ru_maxrss.unsigned_abs(),
        processor: time(usage.ru_utime) + time(usage.ru_stime),
    };
    Ok((ExitStatus::from_raw(status), cost))
}
