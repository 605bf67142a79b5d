//! Writes a blob with one `Content.Write` call.
//!
//! containerd answers message by message, in order. Up to [`limits::CONTENT_CHUNKS_IN_FLIGHT`] messages are sent
//! ahead of their answers. The call holds the lock on the ingest. The end of the call, of any kind, releases the
//! lock.

use std::collections::VecDeque;
use std::mem;

use async_trait::async_trait;
use bytes::Bytes;
use containerd_client::services::v1::{WriteAction, WriteContentRequest, WriteContentResponse};
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use super::failure::Cause;
use super::names::IngestRef;
use super::{Containerd, convert, labels};
use dray_core::limits;
use dray_core::oci::Descriptor;
use dray_ports::{BlobFacts, Class, Committed, Ingest, Labels, LeaseId, OpenedIngest, StoreError};

/// How an upload treats an existing blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Existing {
    /// It makes the upload unnecessary.
    Stays,
    /// The upload replaces it.
    IsReplaced,
}

/// An ingest that this client writes.
pub(super) struct Upload {
    store: Containerd,
    name: IngestRef,
    descriptor: Descriptor,
    call: Call,
    /// The offset of the next byte, counting those in `buffer`.
    position: u64,
    /// Bytes of the next message.
    buffer: Vec<u8>,
    /// The offset after each unanswered message, oldest first.
    unconfirmed: VecDeque<u64>,
    /// Another client has finished the blob.
    exists: bool,
}

impl Upload {
    /// Opens the ingest, or finds that the blob exists. `finish` makes an ingest of the upload.
    pub(super) async fn open(
        store: &Containerd,
        lease: &LeaseId,
        descriptor: &Descriptor,
        existing: Existing,
        finish: impl FnOnce(Self) -> Box<dyn Ingest>,
    ) -> Result<OpenedIngest, StoreError> {
        let name = IngestRef::of(descriptor);
        match Self::try_open(store, lease, &name, descriptor, existing).await {
            Ok(upload) => Ok(OpenedIngest::Ready(finish(upload))),
            Err(cause) if cause.class() == Class::AlreadyExists => Ok(OpenedIngest::Exists),
            Err(cause) if cause.is_unavailable() => Ok(OpenedIngest::Locked),
            Err(cause) => Err(cause.during(format!("open ingest `{name}`"))),
        }
    }

    async fn try_open(
        store: &Containerd,
        lease: &LeaseId,
        name: &IngestRef,
        descriptor: &Descriptor,
        existing: Existing,
    ) -> Result<Self, Cause> {
        let (mut call, mut offset) = Call::open(store, Some(lease), name, descriptor, existing).await?;
        if offset > descriptor.size {
            // Left behind by a client that expected another size. It is of no use.
            store.abort_ingest(name).await?;
            call.close().await;
            (call, offset) = Call::open(store, Some(lease), name, descriptor, existing).await?;
        }
        if offset > descriptor.size {
            // This is the size of the blob itself, which another namespace has. The descriptor is wrong.
            store.abort_ingest(name).await?;
            return Err(Cause::WrongSize { found: offset, due: descriptor.size });
        }
        Ok(Self {
            store: store.clone(),
            name: name.clone(),
            descriptor: descriptor.clone(),
            call,
            position: offset,
            buffer: Vec::new(),
            unconfirmed: VecDeque::new(),
            exists: false,
        })
    }

