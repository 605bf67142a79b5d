use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, WantsClientCert};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ConfigBuilder, DigitallySignedStruct, SignatureScheme};
use rustls_platform_verifier::Verifier;

use super::hosts::{ClientPair, HostEndpoint};
use crate::limits;

/// What a server wants of TLS. Servers that want the same share connections.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct TlsSettings {
    pub(super) ca: Vec<PathBuf>,
    pub(super) client: Vec<ClientPair>,
    pub(super) skip_verify: bool,
}

impl From<&HostEndpoint> for TlsSettings {
    fn from(server: &HostEndpoint) -> Self {
        Self { ca: server.ca.clone(), client: server.client.clone(), skip_verify: server.skip_verify }
    }
}

/// Why there can be no TLS.
#[derive(Debug, thiserror::Error)]
pub(super) enum TlsError {
    #[error("cannot read `{}`", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("there is no {what} in `{}`", path.display())]
    Missing { what: &'static str, path: PathBuf },
    #[error("`{}` is not in the form that PEM files have", path.display())]
    NotPem { path: PathBuf, source: rustls::pki_types::pem::Error },
    #[error("the {what} in `{}` cannot be used", path.display())]
    Unusable { what: &'static str, path: PathBuf, source: rustls::Error },
    /// This system trusts nobody.
    #[error("no certificate authority is known")]
    NoAuthorities { source: rustls::Error },
    #[error("no version of TLS can be spoken")]
    NoVersion { source: rustls::Error },
}

/// Reads the files and makes of them what a connection needs. Takes a while: the certificates of the system
/// are read as well, unless nobody looks at any.
pub(super) fn config(settings: &TlsSettings) -> Result<ClientConfig, TlsError> {
    // The cryptography of the process. If the program around us has chosen one, that is as good as ours.
    let provider = CryptoProvider::get_default().cloned();
    let provider = provider.unwrap_or_else(|| Arc::new(rustls::crypto::ring::default_provider()));
    let verifier: Arc<dyn ServerCertVerifier> = if settings.skip_verify {
        // The files are read all the same: an error in them should not wait for the day when it matters.
        for path in &settings.ca {
            certificates(path)?;
        }
        Arc::new(TakesAny(provider.signature_verification_algorithms))
    } else {
        Arc::new(verifier(&settings.ca, &provider)?)
    };
    let builder =
        ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let builder = builder.map_err(|source| TlsError::NoVersion { source })?;
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    let mut config = with_client(builder, &settings.client, &provider)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn verifier(ca: &[PathBuf], provider: &Arc<CryptoProvider>) -> Result<Verifier, TlsError> {
    let mut roots = Vec::new();
    for path in ca {
        let certificates = certificates(path)?;
        for certificate in &certificates {
            // Only the first error would be told below, and not of which file.
            let added = rustls::RootCertStore::empty().add(certificate.clone());
            added.map_err(|source| TlsError::Unusable { what: "certificate", path: path.clone(), source })?;
        }
        roots.extend(certificates);
    }
    Verifier::new_with_extra_roots(roots, Arc::clone(provider))
        .map_err(|source| TlsError::NoAuthorities { source })
}

fn with_client(
    builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    pairs: &[ClientPair],
    provider: &CryptoProvider,
) -> Result<ClientConfig, TlsError> {
    if pairs.is_empty() {
        return Ok(builder.with_no_client_auth());
    }
    let mut keys = Vec::new();
    for ClientPair { certificate, key } in pairs {
        let chain = certificates(certificate)?;
        let path = key.as_ref().unwrap_or(certificate);
        let private = private_key(path)?;
        let key = CertifiedKey::from_der(chain, private, provider).map_err(|source| TlsError::Unusable {
            what: "key",
            path: path.clone(),
            source,
        })?;
        keys.push(Arc::new(key));
    }
    Ok(builder.with_client_cert_resolver(Arc::new(OwnCertificates(keys))))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let found = found.map_err(|source| TlsError::NotPem { path: path.to_owned(), source })?;
    if found.is_empty() {
        return Err(TlsError::Missing { what: "certificate", path: path.to_owned() });
    }
    Ok(found)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|source| match source {
        rustls::pki_types::pem::Error::NoItemsFound => {
            TlsError::Missing { what: "private key", path: path.to_owned() }
        }
        source => TlsError::NotPem { path: path.to_owned(), source },
    })
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let unreadable = |source| TlsError::Unreadable { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(limits::CERTIFICATE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > limits::CERTIFICATE_BYTES {
        let problem = format!("it has more than {} bytes", limits::CERTIFICATE_BYTES);
        return Err(unreadable(io::Error::new(io::ErrorKind::FileTooLarge, problem)));
    }
    Ok(bytes)
}

/// Shows the first certificate whose key can sign as the server wants it, and of these rather one that an
/// authority named by the server has issued.
#[derive(Debug)]
struct OwnCertificates(Vec<Arc<CertifiedKey>>);

impl ResolvesClientCert for OwnCertificates {
    fn resolve(&self, authorities: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let mut usable = self.0.iter().filter(|key| key.key.choose_scheme(schemes).is_some()).peekable();
        let first = usable.peek().copied();
        let named = usable.find(|key| key.cert.iter().any(|link| is_issued_by(link, authorities)));
        named.or(first).cloned()
    }

    fn has_certs(&self) -> bool {
        !self.0.is_empty()
    }
}

/// Whether the name of an authority stands in a certificate. It is there as its issuer, unless somebody has
/// gone to great lengths, and then a certificate is shown that would have been shown anyway.
fn is_issued_by(certificate: &[u8], authorities: &[&[u8]]) -> bool {
    let names = |authority: &&[u8]| {
        !authority.is_empty() && certificate.windows(authority.len()).any(|part| part == *authority)
    };
    authorities.iter().any(names)
}

/// Takes any certificate, but not any signature: who speaks must at least have the certificate's key.
#[derive(Debug)]
struct TakesAny(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for TakesAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
