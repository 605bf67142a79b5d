use std::fmt::Write as _;

use super::failure::Failure;
use super::output;
use dray::plugin::{self, PluginSource};

/// Prints the version, and with `--verbose` everything that affects the behaviour of this program.
pub(super) fn run(verbose: bool) -> Result<(), Failure> {
    let mut text = format!("dray {}\n", env!("CARGO_PKG_VERSION"));
    if verbose {
        let _ = writeln!(text, "target: {}", target());
        let _ = writeln!(text, "wasmtime: {}", plugin::wasmtime_version());
        text.push_str("interfaces:\n");
        for package in plugin::wit_packages() {
            let _ = writeln!(text, "  {package}");
        }
        text.push_str("embedded plugins:\n");
        for source in PluginSource::all_embedded() {
            let _ = writeln!(text, "  {:<12} {}", source.label(), source.digest());
        }
    }
    output::write(text.as_bytes())
}

fn target() -> String {
    use std::env::consts::{ARCH, OS};
    let environment = if cfg!(target_env = "gnu") {
        "-gnu"
    } else if cfg!(target_env = "musl") {
        "-musl"
    } else {
        ""
    };
    format!("{ARCH}-{OS}{environment}")
}
