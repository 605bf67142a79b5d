//! Makes sure that an image is there, and asks the registry only if it is not: `ensure_image SOCKET REFERENCE`.
//!
//! Ctrl-c cancels: the pull gives up its locks and its lease, and what it downloaded waits for the next one.

#![expect(clippy::print_stdout, reason = "it is what an example is for")]

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (socket, name) = arguments.next().zip(arguments.next()).context("ensure_image SOCKET REFERENCE")?;

    let cancel = CancellationToken::new();
    let ctrl_c = cancel.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            ctrl_c.cancel();
        }
    });
    let client = dray::Client::builder().address(socket).cancellation(cancel).build()?;
    let report = client.ensure(&name).await?;
    println!("{} was {:?}", report.name, report.outcome);
    Ok(())
}
