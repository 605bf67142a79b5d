use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::Stream;

use super::RegistryAccess;
use super::reason::FetchReason;
use dray_core::oci::{Descriptor, Reference};

/// The kinds of failure that a pull treats differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FetchFault {
    /// The registry has no such repository, tag or blob.
    NotFound,
    /// The registry denies access: missing or wrong credentials, or missing rights.
    Denied,
    /// The registry cannot be reached, broke off, or is busy.
    Unavailable,
    /// The registry's answer violates the protocol.
    Protocol,
    /// The configuration (credentials file, certificates) cannot be used.
    Configuration,
}

/// Failure of a registry.
#[derive(Debug)]
pub struct FetchFailure {
    /// What kind.
    pub fault: FetchFault,
    /// The operation and its facts. Never a secret.
    pub message: String,
    /// The reason, if the user can act on it.
    pub reason: Option<FetchReason>,
    /// Servers that could not be asked, and may have the content.
    pub unreached: Vec<String>,
    /// The time after which the registry asks to retry.
    pub retry_after: Option<Duration>,
    /// The cause.
    pub source: Option<Box<dyn Error + Send + Sync>>,
    /// The failures of the other servers that were asked, in order. Their own `others` are empty.
    pub others: Vec<FetchFailure>,
}

impl FetchFailure {
    /// A failure of a kind, with the operation and its facts, never a secret.
    pub fn new(fault: FetchFault, message: impl Into<String>) -> Self {
        Self {
            fault,
            message: message.into(),
            reason: None,
            unreached: Vec::new(),
            retry_after: None,
            source: None,
            others: Vec::new(),
        }
    }

    /// Adds the reason.
    #[must_use]
    pub fn with_reason(mut self, reason: FetchReason) -> Self {
        self.reason = Some(reason);
        self
    }

    /// Adds the time after which the registry asks to retry.
    #[must_use]
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for FetchFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for FetchFailure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// The target of a reference.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// Media type, digest and size of the index or manifest.
    pub descriptor: Descriptor,
    /// The bytes, if resolving had to read them. They match the descriptor's digest.
    pub document: Option<Bytes>,
}

/// Bytes of a blob as they arrive.
pub type BlobStream = Pin<Box<dyn Stream<Item = Result<Bytes, FetchFailure>> + Send>>;

/// Resolves references and fetches blobs.
#[async_trait]
pub trait Registry: Send + Sync {
    /// Resolves a reference.
    async fn resolve(&self, reference: &Reference) -> Result<Resolved, FetchFailure>;

    /// The same, with the document itself. For a registry that does not have the content it stated, because a tag has
    /// moved or the statement was wrong.
    async fn resolve_with_document(&self, reference: &Reference) -> Result<Resolved, FetchFailure> {
        self.resolve(reference).await
    }

    /// Opens a blob or manifest of the reference's repository at `offset`.
    ///
    /// The stream ends where the registry stops, which may be too early or too late: nothing is verified. Only
    /// [`dray_core::verify`] may read it. The stream may end with a failure after any number of bytes; the caller
    /// then opens the blob again at that offset.
    async fn fetch_unverified(
        &self,
        reference: &Reference,
        descriptor: &Descriptor,
        offset: u64,
    ) -> Result<BlobStream, FetchFailure>;

    /// Notes that wrong bytes were sent for a blob. Returns whether there is another server that may have it. The
    /// next [`Registry::fetch_unverified`] asks only such servers.
    async fn distrust(&self, reference: &Reference, descriptor: &Descriptor) -> bool {
        let _ = (reference, descriptor);
        false
    }

    /// What it took so far to speak with the reference's registry, and what another client of it may lack. Asks nothing.
    async fn access(&self, reference: &Reference) -> BTreeSet<RegistryAccess> {
        let _ = reference;
        BTreeSet::new()
    }
}
