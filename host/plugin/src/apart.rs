//! Reads and compiles a component from outside in another process of this program.
//!
//! The process limits itself before it reads a byte, and ends with its parent. The protocol over its pipes:
//!
//! 1. The process sends the hash of its build.
//! 2. The parent sends the length of the component, and the component.
//! 3. The process sends the length of an answer, and the answer: the shape of the component, or why it is refused.
//! 4. The parent sends one byte if it needs the machine code, and otherwise closes the pipe.
//! 5. The process sends the code, and ends.
//!
//! The limits of reading are lower than those of compiling, which apply from step 4 on.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, ExitStatus, Stdio};
use std::time::Duration;
use std::{panic, thread};

use rustix::process::{Resource, Rlimit, Signal};
use wasmtime::Engine;

use super::compiler::{compiler_fails, panic_text};
use super::failure::{Cause, Failure, incompatible, unreadable};
use super::imports::component_failure;
use super::shape::{self, Shape};
use super::text::clean;
use super::weight::ComponentError;
use super::{PluginSource, compiled, engine};
use dray_core::limits::{
    COMPILE_MEMORY_BYTES, COMPILE_THREADS, COMPILE_TIMEOUT, COMPILED_STORE_BYTES, COMPONENT_BYTES,
    READ_ANSWER_BYTES, READ_MEMORY_BYTES, READ_TIME,
};
use dray_ports::{PluginFailure, PluginFault};
use dray_rules::limits::TEXT_BYTES;

/// Exit codes of the process. The first is that of [`ExitCode::FAILURE`].
const REFUSED: u8 = 1;
const TOO_SLOW: u8 = 3;
/// The component is not at fault.
const UNABLE: u8 = 4;
const PANICKED: u8 = 5;

/// A started process that waits for a component.
pub(super) struct Process {
    child: Child,
    input: Option<ChildStdin>,
    output: ChildStdout,
    /// Its task, for messages.
    task: &'static str,
}

/// A process that has read a component and is ready to compile it.
pub(super) struct Reader {
    pub(super) shape: Shape,
    process: Process,
}

impl Process {
    /// Starts this program with an argument.
    pub(super) fn start(argument: &str) -> io::Result<Self> {
        let mut child = match spawn(Path::new("/proc/self/exe"), argument) {
            // There is no `/proc`, or the program was removed. Its name may now refer to another program, which would
            // send another greeting.
            Err(error) if error.kind() == io::ErrorKind::NotFound => spawn(&started_as(), argument)?,
            other => other?,
        };
        let pipes = child.stdin.take().zip(child.stdout.take());
        let Some((input, output)) = pipes else { return Err(io::ErrorKind::BrokenPipe.into()) };
        let mut process = Self { child, input: Some(input), output, task: "reading" };
        let mut greeting = [0; GREETING_BYTES];
        match process.output.read_exact(&mut greeting) {
            Ok(()) if greeting == self::greeting() => Ok(process),
            Ok(()) => Err(io::Error::other("the program that was started is another one")),
            Err(_) => {
                let said = process.said();
                let ended = process.child.wait()?;
                Err(io::Error::other(format!("the process ended with {ended}: {said}")))
            }
        }
    }

    /// Sends the component, and receives its shape.
    pub(super) fn read(mut self, source: &PluginSource) -> Result<Reader, PluginFailure> {
        let label = source.label();
        match self.converse(source.bytes()) {
            Ok(Ok(shape)) => Ok(Reader { shape, process: self }),
            Ok(Err(error)) => Err(component_failure(label, error)),
            Err(error) => Err(self.judge(label, error)),
        }
    }

    fn converse(&mut self, component: &[u8]) -> io::Result<Result<Shape, ComponentError>> {
        self.send(&(component.len() as u64).to_le_bytes())?;
        self.send(component)?;
        let mut length = [0; 8];
        self.output.read_exact(&mut length)?;
        let length = u64::from_le_bytes(length);
        if length > READ_ANSWER_BYTES {
            return Err(io::Error::other(format!("the answer has {length} bytes")));
        }
        let mut answer = Vec::new();
        (&mut self.output).take(length).read_to_end(&mut answer)?;
        Ok(serde_json::from_slice(&answer)?)
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.input.as_mut().ok_or(io::ErrorKind::BrokenPipe)?.write_all(bytes)
    }

    /// The beginning of its standard error.
    fn said(&mut self) -> String {
        let mut said = Vec::new();
        if let Some(errors) = self.child.stderr.take() {
            let _ = errors.take(TEXT_BYTES as u64).read_to_end(&mut said);
        }
        clean(String::from_utf8_lossy(&said).trim(), TEXT_BYTES)
    }

