use serde_json::{Value, json};

use super::arguments::Format;
use super::failure::{Failure, Kind, message_of};
use super::output;
use dray::oci::{Digest, Named, ReferenceError, parse_repo_tag};
use dray::text::escape;

/// Show how dray reads names of images
///
/// There is an answer for every name, in the given order. If one is refused, the others are still answered, and the
/// exit status is 2
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  dray reference debian:12 ghcr.io/example/app\n  \
                        dray reference --format json -- NAME...")]
pub(super) struct ReferenceArguments {
    /// Names, written as for `dray pull`
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,

    /// Print in this format; JSON is one object per line
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(super) format: Format,
}

/// Prints the meaning of each name.
pub(super) fn run(arguments: &ReferenceArguments) -> Result<(), Failure> {
    let given = arguments.names.len();
    let parsed: Vec<_> = arguments.names.iter().map(|name| Named::parse(name)).collect();
    match arguments.format {
        Format::Json => {
            let answers = arguments.names.iter().zip(&parsed);
            let answers = answers.map(|(name, parsed)| to_json(name, parsed.as_ref()));
            output::write_json_lines(&answers.collect::<Vec<_>>())?;
        }
        Format::Text => output::write(parsed.iter().map(to_text).collect::<String>().as_bytes())?,
    }
    match parsed.iter().filter(|parsed| parsed.is_err()).count() {
        0 => Ok(()),
        refused => Err(Failure::new(Kind::Usage, format!("{refused} of {given} names refused"))),
    }
}

fn to_text(parsed: &Result<Named, ReferenceError>) -> String {
    match parsed {
        Ok(named) => format!("{}\n", named.to_reference()),
        Err(error) => format!("refused: {}\n", escape::line(&message_of(error))),
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
