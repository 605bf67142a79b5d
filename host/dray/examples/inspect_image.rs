//! Shows what an image in containerd is, and whether all of it is there: `inspect_image SOCKET NAME`.

#![expect(clippy::print_stdout, reason = "it is what an example is for")]

use anyhow::Context as _;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (socket, name) = arguments.next().zip(arguments.next()).context("inspect_image SOCKET NAME")?;

    let client = dray::Client::builder().address(socket).build()?;
    let image = client.inspect(&name).await?;
    println!("{} is {}", image.record.name, image.record.target.digest);
    println!("for {}, {} layers", image.documents.platform, image.documents.manifest.layers.len());
    let state = &image.completeness;
    println!("complete: {}, unpacked: {}", state.is_complete(), state.is_unpacked());
    // As the type that other programs use.
    let config = image.documents.config.spec()?;
    println!("architecture: {}", config.architecture());
    Ok(())
}
