//! Lists what the index of an image in containerd offers: `read_index SOCKET NAME`.

#![expect(clippy::print_stdout, reason = "it is what an example is for")]

use anyhow::Context as _;
use dray::containerd::Containerd;
use dray::image::StoredDocuments;
use dray::{find_image, read_index};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (socket, name) = arguments.next().zip(arguments.next()).context("read_index SOCKET NAME")?;

    let containerd = Containerd::connect(&socket, "default").await?;
    let found = find_image(&containerd, &name).await?.into_iter().next().context("there is no such image")?;
    match read_index(StoredDocuments(&containerd), &found.record.target).await? {
        None => println!("{} is a single manifest", found.record.name),
        Some(index) => {
            for entry in &index.manifests {
                let platform = entry.platform.as_ref().map(ToString::to_string).unwrap_or_default();
                println!("{} {platform}", entry.digest);
            }
        }
    }
    Ok(())
}
