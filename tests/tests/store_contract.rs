//! The contract of the store ports, held against a real containerd of each generation and against the store in
//! memory. What only containerd does follows below.

#[path = "store_contract/contract.rs"]
mod contract;
#[path = "store_contract/keeping.rs"]
mod keeping;
#[path = "store_contract/reading.rs"]
mod reading;
#[path = "store_contract/unpacking.rs"]
mod unpacking;
#[path = "store_contract/writing.rs"]
mod writing;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use containerd_client::services::v1::content_client::ContentClient;
use containerd_client::services::v1::images_client::ImagesClient;
use containerd_client::services::v1::namespaces_client::NamespacesClient;
use containerd_client::services::v1::{
    Image, InfoRequest, Namespace, UpdateImageRequest, UpdateNamespaceRequest, UpdateRequest,
};
use containerd_client::tonic::Request;
use dray::containerd::Containerd;
use dray::oci::{ChainId, MediaType, Reference};
use dray::ports::{
    BlobFacts, Class, Committed, ContentStore, Images, Labels, Leases, OpenedIngest, Snapshots,
    SnapshotterName, StoreInfo, Target,
};
use dray_memory::FakeStore;

use dray_tests::daemon::{self, Generation};
use dray_tests::require;

use contract::{NOTHING, Subject, describe, layer, noise};

const NAMESPACE: &str = "contract";

/// Time in which a lost connection must be noticed.
const SOON: Duration = Duration::from_secs(5);

const MIB: usize = 1024 * 1024;

/// overlayfs, or where the directory for temporary files cannot carry it, the snapshotter that always works.
async fn snapshotter(containerd: &Containerd) -> Result<SnapshotterName> {
    let started: Vec<_> =
        containerd.snapshotters().await?.into_iter().filter(|info| info.error.is_none()).collect();
    ["overlayfs", "native"]
        .into_iter()
        .find(|name| started.iter().any(|info| info.name.as_str() == *name))
        .map(SnapshotterName::new)
        .context("this containerd has no snapshotter for the tests")
}

fn subject(containerd: &Containerd, snapshotter: SnapshotterName) -> Subject {
    Subject { ports: containerd.clone().into(), snapshotter }
}

/// A call past the ports, for what other clients do.
fn namespaced<T>(message: T) -> Result<Request<T>> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("containerd-namespace", NAMESPACE.parse()?);
    Ok(request)
}

async fn connect(daemon: &daemon::Containerd, namespace: &str) -> Result<Containerd> {
    Ok(Containerd::connect(&daemon.socket().display().to_string(), namespace).await?)
}

/// Time after which a store in memory collects what nothing keeps.
const GRACES: [Duration; 2] = [Duration::ZERO, Duration::from_millis(300)];

macro_rules! holds {
    ($($file:ident: $($clause:ident),*;)*) => {$($(
        mod $clause {
            use super::*;

            async fn on(generation: Generation) -> Result<()> {
                let daemon = require!(daemon::Containerd::start(generation), Ok(()));
                let containerd = connect(&daemon, NAMESPACE).await?;
                let snapshotter = snapshotter(&containerd).await?;
                $file::$clause(&subject(&containerd, snapshotter)).await
            }

            #[tokio::test]
            async fn on_1_6() -> Result<()> {
                on(Generation::Debian16).await
            }

            #[tokio::test]
            async fn on_1_7() -> Result<()> {
                on(Generation::V17).await
            }

            #[tokio::test]
            async fn on_2() -> Result<()> {
                on(Generation::V2).await
            }

            #[tokio::test]
            async fn in_memory() -> Result<()> {
                for grace in GRACES {
                    let ports = FakeStore::with_grace(grace).into();
                    let snapshotter = SnapshotterName::new("overlayfs");
                    $file::$clause(&Subject { ports, snapshotter }).await?;
                }
                Ok(())
            }
        }
    )*)*};
}

