//! Makes images: layers, configs, manifests, indexes.
