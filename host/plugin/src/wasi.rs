//! WASI for toolchains that need it: every interface exists, but has no access to anything.
//!
//! There are no arguments, environment, files or sockets. The clock stands still and random numbers repeat in every
//! call, so that a plugin's answer depends only on its arguments. Standard error goes to the log within its limits;
//! standard output is discarded.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime::component::Linker;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{
    Deterministic, HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView,
};

use super::guest_log::{GuestLog, Level};
use super::sandbox::Guest;
use dray_core::limits::{PLUGIN_LOG_LINE_BYTES, PLUGIN_RANDOM_BYTES};

/// Offers WASI 0.2.
pub(super) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let Self { wasi, handles, log, .. } = self;
        WasiCtxView { ctx: wasi.get_or_insert_with(|| nothing(log)), table: handles }
    }
}

fn nothing(log: &Arc<Mutex<GuestLog>>) -> WasiCtx {
    // The builder starts with real clocks and real random numbers only.
    WasiCtxBuilder::new()
        .stderr(Stderr(Arc::clone(log)))
        .wall_clock(StandingStill)
        .monotonic_clock(StandingStill)
        .secure_random(Deterministic::new(SEED.to_vec()))
        .insecure_random(Deterministic::new(SEED.to_vec()))
        .insecure_random_seed(0)
        .max_random_size(PLUGIN_RANDOM_BYTES)
        .build()
}

/// Any bytes serve: hash maps of guests need some, and nothing relies on their secrecy.
const SEED: [u8; 8] = [0x64, 0x72, 0x61, 0x79, 0x9e, 0x37, 0x79, 0xb9];

struct StandingStill;

impl HostWallClock for StandingStill {
    fn resolution(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn now(&self) -> Duration {
        Duration::ZERO
    }
}

impl HostMonotonicClock for StandingStill {
    fn resolution(&self) -> u64 {
        1
    }

    // Not zero, because Go's runtime takes zero for a broken clock and exits.
    fn now(&self) -> u64 {
        1
    }
}

/// Standard error, into the log.
struct Stderr(Arc<Mutex<GuestLog>>);

impl Stderr {
    fn take(&self, bytes: &[u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write_stream(Level::Debug, bytes);
    }
}

impl IsTerminal for Stderr {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stderr {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(Self(Arc::clone(&self.0)))
    }

    // Nothing here waits, so the task that would otherwise write is not needed.
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(Self(Arc::clone(&self.0)))
    }
}

impl OutputStream for Stderr {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    // A program may flush within a line. A line ends at its line end.
    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PLUGIN_LOG_LINE_BYTES)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Stderr {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Stderr {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
