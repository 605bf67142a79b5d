use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;

/// Shows the first certificate whose key can sign as the server wants it, and of these rather one that an
/// authority named by the server has issued.
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

/// Whether the name of an authority stands in a certificate. It is there as its issuer, unless somebody has
/// gone to great lengths, and then a certificate is shown that would have been shown anyway.
fn is_issued_by(certificate: &[u8], authorities: &[&[u8]]) -> bool {
    let names = |authority: &&[u8]| {
        !authority.is_empty() && certificate.windows(authority.len()).any(|part| part == *authority)
    };
    authorities.iter().any(names)
}
