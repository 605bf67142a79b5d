use std::fmt::Write as _;

use serde::Serialize;

use super::name::check_name;
use crate::arguments::Format;
use crate::context::Context;
use crate::failure::{Failure, message_of};
use crate::registry_options::RegistryOptions;
use crate::{output, runtime};
use dray::ports::{FetchFailure, FetchFault};
use dray::registry::Ping;
use dray::text::escape;

/// Test whether the servers of a registry respond as registries
///
/// Each server gets one request without credentials. The exit status is 0 if at least one responds as a registry,
/// even with a demand for credentials
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  dray registry ping docker.io\n  \
                        dray registry ping --format json registry.example.com:5000")]
pub(crate) struct PingArguments {
    /// The registry as in the name of an image, such as `docker.io` or `localhost:5000`
    #[arg(value_name = "HOST")]
    host: String,

    /// Print in this format; JSON is a list of objects
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(crate) format: Format,

    #[command(flatten)]
    options: RegistryOptions,
}

/// An answer in JSON.
#[derive(Serialize)]
struct Answered {
    host: String,
    path: String,
    scheme: &'static str,
    registry: bool,
    status: Option<u16>,
    challenges: Vec<String>,
    error: Option<String>,
}

/// Prints the answer of each server.
pub(super) fn run(arguments: &PingArguments, context: &Context) -> Result<(), Failure> {
    check_name(&arguments.host)?;
    let client = arguments.options.client(context)?;
    let runtime = runtime::on_this_thread()?;
    let pings = runtime.block_on(client.ping(&arguments.host))?;
    // An abandoned name look-up must not delay the end.
    runtime.shutdown_background();
    let answered: Vec<Answered> = pings.iter().map(Answered::of).collect();
    match arguments.format {
        Format::Json => output::write_json(&answered)?,
        Format::Text => output::write(to_text(&answered).as_bytes())?,
    }
    if answered.iter().any(|answer| answer.registry) {
        return Ok(());
    }
    Err(failure(&arguments.host, pings))
}

impl Answered {
    fn of(ping: &Ping) -> Self {
        let (host, path) = (ping.endpoint.host.clone(), ping.endpoint.path.clone());
        match &ping.answer {
            Ok(pong) => Self {
                host,
                path,
                scheme: pong.scheme.as_str(),
                registry: pong.is_of_registry(),
                status: Some(pong.status),
                challenges: pong.challenges.clone(),
                error: None,
            },
            Err(failure) => Self {
                host,
                path,
                scheme: ping.endpoint.scheme.as_str(),
                registry: false,
                status: None,
                challenges: Vec::new(),
                error: Some(message_of(failure)),
            },
        }
    }
}

fn to_text(answers: &[Answered]) -> String {
    let mut text = String::new();
    for Answered { host, path, scheme, registry, status, challenges, error } in answers {
        let mut line = format!("{scheme}://{host}{path}/: ");
        let _ = match (status, error) {
            (Some(status), _) => write!(line, "{status}"),
            (None, Some(error)) => write!(line, "{error}"),
            (None, None) => Ok(()),
        };
        if !challenges.is_empty() {
            let _ = write!(line, ", wants {}", challenges.join(" or "));
        }
        if status.is_some() && !registry {
            line.push_str(", which is not the answer of a registry");
        }
        let _ = writeln!(text, "{}", escape::line(&line));
    }
    text
}

const NOT_A_REGISTRY_HINT: &str = "check that this is the address of a registry";

/// The failure of the last server, which is the registry itself or replaces it.
fn failure(host: &str, pings: Vec<Ping>) -> Failure {
    let unreachable = pings.into_iter().rev().find_map(|ping| ping.answer.err());
    let reason = unreachable.as_ref().and_then(|failure| failure.reason.clone());
    let message = format!("no server answers as registry `{host}`");
    let failure = FetchFailure { reason, ..FetchFailure::new(FetchFault::Unavailable, message) };
    match unreachable {
        Some(cause) if failure.reason.is_some() => failure.with_source(cause).into(),
        Some(cause) => Failure::from(failure.with_source(cause)).hint(NOT_A_REGISTRY_HINT),
        None => Failure::from(failure).hint(NOT_A_REGISTRY_HINT),
    }
}
