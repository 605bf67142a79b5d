//! Ingests, and the blobs that they become.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use dray::oci::{Algorithm, Descriptor, DiffId, Digest, MediaType, Reference};
use dray::ports::{BlobFacts, BlobInfo, Class, Committed, OpenedIngest};
use dray::verify::digest_of;

use super::contract::{HOUR, LAYER, MIB, NOTHING, Subject, describe, noise};

/// A blob that arrives in pieces of all sizes is stored once, byte for byte.
pub(crate) async fn a_blob_is_written_once(store: &Subject) -> Result<()> {
    let lease = store.ports.leases.create(HOUR).await?;
    let bytes = noise(1, 7 * MIB + 13);
    let blob = describe(LAYER, &bytes);
    assert!(!store.has(&blob).await?);

    let mut ingest = store.open(&lease, &blob).await?;
    assert_eq!(ingest.offset(), 0);
    let mut rest = Bytes::from(bytes.clone());
    for size in [0, 1, 100_000, 3 * MIB, 17, MIB, 1_000_000].into_iter().cycle() {
        if rest.is_empty() {
            break;
        }
        ingest.write(rest.split_to(size.min(rest.len()))).await?;
        assert_eq!(ingest.offset(), (bytes.len() - rest.len()) as u64);
    }
    assert!(!store.has(&blob).await?, "an ingest is no blob yet");
    assert_eq!(ingest.commit(&NOTHING).await?, Committed::New);

    let info = store.ports.content.info(&blob.digest).await?.context("the blob is not there")?;
    assert_eq!(info.size, blob.size);
    assert_eq!(store.ports.content.read(&blob.digest, blob.size).await?, bytes);
    let again = store.ports.content.open_ingest(&lease, &blob).await?;
    assert!(matches!(again, OpenedIngest::Exists));
    Ok(())
}

/// What a writer left behind is where the next one goes on.
pub(crate) async fn an_ingest_is_resumed(store: &Subject) -> Result<()> {
    let lease = store.ports.leases.create(HOUR).await?;
    let bytes = noise(2, 20 * MIB);
    let blob = describe(LAYER, &bytes);
    let mut ingest = store.open(&lease, &blob).await?;
    ingest.write(Bytes::copy_from_slice(&bytes[..15 * MIB])).await?;
    drop(ingest);

    let mut ingest = store.open(&lease, &blob).await?;
    let offset = usize::try_from(ingest.offset())?;
    assert!(offset > 0 && offset <= 15 * MIB, "resumed at {offset}");
    ingest.write(Bytes::copy_from_slice(&bytes[offset..])).await?;
    assert_eq!(ingest.commit(&NOTHING).await?, Committed::New);
    assert_eq!(store.ports.content.read(&blob.digest, u64::MAX).await?, bytes);
    Ok(())
}

/// What a writer left behind is no part of a blob that is written from its beginning.
pub(crate) async fn an_ingest_is_started_over(store: &Subject) -> Result<()> {
    let lease = store.ports.leases.create(HOUR).await?;
    for (seed, length, left) in [(21, 900, 100), (22, 3 * MIB, 2 * MIB)] {
        let bytes = noise(seed, length);
        let blob = describe(LAYER, &bytes);
        let mut ingest = store.open(&lease, &blob).await?;
        ingest.write(Bytes::from(noise(seed + 100, left))).await?;
        ingest.suspend().await?;

        let mut ingest = store.open(&lease, &blob).await?;
        assert_eq!(ingest.offset(), left as u64);
        ingest.restart();
        assert_eq!(ingest.offset(), 0);
        ingest.write(Bytes::from(bytes.clone())).await?;
        assert_eq!(ingest.commit(&NOTHING).await?, Committed::New);
        assert_eq!(store.ports.content.read(&blob.digest, u64::MAX).await?, bytes);
    }
    Ok(())
}

/// One client writes; the others are told so, until it gives up.
pub(crate) async fn an_ingest_is_locked(store: &Subject) -> Result<()> {
    let lease = store.ports.leases.create(HOUR).await?;
    let blob = describe(LAYER, b"locked");
    let first = store.open(&lease, &blob).await?;
    let second = store.ports.content.open_ingest(&lease, &blob).await?;
    assert!(matches!(second, OpenedIngest::Locked));
    drop(first);
    let mut ingest = store.open(&lease, &blob).await?;
    // An abort gives up the lock before it returns.
    for _ in 0..50 {
        ingest.abort().await?;
        ingest = match store.ports.content.open_ingest(&lease, &blob).await? {
            OpenedIngest::Ready(ingest) => ingest,
            _ => bail!("an aborted ingest is locked"),
        };
    }
    Ok(())
}

