//! How the program runs plugins.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use super::screen::Screen;
use dray::plugin::{PluginHost, serve_compiler};
use dray::text::escape;

/// The argument with which the program starts itself to compile a component. It is not a command and may change.
const COMPILE: &str = "--compile-component";

/// Compiles a component, if the program was started for that.
pub(super) fn compile_if_asked(arguments: &[OsString]) -> Option<ExitCode> {
    (arguments.len() == 2 && arguments[1] == COMPILE).then(serve_compiler)
}

/// What runs plugins. It keeps what it compiled in a place, and says on the screen, if there is one, what takes long.
pub(super) fn host(compiled_store: Option<&Path>, screen: Option<Arc<Screen>>) -> PluginHost {
    let host = PluginHost::new(compiled_store).compile_apart(COMPILE);
    let Some(screen) = screen else { return host };
    host.on_slow_loading(move |plugin| {
        screen.print(&format!("compiling plugin `{}`, which takes a while", escape::line(plugin)));
    })
}

/// The screen for such messages in commands without progress: only users at a terminal get them.
pub(super) fn patient_screen(screen: &Arc<Screen>) -> Option<Arc<Screen>> {
    io::stderr().is_terminal().then(|| Arc::clone(screen))
}
