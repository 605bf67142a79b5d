//! What a pull may say and leave behind when something has gone wrong.

use std::error::Error;

use dray::{PullError, PullReport};
use dray_tests::image::{Image, Index};
use dray_tests::state::State;
use serde_json::Value;

use crate::script::{
    CREATE_LEASE, Happened, How, NEXT_BYTES, ON_PURPOSE, PUT_IMAGE, Port, RELEASE_LEASE, SET_LABELS,
};

/// The label of a lease that ends by itself.
const EXPIRY: &str = "containerd.io/gc.expire";

/// How a pull ended; `None` if it was dropped.
pub(crate) type Ended = Option<Result<PullReport, PullError>>;

/// Whether the pull ended as the first thing that went wrong demands. What goes wrong while it cleans up changes
/// nothing.
pub(crate) fn is_fitting(happened: &[Happened], ended: &Ended) -> bool {
    let first = happened.first();
    let Some(pulled) = ended else { return first.is_some_and(|first| first.how == How::Dropped) };
    let Some(first) = first else { return pulled.is_ok() };
    match (first.how, first.call) {
        // The image is there, and a lease that is left ends by itself; a blob that breaks off is opened again.
        (How::Refused | How::Lost | How::Unanswered, RELEASE_LEASE) | (How::Lost, NEXT_BYTES) => {
            pulled.is_ok()
        }
        // Too late: nothing is left to do that can be given up.
        (How::Cancelled, SET_LABELS | PUT_IMAGE | RELEASE_LEASE) if pulled.is_ok() => true,
        (How::Cancelled | How::Unanswered, _) => matches!(pulled, Err(PullError::Cancelled)),
        (How::Refused | How::Lost, _) => {
            pulled.as_ref().is_err_and(|error| is_of(first.port, error) && says_why(error))
        }
        (How::Dropped, _) => false,
    }
}

fn is_of(port: Port, error: &PullError) -> bool {
    match port {
        Port::Content
        | Port::Ingest
        | Port::Snapshots
        | Port::Applier
        | Port::Images
        | Port::Leases
        | Port::Daemon => matches!(error, PullError::Store { .. }),
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

/// What is in the store after a pull to which something happened.
pub(crate) struct Left<'a> {
    pub(crate) happened: &'a [Happened],
    pub(crate) succeeded: bool,
    pub(crate) state: &'a State,
    pub(crate) names: &'a Names<'a>,
    /// What a pull leaves to which nothing happened.
    pub(crate) whole: &'a Value,
}

impl Left<'_> {
    /// Fails unless nothing is left that is half done, and nothing that stands in the way.
    pub(crate) fn assert_harmless(&self) {
        if self.happened.iter().any(|fault| fault.how == How::Dropped) {
            self.assert_lease_of_the_dropped();
        } else {
            self.assert_at_rest();
        }

        // A record stands for everything, also where the pull did not hear that it was written.
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
            // Nothing is referred to any more.
            assert!(state.content.is_empty() && state.snapshots.is_empty(), "{state}");
        }
    }

    /// A pull that could clean up leaves neither a lease nor what only a lease protects.
    fn assert_at_rest(&self) {
        let state = self.state;
        // Nobody can release a lease whose name was lost. It protects nothing, and both kinds expire.
        let unreleased = self.happened.iter().any(|fault| fault.is(How::Refused, RELEASE_LEASE));
        let is_unnamed =
            |fault: &Happened| fault.is(How::Lost, CREATE_LEASE) || fault.is(How::Unanswered, CREATE_LEASE);
        let unnamed = self.happened.iter().any(is_unnamed);
        assert_eq!(state.leases.len(), usize::from(unreleased) + usize::from(unnamed), "{state}");
        for lease in state.leases.values() {
            assert!(lease.labels.contains_key(EXPIRY), "{state}");
            assert!(!unnamed || lease.resources.is_empty(), "{state}");
        }

        // Also where the removal has failed: releasing the lease collects it.
        let mut snapshots = state.snapshots.values().flat_map(|snapshots| snapshots.values());
        assert!(snapshots.all(|snapshot| snapshot.kind == "committed"), "{state}");

        // Bytes of layers, for the next pull to go on from. Documents are small and come again.
        for (name, ingest) in &state.ingests {
            assert!(!self.succeeded && name.starts_with("layer-") && ingest.offset > 0, "{state}");
        }
    }

    /// A pull that was dropped leaves its lease with what it had made, until the lease expires.
    fn assert_lease_of_the_dropped(&self) {
        let leases: Vec<_> = self.state.leases.values().collect();
        assert!(leases.len() <= 1, "{}", self.state);
        assert!(leases.iter().all(|lease| lease.labels.contains_key(EXPIRY)), "{}", self.state);
    }
}

/// What differs between the states of two pulls, with a name for each.
pub(crate) struct Names<'a>(Vec<(&'a str, String)>);

impl<'a> Names<'a> {
    pub(crate) fn new(reference: &'a str, index: &'a Index, image: &'a Image, chain: &'a [String]) -> Self {
        let numbered = |kind: &'static str, number: usize| format!("[{kind} {number}]");
        // A layer that is not compressed is its own diff id, and the lowest one its own chain id.
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

    /// The state without its leases, with names for what differs.
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
