//! Long-running programs that end with the test process.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{OnceLock, mpsc};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A program in the background that writes its output to a file.
///
/// Dropping it sends SIGTERM, then SIGKILL. If the test process dies first, the kernel kills it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// The id of the program, if `child` only starts it and waits for it.
    program: Option<u32>,
    log: PathBuf,
}

impl Process {
    /// Starts `command`. Earlier output in `log` is kept.
    pub fn start(command: &Command, log: &Path) -> io::Result<Self> {
        let output = File::options().create(true).append(true).open(log)?;
        let mut bound = end_with_parent(command);
        bound.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        Ok(Self { child: spawn(bound)?, program: None, log: log.to_owned() })
    }

    /// Starts a `command` that forks: it runs the program in a child and waits for it. Signals go to the program.
    pub fn start_forking(command: &Command, log: &Path) -> io::Result<Self> {
        let mut process = Self::start(command, log)?;
        let id = process.child.id();
        let children = format!("/proc/{id}/task/{id}/children");
        let mut program = None;
        process.wait_until("a program that starts another", || {
            program = fs::read_to_string(&children).ok().and_then(|ids| ids.trim().parse().ok());
            program.is_some()
        });
        process.program = program;
        Ok(process)
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.program.unwrap_or_else(|| self.child.id())
    }

    /// Its output so far.
    pub fn log(&self) -> String {
        fs::read(&self.log).map_or_else(|error| error.to_string(), |log| String::from_utf8_lossy(&log).into())
    }

    /// Waits until `ready` holds. Fails with the log if the program ends first or takes too long.
    pub fn wait_until(&mut self, what: &str, mut ready: impl FnMut() -> bool) {
        // Generous: continuous integration runs compilers on the same cores.
        const PATIENCE: Duration = Duration::from_mins(1);
        let start = Instant::now();
        while !ready() {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("{what} ended before it was ready ({status}):\n{}", self.log());
            }
            assert!(start.elapsed() < PATIENCE, "{what} is not ready after {PATIENCE:?}:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends it with SIGKILL and waits for the end.
    pub fn kill9(&mut self) {
        // Without a running child, the id of the program may belong to another process.
        match self.program {
            Some(id) if matches!(self.child.try_wait(), Ok(None)) => {
                try_signal(id, Signal::KILL);
                signal(self.child.id(), Signal::CONT);
            }
            _ => self.child.kill().expect("an own child can be killed"),
        }
        self.child.wait().expect("an own child can be waited for");
    }

    /// Stops the process: it still accepts connections and bytes, but answers nothing until it is thawed.
    pub fn freeze(&self) {
        signal(self.id(), Signal::STOP);
        let status = format!("/proc/{}/stat", self.id());
        // The state follows the name, which is in parentheses.
        while !fs::read_to_string(&status).expect("a child has a status").contains(") T ") {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Lets a frozen process continue.
    pub fn thaw(&self) {
        signal(self.id(), Signal::CONT);
        // A child that waits for the program stops with it.
        signal(self.child.id(), Signal::CONT);
    }

    /// Ends it with SIGTERM, and with SIGKILL after ten seconds.
    pub fn terminate(&mut self) {
        const PATIENCE: Duration = Duration::from_secs(10);
        if let Ok(None) = self.child.try_wait() {
            // The child was not waited for yet, so its id cannot belong to another process.
            try_signal(self.id(), Signal::TERM);
            // A stopped process does not handle the signal before it continues.
            try_signal(self.id(), Signal::CONT);
            signal(self.child.id(), Signal::CONT);
            if wait_for(&mut self.child, PATIENCE).is_none() {
                self.kill9();
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.terminate();
    }
}

/// Sends a signal to a child that was not waited for.
pub fn signal(id: u32, signal: Signal) {
    // A child that has just ended is a zombie, and signals do it no harm.
    assert!(try_signal(id, signal), "an own child can be signalled");
}

/// Sends a signal to a process. Returns `false` if the process has ended.
fn try_signal(id: u32, signal: Signal) -> bool {
    let pid = i32::try_from(id).ok().and_then(Pid::from_raw).expect("the id of a child is a process id");
    kill_process(pid, signal).is_ok()
}

/// Waits for a child up to a time limit.
pub fn wait_for(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("an own child can be waited for") {
            return Some(status);
        }
        if start.elapsed() >= patience {
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The same command, set up so that the kernel kills the program when the spawning thread ends.
pub(crate) fn end_with_parent(command: &Command) -> Command {
    let mut bound = Command::new("setpriv");
    bound.args(["--pdeathsig", "KILL", "--"]);
    // If the tests run in the background, these signals may be ignored, and programs would inherit that.
    bound.args(["env", "--default-signal=HUP,INT,QUIT"]);
    bound.arg(command.get_program()).args(command.get_args());
    // Callers set the whole environment, so that the developer's has no effect.
    bound.env_clear();
    for (key, value) in command.get_envs() {
        if let Some(value) = value {
            bound.env(key, value);
        }
    }
    if let Some(directory) = command.get_current_dir() {
        bound.current_dir(directory);
    }
    bound
}

type Spawned = mpsc::Sender<io::Result<Child>>;

/// Spawns from a thread that lives as long as the process.
///
/// The kernel counts the spawning *thread* as the parent. A test's thread ends with the test, but several tests may
/// share a fixture.
pub(crate) fn spawn(command: Command) -> io::Result<Child> {
    static SPAWNER: OnceLock<mpsc::Sender<(Command, Spawned)>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (requests, inbox) = mpsc::channel::<(Command, Spawned)>();
        std::thread::spawn(move || {
            for (mut command, answer) in inbox {
                // The requester may have gone away.
                let _ = answer.send(command.spawn());
            }
        });
        requests
    });
    let (answer, child) = mpsc::channel();
    spawner.send((command, answer)).map_err(|_| io::Error::other("the spawning thread has ended"))?;
    child.recv().map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::{Place, Scratch};

    #[test]
    fn a_dropped_process_has_ended_and_its_output_is_kept() {
        let scratch = Scratch::new(Place::Memory);
        let mut command = Command::new("sh");
        command.args(["-c", "echo started; exec sleep 100"]).env("PATH", "/usr/bin:/bin");
        let mut process =
            Process::start(&command, &scratch.path().join("log")).expect("a shell can be started");
        let log = scratch.path().join("log");
        process.wait_until("the shell", || fs::read_to_string(&log).is_ok_and(|log| log == "started\n"));
        let proc = PathBuf::from(format!("/proc/{}", process.id()));
        assert!(proc.exists());
        drop(process);
        assert!(!proc.exists());
    }

    #[test]
    #[should_panic(expected = "ended before it was ready")]
    fn an_early_end_is_told_with_its_output() {
        let scratch = Scratch::new(Place::Memory);
        let mut command = Command::new("false");
        command.env("PATH", "/usr/bin:/bin");
        let mut process = Process::start(&command, &scratch.path().join("log")).expect("it can be started");
        process.wait_until("a program that fails", || false);
    }
}
