//! A private docker-registry.
