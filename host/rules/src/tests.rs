#[expect(dead_code, reason = "no rule refers to what follows when an expectation or a question fails")]
#[path = "../vectors/vectors.rs"]
mod vectors;

use crate::limits::LAYERS;
use crate::{
    Descriptor, Image, Info, Layer, LayerPlan, Part, Plan, Question, RuleError, check_info, check_plan,
    check_plan_for_image,
};

fn pairs(pairs: &vectors::Pairs) -> Vec<(&str, &str)> {
    pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

fn image(vector: &vectors::Image) -> Image<'_> {
    let bare = |digest| Descriptor { digest, annotations: Vec::new(), urls: &[] };
    Image {
        reference: &vector.reference,
        canonical: &vector.canonical,
        index: Some(bare(&vector.index)),
        manifest: bare(&vector.manifest),
        manifest_annotations: pairs(&vector.manifest_annotations),
        config: bare(&vector.config),
        config_labels: pairs(&vector.config_labels),
        plugin_config: &vector.plugin_config,
        layers: vector.layers.iter().map(layer).collect(),
    }
}

fn layer(vector: &vectors::Layer) -> Layer<'_> {
    let vectors::Layer { digest, diff_id, chain_id, annotations, urls } = vector;
    Layer { descriptor: Descriptor { digest, annotations: pairs(annotations), urls }, diff_id, chain_id }
}

fn plan(vector: &vectors::Plan) -> Plan<'_> {
    Plan {
        is_foreign: vector.suitability == "foreign",
        code: &vector.code,
        reason: &vector.reason,
        layers: vector.layers.iter().map(layer_plan).collect(),
        hints: &vector.hints,
        advice: vector.advice.iter().map(|advice| advice.text.as_str()).collect(),
        lazy_label: vector.lazy_label.as_deref(),
        answer_within_s: vector.answer_within_s,
        extensions: &vector.extensions,
    }
}

fn layer_plan(vector: &vectors::LayerPlan) -> LayerPlan<'_> {
    let vectors::LayerPlan { layer, question, expectation, extensions, .. } = vector;
    LayerPlan {
        layer,
        question: match question {
            vectors::Question::AskWithLabels(labels) => Question::AskWithLabels(labels),
            vectors::Question::Ask => Question::Ask,
            vectors::Question::Fetch => Question::Fetch,
        },
        expects_mounts: expectation == "mounts",
        extensions,
    }
}

/// Both checks, as every plan goes through them.
fn checked(vector: &vectors::Plan, for_image: &vectors::Image) -> Result<(), RuleError> {
    let plan = plan(vector);
    check_plan(&plan)?;
    check_plan_for_image(&plan, &image(for_image))
}

fn usual() -> (vectors::Image, vectors::Plan) {
    let (image, cases) = vectors::plans();
    let usual = cases.into_iter().find(|case| case.name == "the usual plan").unwrap();
    (image, usual.answer)
}

#[test]
fn good_plans_are_accepted_and_no_others() {
    let (image, cases) = vectors::plans();
    for case in cases {
        let checked = checked(&case.answer, &image);
        assert_eq!(checked.is_ok(), case.is_good, "{}: {checked:?}", case.name);
    }
}

#[test]
fn good_descriptions_are_accepted_and_no_others() {
    for case in vectors::infos() {
        let vectors::Info { name, version, summary, config_schema, features, extensions } = &case.answer;
        let info = Info { name, version, summary, config_schema, features, extensions };
        let checked = check_info(&info);
        assert_eq!(checked.is_ok(), case.is_good, "{}: {checked:?}", case.name);
    }
}

fn with_labels(plan: &mut vectors::Plan, labels: Vec<(&str, String)>) {
    let labels = labels.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    plan.layers[1].question = vectors::Question::AskWithLabels(labels);
}

fn digest(digit: char) -> String {
    format!("sha256:{}", String::from(digit).repeat(64))
}

const LABEL: &str = "containerd.io/snapshot/x";

