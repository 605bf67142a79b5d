//! Kinds and hints for failures of registries.

use std::path::Path;

use super::hint::listed;
use super::kind::Kind;
use super::shown::Failure;
use dray::ports::{CredentialOrigin, FetchFailure, FetchFault, FetchReason, HelperFault};

pub(super) const CHANGED_HINT: &str =
    "try again; if the error persists, the registry or a proxy changes the content";

pub(crate) const REGISTRY_NAME_HINT: &str =
    "a registry looks like `docker.io` or `registry.example.com:5000`, without scheme and path";

impl From<FetchFailure> for Failure {
    fn from(error: FetchFailure) -> Self {
        let (kind, hints) = verdict(&error);
        Self::of(kind, &error, hints)
    }
}

/// The kind of a failure, and its hints.
pub(super) fn verdict(failure: &FetchFailure) -> (Kind, Vec<String>) {
    let unreached =
        listed(&failure.unreached).map(|hosts| format!("{hosts} could not be asked, and may have it"));
    let hints: Vec<String> = hint(failure).into_iter().chain(unreached).collect();
    let hint = (!hints.is_empty()).then(|| hints.join("; "));
    (kind(failure.fault), hint.into_iter().collect())
}

fn kind(fault: FetchFault) -> Kind {
    match fault {
        FetchFault::NotFound => Kind::NotFound,
        FetchFault::Denied => Kind::Denied,
        FetchFault::Unavailable => Kind::Unavailable,
        FetchFault::Protocol => Kind::Corrupt,
        FetchFault::Configuration => Kind::Configuration,
    }
}

fn hint(failure: &FetchFailure) -> Option<String> {
    use FetchReason as Reason;
    let hint = match failure.reason.as_ref()? {
        Reason::UnknownTag => "check the name and the tag of the image",
        Reason::UnknownDigest => {
            "check the name and the digest: the registry does not have this content, or no longer"
        }
        Reason::MissingBlob => "the image is incomplete in the registry: push it again",
        Reason::OversizedManifest => {
            "registries need not accept such a manifest: build the image again with a smaller one"
        }
        Reason::NotRegistry => {
            "check that this is the address of a registry and that no proxy answers in its place"
        }
        Reason::ChangedContent => CHANGED_HINT,
        Reason::UnwantedCoding => {
            "dray asks for content as it is stored: turn off compression in the registry or in the proxy before it"
        }
        Reason::Busy => return Some(pause(failure).unwrap_or_else(|| "try again later".to_owned())),
        Reason::RateLimited { limit, remaining } => {
            return Some(rate_limited(failure, limit.as_deref(), remaining.as_deref()));
        }
        Reason::ConnectionRefused { host } => {
            return Some(format!("check that it runs, and that `{host}` is its address"));
        }
        Reason::UnknownHost { host } => {
            return Some(format!("check the spelling of `{host}`, and the network"));
        }
        Reason::Unreachable => "check the network, and whether a proxy is needed",
        Reason::Interrupted => {
            "try again; if the error persists, the log of the registry or of a proxy may say why"
        }
        Reason::Proxy => {
            "check `HTTPS_PROXY` and `HTTP_PROXY`, with user and password if the proxy requires them, or add the host to `NO_PROXY`"
        }
        Reason::ProxyAddress { scheme } => {
            return Some(format!(
                "correct `{scheme}_PROXY`: it looks like `http://proxy.example:3128`, with `http`, `https`, `socks5` or `socks5h`"
            ));
        }
        Reason::NoTls { host } => {
            return Some(format!("to use plain HTTP with `{host}`, pass `--plain-http`"));
        }
        Reason::UntrustedCertificate => {
            "install the certificate of its authority in the system, or set it as `ca` in a `hosts.toml`"
        }
        Reason::CertificateName { host } => {
            return Some(format!("check that `{host}` is its name, or use a name from its certificate"));
        }
        Reason::CertificateTime => {
            "check the clock of this machine; if it is right, the server needs a new certificate"
        }
        Reason::ClientCertificate => "set a certificate that it accepts as `client` in a `hosts.toml`",
        Reason::UnusableCertificates => "`dray registry explain` shows the files that name them",
        Reason::NoAuthorities => "install them; most distributions call the package `ca-certificates`",
        Reason::PrivateAddress => "an image may name public URLs for its layers, but no private ones",
        Reason::RedirectToPlainHttp => {
            "the registry should redirect to HTTPS; with `--insecure-registry`, or `skip_verify` in a `hosts.toml`, dray \
             follows this redirect"
        }
        Reason::BadRedirect => {
            "the redirects of the registry, or of a proxy before it, are configured wrongly"
        }
        Reason::BadTokenServer => "the registry's address of its token server is configured wrongly",
        Reason::AccessDenied { host, used, file } => {
            return Some(access_denied(host, used.as_ref(), file.as_deref()));
        }
        Reason::CredentialsWithheld { host } => {
            return Some(format!("dray sends no credentials to `{host}`, because it is reached without TLS"));
        }
        Reason::UnreadableCredentials { origin } => return Some(unreadable_credentials(origin)),
        Reason::RegistryToken => "correct the `registrytoken` in docker's configuration",
        Reason::CredentialHelper { helper, file, fault } => return Some(helper_failed(helper, file, *fault)),
        Reason::InvalidHostsFile => "correct the file; `dray registry explain` then shows its meaning",
        Reason::UnreadableHosts => "make it readable, or name other directories with `--hosts-dir`",
        Reason::NoCapableHost { file: Some(file) } => {
            return Some(format!("give a host in `{}` these capabilities", file.display()));
        }
        Reason::NoCapableHost { file: None } => "`dray registry explain` lists the hosts",
        Reason::RegistryName => REGISTRY_NAME_HINT,
        Reason::RegistryAddress => "check the part of the image's name before the first `/`",
    };
    Some(hint.to_owned())
}

