//! Time limits for answers of containerd.

use containerd_client::services::v1::version_client::VersionClient;
use tokio::time::{sleep, timeout};
use tonic::{Response, Status};

use super::failure::Cause;
use super::{Containerd, client};
use dray_core::limits;

/// The answer to a call that takes containerd little work.
pub(super) async fn answer<T>(call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, Cause> {
    Ok(soon(call).await?.into_inner())
}

/// The same for a part of an answer.
pub(super) async fn soon<T>(call: impl Future<Output = Result<T, Status>>) -> Result<T, Cause> {
    // Not the transport's timeout, which looks like a broken connection.
    Ok(timeout(limits::DAEMON_CALL_TIMEOUT, call).await.map_err(|_| Cause::Silent)??)
}

impl Containerd {
    /// The answer to a call that may take containerd long.
    pub(super) async fn long_answer<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Cause> {
        Ok(self.patiently(call).await??.into_inner())
    }

    /// Waits for work of unlimited duration, as long as containerd answers other calls.
    pub(super) async fn patiently<T>(&self, work: impl Future<Output = T>) -> Result<T, Cause> {
        tokio::select! {
            biased;
            done = work => Ok(done),
            silent = self.silence() => Err(silent),
        }
    }

    /// Returns when containerd stops answering calls.
    async fn silence(&self) -> Cause {
        loop {
            sleep(limits::DAEMON_PULSE).await;
            let mut client = client!(self, VersionClient<_>);
            // Any other failure is one of the connection, which the call itself notices.
            if let Err(silent @ Cause::Silent) = answer(client.version(self.request(()))).await {
                return silent;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::future::pending;

    use tokio::net::{UnixListener, UnixStream};
    use tokio::time::Instant;
    use tonic::metadata::AsciiMetadataValue;

    use super::super::connection::channel_over;
    use super::super::names::IngestRef;
    use super::*;
    use dray_core::oci::{Algorithm, Descriptor, MediaType};
    use dray_core::verify::digest_of;
    use dray_ports::{Applier as _, Class, ContentStore as _, Images as _, LeaseId, Leases as _, StoreError};

    /// A containerd that accepts calls and never answers. The second value keeps it open.
    async fn mute() -> (Containerd, impl Sized) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mute.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let stream = UnixStream::connect(&path).await.unwrap();
        let channel = channel_over(stream, path).await.unwrap();
        let namespace = AsciiMetadataValue::from_static("default");
        (Containerd { channel, namespace }, (directory, listener))
    }

    #[track_caller]
    fn assert_silent(error: &StoreError, operation: &str) {
        assert_eq!(error.class(), Class::Silent);
        assert_eq!(error.to_string(), format!("cannot {operation}"));
        let cause = error.source().unwrap();
        assert_eq!(cause.to_string(), "containerd has not answered within 120 s");
        assert!(cause.source().is_none());
    }

    #[tokio::test]
    async fn a_call_without_answer_times_out() {
        let (containerd, _open) = mute().await;
        tokio::time::pause();
        let asked = Instant::now();
        assert_silent(&containerd.list().await.unwrap_err(), "list images");
        assert_eq!(asked.elapsed().as_secs(), limits::DAEMON_CALL_TIMEOUT.as_secs());
    }

    #[tokio::test]
    async fn long_work_times_out_if_no_call_is_answered() {
        let (containerd, _open) = mute().await;
        tokio::time::pause();
        let digest = digest_of(Algorithm::Sha256, b"x");
        let lease = LeaseId::from_store("1");
        let layer = Descriptor::new(MediaType::new(MediaType::OCI_CONFIG), digest.clone(), 1);
        let asked = Instant::now();
        let error = containerd.apply(&lease, &layer, &[]).await.unwrap_err();
        assert_silent(&error, &format!("apply layer `{digest}`"));
        let due = limits::DAEMON_PULSE + limits::DAEMON_CALL_TIMEOUT;
        assert_eq!(asked.elapsed().as_secs(), due.as_secs());
        let name = IngestRef::of(&layer);
        let error = containerd.open_ingest(&lease, &layer).await.err().unwrap();
        assert_silent(&error, &format!("open ingest `{name}`"));
        assert_silent(&containerd.release(&lease).await.unwrap_err(), "release lease `1`");
    }

    #[tokio::test(start_paused = true)]
    async fn finished_work_is_returned() {
        let (containerd, _open) = mute().await;
        let work = sleep(limits::DAEMON_CALL_TIMEOUT);
        assert!(containerd.patiently(work).await.is_ok());
        let endless = containerd.patiently(pending::<()>()).await;
        assert!(matches!(endless, Err(Cause::Silent)));
    }
}
