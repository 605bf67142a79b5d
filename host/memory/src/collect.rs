//! Mark and sweep. What keeps what is in the documentation of [`Leases`](dray_ports::Leases).

use std::collections::HashSet;

use tokio::time::Instant;

use super::store::State;
use dray_core::oci::Digest;

impl State {
    /// Removes what nothing keeps, if this store collects at all.
    pub(crate) fn collect(&mut self, now: Instant) {
        let Some(grace) = self.grace else { return };
        self.leases.retain(|_, lease| lease.ends > now);
        let blobs = self.kept_blobs();
        let snapshots = self.kept_snapshots(&blobs);

        self.unkept.retain(|digest, _| !blobs.contains(digest));
        for digest in self.blobs.keys().filter(|digest| !blobs.contains(digest)) {
            self.unkept.entry(digest.clone()).or_insert(now);
        }
        let is_due = |since: &Instant| now.duration_since(*since) >= grace;
        let due: Vec<Digest> =
            self.unkept.extract_if(|_, since| is_due(since)).map(|(digest, _)| digest).collect();
        for digest in due {
            self.blobs.remove(&digest);
        }
        self.committed.retain(|chain, _| snapshots.contains(chain));
        self.active.retain(|key, _| snapshots.contains(key));
        let ingests: HashSet<&String> = self.leases.values().flat_map(|lease| &lease.ingests).collect();
        let suspended = &self.suspended;
        self.ingests
            .retain(|name, (_, locked)| *locked || ingests.contains(name) || suspended.contains(name));
    }

    fn kept_blobs(&self) -> HashSet<Digest> {
        let targets = self.images.values().map(|record| record.target.digest.clone());
        let leased = self.leases.values().flat_map(|lease| lease.blobs.iter().cloned());
        let mut open: Vec<Digest> = targets.chain(leased).collect();
        let mut kept = HashSet::new();
        while let Some(digest) = open.pop() {
            if let Some((_, facts)) = self.blobs.get(&digest)
                && kept.insert(digest)
            {
                open.extend(facts.children.iter().map(|child| child.digest.clone()));
            }
        }
        kept
    }

    fn kept_snapshots(&self, blobs: &HashSet<Digest>) -> HashSet<String> {
        let facts = blobs.iter().filter_map(|digest| self.blobs.get(digest)).map(|(_, facts)| facts);
        let tops = facts.flat_map(|facts| facts.snapshots.values().map(ToString::to_string));
        let leased = self.leases.values().flat_map(|lease| lease.snapshots.iter().cloned());
        let mut open: Vec<String> = tops.chain(leased).collect();
        let mut kept = HashSet::new();
        while let Some(name) = open.pop() {
            let committed = self.committed.get(&name).map(|(parent, _)| parent);
            let parent = committed.or_else(|| self.active.get(&name).map(|(parent, _)| parent));
            if let Some(parent) = parent
                && kept.insert(name)
            {
                open.extend(parent.clone());
            }
        }
        kept
    }
}
