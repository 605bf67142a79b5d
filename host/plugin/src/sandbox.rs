//! Runs one call of a plugin: in its own store, with all limits, and with a failure that says how it ended.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio::time::error::Elapsed;
use wasmtime::component::{Instance, InstancePre, ResourceTable, ResourceTableError};
use wasmtime::{ResourceLimiter, Store, Trap, UpdateDeadline, WasmBacktrace};
use wasmtime_wasi::{I32Exit, WasiCtx};

use super::engine::Runtime;
use super::failure::{self, Causes, Failure};
use super::guest_log::GuestLog;
use super::text::clean;
use dray_core::limits::{
    PLUGIN_CALL_TIMEOUT, PLUGIN_CROSSING_BYTES, PLUGIN_HANDLES, PLUGIN_INSTANCES, PLUGIN_MEMORIES,
    PLUGIN_MEMORY_BYTES, PLUGIN_TABLE_ELEMENTS, PLUGIN_TABLES, PLUGIN_TICK, PLUGIN_TICKS,
};
use dray_ports::{PluginFailure, PluginFault};
use dray_rules::limits::NAME_BYTES;

/// The host's state for a running plugin.
pub(super) struct Guest {
    quota: Quota,
    ticks: u64,
    pub(super) log: Arc<Mutex<GuestLog>>,
    pub(super) handles: ResourceTable,
    /// Created on the component's first use of WASI.
    pub(super) wasi: Option<WasiCtx>,
}

/// The cost of a finished call.
pub(super) struct Cost {
    pub(super) instantiate: Duration,
    pub(super) call: Duration,
}

/// Calls one function of a plugin in a fresh instance.
///
/// `function` is its name in messages. `body` gets the store and the instance, and only makes the call.
///
/// # Errors
///
/// Fails if the plugin cannot be instantiated within the limits, exceeds one of them, or traps.
///
/// # Cancellation
///
/// Dropping the future ends the guest and frees its resources.
pub(super) async fn call<R>(
    runtime: &'static Runtime,
    pre: &InstancePre<Guest>,
    plugin: &str,
    function: &str,
    body: impl for<'a> FnOnce(&'a mut Store<Guest>, Instance) -> BoxFuture<'a, wasmtime::Result<R>>,
) -> Result<(R, Cost), PluginFailure> {
    let mut store = store(runtime, plugin);
    let _ticking = runtime.clock.run();
    let started = Instant::now();
    let mut instantiated = None;
    let outcome = tokio::time::timeout(PLUGIN_CALL_TIMEOUT, async {
        let instance = pre.instantiate_async(&mut store).await?;
        instantiated = Some(started.elapsed());
        body(&mut store, instance).await
    })
    .await;
    let guest = store.data();
    guest.log.lock().unwrap_or_else(PoisonError::into_inner).finish();
    let ended = Ended { plugin, function, guest, is_instantiated: instantiated.is_some() };
    let result = ended.judge(outcome)?;
    let instantiate = instantiated.unwrap_or_default();
    Ok((result, Cost { instantiate, call: started.elapsed().saturating_sub(instantiate) }))
}

/// The exports of an instance, or an error that differs from those of a guest. Their types are checked only after
/// instantiation.
pub(super) fn typed<T>(exports: wasmtime::Result<T>) -> wasmtime::Result<T> {
    exports.map_err(|error| error.context(OtherTypes))
}

#[derive(Debug, thiserror::Error)]
#[error("an export has another type than this host's")]
struct OtherTypes;

fn store(runtime: &Runtime, plugin: &str) -> Store<Guest> {
    let mut handles = ResourceTable::new();
    handles.set_max_capacity(PLUGIN_HANDLES);
    let guest = Guest {
        quota: Quota { exceeded: None, memory: 0 },
        ticks: 0,
        log: Arc::new(Mutex::new(GuestLog::new(plugin))),
        handles,
        wasi: None,
    };
    let mut store = Store::new(&runtime.engine, guest);
    store.limiter(|guest| &mut guest.quota);
    store.set_hostcall_fuel(PLUGIN_CROSSING_BYTES);
    store.set_epoch_deadline(1);
    // The guest yields at every tick. Otherwise nothing else could run on this thread, and the timeout of the call
    // would not be checked before the guest ends.
    store.epoch_deadline_callback(|mut store| {
        let guest = store.data_mut();
        guest.ticks += 1;
        if guest.ticks >= PLUGIN_TICKS {
            return Ok(UpdateDeadline::Interrupt);
        }
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
    });
    store
}

