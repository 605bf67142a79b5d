//! Which image of an index is pulled, and that the store then has what was pulled.

use serde_json::{Value, json};

use super::containerd_rules::offer;
use super::*;

const CHART: &str = "application/vnd.cncf.helm.config.v1+json";

/// An entry of an index, without platform.
fn entry(fixture: &Fixture, document: &Value) -> Value {
    let mut entry = json!({"mediaType": MediaType::OCI_MANIFEST});
    offer(fixture, document, &mut entry);
    entry
}

/// A chart.
fn chart(fixture: &Fixture) -> Value {
    let config = json!({"mediaType": CHART, "digest": fixture.config, "size": 2});
    entry(fixture, &json!({"schemaVersion": 2, "config": config, "layers": []}))
}

/// An image without layers.
fn empty(fixture: &Fixture, architecture: &str) -> Value {
    let mut config = json!({"mediaType": MediaType::OCI_CONFIG});
    offer(fixture, &json!({"os": "linux", "architecture": architecture}), &mut config);
    entry(fixture, &json!({"schemaVersion": 2, "config": config, "layers": []}))
}

/// The image of a fixture.
fn image(fixture: &Fixture) -> Value {
    let size = fixture.registry.blobs.lock().unwrap()[&fixture.manifest].len();
    json!({"mediaType": MediaType::OCI_MANIFEST, "digest": fixture.manifest, "size": size})
}

fn stated(mut entry: Value, architecture: &str) -> Value {
    entry["platform"] = json!({"os": "linux", "architecture": architecture});
    entry
}

impl Fixture {
    fn has(&self, entry: &Value) -> bool {
        let digest = entry["digest"].as_str().and_then(|digest| digest.parse().ok()).unwrap();
        self.store.state().blobs.contains_key::<Digest>(&digest)
    }
}

#[tokio::test]
async fn what_does_not_fit_is_passed_over() {
    let order: [fn(&Fixture) -> Vec<Value>; 5] = [
        |fixture| vec![chart(fixture), image(fixture)],
        |fixture| vec![empty(fixture, "arm64"), image(fixture)],
        |fixture| vec![empty(fixture, "arm64"), chart(fixture), empty(fixture, "arm"), image(fixture)],
        |fixture| vec![stated(chart(fixture), "amd64"), stated(image(fixture), "amd64")],
        |fixture| vec![image(fixture), chart(fixture), empty(fixture, "arm64")],
    ];
    for order in order {
        let fixture = Fixture::new();
        let entries = order(&fixture);
        fixture.replace_entries(&entries, None);
        let report = fixture.pull().await.unwrap();
        assert_eq!(report.image.manifest, fixture.manifest, "{entries:#?}");
        fixture.assert_clean();
        for entry in entries.iter().filter(|entry| entry["digest"] != json!(fixture.manifest)) {
            // The store must be able to tell that it is no image.
            assert_eq!(fixture.has(entry), entry["platform"].is_object(), "{entry}");
        }
        assert!(fixture.store.state().ingests.is_empty());

        // The store then says the same, without the registry.
        let (request, cancel) = (request(plain, None), CancellationToken::new());
        let request = PullRequest { name: report.name.clone(), ..request };
        let again = existing_image(&fixture.world(), &request, &cancel).await.unwrap();
        assert_eq!(again.image.manifest, fixture.manifest, "{entries:#?}");
        fixture.assert_clean();
    }
}

/// Of everything that an index lists, what is no image is passed over. Its manifest is kept, so that the store can
/// tell afterwards that nothing is missing.
#[tokio::test]
async fn everything_is_there_although_something_is_no_image() {
    let fixture = Fixture::new();
    let entries = [chart(&fixture), stated(image(&fixture), "amd64"), chart(&fixture)];
    fixture.replace_entries(&entries, None);
    let all = Platforms::listed([amd64(), Platform::new("linux", "arm64", "")]).unwrap();
    let everything = Platforms::All { host: amd64(), attestations: false };
    for platforms in [all, everything] {
        let request = fetch_request(platforms);
        let cancel = CancellationToken::new();
        let report = pull_image(&fixture.world(), &request, &cancel).await.unwrap();
        assert_eq!(report.images().count(), 1);
        assert!(fixture.has(&entries[0]));
        let request = PullRequest { name: report.name.clone(), ..request };
        existing_image(&fixture.world(), &request, &cancel).await.unwrap();
        fixture.assert_clean();
    }
}

#[tokio::test]
async fn an_entry_with_a_digest_of_another_kind_is_refused_where_it_is_wanted() {
    let fixture = Fixture::new();
    let mut other = stated(empty(&fixture, "arm64"), "arm64");
    other["digest"] = json!("blake3:0d6cbcd1d8b1ae8b2b3f8a9ed8bd7ae4a4ed1d2b7dfc9d4f7dbd4d6f8a2b9c1e");
    let mut unstated = other.clone();
    unstated.as_object_mut().unwrap().remove("platform");
    fixture.replace_entries(&[other, unstated, stated(image(&fixture), "amd64")], None);
    fixture.pull().await.unwrap();

    let fixture_of_arm64 = Fixture { store: FakeStore::default(), ..fixture };
    let request = fetch_request(Platforms::One(Platform::new("linux", "arm64", "")));
    let cancel = CancellationToken::new();
    let error = pull_image(&fixture_of_arm64.world(), &request, &cancel).await.unwrap_err();
    assert!(matches!(&error, PullError::Document { .. }), "{error:?}");
    fixture_of_arm64.assert_nothing();
}
