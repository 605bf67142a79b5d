//! Makes sure that an image is there, and asks the registry only if it is not: `ensure_image SOCKET REFERENCE`.
//!
//! Ctrl-c cancels: the pull gives up its locks and its lease, and what it downloaded waits for the next one.

#![expect(clippy::print_stdout, reason = "it is what an example is for")]

use std::sync::Arc;

use anyhow::Context as _;
use dray::containerd::Containerd;
use dray::limits::PARALLEL_DOWNLOADS;
use dray::oci::Platform;
use dray::plugin::{PluginHost, PluginSource};
use dray::ports::OnePlanner;
use dray::registry::{RegistryClient, RegistrySettings};
use dray::{Platforms, PullMode, PullRequest, Unpack, World, ensure_image};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (socket, name) = arguments.next().zip(arguments.next()).context("ensure_image SOCKET REFERENCE")?;

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
        unpack: Some(Unpack {
            snapshotter: None,
            planners: Arc::new(OnePlanner(plugins.planner(&overlayfs, "{}").await?)),
        }),
        parallel_downloads: PARALLEL_DOWNLOADS,
    };
    let cancel = CancellationToken::new();
    let ctrl_c = cancel.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            ctrl_c.cancel();
        }
    });
    let report = ensure_image(&world, &request, PullMode::Missing, &cancel).await?;
    println!("{} was {:?}", report.name, report.outcome);
    Ok(())
}
