use std::fmt::Write as _;

use serde_json::{Value, json};

use super::arguments::Format;
use super::failure::{Failure, Kind, message_of};
use super::output;
use crate::oci::{Digest, Named, ReferenceError, parse_repo_tag};

/// Show how names of images are understood
///
/// Every name is answered, in the order given. If one is refused, the others are still answered and the exit
/// status is 2
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  dray reference debian:12 ghcr.io/example/app\n  \
                        dray reference --format json -- NAME...")]
pub(super) struct ReferenceArguments {
    /// Names as they would be given to `dray pull`
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,

    /// Print in this form; JSON is one object a line
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(super) format: Format,
}

/// Prints what each name means.
pub(super) fn run(arguments: &ReferenceArguments) -> Result<(), Failure> {
    let mut text = String::new();
    let mut refused = 0;
    for name in &arguments.names {
        let parsed = Named::parse(name);
        refused += usize::from(parsed.is_err());
        match (arguments.format, parsed) {
            (Format::Json, parsed) => {
                let _ = writeln!(text, "{}", to_json(name, parsed.as_ref()));
            }
            (Format::Text, Ok(named)) => {
                let _ = writeln!(text, "{}", named.to_reference());
            }
            (Format::Text, Err(error)) => {
                let _ = writeln!(text, "refused: {}", super::escape::line(&message_of(&error)));
            }
        }
    }
    output::write(text.as_bytes())?;
    match refused {
        0 => Ok(()),
        _ => Err(Failure::new(Kind::Usage, format!("{refused} of {} names refused", arguments.names.len()))),
    }
}

fn to_json(input: &str, parsed: Result<&Named, &ReferenceError>) -> Value {
    let named = match parsed {
        Ok(named) => named,
        Err(error) => return json!({ "input": input, "error": message_of(error) }),
    };
    json!({
        "input": input,
        "canonical": named.to_reference().to_string(),
        "domain": named.domain(),
        "path": named.path(),
        "repository": format!("{}/{}", named.domain(), named.path()),
        "tag": named.tag(),
        "digest": named.digest().map(Digest::as_str),
        "familiar": named.familiar(),
        "repo_tag": parse_repo_tag(input).ok(),
    })
}
