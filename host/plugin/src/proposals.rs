//! Which proposals of WebAssembly are on, for the validator and the engine alike.

use wasmparser::WasmFeatures;

/// What compilers emit today for a plugin written against the interface, and nothing else: each proposal is
/// code that could be wrong. Of those that the runtime has on by default, garbage collection, exceptions,
/// threads, relaxed SIMD, 64-bit memories and everything asynchronous are left out: no toolchain needs them for a
/// plugin, threads and relaxed SIMD would make its answer depend on chance or on the processor, and the others are
/// the parts of the runtime where holes were found last.
pub(super) const PROPOSALS: WasmFeatures = WasmFeatures::MUTABLE_GLOBAL
    .union(WasmFeatures::FLOATS)
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::SIMD)
    .union(WasmFeatures::EXTENDED_CONST)
    // Composed components have one memory per part, and the code between the parts sees two of them.
    .union(WasmFeatures::MULTI_MEMORY)
    // What interpreters are built with where size matters. A tail call is looked at by the clock like any call.
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::COMPONENT_MODEL);

/// The proposals of WebAssembly that plugins may use, by the names of the validator.
pub fn enabled_proposals() -> Vec<String> {
    PROPOSALS.iter_names().map(|(name, _)| name.to_ascii_lowercase().replace('_', "-")).collect()
}
