//! The order in which the documents of an image are visited, with limits of depth and number.

use std::sync::Arc;

use super::choose::{Choice, Choices};
use super::document::{Document, DocumentFault, bounded};
use dray_core::limits;
use dray_core::oci::{Descriptor, Index, MediaKind, Platform, UnusableEntry};

/// The path from the target of a name to an entry of an index, or to the target itself.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    /// The indexes on the path, the outermost first; none for the target.
    ///
    /// Shared, since an index may have MiB, and a thousand entries below it.
    pub(crate) indexes: Vec<Arc<Document<Index>>>,
    /// The end of the path, with the platform from the entry of the index.
    pub(crate) end: Descriptor,
}

impl Path {
    pub(crate) fn leads_to_index(&self) -> bool {
        self.end.media_type.kind() == MediaKind::Index
    }

    /// Whether an index lists the end without a platform.
    pub(crate) fn is_silent(&self) -> bool {
        !self.indexes.is_empty() && self.end.platform.is_none()
    }
}

/// A step of a walk.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    To(Path),
    /// An invalid entry of the last of these indexes.
    Unusable(Arc<Document<Index>>, UnusableEntry),
}

/// Walks from a target through the chosen entries of indexes, depth first and best first. The caller reads the
/// indexes and chooses their entries.
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

    /// The next step; `None` at the end.
    pub(crate) fn step(&mut self) -> Option<Step> {
        self.open.pop()
    }

    /// Ends the walk.
    pub(crate) fn end(&mut self) {
        self.open.clear();
    }

    /// Continues with the chosen entries of an index.
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
