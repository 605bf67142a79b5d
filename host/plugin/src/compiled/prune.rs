//! Limits the size of the store.

use std::time::{Duration, SystemTime};

use super::directory::{Directory, UNFINISHED};

/// Age after which an unfinished file counts as left by a killed process.
const ABANDONED: Duration = Duration::from_hours(1);

/// Removes leftovers of killed processes, and then the least recently used files until the rest fits into `limit`
/// bytes. Programs that use a removed entry have read it already.
pub(super) fn prune(directory: &Directory, limit: u64) {
    let Ok(mut files) = directory.files() else { return };
    files.sort_by_key(|(_, _, used)| *used);
    let mut total: u64 = files.iter().map(|(_, size, _)| size).sum();
    let now = SystemTime::now();
    for (name, size, used) in files {
        let is_unfinished = name.starts_with(UNFINISHED);
        let is_abandoned = is_unfinished && now.duration_since(used).is_ok_and(|age| age > ABANDONED);
        // Another process is about to rename a young unfinished file.
        if is_abandoned || (total > limit && !is_unfinished) {
            // Another process may have removed it.
            if directory.remove(&name).is_ok() {
                tracing::debug!(name, "removed from the store of compiled plugins");
            }
            total = total.saturating_sub(size);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    fn file(place: &std::path::Path, name: &str, age: Duration) {
        std::fs::write(place.join(name), [0; 10]).unwrap();
        let file = File::options().write(true).open(place.join(name)).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
    }

    #[test]
    fn only_the_least_recently_used_entries_are_removed() {
        let scratch = tempfile::tempdir().unwrap();
        let place = scratch.path().join("store");
        let directory = Directory::open(&place).unwrap();
        directory.secret().unwrap();
        let entry = |letter: &str| format!("{}.compiled", letter.repeat(64));
        let [a, b, c] = ["a", "b", "c"].map(entry);
        let aside = format!("{c}.aside");
        let [old, young] = [".new-000000000000000a", ".new-000000000000000b"].map(str::to_owned);
        let ours = [(&a, 5), (&b, 3), (&aside, 4), (&old, 2), (&young, 0)];
        let others = [
            "notes.txt",
            "x.compiled",
            ".new-1",
            "secret.old",
            &entry("g"),
            &entry("A"),
            &format!("{}.compiled", "a".repeat(63)),
        ];
        for (name, hours) in ours {
            file(&place, name, Duration::from_hours(hours));
        }
        for name in others {
            file(&place, name, Duration::from_hours(9));
        }
        let left = || {
            let present = |name: &&&str| place.join(name).exists();
            assert_eq!(others.iter().filter(present).count(), others.len());
            ours.iter()
                .filter(|(name, _)| place.join(name).exists())
                .map(|(name, _)| *name)
                .collect::<Vec<_>>()
        };
        prune(&directory, 100);
        assert_eq!(left(), [&a, &b, &aside, &young]);
        prune(&directory, 25);
        assert_eq!(left(), [&b, &young]);
        directory.secret().unwrap();
    }
}
