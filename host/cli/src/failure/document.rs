//! Kinds and hints for documents that cannot be used.

use super::hint::{FETCH_ANEW_HINT, MADE_WRONGLY_HINT, PUSH_AGAIN_HINT, WRONG_SIZE_HINT};
use super::kind::Kind;
use dray::image::DocumentFault;
use dray::oci::{DescriptorError, DigestError, DocumentError, MediaType};
use dray::verify::Mismatch;

const TOO_LARGE_HINT: &str = "dray reads documents of up to 4 MiB, the size that every registry must accept; `ctr images pull` has \
                              no such limit for manifests below an index, and for configs";

const TOO_MANY_HINT: &str = "this is a limit of dray, far above real images; `ctr images pull` has none, and the kernel mounts \
                             at most 500 layers";

/// The kind of a fault, and its hints.
pub(super) fn verdict(fault: &DocumentFault) -> (Kind, Vec<String>) {
    let (kind, hint) = match fault {
        DocumentFault::TooLarge { .. } => (Kind::Unsupported, TOO_LARGE_HINT.to_owned()),
        DocumentFault::TooMany { .. } => (Kind::Unsupported, TOO_MANY_HINT.to_owned()),
        DocumentFault::NotAnImage { media_type } => return not_an_image(media_type),
        DocumentFault::Unreadable(DocumentError::Schema1 { .. }) => {
            (Kind::Unsupported, PUSH_AGAIN_HINT.to_owned())
        }
        DocumentFault::Unreadable(DocumentError::Descriptor {
            source: DescriptorError::Digest(DigestError::UnsupportedAlgorithm { .. }),
            ..
        }) => (
            Kind::Unsupported,
            "build or push the image with sha256 digests, the default of all tools".to_owned(),
        ),
        DocumentFault::Unreadable(_) => (Kind::Corrupt, MADE_WRONGLY_HINT.to_owned()),
        // The store knows the size of its blobs, so the descriptor is wrong.
        DocumentFault::Mismatch(Mismatch::Short { .. } | Mismatch::Long { .. }) => {
            (Kind::Corrupt, WRONG_SIZE_HINT.to_owned())
        }
        DocumentFault::Mismatch(Mismatch::Digest { .. }) => (Kind::Corrupt, FETCH_ANEW_HINT.to_owned()),
    };
    (kind, vec![hint])
}

/// The same for an artifact that is not an image.
pub(super) fn not_an_image(media_type: &MediaType) -> (Kind, Vec<String>) {
    let hint = match media_type.as_str() {
        // Tools of ten years ago used this type for configs.
        "application/octet-stream" => PUSH_AGAIN_HINT,
        _ => "use the tool for such artifacts, for example `helm pull` or `oras pull`",
    };
    (Kind::Unsupported, vec![hint.to_owned()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use dray::oci::{Algorithm, Digest, DocumentKind};
    use dray::verify::digest_of;

    #[test]
    fn every_fault_has_an_exit_status_and_a_hint() {
        let digest = || digest_of(Algorithm::Sha256, b"x");
        let json = serde_json::from_str::<u8>("x").expect_err("that is no number");
        let kind = DocumentKind::Manifest;
        let digest_error = |digest| {
            let error = Digest::parse(digest).expect_err("that is no digest that can be verified");
            DocumentFault::from(DocumentError::Descriptor { kind, source: error.into() })
        };
        for (fault, code, hint) in [
            (DocumentFault::TooLarge { size: 2, limit: 1 }, 10, "up to 4 MiB"),
            (DocumentFault::TooMany { what: "layers", found: 2, limit: 1 }, 10, "a limit of dray"),
            (DocumentFault::NotAnImage { media_type: MediaType::new("x/y") }, 10, "`oras pull`"),
            (
                DocumentFault::NotAnImage { media_type: MediaType::new("application/octet-stream") },
                10,
                "a current tool",
            ),
            (Mismatch::Short { digest: digest(), expected: 2, found: 1 }.into(), 7, "states a wrong size"),
            (Mismatch::Long { digest: digest(), expected: 2 }.into(), 7, "states a wrong size"),
            (Mismatch::Digest { expected: digest(), found: digest() }.into(), 7, "`dray image fetch`"),
            (DocumentError::Schema1 { kind }.into(), 10, "a current tool"),
            (DocumentError::Json { kind, source: json }.into(), 7, "is faulty"),
            (digest_error("sha256:x"), 7, "is faulty"),
            (digest_error("blake3:x"), 10, "sha256 digests"),
        ] {
            let (kind, hints) = verdict(&fault);
            assert_eq!(kind.exit_code(), code, "{fault:?}");
            assert!(hints.len() == 1 && hints[0].contains(hint), "{fault:?}: {hints:?}");
        }
    }
}
