//! The store ports over containerd's gRPC API. Generated types never leave this module.
