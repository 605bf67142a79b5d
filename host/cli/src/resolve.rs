use std::fmt::Write as _;

use serde::Serialize;

use super::arguments::Format;
use super::context::Context;
use super::failure::Failure;
use super::registry_options::RegistryOptions;
use super::{output, runtime};
use dray::oci::{Descriptor, Digest, MediaType, Reference};
use dray::pull::resolve_digest;
use dray::text::escape;

/// Resolve the name of an image to a digest, at its registry
///
/// Does not use containerd, and downloads nothing
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  dray resolve debian:12\n  dray pull debian@$(dray resolve -q debian:12)"
)]
pub(super) struct ResolveArguments {
    /// The image: a short name as in Docker, a full name, or a name with `@` and a digest
    #[arg(value_name = "REF")]
    reference: String,

    /// Print only the digest
    #[arg(short, long)]
    quiet: bool,

    /// Print in this format
    #[arg(long, value_name = "FORM", default_value = "text", conflicts_with = "quiet")]
    pub(super) format: Format,

    #[command(flatten)]
    registry: RegistryOptions,
}

#[derive(Serialize)]
struct Answer {
    name: String,
    digest: Digest,
    media_type: MediaType,
    size: u64,
}

/// Resolves the name, and prints the answer.
pub(super) fn run(arguments: &ResolveArguments, context: &Context) -> Result<(), Failure> {
    let registry = arguments.registry.client(context)?;
    let runtime = runtime::on_this_thread()?;
    let resolved = runtime.block_on(resolve_digest(&registry, &arguments.reference));
    // An abandoned name look-up must not delay the end.
    runtime.shutdown_background();
    let Descriptor { digest, media_type, size, .. } = resolved?;
    let name = Reference::parse(&arguments.reference).map(|reference| reference.to_string());
    let name = name.unwrap_or_else(|_| arguments.reference.clone());
    let answer = Answer { name, digest, media_type, size };
    match (arguments.quiet, arguments.format) {
        (true, _) => output::write(format!("{}\n", answer.digest).as_bytes()),
        (false, Format::Json) => output::write_json(&answer),
        (false, Format::Text) => output::write(answer.to_text().as_bytes()),
    }
}

impl Answer {
    fn to_text(&self) -> String {
        let mut text = String::new();
        let mut row = |key: &str, value: &str| {
            let _ = writeln!(text, "{key:<12} {}", escape::line(value));
        };
        row("name", &self.name);
        row("digest", self.digest.as_str());
        row("media type", self.media_type.as_str());
        row("size", &format!("{} B", self.size));
        text
    }
}
