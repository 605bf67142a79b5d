use std::error::Error;
use std::fmt;

/// The first rule that an answer of a plugin breaks.
///
/// Layers are counted from 0, from the bottom. Texts of the plugin are cut to 128 characters, and contain whatever the
/// plugin wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleError {
    /// A part is longer than allowed, or has more entries.
    TooLarge {
        /// Which part.
        part: Part,
        /// Its bytes or entries.
        found: usize,
        /// The bound.
        limit: usize,
    },
    /// A part that must not be empty is.
    Empty {
        /// Which part.
        part: Part,
    },
    /// A name or code is not made of lower-case letters, digits and single inner hyphens, or is too long.
    NotAWord {
        /// Which part.
        part: Part,
    },
    /// The version is not a semantic version, or is too long.
    NotAVersion,
    /// The summary is empty, or has a control character.
    NotOneLine,
    /// The schema of the configuration is not JSON.
    SchemaNotJson,
    /// The key of an extension does not name its owner.
    ExtensionKey {
        /// The list that has it.
        part: Part,
    },
    /// The key of an extension occurs twice.
    RepeatedExtension {
        /// The list that has it.
        part: Part,
    },
    /// The label of lazy layers is none that a snapshotter leaves.
    LazyLabel {
        /// The key.
        key: String,
        /// What is wrong with it.
        rule: &'static str,
    },
    /// A plan gives the snapshotter too little time to answer, or too much.
    AnswerWithin {
        /// The seconds.
        found: u32,
    },
    /// A plan calls the image foreign and plans layers.
    LayersOfForeign {
        /// Entries of the plan.
        found: usize,
    },
    /// A plan does not have one entry for each layer.
    LayerCount {
        /// Layers of the image.
        expected: usize,
        /// Entries of the plan.
        found: usize,
    },
    /// An entry is for another layer than the one at its position.
    WrongLayer {
        /// Which entry.
        index: usize,
        /// Digest of the image's layer.
        expected: String,
        /// What the plan says.
        found: String,
    },
    /// The snapshotter is not asked for a layer, and yet an answer is expected.
    ExpectsWithoutAsking {
        /// Which entry.
        index: usize,
    },
    /// A plugin may not set this label.
    ForbiddenLabel {
        /// Which entry.
        index: usize,
        /// The key.
        key: String,
        /// What is wrong with the key.
        rule: &'static str,
    },
    /// The key of a label occurs twice.
    RepeatedLabel {
        /// Which entry.
        index: usize,
        /// The key.
        key: String,
    },
    /// A label contains a digest that was not in the input.
    InventedDigest {
        /// Which entry.
        index: usize,
        /// The key.
        key: String,
        /// The digest, in lower case.
        digest: String,
    },
    /// A ranking names a platform that was not offered.
    IndexOutOfRange {
        /// The index.
        index: u32,
        /// How many platforms were offered.
        offered: usize,
    },
    /// A ranking names a platform twice.
    RepeatedIndex {
        /// The index.
        index: u32,
    },
}

/// A part of an answer that has a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// `name` of `get-info`.
    Name,
    /// `summary` of `get-info`.
    Summary,
    /// `config-schema` of `get-info`.
    ConfigSchema,
    /// `features` of `get-info`.
    Features,
    /// One of the features.
    Feature,
    /// `extensions` of an answer.
    Extensions,
    /// One of these extensions.
    Extension,
    /// `extensions` of one layer of a plan.
    LayerExtensions(usize),
    /// One of these extensions.
    LayerExtension(usize),
    /// `code` of a plan.
    Code,
    /// `reason` of a plan.
    Reason,
    /// `hints` of a plan.
    Hints,
    /// One of the hints.
    Hint,
    /// `advice` of a plan.
    Advice,
    /// The text of one advice.
    AdviceText,
    /// `lazy-label` of a plan.
    LazyLabel,
    /// `layers` of a plan.
    Layers,
    /// The labels of one layer of a plan.
    Labels(usize),
    /// One of these labels.
    Label(usize),
}