#[test]
fn the_error_has_the_facts_of_the_broken_rule() {
    type Change = fn(&mut vectors::Plan);
    let pair = || ("a/b".to_owned(), String::new());
    let cases: [(Change, RuleError, &str); 21] = [
        (
            |plan| plan.code = "Plain".to_owned(),
            RuleError::NotAWord { part: Part::Code },
            "`code` must be made of lower-case letters, digits and single inner hyphens, at most 64 bytes",
        ),
        (
            |plan| plan.reason = "a".repeat(1025),
            RuleError::TooLarge { part: Part::Reason, found: 1025, limit: 1024 },
            "`reason`: 1025 bytes, at most 1024 are allowed",
        ),
        (
            |plan| plan.lazy_label = Some("remote".to_owned()),
            RuleError::LazyLabel {
                key: "remote".to_owned(),
                rule: "is outside of `containerd.io/snapshot/`",
            },
            "`lazy-label` is `remote`, which is outside of `containerd.io/snapshot/`",
        ),
        (
            |plan| plan.answer_within_s = 3601,
            RuleError::AnswerWithin { found: 3601 },
            "`answer-within-s` is 3601, it must be 1 to 3600",
        ),
        (
            |plan| plan.advice.push(vectors::Advice { about: "mirror".to_owned(), text: String::new() }),
            RuleError::Empty { part: Part::AdviceText },
            "a text in `advice` must not be empty",
        ),
        (|plan| plan.reason.clear(), RuleError::Empty { part: Part::Reason }, "`reason` must not be empty"),
        (
            |plan| plan.hints = vec![String::new(); 17],
            RuleError::TooLarge { part: Part::Hints, found: 17, limit: 16 },
            "`hints`: 17 lines, at most 16 are allowed",
        ),
        (
            |plan| plan.hints = vec!["h".repeat(1025)],
            RuleError::TooLarge { part: Part::Hint, found: 1025, limit: 1024 },
            "a line in `hints`: 1025 bytes, at most 1024 are allowed",
        ),
        (
            |plan| plan.extensions = vec![("b".to_owned(), String::new())],
            RuleError::ExtensionKey { part: Part::Extensions },
            "`extensions`: a key must be made of its owner's name, a slash and a name",
        ),
        (
            |plan| plan.layers[1].extensions = vec![("a/b".to_owned(), "v".repeat(4094))],
            RuleError::TooLarge { part: Part::LayerExtension(1), found: 4097, limit: 4096 },
            "a pair of `extensions` of layer 1: 4097 bytes, at most 4096 are allowed",
        ),
        (
            |plan| plan.layers = vec![plan.layers[0].clone(); 513],
            RuleError::TooLarge { part: Part::Layers, found: 513, limit: 512 },
            "`layers`: 513 entries, at most 512 are allowed",
        ),
        (
            |plan| plan.suitability = "foreign".to_owned(),
            RuleError::LayersOfForeign { found: 2 },
            "it has 2 layers and calls the image foreign",
        ),
        (
            |plan| plan.layers.truncate(1),
            RuleError::LayerCount { expected: 2, found: 1 },
            "it has 1 layers, the image has 2",
        ),
        (
            |plan| plan.layers[1].layer = "x".repeat(200),
            RuleError::WrongLayer { index: 1, expected: digest('c'), found: "x".repeat(128) },
            &format!("entry 1 is for `{}`, the image has {} there", "x".repeat(128), digest('c')),
        ),
        (
            |plan| {
                plan.layers[1].question = vectors::Question::Fetch;
                plan.layers[1].expectation = "maybe".to_owned();
            },
            RuleError::ExpectsWithoutAsking { index: 1 },
            "entry 1 does not ask the snapshotter and yet expects an answer",
        ),
        (
            |plan| with_labels(plan, vec![(LABEL, String::new()); 257]),
            RuleError::TooLarge { part: Part::Labels(1), found: 257, limit: 256 },
            "labels of layer 1: 257 labels, at most 256 are allowed",
        ),
        (
            |plan| with_labels(plan, vec![(LABEL, "v".repeat(4073))]),
            RuleError::TooLarge { part: Part::Label(1), found: 4097, limit: 4096 },
            "a label of layer 1: 4097 bytes, at most 4096 are allowed",
        ),
        (
            |plan| with_labels(plan, vec![("containerd.io/gc.root", String::new())]),
            RuleError::ForbiddenLabel {
                index: 1,
                key: "containerd.io/gc.root".to_owned(),
                rule: "is outside of `containerd.io/snapshot/`",
            },
            "entry 1 sets label `containerd.io/gc.root`, which is outside of `containerd.io/snapshot/`",
        ),
        (
            |plan| with_labels(plan, vec![("containerd.io/snapshot/diff-id", String::new())]),
            RuleError::ForbiddenLabel {
                index: 1,
                key: "containerd.io/snapshot/diff-id".to_owned(),
                rule: "belongs to the snapshotter protocol",
            },
            "entry 1 sets label `containerd.io/snapshot/diff-id`, which belongs to the snapshotter protocol",
        ),
        (
            |plan| with_labels(plan, vec![(LABEL, String::new()); 2]),
            RuleError::RepeatedLabel { index: 1, key: LABEL.to_owned() },
            "entry 1 sets label `containerd.io/snapshot/x` twice",
        ),
        (
            |plan| with_labels(plan, vec![(LABEL, digest('F'))]),
            RuleError::InventedDigest { index: 1, key: LABEL.to_owned(), digest: digest('f') },
            &format!("entry 1: label `{LABEL}` mentions {}, which was not in the input", digest('f')),
        ),
    ];
    let (image, good) = usual();
    for (change, expected, text) in cases {
        let mut plan = good.clone();
        change(&mut plan);
        let error = checked(&plan, &image).unwrap_err();
        assert_eq!(error.to_string(), text);
        assert_eq!(error, expected, "{text}");
    }
    let mut plan = good;
    plan.extensions = vec![pair(), pair()];
    let error = checked(&plan, &image).unwrap_err();
    assert_eq!(error, RuleError::RepeatedExtension { part: Part::Extensions });
}

