use std::fmt::Write as _;

use serde::Serialize;

use crate::arguments::Format;
use crate::context::Context;
use crate::failure::Failure;
use crate::output;
use dray::SnapshotterChoice;
use dray::config::{ConfiguredPlugin, DaemonSettings, RegistryAccess, SettingOrigin};
use dray::ports::SnapshotterName;
use dray::text::escape;

/// Print the effective values and their sources
#[derive(Debug, clap::Args)]
pub(crate) struct ShowArguments {
    /// Print the values in this format
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(crate) format: Format,
}

#[derive(Serialize)]
struct Answer {
    /// The files that were read, in order of precedence.
    files: Vec<String>,
    values: Vec<Shown>,
}

/// A value as it is printed.
#[derive(Serialize)]
struct Shown {
    name: String,
    value: String,
    from: String,
}

impl Shown {
    /// A value that `flag` gives, if it was typed.
    fn of(name: &str, value: &str, flag: &str, origin: &SettingOrigin) -> Self {
        let from = match origin {
            SettingOrigin::Given => flag.to_owned(),
            SettingOrigin::Variable(name) => (*name).to_owned(),
            SettingOrigin::File(path) => path.display().to_string(),
            SettingOrigin::Default => "default".to_owned(),
        };
        Self { name: name.to_owned(), value: value.to_owned(), from }
    }
}

/// Prints the values. Connects neither to containerd nor to a registry, and reads no component.
pub(super) fn run(arguments: &ShowArguments, context: &Context) -> Result<(), Failure> {
    let Context { environment, files, machine, .. } = context;
    let DaemonSettings { address, namespace, snapshotter } = context.daemon()?;
    let registry = context.registry.clone();
    let hosts_dirs = RegistryAccess::resolve(registry, environment, files, machine.is_root)?.hosts_dirs;
    let choice = match &snapshotter.value {
        SnapshotterChoice::Default => "that of the namespace".to_owned(),
        SnapshotterChoice::Named(name) => name.to_string(),
        SnapshotterChoice::Auto { order } if order.is_empty() => "auto".to_owned(),
        SnapshotterChoice::Auto { order } => {
            let first: Vec<&str> = order.iter().map(SnapshotterName::as_str).collect();
            format!("auto, first {}", first.join(", "))
        }
    };
    let mut values = vec![
        Shown::of("address", &address.value, "--address", &address.origin),
        Shown::of("namespace", &namespace.value, "--namespace", &namespace.origin),
        Shown::of("snapshotter", &choice, "--snapshotter", &snapshotter.origin),
    ];
    for directory in &hosts_dirs.value {
        let directory = directory.display().to_string();
        values.push(Shown::of("hosts-dirs", &directory, "--hosts-dir", &hosts_dirs.origin));
    }
    for (plugin, path) in files.plugins() {
        let name = format!("plugins.{}", plugin.spec.name);
        values.push(Shown { name, value: described(plugin), from: path.display().to_string() });
    }
    let files = files.files().iter().map(|file| file.path.display().to_string()).collect();
    let shown = Answer { files, values };
    match arguments.format {
        Format::Json => output::write_json(&shown),
        Format::Text => output::write(table(&shown).as_bytes()),
    }
}

fn described(ConfiguredPlugin { spec, kind, serves }: &ConfiguredPlugin) -> String {
    let mut text = format!("{} plugin, {}", kind.as_str(), spec.origin);
    if !serves.is_empty() {
        let names: Vec<&str> = serves.iter().map(SnapshotterName::as_str).collect();
        let _ = write!(text, ", for {}", names.join(", "));
    }
    if spec.config != "{}" {
        let _ = write!(text, ", config {}", spec.config);
    }
    text
}

fn table(shown: &Answer) -> String {
    let mut text = String::new();
    let width = |pick: fn(&Shown) -> &str| {
        shown.values.iter().map(|value| escape::line(pick(value)).chars().count()).max().unwrap_or_default()
    };
    let (names, values) = (width(|value| &value.name), width(|value| &value.value));
    for Shown { name, value, from } in &shown.values {
        let (name, value, from) = (escape::line(name), escape::line(value), escape::line(from));
        let _ = writeln!(text, "{name:<names$}  {value:<values$}  {from}");
    }
    text
}
