use std::path::Path;

use serde::Serialize;

use super::name::check_name;
use crate::arguments::Format;
use crate::context::Context;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::{output, runtime};
use dray::config;
use dray::registry::{CredentialKind, CredentialReport, CredentialSource, find_credentials};
use dray::text::escape;

/// Show which credentials a registry would get, without the secret
///
/// Runs a credential helper if the configuration names one, and does not use the network
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  dray registry credentials docker.io\n  \
                        dray registry credentials --format json -- registry.example.com:5000")]
pub(crate) struct CredentialsArguments {
    /// The registry, with its port unless that is 443
    #[arg(value_name = "HOST")]
    host: String,

    /// Print the answer in this format
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(crate) format: Format,
}

/// The JSON answer. Absent values are null.
#[derive(Serialize)]
struct Answer<'a> {
    host: &'a str,
    source: Option<&'static str>,
    file: Option<&'a Path>,
    helper: Option<&'a str>,
    key: Option<&'a str>,
    user: Option<&'a str>,
    kind: Option<&'static str>,
}

/// Prints where the credentials come from.
pub(super) fn run(arguments: &CredentialsArguments, context: &Context) -> Result<(), Failure> {
    let host = arguments.host.as_str();
    check_name(host)?;
    let settings = config::credentials(&context.environment)?;
    let runtime = runtime::on_this_thread()?;
    let found = runtime.block_on(async {
        let interrupt = Interrupt::watch(context.screen.clone())?;
        let finding = find_credentials(&settings, host);
        let found = interrupt.token().run_until_cancelled(finding).await;
        found.ok_or_else(|| Failure::cancelled(interrupt.signal()))?.map_err(Failure::from)
    })?;
    match arguments.format {
        Format::Json => output::write_json(&answer(host, found.as_ref())),
        Format::Text => {
            output::write(format!("{}\n", escape::line(&sentence(host, found.as_ref()))).as_bytes())
        }
    }
}

fn answer<'a>(host: &'a str, found: Option<&'a CredentialReport>) -> Answer<'a> {
    Answer {
        host,
        source: found.map(|found| match found.source {
            CredentialSource::Auths => "auths",
            CredentialSource::Helper => "helper",
            CredentialSource::Environment => "environment",
        }),
        file: found.and_then(|found| found.file.as_deref()),
        helper: found.and_then(|found| found.helper.as_deref()),
        key: found.map(|found| found.key.as_str()),
        user: found.and_then(|found| found.user.as_deref()),
        kind: found.map(|found| match found.kind {
            CredentialKind::Password => "password",
            CredentialKind::IdentityToken => "identity-token",
            CredentialKind::RegistryToken => "registry-token",
        }),
    }
}

fn sentence(host: &str, found: Option<&CredentialReport>) -> String {
    let Some(found) = found else {
        return format!("no credentials for {host}: requests are anonymous");
    };
    let what = match (&found.user, found.kind) {
        (Some(user), _) => format!("password of user {user}"),
        (None, CredentialKind::IdentityToken) => "identity token".to_owned(),
        (None, _) => "registry token".to_owned(),
    };
    let file = found.file.as_deref().unwrap_or(Path::new("")).display();
    let place = match (&found.helper, found.source) {
        (Some(helper), _) => format!("credential helper {helper}, which {file} names"),
        (None, CredentialSource::Environment) => "DOCKER_AUTH_CONFIG".to_owned(),
        (None, _) => file.to_string(),
    };
    format!("{what} for {host}, entry {} of {place}", found.key)
}
