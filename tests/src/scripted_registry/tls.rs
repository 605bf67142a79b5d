use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P521_SHA512, SignatureAlgorithm,
};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use super::certificates::Certificate;
use crate::scratch::{Place, Scratch};

/// Names in a server's certificate, in addition to loopback addresses. Names below `invalid` have no address: clients
/// reach them through a proxy that routes them.
pub(super) const NAMES: [&str; 6] =
    ["localhost", "127.0.0.1", "::1", "registry.invalid", "mirror.invalid", "tokens.invalid"];

/// The protocol of a registry's port.
#[derive(Clone, Default)]
pub enum Security {
    /// HTTP.
    #[default]
    Plain,
    /// HTTP over TLS. A client that speaks plain HTTP gets an error, as from servers in Go.
    Tls(Arc<ServerConfig>),
    /// None: the server accepts connections and stays silent, so that a handshake never ends.
    Silent,
}

/// The files of an [`Authority`], in PEM.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate of the authority.
    pub ca: PathBuf,
    /// A client's certificate.
    pub client_cert: PathBuf,
    /// The key of the client's certificate.
    pub client_key: PathBuf,
    /// The client's certificate and key in one file.
    pub client_both: PathBuf,
}

/// A certificate authority that no system trusts, with a client certificate.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// The algorithm of its key and of its servers' keys.
    algorithm: &'static SignatureAlgorithm,
    files: TlsFiles,
    _scratch: Scratch,
}

#[expect(clippy::unwrap_used, reason = "a test without its certificates has nothing to go on with")]
impl Authority {
    /// Makes one with new keys.
    #[expect(clippy::new_without_default, reason = "no two are the same")]
    pub fn new() -> Self {
        Self::with(&PKCS_ECDSA_P256_SHA256)
    }

    /// Makes one with keys on P-521, also for its servers.
    pub fn p521() -> Self {
        Self::with(&PKCS_ECDSA_P521_SHA512)
    }

    fn with(algorithm: &'static SignatureAlgorithm) -> Self {
        // Authorities of the same name would be confused.
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let mut params = named(&format!("authority {}", MADE.fetch_add(1, Ordering::Relaxed)));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate_for(algorithm).unwrap()).unwrap();

        let mut params = named("client");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate_for(algorithm).unwrap();
        let client = params.signed_by(&key, &issuer).unwrap();

        let scratch = Scratch::new(Place::Memory);
        let write = |name: &str, text: String| {
            let path = scratch.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let files = TlsFiles {
            ca: write("ca.crt", issuer.pem()),
            client_cert: write("client.cert", client.pem()),
            client_key: write("client.key", key.serialize_pem()),
            client_both: write("client.pem", client.pem() + &key.serialize_pem()),
        };
        Self { issuer, algorithm, files, _scratch: scratch }
    }

    /// The files. They live as long as this value.
    pub fn files(&self) -> &TlsFiles {
        &self.files
    }

    /// TLS with a certificate of this authority.
    pub fn tls(&self) -> Security {
        self.tls_for(&NAMES)
    }

    /// TLS with a certificate for names other than those of the registry.
    pub fn tls_for(&self, names: &[&str]) -> Security {
        self.certificate_for(names).security
    }

    /// A server certificate from this authority.
    pub fn certificate(&self) -> Certificate {
        self.certificate_for(&NAMES)
    }

    fn certificate_for(&self, names: &[&str]) -> Certificate {
        let (certificate, key) = self.server(names);
        let security = with_certificate(certificate.der().clone(), key_der(&key));
        Certificate { pem: certificate.pem(), security }
    }

    /// TLS that requires a client certificate of this authority.
    pub fn mutual_tls(&self) -> Security {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build().unwrap();
        let (certificate, key) = self.server(&NAMES);
        let builder = builder().with_client_cert_verifier(verifier);
        let config = builder.with_single_cert(vec![certificate.der().clone()], key_der(&key)).unwrap();
        Security::Tls(Arc::new(config))
    }

    fn server(&self, names: &[&str]) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate_for(self.algorithm).unwrap();
        (server_params(names).signed_by(&key, &self.issuer).unwrap(), key)
    }
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

#[expect(clippy::unwrap_used, reason = "the names are names")]
pub(super) fn server_params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, "server");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

pub(super) fn key_der(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivateKeyDer::Pkcs8(key.serialize_der().into())
}

/// A server with this certificate.
#[expect(clippy::unwrap_used, reason = "the key is that of the certificate")]
pub(super) fn with_certificate(
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
) -> Security {
    let config = builder().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    Security::Tls(Arc::new(config))
}

pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

#[expect(clippy::unwrap_used, reason = "the provider supports the protocol versions of its own crate")]
pub(super) fn builder() -> rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier> {
    ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap()
}
