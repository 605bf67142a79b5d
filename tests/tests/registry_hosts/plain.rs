//! Servers without TLS at addresses where TLS is tried first.

use super::*;

#[tokio::test]
async fn plain_http_follows_where_certificates_are_not_checked() {
    let (server, image) = server();
    let toml = format!("server = 'https://{}'", server.address());
    let failure = resolve(&Directories::with(&toml).client()).await.unwrap_err();
    assert_eq!(failure.fault, FetchFault::Protocol);
    assert!(failure.message.ends_with("does not speak TLS"), "{failure}");
    assert!(server.requests().is_empty());

    // An explicit scheme in the file counts, whatever the user's settings.
    let failure = resolve(&Directories::with(&toml).insecure().client()).await.unwrap_err();
    assert!(failure.message.ends_with("does not speak TLS"), "{failure}");
    assert!(server.requests().is_empty());

    let toml = format!("server = 'http://{}'", server.address());
    let before = server.connections();
    let client = Directories::with(&toml).insecure().client();
    assert_eq!(resolve(&client).await.unwrap(), image.manifest);
    for _ in 0..3 {
        assert_eq!(read(&client, &image.layer, 0).await.0, image.bytes);
    }
    assert_eq!(server.connections() - before, 2, "TLS is tried once, and one connection serves the rest");
}

/// For containerd, an `http` address with TLS settings is ambiguous.
#[tokio::test]
async fn an_ambiguous_address_uses_tls_or_plain_http() {
    let authority = Authority::new();
    for security in [Security::Plain, authority.tls()] {
        let (server, image) = server_with(security);
        let toml = format!("server = 'http://{}'\nskip_verify = true", server.address());
        let client = Directories::with(&toml).client();
        assert_eq!(resolve(&client).await.unwrap(), image.manifest);
    }
}

#[tokio::test]
async fn loopback_works_with_and_without_tls() {
    let authority = Authority::new();
    for security in [Security::Plain, authority.tls()] {
        let (server, image) = server_with(security);
        server.require(BearerAuth::anonymous());
        let reference = Reference::parse(&server.image("team/app:1")).unwrap();
        let client = Directories::new().client();
        assert_eq!(client.resolve(&reference).await.unwrap().descriptor.digest, image.manifest);
    }
}

/// A handshake that never ends counts as one with a server without TLS.
#[tokio::test]
async fn a_silent_handshake_leads_to_plain_http() {
    let server = ScriptedRegistry::start_with(Security::Silent);
    let directories = Directories::with(&format!("server = 'http://{}'", server.address())).insecure();
    let quick = Timing { connect: Duration::from_millis(200), stall: Duration::from_millis(200), ..timing() };
    let client = directories.client_with(quick);
    let failure = resolve(&client).await.unwrap_err();
    assert!(failure.message.contains("sent nothing for 0.4 s during"), "{failure}");
    assert!(failure.message.contains("`http://"), "{failure}");
}

#[tokio::test]
async fn a_closed_port_does_not_lead_to_plain_http() {
    let (server, _) = server();
    let toml = format!("server = 'http://{}'", server.address());
    server.kill();
    let failure = resolve(&Directories::with(&toml).insecure().client()).await.unwrap_err();
    assert_eq!(failure.fault, FetchFault::Unavailable);
    assert!(failure.message.starts_with("cannot connect to registry"), "{failure}");
}