fn pause(failure: &FetchFailure) -> Option<String> {
    let after = failure.retry_after.filter(|after| !after.is_zero())?;
    Some(format!("try again in {} s", after.as_secs()))
}

fn rate_limited(failure: &FetchFailure, limit: Option<&str>, remaining: Option<&str>) -> String {
    let mut hint = pause(failure).unwrap_or_else(|| {
        "the registry limits the rate of requests: wait, or log in for a higher limit".to_owned()
    });
    let fields = [("ratelimit-limit", limit), ("ratelimit-remaining", remaining)];
    let fields = fields.iter().filter_map(|(name, value)| Some(format!("{name} is `{}`", (*value)?)));
    let fields: Vec<String> = fields.collect();
    if !fields.is_empty() {
        hint.push_str("; its ");
        hint.push_str(&fields.join(", "));
    }
    hint
}

fn access_denied(host: &str, used: Option<&CredentialOrigin>, file: Option<&Path>) -> String {
    let origin = match (used, file) {
        (Some(CredentialOrigin::Variable), _) => "in `DOCKER_AUTH_CONFIG`".to_owned(),
        (Some(CredentialOrigin::File(file)), _) => format!("in `{}`", file.display()),
        (Some(CredentialOrigin::Helper(helper)), _) => format!("that the credential helper `{helper}` has"),
        (None, Some(file)) => {
            return format!(
                "check the name; a private image needs credentials for `{host}` in `{}`, where `docker login` stores them",
                file.display()
            );
        }
        (None, None) => return format!("check the name; a private image needs credentials for `{host}`"),
    };
    format!("check the name, and the credentials for `{host}` {origin}; or log in again")
}

fn unreadable_credentials(origin: &CredentialOrigin) -> String {
    match origin {
        CredentialOrigin::Variable => "correct `DOCKER_AUTH_CONFIG`, or unset it".to_owned(),
        CredentialOrigin::File(file) => format!("correct `{}`, or log in again", file.display()),
        CredentialOrigin::Helper(helper) => helper_misbehaves(helper),
    }
}

fn helper_failed(helper: &str, file: &Path, fault: HelperFault) -> String {
    let file = file.display();
    match fault {
        HelperFault::Name => format!("correct `{file}`"),
        HelperFault::Missing => format!(
            "install `docker-credential-{helper}` into a folder of `PATH`, or remove `{helper}` from `{file}` and log in again"
        ),
        HelperFault::Silent => {
            format!("check whether `docker-credential-{helper}` waits for a keychain to be unlocked")
        }
        HelperFault::Failed => helper_misbehaves(helper),
    }
}

