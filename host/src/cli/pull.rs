use std::io::{self, IsTerminal};
use std::num::NonZeroUsize;
use std::sync::Arc;

use super::arguments::{Format, Globals};
use super::color::{self, Style};
use super::failure::Failure;
use super::interrupt::Interrupt;
use super::platform_options::PlatformOptions;
use super::progress::{Manner, View};
use super::registry_client::registry_client;
use super::registry_options::RegistryOptions;
use super::{Context, components, escape, host_platform, output, report};
use crate::config::{PullFlags, PullSettings};
use crate::containerd::Containerd;
use crate::limits;
use crate::plugin::{PluginHost, PluginSource};
use crate::ports::{Planner, PlatformMatcher, PluginFailure, Store};
use crate::pull::{PullMode, PullReport, PullRequest, Unpack, World, ensure_image};
use crate::registry::RegistryClient;

/// Pull an image and unpack it into a snapshotter
///
/// Only what is missing is downloaded. Everything is checked against its digest. If the command fails or is
/// interrupted, no image record, lease or half unpacked layer stays behind; what was downloaded until then is
/// used by the next try
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct PullArguments {
    /// The image: a short name as in Docker, a full name, or a name with `@` and a digest; with `--mode missing`
    /// or `never` also the digest of an image in containerd, or its beginning
    #[arg(value_name = "REF")]
    reference: String,

    /// When to ask the registry: `missing` means if the image is not in containerd, complete and for the wanted
    /// platform; `never` uses what is there, and no network
    #[arg(long, value_name = "WHEN", default_value = "always")]
    mode: Mode,

    #[command(flatten)]
    platforms: PlatformOptions,

    /// Unpack the image; `auto` means if exactly one platform is pulled
    #[arg(long, value_name = "WHEN", default_value = "auto", ignore_case = true)]
    unpack: UnpackChoice,

    /// Download this many layers at the same time
    #[arg(long, value_name = "NUMBER", default_value_t = limits::PARALLEL_DOWNLOADS)]
    max_concurrent_downloads: NonZeroUsize,

    /// Print nothing but the name of the image in normal form
    #[arg(short, long)]
    quiet: bool,

    /// Print the result in this form
    #[arg(long, value_name = "FORM", default_value = "text", conflicts_with = "quiet")]
    pub(super) format: Format,

    /// Print where the time went, on standard error; the JSON report always has it
    #[arg(long)]
    timings: bool,

    /// Use the component in FILE as the plugin of this kind, `snapshotter` or `platform`, in place of the
    /// embedded one
    #[arg(long = "plugin", value_name = "KIND=FILE")]
    plugins: Vec<String>,

    /// Configure the plugin of this kind; `dray plugin inspect` and the documentation of the plugin say how
    #[arg(long = "plugin-config", value_name = "KIND=JSON")]
    plugin_configs: Vec<String>,

    #[command(flatten)]
    registry: RegistryOptions,
}

/// When the registry is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Mode {
    Always,
    Missing,
    Never,
}

impl From<Mode> for PullMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Always => Self::Always,
            Mode::Missing => Self::Missing,
            Mode::Never => Self::Never,
        }
    }
}

/// Whether to unpack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum UnpackChoice {
    Auto,
    #[value(aliases = ["1", "t"])]
    True,
    #[value(aliases = ["0", "f"])]
    False,
}

