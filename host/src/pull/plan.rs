use super::PlanError;
use crate::limits;
use crate::oci::Digest;
use crate::ports::{Expectation, ImageToPlan, Plan, Question, Suitability};

/// What a plugin's labels must begin with to reach a snapshotter.
const PREFIX: &str = "containerd.io/snapshot/";
/// Labels that belong to the protocol between containerd and its snapshotters. A plugin that could set them
/// could make the store take one layer for another.
const OWNED: [&str; 2] = ["containerd.io/snapshot/diff-id", "containerd.io/snapshot/parent-chain-id"];

/// Checks a whole plan against the image it is for, before anything of it is carried out.
pub(super) fn validate(plan: &Plan, image: &ImageToPlan) -> Result<(), PlanError> {
    if plan.suitability == Suitability::Foreign && plan.layers.is_empty() {
        return Ok(());
    }
    if plan.layers.len() != image.layers.len() {
        return Err(PlanError::LayerCount { expected: image.layers.len(), found: plan.layers.len() });
    }
    for (index, (entry, layer)) in plan.layers.iter().zip(&image.layers).enumerate() {
        if entry.layer != layer.descriptor.digest.as_str() {
            return Err(PlanError::WrongLayer {
                index,
                expected: layer.descriptor.digest.clone(),
                found: entry.layer.clone(),
            });
        }
        match &entry.question {
            Question::AskWithLabels(labels) => validate_labels(index, labels, image)?,
            Question::Ask => {}
            Question::Fetch if entry.expectation == Expectation::Mounts => {}
            Question::Fetch => return Err(PlanError::ExpectsWithoutAsking { index }),
        }
    }
    Ok(())
}

fn validate_labels(index: usize, labels: &[(String, String)], image: &ImageToPlan) -> Result<(), PlanError> {
    if labels.len() > limits::PLAN_LABELS {
        return Err(PlanError::TooManyLabels { index, found: labels.len(), limit: limits::PLAN_LABELS });
    }
    let mut seen = std::collections::HashSet::with_capacity(labels.len());
    for (key, value) in labels {
        let forbidden = |rule| PlanError::ForbiddenLabel { index, key: cut(key), rule };
        let Some(name) = key.strip_prefix(PREFIX) else {
            return Err(forbidden("is outside of `containerd.io/snapshot/`"));
        };
        if OWNED.contains(&key.as_str()) {
            return Err(forbidden("belongs to the snapshotter protocol"));
        }
        if name.is_empty() || key.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(forbidden("is not a valid key"));
        }
        if key.len() + value.len() > limits::LABEL_BYTES {
            return Err(PlanError::LabelTooLarge {
                index,
                key: cut(key),
                size: key.len() + value.len(),
                limit: limits::LABEL_BYTES,
            });
        }
        if !seen.insert(key.as_str()) {
            return Err(PlanError::RepeatedLabel { index, key: cut(key) });
        }
        if let Some(digest) = digests_in(value).find(|digest| !image.has_digest(digest)) {
            // An annotation that the image's author wrote may name any digest (a table of contents, an index
            // of another kind); the plugin passes it on. What it may not do is to make one up.
            let passed_on = image.layers[index].descriptor.annotations.get(key) == Some(value);
            if !passed_on && !mentioned(image, &digest) {
                return Err(PlanError::InventedDigest { index, key: cut(key), digest });
            }
        }
    }
    Ok(())
}

/// Whether the digest stands somewhere in the annotations that the plugin was given.
fn mentioned(image: &ImageToPlan, digest: &Digest) -> bool {
    let holds = |value: &String| value.contains(digest.as_str());
    image.manifest_annotations.values().any(holds)
        || image.layers.iter().any(|layer| layer.descriptor.annotations.values().any(holds))
}

fn digests_in(value: &str) -> impl Iterator<Item = Digest> + '_ {
    value.split([',', ' ', '@', ';']).filter_map(|part| Digest::parse(part).ok())
}

