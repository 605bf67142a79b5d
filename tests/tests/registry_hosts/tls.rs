//! Private authorities and client certificates.

use dray_tests::scripted_registry::{Certificate, P256_SHA512_AUTHORITY};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, IsCa};

use super::*;

fn toml(server: &ScriptedRegistry, more: &str) -> String {
    format!("server = 'https://{}'\n{more}", server.address())
}

#[tokio::test]
async fn a_private_authority_is_trusted_by_its_file() {
    let authority = Authority::new();
    let (server, image) = server_with(authority.tls());
    let failure = resolve(&Directories::with(&toml(&server, "")).client()).await.unwrap_err();
    assert_eq!(failure.fault, FetchFault::Configuration);
    assert!(failure.message.starts_with("the certificate of registry"), "{failure}");
    assert_eq!(failure.reason, Some(FetchReason::UntrustedCertificate));

    // In a file beside the `hosts.toml`.
    let directories = Directories::with(&toml(&server, "ca = 'own.pem'"));
    directories.copy(REGISTRY, "own.pem", &authority.files().ca);
    assert_eq!(resolve(&directories.client()).await.unwrap(), image.manifest);

    // In Docker's layout.
    let address = server.address();
    let directories = Directories::new();
    directories.copy(&address, "ca.crt", &authority.files().ca);
    let reference = Reference::parse(&server.image("team/app:1")).unwrap();
    let client = directories.client();
    assert_eq!(client.resolve(&reference).await.unwrap().descriptor.digest, image.manifest);
}

/// The client of a registry with this certificate as `ca`.
fn trusting(server: &ScriptedRegistry, pem: &str) -> Client {
    let directories = Directories::with(&toml(server, "ca = 'own.pem'"));
    directories.add(REGISTRY, "own.pem", pem);
    directories.client()
}

/// A certificate of `openssl req -x509` claims to be an authority, and the issuer of a pinned certificate is unknown.
#[tokio::test]
async fn a_certificate_can_be_trusted_directly() {
    let authority = Authority::new();
    for certificate in [
        Certificate::self_signed(|_| {}),
        Certificate::self_signed(|_| {}).tls12(),
        Certificate::self_signed(|params| params.is_ca = IsCa::ExplicitNoCa),
        Certificate::self_signed(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any]),
        authority.certificate(),
    ] {
        let (server, image) = server_with(certificate.security);
        assert_eq!(resolve(&trusting(&server, &certificate.pem)).await.unwrap(), image.manifest);

        let failure = resolve(&trusting(&server, &authority.certificate().pem)).await.unwrap_err();
        assert!(failure.message.ends_with("is not trusted"), "another with the same name: {failure}");

        // In Docker's layout.
        let directories = Directories::new();
        directories.add(&server.address(), "ca.crt", &certificate.pem);
        let reference = Reference::parse(&server.image("team/app:1")).unwrap();
        assert_eq!(directories.client().resolve(&reference).await.unwrap().descriptor.digest, image.manifest);
    }
}

#[tokio::test]
async fn a_trusted_certificate_is_checked_for_name_time_and_purpose() {
    let past = |params: &mut CertificateParams| params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    let future = |params: &mut CertificateParams| params.not_before = rcgen::date_time_ymd(3000, 1, 1);
    let other = |params: &mut CertificateParams| params.subject_alt_names.clear();
    let client = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    };
    for (certificate, expected) in [
        (Certificate::self_signed(past), "is not valid at this time"),
        (Certificate::self_signed(future), "is not valid at this time"),
        (Certificate::self_signed(other), "is for another name"),
        (Certificate::self_signed(client), "is not trusted"),
    ] {
        let (server, _) = server_with(certificate.security);
        let failure = resolve(&trusting(&server, &certificate.pem)).await.unwrap_err();
        assert_eq!(failure.fault, FetchFault::Configuration);
        assert!(failure.message.ends_with(expected), "{failure}: {:?}", causes(&failure));
    }
}

#[tokio::test]
async fn certificates_on_every_common_curve_work() {
    let p521 = Authority::p521();
    let (server, image) = server_with(p521.tls());
    let ca = fs::read_to_string(&p521.files().ca).unwrap();
    assert_eq!(resolve(&trusting(&server, &ca)).await.unwrap(), image.manifest, "P-521");

    let (server, image) = server_with(Certificate::p256_sha512().security);
    let resolved = resolve(&trusting(&server, P256_SHA512_AUTHORITY)).await;
    assert_eq!(resolved.unwrap(), image.manifest, "P-256, signed with SHA-512");

    let (server, image) = server_with(p521.mutual_tls());
    let files = p521.files();
    let more = format!("ca = '{}'\nclient = '{}'", files.ca.display(), files.client_both.display());
    let client = Directories::with(&toml(&server, &more)).client();
    assert_eq!(resolve(&client).await.unwrap(), image.manifest, "a key of our own on P-521");
}

