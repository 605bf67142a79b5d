//! What a pull may report and leave behind after a fault.

use std::error::Error;

use dray::{PullError, PullReport};
use dray_tests::image::{Image, Index};
use dray_tests::state::State;
use serde_json::Value;

use crate::script::{
    ADD_FACTS, CREATE_LEASE, Happened, How, NEXT_BYTES, ON_PURPOSE, PUT_IMAGE, Port, RELEASE_LEASE,
};

/// The label of a lease that expires.
const EXPIRY: &str = "containerd.io/gc.expire";

/// How a pull ended; `None` if it was dropped.
pub(crate) type Ended = Option<Result<PullReport, PullError>>;

/// Whether the end of the pull fits the first fault. Faults during clean-up change nothing.
pub(crate) fn is_fitting(happened: &[Happened], ended: &Ended) -> bool {
    let first = happened.first();
    let Some(pulled) = ended else { return first.is_some_and(|first| first.how == How::Dropped) };
    let Some(first) = first else { return pulled.is_ok() };
    match (first.how, first.call) {
        // The image is complete, and a remaining lease expires. A blob that breaks off is opened again.
        (How::Refused | How::Lost | How::Unanswered, RELEASE_LEASE) | (How::Lost, NEXT_BYTES) => {
            pulled.is_ok()
        }
        // The cancellation comes too late to stop anything.
        (How::Cancelled, ADD_FACTS | PUT_IMAGE | RELEASE_LEASE) if pulled.is_ok() => true,
        (How::Cancelled | How::Unanswered, _) => matches!(pulled, Err(PullError::Cancelled)),
        (How::Refused | How::Lost, _) => {
            pulled.as_ref().is_err_and(|error| is_of(first.port, error) && says_why(error))
        }
        (How::Dropped, _) => false,
    }
}

fn is_of(port: Port, error: &PullError) -> bool {
    match port {
        Port::Snapshots => matches!(error, PullError::Store { .. } | PullError::NotReadable { .. }),
        Port::Content | Port::Ingest | Port::Applier | Port::Images | Port::Leases | Port::Info => {
            matches!(error, PullError::Store { .. })
        }
        Port::Registry => matches!(error, PullError::Resolve { .. } | PullError::Fetch { .. }),
        Port::BlobStream => matches!(error, PullError::Fetch { .. }),
        Port::Matcher => matches!(error, PullError::Plugin { kind: "platform", .. }),
        Port::Planner => {
            matches!(error, PullError::Plugin { kind: "snapshotter", .. } | PullError::Planner { .. })
        }
    }
}

fn says_why(error: &PullError) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.to_string() == ON_PURPOSE {
            return true;
        }
        cause = error.source();
    }
    false
}

/// The store after a pull with faults.
pub(crate) struct Left<'a> {
    pub(crate) happened: &'a [Happened],
    pub(crate) succeeded: bool,
    pub(crate) state: &'a State,
    pub(crate) names: &'a Names<'a>,
    /// The state after a pull without faults.
    pub(crate) whole: &'a Value,
}

