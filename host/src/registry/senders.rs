use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use url::Url;

use super::server::Server;
use crate::oci::Digest;

/// Who has sent bytes of which blob. Which of several it was that sent a wrong one, nobody can tell.
#[derive(Default)]
pub(super) struct Senders(Mutex<Noted>);

#[derive(Default)]
struct Noted {
    sent: HashMap<Digest, Vec<Sender>>,
    /// Places outside of the registry that sent something else in place of a blob.
    wrong_places: HashSet<(Digest, Url)>,
}

/// Who may send bytes of a blob.
pub(super) enum Sender {
    /// A server of the registry.
    Server(Arc<Server>),
    /// A place that the image names.
    Place(Url),
}

impl Sender {
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Server(this), Self::Server(other)) => Arc::ptr_eq(this, other),
            (Self::Place(this), Self::Place(other)) => this == other,
            _ => false,
        }
    }
}

impl Senders {
    /// Takes note of who sends bytes of a blob, from `offset` on.
    pub(super) fn note(&self, digest: &Digest, sender: Sender, offset: u64) {
        let mut noted = self.noted();
        let senders = noted.sent.entry(digest.clone()).or_default();
        if offset == 0 {
            senders.clear();
        }
        if !senders.iter().any(|known| known.is(&sender)) {
            senders.push(sender);
        }
    }

    /// Blames all of them.
    pub(super) fn blame(&self, digest: &Digest) {
        let mut noted = self.noted();
        for sender in noted.sent.remove(digest).unwrap_or_default() {
            match sender {
                Sender::Server(server) => server.note_wrong(digest),
                Sender::Place(url) => {
                    noted.wrong_places.insert((digest.clone(), url));
                }
            }
        }
    }

    /// Whether a place has sent something else in place of this blob.
    pub(super) fn was_wrong(&self, digest: &Digest, place: &Url) -> bool {
        self.noted().wrong_places.contains(&(digest.clone(), place.clone()))
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
