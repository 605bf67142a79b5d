use super::PullError;
use dray_core::oci::{Descriptor, DocumentKind};
use dray_core::verify::ReadError;
use dray_ports::{FetchFailure, StoreError};

/// A blob that is fetched, and the errors for it.
#[derive(Clone, Copy)]
pub(super) struct Blob<'a> {
    /// Which kind, for messages.
    pub(super) what: &'static str,
    pub(super) descriptor: &'a Descriptor,
}

impl<'a> Blob<'a> {
    /// A layer, or another blob among the layers.
    pub(super) fn layer(descriptor: &'a Descriptor) -> Self {
        Self { what: "layer", descriptor }
    }

    pub(super) fn document(kind: DocumentKind, descriptor: &'a Descriptor) -> Self {
        Self { what: kind.as_str(), descriptor }
    }

    /// The registry failed, or sent wrong content.
    pub(super) fn fetching(self, error: ReadError<FetchFailure>) -> PullError {
        match error {
            ReadError::Source(source) => {
                PullError::Fetch { what: self.what, digest: self.descriptor.digest.clone(), source }
            }
            ReadError::Mismatch(source) => PullError::Mismatch { what: self.what, source },
        }
    }

    /// The store failed to write it.
    pub(super) fn storing(self, source: StoreError) -> PullError {
        self.store_error("storing", source)
    }

    /// The store failed to read it.
    pub(super) fn reading(self, source: StoreError) -> PullError {
        self.store_error("reading", source)
    }

    fn store_error(self, doing: &str, source: StoreError) -> PullError {
        PullError::Store { doing: format!("{doing} {} {}", self.what, self.descriptor.digest), source }
    }
}
