//! nydus layers: data blobs, and on top a bootstrap with the file system metadata.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
use tar::EntryType;

use super::layer::{Compression, Entry, Layer, LayerBuilder};
use crate::process::end_with_parent;
use crate::scratch::{Place, Scratch};
use crate::tools::{self, Missing, SEARCH_PATH};

/// The media type of a data layer.
pub const BLOB: &str = "application/vnd.oci.image.layer.nydus.blob.v1";

/// Stand-ins that suffice for a pull: arbitrary bytes as data layers, and one as bootstrap. A container cannot run from them.
pub fn stand_in(data_layers: u8) -> Vec<Layer> {
    let data = (1..=data_layers).map(|seed| data(&vec![seed; 2000]));
    data.chain([bootstrap(b"no bootstrap".to_vec())]).collect()
}

/// Real layers, made by `nydus-image`: a data layer per list of entries, and the bootstrap.
///
/// Entries can be files, directories and symbolic links. Their owners are ignored.
pub fn layers(lists: &[Vec<Entry>]) -> Result<Vec<Layer>, Missing> {
    let program = tools::built("nydus", "nydus-image")?;
    let scratch = Scratch::new(Place::Memory);
    fs::create_dir(scratch.path().join("blobs")).expect("a directory can be made");
    let mut layers = Vec::new();
    for (number, entries) in lists.iter().enumerate() {
        let source = scratch.path().join(format!("files{number}"));
        write(&source, entries);
        let mut command = Command::new(&program);
        command.args(["create", "--source-type", "directory", "--fs-version", "6", "--compressor", "none"]);
        command.args(["--whiteout-spec", "oci", "--blob-dir", &scratch.file("blobs")]);
        command.args(["--bootstrap", &scratch.file(&format!("bootstrap{number}"))]);
        if let Some(below) = number.checked_sub(1) {
            command.args(["--parent-bootstrap", &scratch.file(&format!("bootstrap{below}"))]);
        }
        command.arg(source).env("PATH", SEARCH_PATH);
        let output = end_with_parent(&command).output().expect("nydus-image can be started");
        assert!(output.status.success(), "nydus-image: {output:?}");
        // nydus-image names each blob by its digest.
        let mut blobs = fs::read_dir(scratch.path().join("blobs")).expect("the directory is there");
        let blob = blobs.next().expect("a blob was made").expect("it is there").path();
        layers.push(data(&fs::read(&blob).expect("a blob can be read")));
        fs::remove_file(blob).expect("a file can be removed");
    }
    let last = scratch.path().join(format!("bootstrap{}", lists.len() - 1));
    layers.push(bootstrap(fs::read(last).expect("the bootstrap can be read")));
    Ok(layers)
}

fn data(blob: &[u8]) -> Layer {
    // The diff id of a data layer is its digest.
    Layer::packed(blob, blob.to_vec(), Compression::None)
        .of_type(BLOB)
        .annotation("containerd.io/snapshot/nydus-blob", "true")
}

fn bootstrap(content: Vec<u8>) -> Layer {
    let files = [Entry::directory("image"), Entry::file("image/image.boot", content)];
    LayerBuilder::default()
        .entries(files)
        .build(Compression::Gzip)
        .annotation("containerd.io/snapshot/nydus-bootstrap", "true")
        .annotation("containerd.io/snapshot/nydus-fs-version", "6")
}

/// Writes entries below `root` and sets all times, because they are part of the blob.
fn write(root: &Path, entries: &[Entry]) {
    let set = |path: &Path, (seconds, _): (u64, u32)| {
        let time = Timespec { tv_sec: seconds.cast_signed(), tv_nsec: 0 };
        let times = Timestamps { last_access: time, last_modification: time };
        utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).expect("a time can be set");
    };
    fs::create_dir(root).expect("a directory can be made");
    for entry in entries {
        let path = root.join(&entry.path);
        match entry.kind {
            EntryType::Directory => fs::create_dir(&path),
            EntryType::Symlink => symlink(&entry.link, &path),
            EntryType::Regular => fs::write(&path, &entry.content),
            other => panic!("{}: {other:?} is not supported", entry.path),
        }
        .expect("an entry can be made");
        if entry.kind != EntryType::Symlink {
            fs::set_permissions(&path, Permissions::from_mode(entry.mode)).expect("a mode can be set");
        }
    }
    // Last, because making an entry changes the time of its directory.
    for entry in entries {
        set(&root.join(&entry.path), entry.mtime);
    }
    set(root, (0, 0));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::require;

    #[test]
    fn the_same_files_make_the_same_layers() {
        let list = |name: &str| vec![Entry::directory("etc"), Entry::file(&format!("etc/{name}"), name)];
        let make = || layers(&[list("motd"), list("issue")]);
        let (one, two) = (require!(make()), require!(make()));
        assert_eq!(one.len(), 3);
        for (one, two) in one.iter().zip(&two) {
            assert_eq!(one.blob(), two.blob());
        }
    }
}
