//! The engine of the process, and the clock that interrupts plugins.

use std::num::NonZeroUsize;
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use wasmtime::{Config, Engine, WasmFeatures};

use super::linkers::Linkers;
use super::proposals::PROPOSALS;
use dray_core::limits::{PLUGIN_MEMORY_BYTES, PLUGIN_STACK_BYTES, PLUGIN_TICK};

/// Engine, linkers and clock. The first plugin creates the only one of the process: types and code of two engines
/// must not mix, and one clock suffices.
pub(super) struct Runtime {
    pub(super) engine: Engine,
    pub(super) clock: Arc<Clock>,
    pub(super) linkers: Linkers,
}

impl Runtime {
    /// The runtime of this process, and how long this call took to create it: zero if it existed, or if another call
    /// created it.
    ///
    /// # Errors
    ///
    /// Fails if the engine does not accept its settings, or if no thread can be started.
    pub(super) fn get() -> wasmtime::Result<(&'static Self, Duration)> {
        static RUNTIME: OnceLock<Runtime> = OnceLock::new();
        static MAKING: Mutex<()> = Mutex::new(());
        if let Some(runtime) = RUNTIME.get() {
            return Ok((runtime, Duration::ZERO));
        }
        let _alone = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = RUNTIME.get() {
            return Ok((runtime, Duration::ZERO));
        }
        let started = Instant::now();
        let made = Self::new()?;
        Ok((RUNTIME.get_or_init(|| made), started.elapsed()))
    }

    fn new() -> wasmtime::Result<Self> {
        let engine = Engine::new(&config())?;
        let clock = Clock::start(&engine)?;
        Ok(Self { engine, clock, linkers: Linkers::new() })
    }
}

/// The settings that determine the code of a component.
pub(super) fn config() -> Config {
    let mut config = Config::new();
    config
        .wasm_features(WasmFeatures::all().difference(PROPOSALS), false)
        .wasm_features(PROPOSALS, true)
        // The interface is synchronous. Without support for concurrency, a call costs a fifth.
        .concurrency_support(false)
        .gc_support(false)
        .shared_memory(false)
        .epoch_interruption(true)
        .max_wasm_stack(PLUGIN_STACK_BYTES)
        .async_stack_zeroing(true)
        // A backtrace is for plugin authors, and its top frames suffice.
        .wasm_backtrace_max_frames(NonZeroUsize::new(16))
        // Failures do not report code addresses, and no native debugger is used. Without the map, the code is smaller
        // by a seventh, and faster to check and load.
        .generate_address_map(false)
        .native_unwind_info(false)
        // The data of a memory becomes one image. Otherwise the compiler makes code for each segment, and Go's
        // components have 38,000 segments.
        .memory_init_cow(may_make_images());
    config
}

/// Whether this process may create a memory file as large as a plugin's memory, for its image.
fn may_make_images() -> bool {
    let largest = rustix::process::getrlimit(rustix::process::Resource::Fsize).current;
    largest.is_none_or(|bytes| bytes >= PLUGIN_MEMORY_BYTES as u64)
}

/// Ticks while a plugin runs, and sleeps otherwise.
pub(super) struct Clock {
    running: Mutex<usize>,
    changed: Condvar,
}

/// Keeps the clock ticking until it is dropped.
pub(super) struct Ticking<'a>(&'a Clock);

impl Clock {
    fn start(engine: &Engine) -> wasmtime::Result<Arc<Self>> {
        let clock = Arc::new(Self { running: Mutex::new(0), changed: Condvar::new() });
        let engine = engine.weak();
        let ticking = Arc::clone(&clock);
        thread::Builder::new().name("plugin clock".into()).spawn(move || {
            loop {
                ticking.wait_until_running();
                // Late ticks are not compensated: the guest did not get more time.
                thread::sleep(PLUGIN_TICK);
                let Some(engine) = engine.upgrade() else { break };
                engine.increment_epoch();
            }
        })?;
        Ok(clock)
    }

    fn wait_until_running(&self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        while *running == 0 {
            running = self.changed.wait(running).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Starts the clock.
    pub(super) fn run(&self) -> Ticking<'_> {
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.changed.notify_one();
        Ticking(self)
    }
}

impl Drop for Ticking<'_> {
    fn drop(&mut self) {
        *self.0.running.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
    }
}
