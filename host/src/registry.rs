//! The registry port over the OCI distribution API.
