//! Blobs, read as a whole and in pieces.

use anyhow::{Context, Result};
use dray::ports::Class;
use futures_util::StreamExt as _;

use super::contract::{HOUR, LAYER, MIB, Subject, describe, noise};

/// A blob can be read from any of its bytes on.
pub(crate) async fn a_blob_is_read_from_an_offset(store: &Subject) -> Result<()> {
    let lease = store.ports.leases.create(HOUR).await?;
    let bytes = noise(23, 2 * MIB + 7);
    let blob = store.ingest(&lease, LAYER, &bytes).await?;
    for offset in [0, 1, MIB, bytes.len() - 1, bytes.len()] {
        let mut stream = store.ports.content.stream(&blob.digest, offset as u64).await?;
        let mut read = Vec::new();
        while let Some(piece) = stream.next().await {
            read.extend_from_slice(&piece?);
        }
        assert!(read == bytes[offset..], "from {offset}");
    }
    for (digest, offset, class) in [
        (&blob.digest, blob.size + 1, Class::OutOfRange),
        (&describe(LAYER, b"absent").digest, 0, Class::NotFound),
    ] {
        let read = async { store.ports.content.stream(digest, offset).await?.next().await.transpose() };
        assert_eq!(read.await.map(drop).map_err(|error| error.class()), Err(class));
    }
    Ok(())
}

/// A large blob comes in pieces that a reader has room for, to several readers at once; and a reader may stop.
pub(crate) async fn a_blob_is_read_in_pieces(store: &Subject) -> Result<()> {
    let lease = store.ports.leases.create(HOUR).await?;
    let bytes = noise(24, 9 * MIB + 1);
    let blob = store.ingest(&lease, LAYER, &bytes).await?;
    let stream = || store.ports.content.stream(&blob.digest, 0);
    let (mut first, mut second) = (stream().await?, stream().await?);
    let piece = first.next().await.context("an empty stream")??;
    assert!(!piece.is_empty() && bytes.starts_with(&piece));
    drop(first);

    let mut read = Vec::new();
    while let Some(piece) = second.next().await {
        let piece = piece?;
        assert!(piece.len() <= 4 * MIB, "a piece of {} bytes", piece.len());
        read.extend_from_slice(&piece);
    }
    assert!(read == bytes);
    Ok(())
}

/// A reader says how much it can take.
pub(crate) async fn a_read_has_a_limit(store: &Subject) -> Result<()> {
    let lease = store.ports.leases.create(HOUR).await?;
    let blob = describe(LAYER, b"12345");
    let error = store.ports.content.read(&blob.digest, 5).await.expect_err("a blob from nowhere");
    assert_eq!(error.class(), Class::NotFound);
    store.ingest(&lease, LAYER, b"12345").await?;
    let error = store.ports.content.read(&blob.digest, 4).await.expect_err("more than the limit");
    assert_eq!(error.class(), Class::OutOfRange);
    assert_eq!(store.ports.content.read(&blob.digest, 5).await?, "12345");
    Ok(())
}
