//! Compares unpacked trees, file by file.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use containerd_client::services::v1::snapshots::{RemoveSnapshotRequest, ViewSnapshotRequest};
use containerd_client::tonic::Request;
use containerd_client::types::Mount;
use containerd_client::with_namespace;

use crate::daemon::{Containerd, complete};
use crate::enclosure::Enclosure;
use crate::image::sha256;
use crate::process::end_with_parent;
use crate::scratch::{Place, Scratch};
use crate::state::State;
use crate::tools::SEARCH_PATH;

/// The parts of a directory tree that an unpacker decides: entries by path, `.` first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree(BTreeMap<PathBuf, Entry>);

/// An entry: values by field, so that a difference names the field.
pub type Entry = BTreeMap<String, String>;

impl Tree {
    /// Reads the tree at `root`, without following links out of it.
    pub fn walk(root: &Path) -> io::Result<Self> {
        let mut entries = BTreeMap::new();
        let mut links = BTreeMap::new();
        let mut paths = vec![PathBuf::from(".")];
        // Sorted, so that every tree has the same first name of a file with hard links.
        while let Some(path) = paths.pop() {
            let full = root.join(&path);
            let metadata = fs::symlink_metadata(&full)?;
            let mut entry = describe(&full, &metadata)?;
            if metadata.nlink() > 1 && !metadata.is_dir() {
                let first = links.entry((metadata.dev(), metadata.ino())).or_insert_with(|| path.clone());
                entry.insert("same file as".into(), first.display().to_string());
            }
            if metadata.is_dir() {
                let names = fs::read_dir(&full)?.map(|child| child.map(|child| child.file_name()));
                let mut names = names.collect::<io::Result<Vec<_>>>()?;
                names.sort_unstable_by(|a, b| b.cmp(a));
                paths.extend(names.into_iter().map(|name| path.join(name)));
            }
            entries.insert(path, entry);
        }
        Ok(Self(entries))
    }

    /// The contents of a committed snapshot as a container sees them: mounts a read-only view and reads it.
    pub fn of_snapshot(daemon: &Containerd, namespace: &str, snapshotter: &str, snapshot: &str) -> Self {
        let view = View::open(daemon, namespace, snapshotter, snapshot);
        let scratch = Scratch::new(Place::Memory);
        for mount in &view.mounts {
            mount_at(mount, scratch.path(), daemon.enclosure());
        }
        let root = daemon
            .enclosure()
            .map_or_else(|| scratch.path().to_owned(), |inside| inside.path(scratch.path()));
        let tree = Self::walk(&root).expect("a mounted tree can be read");
        if daemon.enclosure().is_some() {
            unmount(scratch.path(), daemon.enclosure());
        }
        drop(scratch);
        tree
    }

    /// The changes that one committed snapshot of overlayfs adds, including whiteouts.
    pub fn of_layer(daemon: &Containerd, namespace: &str, snapshotter: &str, snapshot: &str) -> Self {
        let view = View::open(daemon, namespace, snapshotter, snapshot);
        let top = top_directory(&view.mounts).unwrap_or_else(|| panic!("no directory in {:?}", view.mounts));
        Self::walk(&top).unwrap_or_else(|error| panic!("{}: {error}", top.display()))
    }

    /// The layers of a chain of snapshots, from the bottom.
    pub fn of_chain(daemon: &Containerd, namespace: &str, snapshotter: &str, top: &str) -> Vec<Self> {
        let chain = State::of(daemon, namespace).chain(snapshotter, top);
        chain.iter().map(|snapshot| Self::of_layer(daemon, namespace, snapshotter, snapshot)).collect()
    }

    /// The entries, by path from the root.
    pub fn entries(&self) -> &BTreeMap<PathBuf, Entry> {
        &self.0
    }

    /// The entry at a path.
    pub fn get(&self, path: &str) -> Option<&Entry> {
        self.0.get(&Path::new(".").join(path))
    }

    /// Removes a field of some entries that the unpacker does not decide, such as the time of the root directory.
    #[must_use]
    pub fn without(mut self, field: &str, paths: &[&str]) -> Self {
        for path in paths {
            let path = if *path == "." { PathBuf::from(".") } else { Path::new(".").join(path) };
            if let Some(entry) = self.0.get_mut(&path) {
                entry.remove(field);
            }
        }
        self
    }

