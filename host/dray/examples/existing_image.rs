//! Finds an image that is in containerd, by name, digest or short id, and unpacks it if it is not. Nothing goes over
//! the network: `existing_image SOCKET NAME`.

#![expect(clippy::print_stdout, reason = "it is what an example is for")]

use std::sync::Arc;

use anyhow::Context as _;
use dray::containerd::Containerd;
use dray::limits::PARALLEL_DOWNLOADS;
use dray::oci::Platform;
use dray::plugin::{PluginHost, PluginSource};
use dray::ports::OnePlanner;
use dray::registry::{RegistryClient, RegistrySettings};
use dray::{Platforms, PullError, PullRequest, Unpack, World, existing_image};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (socket, name) = arguments.next().zip(arguments.next()).context("existing_image SOCKET NAME")?;

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
    match existing_image(&world, &request, &CancellationToken::new()).await {
        Ok(report) => println!("{} is there, for {}", report.name, report.image.platform),
        // What it lacks is the source.
        Err(PullError::NotAvailable { name, source }) => println!("{name} is not there: {source}"),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
