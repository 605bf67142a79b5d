use std::path::PathBuf;

/// Why a registry failed, if the user can act on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchReason {
    /// The registry does not have the repository or the tag.
    UnknownTag,
    /// The registry does not have the digest, or no longer.
    UnknownDigest,
    /// A blob of the image is not in the registry.
    MissingBlob,
    /// The manifest is larger than registries must accept.
    OversizedManifest,
    /// The answer is not that of a registry.
    NotRegistry,
    /// The registry, or a proxy, sends other content than it announces.
    ChangedContent,
    /// The content is compressed in a way that was not asked for.
    UnwantedCoding,
    /// The server could not answer.
    Busy,
    /// The server limits the rate of requests.
    RateLimited {
        /// Its header field `ratelimit-limit`, such as `100;w=21600` for a hundred in six hours.
        limit: Option<String>,
        /// Its header field `ratelimit-remaining`.
        remaining: Option<String>,
    },
    /// Nothing listens at the address.
    ConnectionRefused {
        /// Host and port.
        host: String,
    },
    /// The name of the host does not resolve.
    UnknownHost {
        /// Host and port.
        host: String,
    },
    /// The network has no route to the address.
    Unreachable,
    /// The connection broke, or the server fell silent.
    Interrupted,
    /// The proxy cannot connect, or requires other credentials.
    Proxy,
    /// The address of a proxy cannot be used.
    ProxyAddress {
        /// The scheme that the proxy is for, in capitals, as in the name of the variable.
        scheme: &'static str,
    },
    /// The server does not speak TLS.
    NoTls {
        /// Host and port.
        host: String,
    },
    /// The certificate is not signed by an authority that is trusted.
    UntrustedCertificate,
    /// The certificate is for another name.
    CertificateName {
        /// Host and port.
        host: String,
    },
    /// The certificate is expired, or not valid yet.
    CertificateTime,
    /// The server requires a client certificate, or another one.
    ClientCertificate,
    /// The certificates configured for the server cannot be used.
    UnusableCertificates,
    /// The system has no certificate authorities.
    NoAuthorities,
    /// The image names a URL for a layer that is not public.
    PrivateAddress,
    /// The server redirects from HTTPS to plain HTTP.
    RedirectToPlainHttp,
    /// The server redirects in a way that cannot be followed.
    BadRedirect,
    /// The address of the token server cannot be used.
    BadTokenServer,
    /// The server denies access.
    AccessDenied {
        /// The server that the credentials are for.
        host: String,
        /// The source of the refused credentials, if there were any.
        used: Option<CredentialOrigin>,
        /// The file that can hold credentials for it, if one is configured.
        file: Option<PathBuf>,
    },
    /// The server denies access, and gets no credentials because it is reached without TLS.
    CredentialsWithheld {
        /// Host and port.
        host: String,
    },
    /// The source of credentials is not valid.
    UnreadableCredentials {
        /// Which text.
        origin: CredentialOrigin,
    },
    /// The configured registry token has characters that no token may have.
    RegistryToken,
    /// A credential helper failed.
    CredentialHelper {
        /// Its name, without `docker-credential-`.
        helper: String,
        /// The file that names it.
        file: PathBuf,
        /// How it failed.
        fault: HelperFault,
    },
    /// A `hosts.toml` is not valid.
    InvalidHostsFile,
    /// A directory of hosts, or a file in it, cannot be read.
    UnreadableHosts,
    /// Every server of the registry lacks a capability that is needed.
    NoCapableHost {
        /// The `hosts.toml` that gives the capabilities.
        file: Option<PathBuf>,
    },
    /// A text cannot be the name of a registry.
    RegistryName,
    /// The name of the registry does not form a URL.
    RegistryAddress,
}

/// Where credentials come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialOrigin {
    /// The environment variable `DOCKER_AUTH_CONFIG`.
    Variable,
    /// Docker's configuration file.
    File(PathBuf),
    /// The credential helper of this name.
    Helper(String),
}

/// How a credential helper failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HelperFault {
    /// Its name is not that of a program.
    Name,
    /// The program is not installed.
    Missing,
    /// It did not end in time.
    Silent,
    /// It could not run, failed, or gave an invalid answer.
    Failed,
}
