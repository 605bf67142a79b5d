//! Snapshots and the applier, and what a store says of itself.

use anyhow::{Context, Result, bail};
use dray::oci::{ChainId, DiffId};
use dray::ports::{Class, Committed, Labels, Prepared, SnapshotterName, Target};

use super::contract::{HOUR, LAYER, Subject, layer};

/// A layer with a label of a plan.
fn labelled(chain_id: &ChainId) -> Target {
    let label = ("containerd.io/snapshot/example".to_owned(), "of the plan".to_owned());
    Target { chain_id: chain_id.clone(), labels: Labels::from([label]) }
}

fn bottom(diff_id: &DiffId) -> Target {
    Target { chain_id: ChainId::bottom(diff_id), labels: Labels::new() }
}

/// A store says what it is, and which snapshotters it has.
pub(crate) async fn a_store_describes_itself(store: &Subject) -> Result<()> {
    let version = store.ports.info.version().await?;
    assert!(!version.program.is_empty() && !version.version.is_empty(), "{version:?}");
    let snapshotters = store.ports.info.snapshotters().await?;
    assert!(snapshotters.iter().any(|info| info.name == store.snapshotter && info.error.is_none()));
    Ok(())
}

/// Layers are applied on each other and committed under their chain ids.
pub(crate) async fn layers_become_snapshots(store: &Subject) -> Result<()> {
    let lease = store.ports.leases.create(HOUR).await?;
    let (snapshots, snapshotter) = (&store.ports.snapshots, &store.snapshotter);
    let layers = [layer("etc/lower", "lower")?, layer("etc/upper", "upper")?];
    let chain = ChainId::stack(&layers.clone().map(|(_, diff_id)| diff_id));
    // With a target and without: the lower layer is asked for, the upper one is not.
    for (index, (gzip, diff_id)) in layers.iter().enumerate() {
        let parent = index.checked_sub(1).map(|below| &chain[below]);
        let target = labelled(&chain[index]);
        let asked = parent.is_none().then_some(&target);
        let blob = store.ingest(&lease, LAYER, gzip).await?;
        let key = snapshots.new_key(&target.chain_id);
        assert!(snapshots.stat(snapshotter, &target.chain_id).await?.is_none());
        let prepared = snapshots.prepare(&lease, snapshotter, &key, parent, asked).await?;
        let Prepared::Active(mounts) = prepared else { bail!("a new layer is {prepared:?}") };
        assert!(snapshots.stat(snapshotter, &target.chain_id).await?.is_none(), "active is not committed");

        let applied = store.ports.applier.apply(&lease, &blob, &mounts).await?;
        assert_eq!(&applied.diff_id, diff_id);
        assert!(applied.size > 0);
        assert_eq!(snapshots.commit(&lease, snapshotter, &key, &target).await?, Committed::New);
        let info = snapshots.stat(snapshotter, &target.chain_id).await?.context("no snapshot")?;
        assert_eq!(info.parent.as_deref(), parent.map(ChainId::as_str));
        for (label, value) in &target.labels {
            assert_eq!(info.labels.get(label), Some(value));
        }
    }
    Ok(())
}

/// A committed layer is measured by itself.
pub(crate) async fn layers_are_measured(store: &Subject) -> Result<()> {
    let lease = store.ports.leases.create(HOUR).await?;
    let (snapshots, snapshotter) = (&store.ports.snapshots, &store.snapshotter);
    let (gzip, diff_id) = layer("large", &"text ".repeat(100_000))?;
    let target = bottom(&diff_id);
    assert!(snapshots.usage(snapshotter, &target.chain_id).await?.is_none());

    store.unpack(&lease, &gzip, &target).await?;
    let usage = snapshots.usage(snapshotter, &target.chain_id).await?.context("it is not measured")?;
    assert!((500_000..2_000_000).contains(&usage.bytes), "{usage:?}");
    assert!(usage.inodes >= 1, "{usage:?}");
    let absent = SnapshotterName::new("absent");
    let error = snapshots.usage(&absent, &target.chain_id).await.expect_err("no snapshotter");
    assert_eq!(error.class(), Class::InvalidArgument);
    Ok(())
}