/// Enforces the limits of a plugin, and records the first one that it tried to exceed.
///
/// A refused `memory.grow` returns to the guest and does not trap. Nearly every guest then traps by itself, and this
/// record tells that trap from others.
struct Quota {
    exceeded: Option<&'static str>,
    /// Bytes in all linear memories.
    memory: usize,
}

impl Quota {
    fn allow(&mut self, wanted: usize, limit: usize, what: &'static str) -> bool {
        if wanted > limit {
            self.exceeded.get_or_insert(what);
        }
        wanted <= limit
    }
}

impl ResourceLimiter for Quota {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.memory.saturating_add(desired.saturating_sub(current));
        let is_allowed = self.allow(total, PLUGIN_MEMORY_BYTES, "memory");
        if is_allowed {
            self.memory = total;
        }
        Ok(is_allowed)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.allow(desired, PLUGIN_TABLE_ELEMENTS, "table entries"))
    }

    fn instances(&self) -> usize {
        PLUGIN_INSTANCES
    }

    fn tables(&self) -> usize {
        PLUGIN_TABLES
    }

    fn memories(&self) -> usize {
        PLUGIN_MEMORIES
    }
}

/// An ended call, with the facts for its failure.
struct Ended<'a> {
    plugin: &'a str,
    function: &'a str,
    guest: &'a Guest,
    is_instantiated: bool,
}

impl Ended<'_> {
    fn judge<R>(&self, outcome: Result<wasmtime::Result<R>, Elapsed>) -> Result<R, PluginFailure> {
        match outcome {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(error)) => Err(self.failure(error)),
            Err(elapsed) => {
                let cause = format!("{elapsed}: a call may take {PLUGIN_CALL_TIMEOUT:?}");
                Err(self.fault(PluginFault::Timeout, "took too long", [cause]))
            }
        }
    }

    fn failure(&self, error: wasmtime::Error) -> PluginFailure {
        if error.is::<OtherTypes>() {
            return failure::other_types(self.plugin, error.into_boxed_dyn_error());
        }
        let trap = error.downcast_ref::<Trap>().copied();
        if trap == Some(Trap::Interrupt) {
            let limit = PLUGIN_TICK * u32::try_from(PLUGIN_TICKS).unwrap_or(u32::MAX);
            let cause = format!("a call may compute for {limit:?}");
            return self.fault(
                PluginFault::Timeout,
                "took too long",
                [cause].into_iter().chain(place(&error)),
            );
        }
        if let Some(what) = self.guest.quota.exceeded {
            let message = format!("wanted more {what} than a plugin may have");
            let cause = format!("the limit is {}", limit_of(what));
            return self.fault(PluginFault::OutOfMemory, &message, [cause]);
        }
        if matches!(error.downcast_ref(), Some(ResourceTableError::Full)) {
            let cause = format!("the limit is {PLUGIN_HANDLES}");
            return self.fault(
                PluginFault::OutOfMemory,
                "wanted more handles than a plugin may have",
                [cause],
            );
        }
        match trap {
            Some(trap) if breaks_the_boundary(trap) => self.invalid(causes(&error)),
            Some(_) => self.fault(PluginFault::Trap, "ended itself or was ended", causes(&error)),
            None if error.is::<I32Exit>() => self.fault(PluginFault::Trap, "ended itself", causes(&error)),
            None if is_out_of_crossing(&error) => {
                let cause =
                    format!("at most {PLUGIN_CROSSING_BYTES} bytes may be passed to the host at once");
                self.invalid([cause])
            }
            None if !self.is_instantiated && is_too_many(&error) => self.fault(
                PluginFault::OutOfMemory,
                "does not fit into what a plugin may have",
                causes(&error),
            ),
            // Linking has succeeded before, and the guest has hardly run. The remaining reason is a lack of address
            // space in this process.
            None if !self.is_instantiated && is_of_the_machine(&error) => failure::incompatible(
                self.plugin,
                format!("plugin `{}` cannot be run on this machine", self.plugin),
            )
            .hint(Some("a plugin needs 4 GiB of address space for each of its memories; see `ulimit -v`"))
            .caused_by(error.into_boxed_dyn_error()),
            // The guest passed invalid values: text that is not UTF-8, or a list outside of its memory.
            None => self.invalid(causes(&error)),
        }
    }

    fn invalid(&self, causes: impl IntoIterator<Item = String>) -> PluginFailure {
        let what = "passed something to the host that breaks its contract";
        self.fault(PluginFault::InvalidOutput, what, causes)
    }

    /// A failure of the plugin. It quotes the plugin's standard error, which says more than a trap, and which the log
    /// shows only with `-vv`.
    fn fault(
        &self,
        fault: PluginFault,
        what: &str,
        causes: impl IntoIterator<Item = String>,
    ) -> PluginFailure {
        let message = format!("`{}` of plugin `{}` {what}", self.function, self.plugin);
        let log = self.guest.log.lock().unwrap_or_else(PoisonError::into_inner);
        let written = log.standard_error().map(|line| format!("it wrote: {line:?}"));
        let causes = Causes::new(causes.into_iter().chain(written).collect());
        let failure =
            Failure::new(fault, self.plugin, message).hint(Some("report this to the author of the plugin"));
        match causes {
            Some(causes) => failure.caused_by(causes),
            None => failure.into(),
        }
    }
}