/// Many clients that want the same blob at the same time all get it, and one of them writes it.
pub(crate) async fn many_writers_make_one_blob(store: &Subject) -> Result<()> {
    let bytes = Bytes::from(noise(8, 3 * MIB));
    let blob = describe(LAYER, &bytes);
    let writers = (0..6).map(|_| async {
        let lease = store.ports.leases.create(HOUR).await?;
        loop {
            match store.ports.content.open_ingest(&lease, &blob).await? {
                OpenedIngest::Exists => return Ok(Committed::Exists),
                OpenedIngest::Locked => tokio::time::sleep(Duration::from_millis(5)).await,
                OpenedIngest::Ready(mut ingest) => {
                    ingest.write(bytes.slice(usize::try_from(ingest.offset())?..)).await?;
                    return anyhow::Ok(ingest.commit(&NOTHING).await?);
                }
            }
        }
    });
    let outcomes = futures_util::future::try_join_all(writers).await?;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Committed::New).count(), 1);
    assert_eq!(store.ports.content.read(&blob.digest, blob.size).await?, bytes);
    Ok(())
}

/// An ingest that cannot become the blob is gone, so that the next try does not find the same bytes.
pub(crate) async fn wrong_bytes_leave_nothing(store: &Subject) -> Result<()> {
    let lease = store.ports.leases.create(HOUR).await?;
    let right = noise(3, 2 * MIB);
    let blob = describe(LAYER, &right);
    let longer = [&right[..], b"!"].concat();
    for wrong in [&noise(4, 2 * MIB)[..], &right[1..], &longer] {
        let mut ingest = store.open(&lease, &blob).await?;
        assert_eq!(ingest.offset(), 0, "bytes of the try before");
        ingest.write(Bytes::copy_from_slice(wrong)).await?;
        let error = ingest.commit(&NOTHING).await.expect_err("wrong bytes were taken");
        assert_eq!(error.class(), Class::FailedPrecondition, "{error:?}");
        assert!(!store.has(&blob).await?);
    }
    store.ingest(&lease, LAYER, &right).await?;
    Ok(())
}

/// An aborted ingest begins anew.
pub(crate) async fn an_aborted_ingest_is_gone(store: &Subject) -> Result<()> {
    let lease = store.ports.leases.create(HOUR).await?;
    let bytes = noise(5, 9 * MIB);
    let blob = describe(LAYER, &bytes);
    let mut ingest = store.open(&lease, &blob).await?;
    ingest.write(Bytes::copy_from_slice(&bytes[..8 * MIB])).await?;
    ingest.abort().await?;
    assert_eq!(store.open(&lease, &blob).await?.offset(), 0);
    Ok(())
}

/// A suspended ingest outlives its lease, and the next writer goes on where it stopped.
pub(crate) async fn a_suspended_ingest_goes_on(store: &Subject) -> Result<()> {
    let lease = store.ports.leases.create(HOUR).await?;
    // A store that never held a blob has no collector.
    store.ingest(&lease, LAYER, b"something").await?;
    let bytes = Bytes::from(noise(9, 3 * MIB));
    let blob = describe(LAYER, &bytes);
    let stop = 2 * MIB + 77;
    let mut ingest = store.open(&lease, &blob).await?;
    ingest.write(bytes.slice(..stop)).await?;
    ingest.suspend().await?;
    store.ports.leases.release(&lease).await?;
    store.ports.leases.collect().await?;

    let lease = store.ports.leases.create(HOUR).await?;
    let mut ingest = store.open(&lease, &blob).await?;
    assert_eq!(ingest.offset(), stop as u64);
    ingest.write(bytes.slice(stop..)).await?;
    assert_eq!(ingest.commit(&NOTHING).await?, Committed::New);
    store.ports.leases.collect().await?;
    assert_eq!(store.ports.content.read(&blob.digest, blob.size).await?, bytes);
    Ok(())
}

/// A client that takes the same blob for something else may be faster, and neither of them fails.
pub(crate) async fn a_blob_that_appears_meanwhile_is_as_good(store: &Subject) -> Result<()> {
    let lease = store.ports.leases.create(HOUR).await?;
    let bytes = Bytes::from(noise(6, 3 * MIB));
    let blob = describe(LAYER, &bytes);
    let mut ingest = store.open(&lease, &blob).await?;
    ingest.write(bytes.slice(..2 * MIB)).await?;
    let Some(mut faster) = store.open_as_other(&lease, &blob).await? else { return Ok(()) };
    faster.write(bytes.clone()).await?;
    assert_eq!(faster.commit(&NOTHING).await?, Committed::New);
    ingest.write(bytes.slice(2 * MIB..)).await?;
    assert_eq!(ingest.commit(&NOTHING).await?, Committed::Exists);
    assert_eq!(store.ports.content.read(&blob.digest, blob.size).await?, bytes);
    Ok(())
}

/// A blob is known for what its first writer says, from the moment that it is there.
pub(crate) async fn first_facts_come_with_the_blob(store: &Subject) -> Result<()> {
    let lease = store.ports.leases.create(HOUR).await?;
    let diff_id = |text: &str| DiffId::from_uncompressed(describe(LAYER, text.as_bytes()).digest);
    let facts = |text| BlobFacts { diff_id: Some(diff_id(text)), ..NOTHING };
    let bytes = Bytes::from(noise(10, 2 * MIB));
    let blob = describe(LAYER, &bytes);
    let known =
        async || anyhow::Ok(store.ports.content.info(&blob.digest).await?.and_then(|info| info.diff_id));
    let mut late = store.open(&lease, &blob).await?;
    late.write(bytes.clone()).await?;

    let Some(mut first) = store.open_as_other(&lease, &blob).await? else { return Ok(()) };
    first.write(bytes).await?;
    assert_eq!(first.commit(&facts("first")).await?, Committed::New);
    assert_eq!(known().await?, Some(diff_id("first")));

    assert_eq!(late.commit(&facts("late")).await?, Committed::Exists);
    assert_eq!(known().await?, Some(diff_id("first")));
    Ok(())
}