holds! {
    writing:
        a_blob_is_written_once,
        an_ingest_is_resumed,
        an_ingest_is_started_over,
        an_ingest_is_locked,
        many_writers_make_one_blob,
        wrong_bytes_leave_nothing,
        an_aborted_ingest_is_gone,
        a_suspended_ingest_goes_on,
        a_blob_that_appears_meanwhile_is_as_good,
        first_facts_come_with_the_blob,
        facts_are_added,
        a_blob_is_replaced,
        an_empty_blob,
        another_algorithm_is_stored_or_refused;
    reading:
        a_blob_is_read_from_an_offset,
        a_blob_is_read_in_pieces,
        a_read_has_a_limit;
    keeping:
        a_lease_protects,
        a_lease_expires,
        an_image_keeps_what_it_is_made_of,
        an_ingest_ends_with_its_lease,
        an_image_is_repointed,
        images_are_listed;
    unpacking:
        a_store_describes_itself,
        layers_become_snapshots,
        layers_are_measured,
        the_second_to_make_a_snapshot_finds_it,
        a_snapshot_on_nothing_fails,
        a_broken_layer_fails;
}

/// A blob of another namespace is offered in full, and becomes visible by a commit alone. A client that
/// wrote at offset zero here would truncate it.
#[tokio::test]
async fn a_blob_of_another_namespace_is_only_committed() -> Result<()> {
    let daemon = require!(daemon::Containerd::start(Generation::Debian16), Ok(()));
    let here = connect(&daemon, NAMESPACE).await?;
    let there = connect(&daemon, "there").await?;
    let bytes = noise(1, MIB);
    let lease = here.create(SOON * 100).await?;
    let blob = subject(&here, SnapshotterName::new("")).ingest(&lease, "x", &bytes).await?;

    assert!(there.info(&blob.digest).await?.is_none());
    let lease = there.create(SOON * 100).await?;
    for size in [blob.size - 1, blob.size + 1] {
        let mut wrong = blob.clone();
        wrong.size = size;
        let opened = subject(&there, SnapshotterName::new("")).open(&lease, &wrong).await;
        let error = match opened {
            Ok(mut ingest) => {
                ingest.write(Bytes::from_static(b"!")).await?;
                ingest.commit(&NOTHING).await.expect_err("committed with a wrong size")
            }
            Err(error) => error.downcast()?,
        };
        assert_eq!(error.class(), Class::FailedPrecondition, "{error:?}");
    }
    let ingest = subject(&there, SnapshotterName::new("")).open(&lease, &blob).await?;
    assert_eq!(ingest.offset(), blob.size);
    assert_eq!(ingest.commit(&NOTHING).await?, Committed::New);
    assert!(there.info(&blob.digest).await?.is_some());
    assert_eq!(there.read(&blob.digest, blob.size).await?, bytes);
    Ok(())
}

