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
    /// The registry refuses access: no or wrong credentials, or no rights.
    Denied,
    /// The registry cannot be reached, or broke off, or asks to come back later.
    Unavailable,
    /// The registry answered something that is against its protocol.
    Protocol,
    /// The configuration (credentials file, certificates) cannot be used.
    Configuration,
}

/// Failure of a registry.
#[derive(Debug)]
pub struct FetchFailure {
    /// What kind.
    pub fault: FetchFault,
    /// What was being done, and facts. Never a secret.
    pub message: String,
    /// Why, where someone can do something about it.
    pub reason: Option<FetchReason>,
    /// Servers that could not be asked and may have what was not found.
    pub unreached: Vec<String>,
    /// When the registry said to come back.
    pub retry_after: Option<Duration>,
    /// The cause.
    pub source: Option<Box<dyn Error + Send + Sync>>,
    /// The failures of the other servers that were asked, in the order asked. They have no others of their own.
    pub others: Vec<FetchFailure>,
}

impl FetchFailure {
    /// A failure of a kind, with what was being done and facts, never a secret.
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

    /// The same with the reason.
    #[must_use]
    pub fn with_reason(mut self, reason: FetchReason) -> Self {
        self.reason = Some(reason);
        self
    }

    /// The same with when the registry said to come back.
    #[must_use]
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// The same with the cause.
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

/// What a reference stands for.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// Media type, digest and size of the index or manifest.
    pub descriptor: Descriptor,
    /// The bytes, where resolving needed them anyway. They hash to the descriptor's digest.
    pub document: Option<Bytes>,
}

/// Bytes of a blob as they arrive.
pub type BlobStream = Pin<Box<dyn Stream<Item = Result<Bytes, FetchFailure>> + Send>>;

/// Resolves references and fetches blobs.
#[async_trait]
pub trait Registry: Send + Sync {
    /// Finds out what a reference stands for.
    async fn resolve(&self, reference: &Reference) -> Result<Resolved, FetchFailure>;

    /// The same, with the document itself: for when the registry does not have what it said, because a tag has moved
    /// meanwhile or because it said something wrong.
    async fn resolve_with_document(&self, reference: &Reference) -> Result<Resolved, FetchFailure> {
        self.resolve(reference).await
    }

    /// Opens a blob or manifest of the reference's repository at `offset`.
    ///
    /// The stream ends at the end of what the registry sends, which may be too early or too late: nothing
    /// here is verified. Only [`dray_core::verify`] may sit on the other end. The stream may end with a failure
    /// after any number of bytes; the caller opens the blob again where it stopped.
    async fn fetch_unverified(
        &self,
        reference: &Reference,
        descriptor: &Descriptor,
        offset: u64,
    ) -> Result<BlobStream, FetchFailure>;

    /// Takes note that what was sent of a blob was not the blob. Says whether it can be had from somebody who has
    /// not sent it yet; the next [`Registry::fetch_unverified`] asks only those.
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
