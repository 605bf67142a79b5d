//! The payloads with which containerd's stream processors decrypt a layer.
//!
//! containerd passes an encrypted layer to a configured program on its own machine. That program gets the descriptor
//! of the layer in a payload; its annotations hold the wrapped keys. No private key is sent: the program finds them
//! on its machine.

use std::collections::{BTreeMap, HashMap};

use prost_types::Any;
use serde::Serialize;

use super::failure::Cause;
use dray_core::oci::{Descriptor, MediaType};

const PAYLOAD_TYPE: &str = "io.containerd.ocicrypt.v1.Payload";

const TAR: &str = "io.containerd.ocicrypt.decoder.v1.tar";
const TAR_GZIP: &str = "io.containerd.ocicrypt.decoder.v1.tar.gzip";
// containerd's own client lacks this one, and so cannot pull encrypted zstd layers.
const TAR_ZSTD: &str = "io.containerd.ocicrypt.decoder.v1.tar.zstd";

/// The name of the decoder for an encrypted layer in containerd's configuration.
pub fn decoder_of(layer: &MediaType) -> &'static str {
    let compression = |suffix: &str| layer.as_str().split(['+', '.']).any(|part| part == suffix);
    match (compression("gzip"), compression("zstd")) {
        (true, _) => TAR_GZIP,
        (_, true) => TAR_ZSTD,
        _ => TAR,
    }
}

/// The payloads of an `Apply` call, by the name of their decoder. As in containerd's own client, every layer has
/// them: a daemon may be configured to decrypt types that are unknown here.
pub(super) fn payloads(layer: &Descriptor) -> Result<HashMap<String, Any>, Cause> {
    let payload = Payload {
        config: DecryptConfig { parameters: None },
        descriptor: PayloadDescriptor {
            media_type: layer.media_type.as_str(),
            digest: layer.digest.as_str(),
            size: layer.size,
            annotations: &layer.annotations,
        },
    };
    // Despite the name of its type, the value is JSON.
    let value = serde_json::to_vec(&payload).map_err(Cause::Payload)?;
    let any = Any { type_url: PAYLOAD_TYPE.to_owned(), value };
    Ok([TAR, TAR_GZIP, TAR_ZSTD].into_iter().map(|decoder| (decoder.to_owned(), any.clone())).collect())
}

#[derive(Serialize)]
struct Payload<'a> {
    #[serde(rename = "DecryptConfig")]
    config: DecryptConfig,
    #[serde(rename = "Descriptor")]
    descriptor: PayloadDescriptor<'a>,
}

#[derive(Serialize)]
struct DecryptConfig {
    /// Keys of the client: none, which Go writes as `null`.
    #[serde(rename = "Parameters")]
    parameters: Option<BTreeMap<String, Vec<String>>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PayloadDescriptor<'a> {
    media_type: &'a str,
    digest: &'a str,
    size: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: &'a BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use dray_core::oci::Digest;

    #[test]
    fn the_payload_is_the_same_as_that_of_imgcrypt() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let media_type = MediaType::new("application/vnd.oci.image.layer.v1.tar+gzip+encrypted");
        let mut layer = Descriptor::new(media_type, Digest::parse(&digest).unwrap(), 7);
        layer.annotations.insert("org.opencontainers.image.enc.keys.jwe".to_owned(), "key".to_owned());
        let payloads = payloads(&layer).unwrap();
        assert_eq!(payloads.len(), 3);
        let any = &payloads["io.containerd.ocicrypt.decoder.v1.tar.gzip"];
        assert_eq!(any.type_url, "io.containerd.ocicrypt.v1.Payload");
        let value: serde_json::Value = serde_json::from_slice(&any.value).unwrap();
        assert_eq!(
            value,
            serde_json::json!({
                "DecryptConfig": { "Parameters": null },
                "Descriptor": {
                    "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip+encrypted",
                    "digest": digest,
                    "size": 7,
                    "annotations": { "org.opencontainers.image.enc.keys.jwe": "key" },
                },
            })
        );
    }

    #[test]
    fn decoders_depend_on_the_compression() {
        for (media_type, decoder) in [
            ("application/vnd.oci.image.layer.v1.tar+encrypted", TAR),
            ("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", TAR_GZIP),
            ("application/vnd.oci.image.layer.v1.tar+zstd+encrypted", TAR_ZSTD),
            ("application/vnd.docker.image.rootfs.diff.tar.gzip+encrypted", TAR_GZIP),
        ] {
            assert_eq!(decoder_of(&MediaType::new(media_type)), decoder, "{media_type}");
        }
    }
}
