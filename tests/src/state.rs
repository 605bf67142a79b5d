//! The contents of one namespace of containerd, as plain values that can be compared.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

use containerd_client::services::v1::snapshots::ListSnapshotsRequest;
use containerd_client::services::v1::{
    CreateRequest, DeleteImageRequest, DeleteRequest, ListContentRequest, ListImagesRequest, ListRequest,
    ListResourcesRequest, ListStatusesRequest, PluginsRequest, snapshots,
};
use containerd_client::tonic::{self, Request};
use containerd_client::{Client, with_namespace};
use serde::Serialize;

use crate::daemon::{Containerd, complete};

/// Labels of a record.
pub type Labels = BTreeMap<String, String>;

/// Everything in one namespace that a pull can leave behind, without times.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct State {
    /// Image records by name.
    pub images: BTreeMap<String, Image>,
    /// Committed blobs by digest.
    pub content: BTreeMap<String, Blob>,
    /// Writes in progress by ref.
    pub ingests: BTreeMap<String, Ingest>,
    /// Snapshots by snapshotter, then by key. A snapshotter without any does not appear.
    pub snapshots: BTreeMap<String, BTreeMap<String, Snapshot>>,
    /// Leases by id.
    pub leases: BTreeMap<String, Lease>,
}

/// An image record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Image {
    /// Media type of the target.
    pub media_type: String,
    /// Digest of the target.
    pub digest: String,
    /// Size of the target.
    pub size: i64,
    /// Annotations of the target.
    pub annotations: Labels,
    /// Labels of the record.
    pub labels: Labels,
}

/// A committed blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Blob {
    /// Its size in bytes.
    pub size: i64,
    /// Its labels.
    pub labels: Labels,
}

/// A write in progress.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ingest {
    /// Bytes written.
    pub offset: i64,
    /// Bytes expected.
    pub total: i64,
}

/// A snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// `view`, `active` or `committed`.
    pub kind: &'static str,
    /// The snapshot below; empty at the bottom.
    pub parent: String,
    /// Its labels.
    pub labels: Labels,
}

/// A lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lease {
    /// Its labels.
    pub labels: Labels,
    /// What it protects, as `type id`, sorted.
    pub resources: Vec<String>,
}

impl State {
    /// Reads everything in `namespace` from `daemon`.
    pub fn of(daemon: &Containerd, namespace: &str) -> Self {
        complete(async {
            let client = daemon.client().await;
            read(&client, namespace).await.unwrap_or_else(|status| panic!("{status}:\n{}", daemon.log()))
        })
    }

    /// The same, once `daemon` has noticed that a client is gone, and changes nothing more. Fails if it never comes
    /// to rest.
    ///
    /// No call tells what a daemon still does for a client that is gone, and the daemon may serve others. So several
    /// equal reads in a row count as rest.
    pub fn settled(daemon: &Containerd, namespace: &str) -> Self {
        const LOOKS: usize = 3;
        const PATIENCE: Duration = Duration::from_mins(1);
        let since = Instant::now();
        let (mut state, mut equal) = (Self::of(daemon, namespace), 1);
        while equal < LOOKS {
            assert!(since.elapsed() < PATIENCE, "still changing after {PATIENCE:?}: {state}");
            std::thread::sleep(Duration::from_millis(15));
            let next = Self::of(daemon, namespace);
            equal = if next == state { equal + 1 } else { 1 };
            state = next;
        }
        state
    }

    /// Whether nothing unfinished is left: no lease, no ingest, no active snapshot.
    pub fn is_at_rest(&self) -> bool {
        let mut snapshots = self.snapshots.values().flat_map(BTreeMap::values);
        self.leases.is_empty()
            && self.ingests.is_empty()
            && snapshots.all(|snapshot| snapshot.kind == "committed")
    }

    /// The only ingest. Fails if there is none, or another one.
    #[track_caller]
    pub fn only_ingest(&self) -> &Ingest {
        let mut ingests = self.ingests.values();
        match (ingests.next(), ingests.next()) {
            (Some(ingest), None) => ingest,
            _ => panic!("not one ingest: {self}"),
        }
    }

