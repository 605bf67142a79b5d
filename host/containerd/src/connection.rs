use std::io;
use std::path::{Path, PathBuf};

use containerd_client::services::v1::version_client::VersionClient;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::time::timeout;
use tonic::Request;
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::{Channel, Endpoint, Uri};

use super::answer::answer;
use super::failure::Cause;
use super::{Containerd, client};
use dray_core::limits;
use dray_ports::{Class, LeaseId, StoreError};

/// Longest namespace, in bytes: containerd's limit for identifiers.
const NAMESPACE_BYTES: usize = 76;

impl Containerd {
    /// Connects to the containerd at `address`, the path of a socket with or without `unix://`, and waits for a first
    /// answer.
    ///
    /// # Errors
    ///
    /// Fails with [`Class::Unreachable`] if nothing listens or nothing answers there, with [`Class::Denied`]
    /// if the socket may not be used, and with [`Class::InvalidArgument`] if the address is of another kind
    /// or the namespace is not one.
    pub async fn connect(address: &str, namespace: &str) -> Result<Self, StoreError> {
        let namespace = namespace_header(namespace).ok_or_else(|| {
            StoreError::new(Class::InvalidArgument, format!("use namespace `{namespace}`")).with_source(
                format!(
                    "a namespace has 1 to {NAMESPACE_BYTES} characters: letters and digits, and between two \
                     of them a single `.`, `_` or `-`"
                ),
            )
        })?;
        let during = || format!("connect to containerd at `{address}`");
        let failed = |class| StoreError::new(class, during());
        let path = socket_path(address).ok_or_else(|| {
            failed(Class::InvalidArgument).with_source("only the path of a unix socket is an address")
        })?;
        let connecting = async {
            let stream = UnixStream::connect(&path)
                .await
                .map_err(|error| failed(class_of_socket_error(&error)).with_source(error))?;
            let channel = channel_over(stream, path)
                .await
                .map_err(|error| failed(Class::Unreachable).with_source(error))?;
            let store = Self { channel, namespace };
            // Before the first answer, the other side may be any program.
            let mut client = client!(store, VersionClient<_>);
            let version =
                answer(client.version(store.request(()))).await.map_err(|cause| cause.during(during()))?;
            tracing::info!(address, version = version.version, "connected to containerd");
            Ok(store)
        };
        timeout(limits::DAEMON_CONNECT_TIMEOUT, connecting).await.unwrap_or_else(|_| {
            let seconds = limits::DAEMON_CONNECT_TIMEOUT.as_secs();
            Err(failed(Class::Unreachable).with_source(format!("no answer within {seconds} s")))
        })
    }

    /// A call in the namespace.
    pub(super) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("containerd-namespace", self.namespace.clone());
        request
    }

    /// A call in the namespace whose effects a lease protects.
    pub(super) fn leased_request<T>(&self, lease: &LeaseId, message: T) -> Result<Request<T>, Cause> {
        let lease = AsciiMetadataValue::try_from(lease.as_str()).map_err(Cause::LeaseName)?;
        let mut request = self.request(message);
        request.metadata_mut().insert("containerd-lease", lease);
        Ok(request)
    }
}

/// A channel that starts with an open socket, and opens the path again after a broken connection.
pub(super) async fn channel_over(
    stream: UnixStream,
    path: PathBuf,
) -> Result<Channel, tonic::transport::Error> {
    let mut first = Some(stream);
    let connector = tower::service_fn(move |_: Uri| {
        let open = first.take();
        let path = path.clone();
        async move {
            let stream = match open {
                Some(stream) => stream,
                None => UnixStream::connect(path).await?,
            };
            Ok::<_, io::Error>(TokioIo::new(stream))
        }
    });
    // The name is not resolved. Requests carry it as their authority.
    Endpoint::from_static("http://localhost")
        .connect_timeout(limits::DAEMON_CONNECT_TIMEOUT)
        .connect_with_connector(connector)
        .await
}

fn socket_path(address: &str) -> Option<PathBuf> {
    let path = address.strip_prefix("unix://").unwrap_or(address);
    (!path.is_empty() && !path.contains("://")).then(|| Path::new(path).to_owned())
}

/// The header value for a namespace, if it follows containerd's rule for identifiers.
fn namespace_header(namespace: &str) -> Option<AsciiMetadataValue> {
    let valid = namespace.len() <= NAMESPACE_BYTES
        && namespace
            .split(['.', '_', '-'])
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    valid.then(|| AsciiMetadataValue::try_from(namespace).ok()).flatten()
}

fn class_of_socket_error(error: &io::Error) -> Class {
    match error.kind() {
        io::ErrorKind::PermissionDenied => Class::Denied,
        // A path that is too long for a socket address.
        io::ErrorKind::InvalidInput => Class::InvalidArgument,
        _ => Class::Unreachable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_follow_the_rule_of_containerd() {
        for good in ["default", "k8s.io", "a", "A-1_b.c", &"a".repeat(76)] {
            assert!(namespace_header(good).is_some(), "{good}");
        }
        for bad in ["", "-a", "a-", "a..b", "a b", "ä", "a/b", "a\n", &"a".repeat(77)] {
            assert!(namespace_header(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn addresses_are_paths_of_sockets() {
        for (address, path) in [
            ("/run/c.sock", Some("/run/c.sock")),
            ("unix:///run/c.sock", Some("/run/c.sock")),
            ("c.sock", Some("c.sock")),
            ("tcp://127.0.0.1:1", None),
            ("unix://", None),
            ("", None),
        ] {
            assert_eq!(socket_path(address).as_deref(), path.map(Path::new), "{address}");
        }
    }

    #[test]
    fn socket_errors_are_classified() {
        for (kind, class) in [
            (io::ErrorKind::PermissionDenied, Class::Denied),
            (io::ErrorKind::NotFound, Class::Unreachable),
            (io::ErrorKind::ConnectionRefused, Class::Unreachable),
            (io::ErrorKind::InvalidInput, Class::InvalidArgument),
        ] {
            assert_eq!(class_of_socket_error(&kind.into()), class, "{kind}");
        }
    }

    #[tokio::test]
    async fn nothing_listens() {
        use std::error::Error as _;

        let directory = tempfile::tempdir().unwrap();
        let gone = directory.path().join("gone.sock");
        let error = Containerd::connect(&gone.to_string_lossy(), "default").await.unwrap_err();
        assert_eq!(error.class(), Class::Unreachable);
        assert_eq!(error.to_string(), format!("cannot connect to containerd at `{}`", gone.display()));
        let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>()).unwrap();
        assert_eq!(cause.kind(), io::ErrorKind::NotFound);

        let dead = directory.path().join("dead.sock");
        drop(std::os::unix::net::UnixListener::bind(&dead).unwrap());
        let error = Containerd::connect(&format!("unix://{}", dead.display()), "default").await.unwrap_err();
        assert_eq!(error.class(), Class::Unreachable);
    }

    #[tokio::test]
    async fn a_server_other_than_containerd_is_unreachable() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("other.sock");
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let other = tokio::spawn(async move {
            use tokio::io::AsyncWriteExt;
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"220 mail.example ESMTP\r\n").await.unwrap();
        });
        let error = Containerd::connect(&path.to_string_lossy(), "default").await.unwrap_err();
        assert_eq!(error.class(), Class::Unreachable);
        other.await.unwrap();
    }
}