/// The plan with a label of this value.
fn label(value: &str) -> Result<(), RuleError> {
    let (image, mut plan) = usual();
    with_labels(&mut plan, vec![(LABEL, value.to_owned())]);
    checked(&plan, &image)
}

#[test]
fn labels_must_be_the_plugins_to_set() {
    let with = |labels: Vec<(&str, String)>| {
        let (image, mut plan) = usual();
        with_labels(&mut plan, labels);
        checked(&plan, &image)
    };
    for key in [
        "containerd.io/snapshot.ref",
        "containerd.io/gc.root",
        "containerd.io/snapshot/",
        "containerd.io/snapshot/diff-id",
        "containerd.io/snapshot/parent-chain-id",
        "containerd.io/snapshot/a b",
        "containerd.io/snapshot/a\u{7}",
        "",
    ] {
        let error = with(vec![(key, "x".to_owned())]).expect_err(key);
        assert!(matches!(error, RuleError::ForbiddenLabel { .. }), "{key}: {error:?}");
    }
    with(vec![(LABEL, "x".repeat(4096 - LABEL.len()))]).unwrap();
}

#[test]
fn digests_must_come_from_the_input() {
    let (known, invented) = (digest('a'), digest('f'));
    for value in [
        invented.clone(),
        format!("{known},{invented}"),
        format!("{invented},{known}"),
        format!("\"{invented}\""),
        format!("digest={invented}"),
        format!("host.example/repository/{invented}"),
        format!("host.example/repository@{invented}?x"),
        format!(r#"{{"layers":["{known}","{invented}"]}}"#),
        format!("{known}{invented}"),
        format!("sha{invented}"),
        format!("sha256:{invented}"),
        // One digit too many does not hide the others, nor does upper case.
        format!("{invented}0"),
        digest('F'),
    ] {
        let error = label(&value).expect_err(&value);
        assert!(
            matches!(&error, RuleError::InventedDigest { digest, .. } if *digest == invented),
            "{error:?}"
        );
        label(&value.replace(['f', 'F'], "a")).unwrap_or_else(|error| panic!("{value}: {error}"));
    }
    for value in ["sha256:", "sha256:fff", "sha256", "sha1024:ff", "sha", "sha256:ä", ""] {
        label(value).unwrap();
    }
    for (algorithm, digits) in [("sha384", 96), ("sha512", 128)] {
        let value = format!("<{algorithm}:{}>", "f".repeat(digits));
        assert!(matches!(label(&value), Err(RuleError::InventedDigest { .. })), "{value}");
        // As many digits as a shorter one has are no digest of this algorithm.
        label(&format!("<{algorithm}:{}>", "f".repeat(digits - 1))).unwrap();
    }
}

#[test]
fn the_largest_plan_takes_little_time() {
    // As much as a manifest can hold, and as much as a plugin can return: each text is looked at once.
    let numbered = |number: usize| format!("sha256:{number:064x}");
    let (mut image, mut plan) = usual();
    image.manifest_annotations.push(("all".to_owned(), (0..58_000).map(numbered).collect()));
    image.layers = vec![image.layers[0].clone(); LAYERS];
    let entry = plan.layers[0].clone();
    let entries = (0..LAYERS).map(|layer| {
        let label = |number: usize| {
            let digests: Vec<_> = (0..56).map(|digest| numbered(layer * 100 + digest)).collect();
            (format!("containerd.io/snapshot/{number}"), digests.join(","))
        };
        let question = vectors::Question::AskWithLabels((0..4).map(label).collect());
        vectors::LayerPlan { question, ..entry.clone() }
    });
    plan.layers = entries.collect();
    let started = std::time::Instant::now();
    checked(&plan, &image).unwrap();
    // It takes a fraction of this; looking through the image for each digest takes an hour.
    assert!(started.elapsed() < std::time::Duration::from_secs(20), "{:?}", started.elapsed());
}
