//! Servers that are busy, unreachable, or not registries; and requests through a proxy.

use super::*;

fn manifests_asked(scene: &Scene) -> usize {
    scene.registry.requests_to("HEAD", "/manifests/").len()
}

#[tokio::test]
async fn transient_failures_are_retried() {
    for status in [408, 429, 500, 502, 503, 504, 520, 524] {
        let scene = scene();
        scene.registry.on(Rule::get("/blobs/").first(2).status(status));
        assert_eq!(scene.read(0).await.0, scene.layer_bytes, "{status}");
        assert_eq!(scene.registry.requests().len(), 3, "{status}");
    }
}

/// HEAD may fail on a server that is otherwise fine: GET is tried next.
#[tokio::test]
async fn a_failed_head_is_retried_with_get() {
    for (status, heads, gets) in [(500, 1, 2), (503, 1, 2), (524, 1, 2), (429, 3, 0), (408, 3, 0)] {
        let scene = scene();
        scene.registry.on(Rule::any("/manifests/").first(2).status(status));
        assert_eq!(scene.digest().await.unwrap(), scene.manifest, "{status}");
        assert_eq!(manifests_asked(&scene), heads, "{status}");
        assert_eq!(scene.registry.requests_to("GET", "/manifests/").len(), gets, "{status}");
    }
}

#[tokio::test]
async fn lasting_failures_are_not_retried() {
    let scene = scene();
    scene.registry.on(Rule::any("/blobs/").error(503, "UNAVAILABLE", "come back later"));
    let failure = scene.read(0).await.1.unwrap();
    assert_eq!(failure.fault, FetchFault::Unavailable);
    assert!(failure.message.ends_with("(4 tries): UNAVAILABLE: come back later"), "{failure}");
    assert_eq!(scene.registry.requests().len(), usize::try_from(limits::REQUEST_TRIES).unwrap());
}

#[tokio::test]
async fn broken_connections_are_retried() {
    for rule in [
        Rule::get("/blobs/").first(2).without_header("content-length").header("content-length", "x"),
        Rule::get("/blobs/").first(2).header("bad header", "x"),
    ] {
        let scene = scene();
        scene.registry.on(rule);
        assert_eq!(scene.read(0).await.0, scene.layer_bytes);
        assert_eq!(scene.registry.requests().len(), 3);
    }
}

#[tokio::test]
async fn retry_after_is_respected() {
    let scene = scene();
    scene.registry.on(Rule::any("/manifests/").nth(1).status(429).header("retry-after", "1"));
    let started = Instant::now();
    scene.digest().await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(1), "came back too early");

    // A date in the past means no wait.
    let scene = super::scene();
    let past = "Sun, 06 Nov 1994 08:49:37 GMT";
    scene.registry.on(Rule::any("/manifests/").nth(1).status(503).header("retry-after", past));
    let started = Instant::now();
    scene.digest().await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(1));
    assert_eq!(manifests_asked(&scene), 2);
}

#[tokio::test]
async fn a_long_retry_after_is_an_error() {
    for (value, least) in [("3600", 3600), ("Fri, 31 Dec 9998 23:59:59 GMT", 1_000_000)] {
        let scene = scene();
        let rule = Rule::any("/manifests/").error(429, "TOOMANYREQUESTS", "slow down");
        scene.registry.on(rule.header("retry-after", value));
        let failure = scene.digest().await.unwrap_err();
        assert_eq!(failure.fault, FetchFault::Unavailable);
        assert!(failure.retry_after.unwrap() >= Duration::from_secs(least), "{failure:?}");
        let (limit, remaining) = (None, None);
        assert_eq!(failure.reason, Some(FetchReason::RateLimited { limit, remaining }));
        assert_eq!(manifests_asked(&scene), 1, "{value}");
    }
}

#[tokio::test]
async fn a_refused_connection_is_an_error() {
    let address = ScriptedRegistry::start().address();
    let reference = Reference::parse(&format!("{address}/team/app:1")).unwrap();
    let failure = client_with(settings()).resolve(&reference).await.unwrap_err();
    assert_eq!(failure.fault, FetchFault::Unavailable);
    assert_eq!(failure.message, format!("cannot connect to registry `{address}`"));
    assert_eq!(failure.reason, Some(FetchReason::ConnectionRefused { host: address.clone() }));
    assert!(everything(&failure).contains("Connection refused"), "{failure:?}");
}