    /// All differences, one per line.
    pub fn difference(&self, other: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        for path in self.0.keys().chain(other.0.keys()).collect::<BTreeSet<_>>() {
            let name = path.display();
            match (self.0.get(path), other.0.get(path)) {
                (Some(left), Some(right)) => {
                    for field in left.keys().chain(right.keys()).collect::<BTreeSet<_>>() {
                        let (left, right) = (left.get(field), right.get(field));
                        if left != right {
                            let shown =
                                |value: Option<&String>| value.map_or("nothing", String::as_str).to_owned();
                            lines.push(format!("{name}: {field}: {} | {}", shown(left), shown(right)));
                        }
                    }
                }
                (Some(_), None) => lines.push(format!("{name}: only left")),
                (None, _) => lines.push(format!("{name}: only right")),
            }
        }
        lines
    }

    /// Fails with all differences unless the trees are equal.
    #[track_caller]
    pub fn assert_same(&self, other: &Self, what: &str) {
        let difference = self.difference(other);
        assert!(
            difference.is_empty(),
            "{what}: {} differences:\n{}",
            difference.len(),
            difference.join("\n")
        );
    }
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (path, entry) in &self.0 {
            let fields: Vec<_> = entry.iter().map(|(field, value)| format!("{field}={value}")).collect();
            writeln!(f, "{} {}", path.display(), fields.join(" "))?;
        }
        Ok(())
    }
}

fn describe(path: &Path, metadata: &Metadata) -> io::Result<Entry> {
    let file_type = metadata.file_type();
    let mut entry = Entry::new();
    let mut set = |field: &str, value: String| {
        entry.insert(field.to_owned(), value);
    };
    let kind = if file_type.is_dir() {
        "directory"
    } else if file_type.is_symlink() {
        set("target", fs::read_link(path)?.display().to_string());
        "symlink"
    } else if file_type.is_file() {
        set("size", metadata.size().to_string());
        set("digest", sha256(&fs::read(path)?));
        "file"
    } else if file_type.is_fifo() {
        "fifo"
    } else if file_type.is_socket() {
        "socket"
    } else {
        set(
            "device",
            format!("{}:{}", rustix::fs::major(metadata.rdev()), rustix::fs::minor(metadata.rdev())),
        );
        if file_type.is_char_device() { "character device" } else { "block device" }
    };
    set("kind", kind.to_owned());
    set("mode", format!("{:04o}", metadata.mode() & 0o7777));
    set("owner", format!("{}:{}", metadata.uid(), metadata.gid()));
    set("mtime", format!("{}.{:09}", metadata.mtime(), metadata.mtime_nsec()));
    for name in xattr::list(path)? {
        let value = xattr::get(path, &name)?.unwrap_or_default();
        set(&format!("xattr {}", name.display()), value.escape_ascii().to_string());
    }
    Ok(entry)
}

/// A read-only view of a committed snapshot, removed on drop.
struct View<'a> {
    daemon: &'a Containerd,
    namespace: &'a str,
    snapshotter: &'a str,
    key: String,
    mounts: Vec<Mount>,
}

impl<'a> View<'a> {
    fn open(daemon: &'a Containerd, namespace: &'a str, snapshotter: &'a str, parent: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let key = format!("dray-tests-view-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let request = ViewSnapshotRequest {
            snapshotter: snapshotter.to_owned(),
            key: key.clone(),
            parent: parent.to_owned(),
            // Otherwise the garbage collector may remove the view while it is read.
            labels: HashMap::from([("containerd.io/gc.root".to_owned(), "reading".to_owned())]),
        };
        let answer = complete(async {
            daemon.client().await.snapshots().view(with_namespace!(request, namespace)).await
        });
        let mounts = answer.unwrap_or_else(|status| panic!("view of {parent}: {status}")).into_inner().mounts;
        Self { daemon, namespace, snapshotter, key, mounts }
    }
}

impl Drop for View<'_> {
    fn drop(&mut self) {
        let request =
            RemoveSnapshotRequest { snapshotter: self.snapshotter.to_owned(), key: self.key.clone() };
        let namespace = self.namespace;
        let removed = complete(async {
            self.daemon.client().await.snapshots().remove(with_namespace!(request, namespace)).await
        });
        if let Err(status) = removed
            && !std::thread::panicking()
        {
            panic!("view {} stays behind: {status}", self.key);
        }
    }
}

