//! The WebAssembly proposals that are enabled, for the validator and the engine alike.

use wasmparser::WasmFeatures;

/// The features that compilers emit today for a plugin of this interface, and no others, because each proposal is
/// code with possible faults. Of the runtime's defaults, garbage collection, exceptions, threads, relaxed SIMD,
/// 64-bit memories and all asynchronous features are disabled. No toolchain needs them for a plugin. Threads and
/// relaxed SIMD would make answers depend on timing or on the processor. The latest vulnerabilities were found in the
/// others.
pub(super) const PROPOSALS: WasmFeatures = WasmFeatures::MUTABLE_GLOBAL
    .union(WasmFeatures::FLOATS)
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::SIMD)
    .union(WasmFeatures::EXTENDED_CONST)
    // Composed components have a memory per part, and the code between two parts uses both memories.
    .union(WasmFeatures::MULTI_MEMORY)
    // Interpreters use tail calls to stay small. The clock interrupts a tail call like any call.
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::COMPONENT_MODEL);

/// The enabled proposals, by the validator's names.
pub fn enabled_proposals() -> Vec<String> {
    PROPOSALS.iter_names().map(|(name, _)| name.to_ascii_lowercase().replace('_', "-")).collect()
}
