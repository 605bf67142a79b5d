//! A mount namespace and a process namespace that the programs of one test share.
//!
//! A killed daemon leaves dead FUSE mounts and child processes behind. In an enclosure, the kernel removes both. Programs in
//! it use the network and the files of the test, except for `/run`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use crate::process::Process;
use crate::scratch::{Place, Scratch};
use crate::tools::{self, Missing, SEARCH_PATH};

/// A mount namespace and a process namespace. Dropping it ends all their mounts and processes.
#[derive(Debug)]
pub struct Enclosure {
    /// The init process of the process namespace. The kernel ends all other processes with it.
    first: Mutex<Process>,
    id: u32,
    _scratch: Scratch,
}

impl Enclosure {
    /// Creates one without programs.
    pub fn new() -> Result<Self, Missing> {
        tools::root()?;
        let scratch = Scratch::new(Place::Memory);
        let mut command = Command::new("unshare");
        command.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
        // Shims and `ctr` keep sockets and pipes in /run/containerd, whichever containerd they belong to.
        command.args(["sh", "-c", "mount -t tmpfs tmpfs /run && exec sleep infinity"]);
        command.env("PATH", SEARCH_PATH);
        let log = scratch.path().join("log");
        let mut first = Process::start_forking(&command, &log).expect("unshare can be started");
        // The child becomes `sleep` when the namespaces are ready.
        let program = format!("/proc/{}/comm", first.id());
        first.wait_until("unshare", || std::fs::read_to_string(&program).is_ok_and(|name| name == "sleep\n"));
        Ok(Self { id: first.id(), first: Mutex::new(first), _scratch: scratch })
    }

    /// Kills all processes, and waits for their end.
    pub fn end(&self) {
        // Init handles no other signal. It ends after all other processes of its namespace.
        self.first.lock().unwrap_or_else(PoisonError::into_inner).kill9();
    }

    /// Wraps a command to run in the enclosure. The result forks: see [`Process::start_forking`].
    pub fn command(&self, command: &Command) -> Command {
        let mut words = self.starter().into_iter();
        let mut inside = Command::new(words.next().expect("it is a program"));
        inside.args(words);
        inside.arg(command.get_program()).args(command.get_args());
        for (key, value) in command.get_envs() {
            if let Some(value) = value {
                inside.env(key, value);
            }
        }
        if let Some(directory) = command.get_current_dir() {
            inside.current_dir(directory);
        }
        inside
    }

    /// The words before a command line that have it run in the enclosure.
    pub fn starter(&self) -> Vec<String> {
        let id = self.id.to_string();
        // nsenter waits for the program; if nsenter is killed, the program must end too.
        let words =
            ["nsenter", "--target", &id, "--mount", "--pid", "--", "setpriv", "--pdeathsig", "KILL", "--"];
        words.map(str::to_owned).into()
    }

    /// A path through which programs outside see `path` of the enclosure, with its mounts.
    pub fn path(&self, path: &Path) -> PathBuf {
        let path = path.strip_prefix("/").expect("a path is absolute");
        Path::new("/proc").join(self.id.to_string()).join("root").join(path)
    }
}

impl Drop for Enclosure {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::end_with_parent;
    use crate::require;

    #[test]
    fn mounts_and_processes_end_with_it() {
        let scratch = Scratch::new(Place::Memory);
        let enclosure = require!(Enclosure::new());
        let script = format!(
            "mount -t tmpfs tmpfs {0}; echo hello >{0}/file; sleep 1234 >/dev/null 2>&1 & echo $! >{0}/child",
            scratch.path().display()
        );
        let mut command = Command::new("sh");
        command.args(["-c", &script]).env("PATH", SEARCH_PATH);
        let output = end_with_parent(&enclosure.command(&command)).output().expect("it can be started");
        assert!(output.status.success(), "{output:?}");

        let read = |path: &Path| std::fs::read_to_string(path);
        assert_eq!(read(&enclosure.path(&scratch.path().join("file"))).expect("it is there"), "hello\n");
        assert!(read(&scratch.path().join("file")).is_err(), "the mount is seen outside");
        let child = enclosure.path(&scratch.path().join("child"));
        let child = read(&child).expect("it is there").trim().to_owned();
        let child = enclosure.path(&Path::new("/proc").join(child));
        assert!(read(&child.join("cmdline")).expect("it runs").starts_with("sleep"));
        let first = PathBuf::from(format!("/proc/{}", enclosure.id));
        assert!(first.exists());
        drop(enclosure);
        assert!(!first.exists(), "init is still running");
    }
}
