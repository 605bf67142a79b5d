//! Leases, image records, and what they keep.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use dray::oci::{ChainId, MediaType};
use dray::ports::{BlobFacts, Class, Labels, OpenedIngest, Target};

use super::contract::{HOUR, LAYER, MIB, NOTHING, Subject, describe, layer, noise};

/// A blob lives as long as a lease that wrote it, or that found it.
pub(crate) async fn a_lease_protects(store: &Subject) -> Result<()> {
    let (writer, finder) = (store.ports.leases.create(HOUR).await?, store.ports.leases.create(HOUR).await?);
    let blob = store.ingest(&writer, LAYER, b"protected").await?;
    store.ports.leases.collect().await?;
    assert!(store.has(&blob).await?, "collected under a lease");
    let found = store.ports.content.open_ingest(&finder, &blob).await?;
    assert!(matches!(found, OpenedIngest::Exists));
    store.ports.leases.release(&writer).await?;
    assert!(store.has(&blob).await?, "finding a blob did not protect it");
    store.ports.leases.release(&finder).await?;
    let grace = store.ports.leases.grace();
    assert_eq!(store.has(&blob).await?, !grace.is_zero(), "kept by nothing, with a grace of {grace:?}");
    store.collect_after_grace().await?;
    assert!(!store.has(&blob).await?, "kept by nothing");
    store.ports.leases.release(&finder).await?;

    let opened = store.ports.content.open_ingest(&finder, &blob).await;
    let Err(error) = opened else { bail!("a lease that is gone protects nothing") };
    assert_eq!(error.class(), Class::NotFound);
    Ok(())
}

/// A lease whose owner died ends by itself.
pub(crate) async fn a_lease_expires(store: &Subject) -> Result<()> {
    for seconds in [2, 10, 50] {
        let life = Duration::from_secs(seconds);
        let lease = store.ports.leases.create(life).await?;
        // A busy machine may need longer than that to write it.
        let Ok(blob) = store.ingest(&lease, LAYER, format!("left for {life:?}").as_bytes()).await else {
            continue;
        };
        tokio::time::sleep(life + Duration::from_secs(1)).await;
        store.collect_after_grace().await?;
        assert!(!store.has(&blob).await?);
        return Ok(());
    }
    bail!("a blob of a few bytes cannot be written before its lease expires")
}

/// A record keeps all that its target leads to, and nothing once it is removed.
pub(crate) async fn an_image_keeps_what_it_is_made_of(store: &Subject) -> Result<()> {
    let lease = store.ports.leases.create(HOUR).await?;
    let (gzip, diff_id) = layer("kept", "kept")?;
    let target = Target { chain_id: ChainId::bottom(&diff_id), labels: Labels::new() };
    let layer = store.unpack(&lease, &gzip, &target).await?;
    let config = store.ingest(&lease, MediaType::OCI_CONFIG, b"config").await?;
    let absent = describe(LAYER, b"comes later");
    let children = vec![config.clone(), layer.clone(), absent.clone()];
    let facts = BlobFacts { children, ..NOTHING };
    let manifest = store.ingest_with(&lease, MediaType::OCI_MANIFEST, b"manifest", &facts).await?;
    let top = Some((store.snapshotter.clone(), target.chain_id.clone()));
    store.ports.content.add_facts(&config.digest, &BlobFacts { snapshot: top, ..NOTHING }).await?;
    let unrelated = store.ingest(&lease, LAYER, b"unrelated").await?;
    let name = "registry.example/kept:1";
    store.ports.images.put(name, &manifest).await?;
    store.ports.leases.release(&lease).await?;
    store.collect_after_grace().await?;

    let lease = store.ports.leases.create(HOUR).await?;
    store.ingest(&lease, LAYER, b"comes later").await?;
    store.ports.leases.release(&lease).await?;
    store.collect_after_grace().await?;
    for blob in [&manifest, &config, &layer, &absent] {
        assert!(store.has(blob).await?, "{} is collected", blob.media_type);
    }
    let snapshot = async || store.ports.snapshots.stat(&store.snapshotter, &target.chain_id).await;
    assert!(snapshot().await?.is_some(), "the layer is collected");
    assert!(!store.has(&unrelated).await?, "it belongs to no image");

    store.ports.images.remove(name).await?;
    store.ports.images.remove(name).await?;
    assert!(store.ports.images.get(name).await?.is_none());
    store.collect_after_grace().await?;
    for blob in [&manifest, &config, &layer, &absent] {
        assert!(!store.has(blob).await?, "{} is left", blob.media_type);
    }
    assert!(snapshot().await?.is_none(), "the layer is left");
    Ok(())
}

/// What a writer left without suspending it ends with the lease.
pub(crate) async fn an_ingest_ends_with_its_lease(store: &Subject) -> Result<()> {
    let lease = store.ports.leases.create(HOUR).await?;
    // A store that never held a blob has no collector.
    store.ingest(&lease, LAYER, b"something").await?;
    let bytes = noise(25, 12 * MIB);
    let blob = describe(LAYER, &bytes);
    let mut ingest = store.open(&lease, &blob).await?;
    ingest.write(Bytes::copy_from_slice(&bytes[..10 * MIB])).await?;
    drop(ingest);
    assert!(store.open(&lease, &blob).await?.offset() > 0);
    store.ports.leases.release(&lease).await?;
    store.ports.leases.collect().await?;
    let lease = store.ports.leases.create(HOUR).await?;
    assert_eq!(store.open(&lease, &blob).await?.offset(), 0);
    Ok(())
}

/// A record keeps its name and changes its target.
pub(crate) async fn an_image_is_repointed(store: &Subject) -> Result<()> {
    let name = "registry.example/library/a:1";
    assert!(store.ports.images.get(name).await?.is_none());
    for text in ["first", "second"] {
        let mut target = describe(MediaType::OCI_MANIFEST, text.as_bytes());
        target.annotations.insert("example".to_owned(), text.to_owned());
        store.ports.images.put(name, &target).await?;
        let record = store.ports.images.get(name).await?.context("the record is not there")?;
        assert_eq!((record.name.as_str(), &record.target), (name, &target));
    }
    Ok(())
}

/// All records are listed by name, with the times of their first and their last writing.
pub(crate) async fn images_are_listed(store: &Subject) -> Result<()> {
    assert!(store.ports.images.list().await?.is_empty());
    let before = SystemTime::now();
    let names = ["registry.example/b:1", "a,b \"quoted\"", "registry.example/a@x"];
    for name in names {
        store.ports.images.put(name, &describe(MediaType::OCI_MANIFEST, name.as_bytes())).await?;
    }
    store.ports.images.put(names[0], &describe(MediaType::OCI_INDEX, b"another")).await?;

    let records = store.ports.images.list().await?;
    let listed: Vec<&str> = records.iter().map(|record| record.name.as_str()).collect();
    assert_eq!(listed, [names[1], names[2], names[0]]);
    assert_eq!(records[2].target, describe(MediaType::OCI_INDEX, b"another"));
    // The store has the same clock as the test.
    for record in &records {
        assert!(before <= record.created_at && record.created_at <= record.updated_at, "{record:?}");
        assert!(record.updated_at <= SystemTime::now(), "{record:?}");
    }
    assert_eq!(records[1].created_at, records[1].updated_at);
    assert!(records[2].created_at < records[2].updated_at);
    Ok(())
}