#[tokio::test]
async fn a_silent_server_is_an_error() {
    let scene = scene();
    let quick = Timing { connect: Duration::from_millis(100), stall: Duration::from_millis(100), ..timing() };
    let client = RegistryClient::with_timing(settings(), quick).unwrap();
    scene.registry.on(Rule::any("/v2/").delay(Duration::from_mins(1)));
    let failure = client.resolve(&scene.reference).await.unwrap_err();
    assert_eq!(failure.fault, FetchFault::Unavailable);
    assert!(failure.message.contains("sent nothing for 0.2 s"), "{failure}");
    assert_eq!(manifests_asked(&scene), 2);
}

/// A loopback registry may lack TLS. Another server that it redirects to by HTTPS must have it.
#[tokio::test]
async fn plain_http_behind_an_https_address_is_an_error() {
    let scene = scene();
    let other = ScriptedRegistry::start();
    scene.registry.on(Rule::get("/blobs/").redirect(format!("https://{}/x", other.address())));
    let failure = scene.read(0).await.1.unwrap();
    assert_eq!(failure.fault, FetchFault::Protocol, "{failure:?}");
    assert!(failure.message.contains("does not speak TLS"), "{failure}");
    assert_eq!(failure.reason, Some(FetchReason::NoTls { host: other.address() }));
    assert_eq!(scene.registry.requests().len(), 1, "there is no use in trying again");
}

#[tokio::test]
async fn plain_requests_go_through_a_proxy() {
    let scene = scene();
    let proxied = client_with(RegistrySettings {
        plain_http: PlainHttp::Everywhere,
        proxy: ProxySettings {
            http: Some(format!("http://{}", scene.host())),
            https: None,
            no_proxy: Some("elsewhere.invalid".to_owned()),
        },
        ..settings()
    });
    let reference = Reference::parse("registry.invalid/team/app:1").unwrap();
    assert_eq!(proxied.resolve(&reference).await.unwrap().descriptor.digest, scene.manifest);
    assert_eq!(scene.registry.requests()[0].path, "http://registry.invalid/v2/team/app/manifests/1");

    // Loopback hosts and hosts in the user's exceptions never go through a proxy.
    proxied.resolve(&scene.reference).await.unwrap();
    assert_eq!(scene.registry.requests()[1].path, "/v2/team/app/manifests/1");
    let excepted = Reference::parse("elsewhere.invalid/team/app:1").unwrap();
    let failure = proxied.resolve(&excepted).await.unwrap_err();
    assert_eq!(failure.message, "cannot find registry `elsewhere.invalid`");
    assert_eq!(scene.registry.requests().len(), 2);
}

#[tokio::test]
async fn an_invalid_proxy_is_an_error() {
    let proxy = ProxySettings { https: Some("http://user:sesame@[".to_owned()), ..ProxySettings::default() };
    let settings = RegistrySettings { proxy, ..settings() };
    assert!(!format!("{settings:?}").contains("sesame"));
    let failure = RegistryClient::new(settings).unwrap_err();
    assert_eq!(failure.fault, FetchFault::Configuration);
    assert!(!everything(&failure).contains("sesame"), "{failure:?}");
}

#[test]
fn an_empty_user_agent_is_refused() {
    let failure =
        RegistryClient::new(RegistrySettings { user_agent: " ".to_owned(), ..settings() }).unwrap_err();
    assert_eq!(failure.fault, FetchFault::Configuration);
}

/// Connections are reused, so that a pull does not open a new one for each blob.
#[tokio::test]
async fn one_connection_serves_many_requests() {
    let scene = scene();
    scene.registry.require(BearerAuth::anonymous());
    scene.digest().await.unwrap();
    for _ in 0..3 {
        assert!(scene.read(0).await.1.is_none());
    }
    assert_eq!(scene.registry.connections(), 2, "one of them to find out that no TLS is spoken");
}

#[tokio::test]
async fn endless_timeouts_do_not_overflow() {
    let scene = scene();
    let timing = Timing {
        connect: Duration::MAX,
        stall: Duration::MAX,
        first_pause: Duration::MAX,
        longest_pause: Duration::MAX,
    };
    let client = RegistryClient::with_timing(settings(), timing).unwrap();
    assert_eq!(client.resolve(&scene.reference).await.unwrap().descriptor.digest, scene.manifest);
    let stream = client.fetch_unverified(&scene.reference, &scene.layer, 0).await.unwrap();
    assert_eq!(drain(stream).await.0, scene.layer_bytes);
}