fn mount_at(mount: &Mount, target: &Path, enclosure: Option<&Enclosure>) {
    let mut options = mount.options.clone();
    if !options.iter().any(|option| option == "ro") {
        options.push("ro".to_owned());
    }
    let mut command = Command::new("mount");
    if mount.r#type != "bind" {
        command.args(["-t", &mount.r#type]);
    }
    command.args(["-o", &options.join(",")]).arg(&mount.source).arg(target).env("PATH", SEARCH_PATH);
    let output = run(&command, enclosure);
    assert!(output.status.success(), "{mount:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn unmount(target: &Path, enclosure: Option<&Enclosure>) {
    let mut command = Command::new("umount");
    // Lazily: the kernel releases files of FUSE some time after they are closed.
    command.arg("--lazy").arg(target).env("PATH", SEARCH_PATH);
    let output = run(&command, enclosure);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn run(command: &Command, enclosure: Option<&Enclosure>) -> Output {
    let inside = enclosure.map(|enclosure| enclosure.command(command));
    end_with_parent(inside.as_ref().unwrap_or(command)).output().expect("it can be started")
}

/// The directory of the topmost snapshot of a view: the first lower directory of an overlay, or, at the bottom of a
/// chain, the source of the bind mount.
fn top_directory(mounts: &[Mount]) -> Option<PathBuf> {
    let mount = mounts.last()?;
    if mount.r#type != "overlay" {
        return Some(PathBuf::from(&mount.source));
    }
    let lower = mount.options.iter().find_map(|option| option.strip_prefix("lowerdir="))?;
    lower.split(':').next().map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(name: &str, content: &str) -> (Scratch, Tree) {
        let scratch = Scratch::new(Place::Disk);
        let file = scratch.path().join(name);
        fs::write(&file, content).expect("a file can be written");
        fs::hard_link(&file, scratch.path().join("twin")).expect("a link can be made");
        std::os::unix::fs::symlink("twin", scratch.path().join("symlink")).expect("a link can be made");
        let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::new(5, 6);
        fs::File::open(&file).and_then(|file| file.set_modified(time)).expect("a time can be set");
        let tree = Tree::walk(scratch.path()).expect("a tree can be read");
        let tree = tree.without("mtime", &[".", "symlink"]);
        (scratch, tree)
    }

    #[test]
    fn equal_trees_do_not_differ() {
        let ((_one, left), (_two, right)) = (made("file", "content"), made("file", "content"));
        left.assert_same(&right, "two trees");
        let twin = left.get("twin").expect("the entry is there");
        assert_eq!((twin["same file as"].as_str(), twin["mtime"].as_str()), ("./file", "5.000000006"));
    }

    #[test]
    fn every_difference_is_told() {
        let ((_one, left), (two, _)) = (made("file", "content"), made("file", "c0ntent"));
        fs::write(two.path().join("more"), "").expect("a file can be written");
        xattr::set(two.path().join("file"), "user.key", b"value").expect("an attribute can be set");
        let right = Tree::walk(two.path()).expect("a tree can be read").without("mtime", &[".", "symlink"]);
        let difference = left.difference(&right);
        let count = |part: &str| difference.iter().filter(|line| line.contains(part)).count();
        assert_eq!(count("digest: sha256:"), 2, "{difference:#?}");
        assert_eq!(count("xattr user.key: nothing | value"), 2, "{difference:#?}");
        assert_eq!(count("./more: only right"), 1, "{difference:#?}");
        assert_eq!(difference.len(), 5, "{difference:#?}");
    }

    #[test]
    fn the_topmost_layer_comes_first() {
        let overlay = Mount {
            r#type: "overlay".into(),
            options: vec!["index=off".into(), "lowerdir=/s/2/fs:/s/1/fs".into()],
            ..Mount::default()
        };
        assert_eq!(top_directory(&[overlay]), Some("/s/2/fs".into()));
        let bind = Mount { r#type: "bind".into(), source: "/s/1/fs".into(), ..Mount::default() };
        assert_eq!(top_directory(&[bind]), Some("/s/1/fs".into()));
    }
}
