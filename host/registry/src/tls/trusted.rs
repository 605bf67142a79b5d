use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::der::oid::db::rfc5280::{ANY_EXTENDED_KEY_USAGE, ID_KP_SERVER_AUTH};
use x509_cert::ext::pkix::ExtendedKeyUsage;

use super::error::TlsError;

/// Accepts a certificate that a trusted one has issued, or that is itself a trusted one.
///
/// The second rule is Go's (`Verify` of `crypto/x509`), and webpki lacks it. Most private registries depend on it: a
/// certificate of `openssl req -x509` claims to be an authority, and the issuer of a pinned certificate is unknown
/// here.
#[derive(Debug)]
pub(super) struct Trusted {
    certificates: Vec<CertificateDer<'static>>,
    issuers: Arc<WebPkiServerVerifier>,
}

impl Trusted {
    /// Trusts these certificates, which must be valid, and those of the system.
    pub(super) fn new(
        mut certificates: Vec<CertificateDer<'static>>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, TlsError> {
        let system = rustls_native_certs::load_native_certs();
        for error in &system.errors {
            tracing::debug!(%error, "a certificate of the system is left out");
        }
        certificates.extend(system.certs);
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(certificates.iter().cloned());
        if store.is_empty() {
            return Err(TlsError::NoAuthorities { source: system.errors.into_iter().next() });
        }
        let issuers = WebPkiServerVerifier::builder_with_provider(store.into(), Arc::clone(provider)).build();
        let issuers = issuers.map_err(|source| TlsError::NoVerifier { source })?;
        Ok(Self { certificates, issuers })
    }
}

impl ServerCertVerifier for Trusted {
    fn verify_server_cert(
        &self,
        presented: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.issuers.verify_server_cert(presented, intermediates, name, ocsp_response, now) {
            Err(_) if self.certificates.contains(presented) => check(presented, name, now),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.issuers.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.issuers.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.issuers.supported_verify_schemes()
    }
}

/// Checks the parts of a trusted certificate that do not depend on its issuer: time, purpose and name.
fn check(
    trusted: &CertificateDer<'_>,
    name: &ServerName<'_>,
    now: UnixTime,
) -> Result<ServerCertVerified, Error> {
    // Refuses a certificate with an unknown critical extension.
    let parsed = ParsedCertificate::try_from(trusted)?;
    let read = Certificate::from_der(trusted).map_err(|_| CertificateError::BadEncoding)?;
    let content = read.tbs_certificate();
    let [not_before, not_after] = [content.validity().not_before, content.validity().not_after]
        .map(|time| UnixTime::since_unix_epoch(time.to_unix_duration()));
    if now < not_before {
        return Err(CertificateError::NotValidYetContext { time: now, not_before }.into());
    }
    if now > not_after {
        return Err(CertificateError::ExpiredContext { time: now, not_after }.into());
    }
    let purposes = content.get_extension::<ExtendedKeyUsage>();
    if let Some((_, purposes)) = purposes.map_err(|_| CertificateError::BadEncoding)?
        && ![ID_KP_SERVER_AUTH, ANY_EXTENDED_KEY_USAGE].iter().any(|purpose| purposes.0.contains(purpose))
    {
        return Err(CertificateError::InvalidPurpose.into());
    }
    verify_server_name(&parsed, name)?;
    Ok(ServerCertVerified::assertion())
}