fn helper_misbehaves(helper: &str) -> String {
    format!("check whether `docker-credential-{helper} list` works, or log in again")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use dray::pull::PullError;

    fn hints(failure: FetchFailure) -> Vec<String> {
        Failure::from(failure).hints
    }

    fn unavailable(reason: FetchReason) -> FetchFailure {
        FetchFailure::new(FetchFault::Unavailable, "failed").with_reason(reason)
    }

    #[test]
    fn a_rate_limit_is_shown_with_its_fields() {
        let limited = |limit: Option<&str>, remaining: Option<&str>| {
            unavailable(FetchReason::RateLimited {
                limit: limit.map(str::to_owned),
                remaining: remaining.map(str::to_owned),
            })
        };
        let known = limited(Some("100;w=21600"), Some("0;w=21600"));
        assert_eq!(
            hints(known.with_retry_after(Duration::from_hours(1))),
            ["try again in 3600 s; its ratelimit-limit is `100;w=21600`, ratelimit-remaining is `0;w=21600`"]
        );
        let wait = "the registry limits the rate of requests: wait, or log in for a higher limit";
        assert_eq!(hints(limited(None, None).with_retry_after(Duration::ZERO)), [wait]);
        assert_eq!(
            hints(limited(None, Some("0"))),
            [format!("{wait}; its ratelimit-remaining is `0`").as_str()]
        );
    }

    #[test]
    fn unreached_servers_are_named_in_the_hint() {
        let failure = FetchFailure::new(FetchFault::NotFound, "no").with_reason(FetchReason::UnknownTag);
        let failure = FetchFailure { unreached: vec!["a".to_owned(), "b:1".to_owned()], ..failure };
        assert_eq!(
            hints(failure),
            ["check the name and the tag of the image; `a`, `b:1` could not be asked, and may have it"]
        );
    }

    #[test]
    fn other_servers_are_listed_after_the_causes() {
        let other = |message: &str| FetchFailure::new(FetchFault::Unavailable, message);
        let failure = FetchFailure {
            others: vec![other("no answer from a").with_source("refused"), other("no answer from b")],
            ..FetchFailure::new(FetchFault::Denied, "access denied").with_source("wrong password")
        };
        let failure = PullError::Resolve { reference: "r".to_owned(), source: failure };
        assert_eq!(
            Failure::from(failure).causes,
            [
                "access denied",
                "wrong password",
                "also asked: no answer from a: refused",
                "also asked: no answer from b"
            ]
        );
    }

    #[test]
    fn denied_access_names_the_source_of_credentials() {
        let denied = |used, file: Option<&str>| {
            let (host, file) = ("h".to_owned(), file.map(Into::into));
            hints(unavailable(FetchReason::AccessDenied { host, used, file })).remove(0)
        };
        let again = "check the name, and the credentials for `h`";
        let private = "check the name; a private image needs credentials for `h`";
        assert_eq!(denied(None, None), private);
        assert_eq!(denied(None, Some("/c")), format!("{private} in `/c`, where `docker login` stores them"));
        for (used, place) in [
            (CredentialOrigin::Variable, "in `DOCKER_AUTH_CONFIG`"),
            (CredentialOrigin::File("/c".into()), "in `/c`"),
            (CredentialOrigin::Helper("k".to_owned()), "that the credential helper `k` has"),
        ] {
            assert_eq!(denied(Some(used), Some("/c")), format!("{again} {place}; or log in again"));
        }
    }

    #[test]
    fn the_hint_for_a_helper_depends_on_its_failure() {
        for (fault, expected) in [
            (HelperFault::Name, "correct `/c`"),
            (
                HelperFault::Missing,
                "install `docker-credential-k` into a folder of `PATH`, or remove `k` from `/c` and log in again",
            ),
            (HelperFault::Silent, "check whether `docker-credential-k` waits for a keychain to be unlocked"),
            (HelperFault::Failed, "check whether `docker-credential-k list` works, or log in again"),
        ] {
            let reason = FetchReason::CredentialHelper { helper: "k".to_owned(), file: "/c".into(), fault };
            assert_eq!(hints(unavailable(reason)), [expected]);
        }
    }
}
