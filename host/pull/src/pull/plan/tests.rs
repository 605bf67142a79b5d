use super::validate_plan;
use dray_core::oci::{ChainId, Descriptor, DiffId, Digest, MediaType, Platform};
use dray_ports::{
    Expectation, ImageToPlan, LayerPlan, LayerToPlan, OnError, OnMounts, Plan, Question, SnapshotterName,
    Suitability,
};
use dray_rules::RuleError;

/// The configuration of the plugin, with a digest.
const CONFIG: &str = r#"{"index":"sha256:7777777777777777777777777777777777777777777777777777777777777777"}"#;

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
        on_error: OnError::Fail,
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
        advice: Vec::new(),
        lazy_label: None,
        verify: false,
        answer_within: Plan::ANSWER_WITHIN,
    }
}

fn with_label(key: &str, value: &str) -> Result<(), RuleError> {
    let label = (key.to_owned(), value.to_owned());
    let asks = entry('a', Question::AskWithLabels(vec![label]));
    validate_plan(&plan(vec![asks, entry('b', Question::Ask)]), &image(), CONFIG)
}

#[test]
fn a_good_plan_passes() {
    validate_plan(&plan(vec![entry('a', Question::Ask), entry('b', Question::Fetch)]), &image(), CONFIG)
        .unwrap();
    with_label("containerd.io/snapshot/cri.layer-digest", digest('a').as_str()).unwrap();
    with_label("containerd.io/snapshot/cri.image-layers", &format!("{},{}", digest('a'), digest('b')))
        .unwrap();
}

#[test]
fn layers_must_be_those_of_the_image() {
    let ask = || Question::Ask;
    assert!(matches!(
        validate_plan(&plan(vec![entry('a', ask())]), &image(), CONFIG),
        Err(RuleError::LayerCount { expected: 2, found: 1 })
    ));
    for wrong in [vec![entry('a', ask()), entry('a', ask())], vec![entry('b', ask()), entry('a', ask())]] {
        assert!(matches!(validate_plan(&plan(wrong), &image(), CONFIG), Err(RuleError::WrongLayer { .. })));
    }
}

#[test]
fn a_foreign_image_has_no_plan_for_its_layers() {
    let foreign = |layers| Plan { suitability: Suitability::Foreign, ..plan(layers) };
    validate_plan(&foreign(Vec::new()), &image(), CONFIG).unwrap();
    let layers = vec![entry('a', Question::Ask), entry('b', Question::Ask)];
    let error = validate_plan(&foreign(layers), &image(), CONFIG);
    assert_eq!(error, Err(RuleError::LayersOfForeign { found: 2 }));
}

#[test]
fn a_digest_of_the_configuration_may_be_sent() {
    label_for(&image(), digest('7').as_str()).unwrap();
    let label = ("containerd.io/snapshot/x".to_owned(), digest('7').to_string());
    let plan = plan(vec![entry('a', Question::AskWithLabels(vec![label])), entry('b', Question::Ask)]);
    assert!(matches!(validate_plan(&plan, &image(), "{}"), Err(RuleError::InventedDigest { .. })));
}

fn label_for(image: &ImageToPlan, value: &str) -> Result<(), RuleError> {
    let label = ("containerd.io/snapshot/x".to_owned(), value.to_owned());
    let asks = entry('a', Question::AskWithLabels(vec![label]));
    validate_plan(&plan(vec![asks, entry('b', Question::Ask)]), image, CONFIG)
}

fn invents(image: &ImageToPlan, value: &str) -> bool {
    matches!(label_for(image, value), Err(RuleError::InventedDigest { digest: found, .. }) if found == digest('f').as_str())
}

#[test]
fn whatever_the_plugin_was_given_is_input() {
    type Change = fn(&mut ImageToPlan, String);
    let places: [(&str, Change); 14] = [
        ("reference", |image, text| image.reference = format!("x@{text}")),
        // With an index in an index, pulled by digest, this is the outer one, which stands nowhere else.
        ("canonical", |image, text| image.canonical = format!("docker.io/library/x@{text}")),
        ("index", |image, text| {
            let digest = Digest::parse(&text).unwrap();
            image.index = Some(Descriptor::new(MediaType::new(MediaType::OCI_INDEX), digest, 9));
        }),
        ("manifest", |image, text| image.manifest.digest = Digest::parse(&text).unwrap()),
        ("config", |image, text| image.config.digest = Digest::parse(&text).unwrap()),
        ("diff id", |image, text| {
            image.layers[1].diff_id = DiffId::from_uncompressed(Digest::parse(&text).unwrap());
        }),
        ("chain id", |image, text| {
            let diff_id = DiffId::from_uncompressed(Digest::parse(&text).unwrap());
            image.layers[1].chain_id = ChainId::bottom(&diff_id);
        }),
        ("config label", |image, text| drop(image.config_labels.insert("l".into(), format!("<{text}>")))),
        ("manifest annotation", |image, text| drop(image.manifest_annotations.insert("a".into(), text))),
        ("its key", |image, text| drop(image.manifest_annotations.insert(text, "v".into()))),
        ("annotation of the manifest's descriptor", |image, text| {
            image.manifest.annotations.insert("a".into(), text);
        }),
        ("annotation of the config's descriptor", |image, text| {
            image.config.annotations.insert("a".into(), text);
        }),
        ("annotation of a layer", |image, text| {
            image.layers[1].descriptor.annotations.insert("a".into(), format!("{{\"d\":\"{text}\"}}"));
        }),
        ("url", |image, text| image.layers[1].descriptor.urls.push(format!("https://example.org/{text}"))),
    ];
    for (place, change) in places {
        let mut image = image();
        assert!(invents(&image, digest('f').as_str()), "{place}");
        change(&mut image, digest('f').to_string());
        label_for(&image, digest('f').as_str()).unwrap_or_else(|error| panic!("{place}: {error}"));
        label_for(&image, &format!("docker.io/library/x@{},y", digest('f')))
            .unwrap_or_else(|error| panic!("{place}: {error}"));
    }
}

#[test]
fn an_answer_is_expected_only_of_a_question() {
    let mut fetches = entry('a', Question::Fetch);
    fetches.expectation = Expectation::Provided;
    assert!(matches!(
        validate_plan(&plan(vec![fetches, entry('b', Question::Ask)]), &image(), CONFIG),
        Err(RuleError::ExpectsWithoutAsking { index: 0 })
    ));
}
