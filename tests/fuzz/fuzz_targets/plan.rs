//! Plans of a plugin: one that is accepted keeps all the rules.

#![no_main]

use std::collections::HashSet;

use arbitrary::Arbitrary;
use dray_fuzz::oci::{Algorithm, ChainId, Descriptor, DiffId, Digest, MediaType, Platform};
use dray_fuzz::ports::{
    Expectation, ImageToPlan, LayerPlan, LayerToPlan, OnError, OnMounts, Plan, Question, SnapshotterName,
    Suitability,
};
use dray_fuzz::pull::validate_plan;
use dray_fuzz::rules::limits;
use dray_fuzz::verify::digest_of;
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Input {
    layers: u8,
    annotations: Vec<(u8, String, Value)>,
    config_labels: Vec<(String, Value)>,
    canonical: Value,
    foreign: bool,
    entries: Vec<Entry>,
}

#[derive(Debug, Arbitrary)]
struct Entry {
    /// Mostly the layer at its place.
    layer: Option<Name>,
    question: Asked,
    expects: bool,
}

/// A digest: perhaps one of the image's, or whatever somebody says.
#[derive(Debug, Arbitrary)]
enum Name {
    Numbered(u8),
    Other(String),
}

#[derive(Debug, Arbitrary)]
enum Asked {
    Ask,
    Fetch,
    With(Vec<(bool, String, Value)>),
}

#[derive(Debug, Arbitrary)]
enum Value {
    Text(String),
    /// With something in front of each.
    Digests(Vec<(String, Name)>),
}

fn digest(number: u8) -> Digest {
    digest_of(Algorithm::Sha256, &[number])
}

fn name(name: &Name) -> String {
    match name {
        Name::Numbered(number) => digest(*number % 16).to_string(),
        Name::Other(text) => text.clone(),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Digests(names) => {
            names.iter().map(|(before, digest)| format!("{before}{}", name(digest))).collect()
        }
    }
}

fn image(input: &Input) -> ImageToPlan {
    let descriptor = |number| Descriptor::new(MediaType::new(MediaType::OCI_CONFIG), digest(number), 1);
    let diff_ids: Vec<DiffId> =
        (0..input.layers % 8).map(|layer| DiffId::from_uncompressed(digest(100 + layer))).collect();
    let layers = diff_ids.iter().zip(ChainId::stack(&diff_ids)).zip(0..);
    let layers = layers.map(|((diff_id, chain_id), number)| {
        let mut layer = descriptor(number);
        let own = input.annotations.iter().filter(|(of, ..)| *of == number);
        layer.annotations.extend(own.map(|(_, key, value)| (key.clone(), text(value))));
        LayerToPlan { descriptor: layer, diff_id: diff_id.clone(), chain_id }
    });
    ImageToPlan {
        reference: "r".to_owned(),
        canonical: text(&input.canonical),
        snapshotter: SnapshotterName::new("s"),
        index: None,
        manifest: descriptor(200),
        manifest_annotations: Default::default(),
        config: descriptor(201),
        config_labels: input.config_labels.iter().map(|(key, value)| (key.clone(), text(value))).collect(),
        platform: Platform::new("linux", "amd64", ""),
        layers: layers.collect(),
    }
}

fn plan(input: &Input) -> Plan {
    let entry = |(entry, place): (&Entry, u8)| {
        let question = match &entry.question {
            Asked::Ask => Question::Ask,
            Asked::Fetch => Question::Fetch,
            Asked::With(labels) => Question::AskWithLabels(
                labels
                    .iter()
                    .map(|(ours, key, value)| {
                        let prefix = if *ours { "containerd.io/snapshot/" } else { "" };
                        (format!("{prefix}{key}"), text(value))
                    })
                    .collect(),
            ),
        };
        LayerPlan {
            layer: entry.layer.as_ref().map_or_else(|| digest(place).to_string(), name),
            question,
            expectation: if entry.expects { Expectation::Provided } else { Expectation::Mounts },
            on_mounts: OnMounts::Fetch,
            on_error: OnError::Fail,
            keep_blob: false,
        }
    };
    Plan {
        suitability: if input.foreign { Suitability::Foreign } else { Suitability::Native },
        code: "c".to_owned(),
        reason: String::new(),
        layers: input.entries.iter().zip(0..).map(entry).collect(),
        hints: Vec::new(),
        advice: Vec::new(),
        lazy_label: None,
        verify: false,
        answer_within: Plan::ANSWER_WITHIN,
    }
}

/// What is a digest in a text, found in another way than that of the program: by trying each place.
fn digests(text: &str) -> Vec<String> {
    let at = |from: usize| {
        [("sha256:", 64), ("sha384:", 96), ("sha512:", 128)].into_iter().find_map(|(name, digits)| {
            let digest = text.get(from..from + name.len() + digits)?;
            let hex = digest.strip_prefix(name)?;
            hex.chars().all(|digit| digit.is_ascii_hexdigit()).then(|| digest.to_ascii_lowercase())
        })
    };
    (0..text.len()).filter_map(at).collect()
}

fuzz_target!(|input: Input| {
    let (image, plan) = (image(&input), plan(&input));
    if validate_plan(&plan, &image, "{}").is_err() {
        return;
    }
    assert_eq!(plan.layers.len(), if input.foreign { 0 } else { image.layers.len() });
    let given = format!("{image:?}").to_ascii_lowercase();
    for (entry, layer) in plan.layers.iter().zip(&image.layers) {
        assert_eq!(entry.layer, layer.descriptor.digest.as_str());
        let Question::AskWithLabels(labels) = &entry.question else { continue };
        assert!(labels.len() <= limits::LABELS);
        let mut keys = HashSet::new();
        for (key, value) in labels {
            let name = key.strip_prefix("containerd.io/snapshot/").expect("a label of snapshotters");
            assert!(!["", "diff-id", "parent-chain-id"].contains(&name));
            assert!(key.len() + value.len() <= limits::LABEL_BYTES);
            assert!(keys.insert(key), "a key stands once");
            for digest in digests(value) {
                assert!(given.contains(&digest), "{digest} was not in the input");
            }
        }
    }
});
