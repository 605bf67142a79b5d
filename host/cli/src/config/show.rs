use std::fmt::Write as _;

use serde::Serialize;

use crate::arguments::{Format, Globals};
use crate::context::Context;
use crate::failure::Failure;
use crate::output;
use dray::config::{ConfiguredPlugin, DaemonSettings, RegistryAccess};
use dray::text::escape;

/// Print what counts, and where each value comes from
#[derive(Debug, clap::Args)]
pub(crate) struct ShowArguments {
    /// Print the values in this form
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(crate) format: Format,
}

#[derive(Serialize)]
struct Shown {
    /// The files that were read, the first that counts in front.
    files: Vec<String>,
    values: Vec<Setting>,
}

#[derive(Serialize)]
struct Setting {
    name: String,
    value: String,
    from: String,
}

/// Prints the values. Asks neither containerd nor a registry, and reads no component.
pub(super) fn run(arguments: &ShowArguments, globals: &Globals, context: &Context) -> Result<(), Failure> {
    let Context { environment, files, .. } = context;
    let flags = globals.daemon();
    let daemon = DaemonSettings::resolve(flags.clone(), environment, files)?;
    let file_of = |path: Option<&std::path::Path>| path.map(|path| path.display().to_string());
    let origin = |flag: Option<&str>, variable: Option<&str>, file: Option<String>| {
        let default = "default".to_owned();
        flag.or(variable).map(str::to_owned).or(file).unwrap_or(default)
    };
    let mut values = vec![
        Setting {
            name: "address".to_owned(),
            value: daemon.address,
            from: origin(
                flags.address.as_ref().map(|_| "--address"),
                environment.address.as_ref().map(|_| "CONTAINERD_ADDRESS"),
                file_of(files.get(|file| file.address.as_ref()).map(|(_, path)| path)),
            ),
        },
        Setting {
            name: "namespace".to_owned(),
            value: daemon.namespace,
            from: origin(
                flags.namespace.as_ref().map(|_| "--namespace"),
                environment.namespace.as_ref().map(|_| "CONTAINERD_NAMESPACE"),
                file_of(files.get(|file| file.namespace.as_ref()).map(|(_, path)| path)),
            ),
        },
        Setting {
            name: "snapshotter".to_owned(),
            value: daemon
                .snapshotter
                .map_or_else(|| "that of the namespace".to_owned(), |name| name.to_string()),
            from: origin(
                flags.snapshotter.as_ref().map(|_| "--snapshotter"),
                environment.snapshotter.as_ref().map(|_| "CONTAINERD_SNAPSHOTTER"),
                file_of(files.get(|file| file.snapshotter.as_ref()).map(|(_, path)| path)),
            ),
        },
    ];
    let is_root = rustix::process::geteuid().is_root();
    let access = RegistryAccess::resolve(context.registry.clone(), environment, files, is_root)?;
    let from = origin(
        (!context.registry.hosts_dirs.is_empty()).then_some("--hosts-dir"),
        None,
        file_of(files.get(|file| file.hosts_dirs.as_ref()).map(|(_, path)| path)),
    );
    for directory in access.hosts_dirs {
        let value = directory.display().to_string();
        values.push(Setting { name: "hosts-dirs".to_owned(), value, from: from.clone() });
    }
    for (plugin, path) in files.plugins() {
        let name = format!("plugins.{}", plugin.spec.name);
        values.push(Setting { name, value: described(plugin), from: path.display().to_string() });
    }
    let files = files.files().iter().map(|file| file.path.display().to_string()).collect();
    let shown = Shown { files, values };
    match arguments.format {
        Format::Json => output::write_json(&shown),
        Format::Text => output::write(table(&shown).as_bytes()),
    }
}

fn described(ConfiguredPlugin { spec, kind, serves }: &ConfiguredPlugin) -> String {
    let mut text = format!("{} plugin, {}", kind.as_str(), spec.origin);
    if !serves.is_empty() {
        let names: Vec<&str> = serves.iter().map(dray::ports::SnapshotterName::as_str).collect();
        let _ = write!(text, ", for {}", names.join(", "));
    }
    if spec.config != "{}" {
        let _ = write!(text, ", config {}", spec.config);
    }
    text
}

fn table(shown: &Shown) -> String {
    let mut text = String::new();
    let width = |pick: fn(&Setting) -> &str| {
        shown.values.iter().map(|value| escape::line(pick(value)).chars().count()).max().unwrap_or_default()
    };
    let (names, values) = (width(|value| &value.name), width(|value| &value.value));
    for Setting { name, value, from } in &shown.values {
        let (name, value, from) = (escape::line(name), escape::line(value), escape::line(from));
        let _ = writeln!(text, "{name:<names$}  {value:<values$}  {from}");
    }
    text
}
