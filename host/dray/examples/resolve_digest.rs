//! Asks the registry what a name stands for now: `resolve_digest REFERENCE`.

#![expect(clippy::print_stdout, reason = "it is what an example is for")]

use anyhow::Context as _;
use dray::registry::{RegistryClient, RegistrySettings};
use dray::resolve_digest;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let name = std::env::args().nth(1).context("resolve_digest REFERENCE")?;
    let registry = RegistryClient::new(RegistrySettings::default())?;
    let target = resolve_digest(&registry, &name).await?;
    println!("{} {} {}", target.digest, target.media_type, target.size);
    Ok(())
}
