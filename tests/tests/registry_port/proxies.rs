//! Registries behind a proxy: tunnels, plain requests, passwords, and proxies that refuse.

use dray_tests::proxy::Proxy;
use dray_tests::scripted_registry::{Authority, Security};

use super::*;

/// A registry with one image, under a name that only a proxy resolves.
struct Behind {
    registry: ScriptedRegistry,
    proxy: Proxy,
    authority: Authority,
    hosts: tempfile::TempDir,
    layer: Descriptor,
    layer_bytes: Vec<u8>,
}

impl Behind {
    fn new(security: impl FnOnce(&Authority) -> Security) -> Self {
        let authority = Authority::new();
        let registry = ScriptedRegistry::start_with(security(&authority));
        let proxy = Proxy::start();
        for port in [80, 443] {
            proxy.route(&format!("registry.invalid:{port}"), &registry.address());
        }
        let layer_bytes = vec![7; 1 << 20];
        let digest = registry.add_blob(layer_bytes.clone());
        let layer = Descriptor::new(MediaType::new(LAYER), digest, layer_bytes.len() as u64);
        registry.add_manifest("team/app", "1", MANIFEST, manifest_bytes());
        Self { registry, proxy, authority, hosts: tempfile::tempdir().unwrap(), layer, layer_bytes }
    }

    fn settings(&self, proxy: &str) -> RegistrySettings {
        let own = self.hosts.path().join("registry.invalid");
        std::fs::create_dir_all(&own).unwrap();
        std::fs::copy(&self.authority.files().ca, own.join("ca.crt")).unwrap();
        let proxy = ProxySettings { https: Some(proxy.to_owned()), http: None, no_proxy: None };
        RegistrySettings { hosts_dirs: vec![self.hosts.path().to_owned()], proxy, ..settings() }
    }

    async fn read(&self, settings: RegistrySettings) -> Result<Vec<u8>, FetchFailure> {
        let client = client_with(settings);
        let reference = Reference::parse("registry.invalid/team/app:1").unwrap();
        client.resolve(&reference).await?;
        let (bytes, failure) = drain(client.fetch_unverified(&reference, &self.layer, 0).await?).await;
        failure.map_or(Ok(bytes), Err)
    }
}

#[tokio::test]
async fn a_registry_with_tls_is_reached_through_a_tunnel() {
    let behind = Behind::new(Authority::tls);
    behind.registry.require(BearerAuth::anonymous());
    let bytes = behind.read(behind.settings(&behind.proxy.url())).await.unwrap();
    assert_eq!(bytes, behind.layer_bytes);
    let passed = behind.proxy.passed();
    assert!(
        passed.iter().all(|passed| passed.method == "CONNECT" && passed.status == Some(200)),
        "{passed:?}"
    );
    assert_eq!(passed[0].target, "registry.invalid:443");
    assert!(behind.proxy.bytes() > behind.layer.size, "everything went through it");
    let shown = behind.registry.requests();
    assert!(shown.iter().all(|request| request.header("proxy-authorization").is_none()), "{shown:?}");
}

#[tokio::test]
async fn a_proxy_gets_its_password() {
    let behind = Behind::new(Authority::tls);
    behind.proxy.require("ann", "sesame");
    behind.read(behind.settings(&behind.proxy.url_with("ann", "sesame"))).await.unwrap();

    for address in [behind.proxy.url(), behind.proxy.url_with("ann", "hunter2")] {
        let failure = behind.read(behind.settings(&address)).await.unwrap_err();
        assert_eq!(failure.fault, FetchFault::Unavailable);
        assert_eq!(failure.message, "cannot connect to registry `registry.invalid` through the proxy");
        assert_eq!(failure.reason, Some(FetchReason::Proxy));
        assert!(!everything(&failure).contains("hunter2"), "{failure:?}");
    }
}

#[tokio::test]
async fn plain_http_goes_through_a_proxy() {
    let behind = Behind::new(|_| Security::Plain);
    behind.proxy.require("ann", "sesame");
    let plain = |address: String| RegistrySettings {
        plain_http: PlainHttp::Everywhere,
        proxy: ProxySettings { http: Some(address), ..ProxySettings::default() },
        ..settings()
    };
    let bytes = behind.read(plain(behind.proxy.url_with("ann", "sesame"))).await.unwrap();
    assert_eq!(bytes, behind.layer_bytes);
    let passed = &behind.proxy.passed()[0];
    assert_eq!(passed.target, "http://registry.invalid/v2/team/app/manifests/1");

    let failure = behind.read(plain(behind.proxy.url())).await.unwrap_err();
    assert_eq!(failure.fault, FetchFault::Unavailable, "the registry has refused nothing");
    assert!(
        failure.message.starts_with("the proxy for registry `registry.invalid` answered 407"),
        "{failure}"
    );
}

/// Failures of a proxy are never attributed to the registry.
#[tokio::test]
async fn a_proxy_that_refuses_is_blamed() {
    let refused = Behind::new(Authority::tls);
    refused.proxy.refuse(403);
    let reset = Behind::new(Authority::tls);
    reset.proxy.reset();
    let dead = Behind::new(Authority::tls);
    dead.proxy.kill();
    let lost = Behind::new(Authority::tls);
    lost.registry.kill();
    for behind in [refused, reset, dead, lost] {
        for insecure in [false, true] {
            let settings = RegistrySettings { insecure, ..behind.settings(&behind.proxy.url()) };
            let failure = behind.read(settings).await.unwrap_err();
            assert_eq!(failure.fault, FetchFault::Unavailable, "{failure:?}");
            assert_eq!(failure.message, "cannot connect to registry `registry.invalid` through the proxy");
            assert_eq!(failure.reason, Some(FetchReason::Proxy));
        }
        assert!(behind.proxy.passed().iter().all(|passed| passed.method == "CONNECT"));
        assert!(behind.registry.requests().is_empty());
    }
}

