//! What brings images into containerd: connections, progress, signals and the report.

use std::io::{self, IsTerminal};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Instant;

use super::arguments::Format;
use super::color::{self, Style};
use super::components::SnapshotterPlugins;
use super::context::Context;
use super::early_registry::EarlyRegistry;
use super::failure::Failure;
use super::interrupt::Interrupt;
use super::progress::{Manner, View};
use super::registry_client::registry_client;
use super::registry_options::RegistryOptions;
use super::screen::Screen;
use super::{components, output, report, runtime};
use dray::config::PullSettings;
use dray::containerd::Containerd;
use dray::limits;
use dray::oci::Reference;
use dray::plugin::PluginSource;
use dray::ports::{Planners, PlatformMatcher, Store};
use dray::pull::{PullMode, PullReport, PullRequest, Unpack, World, ensure_image, fetch_image};
use dray::registry::RegistryClient;
use dray::text::escape;

/// Options of every command that downloads.
#[derive(Debug, clap::Args)]
pub(super) struct TransferOptions {
    /// Download this many layers at the same time
    #[arg(long, value_name = "NUMBER", default_value_t = limits::PARALLEL_DOWNLOADS, value_parser = at_least_one)]
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

    #[command(flatten)]
    registry: RegistryOptions,
}

fn at_least_one(text: &str) -> Result<NonZeroUsize, &'static str> {
    text.parse().map_err(|_| "it must be a number, and at least 1")
}

/// What is to be done.
pub(super) enum Task {
    /// To make sure that the image is there.
    Ensure(PullMode),
    /// To fetch what an image lacks that is there.
    Fetch,
}

/// Does it, and prints the report.
pub(super) fn run(
    task: &Task,
    settings: &PullSettings,
    options: &TransferOptions,
    context: &Context,
) -> Result<(), Failure> {
    let began = Instant::now();
    let TransferOptions { quiet, format, timings, .. } = *options;
    let typed = settings.plugins.typed_planner().filter(|_| settings.unpack);
    let sources = Sources {
        typed_planner: typed.map(|spec| spec.origin.read()).transpose()?,
        matcher: settings.plugins.platform().origin.read()?,
    };
    let registry = registry_client(&options.registry, context)?;

    // One thread where containerd unpacks: it takes longer than any download, and threads that wake one another are what
    // a small image would wait for. Where nothing is unpacked the downloads are all there is, and have every processor.
    let runtime = if settings.unpack { runtime::on_this_thread()? } else { runtime::on_all_processors()? };
    let done = runtime.block_on(transfer(began, task, settings, &sources, registry, options, context));
    // A name lookup that nobody waits for any more must not hold up the end.
    runtime.shutdown_background();
    let report = done?;

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

/// The components of a pull that are known at once, read and not yet compiled.
struct Sources {
    typed_planner: Option<PluginSource>,
    matcher: PluginSource,
}

/// Programs that want JSON read standard error as well, so that only a person at a terminal gets progress.
fn manner(options: &TransferOptions, context: &Context) -> Manner {
    let is_terminal = io::stderr().is_terminal();
    if options.quiet || (options.format == Format::Json && !is_terminal) {
        Manner::Quiet
    } else if is_terminal && !color::is_dumb_terminal(&context.environment) {
        Manner::Picture
    } else {
        Manner::Lines
    }
}

async fn transfer(
    began: Instant,
    task: &Task,
    settings: &PullSettings,
    sources: &Sources,
    registry: RegistryClient,
    options: &TransferOptions,
    context: &Context,
) -> Result<PullReport, Failure> {
    let interrupt = Interrupt::watch(Arc::clone(&context.screen))?;
    // Only what is asked of the registry in any case. Anything else may be an id, which only looks like a name.
    let reference = match task {
        Task::Ensure(PullMode::Always) => Reference::parse(&settings.name).ok(),
        _ => None,
    };
    let registry = EarlyRegistry::ask(Arc::new(registry), reference.as_ref());
    // On the heap: what connecting and compiling need at once is much for a stack.
    let screen = (manner(options, context) != Manner::Quiet).then(|| Arc::clone(&context.screen));
    let connecting = Box::pin(connect(settings, sources, screen));
    // Nothing has been changed yet, so the future can simply be dropped.
    let connected = interrupt.token().run_until_cancelled(connecting).await;
    let Connected { store, planners, matcher } =
        connected.ok_or_else(|| Failure::cancelled(interrupt.signal()))??;

    let shown = reference.map_or_else(|| settings.name.clone(), |reference| reference.to_string());
    let view = View::start(manner(options, context), &context.screen, &shown);
    let world = World { store, registry: Arc::new(registry), matcher, progress: view.progress() };
    let snapshotter = settings.daemon.snapshotter.clone();
    let request = PullRequest {
        name: settings.name.clone(),
        platforms: settings.platforms.clone(),
        unpack: settings.unpack.then_some(Unpack { snapshotter, planners }),
        parallel_downloads: options.max_concurrent_downloads,
    };
    let prepared = began.elapsed();
    let done = match task {
        Task::Ensure(mode) => ensure_image(&world, &request, *mode, interrupt.token()).await,
        Task::Fetch => fetch_image(&world, &request, interrupt.token()).await,
    };
    view.end();
    let mut report = done.map_err(|error| Failure::from(error).by_signal(interrupt.signal()))?;
    report.add_preparation(prepared);
    Ok(report)
}

/// Everything that a pull acts on, before anybody watches.
struct Connected {
    store: Store,
    planners: Arc<dyn Planners>,
    matcher: Arc<dyn PlatformMatcher>,
}

async fn connect(
    settings: &PullSettings,
    sources: &Sources,
    screen: Option<Arc<Screen>>,
) -> Result<Connected, Failure> {
    let daemon = &settings.daemon;
    let host = Arc::new(components::host(settings.compiled_store.as_deref()));
    // The plugin for the platform is loaded while the daemon is asked whether it is there. That for the snapshotter has
    // to wait for the snapshotter's name.
    let containerd = async {
        let connected = Containerd::connect(&daemon.address, &daemon.namespace).await;
        connected.map_err(|error| Failure::connecting(&error))
    };
    let matcher = async {
        let spec = settings.plugins.platform();
        let loading = host.matcher_with_grants(&sources.matcher, &spec.config, &spec.grants);
        components::loaded(loading, &sources.matcher, screen.as_deref()).await.map_err(Failure::from)
    };
    let (containerd, matcher) = tokio::try_join!(containerd, matcher)?;
    let planners = SnapshotterPlugins {
        host: Arc::clone(&host),
        rules: settings.plugins.clone(),
        typed: sources.typed_planner.clone(),
        screen,
    };
    Ok(Connected { store: containerd.into(), planners: Arc::new(planners), matcher })
}
