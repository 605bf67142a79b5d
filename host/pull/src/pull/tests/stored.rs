//! What the store has already: what is believed of it, and what counts as downloaded.

use std::sync::Mutex;

use serde_json::json;

use super::containerd_rules::altered;
use super::*;
use dray_memory::ingest_name;
use dray_ports::{DocumentState, Event, Labels, Progress};

impl Fixture {
    /// The blobs that the registry was asked for, with how often.
    fn served(&self, digest: &Digest) -> usize {
        self.registry.served.lock().unwrap().iter().filter(|(of, ..)| of == digest).count()
    }

    /// Puts a blob of the registry into the store, as if another image had brought it.
    fn bring(&self, digest: &Digest) {
        let bytes = self.registry.blobs.lock().unwrap()[digest].clone();
        self.store.state().blobs.insert(digest.clone(), (bytes, Facts::default()));
    }

    /// Descriptors of everything that a pull fetches, documents first.
    fn descriptors(&self) -> Vec<Descriptor> {
        let target = self.registry.target.lock().unwrap().clone().unwrap();
        let blobs = self.registry.blobs.lock().unwrap();
        let descriptor = |media_type, digest: &Digest| {
            Descriptor::new(MediaType::new(media_type), digest.clone(), blobs[digest].len() as u64)
        };
        let mut all = vec![target];
        all.push(descriptor(MediaType::OCI_MANIFEST, &self.manifest));
        all.push(descriptor(MediaType::OCI_CONFIG, &self.config));
        all.extend(self.layers.iter().map(|layer| descriptor(LAYER, layer)));
        all
    }

    /// Leaves an ingest of each blob with all of its bytes, changed by `alter`. This is also what an ingest looks
    /// like whose blob another namespace has.
    fn leave_ingests(&self, alter: impl Fn(&mut Vec<u8>)) {
        for descriptor in self.descriptors() {
            let mut bytes = self.registry.blobs.lock().unwrap()[&descriptor.digest].to_vec();
            alter(&mut bytes);
            self.store.state().ingests.insert(ingest_name(&descriptor), (bytes, false));
        }
    }
}

#[tokio::test]
async fn the_size_of_a_document_that_is_there_is_checked() {
    let fixture = altered(|draft| draft.excess_of_config = 7);
    let fresh = fixture.pull().await.unwrap_err();
    assert!(matches!(&fresh, PullError::Mismatch { .. }), "{fresh:?}");
    fixture.bring(&fixture.config);
    let error = fixture.pull().await.unwrap_err();
    assert!(matches!(&error, PullError::Document { .. }), "{error:?}");
    fixture.assert_clean();
    assert!(fixture.store.state().images.is_empty());
}

#[tokio::test]
async fn the_size_of_a_layer_that_is_there_is_checked() {
    let fixture = altered(|draft| {
        for layer in draft.manifest["layers"].as_array_mut().unwrap() {
            layer["size"] = json!(i64::MAX);
        }
    });
    for layer in &fixture.layers {
        fixture.bring(layer);
    }
    let error = fixture.pull().await.unwrap_err();
    assert!(error.to_string().contains("has 9223372036854775807 bytes"), "{error:?}");
    fixture.assert_clean();
    assert!(fixture.store.state().images.is_empty());
}

/// The snapshots speak for the layers; the blobs are not looked at.
#[tokio::test]
async fn the_sum_of_absurd_sizes_is_no_panic() {
    let fixture = altered(|draft| {
        for layer in draft.manifest["layers"].as_array_mut().unwrap() {
            layer["size"] = json!(i64::MAX);
        }
    });
    let chains = fixture.chains.iter().map(|chain| (chain.to_string(), (None, Labels::new())));
    fixture.store.state().committed.extend(chains);
    let report = fixture.pull().await.unwrap();
    assert_eq!(report.totals.layer_bytes, u64::MAX);
}

#[tokio::test]
async fn an_ingest_that_has_everything_is_committed_without_the_registry() {
    let fixture = Fixture::new();
    fixture.leave_ingests(|_| {});
    let report = fixture.pull().await.unwrap();
    fixture.assert_clean();
    assert_eq!(*fixture.registry.served.lock().unwrap(), []);
    assert!(report.image.layers.iter().all(|layer| layer.outcome == LayerOutcome::Applied));
    assert!(report.image.layers.iter().all(|layer| layer.downloaded == 0));
    assert_eq!((report.totals.downloaded_blobs, report.totals.downloaded_bytes), (0, 0));

    let fresh = Fixture::new();
    fresh.pull().await.unwrap();
    assert_eq!(
        fixture.store.state().blobs,
        fresh.store.state().blobs,
        "the same blobs, and as much is known of them"
    );
}

#[tokio::test]
async fn nothing_is_downloaded_either_where_nothing_is_unpacked() {
    let fixture = Fixture::new();
    fixture.leave_ingests(|_| {});
    let request = fetch_request(Platforms::One(amd64()));
    let report = pull_image(&fixture.world(), &request, &CancellationToken::new()).await.unwrap();
    assert!(report.image.layers.iter().all(|layer| layer.outcome == LayerOutcome::Stored));
    assert_eq!(report.totals.downloaded_blobs, 0);
}

#[tokio::test]
async fn an_ingest_with_wrong_bytes_is_fetched_anew() {
    let (twist, append) = (|bytes: &mut Vec<u8>| bytes[0] ^= 1, |bytes: &mut Vec<u8>| bytes.push(0));
    for alter in [twist as fn(&mut Vec<u8>), append] {
        let fixture = Fixture::new();
        fixture.leave_ingests(alter);
        let report = fixture.pull().await.unwrap();
        fixture.assert_clean();
        assert_eq!(report.totals.downloaded_blobs, 6);
        for descriptor in fixture.descriptors() {
            assert_eq!(fixture.served(&descriptor.digest), 1, "{}", descriptor.digest);
        }
    }
}

