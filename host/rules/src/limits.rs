//! The limits on return values of plugins, each with its reason.

const KIB: usize = 1024;

/// Longest name, version or code, and longest name of a feature, in bytes. Reports show them in one line.
pub const NAME_BYTES: usize = 64;

/// Longest summary, in bytes: one line of a wide terminal.
pub const SUMMARY_BYTES: usize = 200;

/// Longest message, reason, hint or text of an advice, in bytes: as much as a user reads of one error.
pub const TEXT_BYTES: usize = KIB;

/// Largest configuration, and largest schema of one, in bytes. Both are passed as one text with every call.
pub const CONFIG_BYTES: usize = 64 * KIB;

/// Maximum number of features of a plugin.
pub const FEATURES: usize = 64;

/// Maximum number of hints in a plan.
pub const HINTS: usize = 16;

/// Maximum number of pieces of advice in a plan.
pub const ADVICE: usize = 16;

/// Time that a plan may give a snapshotter to answer for one layer, in seconds. An hour is enough to fetch and unpack
/// an image.
pub const ANSWER_WITHIN_S: std::ops::RangeInclusive<u32> = 1..=3600;

/// Maximum number of entries in a plan, equal to the maximum number of layers of an image.
pub const LAYERS: usize = 512;

/// Maximum number of labels of a layer.
pub const LABELS: usize = 256;

/// Largest label, key and value together, in bytes. containerd accepts no larger one.
pub const LABEL_BYTES: usize = 4096;

/// Maximum number of extensions of a record.
pub const EXTENSIONS: usize = 64;

/// Largest extension, key and value together, in bytes. The same as a label, since it may become one.
pub const EXTENSION_BYTES: usize = 4096;
