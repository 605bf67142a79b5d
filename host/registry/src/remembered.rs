use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

/// A map of limited size. A new entry replaces the least recently used one: everything in such a map can be found out
/// again.
pub(super) struct Remembered<K, V> {
    room: usize,
    entries: HashMap<K, Entry<V>>,
    uses: u64,
}

struct Entry<V> {
    value: V,
    /// Number of the last use of this entry, counted over all uses of the map.
    last_use: u64,
}

impl<K: Clone + Eq + Hash, V> Remembered<K, V> {
    pub(super) fn new(room: usize) -> Self {
        Self { room, entries: HashMap::new(), uses: 0 }
    }

    /// The value of a key. Counts as a use.
    pub(super) fn get<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let last_use = self.next_use();
        let entry = self.entries.get_mut(key)?;
        entry.last_use = last_use;
        Some(&mut entry.value)
    }

    /// The value of a key, or else the result of `make`.
    pub(super) fn get_or_insert_with(&mut self, key: &K, make: impl FnOnce() -> V) -> &mut V {
        let last_use = self.next_use();
        if !self.entries.contains_key(key) && self.entries.len() >= self.room {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.last_use);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                self.entries.remove(&oldest);
            }
        }
        let entry = self.entries.entry(key.clone()).or_insert_with(|| Entry { value: make(), last_use });
        entry.last_use = last_use;
        &mut entry.value
    }

    /// All entries, in any order. Does not count as a use.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter().map(|(key, entry)| (key, &entry.value))
    }

    pub(super) fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.entries.remove(key).map(|entry| entry.value)
    }

    fn next_use(&mut self) -> u64 {
        self.uses += 1;
        self.uses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_entry_is_replaced() {
        let mut table = Remembered::new(2);
        assert_eq!(*table.get_or_insert_with(&"a", || 1), 1);
        assert_eq!(*table.get_or_insert_with(&"b", || 2), 2);
        assert_eq!(*table.get_or_insert_with(&"a", || 9), 1, "it is remembered");
        table.get_or_insert_with(&"c", || 3);
        assert_eq!(table.get("b"), None);
        assert_eq!(table.get("c"), Some(&mut 3));
        assert_eq!(table.get("a"), Some(&mut 1));
        table.get_or_insert_with(&"d", || 4);
        assert_eq!(table.get("c"), None, "it was used before the other");
        assert_eq!((table.remove("a"), table.remove("a")), (Some(1), None));
    }
}
