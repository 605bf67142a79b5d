//! Finds an image that is in containerd, by name, digest or short id, and unpacks it if it is not. Nothing goes over
//! the network: `existing_image SOCKET NAME`.

#![expect(clippy::print_stdout, reason = "it is what an example is for")]

use anyhow::Context as _;
use dray::{Client, ClientError, PullError};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (socket, name) = arguments.next().zip(arguments.next()).context("existing_image SOCKET NAME")?;

    let client = Client::builder().address(socket).build()?;
    match client.existing(&name).await {
        Ok(report) => println!("{} is there, for {}", report.name, report.image.platform),
        // What it lacks is the source.
        Err(ClientError::Pull(PullError::NotAvailable { name, source })) => {
            println!("{name} is not there: {source}");
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
