//! Stand-ins for overlaybd layers, which contain a block device image.
//!
//! A pull treats them as real layers: the daemon reads only annotations, and the first bytes of downloaded blobs. A container
//! cannot run from them.

use super::layer::{Compression, Entry, Layer, LayerBuilder};
use super::sha256;

/// The annotation with the digest of the blob.
pub const BLOB_DIGEST: &str = "containerd.io/snapshot/overlaybd/blob-digest";
/// The annotation with the size of the blob in bytes.
pub const BLOB_SIZE: &str = "containerd.io/snapshot/overlaybd/blob-size";

/// A native layer: the daemon provides it without a request to the registry.
pub fn native(seed: u8) -> Layer {
    annotated(&block_device(seed), Compression::None)
        .annotation("containerd.io/snapshot/overlaybd/version", "0.1.0")
}

/// An acceleration layer: the top layer, with a trace of the first reads of a container. The client fetches it.
pub fn acceleration(seed: u8) -> Layer {
    native(seed).annotation("containerd.io/snapshot/overlaybd/acceleration-layer", "yes")
}

/// A TurboOCI layer: metadata, which the client fetches, for lazy reads from the ordinary gzip layer `target`, a digest.
pub fn turbo(seed: u8, target: &str) -> Layer {
    let meta = [Entry::file("ext4.fs.meta", vec![seed; 500]), Entry::file(".turbo.ociv1", "")];
    annotated(&LayerBuilder::default().entries(meta), Compression::Gzip)
        .annotation("containerd.io/snapshot/overlaybd/version", "0.1.0-turbo.ociv1")
        .annotation("containerd.io/snapshot/overlaybd/turbo-oci/target-digest", target)
        .annotation(
            "containerd.io/snapshot/overlaybd/turbo-oci/target-media-type",
            "application/vnd.oci.image.layer.v1.tar+gzip",
        )
}

/// The archive of a native layer. The daemon recognises a downloaded one by the first bytes of its file.
fn block_device(seed: u8) -> LayerBuilder {
    let mut content = b"ZFile\0\x01\0tuji.yyf@Alibaba".to_vec();
    content.resize(1200, seed);
    LayerBuilder::default().entry(Entry::file("overlaybd.commit", content))
}

fn annotated(archive: &LayerBuilder, compression: Compression) -> Layer {
    let layer = archive.build(compression);
    let (digest, size) = (sha256(layer.blob()), layer.blob().len().to_string());
    layer.annotation(BLOB_DIGEST, digest).annotation(BLOB_SIZE, size)
}
