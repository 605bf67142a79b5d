//! What every store must do, whatever it is made of: the contract of the store ports as functions.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use dray::oci::{Algorithm, ChainId, Descriptor, DiffId, Digest, MediaType};
use dray::ports::{
    Applier, Class, Committed, ContentStore, Images, Ingest, IngestRef, Labels, LeaseId, Leases,
    OpenedIngest, Prepared, SnapshotKey, Snapshots, SnapshotterName,
};
use dray::verify::digest_of;
use futures_util::StreamExt as _;

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const MIB: usize = 1024 * 1024;
const HOUR: Duration = Duration::from_hours(1);

/// The ports of one store.
pub(crate) struct Store<'a> {
    pub(crate) content: &'a dyn ContentStore,
    pub(crate) snapshots: &'a dyn Snapshots,
    pub(crate) applier: &'a dyn Applier,
    pub(crate) images: &'a dyn Images,
    pub(crate) leases: &'a dyn Leases,
    pub(crate) snapshotter: SnapshotterName,
}

impl Store<'_> {
    /// Opens an ingest that nobody else writes. A lock of a writer that was dropped may need a moment to
    /// become free.
    pub(crate) async fn open(&self, lease: &LeaseId, blob: &Descriptor) -> Result<Box<dyn Ingest>> {
        for _ in 0..200 {
            match self.content.open_ingest(lease, &IngestRef::of(blob), blob).await? {
                OpenedIngest::Ready(ingest) => return Ok(ingest),
                OpenedIngest::Exists => bail!("blob `{}` is there already", blob.digest),
                OpenedIngest::Locked => tokio::time::sleep(Duration::from_millis(25)).await,
            }
        }
        bail!("the lock on `{}` does not become free", blob.digest)
    }

    pub(crate) async fn ingest(&self, lease: &LeaseId, media_type: &str, bytes: &[u8]) -> Result<Descriptor> {
        let blob = describe(media_type, bytes);
        let mut ingest = self.open(lease, &blob).await?;
        ingest.write(Bytes::copy_from_slice(bytes)).await?;
        assert_eq!(ingest.commit(&Labels::new()).await?, Committed::New);
        Ok(blob)
    }

    async fn has(&self, blob: &Descriptor) -> Result<bool> {
        Ok(self.content.info(&blob.digest).await?.is_some())
    }

    /// Makes the store collect what nothing protects.
    async fn collect(&self) -> Result<()> {
        let lease = self.leases.create(HOUR).await?;
        Ok(self.leases.release(&lease).await?)
    }
}

pub(crate) fn describe(media_type: &str, bytes: &[u8]) -> Descriptor {
    let digest = digest_of(Algorithm::Sha256, bytes);
    Descriptor::new(MediaType::new(media_type), digest, bytes.len() as u64)
}

/// Bytes that are the same in every run, different for every seed, and do not repeat at the size of a
/// message.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let step = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(step).flatten().take(length).collect()
}

/// A blob that arrives in pieces of all sizes is stored once, byte for byte.
pub(crate) async fn a_blob_is_written_once(store: &Store<'_>) -> Result<()> {
    let lease = store.leases.create(HOUR).await?;
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
    assert_eq!(ingest.commit(&Labels::new()).await?, Committed::New);

    let info = store.content.info(&blob.digest).await?.context("the blob is not there")?;
    assert_eq!(info.size, blob.size);
    assert_eq!(store.content.read(&blob.digest, blob.size).await?, bytes);
    let again = store.content.open_ingest(&lease, &IngestRef::of(&blob), &blob).await?;
    assert!(matches!(again, OpenedIngest::Exists));
    Ok(())
}

/// What a writer left behind is where the next one goes on.
pub(crate) async fn an_ingest_is_resumed(store: &Store<'_>) -> Result<()> {
    let lease = store.leases.create(HOUR).await?;
    let bytes = noise(2, 20 * MIB);
    let blob = describe(LAYER, &bytes);
    let mut ingest = store.open(&lease, &blob).await?;
    ingest.write(Bytes::copy_from_slice(&bytes[..15 * MIB])).await?;
    drop(ingest);

    let mut ingest = store.open(&lease, &blob).await?;
    let offset = usize::try_from(ingest.offset())?;
    assert!(offset > 0 && offset <= 15 * MIB, "resumed at {offset}");
    ingest.write(Bytes::copy_from_slice(&bytes[offset..])).await?;
    assert_eq!(ingest.commit(&Labels::new()).await?, Committed::New);
    assert_eq!(store.content.read(&blob.digest, u64::MAX).await?, bytes);
    Ok(())
}