/// Even certificates that cannot be parsed, and keys that are too short.
#[tokio::test]
async fn without_checks_any_certificate_works() {
    for certificate in [
        Certificate::version1(),
        Certificate::version1().tls12(),
        Certificate::rsa1024(),
        Certificate::rsa1024().tls12(),
        Certificate { security: Authority::p521().tls(), pem: String::new() },
    ] {
        let (server, image) = server_with(certificate.security);
        let unchecked = Directories::with(&toml(&server, "skip_verify = true"));
        assert_eq!(resolve(&unchecked.client()).await.unwrap(), image.manifest);
        let checked = Directories::with(&toml(&server, ""));
        assert_eq!(resolve(&checked.client()).await.unwrap_err().fault, FetchFault::Configuration);
    }
}

#[tokio::test]
async fn the_insecure_setting_accepts_any_certificate() {
    let authority = Authority::new();
    let (server, image) = server_with(authority.tls_for(&["other.invalid"]));
    let unchecked = Directories::with(&toml(&server, "skip_verify = true"));
    assert_eq!(resolve(&unchecked.client()).await.unwrap(), image.manifest);
    let insecure = Directories::with(&toml(&server, "")).insecure();
    assert_eq!(resolve(&insecure.client()).await.unwrap(), image.manifest);

    // The file wins over the setting.
    let strict = Directories::with(&toml(&server, "skip_verify = false")).insecure();
    assert_eq!(resolve(&strict.client()).await.unwrap_err().fault, FetchFault::Configuration);

    // A certificate for another name, from a trusted authority.
    let trusting = Directories::with(&toml(&server, "ca = 'own.pem'"));
    trusting.copy(REGISTRY, "own.pem", &authority.files().ca);
    assert_eq!(resolve(&trusting.client()).await.unwrap_err().fault, FetchFault::Configuration);
}

#[tokio::test]
async fn client_certificates_are_sent() {
    let authority = Authority::new();
    let stranger = Authority::new();
    let (server, image) = server_with(authority.mutual_tls());
    let files = authority.files();
    let with = |client: &str| {
        let more = format!("ca = '{}'\n{client}", files.ca.display());
        Directories::with(&toml(&server, &more)).client()
    };
    let pair = format!("client = [['{}', '{}']]", files.client_cert.display(), files.client_key.display());
    let both = format!("client = '{}'", files.client_both.display());
    let several =
        format!("client = ['{}', '{}']", stranger.files().client_both.display(), files.client_both.display());
    for client in [&pair, &both, &several] {
        assert_eq!(resolve(&with(client)).await.unwrap(), image.manifest, "{client}");
    }

    let failure = resolve(&with("")).await.unwrap_err();
    assert_eq!(failure.fault, FetchFault::Denied, "{failure:?}");
    assert!(failure.message.contains("refused the client certificate"), "{failure}");
    let wrong = format!("client = '{}'", stranger.files().client_both.display());
    assert_eq!(resolve(&with(&wrong)).await.unwrap_err().fault, FetchFault::Denied);

    // In Docker's layout.
    let directories = Directories::new();
    let address = server.address();
    directories.copy(&address, "ca.crt", &files.ca);
    directories.copy(&address, "me.cert", &files.client_cert);
    directories.copy(&address, "me.key", &files.client_key);
    let reference = Reference::parse(&server.image("team/app:1")).unwrap();
    assert_eq!(directories.client().resolve(&reference).await.unwrap().descriptor.digest, image.manifest);
}

#[tokio::test]
async fn unusable_files_are_errors() {
    let authority = Authority::new();
    let (server, _) = server_with(authority.tls());
    for (more, cause) in [
        ("ca = 'missing.pem'", "cannot read `"),
        ("ca = 'empty.pem'", "there is no certificate in `"),
        ("ca = 'bad.pem'", "the certificate in `"),
        ("client = 'empty.pem'", "there is no certificate in `"),
        ("client = 'ca.pem'", "there is no private key in `"),
        ("client = 'bad.pem'", "there is no private key in `"),
        ("client = [['ca.pem', 'other.key']]", "the key in `"),
        ("skip_verify = true\nca = 'missing.pem'", "cannot read `"),
    ] {
        let directories = Directories::with(&toml(&server, more));
        directories.add(REGISTRY, "empty.pem", "nothing");
        directories.add(
            REGISTRY,
            "bad.pem",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        );
        directories.copy(REGISTRY, "ca.pem", &authority.files().ca);
        directories.copy(REGISTRY, "other.key", &authority.files().client_key);
        let failure = resolve(&directories.client()).await.unwrap_err();
        assert_eq!(failure.fault, FetchFault::Configuration, "{more}");
        assert!(failure.message.starts_with("the certificates configured for registry"), "{more}: {failure}");
        assert!(causes(&failure)[0].starts_with(cause), "{more}: {:?}", causes(&failure));
    }
    assert!(server.requests().is_empty());
}
