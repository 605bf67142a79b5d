//! Fetches what an image lacks that is in containerd, for all platforms: `fetch_image SOCKET NAME`.

#![expect(clippy::print_stdout, reason = "it is what an example is for")]

use anyhow::Context as _;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (socket, name) = arguments.next().zip(arguments.next()).context("fetch_image SOCKET NAME")?;

    let client = dray::Client::builder().address(socket).all_platforms(false).build()?;
    let report = client.fetch(&name).await?;
    println!("{} blobs, {} bytes", report.totals.downloaded_blobs, report.totals.downloaded_bytes);
    Ok(())
}
