use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;

use dray_core::oci::{Descriptor, Digest, Reference};
use dray_ports::{BlobStream, FetchFailure, FetchFault, Registry, Resolved};

/// What a fake registry does to a blob.
#[derive(Clone, Copy)]
pub enum Lie {
    /// Breaks off after so many bytes of every answer.
    BreaksAfter(usize),
    /// Ends too early, as if all had been sent.
    EndsAfter(usize),
    /// Breaks off after so many bytes, and sends nothing after that.
    DiesAfter(usize),
    /// Breaks off after so many bytes, and does not know the blob after that.
    GoneAfter(usize),
    /// Sends other bytes.
    Twists,
}

/// A registry in memory, that can lie.
#[derive(Default)]
pub struct FakeRegistry {
    /// What it serves.
    pub blobs: Mutex<HashMap<Digest, Bytes>>,
    /// What every reference resolves to.
    pub target: Mutex<Option<Descriptor>>,
    /// What it does to a blob.
    pub lies: Mutex<HashMap<Digest, Lie>>,
    /// Digest, offset, and bytes sent.
    pub served: Mutex<Vec<(Digest, u64, usize)>>,
}

#[async_trait]
impl Registry for FakeRegistry {
    async fn resolve(&self, _: &Reference) -> Result<Resolved, FetchFailure> {
        Ok(Resolved {
            descriptor: self
                .target
                .lock()
                .expect("no holder of the lock panics")
                .clone()
                .expect("a test asks only for what it made"),
            document: None,
        })
    }

    async fn fetch_unverified(
        &self,
        _: &Reference,
        descriptor: &Descriptor,
        offset: u64,
    ) -> Result<BlobStream, FetchFailure> {
        let failure = |fault| FetchFailure::new(fault, "the fake registry failed");
        let blob = self.blobs.lock().expect("no holder of the lock panics").get(&descriptor.digest).cloned();
        let blob = blob.ok_or_else(|| failure(FetchFault::NotFound))?;
        let rest = blob.slice(usize::try_from(offset).expect("a test asks only for what it made")..);
        let lie = self.lies.lock().expect("no holder of the lock panics").get(&descriptor.digest).copied();
        let (bytes, broken) = match lie {
            Some(Lie::BreaksAfter(count)) if count < rest.len() => (rest.slice(..count), true),
            Some(Lie::EndsAfter(count)) if count < rest.len() => (rest.slice(..count), false),
            Some(Lie::GoneAfter(count))
                if usize::try_from(offset).expect("a test asks only for what it made") >= count =>
            {
                return Err(failure(FetchFault::NotFound));
            }
            Some(Lie::DiesAfter(count) | Lie::GoneAfter(count)) => {
                let left =
                    count.saturating_sub(usize::try_from(offset).expect("a test asks only for what it made"));
                (rest.slice(..left.min(rest.len())), true)
            }
            Some(Lie::Twists) => (rest.iter().map(|byte| byte ^ 1).collect(), false),
            _ => (rest, false),
        };
        self.served.lock().expect("no holder of the lock panics").push((
            descriptor.digest.clone(),
            offset,
            bytes.len(),
        ));
        let mut items: Vec<Result<Bytes, FetchFailure>> =
            bytes.chunks(7).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        if broken {
            items.push(Err(failure(FetchFault::Unavailable)));
        }
        Ok(Box::pin(futures_util::stream::iter(items)))
    }
}
