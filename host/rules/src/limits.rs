//! The bounds on what a plugin may return, each with its reason.

const KIB: usize = 1024;

/// Longest name, version or code, and longest name of a feature, in bytes. They stand in one line of a report.
pub const NAME_BYTES: usize = 64;

/// Longest summary, in bytes: one line of a wide terminal.
pub const SUMMARY_BYTES: usize = 200;

/// Longest message, reason, hint or text of an advice, in bytes: what people read of one error.
pub const TEXT_BYTES: usize = KIB;

/// Largest configuration, and largest schema of one, in bytes. Both are passed as one text with every call.
pub const CONFIG_BYTES: usize = 64 * KIB;

/// Most features that a plugin names.
pub const FEATURES: usize = 64;

/// Most hints of one plan.
pub const HINTS: usize = 16;

/// Most pieces of advice in one plan.
pub const ADVICE: usize = 16;

/// Seconds that a plan may give a snapshotter to answer for one layer. An hour is enough to fetch and unpack an image.
pub const ANSWER_WITHIN_S: std::ops::RangeInclusive<u32> = 1..=3600;

/// Most entries of one plan, the same as the most layers of an image that a plugin is asked about.
pub const LAYERS: usize = 512;

/// Most labels of one layer.
pub const LABELS: usize = 256;

/// Largest label, key and value together, in bytes. containerd accepts no larger one.
pub const LABEL_BYTES: usize = 4096;

/// Most extensions of one record.
pub const EXTENSIONS: usize = 64;

/// Largest extension, key and value together, in bytes. The same as a label, since it may become one.
pub const EXTENSION_BYTES: usize = 4096;