/// What a writer left behind is no part of a blob that is written from its beginning.
pub(crate) async fn an_ingest_is_started_over(store: &Store<'_>) -> Result<()> {
    let lease = store.leases.create(HOUR).await?;
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
        assert_eq!(ingest.commit(&Labels::new()).await?, Committed::New);
        assert_eq!(store.content.read(&blob.digest, u64::MAX).await?, bytes);
    }
    Ok(())
}

/// A blob can be read from any of its bytes on.
pub(crate) async fn a_blob_is_read_from_an_offset(store: &Store<'_>) -> Result<()> {
    let lease = store.leases.create(HOUR).await?;
    let bytes = noise(23, 2 * MIB + 7);
    let blob = store.ingest(&lease, LAYER, &bytes).await?;
    for offset in [0, 1, MIB, bytes.len() - 1, bytes.len()] {
        let mut stream = store.content.stream(&blob.digest, offset as u64).await?;
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
        let read = async { store.content.stream(digest, offset).await?.next().await.transpose() };
        assert_eq!(read.await.map(drop).map_err(|error| error.class()), Err(class));
    }
    Ok(())
}

/// One client writes; the others are told so, until it gives up.
pub(crate) async fn an_ingest_is_locked(store: &Store<'_>) -> Result<()> {
    let lease = store.leases.create(HOUR).await?;
    let blob = describe(LAYER, b"locked");
    let first = store.open(&lease, &blob).await?;
    let second = store.content.open_ingest(&lease, &IngestRef::of(&blob), &blob).await?;
    assert!(matches!(second, OpenedIngest::Locked));
    drop(first);
    let mut ingest = store.open(&lease, &blob).await?;
    // An abort gives up the lock before it returns.
    for _ in 0..50 {
        ingest.abort().await?;
        ingest = match store.content.open_ingest(&lease, &IngestRef::of(&blob), &blob).await? {
            OpenedIngest::Ready(ingest) => ingest,
            _ => bail!("an aborted ingest is locked"),
        };
    }
    Ok(())
}

/// Many clients that want the same blob at the same time all get it, and one of them writes it.
pub(crate) async fn many_writers_make_one_blob(store: &Store<'_>) -> Result<()> {
    let bytes = Bytes::from(noise(8, 3 * MIB));
    let blob = describe(LAYER, &bytes);
    let writers = (0..6).map(|_| async {
        let lease = store.leases.create(HOUR).await?;
        loop {
            match store.content.open_ingest(&lease, &IngestRef::of(&blob), &blob).await? {
                OpenedIngest::Exists => return Ok(Committed::Exists),
                OpenedIngest::Locked => tokio::time::sleep(Duration::from_millis(5)).await,
                OpenedIngest::Ready(mut ingest) => {
                    ingest.write(bytes.slice(usize::try_from(ingest.offset())?..)).await?;
                    return anyhow::Ok(ingest.commit(&Labels::new()).await?);
                }
            }
        }
    });
    let outcomes = futures_util::future::try_join_all(writers).await?;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Committed::New).count(), 1);
    assert_eq!(store.content.read(&blob.digest, blob.size).await?, bytes);
    Ok(())
}

/// An ingest that cannot become the blob is gone, so that the next try does not find the same bytes.
pub(crate) async fn wrong_bytes_leave_nothing(store: &Store<'_>) -> Result<()> {
    let lease = store.leases.create(HOUR).await?;
    let right = noise(3, 2 * MIB);
    let blob = describe(LAYER, &right);
    let longer = [&right[..], b"!"].concat();
    for wrong in [&noise(4, 2 * MIB)[..], &right[1..], &longer] {
        let mut ingest = store.open(&lease, &blob).await?;
        assert_eq!(ingest.offset(), 0, "bytes of the try before");
        ingest.write(Bytes::copy_from_slice(wrong)).await?;
        let error = ingest.commit(&Labels::new()).await.expect_err("wrong bytes were taken");
        assert_eq!(error.class(), Class::FailedPrecondition, "{error:?}");
        assert!(!store.has(&blob).await?);
    }
    store.ingest(&lease, LAYER, &right).await?;
    Ok(())
}

