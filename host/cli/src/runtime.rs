//! Runtimes, on machines that may refuse threads and files.
//!
//! If the system refuses a thread or a file, tokio panics, and with only some of its workers it may hang. The
//! compiler of plugins, in its own process, panics too. So all threads and files that a command may need are tried
//! out first.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::thread;

use tokio::runtime::{Builder, Runtime};

use super::failure::Failure;
use dray::limits::COMPILE_THREADS;

/// Threads that a command may need in addition to the main one: for signals, the clock of plugins, the pipes of the
/// compiling process, name look-ups and reading files, and in the compiling process.
const THREADS: usize = 10 + COMPILE_THREADS;

/// Pairs of files that a command may need at the same time: for the system, containerd, the registry, and the
/// compiling process.
const PAIRS: usize = 12;

/// A runtime on this thread.
pub(super) fn on_this_thread() -> Result<Runtime, Failure> {
    let refused = |what| move |error: io::Error| Failure::internal(what, &error);
    try_threads(THREADS).map_err(refused("cannot start the threads that dray needs"))?;
    try_files(PAIRS).map_err(refused("cannot open the files that dray needs"))?;
    Ok(Builder::new_current_thread().enable_all().build()?)
}

/// A runtime with a thread per processor, if the system allows that.
pub(super) fn on_all_processors() -> Result<Runtime, Failure> {
    let workers = thread::available_parallelism().map_or(1, Into::into);
    if try_threads(THREADS + workers).is_err() || try_files(PAIRS).is_err() {
        return on_this_thread();
    }
    Ok(Builder::new_multi_thread().worker_threads(workers).enable_all().build()?)
}

/// Starts this many threads at the same time, and ends them.
fn try_threads(count: usize) -> io::Result<()> {
    let all_are_there = Mutex::new(());
    thread::scope(|scope| {
        let waiting = all_are_there.lock();
        let wait = || drop(all_are_there.lock());
        let started = (0..count).try_for_each(|_| thread::Builder::new().spawn_scoped(scope, wait).map(drop));
        drop(waiting);
        started
    })
}

/// Opens this many pairs of files at the same time, and closes them.
fn try_files(pairs: usize) -> io::Result<()> {
    (0..pairs).map(|_| UnixStream::pair()).collect::<io::Result<Vec<_>>>().map(drop)
}
