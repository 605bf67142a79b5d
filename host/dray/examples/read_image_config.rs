//! Shows the labels and diff ids in the config of an image in containerd: `read_image_config SOCKET NAME`.

#![expect(clippy::print_stdout, reason = "it is what an example is for")]

use anyhow::Context as _;
use dray::containerd::Containerd;
use dray::image::StoredDocuments;
use dray::oci::Platform;
use dray::plugin::{PluginHost, PluginSource};
use dray::{find_image, read_image_config};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (socket, name) = arguments.next().zip(arguments.next()).context("read_image_config SOCKET NAME")?;

    let platform = PluginSource::embedded("platform").context("it comes along")?;
    let matcher = PluginHost::new(None).matcher(&platform, "{}").await?;
    let containerd = Containerd::connect(&socket, "default").await?;
    let found = find_image(&containerd, &name).await?.into_iter().next().context("there is no such image")?;
    let wanted = Platform::new("linux", "amd64", "");
    let image =
        read_image_config(StoredDocuments(&containerd), matcher.as_ref(), &found.record.target, &wanted)
            .await?;
    println!("platform {}", image.platform);
    for (key, value) in &image.config.labels {
        println!("{key}={value}");
    }
    for diff_id in &image.config.diff_ids {
        println!("{diff_id}");
    }
    Ok(())
}
