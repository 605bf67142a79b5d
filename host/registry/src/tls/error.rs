use std::io;
use std::path::PathBuf;

/// Why TLS cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("cannot read `{}`", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("there is no {what} in `{}`", path.display())]
    Missing { what: &'static str, path: PathBuf },
    #[error("`{}` is not in the form that PEM files have", path.display())]
    NotPem { path: PathBuf, source: rustls::pki_types::pem::Error },
    #[error("the {what} in `{}` cannot be used", path.display())]
    Unusable { what: &'static str, path: PathBuf, source: rustls::Error },
    /// The system has no trusted certificates.
    #[error("no certificate authority is known")]
    NoAuthorities { source: Option<rustls_native_certs::Error> },
    #[error("certificates cannot be checked")]
    NoVerifier { source: rustls::client::VerifierBuilderError },
    #[error("no version of TLS can be spoken")]
    NoVersion { source: rustls::Error },
}
