//! A pseudo-terminal for programs whose output depends on one.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::process::{end_with_parent, spawn, wait_for};
use crate::scratch::Scratch;

/// The size of a terminal, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    /// Lines.
    pub rows: u16,
    /// Characters in a line.
    pub columns: u16,
}

impl Default for Screen {
    fn default() -> Self {
        Self { rows: 24, columns: 80 }
    }
}

/// A program on its own terminal, as the foreground process.
#[derive(Debug)]
pub struct Terminal {
    child: Child,
    keyboard: File,
    printed: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
    /// A directory that the program needs while it runs.
    home: Option<Arc<Scratch>>,
}

impl Terminal {
    /// Keeps a directory until the program ends.
    #[must_use]
    pub fn keeping(mut self, home: Arc<Scratch>) -> Self {
        self.home = Some(home);
        self
    }

    /// Starts `command` with only the environment that is set on it.
    pub fn start(command: &Command, screen: Screen) -> io::Result<Self> {
        let (ours, theirs) = open(screen)?;
        // `setsid --ctty` makes standard input the controlling terminal, so that ctrl-c and resizing become signals.
        let mut session = Command::new("setsid");
        session.arg("--ctty").arg(command.get_program()).args(command.get_args());
        session.envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))));
        if let Some(directory) = command.get_current_dir() {
            session.current_dir(directory);
        }
        let mut session = end_with_parent(&session);
        session.stdin(Stdio::from(theirs.try_clone()?));
        session.stdout(Stdio::from(theirs.try_clone()?)).stderr(Stdio::from(theirs));
        let child = spawn(session)?;

        let mut display = File::from(ours.try_clone()?);
        let printed = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&printed);
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // Reading fails when the last program on the terminal ends.
            while let Ok(length @ 1..) = display.read(&mut buffer) {
                sink.lock().expect("no holder panics").extend_from_slice(&buffer[..length]);
            }
        });
        Ok(Self { child, keyboard: File::from(ours), printed, reader: Some(reader), home: None })
    }

    /// The output so far, including control characters.
    pub fn printed(&self) -> String {
        String::from_utf8_lossy(&self.printed.lock().expect("no holder panics")).into_owned()
    }

    /// Waits until the program has printed `text`.
    pub fn wait_for(&self, text: &str) {
        self.wait_for_behind(0, text);
    }

    /// Waits until the program has printed `text` after this many bytes of output.
    pub fn wait_for_behind(&self, bytes: usize, text: &str) {
        const PATIENCE: Duration = Duration::from_mins(1);
        let start = Instant::now();
        while !self.printed().get(bytes..).is_some_and(|printed| printed.contains(text)) {
            assert!(start.elapsed() < PATIENCE, "no `{text}` after {PATIENCE:?}:\n{}", self.printed());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Types keys, for example `"\x03"` for ctrl-c.
    pub fn type_in(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("a terminal takes keys");
    }

    /// Changes the size of the terminal and signals it.
    pub fn resize(&self, screen: Screen) {
        let size = window(screen);
        #[expect(unsafe_code, reason = "the standard library has no call for it")]
        // SAFETY: the descriptor is open, and the kernel only reads `size`, which lives across the call.
        let result = unsafe { libc::ioctl(self.keyboard.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
        assert_eq!(result, 0, "{}", io::Error::last_os_error());
    }

    /// Waits for the end of the program. Returns its status and output.
    pub fn wait(mut self) -> (ExitStatus, String) {
        const PATIENCE: Duration = Duration::from_mins(5);
        let status = wait_for(&mut self.child, PATIENCE);
        let status =
            status.unwrap_or_else(|| panic!("it still runs after {PATIENCE:?}:\n{}", self.printed()));
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the reader does not panic");
        }
        (status, self.printed())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Fails if the program has ended, which is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn window(screen: Screen) -> libc::winsize {
    libc::winsize { ws_row: screen.rows, ws_col: screen.columns, ws_xpixel: 0, ws_ypixel: 0 }
}

/// Both ends of a new terminal: ours and the program's.
#[expect(unsafe_code, reason = "the standard library has no call for it")]
fn open(screen: Screen) -> io::Result<(OwnedFd, OwnedFd)> {
    let (mut ours, mut theirs) = (-1, -1);
    let size = window(screen);
    // SAFETY: both descriptors are valid places to write to, no name is asked for, and the kernel's library
    // only reads `size`.
    let result = unsafe {
        libc::openpty(&raw mut ours, &raw mut theirs, std::ptr::null_mut(), std::ptr::null(), &raw const size)
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: both descriptors were just opened, and nothing else owns them.
    let (ours, theirs) = unsafe { (OwnedFd::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs)) };
    // If they were inherited, the program of another test could keep this terminal open.
    for end in [&ours, &theirs] {
        rustix::io::fcntl_setfd(end, rustix::io::FdFlags::CLOEXEC)?;
    }
    Ok((ours, theirs))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]).env("PATH", "/usr/bin:/bin");
        command
    }

    #[test]
    fn a_program_sees_a_terminal_of_that_size() {
        let terminal = Terminal::start(&shell("stty size; test -t 2"), Screen { rows: 30, columns: 100 });
        let (status, printed) = terminal.expect("a terminal can be opened").wait();
        assert!(status.success());
        assert_eq!(printed, "30 100\r\n");
    }

    #[test]
    fn ctrl_c_interrupts() {
        let terminal = Terminal::start(
            &shell("trap 'exit 7' INT; echo go; while :; do sleep 0.1; done"),
            Screen::default(),
        );
        let mut terminal = terminal.expect("a terminal can be opened");
        terminal.wait_for("go");
        terminal.type_in("\x03");
        assert_eq!(terminal.wait().0.code(), Some(7));
    }

    #[test]
    fn resizing_is_told() {
        let script = "trap 'stty size; exit' WINCH; echo go; while :; do sleep 0.1; done";
        let terminal = Terminal::start(&shell(script), Screen::default()).expect("a terminal can be opened");
        terminal.wait_for("go");
        terminal.resize(Screen { rows: 10, columns: 40 });
        assert!(terminal.wait().1.contains("10 40"));
    }
}
