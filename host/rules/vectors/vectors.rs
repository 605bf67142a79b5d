//! Reads the vectors: see `README.md` beside this file.

use serde::Deserialize;
use serde_json::{Map, Value};

/// Pairs of key and value.
pub(crate) type Pairs = Vec<(String, String)>;

/// A changed answer.
pub(crate) struct Case<T> {
    pub(crate) name: String,
    pub(crate) is_good: bool,
    pub(crate) answer: T,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Image {
    pub(crate) reference: String,
    pub(crate) canonical: String,
    pub(crate) index: String,
    pub(crate) manifest: String,
    pub(crate) manifest_annotations: Pairs,
    pub(crate) config: String,
    pub(crate) config_labels: Pairs,
    pub(crate) plugin_config: String,
    pub(crate) layers: Vec<Layer>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Layer {
    pub(crate) digest: String,
    pub(crate) diff_id: String,
    pub(crate) chain_id: String,
    pub(crate) annotations: Pairs,
    pub(crate) urls: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Plan {
    pub(crate) suitability: String,
    pub(crate) code: String,
    pub(crate) reason: String,
    pub(crate) layers: Vec<LayerPlan>,
    pub(crate) hints: Vec<String>,
    pub(crate) advice: Vec<Advice>,
    pub(crate) lazy_label: Option<String>,
    pub(crate) verify: bool,
    pub(crate) answer_within_s: u32,
    pub(crate) extensions: Pairs,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Advice {
    pub(crate) about: String,
    pub(crate) text: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct LayerPlan {
    pub(crate) layer: String,
    pub(crate) question: Question,
    pub(crate) expectation: String,
    pub(crate) on_mounts: String,
    pub(crate) on_error: String,
    pub(crate) keep_blob: bool,
    pub(crate) extensions: Pairs,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Question {
    AskWithLabels(Pairs),
    Ask,
    Fetch,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Info {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) summary: String,
    pub(crate) config_schema: String,
    pub(crate) features: Vec<String>,
    pub(crate) extensions: Pairs,
}

/// The image, and the plans for it.
pub(crate) fn plans() -> (Image, Vec<Case<Plan>>) {
    let file = parsed(include_str!("plans.json"));
    let image = read("the image", expanded(&file["image"]));
    (image, cases(&file, "plan"))
}

/// What plugins say about themselves.
pub(crate) fn infos() -> Vec<Case<Info>> {
    cases(&parsed(include_str!("infos.json")), "info")
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("a vector is no JSON: {error}"))
}

fn read<T: for<'de> Deserialize<'de>>(name: &str, value: Value) -> T {
    serde_json::from_value(value).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn cases<T: for<'de> Deserialize<'de>>(file: &Value, usual: &str) -> Vec<Case<T>> {
    let mut cases = Vec::new();
    for (kind, is_good) in [("good", true), ("bad", false)] {
        for (name, change) in file[kind].as_object().into_iter().flatten() {
            let answer = read(name, expanded(&changed(&file[usual], change)));
            cases.push(Case { name: name.clone(), is_good, answer });
        }
        assert!(cases.iter().any(|case| case.is_good == is_good), "there are {kind} answers");
    }
    cases
}

/// The usual answer with the members of a change in place of its own.
fn changed(usual: &Value, change: &Value) -> Value {
    let mut answer: Map<String, Value> = usual.as_object().cloned().unwrap_or_default();
    for (member, value) in change.as_object().into_iter().flatten() {
        let value = match (member.as_str(), value.as_array()) {
            ("layers", Some(layers)) => {
                let usual = |at: usize| usual["layers"].get(at).unwrap_or(&usual["layers"][0]);
                layers.iter().enumerate().map(|(at, layer)| changed(usual(at), layer)).collect()
            }
            _ => value.clone(),
        };
        answer.insert(member.clone(), value);
    }
    answer.into()
}

/// The value with everything written out.
fn expanded(value: &Value) -> Value {
    match value {
        Value::String(text) => with_digests(text).into(),
        Value::Array(entries) => entries.iter().flat_map(entry).collect(),
        Value::Object(members) => match (&members.get("text"), times(members)) {
            (Some(Value::String(text)), Some(times)) => text.repeat(times).into(),
            _ => members.iter().map(|(name, value)| (name.clone(), expanded(value))).collect(),
        },
        other => other.clone(),
    }
}

fn times(members: &Map<String, Value>) -> Option<usize> {
    members.get("times").and_then(Value::as_u64).and_then(|times| usize::try_from(times).ok())
}

/// The entries that one of a list stands for.
fn entry(value: &Value) -> Vec<Value> {
    let each = value.as_object().and_then(|members| Some((members.get("each")?, times(members)?)));
    match each {
        Some((each, times)) => (0..times).map(|number| expanded(&numbered(each, number))).collect(),
        None => vec![expanded(value)],
    }
}

fn numbered(value: &Value, number: usize) -> Value {
    match value {
        Value::String(text) => text.replace("$n", &number.to_string()).into(),
        Value::Array(entries) => entries.iter().map(|entry| numbered(entry, number)).collect(),
        other => other.clone(),
    }
}

fn with_digests(text: &str) -> String {
    let mut written = String::new();
    let mut rest = text;
    while let Some((before, digit)) = rest.split_once('$') {
        assert!(digit.starts_with(|c: char| c.is_ascii_hexdigit()), "`{text}`: a digit must follow `$`");
        let (digit, behind) = digit.split_at(1);
        written.push_str(before);
        written.push_str("sha256:");
        written.push_str(&digit.repeat(64));
        rest = behind;
    }
    written + rest
}
