//! Pulls an image into containerd and unpacks it: `pull_image SOCKET REFERENCE`.

#![expect(clippy::print_stdout, reason = "it is what an example is for")]

use anyhow::Context as _;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (socket, name) = arguments.next().zip(arguments.next()).context("pull_image SOCKET REFERENCE")?;

    let client = dray::Client::builder().address(socket).build()?;
    let report = client.pull(&name).await?;
    println!("{} is {}", report.name, report.target);
    for layer in &report.image.layers {
        println!("{} {:?}, {} bytes downloaded", layer.digest, layer.outcome, layer.downloaded);
    }
    Ok(())
}