/// What a writer sees when its containerd dies, at any point of a write; and what it sees when it is back.
#[tokio::test]
async fn a_dead_containerd_is_unreachable_and_not_locked() -> Result<()> {
    let mut daemon = require!(daemon::Containerd::start(Generation::Debian16), Ok(()));
    let containerd = connect(&daemon, NAMESPACE).await?;
    let store = subject(&containerd, SnapshotterName::new(""));
    let lease = containerd.create(SOON * 100).await?;
    let bytes = Bytes::from(noise(1, 64 * MIB));
    let blob = describe("x", &bytes);
    let small = describe("x", b"small");
    let mut ingest = store.open(&lease, &blob).await?;
    ingest.write(bytes.slice(..3 * MIB)).await?;
    let mut uncommitted = store.open(&lease, &small).await?;
    uncommitted.write(Bytes::from_static(b"small")).await?;

    daemon.kill9();
    let killed = Instant::now();
    let error = loop {
        let offset = usize::try_from(ingest.offset())?;
        if offset == bytes.len() {
            bail!("the dead one takes everything");
        }
        if let Err(error) = ingest.write(bytes.slice(offset..offset + MIB)).await {
            break error;
        }
    };
    assert_eq!(error.class(), Class::Unreachable, "{error:?}");
    assert_eq!(uncommitted.commit(&NOTHING).await.expect_err("committed").class(), Class::Unreachable);
    assert_eq!(ingest.abort().await.expect_err("aborted").class(), Class::Unreachable);
    match containerd.open_ingest(&lease, &blob).await {
        Ok(OpenedIngest::Locked) => bail!("a dead containerd holds no lock"),
        Ok(_) => bail!("the dead one answers"),
        Err(error) => assert_eq!(error.class(), Class::Unreachable, "{error:?}"),
    }
    assert_eq!(containerd.info(&blob.digest).await.expect_err("known").class(), Class::Unreachable);
    assert!(killed.elapsed() < SOON, "noticed after {:?}", killed.elapsed());

    daemon.restart();
    let mut ingest = store.open(&lease, &blob).await?;
    let offset = usize::try_from(ingest.offset())?;
    ingest.write(bytes.slice(offset..)).await?;
    assert_eq!(ingest.commit(&NOTHING).await?, Committed::New);
    Ok(())
}

