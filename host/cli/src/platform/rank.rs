use clap::ValueEnum;
use serde_json::json;

use crate::arguments::Format;
use crate::context::Context;
use crate::failure::{Failure, Kind};
use crate::{components, output, runtime};
use dray::config;
use dray::limits;
use dray::oci::Platform;
use dray::plugin::PluginSource;
use dray::text::escape;

/// Show which of the offered platforms would be chosen
///
/// The platform plugin ranks them as in a pull, best first. An empty ranking is not an error
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RankArguments {
    /// The platforms that an image offers
    #[arg(value_name = "OFFERED")]
    offered: Vec<String>,

    /// The wanted platforms, in the order of preference
    #[arg(long, value_name = "P", required = true, num_args = 1..)]
    wanted: Vec<String>,

    /// The rule for matching them
    #[arg(long, value_name = "NAME", default_value = "only-strict")]
    matcher: MatcherName,

    /// Print in this format; JSON is a list of indices of offered platforms, in one line
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(crate) format: Format,
}

const EXAMPLES: &str = "\
Examples:
  dray platform rank --wanted linux/arm64 -- linux/amd64 linux/arm64
  dray platform rank --matcher only --wanted linux/amd64/v3 -- linux/386 linux/amd64 linux/amd64/v2";

/// The matchers of containerd.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum MatcherName {
    /// One platform, and others that it can run
    Only,
    /// Exactly the wanted platforms, as in a pull
    OnlyStrict,
    /// Exactly the wanted platforms, in their order
    Ordered,
    /// Exactly the wanted platforms, without preference
    Any,
    /// Everything
    All,
}

/// Prints the ranking.
pub(super) fn run(arguments: &RankArguments, context: &Context) -> Result<(), Failure> {
    let host = &context.machine.platform;
    let wanted = parsed(&arguments.wanted, "wanted platforms", limits::WANTED_PLATFORMS, host)?;
    let offered = parsed(&arguments.offered, "offered platforms", limits::INDEX_ENTRIES, host)?;
    let ranked = ranked(arguments.matcher, &wanted, &offered, context)?;
    match arguments.format {
        Format::Json => output::write_json_lines(&[ranked]),
        Format::Text => {
            let platforms = ranked.into_iter().filter_map(|index| offered.get(index));
            let lines = platforms.map(|platform| format!("{}\n", escape::line(&platform.format_all())));
            output::write(lines.collect::<String>().as_bytes())
        }
    }
}

fn parsed(
    texts: &[String],
    what: &'static str,
    limit: usize,
    host: &Platform,
) -> Result<Vec<Platform>, Failure> {
    if texts.len() > limit {
        let message = format!("there are {} {what}, at most {limit} are accepted", texts.len());
        return Err(Failure::new(Kind::Usage, message));
    }
    let parsed: Result<_, _> = texts.iter().map(|text| Platform::parse(text, host)).collect();
    parsed.map_err(|error| Failure::usage(&format!("cannot read the {what}"), &error))
}

fn ranked(
    matcher: MatcherName,
    wanted: &[Platform],
    offered: &[Platform],
    context: &Context,
) -> Result<Vec<usize>, Failure> {
    let name = matcher.to_possible_value().map(|value| value.get_name().to_owned());
    let config = json!({ "matcher": name }).to_string();
    let lacking = || Failure::new(Kind::Internal, "this build lacks plugin `platform`");
    let source = PluginSource::embedded("platform").ok_or_else(lacking)?;
    let host = components::host(config::compiled_store(&context.environment).as_deref(), None);
    let runtime = runtime::on_this_thread()?;
    runtime.block_on(async {
        let matcher = host.matcher(&source, &config).await?;
        Ok(matcher.rank(wanted, offered).await?)
    })
}
