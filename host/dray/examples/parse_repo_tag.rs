//! Splits a name into repository and tag: `parse_repo_tag NAME`.

#![expect(clippy::print_stdout, reason = "it is what an example is for")]

use anyhow::Context as _;
use dray::parse_repo_tag;

fn main() -> anyhow::Result<()> {
    let name = std::env::args().nth(1).context("parse_repo_tag NAME")?;
    let (repository, tag) = parse_repo_tag(&name)?;
    println!("repository {repository}, tag {tag:?}");
    Ok(())
}
