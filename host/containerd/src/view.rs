//! Whether the files of a committed layer can be read, as a container would read them.

use std::io;
use std::path::{Path, PathBuf};

use containerd_client::services::v1::snapshots::ViewSnapshotRequest;

use super::Containerd;
use super::failure::Cause;
use dray_core::oci::ChainId;
use dray_ports::{LeaseId, Mount, SnapshotKey, SnapshotterName};

/// Why the files of a view cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ViewError {
    /// The snapshotter gave no view.
    #[error(transparent)]
    NoView(#[from] Cause),
    /// The view can only be read once it is mounted.
    #[error("its view is a mount of type `{kind}`, which can only be read once it is mounted")]
    Kind {
        /// The type.
        kind: String,
    },
    /// A directory cannot be read.
    #[error("directory {} cannot be read", .path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Reading was given up.
    #[error("reading its directories was given up")]
    GivenUp,
}

impl Containerd {
    /// Makes a view of a layer, lists its root, and removes the view.
    pub(super) async fn read_view(
        &self,
        lease: &LeaseId,
        snapshotter: &SnapshotterName,
        key: &SnapshotKey,
        chain_id: &ChainId,
    ) -> Result<usize, ViewError> {
        let request = ViewSnapshotRequest {
            snapshotter: snapshotter.to_string(),
            key: key.to_string(),
            parent: chain_id.to_string(),
            ..ViewSnapshotRequest::default()
        };
        let request = self.leased_request(lease, request)?;
        let mounts = self.long_answer(self.snapshots().view(request)).await?.mounts;
        let mounts: Vec<Mount> = mounts.into_iter().map(super::convert::from_mount).collect();
        let directories = directories(&mounts)?;
        // On a thread of its own: a file system in user space may take long, and is asked for each directory.
        let listed = tokio::task::spawn_blocking(move || entries(&directories)).await;
        listed.map_err(|_| ViewError::GivenUp)?
    }
}

/// The directories whose entries together are the root of a view. They are where containerd and its snapshotters have
/// mounted what is mounted, so that nothing has to be mounted here.
fn directories(mounts: &[Mount]) -> Result<Vec<PathBuf>, ViewError> {
    let Some(mount) = mounts.last() else { return Ok(Vec::new()) };
    match mount.kind.as_str() {
        "bind" => Ok(vec![PathBuf::from(&mount.source)]),
        kind if kind == "overlay" || kind.starts_with("fuse") => {
            let layers = mount.options.iter().find_map(|option| option.strip_prefix("lowerdir="));
            let upper = mount.options.iter().find_map(|option| option.strip_prefix("upperdir="));
            let layers = layers.ok_or_else(|| ViewError::Kind { kind: kind.to_owned() })?;
            Ok(upper.into_iter().chain(layers.split(':')).map(PathBuf::from).collect())
        }
        kind => Err(ViewError::Kind { kind: kind.to_owned() }),
    }
}

/// How many entries the directories have together.
fn entries(directories: &[PathBuf]) -> Result<usize, ViewError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| ViewError::Directory { path, source }
    };
    let mut count = 0;
    for path in directories {
        for entry in std::fs::read_dir(path).map_err(failed(path))? {
            // The attributes too: some file systems list names that they cannot serve.
            entry.and_then(|entry| entry.metadata()).map_err(failed(path))?;
            count += 1;
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(kind: &str, source: &str, options: &[&str]) -> Mount {
        Mount {
            kind: kind.to_owned(),
            source: source.to_owned(),
            target: String::new(),
            options: options.iter().map(|&option| option.to_owned()).collect(),
        }
    }

    #[test]
    fn the_directories_of_a_view_are_those_of_its_mount() {
        let of = |mount| directories(&[mount]).unwrap();
        assert_eq!(of(mount("bind", "/s/1/fs", &["ro", "rbind"])), [Path::new("/s/1/fs")]);
        let overlay = mount("overlay", "overlay", &["index=off", "lowerdir=/s/2/fs:/s/1/fs"]);
        assert_eq!(of(overlay), [Path::new("/s/2/fs"), Path::new("/s/1/fs")]);
        assert!(directories(&[]).unwrap().is_empty());
        let block = directories(&[mount("ext4", "/dev/sdb", &["ro"])]).unwrap_err();
        assert_eq!(
            block.to_string(),
            "its view is a mount of type `ext4`, which can only be read once it is mounted"
        );
    }

    #[test]
    fn a_directory_that_cannot_be_read_is_named() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("file"), "").unwrap();
        let lost = directory.path().join("lost");
        assert_eq!(entries(&[directory.path().to_owned()]).unwrap(), 1);
        let error = entries(&[directory.path().to_owned(), lost.clone()]).unwrap_err();
        assert_eq!(error.to_string(), format!("directory {} cannot be read", lost.display()));
    }
}
