use serde_json::{Value, json};

use crate::arguments::Format;
use crate::context::Context;
use crate::failure::{Failure, Kind, message_of};
use crate::output;
use dray::oci::{Platform, PlatformError};
use dray::text::escape;

/// Show how dray reads platforms
///
/// Missing parts come from this machine. There is an answer for every platform, in the given order. If one is
/// refused, the others are still answered, and the exit status is 2
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  dray platform parse arm64 'windows(10.0.17763+win32k)/amd64'\n  \
                        dray platform parse --format json -- SPEC...")]
pub(crate) struct ParseArguments {
    /// Platforms, written as for `dray pull --platform`
    #[arg(value_name = "SPEC", required = true)]
    specs: Vec<String>,

    /// Print in this format; JSON is one object per line
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(crate) format: Format,
}

/// Prints the meaning of each platform.
pub(super) fn run(arguments: &ParseArguments, context: &Context) -> Result<(), Failure> {
    let host = &context.machine.platform;
    let given = arguments.specs.len();
    let parsed: Vec<_> = arguments.specs.iter().map(|spec| Platform::parse(spec, host)).collect();
    match arguments.format {
        Format::Json => {
            let answers = arguments.specs.iter().zip(&parsed);
            let answers = answers.map(|(spec, parsed)| to_json(spec, parsed.as_ref()));
            output::write_json_lines(&answers.collect::<Vec<_>>())?;
        }
        Format::Text => output::write(parsed.iter().map(to_text).collect::<String>().as_bytes())?,
    }
    match parsed.iter().filter(|parsed| parsed.is_err()).count() {
        0 => Ok(()),
        refused => Err(Failure::new(Kind::Usage, format!("{refused} of {given} platforms refused"))),
    }
}

fn to_text(parsed: &Result<Platform, PlatformError>) -> String {
    match parsed {
        Ok(platform) => format!("{}\n", escape::line(&platform.format_all())),
        Err(error) => format!("refused: {}\n", escape::line(&message_of(error))),
    }
}

fn to_json(input: &str, parsed: Result<&Platform, &PlatformError>) -> Value {
    match parsed {
        Ok(platform) => json!({
            "input": input,
            "os": platform.os,
            "architecture": platform.architecture,
            "variant": platform.variant,
            "os_version": platform.os_version,
            "os_features": platform.os_features,
            "format": platform.to_string(),
            "format_all": platform.format_all(),
        }),
        Err(error) => json!({ "input": input, "error": message_of(error) }),
    }
}