/// What is told of a blob is added to what is known of it.
pub(crate) async fn facts_are_added(store: &Subject) -> Result<()> {
    let lease = store.ports.leases.create(HOUR).await?;
    let source = |name: &str| BlobFacts { source: Reference::parse(name).ok(), ..NOTHING };
    let diff_id = DiffId::from_uncompressed(describe(LAYER, b"uncompressed").digest);
    let unpacks = BlobFacts { diff_id: Some(diff_id.clone()), ..NOTHING };
    let blob = describe(LAYER, b"known");
    for facts in [&unpacks, &NOTHING] {
        let error = store.ports.content.add_facts(&blob.digest, facts).await.expect_err("no such blob");
        assert_eq!(error.class(), Class::NotFound);
    }
    let first = source("registry.example/library/a:1");
    store.ingest_with(&lease, LAYER, b"known", &first).await?;
    let known = BlobInfo { size: blob.size, diff_id: None };
    assert_eq!(store.ports.content.info(&blob.digest).await?, Some(known.clone()));
    for facts in [&unpacks, &first, &source("registry.example/library/b:1"), &NOTHING] {
        store.ports.content.add_facts(&blob.digest, facts).await?;
        let known = BlobInfo { diff_id: Some(diff_id.clone()), ..known };
        assert_eq!(store.ports.content.info(&blob.digest).await?, Some(known));
    }
    Ok(())
}

/// New bytes take the place of a blob, which stays until they are all there. What is known of it is kept.
pub(crate) async fn a_blob_is_replaced(store: &Subject) -> Result<()> {
    let lease = store.ports.leases.create(HOUR).await?;
    let child = store.ingest(&lease, LAYER, b"child").await?;
    let diff_id = Some(DiffId::from_uncompressed(child.digest.clone()));
    let facts = BlobFacts { diff_id: diff_id.clone(), children: vec![child.clone()], ..NOTHING };
    let bytes = Bytes::from(noise(11, 2 * MIB));
    let blob = store.ingest_with(&lease, MediaType::OCI_MANIFEST, &bytes, &facts).await?;
    let name = "registry.example/replaced:1";
    store.ports.images.put(name, &blob).await?;
    store.ports.leases.release(&lease).await?;

    let lease = store.ports.leases.create(HOUR).await?;
    let opened = store.ports.content.open_replacement(&lease, &blob).await?;
    let OpenedIngest::Ready(mut ingest) = opened else { bail!("a replacement is not ready") };
    ingest.restart();
    ingest.write(bytes.clone()).await?;
    assert!(store.has(&blob).await?, "it is there until the commit");
    let source = BlobFacts { source: Reference::parse(name).ok(), ..NOTHING };
    assert_eq!(ingest.commit(&source).await?, Committed::New);
    store.ports.leases.release(&lease).await?;
    store.collect_after_grace().await?;

    let info = store.ports.content.info(&blob.digest).await?;
    assert_eq!(info, Some(BlobInfo { size: blob.size, diff_id }));
    assert_eq!(store.ports.content.read(&blob.digest, blob.size).await?, bytes);
    assert!(store.has(&child).await?, "it keeps what it lists");
    Ok(())
}

/// Nothing is a blob too.
pub(crate) async fn an_empty_blob(store: &Subject) -> Result<()> {
    let lease = store.ports.leases.create(HOUR).await?;
    let blob = store.ingest(&lease, "application/octet-stream", b"").await?;
    assert_eq!(store.ports.content.read(&blob.digest, 0).await?, Bytes::new());
    Ok(())
}

/// Digests of another algorithm are stored under their name, or refused without a trace.
pub(crate) async fn another_algorithm_is_stored_or_refused(store: &Subject) -> Result<()> {
    let lease = store.ports.leases.create(HOUR).await?;
    let bytes = noise(7, MIB);
    let digest: Digest = digest_of(Algorithm::Sha512, &bytes);
    let blob = Descriptor::new(MediaType::new(LAYER), digest, bytes.len() as u64);
    let accepts = store.ports.content.accepts(Algorithm::Sha512).await?;
    let mut ingest = store.open(&lease, &blob).await?;
    ingest.write(Bytes::from(bytes.clone())).await?;
    let committed = ingest.commit(&NOTHING).await;
    assert_eq!(committed.is_ok(), accepts, "{committed:?}");
    match committed {
        Ok(_) => assert_eq!(store.ports.content.read(&blob.digest, blob.size).await?, bytes),
        Err(error) => {
            assert_eq!(error.class(), Class::FailedPrecondition);
            assert_eq!(store.open(&lease, &blob).await?.offset(), 0);
        }
    }
    Ok(())
}
