//! Runs a program, and writes what it cost to a file: `cost FILE PROGRAM [ARGUMENT...]`. Its exit status is that of the
//! program.
//!
//! For the peak memory of a new process, the kernel also counts the memory that its parent had at the start. This
//! program is small, so that the figure is that of the program it starts.

use std::ffi::OsString;
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use dray_tests::cost::Cost;

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let [file, program, arguments @ ..] = arguments.as_slice() else {
        return Err(anyhow!("usage: cost FILE PROGRAM [ARGUMENT...]"));
    };
    let child = Command::new(program).args(arguments).spawn().context("the program cannot be started")?;
    let (ended, cost) = wait(&child).context("the program cannot be waited for")?;
    std::fs::write(file, serde_json::to_vec(&cost)?).context("the file of the cost cannot be written")?;
    let code = ended.code().ok_or_else(|| anyhow!("the program ended by a signal: {ended}"))?;
    Ok(ExitCode::from(u8::try_from(code)?))
}

fn wait(child: &Child) -> io::Result<(ExitStatus, Cost)> {
    let id = libc::pid_t::try_from(child.id()).map_err(io::Error::other)?;
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    #[expect(unsafe_code, reason = "the standard library does not tell what a child has used")]
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
