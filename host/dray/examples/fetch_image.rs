//! Fetches what an image lacks that is in containerd, for all platforms: `fetch_image SOCKET NAME`.

#![expect(clippy::print_stdout, reason = "it is what an example is for")]

use std::sync::Arc;

use anyhow::Context as _;
use dray::containerd::Containerd;
use dray::limits::PARALLEL_DOWNLOADS;
use dray::oci::Platform;
use dray::plugin::{PluginHost, PluginSource};
use dray::registry::{RegistryClient, RegistrySettings};
use dray::{Platforms, PullRequest, World, fetch_image};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (socket, name) = arguments.next().zip(arguments.next()).context("fetch_image SOCKET NAME")?;

    let plugins = PluginHost::new(None);
    let platform = PluginSource::embedded("platform").context("it comes along")?;
    let world = World {
        store: Containerd::connect(&socket, "default").await?.into(),
        registry: Arc::new(RegistryClient::new(RegistrySettings::default())?),
        matcher: plugins.matcher(&platform, r#"{"matcher":"all"}"#).await?,
        progress: Arc::new(()),
    };
    let request = PullRequest {
        name,
        platforms: Platforms::All { host: Platform::new("linux", "amd64", ""), attestations: false },
        unpack: None,
        parallel_downloads: PARALLEL_DOWNLOADS,
    };
    let report = fetch_image(&world, &request, &CancellationToken::new()).await?;
    println!("{} blobs, {} bytes", report.totals.downloaded_blobs, report.totals.downloaded_bytes);
    Ok(())
}
