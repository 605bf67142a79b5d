//! The order in which the documents of an image are looked at, and how deep and how far.

use std::sync::Arc;

use super::choose::{Choice, Choices};
use super::document::{Document, DocumentFault, bounded};
use dray_core::limits;
use dray_core::oci::{Descriptor, Index, MediaKind, Platform, UnusableEntry};

/// The way from the target of a name to something that an index lists, or the target itself.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    /// The indexes on the way, the outermost first; none if this is the target.
    ///
    /// Shared, since an index may have MiB, and a thousand entries below it.
    pub(crate) indexes: Vec<Arc<Document<Index>>>,
    /// Where it leads, with what the entry of the index says about its platform.
    pub(crate) end: Descriptor,
}

impl Path {
    pub(crate) fn leads_to_index(&self) -> bool {
        self.end.media_type.kind() == MediaKind::Index
    }

    /// Whether an index lists the end, and does not say what it is for.
    pub(crate) fn is_silent(&self) -> bool {
        !self.indexes.is_empty() && self.end.platform.is_none()
    }
}

/// What a walk comes to.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    To(Path),
    /// An entry that cannot be used, of the last of some indexes.
    Unusable(Arc<Document<Index>>, UnusableEntry),
}

/// Goes from a target through the chosen entries of indexes, depth first and best first. The indexes are read, and
/// their entries chosen, by others.
#[derive(Debug)]
pub(crate) struct Walk {
    /// The next one last.
    open: Vec<Step>,
    /// Chosen entries of all indexes so far.
    taken: usize,
    /// The platforms that the indexes state, chosen or not.
    pub(crate) offered: Vec<Platform>,
}

impl Walk {
    pub(crate) fn from(target: Descriptor) -> Self {
        let start = Step::To(Path { indexes: Vec::new(), end: target });
        Self { open: vec![start], taken: 0, offered: Vec::new() }
    }

    /// What to look at now; `None` at the end.
    pub(crate) fn step(&mut self) -> Option<Step> {
        self.open.pop()
    }

    /// Looks at nothing more.
    pub(crate) fn end(&mut self) {
        self.open.clear();
    }

    /// Goes on with the entries that were chosen of an index, to which some indexes lead.
    pub(crate) fn descend(
        &mut self,
        mut indexes: Vec<Arc<Document<Index>>>,
        index: Document<Index>,
        choices: Choices,
    ) -> Result<(), DocumentFault> {
        let Choices { entries, offered } = choices;
        self.offered.extend(offered);
        self.taken += entries.len();
        bounded("entries together with other indexes", self.taken, limits::INDEX_ENTRIES)?;
        let index = Arc::new(index);
        indexes.push(index.clone());
        let step = |choice| match choice {
            Choice::Usable(end) => Step::To(Path { indexes: indexes.clone(), end }),
            Choice::Unusable(entry) => Step::Unusable(index.clone(), entry),
        };
        let below: Vec<Step> = entries.into_iter().map(step).collect();
        if below.iter().any(|step| matches!(step, Step::To(path) if path.leads_to_index())) {
            bounded("levels of indexes", indexes.len() + 1, limits::INDEX_DEPTH)?;
        }
        self.open.extend(below.into_iter().rev());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use dray_core::oci::{Algorithm, MediaType};
    use dray_core::verify::digest_of;

    fn entry(media_type: &str, name: &str) -> Descriptor {
        Descriptor::new(MediaType::new(media_type), digest_of(Algorithm::Sha256, name.as_bytes()), 1)
    }

    /// An index whose content does not matter to a walk.
    fn index() -> Document<Index> {
        let bytes = Bytes::from_static(b"{}");
        let digest = digest_of(Algorithm::Sha256, &bytes);
        let descriptor = Descriptor::new(MediaType::new(MediaType::OCI_INDEX), digest, bytes.len() as u64);
        Document::read(&descriptor, bytes).expect("it is an index without entries")
    }

    fn choices(entries: Vec<Descriptor>) -> Choices {
        Choices { entries: entries.into_iter().map(Choice::Usable).collect(), offered: Vec::new() }
    }

    fn step(walk: &mut Walk) -> Path {
        match walk.step() {
            Some(Step::To(path)) => path,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn depth_first_and_in_order() {
        let list = |name| entry(MediaType::OCI_INDEX, name);
        let manifest = |name| entry(MediaType::OCI_MANIFEST, name);
        let mut walk = Walk::from(list("outer"));
        let mut order = Vec::new();
        while let Some(Step::To(path)) = walk.step() {
            order.push((path.end.digest.clone(), path.indexes.len()));
            let entries = match &path.end.digest {
                digest if *digest == list("outer").digest => vec![list("inner"), manifest("c")],
                digest if *digest == list("inner").digest => vec![manifest("a"), manifest("b")],
                _ => continue,
            };
            walk.descend(path.indexes, index(), choices(entries)).expect("it is within the bounds");
        }
        let names = [("outer", 0), ("inner", 1), ("a", 2), ("b", 2), ("c", 1)];
        let expected = names.map(|(name, depth)| (digest_of(Algorithm::Sha256, name.as_bytes()), depth));
        assert_eq!(order, expected);
    }

    #[test]
    fn depth_and_number_are_bounded() {
        let mut walk = Walk::from(entry(MediaType::OCI_INDEX, "0"));
        for depth in 1..limits::INDEX_DEPTH {
            let path = step(&mut walk);
            let deeper = choices(vec![entry(MediaType::OCI_INDEX, &depth.to_string())]);
            walk.descend(path.indexes, index(), deeper).unwrap();
        }
        let path = step(&mut walk);
        let manifest = choices(vec![entry(MediaType::OCI_MANIFEST, "m")]);
        walk.descend(path.indexes.clone(), index(), manifest).unwrap();
        let too_deep = choices(vec![entry(MediaType::OCI_INDEX, "too deep")]);
        let deeper = walk.descend(path.indexes, index(), too_deep);
        assert!(matches!(deeper, Err(DocumentFault::TooMany { .. })), "{deeper:?}");

        let mut walk = Walk::from(entry(MediaType::OCI_INDEX, "0"));
        let manifests = |count| choices(vec![entry(MediaType::OCI_MANIFEST, "m"); count]);
        walk.descend(Vec::new(), index(), manifests(limits::INDEX_ENTRIES / 2)).unwrap();
        walk.descend(Vec::new(), index(), manifests(limits::INDEX_ENTRIES / 2)).unwrap();
        let more = walk.descend(Vec::new(), index(), manifests(1));
        assert!(matches!(more, Err(DocumentFault::TooMany { .. })), "{more:?}");
    }
}
