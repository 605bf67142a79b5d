//! Downloads layers in parallel with the unpacking: a limited number at a time, each blob once, in order.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::PullError;
use super::blob::Blob;
use super::fetch::{BlobFetcher, FetchEvent, Fetched};
use dray_core::limits;
use dray_core::oci::{Descriptor, DiffId, Digest};
use dray_ports::{BlobFacts, Event, LayerState, Progress};

/// Running and finished downloads. Dropping it ends the running ones.
pub(super) struct Downloads {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
    started: HashMap<Digest, Download>,
}

/// A started download.
#[derive(Clone)]
pub(super) struct Download(watch::Receiver<Option<Fetched>>);

struct Shared {
    blobs: BlobFetcher,
    permits: Semaphore,
    progress: Arc<dyn Progress>,
    /// Whether a downloaded layer is done.
    is_last_step: bool,
}

impl Shared {
    async fn download(&self, index: usize, descriptor: &Descriptor) -> Result<Fetched, PullError> {
        let stop = &self.blobs.stop;
        let permit = stop.or_cancelled(async { Ok(self.permits.acquire().await) }).await?;
        let watch = |event| {
            let state = match event {
                FetchEvent::WaitingForOther => LayerState::WaitingForOther,
                FetchEvent::Offset(offset) => LayerState::Downloading { offset },
            };
            self.progress.event(Event::Layer { index, state });
        };
        let fetched = self.blobs.fetch(Blob::layer(descriptor), watch).await?;
        drop(permit);
        let state = match fetched {
            _ if !self.is_last_step => LayerState::Downloaded,
            Fetched::Downloaded(_) => LayerState::Done,
            Fetched::Existed => LayerState::Exists,
        };
        self.progress.event(Event::Layer { index, state });
        Ok(fetched)
    }
}

impl Downloads {
    /// Starts without downloads; later at most `parallel` run at a time. `is_last_step` tells the progress whether a
    /// downloaded layer is done.
    pub(super) fn new(
        blobs: BlobFetcher,
        parallel: NonZeroUsize,
        is_last_step: bool,
        progress: Arc<dyn Progress>,
    ) -> Self {
        let permits = Semaphore::new(parallel.get().min(Semaphore::MAX_PERMITS));
        let shared = Shared { blobs, permits, progress, is_last_step };
        Self { shared: Arc::new(shared), tasks: JoinSet::new(), started: HashMap::new() }
    }

    /// Starts the download of a layer's blob, unless it was started. `index` is for the progress.
    pub(super) fn start(&mut self, index: usize, descriptor: &Descriptor) -> Download {
        self.start_after(index, descriptor, None)
    }

    /// The same for a blob that is needed after another one. The other one gets a head start, because unpacking waits
    /// for it.
    pub(super) fn start_behind(&mut self, index: usize, descriptor: &Descriptor, first: &Download) {
        self.start_after(index, descriptor, Some(first.clone()));
    }

    fn start_after(&mut self, index: usize, descriptor: &Descriptor, first: Option<Download>) -> Download {
        if let Some(download) = self.started.get(&descriptor.digest) {
            return download.clone();
        }
        let (sender, receiver) = watch::channel(None);
        let download = Download(receiver);
        self.started.insert(descriptor.digest.clone(), download.clone());
        let shared = Arc::clone(&self.shared);
        let descriptor = descriptor.clone();
        self.tasks.spawn(async move {
            if let Some(Download(mut first)) = first {
                // It ends with an error if that download failed. Then everything stops, and `download` notices.
                let start = tokio::time::timeout(limits::HEAD_START, first.wait_for(Option::is_some));
                let _ = shared.blobs.stop.or_cancelled(async { Ok(start.await.is_ok()) }).await;
            }
            match shared.download(index, &descriptor).await {
                Ok(fetched) => sender.send_replace(Some(fetched)).map_or((), drop),
                // The failures of the others then only follow from this one.
                Err(error) => drop(shared.blobs.stop.fail(error)),
            }
        });
        download
    }

    /// Waits until a blob is in the store.
    pub(super) async fn wait(&self, download: Download) -> Result<Fetched, PullError> {
        let Download(mut receiver) = download;
        let fetched = async {
            match receiver.wait_for(Option::is_some).await.as_deref() {
                Ok(Some(fetched)) => Ok(*fetched),
                _ => Err(PullError::Cancelled),
            }
        };
        self.shared.blobs.stop.or_cancelled(fetched).await
    }

    /// The result of a download; `None` if it was not started or has not ended.
    pub(super) fn outcome(&self, digest: &Digest) -> Option<Fetched> {
        let Download(outcome) = self.started.get(digest)?;
        *outcome.borrow()
    }

    /// Waits for all downloads.
    pub(super) async fn finish(&mut self) -> Result<(), PullError> {
        while self.tasks.join_next().await.is_some() {}
        if self.shared.blobs.stop.is_cancelled() {
            return Err(PullError::Cancelled);
        }
        Ok(())
    }

    /// Waits until each stopped download has released its lock. A download without time for that leaves its ingest to
    /// the lease.
    pub(super) async fn drain(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }

    /// Why a layer cannot be unpacked: damage in the store, or else `error`.
    pub(super) async fn or_damage(&self, layer: &Descriptor, error: PullError) -> PullError {
        let blame = async { Ok(self.shared.blobs.or_damage(Blob::layer(layer), error).await) };
        self.shared.blobs.stop.or_cancelled(blame).await.unwrap_or(PullError::Cancelled)
    }

    /// Tells the store what a layer's blob unpacks to.
    pub(super) async fn note_diff_id(&self, layer: &Descriptor, diff_id: &DiffId) -> Result<(), PullError> {
        let facts = BlobFacts { diff_id: Some(diff_id.clone()), ..BlobFacts::default() };
        self.shared.blobs.note(Blob::layer(layer), &facts).await
    }
}
