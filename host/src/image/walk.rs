//! The order in which the documents of an image are looked at.

use std::sync::Arc;

use super::choose::Choices;
use super::document::{DocumentFault, bounded};
use crate::limits;
use crate::oci::{Descriptor, MediaKind, Platform};

/// The way from the target of a name to something that an index lists, or the target itself.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    /// The indexes on the way, the outermost first; none if this is the target.
    ///
    /// Shared, since a descriptor may have MiB of annotations, and an index a thousand entries below it.
    pub(crate) indexes: Vec<Arc<Descriptor>>,
    /// Where it leads, with what the entry of the index says about its platform.
    pub(crate) end: Descriptor,
}

impl Path {
    pub(crate) fn leads_to_index(&self) -> bool {
        self.end.media_type.kind() == MediaKind::Index
    }
}

/// Goes from a target through all chosen entries of indexes, best first. How deep and how far, is bounded here;
/// whoever walks reads the indexes and chooses.
#[derive(Debug)]
pub(crate) struct Walk {
    /// The next one last.
    open: Vec<Path>,
    /// Chosen entries of all indexes so far.
    taken: usize,
    /// The platforms that the indexes state, chosen or not.
    pub(crate) offered: Vec<Platform>,
}

impl Walk {
    pub(crate) fn from(target: Descriptor) -> Self {
        Self { open: vec![Path { indexes: Vec::new(), end: target }], taken: 0, offered: Vec::new() }
    }

    /// What to look at now; `None` at the end.
    pub(crate) fn step(&mut self) -> Option<Path> {
        self.open.pop()
    }

    /// Goes on with the entries that were chosen of the index at the end of a path.
    pub(crate) fn descend(&mut self, path: Path, choices: Choices) -> Result<(), DocumentFault> {
        let Path { mut indexes, end } = path;
        let Choices { entries, offered } = choices;
        self.offered.extend(offered);
        self.taken += entries.len();
        bounded("entries together with other indexes", self.taken, limits::INDEX_ENTRIES)?;
        indexes.push(Arc::new(end));
        let below = entries.into_iter().map(|end| Path { indexes: indexes.clone(), end });
        let below: Vec<Path> = below.collect();
        if below.iter().any(Path::leads_to_index) {
            bounded("levels of indexes", indexes.len() + 1, limits::INDEX_DEPTH)?;
        }
        self.open.extend(below.into_iter().rev());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::{Algorithm, MediaType};
    use crate::verify::digest_of;

    fn entry(media_type: &str, name: &str) -> Descriptor {
        Descriptor::new(MediaType::new(media_type), digest_of(Algorithm::Sha256, name.as_bytes()), 1)
    }

    fn choices(entries: Vec<Descriptor>) -> Choices {
        Choices { entries, offered: Vec::new() }
    }

    #[test]
    fn depth_first_and_in_order() {
        let index = |name| entry(MediaType::OCI_INDEX, name);
        let manifest = |name| entry(MediaType::OCI_MANIFEST, name);
        let mut walk = Walk::from(index("outer"));
        let mut order = Vec::new();
        while let Some(path) = walk.step() {
            order.push((path.end.digest.clone(), path.indexes.len()));
            let entries = match &path.end.digest {
                digest if *digest == index("outer").digest => vec![index("inner"), manifest("c")],
                digest if *digest == index("inner").digest => vec![manifest("a"), manifest("b")],
                _ => continue,
            };
            walk.descend(path, choices(entries)).expect("it is within the bounds");
        }
        let names = [("outer", 0), ("inner", 1), ("a", 2), ("b", 2), ("c", 1)];
        let expected = names.map(|(name, depth)| (digest_of(Algorithm::Sha256, name.as_bytes()), depth));
        assert_eq!(order, expected);
    }

    #[test]
    fn depth_and_number_are_bounded() {
        let mut walk = Walk::from(entry(MediaType::OCI_INDEX, "0"));
        for depth in 1..limits::INDEX_DEPTH {
            let path = walk.step().expect("there is one more");
            walk.descend(path, choices(vec![entry(MediaType::OCI_INDEX, &depth.to_string())])).unwrap();
        }
        let path = walk.step().expect("there is one more");
        walk.descend(path.clone(), choices(vec![entry(MediaType::OCI_MANIFEST, "m")])).unwrap();
        let deeper = walk.descend(path, choices(vec![entry(MediaType::OCI_INDEX, "too deep")]));
        assert!(matches!(deeper, Err(DocumentFault::TooMany { .. })), "{deeper:?}");

        let mut walk = Walk::from(entry(MediaType::OCI_INDEX, "0"));
        let path = walk.step().expect("there is the target");
        let half = vec![entry(MediaType::OCI_MANIFEST, "m"); limits::INDEX_ENTRIES / 2];
        walk.descend(path.clone(), choices(half.clone())).unwrap();
        walk.descend(path.clone(), choices(half)).unwrap();
        let more = walk.descend(path, choices(vec![entry(MediaType::OCI_MANIFEST, "m")]));
        assert!(matches!(more, Err(DocumentFault::TooMany { .. })), "{more:?}");
    }
}
