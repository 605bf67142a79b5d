//! Lists the layers of an image in containerd: `read_manifest SOCKET NAME`.

#![expect(clippy::print_stdout, reason = "it is what an example is for")]

use anyhow::Context as _;
use dray::containerd::Containerd;
use dray::image::StoredDocuments;
use dray::oci::Platform;
use dray::plugin::{PluginHost, PluginSource};
use dray::{find_image, read_manifest};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (socket, name) = arguments.next().zip(arguments.next()).context("read_manifest SOCKET NAME")?;

    let platform = PluginSource::embedded("platform").context("it comes along")?;
    let matcher = PluginHost::new(None).matcher(&platform, "{}").await?;
    let containerd = Containerd::connect(&socket, "default").await?;
    let found = find_image(&containerd, &name).await?.into_iter().next().context("there is no such image")?;
    let wanted = Platform::new("linux", "amd64", "");
    let chosen =
        read_manifest(StoredDocuments(&containerd), matcher.as_ref(), &found.record.target, &wanted).await?;
    println!("manifest {}", chosen.manifest.descriptor().digest);
    for layer in &chosen.manifest.layers {
        println!("{} {} bytes", layer.digest, layer.size);
    }
    Ok(())
}
