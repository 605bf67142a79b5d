//! Kinds and hints for failures of containerd.

use std::error::Error;

use super::kind::Kind;
use dray::ports::{Class, StoreError};

/// The kind of a failure, and its hints.
pub(super) fn verdict(failure: &StoreError) -> (Kind, Vec<String>) {
    let kind = if failure.class() == Class::Damaged { Kind::Corrupt } else { Kind::Containerd };
    let hint = match failure.class() {
        Class::Unreachable => "containerd ended during the call; its log may say why",
        Class::Silent => {
            "containerd is stopped or overloaded; `systemctl status containerd` or its log may say why"
        }
        Class::Ended => "containerd took too long or ended the call; its log may say why",
        Class::Denied => "run dray as root, or use a containerd that runs as this user",
        Class::Damaged => {
            "a file of containerd is damaged; `dray image check` says which image it belongs to"
        }
        _ => return (kind, machine(failure).into_iter().collect()),
    };
    (kind, vec![hint.to_owned()])
}

/// The resource that containerd lacked, from the message of Go's library.
fn machine(failure: &StoreError) -> Option<String> {
    let mut cause = failure.source();
    while let Some(error) = cause {
        let text = error.to_string();
        for (words, hint) in [
            ("no space left on device", "the file system has no free bytes or inodes; free some in"),
            ("disk quota exceeded", "the disk quota of containerd is used up; free some of it in"),
            ("read-only file system", "the file system became read-only, usually after a disk error:"),
            ("input/output error", "the disk fails, see the log of the kernel:"),
        ] {
            if let Some((before, _)) = text.split_once(words) {
                let directory = directory(before).unwrap_or("the root directory of containerd");
                return Some(format!("{hint} {directory}"));
            }
        }
        if text.contains("too many open files") {
            return Some("containerd has too many open files; raise `LimitNOFILE` of its unit".into());
        }
        cause = error.source();
    }
    None
}

/// The directory in a message such as `write /var/lib/containerd/io.containerd.content…/data: `: the root directory
/// of containerd if the path is in it, else that of the file.
fn directory(text: &str) -> Option<&str> {
    let text = text.trim_end_matches([' ', ':']);
    let operation = text.rsplit(": ").next()?;
    let path = &operation[operation.find('/')?..];
    let inside = ["/io.containerd.", "/tmpmounts/"].iter().filter_map(|part| path.find(part)).min();
    let directory = &path[..inside.or_else(|| path.rfind('/'))?];
    (!directory.is_empty()).then_some(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_named() {
        let root = "/var/lib/containerd";
        for (said, expected) in [
            (
                format!(
                    "write {root}/io.containerd.content.v1.content/ingest/a/data: no space left on device"
                ),
                root,
            ),
            (
                format!(
                    "failed to extract layer sha256:a: failed to write file: write {root}/tmpmounts/\
                     containerd-mount1/usr/a b: no space left on device: unknown"
                ),
                root,
            ),
            ("mkdir /data/x/y: no space left on device".to_owned(), "/data/x"),
            ("no space left on device".to_owned(), "the root directory of containerd"),
        ] {
            let failure = StoreError::new(Class::Unknown, "write").with_source(said.clone());
            let (kind, hints) = verdict(&failure);
            assert_eq!(kind, Kind::Containerd);
            assert!(
                hints.len() == 1 && hints[0].ends_with(&format!("free some in {expected}")),
                "{said}: {hints:?}"
            );
        }
    }

    #[test]
    fn other_messages_of_the_system_have_hints() {
        for (said, hint) in [
            ("open /a/b: read-only file system", "read-only"),
            ("read /a/b: input/output error", "the log of the kernel"),
            ("open /a/b: too many open files", "`LimitNOFILE`"),
            ("write /a/b: disk quota exceeded", "quota"),
        ] {
            let failure = StoreError::new(Class::Unknown, "write").with_source(said);
            assert!(verdict(&failure).1[0].contains(hint), "{said}");
        }
        assert!(verdict(&StoreError::new(Class::Unknown, "write").with_source("x")).1.is_empty());
    }
}
