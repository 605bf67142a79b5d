//! The components that serve as plugins, from the rules to what is loaded.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use super::failure::{Failure, Kind};
use super::screen::Screen;
use async_trait::async_trait;
use dray::config::PluginRules;
use dray::plugin::{PluginHost, PluginSource, serve_compiler};
use dray::ports::{Planner, Planners, PluginFailure, SnapshotterName};
use dray::text::escape;

/// The argument with which the program starts itself to compile a component. It is no command of its own, and
/// nothing about it is promised.
const COMPILE: &str = "--compile-component";

/// What the program does where it was started to compile.
pub(super) fn compile_if_asked(arguments: &[OsString]) -> Option<ExitCode> {
    (arguments.len() == 2 && arguments[1] == COMPILE).then(serve_compiler)
}

/// What runs plugins, and keeps what it compiled in this place.
pub(super) fn host(compiled_store: Option<&Path>) -> PluginHost {
    PluginHost::new(compiled_store).compile_apart(COMPILE)
}

/// Time that a plugin is loaded in silence. Loading compiled code takes milliseconds, and compiling what a Rust
/// toolchain makes takes less than a second.
const SILENCE: Duration = Duration::from_secs(2);

/// Waits until a plugin is loaded, and says on the screen, if there is one, what takes so long.
pub(super) async fn loaded<T>(
    loading: impl Future<Output = T>,
    source: &PluginSource,
    screen: Option<&Screen>,
) -> T {
    let mut loading = pin!(loading);
    tokio::select! {
        biased;
        loaded = &mut loading => return loaded,
        () = tokio::time::sleep(SILENCE) => {}
    }
    if let Some(screen) = screen {
        screen.print(&format!("compiling plugin `{}`, which takes a while", escape::line(source.label())));
    }
    loading.await
}

/// The screen for such lines in commands without progress: only a person at a terminal wants them.
pub(super) fn patient_screen(screen: &Screen) -> Option<&Screen> {
    io::stderr().is_terminal().then_some(screen)
}

/// The embedded component that chooses the platform.
pub(super) fn embedded_matcher() -> Result<PluginSource, Failure> {
    let lacking = || Failure::new(Kind::Internal, "this build lacks plugin `platform`".to_owned());
    PluginSource::embedded("platform").ok_or_else(lacking)
}

/// Loads the plugin for a snapshotter, once its name is known.
pub(super) struct SnapshotterPlugins {
    pub(super) host: Arc<PluginHost>,
    pub(super) rules: PluginRules,
    /// The component that was typed, which is read before anything is asked.
    pub(super) typed: Option<PluginSource>,
    /// Where to say that loading takes long.
    pub(super) screen: Option<Arc<Screen>>,
}

#[async_trait]
impl Planners for SnapshotterPlugins {
    async fn planner_for(&self, snapshotter: &SnapshotterName) -> Result<Arc<dyn Planner>, PluginFailure> {
        let spec = self.rules.planner_for(snapshotter);
        let source = match &self.typed {
            Some(source) => source.clone(),
            None => spec.origin.read()?,
        };
        tracing::info!(%snapshotter, plugin = spec.name, origin = %spec.origin, "the plugin for the snapshotter is chosen");
        loaded(
            self.host.planner_with_grants(&source, &spec.config, &spec.grants),
            &source,
            self.screen.as_deref(),
        )
        .await
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;
    use crate::screen::memory::Memory;

    #[tokio::test(start_paused = true)]
    async fn a_plugin_that_takes_long_to_compile_is_named() {
        let source = PluginSource::embedded("overlayfs").unwrap();
        for (milliseconds, shown) in
            [(1900, ""), (2100, "compiling plugin `overlayfs`, which takes a while\n")]
        {
            let (screen, memory) = Memory::screen(80, 24);
            let loading = async {
                sleep(Duration::from_millis(milliseconds)).await;
                "loaded"
            };
            assert_eq!(loaded(loading, &source, Some(&screen)).await, "loaded");
            assert_eq!(memory.take(), shown, "after {milliseconds} ms");
        }
    }
}
