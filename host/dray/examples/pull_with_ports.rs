//! Pulls an image with every port put together by hand: `pull_with_ports SOCKET REFERENCE`. Each may be one of your own.

#![expect(clippy::print_stdout, reason = "it is what an example is for")]

use std::sync::Arc;

use anyhow::Context as _;
use dray::containerd::Containerd;
use dray::limits::PARALLEL_DOWNLOADS;
use dray::oci::Platform;
use dray::plugin::{PluginHost, PluginSource};
use dray::ports::OnePlanner;
use dray::registry::{RegistryClient, RegistrySettings};
use dray::{Platforms, PullRequest, Unpack, World, pull_image};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (socket, name) =
        arguments.next().zip(arguments.next()).context("pull_with_ports SOCKET REFERENCE")?;

    // The plugins that come along decide which platform is taken and how it is unpacked.
    let plugins = PluginHost::new(None);
    let platform = PluginSource::embedded("platform").context("it comes along")?;
    let overlayfs = PluginSource::embedded("overlayfs").context("it comes along")?;
    let world = World {
        store: Containerd::connect(&socket, "default").await?.into(),
        registry: Arc::new(RegistryClient::new(RegistrySettings::default())?),
        matcher: plugins.matcher(&platform, "{}").await?,
        progress: Arc::new(()),
    };
    let request = PullRequest {
        name,
        platforms: Platforms::One(Platform::new("linux", "amd64", "")),
        unpack: Some(Unpack::new(Arc::new(OnePlanner(plugins.planner(&overlayfs, "{}").await?)))),
        parallel_downloads: PARALLEL_DOWNLOADS,
    };
    let report = pull_image(&world, &request, &CancellationToken::new()).await?;
    println!("{} is {}", report.name, report.target);
    Ok(())
}
