//! What is known of a blob and of a snapshot, as labels. The keys are those of containerd's Go client, which
//! containerd's collector, `nerdctl` and `ctr` read.

use std::collections::{BTreeSet, HashMap};

use dray_core::limits;
use dray_core::oci::{ChainId, Descriptor, DiffId, Digest, MediaKind, Reference};
use dray_ports::{BlobFacts, Labels, SnapshotterName, Target};

/// On the blob of a layer that was applied, the digest of its uncompressed bytes.
const UNCOMPRESSED: &str = "containerd.io/uncompressed";
/// On a snapshot, the layer that it is made for.
const SNAPSHOT_REF: &str = "containerd.io/snapshot.ref";

/// The labels for what is known of a blob that has `existing` labels. Those among them that stay as they are need not
/// be written again.
pub(super) fn of_blob(facts: &BlobFacts, existing: &Labels) -> Labels {
    let BlobFacts { children, source, diff_id, snapshot } = facts;
    let mut labels = of_children(children);
    labels.extend(source.as_ref().and_then(|source| of_source(source, existing)));
    labels.extend(diff_id.as_ref().map(|diff_id| (UNCOMPRESSED.to_owned(), diff_id.to_string())));
    labels.extend(snapshot.as_ref().map(|(snapshotter, top)| of_snapshot(snapshotter, top)));
    labels
}

/// The diff id that a blob is labelled with. A label that holds something else is none.
pub(super) fn diff_id(labels: &Labels) -> Option<DiffId> {
    let digest = Digest::parse(labels.get(UNCOMPRESSED)?).ok()?;
    Some(DiffId::from_uncompressed(digest))
}

/// The labels of a snapshot, which ask the snapshotter for its target.
pub(super) fn of_target(target: &Target) -> Labels {
    let mut labels = target.labels.clone();
    labels.insert(SNAPSHOT_REF.to_owned(), target.chain_id.to_string());
    labels
}

/// Labels that keep the children of an index or manifest: one for each child, also for those that are
/// not fetched, so that what another client fetches later is not collected.
fn of_children(children: &[Descriptor]) -> Labels {
    let mut counts: HashMap<&'static str, usize> = HashMap::new();
    let mut labels = Labels::new();
    for child in children {
        let prefix = match child.media_type.kind() {
            MediaKind::ImageConfig => "containerd.io/gc.ref.content.config",
            MediaKind::Manifest => "containerd.io/gc.ref.content.m.",
            MediaKind::Layer => "containerd.io/gc.ref.content.l.",
            MediaKind::Index | MediaKind::Schema1 | MediaKind::Other => "containerd.io/gc.ref.content.",
        };
        let count = counts.entry(prefix).or_default();
        let key =
            if *count > 0 || prefix.ends_with('.') { format!("{prefix}{count}") } else { prefix.to_owned() };
        *count += 1;
        labels.insert(key, child.digest.to_string());
    }
    labels
}

/// The label on an image config that keeps the snapshots of the image.
fn of_snapshot(snapshotter: &SnapshotterName, top: &ChainId) -> (String, String) {
    (format!("containerd.io/gc.ref.snapshot.{snapshotter}"), top.to_string())
}

/// The label that says where a blob comes from, with one more repository. `None` if there is nothing to change,
/// or if the label would become larger than containerd accepts; blobs that many repositories share get there.
fn of_source(source: &Reference, existing: &Labels) -> Option<(String, String)> {
    let key = format!("containerd.io/distribution.source.{}", source.host());
    let current = existing.get(&key).map(String::as_str).unwrap_or_default();
    let mut repositories: BTreeSet<&str> = current.split(',').filter(|r| !r.is_empty()).collect();
    repositories.insert(source.path());
    let value = repositories.into_iter().collect::<Vec<_>>().join(",");
    let fits = key.len() + value.len() <= limits::LABEL_BYTES;
    (fits && value != current).then_some((key, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dray_core::oci::MediaType;

    fn digest(c: char) -> Digest {
        Digest::parse(&format!("sha256:{}", c.to_string().repeat(64))).unwrap()
    }

    fn child(media_type: &str, c: char) -> Descriptor {
        Descriptor::new(MediaType::new(media_type), digest(c), 1)
    }

    fn labels<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Labels {
        pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn counters_are_kept_per_prefix() {
        let labels = of_children(&[
            child(MediaType::OCI_CONFIG, '0'),
            child("application/vnd.oci.image.layer.v1.tar+gzip", '1'),
            child("text/plain", '2'),
            child("application/vnd.oci.image.layer.v1.tar+gzip", '3'),
            child(MediaType::OCI_MANIFEST, '4'),
            child(MediaType::DOCKER_CONFIG, '5'),
        ]);
        let keys: Vec<_> = labels.iter().map(|(k, v)| (k.as_str(), &v[7..8])).collect();
        assert_eq!(
            keys,
            [
                ("containerd.io/gc.ref.content.0", "2"),
                ("containerd.io/gc.ref.content.config", "0"),
                ("containerd.io/gc.ref.content.config1", "5"),
                ("containerd.io/gc.ref.content.l.0", "1"),
                ("containerd.io/gc.ref.content.l.1", "3"),
                ("containerd.io/gc.ref.content.m.0", "4"),
            ]
        );
    }

    #[test]
    fn sources_are_merged_sorted_and_bounded() {
        let reference = Reference::parse("localhost:5000/b/c").unwrap();
        let key = "containerd.io/distribution.source.localhost";
        let source = |existing: &str| {
            let existing = if existing.is_empty() { Labels::new() } else { labels([(key, existing)]) };
            of_source(&reference, &existing).map(|(written, value)| {
                assert_eq!(written, key);
                value
            })
        };
        assert_eq!(source(""), Some("b/c".into()));
        assert_eq!(source("z,a"), Some("a,b/c,z".into()));
        assert_eq!(source("a,b/c"), None);
        assert_eq!(source(&"x".repeat(4080)), None);
    }

    #[test]
    fn facts_and_targets_have_labels() {
        let top = ChainId::bottom(&DiffId::from_uncompressed(digest('c')));
        let facts = BlobFacts {
            diff_id: Some(DiffId::from_uncompressed(digest('d'))),
            snapshot: Some((SnapshotterName::new("native"), top.clone())),
            ..BlobFacts::default()
        };
        let (c, d) = (digest('c').to_string(), digest('d').to_string());
        let expected =
            labels([("containerd.io/gc.ref.snapshot.native", &*c), ("containerd.io/uncompressed", &*d)]);
        assert_eq!(of_blob(&facts, &Labels::new()), expected);
        assert_eq!(diff_id(&expected), facts.diff_id);
        assert_eq!(diff_id(&labels([("containerd.io/uncompressed", "x")])), None);

        let target = Target { chain_id: top, labels: labels([("containerd.io/snapshot/x", "y")]) };
        let expected = labels([("containerd.io/snapshot.ref", &*c), ("containerd.io/snapshot/x", "y")]);
        assert_eq!(of_target(&target), expected);
    }
}
