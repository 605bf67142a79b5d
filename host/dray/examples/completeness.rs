//! Says what is missing of an image in containerd: `completeness SOCKET NAME SNAPSHOTTER`.

#![expect(clippy::print_stdout, reason = "it is what an example is for")]

use anyhow::Context as _;
use dray::containerd::Containerd;
use dray::oci::Platform;
use dray::plugin::{PluginHost, PluginSource};
use dray::ports::{SnapshotterName, Store};
use dray::{Platforms, Scrutiny, completeness, find_image};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [socket, name, snapshotter] = arguments.as_slice() else {
        anyhow::bail!("completeness SOCKET NAME SNAPSHOTTER");
    };
    let platform = PluginSource::embedded("platform").context("it comes along")?;
    let matcher = PluginHost::new(None).matcher(&platform, "{}").await?;
    let store = Store::from(Containerd::connect(socket, "default").await?);
    let found = find_image(store.images.as_ref(), name).await?;
    let record = found.into_iter().next().context("there is no such image")?.record;
    let snapshotter = SnapshotterName::new(snapshotter);
    let wanted = Platforms::One(Platform::new("linux", "amd64", ""));
    let (target, matcher) = (&record.target, matcher.as_ref());
    let state = completeness(&store, matcher, &[snapshotter], target, &wanted, Scrutiny::LastByte).await?;
    println!("complete: {}, unpacked: {}", state.is_complete(), state.is_unpacked());
    for blob in state.missing_blobs() {
        println!("missing: {} {}", blob.role.as_str(), blob.descriptor.digest);
    }
    for blob in state.damaged_blobs() {
        println!("damaged: {} {}", blob.role.as_str(), blob.descriptor.digest);
    }
    Ok(())
}
