use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::cli::arguments::Format;
use crate::cli::failure::{Failure, Kind, message_of};
use crate::cli::{escape, host_platform, output};
use crate::oci::{Platform, PlatformError};

/// Show how platforms are understood
///
/// What is left out comes from this machine. Every platform is answered, in the order given. If one is
/// refused, the others are still answered and the exit status is 2
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  dray platform parse arm64 'windows(10.0.17763+win32k)/amd64'\n  \
                        dray platform parse --format json -- SPEC...")]
pub(in crate::cli) struct ParseArguments {
    /// Platforms as they would be given to `dray pull --platform`
    #[arg(value_name = "SPEC", required = true)]
    specs: Vec<String>,

    /// Print in this form; JSON is one object a line
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(in crate::cli) format: Format,
}

/// Prints what each platform means.
pub(super) fn run(arguments: &ParseArguments) -> Result<(), Failure> {
    let host = host_platform::detect();
    let mut text = String::new();
    let mut refused = 0;
    for spec in &arguments.specs {
        let parsed = Platform::parse(spec, &host);
        refused += usize::from(parsed.is_err());
        match (arguments.format, parsed) {
            (Format::Json, parsed) => {
                let _ = writeln!(text, "{}", to_json(spec, parsed.as_ref()));
            }
            (Format::Text, Ok(platform)) => {
                let _ = writeln!(text, "{}", escape::line(&platform.format_all()));
            }
            (Format::Text, Err(error)) => {
                let _ = writeln!(text, "refused: {}", escape::line(&message_of(&error)));
            }
        }
    }
    output::write(text.as_bytes())?;
    if refused == 0 {
        return Ok(());
    }
    let given = arguments.specs.len();
    Err(Failure::new(Kind::Usage, format!("{refused} of {given} platforms refused")))
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