    /// Whether the namespace holds nothing at all.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The snapshots from the bottom up to `top`.
    pub fn chain(&self, snapshotter: &str, top: &str) -> Vec<String> {
        let known = self.snapshots.get(snapshotter);
        let mut chain = Vec::new();
        let mut key = top;
        while let Some(snapshot) = known.and_then(|known| known.get(key)) {
            chain.push(key.to_owned());
            key = &snapshot.parent;
        }
        chain.reverse();
        chain
    }
}

impl State {
    /// Removes the differences between `ctr` and the reference, which is nerdctl's image package.
    #[must_use]
    pub fn without_what_ctr_does_otherwise(mut self) -> Self {
        for snapshot in self.snapshots.values_mut().flat_map(BTreeMap::values_mut) {
            // `ctr` 1.x unpacks in a second step that sets no labels. The transfer service of 2.x sets the two newer
            // ones. A client from before 2.3, such as nerdctl 1.7, sets only the first.
            snapshot.labels.remove("containerd.io/snapshot.ref");
            snapshot.labels.remove("containerd.io/snapshot/diff-id");
            snapshot.labels.remove("containerd.io/snapshot/parent-chain-id");
        }
        self
    }

    /// Fails with a diff unless this state, which is dray's, equals that of `ctr`.
    #[track_caller]
    pub fn assert_same_as_ctr(&self, ctr: &Self, what: &str) {
        let (ours, theirs) = (self.to_string(), ctr.to_string());
        let only = |name: &str, these: &str, those: &str| -> Vec<String> {
            let lines = these.lines().filter(|line| !those.lines().any(|other| other == *line));
            lines.map(|line| format!("{name} {line}")).collect()
        };
        let difference = [only("dray", &ours, &theirs), only("ctr ", &theirs, &ours)].concat();
        assert!(ours == theirs, "{what}:\n{}", difference.join("\n"));
    }
}

impl fmt::Display for State {
    /// JSON with sorted keys, for snapshots and for reading.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string_pretty(self).map_err(|_| fmt::Error)?)
    }
}

impl Containerd {
    /// Runs the garbage collector of all namespaces and waits for its end.
    pub fn collect_garbage(&self) {
        // Synchronous deletion of a lease returns after the collector has run.
        let namespace = "dray-tests-gc";
        let id = "gc".to_owned();
        complete(async {
            let mut leases = self.client().await.leases();
            let create = CreateRequest { id: id.clone(), ..CreateRequest::default() };
            leases.create(with_namespace!(create, namespace)).await?;
            leases.delete(with_namespace!(DeleteRequest { id, sync: true }, namespace)).await
        })
        .unwrap_or_else(|status| panic!("{status}:\n{}", self.log()));
    }
}

/// Changes to a namespace that bypass dray.
impl Containerd {
    /// Deletes all leases of a namespace, as their expiry would.
    pub fn delete_leases(&self, namespace: &str) {
        complete(async {
            let mut leases = self.client().await.leases();
            let all = leases.list(with_namespace!(ListRequest::default(), namespace)).await?.into_inner();
            for lease in all.leases {
                let delete = DeleteRequest { id: lease.id, sync: false };
                leases.delete(with_namespace!(delete, namespace)).await?;
            }
            Ok(())
        })
        .unwrap_or_else(|status: tonic::Status| panic!("{status}:\n{}", self.log()));
    }

    /// Deletes the records of all images of a namespace.
    pub fn delete_images(&self, namespace: &str) {
        complete(async {
            let mut images = self.client().await.images();
            let all =
                images.list(with_namespace!(ListImagesRequest::default(), namespace)).await?.into_inner();
            for image in all.images {
                let delete = DeleteImageRequest { name: image.name, ..DeleteImageRequest::default() };
                images.delete(with_namespace!(delete, namespace)).await?;
            }
            Ok(())
        })
        .unwrap_or_else(|status: tonic::Status| panic!("{status}:\n{}", self.log()));
    }
}