impl From<UnpackChoice> for Option<bool> {
    fn from(choice: UnpackChoice) -> Self {
        match choice {
            UnpackChoice::Auto => None,
            UnpackChoice::True => Some(true),
            UnpackChoice::False => Some(false),
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  dray pull debian:12
  dray pull --platform linux/arm64 ghcr.io/example/app:1.4
  dray pull --platform linux/amd64,linux/arm64 debian:12
  dray pull --mode missing debian:12
  dray -n k8s.io pull registry.example.com/team/app@sha256:4b1d…
  dray pull --format json debian:12 | jq .totals
  dray pull --plugin snapshotter=./mine.wasm --snapshotter mine debian:12";

/// Pulls, and prints the report.
pub(super) fn run(arguments: PullArguments, globals: &Globals, context: &Context) -> Result<(), Failure> {
    let PullArguments { quiet, format, timings, registry, .. } = arguments;
    let flags = PullFlags {
        name: arguments.reference,
        is_reference: arguments.mode == Mode::Always,
        daemon: globals.daemon(),
        platforms: arguments.platforms.into(),
        unpack: arguments.unpack.into(),
        plugins: arguments.plugins,
        plugin_configs: arguments.plugin_configs,
    };
    let settings = PullSettings::resolve(flags, &context.environment, &host_platform::detect())?;
    let planner = settings.unpack.then(|| components::planner(&settings.snapshotter_plugin));
    let sources =
        Sources { planner: planner.transpose()?, matcher: components::matcher(&settings.platform_plugin)? };
    let registry = registry_client(&registry, &context.environment)?;
    let how = How {
        mode: arguments.mode.into(),
        parallel_downloads: arguments.max_concurrent_downloads,
        manner: manner(quiet, format, context),
    };

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let pulled = runtime.block_on(pull_with(&settings, &sources, registry, how, context));
    // A name lookup that nobody waits for any more must not hold up the end.
    runtime.shutdown_background();
    let report = pulled?;

    for hint in &report.hints {
        let word = context.screen.palette().paint(Style::Hint, "hint");
        context.screen.print(&format!("{word}: {}", escape::line(hint)));
    }
    if timings && format == Format::Text {
        context.screen.print(&report::timings(&report));
    }
    match (quiet, format) {
        (true, _) => output::write(format!("{}\n", report.name).as_bytes()),
        (false, Format::Text) => output::write(report::summary(&report).as_bytes()),
        (false, Format::Json) => output::write_json(&report),
    }
}

/// How to go about it.
struct How {
    mode: PullMode,
    parallel_downloads: NonZeroUsize,
    manner: Manner,
}

/// The components of a pull, read and not yet compiled.
struct Sources {
    planner: Option<PluginSource>,
    matcher: PluginSource,
}

/// Programs that want JSON read standard error as well, so that only a person at a terminal gets progress.
fn manner(quiet: bool, format: Format, context: &Context) -> Manner {
    let is_terminal = io::stderr().is_terminal();
    if quiet || (format == Format::Json && !is_terminal) {
        Manner::Quiet
    } else if is_terminal && !color::is_dumb_terminal(&context.environment) {
        Manner::Picture
    } else {
        Manner::Lines
    }
}

async fn pull_with(
    settings: &PullSettings,
    sources: &Sources,
    registry: RegistryClient,
    how: How,
    context: &Context,
) -> Result<PullReport, Failure> {
    let interrupt = Interrupt::watch(Arc::clone(&context.screen))?;
    let connecting = connect(settings, sources);
    // Nothing has been changed yet, so the future can simply be dropped.
    let connected = interrupt.token().run_until_cancelled(connecting).await;
    let Connected { store, planner, matcher } =
        connected.ok_or_else(|| Failure::cancelled(interrupt.signal()))??;

    let view = View::start(how.manner, &context.screen, &settings.name);
    let world = World { store, registry: Arc::new(registry), matcher, progress: view.progress() };
    let snapshotter = settings.daemon.snapshotter.clone();
    let request = PullRequest {
        name: settings.name.clone(),
        platforms: settings.platforms.clone(),
        unpack: planner.map(|planner| Unpack { snapshotter, planner }),
        parallel_downloads: how.parallel_downloads,
    };
    let pulled = ensure_image(&world, &request, how.mode, interrupt.token()).await;
    view.end();
    pulled.map_err(|error| Failure::from(error).by_signal(interrupt.signal()))
}

/// Everything that a pull acts on, before anybody watches.
struct Connected {
    store: Store,
    planner: Option<Arc<dyn Planner>>,
    matcher: Arc<dyn PlatformMatcher>,
}

async fn connect(settings: &PullSettings, sources: &Sources) -> Result<Connected, Failure> {
    let daemon = &settings.daemon;
    // The plugins are loaded while the daemon is asked whether it is there.
    let containerd = async {
        let connected = Containerd::connect(&daemon.address, &daemon.namespace).await;
        connected.map_err(|error| Failure::connecting(&error))
    };
    let plugins = async { plugins(settings, sources).await.map_err(Failure::from) };
    let (containerd, (matcher, planner)) = tokio::try_join!(containerd, plugins)?;
    let containerd = Arc::new(containerd);
    let store = Store {
        content: containerd.clone(),
        snapshots: containerd.clone(),
        applier: containerd.clone(),
        images: containerd.clone(),
        leases: containerd.clone(),
        daemon: containerd,
    };
    Ok(Connected { store, planner, matcher })
}

async fn plugins(
    settings: &PullSettings,
    sources: &Sources,
) -> Result<(Arc<dyn PlatformMatcher>, Option<Arc<dyn Planner>>), PluginFailure> {
    let host = PluginHost::new(settings.compiled_store.as_deref())?;
    let matcher = host.matcher(&sources.matcher, components::config(&settings.platform_plugin)).await?;
    let planner = match &sources.planner {
        Some(source) => Some(host.planner(source, components::config(&settings.snapshotter_plugin)).await?),
        None => None,
    };
    Ok((matcher, planner))
}