/// TLS failures behind a proxy are attributed to the registry.
#[tokio::test]
async fn tls_faults_behind_a_proxy_are_blamed_on_the_registry() {
    let behind = Behind::new(|authority| authority.tls_for(&["other.invalid"]));
    let failure = behind.read(behind.settings(&behind.proxy.url())).await.unwrap_err();
    assert_eq!(failure.fault, FetchFault::Configuration);
    assert_eq!(failure.message, "the certificate of registry `registry.invalid` is for another name");

    let plain = Behind::new(|_| Security::Plain);
    let failure = plain.read(plain.settings(&plain.proxy.url())).await.unwrap_err();
    assert_eq!(failure.fault, FetchFault::Protocol);
    assert_eq!(failure.message, "registry `registry.invalid` does not speak TLS");
}

#[tokio::test]
async fn exceptions_are_reached_without_a_proxy() {
    let behind = Behind::new(Authority::tls);
    for exception in [
        "registry.invalid",
        ".invalid",
        "*.invalid",
        "registry.invalid:443",
        "elsewhere, Registry.Invalid",
        "*",
    ] {
        let mut settings = behind.settings(&behind.proxy.url());
        settings.proxy.no_proxy = Some(exception.to_owned());
        let failure = behind.read(settings).await.unwrap_err();
        assert_eq!(failure.message, "cannot find registry `registry.invalid`", "{exception}");
    }
    assert!(behind.proxy.passed().is_empty());
    for other in [".registry.invalid", "registry.invalid:80", "xregistry.invalid", "*invalid"] {
        let mut settings = behind.settings(&behind.proxy.url());
        settings.proxy.no_proxy = Some(other.to_owned());
        behind.read(settings).await.unwrap();
    }
}

/// The proxy resolves names, with either of the two schemes.
#[tokio::test]
async fn socks_proxies_open_tunnels() {
    for scheme in ["socks5", "socks5h"] {
        let behind = Behind::new(Authority::tls);
        assert_eq!(
            behind.read(behind.settings(&behind.proxy.socks_url(scheme))).await.unwrap(),
            behind.layer_bytes
        );
        let passed = behind.proxy.passed();
        assert!(passed.iter().all(|passed| passed.method == "SOCKS"), "{passed:?}");
        assert_eq!(passed[0].target, "registry.invalid:443");

        behind.proxy.require("ann", "sesame");
        let user = behind.proxy.socks_url(scheme).replace("://", "://ann:sesame@");
        behind.read(behind.settings(&user)).await.unwrap();
        let failure = behind.read(behind.settings(&user.replace("sesame", "hunter2"))).await.unwrap_err();
        assert_eq!(failure.fault, FetchFault::Unavailable);
        assert_eq!(failure.message, "cannot connect to registry `registry.invalid` through the proxy");
        assert!(!everything(&failure).contains("hunter2"), "{failure:?}");
    }
    let plain = Behind::new(|_| Security::Plain);
    let proxy = ProxySettings { http: Some(plain.proxy.socks_url("socks5")), ..ProxySettings::default() };
    let settings = RegistrySettings { plain_http: PlainHttp::Everywhere, proxy, ..settings() };
    assert_eq!(plain.read(settings).await.unwrap(), plain.layer_bytes);
}

#[tokio::test]
async fn addresses_of_proxies_are_read_as_go_does() {
    let behind = Behind::new(Authority::tls);
    let bare = behind.proxy.url().replace("http://", "");
    for address in [bare.clone(), format!(" {bare}/ "), format!("HTTP://{bare}")] {
        behind.read(behind.settings(&address)).await.unwrap();
    }
    for address in ["ftp://proxy.invalid", "http://", "socks4://proxy.invalid"] {
        let failure = RegistryClient::new(behind.settings(address)).unwrap_err();
        assert_eq!(failure.message, "the address of the HTTPS proxy cannot be used", "{address}");
        assert_eq!(failure.reason, Some(FetchReason::ProxyAddress { scheme: "HTTPS" }));
    }
}

/// Another proxy, or none, may lead to the server of a blob.
#[tokio::test]
async fn a_redirect_may_need_another_proxy() {
    let behind = Behind::new(Authority::tls);
    let storage = ScriptedRegistry::start_with(behind.authority.tls());
    storage.add_file("/layer", behind.layer_bytes.clone());
    behind.proxy.route("mirror.invalid:443", &storage.address());
    behind.registry.require(Auth::basic("ann", "sesame"));
    behind.registry.on(Rule::get("/blobs/").redirect("https://mirror.invalid/layer?signature=s"));
    let auth = r#"{"auths":{"registry.invalid":{"username":"ann","password":"sesame"}}}"#;
    let path = behind.hosts.path().join("config.json");
    std::fs::write(&path, auth).unwrap();
    let mut settings = behind.settings(&behind.proxy.url());
    settings.credentials.docker_config = Some(path);
    assert_eq!(behind.read(settings).await.unwrap(), behind.layer_bytes);
    assert_eq!(storage.requests()[0].header("authorization"), None);
    assert!(behind.proxy.passed().iter().any(|passed| passed.target == "mirror.invalid:443"));
}
