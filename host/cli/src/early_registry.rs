//! Resolves a name at the registry while containerd is connected and the plugins are loaded.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio_util::task::AbortOnDropHandle;

use dray::oci::{Descriptor, Reference};
use dray::ports::{BlobStream, FetchFailure, Registry, RegistryAccess, Resolved};

/// A registry that has already been asked to resolve one reference.
pub(super) struct EarlyRegistry {
    registry: Arc<dyn Registry>,
    asked: Mutex<Option<(Reference, Answer)>>,
}

/// Dropping it cancels the request.
type Answer = AbortOnDropHandle<Result<Resolved, FetchFailure>>;

impl EarlyRegistry {
    /// Starts to resolve the reference, if there is one. Must be called inside the runtime.
    pub(super) fn ask(registry: Arc<dyn Registry>, reference: Option<&Reference>) -> Self {
        let asked = reference.map(|reference| {
            let (asked, registry) = (reference.clone(), Arc::clone(&registry));
            let answer = tokio::spawn(async move { registry.resolve(&asked).await });
            (reference.clone(), AbortOnDropHandle::new(answer))
        });
        Self { registry, asked: Mutex::new(asked) }
    }
}

#[async_trait]
impl Registry for EarlyRegistry {
    async fn resolve(&self, reference: &Reference) -> Result<Resolved, FetchFailure> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((early, answer)) = asked
            && early == *reference
            && let Ok(answer) = answer.await
        {
            return answer;
        }
        self.registry.resolve(reference).await
    }

    async fn resolve_with_document(&self, reference: &Reference) -> Result<Resolved, FetchFailure> {
        self.registry.resolve_with_document(reference).await
    }

    async fn fetch_unverified(
        &self,
        reference: &Reference,
        descriptor: &Descriptor,
        offset: u64,
    ) -> Result<BlobStream, FetchFailure> {
        self.registry.fetch_unverified(reference, descriptor, offset).await
    }

    async fn distrust(&self, reference: &Reference, descriptor: &Descriptor) -> bool {
        self.registry.distrust(reference, descriptor).await
    }

    async fn access(&self, reference: &Reference) -> BTreeSet<RegistryAccess> {
        self.registry.access(reference).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use dray::ports::FetchFault;

    /// Counts the requests, and finds nothing.
    #[derive(Default)]
    struct Counting(AtomicUsize);

    #[async_trait]
    impl Registry for Counting {
        async fn resolve(&self, reference: &Reference) -> Result<Resolved, FetchFailure> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Err(FetchFailure::new(FetchFault::NotFound, reference.to_string()))
        }

        async fn fetch_unverified(
            &self,
            _: &Reference,
            _: &Descriptor,
            _: u64,
        ) -> Result<BlobStream, FetchFailure> {
            Err(FetchFailure::new(FetchFault::NotFound, "fetch"))
        }
    }

    #[tokio::test]
    async fn the_registry_is_asked_once_per_reference() {
        let counting = Arc::new(Counting::default());
        let asked = || counting.0.load(Ordering::Relaxed);
        let [wanted, other] = ["debian:12", "debian:13"].map(|name| Reference::parse(name).unwrap());

        let early = EarlyRegistry::ask(counting.clone(), Some(&wanted));
        tokio::task::yield_now().await;
        assert_eq!(asked(), 1, "before anybody wants to know");
        let answer = early.resolve(&wanted).await.unwrap_err();
        assert_eq!((answer.message.as_str(), asked()), ("docker.io/library/debian:12", 1));
        early.resolve(&wanted).await.unwrap_err();
        assert_eq!(asked(), 2, "an answer is good for one pull");

        let early = EarlyRegistry::ask(counting.clone(), Some(&wanted));
        let answer = early.resolve(&other).await.unwrap_err();
        assert_eq!(answer.message, "docker.io/library/debian:13");

        let before = asked();
        EarlyRegistry::ask(counting.clone(), None).resolve(&wanted).await.unwrap_err();
        assert_eq!(asked(), before + 1);
    }
}
