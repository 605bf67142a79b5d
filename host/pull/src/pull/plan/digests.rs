use std::collections::HashSet;

use dray_core::oci::{Algorithm, Descriptor, Digest};
use dray_ports::{ImageToPlan, Labels, LayerToPlan};

const ALGORITHMS: [Algorithm; 3] = [Algorithm::Sha256, Algorithm::Sha384, Algorithm::Sha512];

/// Every digest that a plugin was given with an image, wherever it stood.
pub(super) fn known_digests(image: &ImageToPlan) -> HashSet<Digest> {
    // Taken apart whole, so that what is added to an image is not forgotten here.
    let ImageToPlan {
        reference,
        canonical,
        snapshotter: _,
        index,
        manifest,
        manifest_annotations,
        config,
        config_labels,
        platform: _,
        layers,
    } = image;
    let mut known = Known(HashSet::new());
    known.text(reference);
    known.text(canonical);
    known.labels(manifest_annotations);
    known.labels(config_labels);
    for descriptor in index.iter().chain([manifest, config]) {
        known.descriptor(descriptor);
    }
    for LayerToPlan { descriptor, diff_id, chain_id } in layers {
        known.descriptor(descriptor);
        known.text(diff_id.as_str());
        known.text(chain_id.as_str());
    }
    known.0
}

struct Known(HashSet<Digest>);

impl Known {
    fn descriptor(&mut self, descriptor: &Descriptor) {
        self.0.insert(descriptor.digest.clone());
        self.labels(&descriptor.annotations);
        descriptor.urls.iter().for_each(|url| self.text(url));
    }

    fn labels(&mut self, labels: &Labels) {
        for (key, value) in labels {
            self.text(key);
            self.text(value);
        }
    }

    fn text(&mut self, text: &str) {
        self.0.extend(digests_in(text));
    }
}

/// The digests within a text: wherever the name of an algorithm, a colon and as many hexadecimal digits as it
/// has follow one another, whatever stands before and behind. Upper-case digits count as lower-case ones, so
/// that neither spelling hides a digest.
pub(super) fn digests_in(text: &str) -> impl Iterator<Item = Digest> + '_ {
    text.match_indices("sha").filter_map(|(at, _)| digest_at(&text.as_bytes()[at..]))
}

/// The digest that a text begins with.
fn digest_at(text: &[u8]) -> Option<Digest> {
    let algorithm = ALGORITHMS.into_iter().find(|algorithm| {
        text.strip_prefix(algorithm.as_str().as_bytes()).is_some_and(|rest| rest.starts_with(b":"))
    })?;
    let length = algorithm.as_str().len() + 1 + algorithm.hex_len();
    let digest = str::from_utf8(text.get(..length)?).ok()?;
    Digest::parse(&digest.to_ascii_lowercase()).ok()
}
