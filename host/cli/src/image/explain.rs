use std::fmt::Write as _;
use std::sync::Arc;

use crate::arguments::Format;
use crate::context::Context;
use crate::failure::Failure;
use crate::platform_options::PlatformOptions;
use crate::plugin_options::PluginOptions;
use crate::registry_options::RegistryOptions;
use crate::{amounts, components, output};
use dray::config::Flags;
use dray::pull::{ConsideredReport, Explanation};
use dray::text::escape;
use dray::{Client, ClientError};

/// Show what each snapshotter would make of an image
///
/// Asks the plugin of each snapshotter that answers, as `dray pull --snapshotter auto` does, and pulls nothing: index,
/// manifest and config are read, from containerd if the image is there, else from the registry. With --snapshotter NAME,
/// only that one is asked
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  dray image explain ghcr.io/example/app:1.4-esgz\n  \
                        dray image explain --format json debian:12 | jq '.considered[] | select(.chosen)'")]
pub(crate) struct ExplainArguments {
    /// The image: a reference, or name, digest or beginning of a digest of an image in containerd
    #[arg(value_name = "NAME")]
    name: String,

    #[command(flatten)]
    platforms: PlatformOptions,

    #[command(flatten)]
    plugins: PluginOptions,

    /// Print in this format
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(crate) format: Format,

    #[command(flatten)]
    registry: RegistryOptions,
}

/// Prints the table.
pub(super) async fn run(arguments: ExplainArguments, context: &Context) -> Result<(), Failure> {
    let settings = context.settings(Flags {
        platforms: arguments.platforms.into(),
        plugins: arguments.plugins.flags()?,
        registry: arguments.registry.flags(context),
        ..Flags::default()
    })?;
    let plugins = components::host(
        settings.compiled_store.as_deref(),
        components::patient_screen(&context.screen).as_ref().map(Arc::clone),
    );
    let client = Client::new(settings, plugins)?;
    let explained: Result<Explanation, ClientError> = client.explain(&arguments.name).await;
    let explanation = explained?;
    match arguments.format {
        Format::Json => output::write_json(&explanation),
        Format::Text => output::write(text(&explanation).as_bytes()),
    }
}

fn text(explanation: &Explanation) -> String {
    let Explanation { name, target, platform, layers, layer_bytes, considered, .. } = explanation;
    let mut text = String::new();
    let mut row = |key: &str, value: &str| {
        let _ = writeln!(text, "{key:<12} {}", escape::line(value));
    };
    row("name", name);
    row("digest", target.as_str());
    row("platform", &platform.format_all());
    row("layers", &format!("{layers}, {}", amounts::bytes(*layer_bytes)));
    text.push('\n');
    let cells = considered.iter().map(|considered| {
        let ConsideredReport { snapshotter, chosen, verdict, reason, expected_bytes, .. } = considered;
        let provided = if *expected_bytes == 0 { "-".to_owned() } else { amounts::bytes(*expected_bytes) };
        [
            if *chosen { "*" } else { "" }.to_owned(),
            escape::line(snapshotter),
            verdict.unwrap_or("absent").to_owned(),
            provided,
            escape::line(reason),
        ]
    });
    let head = ["", "SNAPSHOTTER", "VERDICT", "PROVIDES", "REASON"].map(str::to_owned);
    let lines: Vec<_> = std::iter::once(head).chain(cells).collect();
    let width =
        |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; 4] = std::array::from_fn(width);
    for [mark, snapshotter, verdict, provided, reason] in &lines {
        let _ = writeln!(
            text,
            "{mark:<0$} {snapshotter:<1$}  {verdict:<2$}  {provided:<3$}  {reason}",
            widths[0], widths[1], widths[2], widths[3],
        );
    }
    text
}