/// A waiting write is woken by the end of its containerd.
#[tokio::test]
async fn a_commit_that_waits_for_a_dying_containerd_ends() -> Result<()> {
    let mut daemon = require!(daemon::Containerd::start(Generation::Debian16), Ok(()));
    let containerd = connect(&daemon, NAMESPACE).await?;
    let lease = containerd.create(SOON * 100).await?;
    let bytes = Bytes::from(noise(1, 8 * MIB));
    let blob = describe("x", &bytes);
    let mut ingest = subject(&containerd, SnapshotterName::new("")).open(&lease, &blob).await?;
    let writing = tokio::spawn(async move {
        // More than the descriptor says, so that only the end of containerd ends it.
        loop {
            if let Err(error) = ingest.write(bytes.clone()).await {
                return error;
            }
        }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    daemon.kill9();
    let error = tokio::time::timeout(SOON, writing).await.context("still writing")??;
    assert_eq!(error.class(), Class::Unreachable, "{error:?}");
    Ok(())
}

/// Labels of an image record belong to others.
#[tokio::test]
async fn labels_of_an_image_stay() -> Result<()> {
    let daemon = require!(daemon::Containerd::start(Generation::Debian16), Ok(()));
    let containerd = connect(&daemon, NAMESPACE).await?;
    let name = "registry.example/a:1";
    containerd.put(name, &describe(MediaType::OCI_MANIFEST, b"first")).await?;
    let record = containerd.get(name).await?.context("no record")?;

    let channel = containerd_client::connect(daemon.socket()).await?;
    let labels = HashMap::from([("io.cri-containerd.image".to_owned(), "managed".to_owned())]);
    let update = UpdateImageRequest {
        image: Some(Image {
            name: name.to_owned(),
            labels: labels.clone(),
            target: Some(containerd_client::types::Descriptor {
                media_type: record.target.media_type.to_string(),
                digest: record.target.digest.to_string(),
                size: i64::try_from(record.target.size)?,
                ..Default::default()
            }),
            ..Image::default()
        }),
        ..UpdateImageRequest::default()
    };
    ImagesClient::new(channel).update(namespaced(update)?).await?;

    let target = describe(MediaType::OCI_MANIFEST, b"second");
    containerd.put(name, &target).await?;
    let record = containerd.get(name).await?.context("no record")?;
    assert_eq!(record.target, target);
    assert_eq!(record.labels, labels.into_iter().collect());
    Ok(())
}

/// What is known of a blob, and what a snapshot is made for, are labels that other clients read. Theirs stay.
#[tokio::test]
async fn facts_are_the_labels_of_other_clients() -> Result<()> {
    let daemon = require!(daemon::Containerd::start(Generation::Debian16), Ok(()));
    let containerd = connect(&daemon, NAMESPACE).await?;
    let store = subject(&containerd, snapshotter(&containerd).await?);
    let lease = containerd.create(SOON * 100).await?;
    let mut content = ContentClient::new(containerd_client::connect(daemon.socket()).await?);

    let (gzip, diff_id) = layer("x", "x")?;
    let chain_id = ChainId::bottom(&diff_id);
    let plan = ("containerd.io/snapshot/x".to_owned(), "y".to_owned());
    let target = Target { chain_id: chain_id.clone(), labels: Labels::from([plan.clone()]) };
    let child = store.unpack(&lease, &gzip, &target).await?;
    let snapshot_ref = ("containerd.io/snapshot.ref".to_owned(), chain_id.to_string());
    let info = containerd.stat(&store.snapshotter, &chain_id).await?.context("no snapshot")?;
    assert_eq!(info.labels, Labels::from([plan, snapshot_ref]));

    let source = |name| BlobFacts { source: Reference::parse(name).ok(), ..NOTHING };
    let facts = BlobFacts { children: vec![child.clone()], ..source("registry.example:5000/b/c:1") };
    let blob = store.ingest_with(&lease, MediaType::OCI_MANIFEST, b"labelled", &facts).await?;
    let request = || namespaced(InfoRequest { digest: blob.digest.to_string() });
    let mut info = content.info(request()?).await?.into_inner().info.context("no info")?;
    info.labels.insert("foreign".to_owned(), "stays".to_owned());
    content.update(namespaced(UpdateRequest { info: Some(info), update_mask: None })?).await?;
    let snapshot = Some((SnapshotterName::new("native"), chain_id.clone()));
    let diff_id = Some(diff_id);
    let more = BlobFacts { diff_id: diff_id.clone(), snapshot, ..source("registry.example:5000/a:1") };
    containerd.add_facts(&blob.digest, &more).await?;

    let found = content.info(request()?).await?.into_inner().info.context("no info")?;
    let labels: Labels = found.labels.into_iter().collect();
    let labels: Vec<_> = labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(
        labels,
        [
            ("containerd.io/distribution.source.registry.example", "a,b/c"),
            ("containerd.io/gc.ref.content.l.0", child.digest.as_str()),
            ("containerd.io/gc.ref.snapshot.native", chain_id.as_str()),
            ("containerd.io/uncompressed", chain_id.as_str()),
            ("foreign", "stays"),
        ]
    );
    Ok(())
}

/// containerd says what it is and what it has.
#[tokio::test]
async fn a_containerd_describes_itself() -> Result<()> {
    let daemon = require!(daemon::Containerd::start(Generation::Debian16), Ok(()));
    let containerd = connect(&daemon, NAMESPACE).await?;
    assert_eq!(containerd.version().await?.program, "containerd");
    let snapshotters = containerd.snapshotters().await?;
    assert!(snapshotters.iter().any(|info| info.name.as_str() == "native" && info.error.is_none()));
    assert!(snapshotters.iter().all(|info| info.name.as_str() != "zfs"), "it is switched off");

    assert_eq!(containerd.default_snapshotter().await?, None, "the namespace is not there yet");
    containerd.create(SOON * 100).await?;
    assert_eq!(containerd.default_snapshotter().await?, None, "it has no label");
    let label = ("containerd.io/defaults/snapshotter".to_owned(), "native".to_owned());
    let namespace = Namespace { name: NAMESPACE.to_owned(), labels: HashMap::from([label]) };
    let update = UpdateNamespaceRequest { namespace: Some(namespace), update_mask: None };
    let channel = containerd_client::connect(daemon.socket()).await?;
    NamespacesClient::new(channel).update(namespaced(update)?).await?;
    assert_eq!(containerd.default_snapshotter().await?, Some(SnapshotterName::new("native")));
    Ok(())
}