/// Another client stopped in the middle, and what it wrote is wrong. The bytes of documents are at hand, so nothing is
/// built on what it left.
#[tokio::test]
async fn a_document_is_written_from_its_beginning() {
    let fixture = Fixture::new();
    fixture.leave_ingests(|bytes| {
        bytes.truncate(10);
        bytes[3] ^= 1;
    });
    fixture.store.state().ingests.retain(|name, _| !name.starts_with("layer"));
    fixture.pull().await.unwrap();
    fixture.assert_clean();
    for descriptor in fixture.descriptors() {
        assert_eq!(fixture.served(&descriptor.digest), 1, "{}", descriptor.digest);
    }
}

/// How the bytes of a blob are damaged.
const DAMAGES: [fn(&mut Vec<u8>); 3] =
    [|bytes| bytes.truncate(bytes.len() - 1), |bytes| bytes.clear(), |bytes| bytes[0] ^= 1];

impl Fixture {
    fn damage(&self, digest: &Digest, damage: fn(&mut Vec<u8>)) {
        let mut state = self.store.state();
        let mut bytes = state.blobs[digest].0.to_vec();
        damage(&mut bytes);
        state.damaged.insert(digest.clone(), bytes.into());
    }
}

/// Documents are checked to the last byte, and a layer whose unpacking fails too.
#[tokio::test]
async fn what_is_damaged_in_the_store_is_named() {
    for damage in DAMAGES {
        let fixture = Fixture::new();
        fixture.pull().await.unwrap();
        fixture.store.state().committed.clear();
        fixture.store.state().images.clear();
        for Descriptor { digest, .. } in fixture.descriptors() {
            fixture.damage(&digest, damage);
            fixture.store.state().others.insert(digest.clone(), vec!["other".to_owned()]);
            match fixture.pull().await.unwrap_err() {
                PullError::Damaged { digest: found, others, .. } => {
                    assert_eq!((&found, others.as_slice()), (&digest, &["other".to_owned()] as &[_]));
                }
                error => panic!("{error:?}"),
            }
            fixture.assert_clean();
            assert!(fixture.store.state().images.is_empty());
            fixture.store.state().damaged.clear();
        }
        fixture.pull().await.unwrap();
    }
}

/// A store takes what is sent, and may keep the bytes that it has for another owner.
#[tokio::test]
async fn what_was_sent_is_read_again() {
    for damage in DAMAGES {
        let fixture = Fixture::new();
        for Descriptor { digest, .. } in fixture.descriptors() {
            let bytes = fixture.registry.blobs.lock().unwrap()[&digest].clone();
            fixture.store.state().blobs.insert(digest.clone(), (bytes, Facts::default()));
            fixture.damage(&digest, damage);
            fixture.store.state().blobs.clear();
            let error = fixture.pull().await.unwrap_err();
            assert!(
                matches!(&error, PullError::Damaged { digest: found, .. } if *found == digest),
                "{error:?}"
            );
            fixture.assert_clean();
            fixture.store.state().damaged.clear();
        }
    }
}

/// Layers are read again only where something is wrong with them.
#[tokio::test]
async fn one_byte_of_a_sound_layer_is_read() {
    let fixture = Fixture::new();
    fixture.pull().await.unwrap();
    let read = fixture.store.state().streamed.clone();
    let documents: u64 = fixture.descriptors().iter().take(3).map(|document| document.size).sum();
    assert_eq!(read.iter().map(|(_, bytes)| *bytes as u64).sum::<u64>(), documents + 3);
}

/// What came over the network was downloaded, also if another client commits it first.
#[tokio::test]
async fn what_was_downloaded_counts_also_where_another_client_was_faster() {
    let fixture = Fixture::new();
    fixture.store.state().rival = true;
    let report = fixture.pull().await.unwrap();
    fixture.assert_clean();
    assert_eq!(report.totals.downloaded_blobs, 6);
    let sizes: u64 = fixture.descriptors().iter().map(|descriptor| descriptor.size).sum();
    assert_eq!(report.totals.downloaded_bytes, sizes);
    assert!(report.image.layers.iter().all(|layer| layer.outcome == LayerOutcome::Fetched));
}

/// Notes what is told of documents, and lets another client give up an ingest when it has been waited for.
struct Watcher {
    store: FakeStore,
    ingest: String,
    told: Mutex<Vec<(&'static str, DocumentState)>>,
}

impl Progress for Watcher {
    fn event(&self, event: Event) {
        let Event::Document { kind, state, .. } = event else { return };
        self.told.lock().unwrap().push((kind.as_str(), state));
        if state == DocumentState::WaitingForOther {
            self.store.state().ingests.insert(self.ingest.clone(), (Vec::new(), false));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_for_the_document_of_another_client_is_told() {
    let fixture = Fixture::new();
    let ingest = ingest_name(&fixture.descriptors()[1]);
    fixture.store.state().ingests.insert(ingest.clone(), (Vec::new(), true));
    let watcher = Arc::new(Watcher { store: fixture.store.clone(), ingest, told: Mutex::default() });
    let world = World { progress: watcher.clone(), ..fixture.world() };
    pull_image(&world, &request(plain, None), &CancellationToken::new()).await.unwrap();
    let told = watcher.told.lock().unwrap();
    assert_eq!(
        *told,
        [
            ("image index", DocumentState::Reading),
            ("image manifest", DocumentState::WaitingForOther),
            ("image manifest", DocumentState::Reading),
            ("image config", DocumentState::Reading),
        ]
    );
}
