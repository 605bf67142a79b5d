//! Return values of guests, in the layout of the canonical ABI.

use super::memory::Memory;

/// The result of `get-info`.
#[derive(Clone, Debug)]
pub struct Info {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Summary.
    pub summary: String,
    /// Schema of the configuration.
    pub config_schema: String,
    /// Features.
    pub features: Vec<String>,
    /// Extensions.
    pub extensions: Vec<(String, String)>,
}

impl Default for Info {
    fn default() -> Self {
        Self {
            name: "guest".into(),
            version: "1.2.3".into(),
            summary: "a plugin for tests".into(),
            config_schema: "{}".into(),
            features: vec!["something".into()],
            extensions: Vec::new(),
        }
    }
}

/// A plan.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Number of the case of `suitability`; 3 is `foreign`.
    pub suitability: u8,
    /// Code.
    pub code: String,
    /// Reason.
    pub reason: String,
    /// Layers.
    pub layers: Vec<LayerPlan>,
    /// Hints.
    pub hints: Vec<String>,
    /// Advice: number of the case of `registry-access`, and text.
    pub advice: Vec<(u8, String)>,
    /// Key of the label of lazy layers.
    pub lazy_label: Option<String>,
    /// Whether the snapshot is looked into.
    pub verify: bool,
    /// Seconds in which the snapshotter answers.
    pub answer_within_s: u32,
    /// Extensions.
    pub extensions: Vec<(String, String)>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            suitability: 3,
            code: "test".into(),
            reason: "this is a test".into(),
            layers: Vec::new(),
            hints: Vec::new(),
            advice: Vec::new(),
            lazy_label: None,
            verify: false,
            answer_within_s: 120,
            extensions: Vec::new(),
        }
    }
}

/// The plan of a layer. By default it expects mounts.
#[derive(Clone, Debug)]
pub struct LayerPlan {
    /// Digest of the layer.
    pub layer: String,
    /// How to ask for it.
    pub question: Question,
    /// Number of the case of `expectation`; 2 is `mounts`.
    pub expectation: u8,
    /// Number of the case of `on-mounts`.
    pub on_mounts: u8,
    /// Number of the case of `on-error`.
    pub on_error: u8,
    /// Whether to keep the blob.
    pub keep_blob: bool,
    /// Extensions.
    pub extensions: Vec<(String, String)>,
}

impl Default for LayerPlan {
    fn default() -> Self {
        Self {
            layer: String::new(),
            question: Question::default(),
            expectation: 2,
            on_mounts: 0,
            on_error: 0,
            keep_blob: false,
            extensions: Vec::new(),
        }
    }
}

/// How to ask for a layer.
#[derive(Clone, Debug, Default)]
pub enum Question {
    /// With these labels.
    Labels(Vec<(String, String)>),
    /// Without labels.
    #[default]
    Plain,
    /// Not at all: the layer is fetched.
    Fetch,
}

pub(super) fn info(memory: &mut Memory, info: &Info) -> u32 {
    let mut record = Vec::new();
    for text in [&info.name, &info.version, &info.summary, &info.config_schema] {
        record.extend(memory.text(text));
    }
    record.extend(texts(memory, &info.features));
    record.extend(pairs(memory, &info.extensions));
    memory.place(&record)
}

/// The `ok` case of a result. Its payload is aligned to eight bytes, because errors have a 64-bit number.
pub(super) fn ok(memory: &mut Memory, payload: &[u8]) -> u32 {
    let mut result = vec![0; 8];
    result.extend(payload);
    result.resize(48.max(result.len()), 0);
    memory.place(&result)
}

/// The `error` case. Its code is at [`CODE`], its message at [`MESSAGE`].
pub(super) fn error(
    memory: &mut Memory,
    case: u8,
    code: &str,
    message: &str,
    retry_after: Option<u64>,
) -> u32 {
    let mut result = vec![1, 0, 0, 0, 0, 0, 0, 0, case, 0, 0, 0, 0, 0, 0, 0];
    result.extend(memory.text(code));
    result.extend(memory.text(message));
    result.extend([u8::from(retry_after.is_some()), 0, 0, 0, 0, 0, 0, 0]);
    result.extend(retry_after.unwrap_or_default().to_le_bytes());
    result.resize(64, 0);
    memory.place(&result)
}

/// Offset of the code in an error.
pub(super) const CODE: u32 = 16;
/// Offset of the message in an error.
pub(super) const MESSAGE: u32 = 24;

pub(super) fn rank(memory: &mut Memory, indices: &[u32]) -> u32 {
    let items: Vec<Vec<u8>> = indices.iter().map(|index| index.to_le_bytes().to_vec()).collect();
    let list = memory.list(&items);
    ok(memory, &list)
}

pub(super) fn plan(memory: &mut Memory, plan: &Plan) -> u32 {
    plan_and_layers(memory, plan).0
}

/// The address of the plan, and of the list of its layers.
pub(super) fn plan_and_layers(memory: &mut Memory, plan: &Plan) -> (u32, u32) {
    let items: Vec<Vec<u8>> = plan.layers.iter().map(|layer| layer_plan(memory, layer)).collect();
    let layers = memory.list(&items);
    let mut record = vec![plan.suitability, 0, 0, 0];
    record.extend(memory.text(&plan.code));
    record.extend(memory.text(&plan.reason));
    record.extend(layers);
    record.extend(texts(memory, &plan.hints));
    record.extend(advice(memory, &plan.advice));
    record.extend([u8::from(plan.lazy_label.is_some()), 0, 0, 0]);
    record.extend(memory.text(plan.lazy_label.as_deref().unwrap_or_default()));
    record.extend([u8::from(plan.verify), 0, 0, 0]);
    record.extend(plan.answer_within_s.to_le_bytes());
    record.extend(pairs(memory, &plan.extensions));
    let [a, b, c, d, ..] = layers;
    (ok(memory, &record), u32::from_le_bytes([a, b, c, d]))
}

fn layer_plan(memory: &mut Memory, plan: &LayerPlan) -> Vec<u8> {
    let mut record = memory.text(&plan.layer).to_vec();
    let (case, labels) = match &plan.question {
        Question::Labels(labels) => (0, pairs(memory, labels)),
        Question::Plain => (1, [0; 8]),
        Question::Fetch => (2, [0; 8]),
    };
    record.extend([case, 0, 0, 0]);
    record.extend(labels);
    record.extend([plan.expectation, plan.on_mounts, plan.on_error, u8::from(plan.keep_blob)]);
    record.extend(pairs(memory, &plan.extensions));
    record
}

fn advice(memory: &mut Memory, advice: &[(u8, String)]) -> [u8; 8] {
    let mut items = Vec::new();
    for (about, text) in advice {
        let mut item = vec![*about, 0, 0, 0];
        item.extend(memory.text(text));
        items.push(item);
    }
    memory.list(&items)
}

fn texts(memory: &mut Memory, texts: &[String]) -> [u8; 8] {
    let items: Vec<Vec<u8>> = texts.iter().map(|text| memory.text(text).to_vec()).collect();
    memory.list(&items)
}

fn pairs(memory: &mut Memory, pairs: &[(String, String)]) -> [u8; 8] {
    let mut items = Vec::new();
    for (key, value) in pairs {
        let mut item = memory.text(key).to_vec();
        item.extend(memory.text(value));
        items.push(item);
    }
    memory.list(&items)
}
