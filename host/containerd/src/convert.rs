use std::collections::HashMap;
use std::time::SystemTime;

use containerd_client::services::v1::Image;
use containerd_client::types;
use prost_types::FieldMask;

use super::failure::Cause;
use dray_core::oci::{Descriptor, Digest, MediaType};
use dray_ports::{ImageRecord, Labels, Mount};

/// A size or an offset as the signed number of the protocol. A value that does not fit becomes the largest number,
/// which matches no file.
pub(super) fn to_signed(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

pub(super) fn from_signed(size: i64) -> Result<u64, Cause> {
    u64::try_from(size).map_err(|_| Cause::Malformed(format!("it has a size of {size} bytes")))
}

/// A nested message that must be present, although the generated type makes it optional.
pub(super) fn required<T>(message: Option<T>, name: &str) -> Result<T, Cause> {
    message.ok_or_else(|| Cause::Malformed(format!("it has no {name}")))
}

pub(super) fn digest(text: &str) -> Result<Digest, Cause> {
    Digest::parse(text).map_err(|error| Cause::Malformed(error.to_string()))
}

pub(super) fn to_map(labels: &Labels) -> HashMap<String, String> {
    labels.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
}

pub(super) fn from_map(labels: HashMap<String, String>) -> Labels {
    labels.into_iter().collect()
}

/// The mask for an update of only these labels. The protocol takes everything after `labels.` as the key, including
/// dots and slashes.
pub(super) fn label_mask(labels: &Labels) -> FieldMask {
    FieldMask { paths: labels.keys().map(|key| format!("labels.{key}")).collect() }
}

/// A descriptor as containerd stores it, without platform and URLs.
pub(super) fn to_descriptor(descriptor: &Descriptor) -> types::Descriptor {
    types::Descriptor {
        media_type: descriptor.media_type.as_str().to_owned(),
        digest: descriptor.digest.to_string(),
        size: to_signed(descriptor.size),
        annotations: to_map(&descriptor.annotations),
    }
}

pub(super) fn from_descriptor(descriptor: types::Descriptor) -> Result<Descriptor, Cause> {
    let mut converted = Descriptor::new(
        MediaType::new(&descriptor.media_type),
        digest(&descriptor.digest)?,
        from_signed(descriptor.size)?,
    );
    converted.annotations = from_map(descriptor.annotations);
    Ok(converted)
}

pub(super) fn from_image(image: Image) -> Result<ImageRecord, Cause> {
    Ok(ImageRecord {
        name: image.name,
        target: from_descriptor(required(image.target, "target")?)?,
        labels: from_map(image.labels),
        created_at: from_timestamp(image.created_at),
        updated_at: from_timestamp(image.updated_at),
    })
}

/// A time that is absent or out of range becomes the epoch.
fn from_timestamp(timestamp: Option<prost_types::Timestamp>) -> SystemTime {
    timestamp.and_then(|timestamp| timestamp.try_into().ok()).unwrap_or(SystemTime::UNIX_EPOCH)
}

pub(super) fn to_mount(mount: &Mount) -> types::Mount {
    types::Mount {
        r#type: mount.kind.clone(),
        source: mount.source.clone(),
        target: mount.target.clone(),
        options: mount.options.clone(),
    }
}

pub(super) fn from_mount(mount: types::Mount) -> Mount {
    Mount { kind: mount.r#type, source: mount.source, target: mount.target, options: mount.options }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello() -> Descriptor {
        let digest = Digest::parse(&format!("sha256:{}", "a".repeat(64))).unwrap();
        let mut hello = Descriptor::new(MediaType::new(MediaType::OCI_MANIFEST), digest, 5);
        hello.annotations.insert("key".to_owned(), "value".to_owned());
        hello
    }

    #[test]
    fn descriptors_survive_a_round_trip() {
        assert_eq!(from_descriptor(to_descriptor(&hello())).unwrap(), hello());
    }

    #[test]
    fn invalid_answers_are_errors() {
        let negative = types::Descriptor { size: -1, ..to_descriptor(&hello()) };
        let nameless = types::Descriptor { digest: "md5:aa".to_owned(), ..to_descriptor(&hello()) };
        for (descriptor, reason) in [(negative, "size of -1 bytes"), (nameless, "`md5` is not supported")] {
            let error = from_descriptor(descriptor).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
        assert!(from_image(Image::default()).unwrap_err().to_string().contains("no target"));
    }

    #[test]
    fn a_huge_size_matches_nothing() {
        assert_eq!(to_signed(5), 5);
        assert_eq!(to_signed(u64::MAX), i64::MAX);
    }

    #[test]
    fn mounts_are_passed_on_unchanged() {
        let mount = Mount {
            kind: "overlay".to_owned(),
            source: "overlay".to_owned(),
            target: String::new(),
            options: vec!["index=off".to_owned(), "lowerdir=/a:/b".to_owned()],
        };
        assert_eq!(from_mount(to_mount(&mount)), mount);
    }

    #[test]
    fn the_mask_has_whole_keys_of_labels() {
        let labels = Labels::from([("containerd.io/gc.ref.content.0".to_owned(), "x".to_owned())]);
        assert_eq!(label_mask(&labels).paths, ["labels.containerd.io/gc.ref.content.0"]);
    }
}