    /// Why it failed, from the way it ended, or else from the error on this side.
    fn judge(mut self, label: &str, error: io::Error) -> PluginFailure {
        self.input = None;
        // If it still runs, the protocol was violated.
        let _ = self.child.kill();
        let said = self.said();
        match self.child.wait() {
            Ok(ended) => judge(label, self.task, ended, &said, Some(error)),
            Err(error) => cannot(label, self.task, error),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It ends at the end of its input. A child that is not waited for stays in the process table.
        self.input = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Reader {
    /// Compiles the component.
    pub(super) fn compile(self, label: &str) -> Result<Vec<u8>, PluginFailure> {
        let mut process = self.process;
        process.task = "compiling";
        let mut code = Vec::new();
        let read = process
            .send(&[GO])
            .and_then(|()| (&mut process.output).take(COMPILED_STORE_BYTES).read_to_end(&mut code));
        if let Err(error) = read {
            return Err(process.judge(label, error));
        }
        let said = process.said();
        match process.child.wait() {
            Ok(ended) if ended.success() => Ok(code),
            Ok(ended) => Err(judge(label, process.task, ended, &said, None)),
            Err(error) => Err(cannot(label, process.task, error)),
        }
    }
}

/// The byte with which the parent requests compilation.
const GO: u8 = b'c';

const GREETING_BYTES: usize = 40;

/// The hash of this build.
fn greeting() -> [u8; GREETING_BYTES] {
    let mut greeting = *b"drayread................................";
    greeting[8..].copy_from_slice(compiled::build());
    greeting
}

fn spawn(program: &Path, argument: &str) -> io::Result<Child> {
    Command::new(program)
        .arg(argument)
        .env_clear()
        // Ctrl-c must reach only this program, which then ends the child.
        .process_group(0)
        .env("RAYON_NUM_THREADS", threads().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

/// The file of this program as passed to the kernel. A bare name is relative to the working directory.
fn started_as() -> PathBuf {
    Path::new(".").join(OsStr::from_bytes(rustix::param::linux_execfn().to_bytes()))
}

fn threads() -> usize {
    thread::available_parallelism().map_or(1, Into::into).min(COMPILE_THREADS)
}

fn judge(label: &str, task: &str, ended: ExitStatus, said: &str, error: Option<io::Error>) -> PluginFailure {
    let message = |what: &str| format!("{task} plugin `{label}` {what}");
    let too_slow =
        Failure::new(PluginFault::Timeout, label, message("takes too long")).hint(Some(SMALLER)).because(
            Cause(format!("it may take {:?}", if task == "reading" { READ_TIME } else { COMPILE_TIMEOUT })),
        );
    let said = said.to_owned();
    match (ended.code().and_then(|code| u8::try_from(code).ok()), ended.signal()) {
        (Some(TOO_SLOW), _) => too_slow.into(),
        (Some(REFUSED), _) => {
            unreadable(label, format!("plugin `{label}` does not compile")).caused_by(Cause(said))
        }
        (Some(UNABLE), _) => {
            incompatible(label, format!("plugin `{label}` cannot be compiled on this machine"))
                .caused_by(Cause(said))
        }
        (Some(PANICKED), _) => compiler_fails(label, said),
        (_, Some(signal)) if signal == Signal::XCPU.as_raw() => too_slow.into(),
        // If an allocation fails, the process aborts; if memory runs out, the kernel kills it.
        (_, Some(signal)) if [Signal::ABORT, Signal::KILL].iter().any(|end| end.as_raw() == signal) => {
            let limit = if task == "reading" { READ_MEMORY_BYTES } else { COMPILE_MEMORY_BYTES };
            Failure::new(PluginFault::OutOfMemory, label, message("wants more memory than it may have"))
                .hint(Some(SMALLER))
                .caused_by(Cause(format!("it may have {limit} bytes")))
        }
        _ => {
            let failure = incompatible(label, message("fails"));
            failure.caused_by(match error {
                Some(error) if ended.success() => Cause(error.to_string()),
                _ => Cause(format!("the process ended with {ended}: {said}")),
            })
        }
    }
}

const SMALLER: &str = "make the plugin smaller, or split what it does into several functions";

fn cannot(label: &str, task: &str, error: io::Error) -> PluginFailure {
    incompatible(label, format!("{task} plugin `{label}` fails")).caused_by(error)
}

/// Reads, and on request compiles, the component on standard input, within its own limits, and returns the exit
/// status. For a program whose [`PluginHost`](super::PluginHost) compiles apart; nothing else may run in the process.
pub fn serve_compiler() -> ExitCode {
    panic::set_hook(Box::new(|panic| {
        // The location in the sources is left out: it belongs to the machine that built the program.
        let _ = write!(io::stderr(), "{}", panic_text(panic.payload()));
        #[expect(clippy::exit, reason = "other threads may wait for what this one does not do any more")]
        std::process::exit(PANICKED.into());
    }));
    serve().unwrap_or_else(|error| {
        let _ = write!(io::stderr(), "{error}");
        ExitCode::from(UNABLE)
    })
}

fn serve() -> io::Result<ExitCode> {
    limit_this_process(COMPILE_TIMEOUT)?;
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    output.write_all(&greeting())?;
    output.flush()?;
    let mut length = [0; 8];
    input.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length).min(COMPONENT_BYTES);
    lower(Resource::Data, length + READ_MEMORY_BYTES, COMPILE_MEMORY_BYTES)?;
    let mut component = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    (&mut input).take(length).read_to_end(&mut component)?;

    let read = shape::read(&component);
    let answer = serde_json::to_vec(&read)?;
    output.write_all(&(answer.len() as u64).to_le_bytes())?;
    output.write_all(&answer)?;
    output.flush()?;
    drop((answer, read));

    let mut go = [0];
    if input.read(&mut go)? == 0 || go != [GO] {
        return Ok(ExitCode::SUCCESS);
    }
    lower(Resource::Data, COMPILE_MEMORY_BYTES, COMPILE_MEMORY_BYTES)?;
    let time = COMPILE_TIMEOUT.as_secs() * COMPILE_THREADS as u64;
    lower(Resource::Cpu, time, time)?;
    let engine = Engine::new(&engine::config()).map_err(io::Error::other)?;
    match engine.precompile_component(&component) {
        Err(error) => {
            let _ = write!(io::stderr(), "{error:#}");
            Ok(ExitCode::from(REFUSED))
        }
        Ok(code) => {
            drop(component);
            output.write_all(&code)?;
            output.flush()?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn limit_this_process(time: Duration) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    lower(Resource::Data, READ_MEMORY_BYTES, COMPILE_MEMORY_BYTES)?;
    lower(Resource::Core, 0, 0)?;
    lower(Resource::Cpu, READ_TIME.as_secs(), time.as_secs() * COMPILE_THREADS as u64)?;
    thread::Builder::new().name("deadline".into()).spawn(move || {
        thread::sleep(time);
        #[expect(clippy::exit, reason = "the compiler cannot be stopped in another way")]
        std::process::exit(TOO_SLOW.into());
    })?;
    Ok(())
}

/// Lowers a limit and its maximum. A lower limit stays, because only root may raise it.
fn lower(resource: Resource, wanted: u64, at_most: u64) -> io::Result<()> {
    let present = rustix::process::getrlimit(resource);
    let maximum = present.maximum.map_or(at_most, |present| present.min(at_most));
    let limit = Rlimit { current: Some(wanted.min(maximum)), maximum: Some(maximum) };
    Ok(rustix::process::setrlimit(resource, limit)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_process_names_the_exceeded_limit() {
        for (status, fault) in [
            (Signal::ABORT.as_raw(), PluginFault::OutOfMemory),
            (Signal::KILL.as_raw(), PluginFault::OutOfMemory),
            (Signal::XCPU.as_raw(), PluginFault::Timeout),
            (i32::from(TOO_SLOW) << 8, PluginFault::Timeout),
            (i32::from(REFUSED) << 8, PluginFault::Unreadable),
            (i32::from(UNABLE) << 8, PluginFault::Incompatible),
            (i32::from(PANICKED) << 8, PluginFault::Incompatible),
            (Signal::SEGV.as_raw(), PluginFault::Incompatible),
        ] {
            for task in ["reading", "compiling"] {
                let failure = judge("x", task, ExitStatus::from_raw(status), "because", None);
                assert_eq!(failure.fault, fault, "{status}");
                assert!(failure.message.contains("plugin `x`"), "{}", failure.message);
                let cause = failure.source.map(|cause| cause.to_string()).unwrap_or_default();
                assert!(!cause.is_empty(), "{status}");
            }
        }
    }

    #[test]
    fn a_panic_is_reported_without_its_location() {
        let panic = panic::catch_unwind(|| panic!("too many\x1b")).unwrap_err();
        assert_eq!(panic_text(&*panic), "too many\u{fffd}");
    }
}