async fn read(client: &Client, namespace: &str) -> Result<State, tonic::Status> {
    Ok(State {
        images: images(client, namespace).await?,
        content: content(client, namespace).await?,
        ingests: ingests(client, namespace).await?,
        snapshots: snapshots(client, namespace).await?,
        leases: leases(client, namespace).await?,
    })
}

async fn images(client: &Client, namespace: &str) -> Result<BTreeMap<String, Image>, tonic::Status> {
    let answer = client.images().list(with_namespace!(ListImagesRequest::default(), namespace)).await?;
    let records = answer.into_inner().images.into_iter().map(|image| {
        let target = image.target.unwrap_or_default();
        let record = Image {
            media_type: target.media_type,
            digest: target.digest,
            size: target.size,
            annotations: sorted(target.annotations),
            labels: sorted(image.labels),
        };
        (image.name, record)
    });
    Ok(records.collect())
}

async fn content(client: &Client, namespace: &str) -> Result<BTreeMap<String, Blob>, tonic::Status> {
    let mut answers =
        client.content().list(with_namespace!(ListContentRequest::default(), namespace)).await?.into_inner();
    let mut blobs = BTreeMap::new();
    while let Some(answer) = answers.message().await? {
        for info in answer.info {
            blobs.insert(info.digest, Blob { size: info.size, labels: sorted(info.labels) });
        }
    }
    Ok(blobs)
}

async fn ingests(client: &Client, namespace: &str) -> Result<BTreeMap<String, Ingest>, tonic::Status> {
    let answer =
        client.content().list_statuses(with_namespace!(ListStatusesRequest::default(), namespace)).await?;
    let statuses = answer.into_inner().statuses.into_iter();
    Ok(statuses.map(|status| (status.r#ref, Ingest { offset: status.offset, total: status.total })).collect())
}

async fn snapshots(
    client: &Client,
    namespace: &str,
) -> Result<BTreeMap<String, BTreeMap<String, Snapshot>>, tonic::Status> {
    let filters = vec!["type==io.containerd.snapshotter.v1".to_owned()];
    let plugins = client.introspection().plugins(PluginsRequest { filters }).await?.into_inner().plugins;
    let mut all = BTreeMap::new();
    for plugin in plugins.into_iter().filter(|plugin| plugin.init_err.is_none()) {
        let request =
            ListSnapshotsRequest { snapshotter: plugin.id.clone(), ..ListSnapshotsRequest::default() };
        let mut answers = client.snapshots().list(with_namespace!(request, namespace)).await?.into_inner();
        let mut found = BTreeMap::new();
        while let Some(answer) = answers.message().await? {
            for info in answer.info {
                let snapshot =
                    Snapshot { kind: kind(info.kind()), parent: info.parent, labels: sorted(info.labels) };
                found.insert(info.name, snapshot);
            }
        }
        if !found.is_empty() {
            all.insert(plugin.id, found);
        }
    }
    Ok(all)
}

fn kind(kind: snapshots::Kind) -> &'static str {
    match kind {
        snapshots::Kind::View => "view",
        snapshots::Kind::Active => "active",
        snapshots::Kind::Committed => "committed",
        snapshots::Kind::Unknown => "unknown",
    }
}

async fn leases(client: &Client, namespace: &str) -> Result<BTreeMap<String, Lease>, tonic::Status> {
    let found =
        client.leases().list(with_namespace!(ListRequest::default(), namespace)).await?.into_inner().leases;
    let mut leases = BTreeMap::new();
    for lease in found {
        let request = ListResourcesRequest { id: lease.id.clone() };
        let answer = client.leases().list_resources(with_namespace!(request, namespace)).await?;
        let resources = answer.into_inner().resources.into_iter();
        let mut resources: Vec<_> =
            resources.map(|resource| format!("{} {}", resource.r#type, resource.id)).collect();
        resources.sort();
        leases.insert(lease.id, Lease { labels: sorted(lease.labels), resources });
    }
    Ok(leases)
}

fn sorted(labels: HashMap<String, String>) -> Labels {
    labels.into_iter().collect()
}
