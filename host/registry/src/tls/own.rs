use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;

/// Shows the first client certificate whose key can sign as the server demands. Prefers one from an authority that
/// the server names.
#[derive(Debug)]
pub(super) struct OwnCertificates(pub(super) Vec<Arc<CertifiedKey>>);

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

/// Whether the name of an authority occurs in a certificate. It occurs as the issuer, unless the certificate was
/// forged to contain it elsewhere; then it is shown as it would have been anyway.
fn is_issued_by(certificate: &[u8], authorities: &[&[u8]]) -> bool {
    let names = |authority: &&[u8]| {
        !authority.is_empty() && certificate.windows(authority.len()).any(|part| part == *authority)
    };
    authorities.iter().any(names)
}
