//! What a document has to say that cannot be used.

use super::{Kind, MADE_WRONGLY_HINT, PUSH_AGAIN_HINT, WRONG_SIZE_HINT, hint_of_damage};
use crate::image::DocumentFault;
use crate::oci::{DocumentError, MediaType};
use crate::verify::Mismatch;

/// The kind of a fault, and what can be done.
pub(super) fn verdict(fault: &DocumentFault) -> (Kind, Vec<String>) {
    let (kind, hint) = match fault {
        DocumentFault::TooLarge { .. } | DocumentFault::TooMany { .. } => {
            let hint = "neither containerd nor the kernel could use an image beyond these bounds";
            (Kind::Unsupported, hint.to_owned())
        }
        DocumentFault::NotAnImage { media_type } => return not_an_image(media_type),
        DocumentFault::Unreadable(DocumentError::Schema1 { .. }) => {
            (Kind::Unsupported, PUSH_AGAIN_HINT.to_owned())
        }
        DocumentFault::Unreadable(_) => (Kind::Corrupt, MADE_WRONGLY_HINT.to_owned()),
        // The store knows the size of what it has, so that the descriptor is wrong.
        DocumentFault::Mismatch(Mismatch::Short { .. } | Mismatch::Long { .. }) => {
            (Kind::Corrupt, WRONG_SIZE_HINT.to_owned())
        }
        // The store has checked the digest when it got the bytes, so that they have changed since.
        DocumentFault::Mismatch(Mismatch::Digest { expected, .. }) => {
            (Kind::Corrupt, hint_of_damage(expected))
        }
    };
    (kind, vec![hint])
}

/// The same where what was asked for is no image.
pub(super) fn not_an_image(media_type: &MediaType) -> (Kind, Vec<String>) {
    let hint = match media_type.as_str() {
        // What tools of ten years ago gave as the type of a config.
        "application/octet-stream" => PUSH_AGAIN_HINT,
        _ => "use the tool that such artifacts are made for, for example `helm pull` or `oras pull`",
    };
    (Kind::Unsupported, vec![hint.to_owned()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::{Algorithm, DocumentKind};
    use crate::verify::digest_of;

    #[test]
    fn every_fault_has_its_exit_code_and_a_hint() {
        let digest = || digest_of(Algorithm::Sha256, b"x");
        let json = serde_json::from_str::<u8>("x").expect_err("that is no number");
        let kind = DocumentKind::Manifest;
        for (fault, code, hint) in [
            (DocumentFault::TooLarge { size: 2, limit: 1 }, 10, "beyond these bounds"),
            (DocumentFault::TooMany { what: "layers", found: 2, limit: 1 }, 10, "beyond these bounds"),
            (DocumentFault::NotAnImage { media_type: MediaType::new("x/y") }, 10, "`oras pull`"),
            (
                DocumentFault::NotAnImage { media_type: MediaType::new("application/octet-stream") },
                10,
                "a current tool",
            ),
            (Mismatch::Short { digest: digest(), expected: 2, found: 1 }.into(), 7, "stated for it is wrong"),
            (Mismatch::Long { digest: digest(), expected: 2 }.into(), 7, "stated for it is wrong"),
            (Mismatch::Digest { expected: digest(), found: digest() }.into(), 7, "`ctr content rm sha256:"),
            (DocumentError::Schema1 { kind }.into(), 10, "a current tool"),
            (DocumentError::Json { kind, source: json }.into(), 7, "made wrongly"),
        ] {
            let (kind, hints) = verdict(&fault);
            assert_eq!(kind.exit_code(), code, "{fault:?}");
            assert!(hints.len() == 1 && hints[0].contains(hint), "{fault:?}: {hints:?}");
        }
    }
}