fn cut(key: &str) -> String {
    key.chars().take(128).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::{ChainId, Descriptor, DiffId, MediaType, Platform};
    use crate::ports::{LayerPlan, LayerToPlan, OnMounts, SnapshotterName};

    fn digest(c: char) -> Digest {
        Digest::parse(&format!("sha256:{}", c.to_string().repeat(64))).unwrap()
    }

    fn image() -> ImageToPlan {
        let descriptor =
            |c| Descriptor::new(MediaType::new("application/vnd.oci.image.layer.v1.tar"), digest(c), 9);
        let layer = |c, d| {
            let diff_id = DiffId::from_uncompressed(digest(d));
            LayerToPlan { descriptor: descriptor(c), chain_id: ChainId::bottom(&diff_id), diff_id }
        };
        ImageToPlan {
            reference: "x".into(),
            canonical: "docker.io/library/x:latest".into(),
            snapshotter: SnapshotterName::new("overlayfs"),
            index: None,
            manifest: descriptor('1'),
            manifest_annotations: std::collections::BTreeMap::default(),
            config: descriptor('2'),
            config_labels: std::collections::BTreeMap::default(),
            platform: Platform::new("linux", "amd64", ""),
            layers: vec![layer('a', 'd'), layer('b', 'e')],
        }
    }

    fn entry(c: char, question: Question) -> LayerPlan {
        LayerPlan {
            layer: digest(c).to_string(),
            question,
            expectation: Expectation::Mounts,
            on_mounts: OnMounts::Fetch,
            keep_blob: false,
        }
    }

    fn plan(layers: Vec<LayerPlan>) -> Plan {
        Plan {
            suitability: Suitability::Plain,
            code: "plain".into(),
            reason: "a reason".into(),
            layers,
            hints: Vec::new(),
        }
    }

    fn with_label(key: &str, value: &str) -> Result<(), PlanError> {
        let label = (key.to_owned(), value.to_owned());
        let asks = entry('a', Question::AskWithLabels(vec![label]));
        validate(&plan(vec![asks, entry('b', Question::Ask)]), &image())
    }

    #[test]
    fn a_good_plan_passes() {
        validate(&plan(vec![entry('a', Question::Ask), entry('b', Question::Fetch)]), &image()).unwrap();
        with_label("containerd.io/snapshot/cri.layer-digest", digest('a').as_str()).unwrap();
        with_label("containerd.io/snapshot/cri.image-layers", &format!("{},{}", digest('a'), digest('b')))
            .unwrap();
    }

    #[test]
    fn layers_must_be_those_of_the_image() {
        let ask = || Question::Ask;
        assert!(matches!(
            validate(&plan(vec![entry('a', ask())]), &image()),
            Err(PlanError::LayerCount { expected: 2, found: 1 })
        ));
        for wrong in [vec![entry('a', ask()), entry('a', ask())], vec![entry('b', ask()), entry('a', ask())]]
        {
            assert!(matches!(validate(&plan(wrong), &image()), Err(PlanError::WrongLayer { .. })));
        }
    }

    #[test]
    fn labels_must_be_the_plugins_to_set() {
        for key in [
            "containerd.io/snapshot.ref",
            "containerd.io/gc.root",
            "containerd.io/snapshot/",
            "containerd.io/snapshot/diff-id",
            "containerd.io/snapshot/parent-chain-id",
            "containerd.io/snapshot/a b",
            "",
        ] {
            assert!(matches!(with_label(key, "x"), Err(PlanError::ForbiddenLabel { .. })), "{key}");
        }
        let key = "containerd.io/snapshot/x";
        assert!(with_label(key, &"x".repeat(4096 - key.len())).is_ok());
        assert!(matches!(
            with_label(key, &"x".repeat(4097 - key.len())),
            Err(PlanError::LabelTooLarge { .. })
        ));
        let twice = vec![(key.to_owned(), "1".to_owned()), (key.to_owned(), "2".to_owned())];
        let asks = entry('a', Question::AskWithLabels(twice));
        assert!(matches!(
            validate(&plan(vec![asks, entry('b', Question::Ask)]), &image()),
            Err(PlanError::RepeatedLabel { .. })
        ));
    }

    #[test]
    fn digests_must_come_from_the_input() {
        let key = "containerd.io/snapshot/cri.layer-digest";
        assert!(matches!(with_label(key, digest('f').as_str()), Err(PlanError::InventedDigest { .. })));
        let list = format!("{},{}", digest('a'), digest('f'));
        assert!(matches!(with_label(key, &list), Err(PlanError::InventedDigest { .. })));

        let mut image = image();
        let toc = "containerd.io/snapshot/stargz/toc.digest";
        image.layers[0].descriptor.annotations.insert(toc.into(), digest('f').to_string());
        let label = vec![(toc.to_owned(), digest('f').to_string())];
        let asks = entry('a', Question::AskWithLabels(label));
        validate(&plan(vec![asks, entry('b', Question::Ask)]), &image).unwrap();
    }

    #[test]
    fn an_answer_is_expected_only_of_a_question() {
        let mut fetches = entry('a', Question::Fetch);
        fetches.expectation = Expectation::Provided;
        assert!(matches!(
            validate(&plan(vec![fetches, entry('b', Question::Ask)]), &image()),
            Err(PlanError::ExpectsWithoutAsking { index: 0 })
        ));
    }
}
