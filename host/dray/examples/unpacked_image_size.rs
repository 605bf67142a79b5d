//! Says what an image in containerd takes in a snapshotter: `unpacked_image_size SOCKET NAME SNAPSHOTTER`.

#![expect(clippy::print_stdout, reason = "it is what an example is for")]

use anyhow::Context as _;
use dray::containerd::Containerd;
use dray::image::StoredDocuments;
use dray::oci::Platform;
use dray::plugin::{PluginHost, PluginSource};
use dray::ports::SnapshotterName;
use dray::{find_image, read_image_config, unpacked_image_size};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [socket, name, snapshotter] = arguments.as_slice() else {
        anyhow::bail!("unpacked_image_size SOCKET NAME SNAPSHOTTER");
    };
    let platform = PluginSource::embedded("platform").context("it comes along")?;
    let matcher = PluginHost::new(None).matcher(&platform, "{}").await?;
    let containerd = Containerd::connect(socket, "default").await?;
    let found = find_image(&containerd, name).await?.into_iter().next().context("there is no such image")?;
    let wanted = Platform::new("linux", "amd64", "");
    let image =
        read_image_config(StoredDocuments(&containerd), matcher.as_ref(), &found.record.target, &wanted)
            .await?;
    let snapshotter = SnapshotterName::new(snapshotter);
    match unpacked_image_size(&containerd, &snapshotter, &image.config.diff_ids).await? {
        None => println!("it is not unpacked in {snapshotter}"),
        Some(usage) => println!("{} bytes", usage.bytes),
    }
    Ok(())
}