    async fn append(&mut self, mut bytes: &[u8]) -> Result<(), Cause> {
        while !bytes.is_empty() {
            let sent = self.position - self.buffer.len() as u64;
            let message = message_bytes(sent);
            if self.buffer.is_empty() {
                // At most the missing bytes, so that a small blob takes a small buffer.
                let missing = self.descriptor.size.saturating_sub(self.position);
                let missing = usize::try_from(missing).unwrap_or(usize::MAX);
                self.buffer.reserve_exact(missing.min(message));
            }
            let room = message - self.buffer.len();
            let (fitting, rest) = bytes.split_at(room.min(bytes.len()));
            self.buffer.extend_from_slice(fitting);
            self.position += fitting.len() as u64;
            if self.buffer.len() == message {
                self.flush().await?;
            }
            bytes = rest;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Cause> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        while self.unconfirmed.len() >= limits::CONTENT_CHUNKS_IN_FLIGHT {
            self.confirm().await?;
        }
        let permit = self.call.room().await?;
        // From here on nothing waits: if the caller is dropped, the bytes are either in the buffer, or on their way with
        // an answer due.
        let data = mem::take(&mut self.buffer);
        // The offset is zero only in an empty ingest. Otherwise containerd would truncate the ingest.
        let offset = convert::to_signed(self.position - data.len() as u64);
        self.unconfirmed.push_back(self.position);
        let action = WriteAction::Write.into();
        permit.send(WriteContentRequest { action, offset, data, ..WriteContentRequest::default() });
        Ok(())
    }

    /// Waits for the answer to the oldest unanswered message.
    async fn confirm(&mut self) -> Result<(), Cause> {
        let answer = self.call.answer().await?;
        match self.unconfirmed.pop_front() {
            Some(due) if answer.offset != convert::to_signed(due) => Err(Cause::Malformed(format!(
                "the ingest is at offset {} where {due} was written",
                answer.offset
            ))),
            _ => Ok(()),
        }
    }

    async fn finish(&mut self, labels: &Labels) -> Result<(), Cause> {
        self.flush().await?;
        let digest = self.descriptor.digest.to_string();
        let size = convert::to_signed(self.descriptor.size);
        self.call.room().await?.send(WriteContentRequest {
            action: WriteAction::Commit.into(),
            total: size,
            expected: digest.clone(),
            offset: convert::to_signed(self.position),
            labels: convert::to_map(labels),
            ..WriteContentRequest::default()
        });
        while !self.unconfirmed.is_empty() {
            self.confirm().await?;
        }
        let committed = self.call.answer().await?;
        if committed.offset != size || committed.digest != digest {
            return Err(Cause::Malformed(format!(
                "it committed `{}` with {} bytes where `{digest}` with {size} was asked for",
                committed.digest, committed.offset
            )));
        }
        Ok(())
    }

    /// Waits until containerd has confirmed all written bytes.
    pub(super) async fn deliver(&mut self) -> Result<(), StoreError> {
        let confirmed = self.confirm_all().await;
        confirmed.map_err(|cause| cause.during(self.during("write to")))
    }

    async fn confirm_all(&mut self) -> Result<(), Cause> {
        self.flush().await?;
        while !self.unconfirmed.is_empty() {
            self.confirm().await?;
        }
        Ok(())
    }

    /// Aborts the ingest while its lock is still held, so that the next writer starts from the beginning.
    async fn discard(self) -> Result<(), Cause> {
        self.store.abort_ingest(&self.name).await?;
        self.call.close().await;
        Ok(())
    }

    /// Releases the lock, and then takes the ingest out of the lease: an ingest that is opened without a lease is
    /// kept for a day.
    async fn suspend_upload(mut self) -> Result<(), Cause> {
        self.confirm_all().await?;
        let Self { store, name, descriptor, call, .. } = self;
        call.close().await;
        match Call::open(&store, None, &name, &descriptor, Existing::Stays).await {
            Ok((call, _)) => call.close().await,
            // Another client already continues it.
            Err(cause) if cause.is_unavailable() || cause.class() == Class::AlreadyExists => {}
            Err(cause) => return Err(cause),
        }
        Ok(())
    }

    /// Makes a blob of the ingest, with its first labels.
    pub(super) async fn commit_labelled(
        mut self: Box<Self>,
        labels: &Labels,
    ) -> Result<Committed, StoreError> {
        if self.exists {
            return Ok(Committed::Exists);
        }
        let during = self.during("commit");
        if self.position != self.descriptor.size {
            // containerd would report the same, but release the lock before the ingest is gone.
            let cause = Cause::WrongSize { found: self.position, due: self.descriptor.size };
            let name = self.name.clone();
            report_leftover(&name, self.discard().await);
            return Err(cause.during(during));
        }
        match self.finish(labels).await {
            Ok(()) => Ok(Committed::New),
            Err(cause) if cause.class() == Class::AlreadyExists => Ok(Committed::Exists),
            Err(cause) => {
                if cause.class() == Class::FailedPrecondition {
                    // The failed commit released the lock. A client that took it since has the same wrong bytes, and
                    // loses nothing.
                    report_leftover(&self.name, self.store.abort_ingest(&self.name).await);
                }
                Err(cause.during(during))
            }
        }
    }

    fn during(&self, doing: &str) -> String {
        format!("{doing} ingest `{}`", self.name)
    }
}

#[async_trait]
impl Ingest for Upload {
    fn offset(&self) -> u64 {
        self.position
    }