/// An aborted ingest begins anew.
pub(crate) async fn an_aborted_ingest_is_gone(store: &Store<'_>) -> Result<()> {
    let lease = store.leases.create(HOUR).await?;
    let bytes = noise(5, 9 * MIB);
    let blob = describe(LAYER, &bytes);
    let mut ingest = store.open(&lease, &blob).await?;
    ingest.write(Bytes::copy_from_slice(&bytes[..8 * MIB])).await?;
    ingest.abort().await?;
    assert_eq!(store.open(&lease, &blob).await?.offset(), 0);
    Ok(())
}

/// A suspended ingest outlives its lease, and the next writer goes on where it stopped.
pub(crate) async fn a_suspended_ingest_goes_on(store: &Store<'_>) -> Result<()> {
    let lease = store.leases.create(HOUR).await?;
    // A store that never held a blob has no collector.
    store.ingest(&lease, LAYER, b"something").await?;
    let bytes = Bytes::from(noise(9, 3 * MIB));
    let blob = describe(LAYER, &bytes);
    let stop = 2 * MIB + 77;
    let mut ingest = store.open(&lease, &blob).await?;
    ingest.write(bytes.slice(..stop)).await?;
    ingest.suspend().await?;
    store.leases.release(&lease).await?;
    store.collect().await?;

    let lease = store.leases.create(HOUR).await?;
    let mut ingest = store.open(&lease, &blob).await?;
    assert_eq!(ingest.offset(), stop as u64);
    ingest.write(bytes.slice(stop..)).await?;
    assert_eq!(ingest.commit(&Labels::new()).await?, Committed::New);
    store.collect().await?;
    assert_eq!(store.content.read(&blob.digest, blob.size).await?, bytes);
    Ok(())
}

/// Somebody else who writes the same blob under another name wins, and nobody loses.
pub(crate) async fn a_blob_that_appears_meanwhile_is_as_good(store: &Store<'_>) -> Result<()> {
    let lease = store.leases.create(HOUR).await?;
    let bytes = noise(6, 3 * MIB);
    let blob = describe(LAYER, &bytes);
    let mut ingest = store.open(&lease, &blob).await?;
    ingest.write(Bytes::copy_from_slice(&bytes[..2 * MIB])).await?;
    store.ingest(&lease, "application/octet-stream", &bytes).await?;
    ingest.write(Bytes::copy_from_slice(&bytes[2 * MIB..])).await?;
    assert_eq!(ingest.commit(&Labels::new()).await?, Committed::Exists);
    assert_eq!(store.content.read(&blob.digest, blob.size).await?, bytes);
    Ok(())
}

/// A blob has its first labels from the moment that it is there; one that somebody else made has theirs.
pub(crate) async fn first_labels_come_with_the_blob(store: &Store<'_>) -> Result<()> {
    let lease = store.leases.create(HOUR).await?;
    let labels = |value: &str| Labels::from([("containerd.io/uncompressed".to_owned(), value.to_owned())]);
    let bytes = noise(10, 2 * MIB);
    let blob = describe(LAYER, &bytes);
    let mut late = store.open(&lease, &blob).await?;
    late.write(Bytes::copy_from_slice(&bytes)).await?;

    let other_name = describe("application/octet-stream", &bytes);
    let mut first = store.open(&lease, &other_name).await?;
    first.write(Bytes::copy_from_slice(&bytes)).await?;
    assert_eq!(first.commit(&labels("first")).await?, Committed::New);
    let info = store.content.info(&blob.digest).await?.context("the blob is not there")?;
    assert_eq!(info.labels, labels("first"));

    assert_eq!(late.commit(&labels("late")).await?, Committed::Exists);
    let info = store.content.info(&blob.digest).await?.context("the blob is gone")?;
    assert_eq!(info.labels, labels("first"));
    Ok(())
}

/// Nothing is a blob too.
pub(crate) async fn an_empty_blob(store: &Store<'_>) -> Result<()> {
    let lease = store.leases.create(HOUR).await?;
    let blob = store.ingest(&lease, "application/octet-stream", b"").await?;
    assert_eq!(store.content.read(&blob.digest, 0).await?, Bytes::new());
    Ok(())
}

