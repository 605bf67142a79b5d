//! The labels that a pull leaves in the content store, by containerd's rules.

use std::collections::{BTreeSet, HashMap};

use dray_core::limits;
use dray_core::oci::{ChainId, Descriptor, MediaKind, Reference};
use dray_ports::{Labels, SnapshotterName};

/// Names the digest of the uncompressed layer, on the blob of a layer that was applied.
pub(super) const UNCOMPRESSED: &str = "containerd.io/uncompressed";
/// Names the layer that a snapshot is made for.
pub(super) const SNAPSHOT_REF: &str = "containerd.io/snapshot.ref";

/// Before the name of a scheme, the annotation of an encrypted layer that holds its key, wrapped by that scheme.
pub(super) const WRAPPED_KEY: &str = "org.opencontainers.image.enc.keys.";

/// Labels that keep the children of an index or manifest alive: one for every child, also for those that are
/// not fetched, so that what another client fetches later is not collected.
pub(super) fn children<'a>(children: impl IntoIterator<Item = &'a Descriptor>) -> Labels {
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

/// The label that keeps the snapshots of an image alive, for its config.
pub(super) fn snapshot(snapshotter: &SnapshotterName, top: &ChainId) -> (String, String) {
    (format!("containerd.io/gc.ref.snapshot.{snapshotter}"), top.to_string())
}

/// Adds the repository to the label that says where a blob comes from. `None` if there is nothing to change,
/// or if the label would become larger than containerd accepts; blobs that many repositories share get there.
pub(super) fn source(reference: &Reference, existing: &Labels) -> Option<(String, String)> {
    let key = format!("containerd.io/distribution.source.{}", reference.host());
    let current = existing.get(&key).map(String::as_str).unwrap_or_default();
    let mut repositories: BTreeSet<&str> = current.split(',').filter(|r| !r.is_empty()).collect();
    repositories.insert(reference.path());
    let value = repositories.into_iter().collect::<Vec<_>>().join(",");
    let fits = key.len() + value.len() <= limits::LABEL_BYTES;
    (fits && value != current).then_some((key, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dray_core::oci::{Digest, MediaType};

    fn child(media_type: &str, c: char) -> Descriptor {
        let digest = Digest::parse(&format!("sha256:{}", c.to_string().repeat(64))).unwrap();
        Descriptor::new(MediaType::new(media_type), digest, 1)
    }

    #[test]
    fn counters_are_kept_per_prefix() {
        let labels = children(&[
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
    fn source_is_merged_sorted_and_bounded() {
        let reference = Reference::parse("localhost:5000/b/c").unwrap();
        let key = "containerd.io/distribution.source.localhost".to_owned();
        let with = |value: &str| Labels::from([(key.clone(), value.to_owned())]);
        assert_eq!(source(&reference, &Labels::new()), Some((key.clone(), "b/c".into())));
        assert_eq!(source(&reference, &with("z,a")), Some((key.clone(), "a,b/c,z".into())));
        assert_eq!(source(&reference, &with("a,b/c")), None);
        assert_eq!(source(&reference, &with(&"x".repeat(4080))), None);
    }
}
