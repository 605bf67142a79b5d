//! Digests within texts: what a plugin was given, and what it wrote.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::plan::{Descriptor, Image, Layer};

/// Algorithms of the OCI image specification, with the number of hexadecimal digits of each.
const ALGORITHMS: [(&str, usize); 3] = [("sha256:", 64), ("sha384:", 96), ("sha512:", 128)];

/// Every digest that a plugin was given, in whichever text.
pub(crate) struct KnownDigests<'a>(HashSet<Cow<'a, str>>);

impl<'a> KnownDigests<'a> {
    pub(crate) fn of(image: &Image<'a>) -> Self {
        // Every member is named, so that a new one cannot be forgotten here.
        let Image {
            reference,
            canonical,
            index,
            manifest,
            manifest_annotations,
            config,
            config_labels,
            plugin_config,
            layers,
        } = image;
        let mut known = Self(HashSet::new());
        known.text(reference);
        known.text(canonical);
        known.text(plugin_config);
        known.pairs(manifest_annotations);
        known.pairs(config_labels);
        for descriptor in index.iter().chain([manifest, config]) {
            known.descriptor(descriptor);
        }
        for Layer { descriptor, diff_id, chain_id } in layers {
            known.descriptor(descriptor);
            known.text(diff_id);
            known.text(chain_id);
        }
        known
    }

    pub(crate) fn contains(&self, digest: &str) -> bool {
        self.0.contains(digest)
    }

    fn descriptor(&mut self, descriptor: &Descriptor<'a>) {
        let Descriptor { digest, annotations, urls } = descriptor;
        self.text(digest);
        self.pairs(annotations);
        urls.iter().for_each(|url| self.text(url));
    }

    fn pairs(&mut self, pairs: &[(&'a str, &'a str)]) {
        for (key, value) in pairs {
            self.text(key);
            self.text(value);
        }
    }

    fn text(&mut self, text: &'a str) {
        self.0.extend(digests_in(text));
    }
}

/// The digests within a text, in lower case.
///
/// A digest is the name of an algorithm, a colon and as many hexadecimal digits as the algorithm has, whatever comes
/// before and after. Upper-case digits count as lower-case ones, so that neither spelling hides a digest.
pub(crate) fn digests_in(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    text.match_indices("sha").filter_map(|(at, _)| {
        let rest = &text[at..];
        let (name, digits) = ALGORITHMS.into_iter().find(|(name, _)| rest.starts_with(name))?;
        let digest = rest.get(..name.len() + digits)?;
        let hex = &digest[name.len()..];
        if !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let has_upper_case = hex.bytes().any(|byte| byte.is_ascii_uppercase());
        Some(if has_upper_case { digest.to_ascii_lowercase().into() } else { digest.into() })
    })
}
