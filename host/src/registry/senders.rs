use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::server::Server;
use crate::oci::Digest;

/// Who has sent bytes of which blob. Which of several it was that sent a wrong one, nobody can tell.
#[derive(Default)]
pub(super) struct Senders(Mutex<HashMap<Digest, Vec<Arc<Server>>>>);

impl Senders {
    /// Takes note that a server sends bytes of a blob, from `offset` on.
    pub(super) fn note(&self, digest: &Digest, server: &Arc<Server>, offset: u64) {
        let mut senders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let senders = senders.entry(digest.clone()).or_default();
        if offset == 0 {
            senders.clear();
        }
        if !senders.iter().any(|known| Arc::ptr_eq(known, server)) {
            senders.push(Arc::clone(server));
        }
    }

    /// Blames all of them.
    pub(super) fn blame(&self, digest: &Digest) {
        let senders = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(digest);
        for server in senders.unwrap_or_default() {
            server.note_wrong(digest);
        }
    }
}