/// The messages of a runtime error, each in one line, without its backtrace, which has a line per function.
fn causes(error: &wasmtime::Error) -> impl Iterator<Item = String> {
    let backtrace = error.downcast_ref::<WasmBacktrace>().map(ToString::to_string);
    let texts = error.chain().map(ToString::to_string);
    texts.filter(move |text| Some(text) != backtrace.as_ref()).chain(place(error))
}

/// The function in which a guest failed, if its functions have names.
fn place(error: &wasmtime::Error) -> Option<String> {
    let frames = error.downcast_ref::<WasmBacktrace>()?.frames();
    let names: Vec<String> = frames
        .iter()
        .filter_map(|frame| frame.func_name())
        .take(SHOWN_FRAMES)
        .map(|name| format!("`{}`", clean(name, NAME_BYTES)))
        .collect();
    (!names.is_empty()).then(|| format!("in {}", names.join(", called by ")))
}

/// Number of functions of a backtrace that are shown, the innermost first. Outer ones are usually the same for all
/// failures.
const SHOWN_FRAMES: usize = 4;

fn limit_of(what: &str) -> String {
    match what {
        "memory" => format!("{PLUGIN_MEMORY_BYTES} bytes"),
        _ => PLUGIN_TABLE_ELEMENTS.to_string(),
    }
}

/// Whether the runtime raises this trap for values that violate the component boundary.
fn breaks_the_boundary(trap: Trap) -> bool {
    matches!(
        trap,
        Trap::InvalidChar
            | Trap::StringOutOfBounds
            | Trap::ListOutOfBounds
            | Trap::InvalidDiscriminant
            | Trap::UnalignedPointer
    )
}

/// Whether the store would exceed its number of instances, tables or memories. The error has no public type, so a
/// test checks its text.
fn is_too_many(error: &wasmtime::Error) -> bool {
    error.chain().any(|cause| cause.to_string().starts_with("resource limit exceeded"))
}

/// Whether the operating system refused a resource.
fn is_of_the_machine(error: &wasmtime::Error) -> bool {
    error.chain().any(|cause| cause.is::<std::io::Error>() || cause.is::<rustix::io::Errno>())
}

/// Whether too many bytes were passed to the host. The error has no public type, so a test checks its text.
fn is_out_of_crossing(error: &wasmtime::Error) -> bool {
    error.chain().any(|cause| cause.to_string().contains("fuel allocated for hostcalls"))
}
