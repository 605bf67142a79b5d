use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use url::Url;

use super::remembered::Remembered;
use super::server::Server;
use dray_core::limits;
use dray_core::oci::Digest;

/// Which servers sent bytes of which blob. If several sent a part of a wrong blob, all of them are blamed.
pub(super) struct Senders(Mutex<Noted>);

struct Noted {
    sent: Remembered<Digest, Vec<Sender>>,
    /// URLs outside of the registry that sent wrong content for a blob.
    wrong_places: Remembered<(Digest, Url), ()>,
}

impl Default for Senders {
    fn default() -> Self {
        let sent = Remembered::new(limits::REMEMBERED_BLOBS);
        let wrong_places = Remembered::new(limits::REMEMBERED_BLOBS);
        Self(Mutex::new(Noted { sent, wrong_places }))
    }
}

/// A server that sends bytes of a blob.
pub(super) enum Sender {
    /// A server of the registry.
    Server(Arc<Server>),
    /// A URL that the image names.
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
    /// Notes that a sender sends bytes of a blob, from `offset` on.
    pub(super) fn note(&self, digest: &Digest, sender: Sender, offset: u64) {
        let mut noted = self.noted();
        let senders = noted.sent.get_or_insert_with(digest, Vec::new);
        if offset == 0 {
            senders.clear();
        }
        if !senders.iter().any(|known| known.is(&sender)) {
            senders.push(sender);
        }
    }

    /// Blames all senders of a blob.
    pub(super) fn blame(&self, digest: &Digest) {
        let mut noted = self.noted();
        for sender in noted.sent.remove(digest).unwrap_or_default() {
            match sender {
                Sender::Server(server) => server.note_wrong(digest),
                Sender::Place(url) => {
                    noted.wrong_places.get_or_insert_with(&(digest.clone(), url), || ());
                }
            }
        }
    }

    /// Whether a URL sent wrong content for this blob.
    pub(super) fn was_wrong(&self, digest: &Digest, place: &Url) -> bool {
        self.noted().wrong_places.get(&(digest.clone(), place.clone())).is_some()
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
