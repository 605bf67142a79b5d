use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Number, Value};

use super::name::check_name;
use crate::arguments::Format;
use crate::context::Context;
use crate::failure::{Failure, Kind};
use crate::output;
use crate::registry_options::RegistryOptions;
use dray::registry::{Capability, ClientPair, HostEndpoint, HostHeaders, HostsSettings, host_endpoints};
use dray::text::escape;

/// Show which servers are asked for a registry, in the order tried
///
/// Reads the `hosts.toml` or the certificate directory of the registry as a pull would. The network is not
/// used, and no certificate is opened
#[derive(Debug, clap::Args)]
#[command(override_usage = USAGE, after_help = EXAMPLES)]
// Here the option takes several values at once, up to the next option or `--`.
#[command(mut_arg("hosts_dirs", |option| option.num_args(1..)))]
pub(crate) struct ExplainArguments {
    /// The registry as in the name of an image, such as `docker.io` or `localhost:5000`
    #[arg(value_name = "HOST")]
    host: Option<String>,

    /// Print in this format; JSON is a list of objects
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(crate) format: Format,

    #[command(flatten)]
    options: RegistryOptions,
}

const USAGE: &str = "dray registry explain [OPTIONS] [--hosts-dir <DIR>...] -- <HOST>";

const EXAMPLES: &str = "\
Examples:
  dray registry explain docker.io
  dray registry explain --hosts-dir ./certs.d --format json -- registry.example.com:5000";

/// An endpoint in JSON.
#[derive(Serialize)]
struct Explained<'a> {
    scheme: &'static str,
    host: &'a str,
    path: &'a str,
    capabilities: Vec<&'static str>,
    skip_verify: bool,
    http_fallback: bool,
    ca: Vec<String>,
    client: Vec<[String; 2]>,
    headers: serde_json::Map<String, Value>,
    override_path: bool,
    dial_timeout: Option<Number>,
    file: Option<String>,
}

/// Prints the servers.
pub(super) fn run(arguments: &ExplainArguments, context: &Context) -> Result<(), Failure> {
    let mut settings = arguments.options.access(context)?.hosts();
    let host = match &arguments.host {
        Some(host) => host.clone(),
        None => swallowed_host(&arguments.options, &mut settings)?,
    };
    check_name(&host)?;
    let endpoints = host_endpoints(&host, &settings)?;
    let explained: Vec<Explained<'_>> = endpoints.iter().map(Explained::of).collect();
    match arguments.format {
        Format::Json => output::write_json(&explained),
        Format::Text => output::write(to_text(&explained).as_bytes()),
    }
}

/// Without `--`, an option with several values takes the registry as its last one.
fn swallowed_host(options: &RegistryOptions, settings: &mut HostsSettings) -> Result<String, Failure> {
    let last = if options.names_several_directories() { settings.directories.pop() } else { None };
    let host = last.and_then(|last| last.into_os_string().into_string().ok());
    host.ok_or_else(|| Failure::new(Kind::Usage, "no registry is named").hint("`--` stands before it"))
}

impl<'a> Explained<'a> {
    fn of(endpoint: &'a HostEndpoint) -> Self {
        let pair = |ClientPair { certificate, key }: &ClientPair| {
            let key = key.as_ref().map(|key| key.display().to_string());
            [certificate.display().to_string(), key.unwrap_or_default()]
        };
        Self {
            scheme: endpoint.scheme.as_str(),
            host: &endpoint.host,
            path: &endpoint.path,
            capabilities: endpoint.capabilities.iter().map(Capability::as_str).collect(),
            skip_verify: endpoint.skip_verify,
            http_fallback: endpoint.http_fallback,
            ca: endpoint.ca.iter().map(|file| file.display().to_string()).collect(),
            client: endpoint.client.iter().map(pair).collect(),
            headers: endpoint.headers.iter().map(header).collect(),
            override_path: endpoint.override_path,
            dial_timeout: endpoint.dial_timeout.and_then(|timeout| {
                if timeout.subsec_nanos() == 0 {
                    return Some(timeout.as_secs().into());
                }
                Number::from_f64(timeout.as_secs_f64())
            }),
            file: endpoint.file.as_ref().map(|file| file.display().to_string()),
        }
    }
}

fn header((name, values): (&str, &[String])) -> (String, Value) {
    let shown =
        |value: &String| if HostHeaders::is_secret(name) { "<redacted>" } else { value.as_str() }.into();
    (name.to_owned(), values.iter().map(shown).collect::<Vec<Value>>().into())
}

/// A paragraph per server, without default values.
fn to_text(endpoints: &[Explained<'_>]) -> String {
    let mut text = String::new();
    for (index, endpoint) in endpoints.iter().enumerate() {
        let Explained { scheme, host, path, .. } = endpoint;
        let _ = writeln!(text, "{}. {}", index + 1, escape::line(&format!("{scheme}://{host}{path}")));
        let mut row = |key: &str, value: &str| {
            let _ = writeln!(text, "   {key:<12} {}", escape::line(value));
        };
        row("may", &endpoint.capabilities.join(", "));
        let encryption = match (*scheme, endpoint.skip_verify) {
            ("http", _) => "none",
            (_, true) => "TLS, any certificate accepted",
            (_, false) => "TLS, certificate checked",
        };
        row("encryption", encryption);
        if endpoint.http_fallback {
            row("", "none, if the server does not speak TLS");
        }
        for file in &endpoint.ca {
            row("trusts", file);
        }
        for [certificate, key] in &endpoint.client {
            row("shows", certificate);
            if !key.is_empty() {
                row("with key", key);
            }
        }
        for (name, values) in &endpoint.headers {
            for value in values.as_array().into_iter().flatten() {
                row("header", &format!("{name}: {}", value.as_str().unwrap_or_default()));
            }
        }
        if let Some(timeout) = &endpoint.dial_timeout {
            row("dial timeout", &format!("{timeout} s"));
        }
        row("from", endpoint.file.as_deref().unwrap_or("no file"));
    }
    text
}
