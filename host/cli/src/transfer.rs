//! Brings images into containerd: connections, progress, signals and the report.

use std::io::{self, IsTerminal};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Instant;

use super::arguments::Format;
use super::color::{self, Style};
use super::context::Context;
use super::failure::Failure;
use super::interrupt::Interrupt;
use super::progress::{Manner, View};
use super::registry_options::RegistryOptions;
use super::{components, output, report, runtime};
use dray::config::{Flags, SettingsError};
use dray::limits;
use dray::oci::Reference;
use dray::pull::{PullError, PullMode, PullReport};
use dray::text::escape;
use dray::{Client, ClientError};

/// Options of every command that downloads.
#[derive(Debug, clap::Args)]
pub(super) struct TransferOptions {
    /// Download this many layers in parallel
    #[arg(long, value_name = "NUMBER", default_value_t = limits::PARALLEL_DOWNLOADS, value_parser = at_least_one)]
    max_concurrent_downloads: NonZeroUsize,

    /// Print only the name of the image in normal form
    #[arg(short, long)]
    quiet: bool,

    /// Print the result in this format
    #[arg(long, value_name = "FORM", default_value = "text", conflicts_with = "quiet")]
    pub(super) format: Format,

    /// Print timings on standard error; the JSON report always has them
    #[arg(long)]
    timings: bool,

    #[command(flatten)]
    registry: RegistryOptions,
}

fn at_least_one(text: &str) -> Result<NonZeroUsize, &'static str> {
    text.parse().map_err(|_| "it must be a number, and at least 1")
}

/// The task of a command.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    /// Makes sure that the image is in containerd.
    Ensure(PullMode),
    /// Fetches the missing blobs of an image in containerd.
    Fetch,
}

/// Carries out the task, and prints the report.
pub(super) fn run(
    task: Task,
    name: &str,
    flags: Flags,
    options: &TransferOptions,
    context: &Context,
) -> Result<(), Failure> {
    let began = Instant::now();
    let TransferOptions { quiet, format, timings, .. } = *options;
    if task == Task::Ensure(PullMode::Always) {
        Reference::parse(name).map_err(|source| PullError::Reference { source })?;
    } else if name.is_empty() {
        return Err(SettingsError::Empty { what: "name of the image" }.into());
    }
    let registry = options.registry.flags(context);
    let parallel_downloads = Some(options.max_concurrent_downloads);
    let settings = context.settings(Flags { registry, parallel_downloads, ..flags })?;
    let unpack = settings.unpack;
    let screen = (manner(options, context) != Manner::Quiet).then(|| Arc::clone(&context.screen));
    let plugins = components::host(settings.compiled_store.as_deref(), screen);
    let client = Client::new(settings, plugins)?;

    // One thread if containerd unpacks, which takes longer than the downloads; for a small image, waking threads
    // would dominate. Without unpacking, the downloads use every processor.
    let runtime = if unpack { runtime::on_this_thread()? } else { runtime::on_all_processors()? };
    let done = runtime.block_on(transfer(began, task, name, client, options, context));
    // An abandoned name look-up must not delay the end.
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

/// Programs that request JSON also read standard error, so only users at a terminal get progress.
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
    task: Task,
    name: &str,
    client: Client,
    options: &TransferOptions,
    context: &Context,
) -> Result<PullReport, Failure> {
    let interrupt = Interrupt::watch(Arc::clone(&context.screen))?;
    let failure = |error: ClientError| Failure::from(error).by_signal(interrupt.signal());
    // Only if the registry is asked in any case. Otherwise the text may be an id that looks like a name.
    let reference = match task {
        Task::Ensure(PullMode::Always) => Reference::parse(name).ok(),
        _ => None,
    };
    let client = client.with_cancellation(interrupt.token().clone());
    // Connects and loads while nothing is shown yet.
    client.world().await.map_err(failure)?;

    let shown = reference.map_or_else(|| name.to_owned(), |reference| reference.to_string());
    let view = View::start(manner(options, context), &context.screen, &shown);
    let client = client.with_progress(view.progress());
    let prepared = began.elapsed();
    let done = match task {
        Task::Ensure(PullMode::Always) => client.pull(name).await,
        Task::Ensure(PullMode::Missing) => client.ensure(name).await,
        Task::Ensure(PullMode::Never) => client.existing(name).await,
        Task::Fetch => client.fetch(name).await,
    };
    view.end();
    let mut report = done.map_err(failure)?;
    report.add_preparation(prepared);
    Ok(report)
}
