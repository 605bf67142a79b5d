//! What the user is told where a layer was not provided: the setting of the snapshotter's daemon that fits how this pull
//! reached the registry.

use async_trait::async_trait;

use super::*;
use dray_ports::{Advice, BlobStream, FetchFailure, Registry, RegistryAccess, Resolved};

/// A registry that was reached in these ways.
struct Reached(Arc<FakeRegistry>, BTreeSet<RegistryAccess>);

#[async_trait]
impl Registry for Reached {
    async fn resolve(&self, reference: &Reference) -> Result<Resolved, FetchFailure> {
        self.0.resolve(reference).await
    }

    async fn fetch_unverified(
        &self,
        reference: &Reference,
        descriptor: &Descriptor,
        offset: u64,
    ) -> Result<BlobStream, FetchFailure> {
        self.0.fetch_unverified(reference, descriptor, offset).await
    }

    async fn access(&self, _: &Reference) -> BTreeSet<RegistryAccess> {
        self.1.clone()
    }
}

const ALL: [(RegistryAccess, &str); 5] = [
    (RegistryAccess::PlainHttp, "plain"),
    (RegistryAccess::PrivateCa, "authority"),
    (RegistryAccess::Mirror, "mirror"),
    (RegistryAccess::Credentials, "credentials"),
    (RegistryAccess::Unreachable, "unreachable"),
];

/// The hints of a pull from a registry that was reached so; the snapshotter provides the layers or does not.
async fn hints(reached: &[RegistryAccess], provides: bool) -> Vec<String> {
    let fixture = Fixture::new();
    if provides {
        fixture.store.state().provides.extend(fixture.chains.iter().map(ToString::to_string));
    }
    let advised = |image: &ImageToPlan| {
        let advice = ALL.map(|(about, text)| Advice { about, text: text.to_owned() });
        Plan { advice: advice.to_vec(), ..lazy(OnMounts::Fetch)(image) }
    };
    let registry = Arc::new(Reached(fixture.registry.clone(), reached.iter().copied().collect()));
    let world = World { registry, ..fixture.world() };
    let report = pull_image(&world, &request(advised, None), &CancellationToken::new()).await.unwrap();
    report.hints
}

#[tokio::test]
async fn the_advice_fits_how_the_registry_was_reached() {
    use RegistryAccess::{Credentials, Mirror, PlainHttp, PrivateCa};
    let table: [(&[RegistryAccess], &[&str]); 6] = [
        (&[PlainHttp], &["plain"]),
        (&[PrivateCa], &["authority"]),
        (&[Mirror], &["mirror"]),
        (&[Credentials], &["credentials"]),
        (&[Credentials, Mirror], &["mirror", "credentials"]),
        // Nothing special was needed, so the daemon should have been able to.
        (&[], &["unreachable"]),
    ];
    for (reached, expected) in table {
        assert_eq!(hints(reached, false).await, expected, "{reached:?}");
        assert!(hints(reached, true).await.is_empty(), "nothing is wrong: {reached:?}");
    }
}