/// A reader says how much it can take.
pub(crate) async fn a_read_has_a_limit(store: &Store<'_>) -> Result<()> {
    let lease = store.leases.create(HOUR).await?;
    let blob = describe(LAYER, b"12345");
    let error = store.content.read(&blob.digest, 5).await.expect_err("a blob from nowhere");
    assert_eq!(error.class(), Class::NotFound);
    store.ingest(&lease, LAYER, b"12345").await?;
    let error = store.content.read(&blob.digest, 4).await.expect_err("more than the limit");
    assert_eq!(error.class(), Class::OutOfRange);
    assert_eq!(store.content.read(&blob.digest, 5).await?, "12345");
    Ok(())
}

/// Labels are set one by one.
pub(crate) async fn other_labels_stay(store: &Store<'_>) -> Result<()> {
    let lease = store.leases.create(HOUR).await?;
    let blob = describe(LAYER, b"labelled");
    let label = |key: &str, value: &str| Labels::from([(key.to_owned(), value.to_owned())]);
    let first = label("containerd.io/distribution.source.registry.example", "library/a");
    for labels in [&first, &Labels::new()] {
        let error = store.content.set_labels(&blob.digest, labels).await.expect_err("no such blob");
        assert_eq!(error.class(), Class::NotFound);
    }
    store.ingest(&lease, LAYER, b"labelled").await?;
    store.content.set_labels(&blob.digest, &first).await?;
    let mut expected = first;
    for second in [label("containerd.io/gc.ref.content.m.0", "x"), label("plain", "1"), label("plain", "2")] {
        store.content.set_labels(&blob.digest, &second).await?;
        expected.extend(second);
    }
    store.content.set_labels(&blob.digest, &Labels::new()).await?;
    let info = store.content.info(&blob.digest).await?.context("the blob is not there")?;
    assert_eq!(info.labels, expected);
    Ok(())
}

/// A blob lives as long as a lease that wrote it, or that found it.
pub(crate) async fn a_lease_protects(store: &Store<'_>) -> Result<()> {
    let (writer, finder) = (store.leases.create(HOUR).await?, store.leases.create(HOUR).await?);
    let blob = store.ingest(&writer, LAYER, b"protected").await?;
    store.collect().await?;
    assert!(store.has(&blob).await?, "collected under a lease");
    let found = store.content.open_ingest(&finder, &IngestRef::of(&blob), &blob).await?;
    assert!(matches!(found, OpenedIngest::Exists));
    store.leases.release(&writer).await?;
    assert!(store.has(&blob).await?, "finding a blob did not protect it");
    store.leases.release(&finder).await?;
    assert!(!store.has(&blob).await?, "protected by nothing");
    store.leases.release(&finder).await?;

    let opened = store.content.open_ingest(&finder, &IngestRef::of(&blob), &blob).await;
    let Err(error) = opened else { bail!("a lease that is gone protects nothing") };
    assert_eq!(error.class(), Class::NotFound);
    Ok(())
}

/// A lease whose owner died ends by itself.
pub(crate) async fn a_lease_expires(store: &Store<'_>) -> Result<()> {
    for seconds in [2, 10, 50] {
        let life = Duration::from_secs(seconds);
        let lease = store.leases.create(life).await?;
        // A busy machine may need longer than that to write it.
        let Ok(blob) = store.ingest(&lease, LAYER, format!("left for {life:?}").as_bytes()).await else {
            continue;
        };
        tokio::time::sleep(life + Duration::from_secs(1)).await;
        store.collect().await?;
        assert!(!store.has(&blob).await?);
        return Ok(());
    }
    bail!("a blob of a few bytes cannot be written before its lease expires")
}

/// A record keeps its name and changes its target.
pub(crate) async fn an_image_is_repointed(store: &Store<'_>) -> Result<()> {
    let name = "registry.example/library/a:1";
    assert!(store.images.get(name).await?.is_none());
    for text in ["first", "second"] {
        let mut target = describe(MediaType::OCI_MANIFEST, text.as_bytes());
        target.annotations.insert("example".to_owned(), text.to_owned());
        store.images.put(name, &target).await?;
        let record = store.images.get(name).await?.context("the record is not there")?;
        assert_eq!((record.name.as_str(), &record.target), (name, &target));
    }
    Ok(())
}