    fn restart(&mut self) {
        // containerd truncates an ingest when a message starts at offset 0.
        self.position = 0;
        self.buffer.clear();
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        let end = self.position + bytes.len() as u64;
        if !self.exists {
            match self.append(&bytes).await {
                Ok(()) => {}
                Err(cause) if cause.class() == Class::AlreadyExists => self.exists = true,
                Err(cause) => return Err(cause.during(self.during("write to"))),
            }
        }
        self.position = end;
        Ok(())
    }

    async fn commit(self: Box<Self>, facts: &BlobFacts) -> Result<Committed, StoreError> {
        self.commit_labelled(&labels::of_blob(facts, &Labels::new())).await
    }

    async fn abort(self: Box<Self>) -> Result<(), StoreError> {
        let during = self.during("abort");
        self.discard().await.map_err(|cause| cause.during(during))
    }

    async fn suspend(self: Box<Self>) -> Result<(), StoreError> {
        if self.exists {
            return Ok(());
        }
        let during = self.during("suspend");
        self.suspend_upload().await.map_err(|cause| cause.during(during))
    }
}

/// Size of the next message: the number of bytes sent so far, within limits.
fn message_bytes(sent: u64) -> usize {
    let sent = usize::try_from(sent).unwrap_or(usize::MAX);
    sent.clamp(limits::CONTENT_FIRST_CHUNK_BYTES, limits::CONTENT_CHUNK_BYTES)
}

/// The caller must see the failure of the commit, so a second failure is only logged.
fn report_leftover(name: &IngestRef, discarded: Result<(), Cause>) {
    if let Err(cause) = discarded {
        tracing::warn!(ingest = %name, error = &cause as &dyn std::error::Error, "ingest left behind");
    }
}

/// One `Content.Write` call.
struct Call {
    store: Containerd,
    requests: mpsc::Sender<WriteContentRequest>,
    answers: Streaming<WriteContentResponse>,
}

impl Call {
    /// Takes the lock on an ingest, and returns its offset.
    async fn open(
        store: &Containerd,
        lease: Option<&LeaseId>,
        name: &IngestRef,
        descriptor: &Descriptor,
        existing: Existing,
    ) -> Result<(Self, u64), Cause> {
        let status = WriteContentRequest {
            action: WriteAction::Stat.into(),
            r#ref: name.to_string(),
            total: convert::to_signed(descriptor.size),
            // With it, containerd recognises an existing blob and adds it to the lease.
            expected: match existing {
                Existing::Stays => descriptor.digest.to_string(),
                Existing::IsReplaced => String::new(),
            },
            ..WriteContentRequest::default()
        };
        // Room for all unconfirmed messages, and for the commit.
        let (requests, messages) = mpsc::channel(limits::CONTENT_CHUNKS_IN_FLIGHT + 1);
        let messages = tokio_stream::once(status).chain(ReceiverStream::new(messages));
        let request = match lease {
            Some(lease) => store.leased_request(lease, messages)?,
            None => store.request(messages),
        };
        let answers = store.long_answer(store.content().write(request)).await?;
        let mut call = Self { store: store.clone(), requests, answers };
        let status = call.answer().await?;
        Ok((call, convert::from_signed(status.offset)?))
    }

    /// Waits until a message can be sent.
    async fn room(&mut self) -> Result<mpsc::OwnedPermit<WriteContentRequest>, Cause> {
        match self.store.patiently(self.requests.clone().reserve_owned()).await? {
            Ok(permit) => Ok(permit),
            Err(_) => Err(self.ending().await),
        }
    }

    async fn answer(&mut self) -> Result<WriteContentResponse, Cause> {
        self.store.patiently(self.answers.message()).await??.ok_or(Cause::NoAnswer)
    }

    /// Why the call accepts no more messages.
    async fn ending(&mut self) -> Cause {
        loop {
            if let Err(cause) = self.answer().await {
                return cause;
            }
        }
    }

    /// Ends the call and waits until containerd has ended it too, which releases the lock.
    async fn close(self) {
        let Self { store, requests, mut answers } = self;
        drop(requests);
        while let Ok(Ok(Some(_))) = store.patiently(answers.message()).await {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_grow_with_the_bytes_sent() {
        const KIB: u64 = 1024;
        let mut sent = 0;
        let sizes = std::iter::repeat_with(|| {
            let size = message_bytes(sent) as u64;
            sent += size;
            size / KIB
        });
        assert_eq!(sizes.take(7).collect::<Vec<_>>(), [64, 64, 128, 256, 512, 1024, 1024]);
    }
}
