use std::io::{self, IsTerminal};
use std::sync::Arc;

use super::arguments::{Format, Globals};
use super::color::{self, Style};
use super::failure::Failure;
use super::interrupt::Interrupt;
use super::progress::{Manner, View};
use super::{Context, components, escape, host_platform, output, report};
use crate::config::{PullFlags, PullSettings};
use crate::containerd::Containerd;
use crate::plugin::{PluginHost, PluginSource};
use crate::ports::{Planner, PlatformMatcher, PluginFailure, Store};
use crate::pull::{PullReport, PullRequest, World, pull};
use crate::registry::{PlainHttp, ProxySettings, RegistryClient, RegistrySettings};

/// Pull an image and unpack it into a snapshotter
///
/// Only what is missing is downloaded. Everything is checked against its digest. If the command fails or is
/// interrupted, no image record, lease or half unpacked layer stays behind
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct PullArguments {
    /// The image: a short name as in Docker, a full name, or a name with `@` and a digest
    #[arg(value_name = "REF")]
    reference: String,

    /// Pull for this platform [default: that of this machine]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<String>,

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

    /// Talk to the registry by HTTP without encryption, as is always done with a registry on this machine
    #[arg(long)]
    plain_http: bool,
}

const EXAMPLES: &str = "\
Examples:
  dray pull debian:12
  dray pull --platform linux/arm64 ghcr.io/example/app:1.4
  dray -n k8s.io pull registry.example.com/team/app@sha256:4b1d…
  dray pull --format json debian:12 | jq .totals
  dray pull --plugin snapshotter=./mine.wasm --snapshotter mine debian:12";

/// Pulls, and prints the report.
pub(super) fn run(arguments: PullArguments, globals: &Globals, context: &Context) -> Result<(), Failure> {
    let PullArguments { quiet, format, timings, plain_http, .. } = arguments;
    let flags = PullFlags {
        reference: arguments.reference,
        daemon: globals.daemon(),
        platform: arguments.platform,
        plugins: arguments.plugins,
        plugin_configs: arguments.plugin_configs,
    };
    let settings = PullSettings::resolve(flags, &context.environment, &host_platform::detect())?;
    let sources = Sources {
        planner: components::planner(&settings.snapshotter_plugin)?,
        matcher: components::matcher(&settings.platform_plugin)?,
    };
    let plain_http = if plain_http { PlainHttp::Everywhere } else { PlainHttp::Loopback };
    let manner = manner(quiet, format, context);

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let pulled = runtime.block_on(pull_with(&settings, &sources, plain_http, manner, context));
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

/// The components of a pull, read and not yet compiled.
struct Sources {
    planner: PluginSource,
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
    plain_http: PlainHttp,
    manner: Manner,
    context: &Context,
) -> Result<PullReport, Failure> {
    let interrupt = Interrupt::watch(Arc::clone(&context.screen))?;
    let connecting = connect(settings, sources, plain_http);
    // Nothing has been changed yet, so the future can simply be dropped.
    let connected = interrupt.token().run_until_cancelled(connecting).await;
    let Connected { store, registry, planner, matcher } =
        connected.ok_or_else(|| Failure::cancelled(interrupt.signal()))??;

    let view = View::start(manner, &context.screen, &settings.reference);
    let world = World { store, registry: Arc::new(registry), matcher, planner, progress: view.progress() };
    let request = PullRequest {
        typed: settings.typed.clone(),
        reference: settings.reference.clone(),
        platform: settings.platform.clone(),
        snapshotter: settings.daemon.snapshotter.clone(),
    };
    let pulled = pull(&world, &request, interrupt.token()).await;
    view.end();
    pulled.map_err(|error| Failure::from(error).by_signal(interrupt.signal()))
}

/// Everything that a pull acts on, before anybody watches.
struct Connected {
    store: Store,
    registry: RegistryClient,
    planner: Arc<dyn Planner>,
    matcher: Arc<dyn PlatformMatcher>,
}

async fn connect(
    settings: &PullSettings,
    sources: &Sources,
    plain_http: PlainHttp,
) -> Result<Connected, Failure> {
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
    let registry = RegistryClient::new(RegistrySettings {
        docker_config: settings.docker_config.clone(),
        plain_http,
        proxy: ProxySettings {
            https: settings.proxies.https.clone(),
            http: settings.proxies.http.clone(),
            no_proxy: settings.proxies.none_for.clone(),
        },
        user_agent: concat!("dray/", env!("CARGO_PKG_VERSION")).to_owned(),
    })?;
    Ok(Connected { store, registry, planner, matcher })
}

async fn plugins(
    settings: &PullSettings,
    sources: &Sources,
) -> Result<(Arc<dyn PlatformMatcher>, Arc<dyn Planner>), PluginFailure> {
    let host = PluginHost::new(settings.compiled_store.as_deref())?;
    let matcher = host.matcher(&sources.matcher, components::config(&settings.platform_plugin)).await?;
    let planner = host.planner(&sources.planner, components::config(&settings.snapshotter_plugin)).await?;
    Ok((matcher, planner))
}