/// The behaviour of a proxy says nothing about the server behind it.
#[tokio::test]
async fn a_failing_proxy_does_not_lead_to_plain_http() {
    let (dead, alive) = (Proxy::start(), Proxy::start());
    let (server, image) = server();
    alive.route("registry.invalid:80", &server.address());
    dead.kill();
    let mut directories = Directories::with("server = 'http://registry.invalid'").insecure();
    directories.settings.proxy.http = Some(alive.url());
    directories.settings.proxy.https = Some(dead.url());
    let failure = resolve(&directories.client()).await.unwrap_err();
    assert_eq!(failure.fault, FetchFault::Unavailable);
    assert_eq!(failure.message, "cannot connect to registry `registry.invalid` through the proxy");

    for status in [403, 407, 502] {
        let refusing = Proxy::start();
        refusing.refuse(status);
        directories.settings.proxy.https = Some(refusing.url());
        let failure = resolve(&directories.client()).await.unwrap_err();
        assert_eq!(failure.fault, FetchFault::Unavailable, "{status}: {failure}");
    }
    assert!(alive.passed().is_empty(), "{:?}", alive.passed());

    // A server that answers through the proxy in another protocol has no TLS.
    let open = Proxy::start();
    open.route("registry.invalid:443", &server.address());
    directories.settings.proxy.https = Some(open.url());
    assert_eq!(resolve(&directories.client()).await.unwrap(), image.manifest);
    assert_eq!(alive.passed().len(), 1);
}

/// Blobs on a storage without TLS: without certificate checks, TLS protects nothing there.
#[tokio::test]
async fn redirects_to_plain_http_need_permission() {
    let authority = Authority::new();
    let (server, image) = server_with(authority.tls());
    let storage = ScriptedRegistry::start();
    storage.add_file("/layer", image.bytes.clone());
    server.require(BearerAuth::anonymous());
    let toml = format!("server = 'https://{}'\nca = '{}'", server.address(), authority.files().ca.display());
    let unchecked = toml.clone() + "\nskip_verify = true\nheader = { x-own = 'sesame' }";
    let checked = toml.clone() + "\nskip_verify = false";
    for (directories, follows) in [
        (Directories::with(&toml), false),
        (Directories::with(&checked).insecure(), false),
        (Directories::with(&toml).insecure(), true),
        (Directories::with(&unchecked), true),
    ] {
        let client = directories.client();
        resolve(&client).await.unwrap();
        server.on(Rule::get("/blobs/").redirect(format!("http://{}/layer", storage.address())));
        let (bytes, failure) = read(&client, &image.layer, 0).await;
        if follows {
            assert!(failure.is_none() && bytes == image.bytes, "{failure:?}");
            continue;
        }
        let failure = failure.unwrap();
        assert_eq!(failure.fault, FetchFault::Protocol);
        assert!(failure.message.contains("redirects from HTTPS to plain HTTP"), "{failure}");
        assert_eq!(failure.reason, Some(FetchReason::RedirectToPlainHttp));
        assert!(storage.requests().is_empty());
    }
    assert_eq!(storage.requests().len(), 2);
    for request in storage.requests() {
        assert_eq!((request.header("authorization"), request.header("x-own")), (None, None));
    }
}

/// Many servers close a connection without TLS's closing message. The length of the body decides.
#[tokio::test]
async fn tls_without_closing_message_is_accepted() {
    let authority = Authority::new();
    let (server, image) = server_with(authority.tls());
    let directories = Directories::with(&format!("server = 'https://{}'", server.address())).insecure();
    let cut = |part: &str, after| Rule::get(part).without_header("content-length").cut_after(after);
    server.require(BearerAuth::anonymous());
    server.on(cut("/token", usize::MAX));
    server.on(Rule::head("/manifests/").status(405));
    server.on(cut("/manifests/", usize::MAX));
    server.on(cut("/blobs/", usize::MAX));
    let client = directories.client();
    assert_eq!(resolve(&client).await.unwrap(), image.manifest);
    let (bytes, failure) = read(&client, &image.layer, 0).await;
    assert!(failure.is_none() && bytes == image.bytes, "{failure:?}");

    server.on(cut("/blobs/", 1000));
    let (bytes, failure) = read(&client, &image.layer, 0).await;
    assert_eq!(bytes, image.bytes[..1000]);
    assert!(failure.unwrap().message.contains("broke off"));
}
