//! Compiling, within bounds.
//!
//! What a component may cost to compile is estimated before (`weight`), and an estimate can be wrong. A compiler
//! cannot be stopped from outside, and memory that is not there ends the whole process. So a program can have it
//! done in a process of its own: itself, started once more, which limits itself before it reads a byte.

use std::io::{self, Read as _, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, Signal};
use wasmtime::Engine;
use wasmtime::component::Component;

use super::PluginSource;
use super::engine::{self, Runtime};
use super::failure::{Cause, Failure, incompatible, unreadable};
use super::text::clean;
use crate::limits::{
    COMPILE_MEMORY_BYTES, COMPILE_THREADS, COMPILE_TIMEOUT, COMPILED_STORE_BYTES, COMPONENT_BYTES,
    PLUGIN_TEXT_BYTES,
};
use crate::ports::{PluginFailure, PluginFault};

/// Where components are compiled.
#[derive(Clone, Debug, Default)]
pub(super) enum Compiler {
    /// In this process. Only the estimate bounds it.
    #[default]
    Here,
    /// In a process that runs [`serve_compiler`], started with this argument.
    Apart(&'static str),
}

impl Compiler {
    /// Compiles a component: what can be run, and what can be kept.
    pub(super) fn compile(
        &self,
        runtime: &Runtime,
        source: &PluginSource,
    ) -> Result<(Component, Vec<u8>), PluginFailure> {
        let label = source.label();
        tracing::info!(plugin = label, "compiling");
        let fails = |error: wasmtime::Error| {
            unreadable(label, format!("plugin `{label}` does not compile"))
                .caused_by(error.into_boxed_dyn_error())
        };
        let code = match self {
            Self::Apart(argument) => match start(argument) {
                Ok(child) => converse(child, source)?,
                Err(error) => {
                    // Without `/proc`, for example.
                    tracing::debug!(%error, "no process can be started to compile in");
                    here(&runtime.engine, source.bytes()).map_err(fails)?
                }
            },
            Self::Here => here(&runtime.engine, source.bytes()).map_err(fails)?,
        };
        #[expect(unsafe_code, reason = "loading machine code trusts whoever made it")]
        // SAFETY: `deserialize` wants bytes that this engine's compiler made, unchanged. They are from this
        // process, or from a pipe whose other end only a process had that runs this very program: it was started
        // from the file that this process was started from, even if another one has its name by now.
        let component = unsafe { Component::deserialize(&runtime.engine, &code) };
        Ok((component.map_err(fails)?, code))
    }
}

fn here(engine: &Engine, bytes: &[u8]) -> wasmtime::Result<Vec<u8>> {
    engine.precompile_component(bytes)
}

fn start(argument: &str) -> io::Result<Child> {
    Command::new("/proc/self/exe")
        .arg(argument)
        .env_clear()
        // A ctrl-c is for this program, which then ends the other one.
        .process_group(0)
        .env("RAYON_NUM_THREADS", threads().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

fn threads() -> usize {
    thread::available_parallelism().map_or(1, Into::into).min(COMPILE_THREADS)
}

/// Hands the component over and takes the code.
fn converse(mut child: Child, source: &PluginSource) -> Result<Vec<u8>, PluginFailure> {
    let label = source.label();
    let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let mut code = Vec::new();
    let mut said = Vec::new();
    let read = thread::scope(|scope| {
        scope.spawn(|| input.map(|mut input| input.write_all(source.bytes())));
        scope.spawn(|| errors.map(|errors| errors.take(PLUGIN_TEXT_BYTES as u64).read_to_end(&mut said)));
        output.map_or(Ok(0), |output| output.take(COMPILED_STORE_BYTES).read_to_end(&mut code))
    });
    // Also where reading failed: a child that nobody waits for stays in the table of processes.
    let ended = child.wait();
    let ended = read.and(ended).map_err(|error| {
        unreadable(label, format!("plugin `{label}` cannot be compiled")).caused_by(error)
    })?;
    if ended.success() {
        return Ok(code);
    }
    Err(judge(label, ended, &String::from_utf8_lossy(&said)))
}

fn judge(label: &str, ended: ExitStatus, said: &str) -> PluginFailure {
    let message = |what: &str| format!("compiling plugin `{label}` {what}");
    let too_slow = Failure::new(PluginFault::Timeout, label, message("takes too long"))
        .because(Cause(format!("it may take {COMPILE_TIMEOUT:?}")));
    let said = clean(said.trim(), PLUGIN_TEXT_BYTES);
    match (ended.code().and_then(|code| u8::try_from(code).ok()), ended.signal()) {
        (Some(TOO_SLOW), _) => too_slow.into(),
        (Some(REFUSED), _) => {
            unreadable(label, format!("plugin `{label}` does not compile")).caused_by(Cause(said))
        }
        (Some(UNABLE), _) => {
            incompatible(label, format!("plugin `{label}` cannot be compiled on this machine"))
                .caused_by(Cause(said))
        }
        (_, Some(signal)) if signal == Signal::XCPU.as_raw() => too_slow.into(),
        // The process ends itself where memory is refused, and the kernel where there is none.
        (_, Some(signal)) if [Signal::ABORT, Signal::KILL].iter().any(|end| end.as_raw() == signal) => {
            Failure::new(PluginFault::OutOfMemory, label, message("wants more memory than it may have"))
                .caused_by(Cause(format!("it may have {COMPILE_MEMORY_BYTES} bytes")))
        }
        _ => unreadable(label, format!("plugin `{label}` does not compile"))
            .caused_by(Cause(format!("the compiler ended with {ended}: {said}"))),
    }
}

/// Exit codes of the process that compiles. The first is that of [`ExitCode::FAILURE`].
const REFUSED: u8 = 1;
const TOO_SLOW: u8 = 3;
/// It is not the component's fault.
const UNABLE: u8 = 4;

/// Compiles the component on standard input to standard output, within limits of its own, and says how the
/// process is to end. For a program whose [`PluginHost`](super::PluginHost) compiles apart; nothing else may run in
/// it.
pub fn serve_compiler() -> ExitCode {
    let prepared = limit_this_process(COMPILE_TIMEOUT).and_then(|()| {
        let mut component = Vec::new();
        io::stdin().lock().take(COMPONENT_BYTES).read_to_end(&mut component)?;
        Ok((Engine::new(&engine::config()).map_err(io::Error::other)?, component))
    });
    let unable = |error: io::Error| {
        let _ = write!(io::stderr(), "{error}");
        ExitCode::from(UNABLE)
    };
    match prepared {
        Err(error) => unable(error),
        Ok((engine, component)) => match here(&engine, &component) {
            Err(error) => {
                let _ = write!(io::stderr(), "{error:#}");
                ExitCode::FAILURE
            }
            Ok(code) => io::stdout().lock().write_all(&code).map_or_else(unable, |()| ExitCode::SUCCESS),
        },
    }
}

fn limit_this_process(time: Duration) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    lower(Resource::Data, COMPILE_MEMORY_BYTES)?;
    lower(Resource::Core, 0)?;
    lower(Resource::Cpu, time.as_secs() * COMPILE_THREADS as u64)?;
    thread::Builder::new().name("deadline".into()).spawn(move || {
        thread::sleep(time);
        #[expect(clippy::exit, reason = "the compiler cannot be stopped in another way")]
        std::process::exit(TOO_SLOW.into());
    })?;
    Ok(())
}

/// Lowers a limit. Where it is lower already it stays: only root may raise it.
fn lower(resource: Resource, wanted: u64) -> io::Result<()> {
    let limit = rustix::process::getrlimit(resource).maximum.map_or(wanted, |present| present.min(wanted));
    Ok(rustix::process::setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_a_process_ends_says_what_was_too_much() {
        for (status, fault) in [
            (Signal::ABORT.as_raw(), PluginFault::OutOfMemory),
            (Signal::KILL.as_raw(), PluginFault::OutOfMemory),
            (Signal::XCPU.as_raw(), PluginFault::Timeout),
            (i32::from(TOO_SLOW) << 8, PluginFault::Timeout),
            (i32::from(REFUSED) << 8, PluginFault::Unreadable),
            (i32::from(UNABLE) << 8, PluginFault::Incompatible),
            (Signal::SEGV.as_raw(), PluginFault::Unreadable),
        ] {
            let failure = judge("x", ExitStatus::from_raw(status), "because\x1b");
            assert_eq!(failure.fault, fault, "{status}");
            assert!(failure.message.contains("plugin `x`"), "{}", failure.message);
            let cause = failure.source.map(|cause| cause.to_string()).unwrap_or_default();
            assert!(!cause.is_empty() && !cause.contains('\x1b'), "{cause}");
        }
    }
}