/// All records are listed by name, with the times of their first and their last writing.
pub(crate) async fn images_are_listed(store: &Store<'_>) -> Result<()> {
    assert!(store.images.list().await?.is_empty());
    let before = SystemTime::now();
    let names = ["registry.example/b:1", "a,b \"quoted\"", "registry.example/a@x"];
    for name in names {
        store.images.put(name, &describe(MediaType::OCI_MANIFEST, name.as_bytes())).await?;
    }
    store.images.put(names[0], &describe(MediaType::OCI_INDEX, b"another")).await?;

    let records = store.images.list().await?;
    let listed: Vec<&str> = records.iter().map(|record| record.name.as_str()).collect();
    assert_eq!(listed, [names[1], names[2], names[0]]);
    assert_eq!(records[2].target, describe(MediaType::OCI_INDEX, b"another"));
    // containerd has the same clock as the test.
    for record in &records {
        assert!(before <= record.created_at && record.created_at <= record.updated_at, "{record:?}");
        assert!(record.updated_at <= SystemTime::now(), "{record:?}");
    }
    assert_eq!(records[1].created_at, records[1].updated_at);
    assert!(records[2].created_at < records[2].updated_at);
    Ok(())
}

/// A gzip layer with one file, and the digest of the tar inside.
fn layer(file: &str, text: &str) -> Result<(Vec<u8>, DiffId)> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, file, text.as_bytes())?;
    let tar = archive.into_inner()?;
    let diff_id = DiffId::from_uncompressed(digest_of(Algorithm::Sha256, &tar));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut gzip, &tar)?;
    Ok((gzip.finish()?, diff_id))
}

fn snapshot_ref(chain_id: &ChainId) -> Labels {
    Labels::from([("containerd.io/snapshot.ref".to_owned(), chain_id.to_string())])
}

/// Layers are applied on each other and committed under their chain ids.
pub(crate) async fn layers_become_snapshots(store: &Store<'_>) -> Result<()> {
    let lease = store.leases.create(HOUR).await?;
    let snapshotter = &store.snapshotter;
    let layers = [layer("etc/lower", "lower")?, layer("etc/upper", "upper")?];
    let chain = ChainId::stack(&layers.clone().map(|(_, diff_id)| diff_id));
    for (index, (gzip, diff_id)) in layers.iter().enumerate() {
        let parent = index.checked_sub(1).map(|below| &chain[below]);
        let (chain_id, labels) = (&chain[index], snapshot_ref(&chain[index]));
        let blob = store.ingest(&lease, LAYER, gzip).await?;
        let key = SnapshotKey::for_extraction("first", chain_id);
        assert!(store.snapshots.stat(snapshotter, chain_id).await?.is_none());
        let prepared = store.snapshots.prepare(&lease, snapshotter, &key, parent, &labels).await?;
        let Prepared::Active(mounts) = prepared else { bail!("a new layer exists") };
        assert!(store.snapshots.stat(snapshotter, chain_id).await?.is_none(), "active is not committed");

        let applied = store.applier.apply(&lease, &blob, &mounts).await?;
        assert_eq!(&applied.diff_id, diff_id);
        assert!(applied.size > 0);
        let committed = store.snapshots.commit(&lease, snapshotter, chain_id, &key, &labels).await?;
        assert_eq!(committed, Committed::New);
        let info = store.snapshots.stat(snapshotter, chain_id).await?.context("no snapshot")?;
        assert_eq!(info.parent.as_deref(), parent.map(ChainId::as_str));
        assert_eq!(info.labels, labels);
    }
    Ok(())
}

/// A committed layer is measured by itself.
pub(crate) async fn layers_are_measured(store: &Store<'_>) -> Result<()> {
    let lease = store.leases.create(HOUR).await?;
    let snapshotter = &store.snapshotter;
    let (gzip, diff_id) = layer("large", &"text ".repeat(100_000))?;
    let chain_id = ChainId::bottom(&diff_id);
    assert!(store.snapshots.usage(snapshotter, &chain_id).await?.is_none());

    let blob = store.ingest(&lease, LAYER, &gzip).await?;
    let key = SnapshotKey::for_extraction("measured", &chain_id);
    let prepared = store.snapshots.prepare(&lease, snapshotter, &key, None, &Labels::new()).await?;
    let Prepared::Active(mounts) = prepared else { bail!("a new layer exists") };
    store.applier.apply(&lease, &blob, &mounts).await?;
    store.snapshots.commit(&lease, snapshotter, &chain_id, &key, &Labels::new()).await?;
    let usage = store.snapshots.usage(snapshotter, &chain_id).await?.context("it is not measured")?;
    assert!((500_000..2_000_000).contains(&usage.bytes), "{usage:?}");
    assert!(usage.inodes >= 1, "{usage:?}");
    let nobody = SnapshotterName::new("nobody");
    let error = store.snapshots.usage(&nobody, &chain_id).await.expect_err("no snapshotter");
    assert_eq!(error.class(), Class::InvalidArgument);
    Ok(())
}