/// Two clients make the same layer at the same time. Neither waits for the other to prepare it; both may apply it, and
/// the second to commit finds it. A third finds it before the work.
pub(crate) async fn the_second_to_make_a_snapshot_finds_it(store: &Subject) -> Result<()> {
    let lease = store.ports.leases.create(HOUR).await?;
    let (snapshots, snapshotter) = (&store.ports.snapshots, &store.snapshotter);
    let (gzip, diff_id) = layer("raced", "raced")?;
    let target = bottom(&diff_id);
    let blob = store.ingest(&lease, LAYER, &gzip).await?;
    let [first, second, third] = [(); 3].map(|()| snapshots.new_key(&target.chain_id));
    let of_first = store.prepare(&lease, &first, &target).await?;
    let of_second = store.prepare(&lease, &second, &target).await?;

    let apply = |mounts| store.ports.applier.apply(&lease, &blob, mounts);
    let (one, two) = tokio::join!(apply(&of_first), apply(&of_second));
    assert_eq!([one?.diff_id, two?.diff_id], [diff_id.clone(), diff_id]);
    assert_eq!(snapshots.commit(&lease, snapshotter, &first, &target).await?, Committed::New);
    assert_eq!(snapshots.commit(&lease, snapshotter, &second, &target).await?, Committed::Exists);
    // The one that lost is still active, and goes only once.
    snapshots.remove(snapshotter, &second).await?;
    snapshots.remove(snapshotter, &second).await?;
    let prepared = snapshots.prepare(&lease, snapshotter, &third, None, Some(&target)).await?;
    assert_eq!(prepared, Prepared::Exists);
    Ok(())
}

/// A snapshot needs its parent and its snapshotter, and a commit its active snapshot.
pub(crate) async fn a_snapshot_on_nothing_fails(store: &Subject) -> Result<()> {
    let lease = store.ports.leases.create(HOUR).await?;
    let (snapshots, snapshotter) = (&store.ports.snapshots, &store.snapshotter);
    let (lower, upper) = (layer("x", "lower")?.1, layer("x", "upper")?.1);
    let chain = ChainId::stack(&[lower, upper]);
    let key = snapshots.new_key(&chain[1]);
    let orphan = snapshots.prepare(&lease, snapshotter, &key, Some(&chain[0]), None).await;
    assert_eq!(orphan.expect_err("no parent").class(), Class::NotFound);
    let absent = SnapshotterName::new("absent");
    let error = snapshots.prepare(&lease, &absent, &key, None, None).await;
    assert_eq!(error.expect_err("no snapshotter").class(), Class::InvalidArgument);
    let unprepared = snapshots.commit(&lease, snapshotter, &key, &labelled(&chain[0])).await;
    assert_eq!(unprepared.expect_err("no active snapshot").class(), Class::NotFound);
    Ok(())
}

/// A blob that is no layer is an error, and the snapshot can be removed.
pub(crate) async fn a_broken_layer_fails(store: &Subject) -> Result<()> {
    let lease = store.ports.leases.create(HOUR).await?;
    let (mut gzip, diff_id) = layer("x", &"text ".repeat(10_000))?;
    gzip.truncate(gzip.len() / 2);
    let blob = store.ingest(&lease, LAYER, &gzip).await?;
    let key = store.ports.snapshots.new_key(&ChainId::bottom(&diff_id));
    let mounts = store.prepare(&lease, &key, &bottom(&diff_id)).await?;
    store.ports.applier.apply(&lease, &blob, &mounts).await.expect_err("half a layer was applied");
    store.ports.snapshots.remove(&store.snapshotter, &key).await?;
    Ok(())
}