impl Left<'_> {
    /// Fails if anything half done is left, or anything that blocks the next pull.
    pub(crate) fn assert_harmless(&self) {
        if self.happened.iter().any(|fault| fault.how == How::Dropped) {
            self.assert_lease_of_the_dropped();
        } else {
            self.assert_at_rest();
        }

        // A record implies a complete image, even if the pull did not learn that the record was written.
        let state = self.state;
        let has = |how, call| self.happened.iter().any(|fault| fault.is(how, call));
        let written = self.succeeded
            || has(How::Lost, PUT_IMAGE)
            || has(How::Unanswered, PUT_IMAGE)
            || has(How::Dropped, RELEASE_LEASE);
        let unclear = has(How::Dropped, PUT_IMAGE);
        assert!(unclear || state.images.is_empty() != written, "{state}");
        if !state.images.is_empty() {
            self.names.assert_same(state, self.whole);
        } else if state.leases.values().all(|lease| lease.resources.is_empty()) {
            // Nothing refers to content any more.
            assert!(state.content.is_empty() && state.snapshots.is_empty(), "{state}");
        }
    }

    /// A pull that could clean up leaves no lease, and nothing that only a lease protects.
    fn assert_at_rest(&self) {
        let state = self.state;
        // A lease whose name was lost cannot be released. It protects nothing, and it expires, like the other kind.
        let unreleased = self.happened.iter().any(|fault| fault.is(How::Refused, RELEASE_LEASE));
        let is_unnamed =
            |fault: &Happened| fault.is(How::Lost, CREATE_LEASE) || fault.is(How::Unanswered, CREATE_LEASE);
        let unnamed = self.happened.iter().any(is_unnamed);
        assert_eq!(state.leases.len(), usize::from(unreleased) + usize::from(unnamed), "{state}");
        for lease in state.leases.values() {
            assert!(lease.labels.contains_key(EXPIRY), "{state}");
            assert!(!unnamed || lease.resources.is_empty(), "{state}");
        }

        // If the removal failed, the release of the lease collects it.
        let mut snapshots = state.snapshots.values().flat_map(|snapshots| snapshots.values());
        assert!(snapshots.all(|snapshot| snapshot.kind == "committed"), "{state}");

        // Bytes of layers stay for the next pull to resume. Documents are small and are fetched again.
        for (name, ingest) in &state.ingests {
            assert!(!self.succeeded && name.starts_with("layer-") && ingest.offset > 0, "{state}");
        }
    }

    /// A dropped pull leaves its lease, with what it made, until the lease expires.
    fn assert_lease_of_the_dropped(&self) {
        let leases: Vec<_> = self.state.leases.values().collect();
        assert!(leases.len() <= 1, "{}", self.state);
        assert!(leases.iter().all(|lease| lease.labels.contains_key(EXPIRY)), "{}", self.state);
    }
}

/// Names for the values that differ between two pulls.
pub(crate) struct Names<'a>(Vec<(&'a str, String)>);

impl<'a> Names<'a> {
    pub(crate) fn new(reference: &'a str, index: &'a Index, image: &'a Image, chain: &'a [String]) -> Self {
        let numbered = |kind: &'static str, number: usize| format!("[{kind} {number}]");
        // An uncompressed layer is its own diff id, and the lowest one is its own chain id.
        let layers = image.layers.iter().enumerate();
        let layers = layers.map(|(number, layer)| (layer.digest.as_str(), numbered("LAYER", number)));
        let chain = chain.iter().enumerate().skip(1);
        let chain = chain.map(|(number, id)| (id.as_str(), numbered("CHAIN", number)));
        let documents = [
            (reference, "[NAME]".to_owned()),
            (index.index.digest.as_str(), "[INDEX]".to_owned()),
            (image.manifest.digest.as_str(), "[MANIFEST]".to_owned()),
            (image.config.digest.as_str(), "[CONFIG]".to_owned()),
        ];
        Self(documents.into_iter().chain(layers).chain(chain).collect())
    }

    /// The state without leases, with names for the values that differ.
    pub(crate) fn state(&self, state: &State) -> Value {
        let state = State { leases: std::collections::BTreeMap::new(), ..state.clone() };
        self.value(serde_json::to_value(state).expect("a state can be written"))
    }

    #[track_caller]
    pub(crate) fn assert_same(&self, state: &State, whole: &Value) {
        let found = self.state(state);
        assert!(found == *whole, "a whole pull leaves\n{whole:#}\nand this one\n{found:#}");
    }

    fn value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(items) => items.into_iter().map(|item| self.value(item)).collect(),
            Value::Object(members) => {
                members.into_iter().map(|(key, value)| (self.text(key), self.value(value))).collect()
            }
            other => other,
        }
    }

    fn text(&self, text: String) -> String {
        self.0.iter().fold(text, |text, (found, name)| text.replace(found, name))
    }
}