/// Who comes second with a layer finds it, before the work or after it.
pub(crate) async fn the_second_to_make_a_snapshot_finds_it(store: &Store<'_>) -> Result<()> {
    let lease = store.leases.create(HOUR).await?;
    let snapshotter = &store.snapshotter;
    let (_, diff_id) = layer("raced", "raced")?;
    let chain_id = ChainId::bottom(&diff_id);
    let labels = snapshot_ref(&chain_id);
    let keys = ["a", "b", "c"].map(|unique| SnapshotKey::for_extraction(unique, &chain_id));
    for key in &keys[..2] {
        let prepared = store.snapshots.prepare(&lease, snapshotter, key, None, &labels).await?;
        assert!(matches!(prepared, Prepared::Active(_)));
    }
    let mut committed = Vec::new();
    for key in &keys[..2] {
        committed.push(store.snapshots.commit(&lease, snapshotter, &chain_id, key, &labels).await?);
    }
    assert_eq!(committed, [Committed::New, Committed::Exists]);
    // The one that lost is still active, and goes only once.
    store.snapshots.remove(snapshotter, &keys[1]).await?;
    store.snapshots.remove(snapshotter, &keys[1]).await?;
    let prepared = store.snapshots.prepare(&lease, snapshotter, &keys[2], None, &labels).await?;
    assert!(matches!(prepared, Prepared::Exists));
    Ok(())
}

/// A snapshot needs its parent and its snapshotter.
pub(crate) async fn a_snapshot_on_nothing_fails(store: &Store<'_>) -> Result<()> {
    let lease = store.leases.create(HOUR).await?;
    let (lower, upper) = (layer("x", "lower")?.1, layer("x", "upper")?.1);
    let chain = ChainId::stack(&[lower, upper]);
    let key = SnapshotKey::for_extraction("orphan", &chain[1]);
    let labels = Labels::new();
    let orphan = store.snapshots.prepare(&lease, &store.snapshotter, &key, Some(&chain[0]), &labels).await;
    assert_eq!(orphan.expect_err("no parent").class(), Class::NotFound);
    let nobody = SnapshotterName::new("nobody");
    let error = store.snapshots.prepare(&lease, &nobody, &key, None, &labels).await;
    assert_eq!(error.expect_err("no snapshotter").class(), Class::InvalidArgument);
    Ok(())
}

/// A blob that is no layer is an error, and the snapshot can be removed.
pub(crate) async fn a_broken_layer_fails(store: &Store<'_>) -> Result<()> {
    let lease = store.leases.create(HOUR).await?;
    let (mut gzip, diff_id) = layer("x", &"text ".repeat(10_000))?;
    gzip.truncate(gzip.len() / 2);
    let blob = store.ingest(&lease, LAYER, &gzip).await?;
    let key = SnapshotKey::for_extraction("broken", &ChainId::bottom(&diff_id));
    let prepared = store.snapshots.prepare(&lease, &store.snapshotter, &key, None, &Labels::new()).await?;
    let Prepared::Active(mounts) = prepared else { bail!("a new layer exists") };
    store.applier.apply(&lease, &blob, &mounts).await.expect_err("half a layer was applied");
    store.snapshots.remove(&store.snapshotter, &key).await?;
    Ok(())
}

/// Digests of another algorithm are stored under their name, or refused without a trace.
pub(crate) async fn another_algorithm_is_stored_or_refused(store: &Store<'_>) -> Result<()> {
    let lease = store.leases.create(HOUR).await?;
    let bytes = noise(7, MIB);
    let digest: Digest = digest_of(Algorithm::Sha512, &bytes);
    let blob = Descriptor::new(MediaType::new(LAYER), digest, bytes.len() as u64);
    let mut ingest = store.open(&lease, &blob).await?;
    ingest.write(Bytes::from(bytes.clone())).await?;
    match ingest.commit(&Labels::new()).await {
        Ok(_) => assert_eq!(store.content.read(&blob.digest, blob.size).await?, bytes),
        Err(error) => {
            assert_eq!(error.class(), Class::FailedPrecondition);
            assert_eq!(store.open(&lease, &blob).await?.offset(), 0);
        }
    }
    Ok(())
}
