use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use rustls::{AlertDescription, CertificateError};

use crate::public_only;
use crate::tls::TlsError;

/// Why a response is missing or incomplete.
#[derive(Debug)]
pub(crate) struct TransportError {
    pub(crate) kind: TransportKind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// Kinds of failures that call for different actions of the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TransportKind {
    /// The connection was refused.
    Refused,
    /// The name has no address.
    UnknownHost,
    /// No connection was established in time.
    Unreachable,
    /// No byte came for this long.
    Silent(Duration),
    /// The server answered the TLS handshake in another protocol.
    NotTls,
    /// The certificate is not trusted.
    Certificate,
    /// The certificate is for another name.
    WrongName,
    /// The certificate has expired or is not valid yet.
    WrongTime,
    /// The server refused the client certificate, or asked for one and got none.
    ClientCertificate,
    /// The system has no certificates to check against.
    NoCertificates,
    /// The certificates or keys configured for the server cannot be used.
    BadCertificates,
    /// The proxy made no connection.
    Proxy,
    /// The server's address is not public.
    Forbidden,
    /// The response is not HTTP, or the connection ended too early.
    Broken,
}

impl TransportError {
    pub(super) fn new(kind: TransportKind, source: Option<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, source }
    }

    pub(crate) fn silent(stall: Duration) -> Self {
        Self::new(TransportKind::Silent(stall), None)
    }

    pub(crate) fn broken(error: io::Error) -> Self {
        Self::new(TransportKind::Broken, Some(error.into()))
    }

    pub(super) fn bad_certificates(error: TlsError) -> Self {
        let kind = match &error {
            TlsError::NoAuthorities { .. } => TransportKind::NoCertificates,
            _ => TransportKind::BadCertificates,
        };
        Self::new(kind, Some(error.into()))
    }

    /// The cause, unless the kind says all.
    pub(crate) fn into_cause(self) -> Option<Box<dyn Error + Send + Sync>> {
        self.source.is_some().then(|| self.into())
    }
}

impl From<reqwest::Error> for TransportError {
    fn from(error: reqwest::Error) -> Self {
        Self::new(kind_of(&error), Some(error.without_url().into()))
    }
}

fn kind_of(error: &reqwest::Error) -> TransportKind {
    for cause in causes(error) {
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            return match tls {
                // No TLS record starts with this byte.
                rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType) => {
                    TransportKind::NotTls
                }
                rustls::Error::InvalidCertificate(error) => kind_of_certificate(error),
                rustls::Error::NoCertificatesPresented => TransportKind::Certificate,
                rustls::Error::AlertReceived(alert) if is_about_certificates(*alert) => {
                    TransportKind::ClientCertificate
                }
                _ => TransportKind::Broken,
            };
        }
        if cause.downcast_ref::<public_only::Refused>().is_some() {
            return TransportKind::Forbidden;
        }
        if let Some(io) = cause.downcast_ref::<io::Error>()
            && io.kind() == io::ErrorKind::ConnectionRefused
        {
            return TransportKind::Refused;
        }
    }
    match () {
        () if error.is_dns() => TransportKind::UnknownHost,
        () if error.is_connect() && error.is_timeout() => TransportKind::Unreachable,
        () => TransportKind::Broken,
    }
}

fn kind_of_certificate(error: &CertificateError) -> TransportKind {
    match error {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            TransportKind::WrongName
        }
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => TransportKind::WrongTime,
        _ => TransportKind::Certificate,
    }
}

/// Alerts about the client certificate.
fn is_about_certificates(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError
            | AlertDescription::CertificateRequired
    )
}

/// The error and its causes. An I/O error skips the error that it wraps in its own chain.
pub(super) fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}

/// Shows only the innermost cause: the layers above it only say that a request failed.
impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(source) = &self.source else { return f.write_str("no answer in time") };
        let source: &(dyn Error + 'static) = source.as_ref();
        if let Some(error) = source.downcast_ref::<TlsError>() {
            return write!(f, "{error}");
        }
        match causes(source).last() {
            Some(cause) => write!(f, "{cause}"),
            None => Ok(()),
        }
    }
}

impl Error for TransportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref()?.downcast_ref::<TlsError>()?.source()
    }
}
