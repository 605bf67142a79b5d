//! What the host can do, by name.
//!
//! Ask by name rather than by version. In a native test,
//! [`testing::with_features`](crate::testing::with_features) says which features there are.

/// The host honours [`OnMounts::FetchAndStopAsking`](crate::snapshotter::OnMounts::FetchAndStopAsking).
pub const STOP_ASKING: &str = "stop-asking";

/// The host honours [`LayerPlan::keep_blob`](crate::snapshotter::LayerPlan::keep_blob).
pub const KEEP_BLOB: &str = "keep-blob";

/// The host honours [`LayerPlan::on_error`](crate::snapshotter::LayerPlan::on_error).
pub const ON_ERROR: &str = "on-error";

/// Whether the host has the named feature; `false` for names that it does not know.
pub fn supported(name: &str) -> bool {
    #[cfg(target_arch = "wasm32")]
    return crate::bindings::described::dray::host::feature::supported(name);
    #[cfg(not(target_arch = "wasm32"))]
    return crate::testing::has_feature(name);
}
