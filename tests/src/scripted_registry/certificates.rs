//! Server certificates that differ from those of an [`Authority`](super::Authority).
//!
//! `rcgen` cannot make all of them. The others are in the directory beside this file; `openssl` made them, valid for
//! a hundred years.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::{ServerConfig, SignatureAlgorithm, SignatureScheme};

use super::tls::{self, Security};

/// A certificate and a server with it.
pub struct Certificate {
    /// The certificate as a PEM file.
    pub pem: String,
    /// The server.
    pub security: Security,
}

/// The certificate of an authority with a P-256 key, for server certificates signed with SHA-512.
pub const P256_SHA512_AUTHORITY: &str = include_str!("certificates/p256_sha512_ca.pem");

#[expect(clippy::unwrap_used, reason = "a test without its certificates has nothing to go on with")]
impl Certificate {
    /// A self-signed certificate as `openssl req -x509` makes it: it claims to be an authority.
    pub fn self_signed(change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = tls::server_params(&tls::NAMES);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "of its own");
        params.extended_key_usages = Vec::new();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let security = tls::with_certificate(certificate.der().clone(), tls::key_der(&key));
        Self { pem: certificate.pem(), security }
    }

    /// A certificate issued by [`P256_SHA512_AUTHORITY`].
    pub fn p256_sha512() -> Self {
        const PEM: &str = include_str!("certificates/p256_sha512.pem");
        let key = PrivateKeyDer::from_pem_slice(PEM.as_bytes()).unwrap();
        Self { pem: PEM.to_owned(), security: tls::with_certificate(read(PEM), key) }
    }

    /// A certificate of version 1, which has no names.
    pub fn version1() -> Self {
        let scheme = SignatureScheme::ECDSA_NISTP256_SHA256;
        Self::with_any_signature(include_str!("certificates/version1.pem"), scheme)
    }

    /// A certificate with an RSA key of 1024 bits.
    pub fn rsa1024() -> Self {
        let scheme = SignatureScheme::RSA_PSS_SHA256;
        Self::with_any_signature(include_str!("certificates/rsa1024.pem"), scheme)
    }

    /// A server without the key of its certificate: rustls can neither sign with such keys nor read such
    /// certificates.
    fn with_any_signature(pem: &str, scheme: SignatureScheme) -> Self {
        let key = CertifiedKey::new(vec![read(pem)], Arc::new(AnySignature(scheme)));
        let config = tls::builder().with_no_client_auth().with_cert_resolver(Arc::new(Always(Arc::new(key))));
        Self { pem: pem.to_owned(), security: Security::Tls(Arc::new(config)) }
    }

    /// The same server with TLS 1.2 only.
    #[must_use]
    pub fn tls12(self) -> Self {
        let Security::Tls(config) = self.security else { return self };
        let resolver = Arc::clone(&config.cert_resolver);
        let builder = ServerConfig::builder_with_provider(tls::provider());
        let builder = builder.with_protocol_versions(&[&rustls::version::TLS12]).unwrap();
        let config = builder.with_no_client_auth().with_cert_resolver(resolver);
        Self { security: Security::Tls(Arc::new(config)), ..self }
    }
}

#[expect(clippy::unwrap_used, reason = "it is one of those in the folder")]
fn read(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesServerCert for Always {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// Returns bytes that are not a valid signature.
#[derive(Clone, Copy, Debug)]
struct AnySignature(SignatureScheme);

impl SigningKey for AnySignature {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered.contains(&self.0).then(|| Box::new(*self) as _)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        if self.0 == SignatureScheme::RSA_PSS_SHA256 {
            SignatureAlgorithm::RSA
        } else {
            SignatureAlgorithm::ECDSA
        }
    }
}

impl Signer for AnySignature {
    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        Ok(vec![0; 128])
    }

    fn scheme(&self) -> SignatureScheme {
        self.0
    }
}
