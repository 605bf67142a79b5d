mod error;
mod own;
mod trusted;
mod unchecked;

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};

pub(super) use self::error::TlsError;
use self::own::OwnCertificates;
use self::trusted::Trusted;
use self::unchecked::Unchecked;
use super::hosts::{ClientPair, HostEndpoint};
use dray_core::limits;

/// The TLS settings of a server. Servers with equal settings share connections.
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

/// Reads the files and makes a TLS configuration. Takes a while: it also reads the system's certificates, unless none
/// are checked.
pub(super) fn config(settings: &TlsSettings) -> Result<ClientConfig, TlsError> {
    let provider = provider();
    let verifier: Arc<dyn ServerCertVerifier> = if settings.skip_verify {
        // The files are read all the same, so that an error in them is found now.
        for path in &settings.ca {
            certificates(path)?;
        }
        Arc::new(Unchecked)
    } else {
        Arc::new(Trusted::new(authorities(&settings.ca)?, &provider)?)
    };
    let builder = builder(&provider)?.dangerous().with_custom_certificate_verifier(verifier);
    let mut config = with_client(builder, &settings.client, &provider)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// The configuration of a client that makes no TLS connection. Reads nothing.
pub(super) fn unused() -> Result<ClientConfig, TlsError> {
    Ok(builder(&provider())?.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

/// Not the default of the process, which a program may have chosen for its own purposes: that one may lack P-521, or
/// P-256 with SHA-512, which registries use.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn builder(provider: &Arc<CryptoProvider>) -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, TlsError> {
    ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(|source| TlsError::NoVersion { source })
}

fn authorities(files: &[PathBuf]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let mut all = Vec::new();
    for path in files {
        let certificates = certificates(path)?;
        for certificate in &certificates {
            let added = RootCertStore::empty().add(certificate.clone());
            added.map_err(|source| TlsError::Unusable { what: "certificate", path: path.clone(), source })?;
        }
        all.extend(certificates);
    }
    Ok(all)
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