impl Part {
    /// What is counted in it.
    fn unit(self) -> &'static str {
        match self {
            Self::Features => "names",
            Self::Extensions | Self::LayerExtensions(_) => "pairs",
            Self::Hints => "lines",
            Self::Advice | Self::Layers => "entries",
            Self::Labels(_) => "labels",
            Self::Name
            | Self::Summary
            | Self::ConfigSchema
            | Self::Feature
            | Self::Extension
            | Self::LayerExtension(_)
            | Self::Code
            | Self::Reason
            | Self::Hint
            | Self::AdviceText
            | Self::LazyLabel
            | Self::Label(_) => "bytes",
        }
    }
}

/// By the names of the interface.
impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => f.write_str("`name`"),
            Self::Summary => f.write_str("`summary`"),
            Self::ConfigSchema => f.write_str("`config-schema`"),
            Self::Features => f.write_str("`features`"),
            Self::Feature => f.write_str("a name in `features`"),
            Self::Extensions => f.write_str("`extensions`"),
            Self::Extension => f.write_str("a pair of `extensions`"),
            Self::LayerExtensions(index) => write!(f, "`extensions` of layer {index}"),
            Self::LayerExtension(index) => write!(f, "a pair of `extensions` of layer {index}"),
            Self::Code => f.write_str("`code`"),
            Self::Reason => f.write_str("`reason`"),
            Self::Hints => f.write_str("`hints`"),
            Self::Hint => f.write_str("a line in `hints`"),
            Self::Advice => f.write_str("`advice`"),
            Self::AdviceText => f.write_str("a text in `advice`"),
            Self::LazyLabel => f.write_str("`lazy-label`"),
            Self::Layers => f.write_str("`layers`"),
            Self::Labels(index) => write!(f, "labels of layer {index}"),
            Self::Label(index) => write!(f, "a label of layer {index}"),
        }
    }
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { part, found, limit } => {
                write!(f, "{part}: {found} {}, at most {limit} are allowed", part.unit())
            }
            Self::Empty { part } => write!(f, "{part} must not be empty"),
            Self::NotAWord { part } => write!(
                f,
                "{part} must be made of lower-case letters, digits and single inner hyphens, at most {} bytes",
                crate::limits::NAME_BYTES
            ),
            Self::NotAVersion => f.write_str("`version` must be a semantic version"),
            Self::NotOneLine => f.write_str("`summary` must be one line, and not empty"),
            Self::SchemaNotJson => f.write_str("`config-schema` must be JSON"),
            Self::ExtensionKey { part } => {
                write!(f, "{part}: a key must be made of its owner's name, a slash and a name")
            }
            Self::RepeatedExtension { part } => write!(f, "{part}: a key is there twice"),
            Self::LazyLabel { key, rule } => write!(f, "`lazy-label` is `{key}`, which {rule}"),
            Self::AnswerWithin { found } => {
                let (least, most) = crate::limits::ANSWER_WITHIN_S.into_inner();
                write!(f, "`answer-within-s` is {found}, it must be {least} to {most}")
            }
            Self::LayersOfForeign { found } => {
                write!(f, "it has {found} layers and calls the image foreign")
            }
            Self::LayerCount { expected, found } => {
                write!(f, "it has {found} layers, the image has {expected}")
            }
            Self::WrongLayer { index, expected, found } => {
                write!(f, "entry {index} is for `{found}`, the image has {expected} there")
            }
            Self::ExpectsWithoutAsking { index } => {
                write!(f, "entry {index} does not ask the snapshotter and yet expects an answer")
            }
            Self::ForbiddenLabel { index, key, rule } => {
                write!(f, "entry {index} sets label `{key}`, which {rule}")
            }
            Self::RepeatedLabel { index, key } => write!(f, "entry {index} sets label `{key}` twice"),
            Self::InventedDigest { index, key, digest } => {
                write!(f, "entry {index}: label `{key}` mentions {digest}, which was not in the input")
            }
            Self::IndexOutOfRange { index, offered } => {
                write!(f, "index {index} is out of range, {offered} platforms were offered")
            }
            Self::RepeatedIndex { index } => write!(f, "index {index} is there twice"),
        }
    }
}

impl Error for RuleError {}

/// Fails if a part is longer than allowed, or has more entries.
pub(crate) fn at_most(part: Part, found: usize, limit: usize) -> Result<(), RuleError> {
    if found <= limit { Ok(()) } else { Err(RuleError::TooLarge { part, found, limit }) }
}

/// The part of a plugin's text that an error contains.
pub(crate) fn cut(text: &str) -> String {
    text.chars().take(128).collect()
}
