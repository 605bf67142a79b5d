//! Which server receives a request, and which header fields.

use super::*;

#[tokio::test]
async fn only_servers_with_resolve_are_asked_for_tags() {
    let ((mirror, image), (server, _)) = (server(), server());
    let client = Directories::with(&format!(
        "server = 'http://{}'\n[host.'http://{}']\ncapabilities = ['pull']\nheader.X-Site = ['a', 'b']",
        server.address(),
        mirror.address()
    ))
    .client();
    assert_eq!(resolve(&client).await.unwrap(), image.manifest);
    assert_eq!(read(&client, &image.layer, 5).await.0, image.bytes[5..]);
    assert!(server.requests().iter().all(|request| request.path.ends_with("/manifests/1")));
    let requests = mirror.requests();
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert_eq!(requests[0].query, format!("ns={REGISTRY}"));
    let site: Vec<&(String, String)> =
        requests[0].headers.iter().filter(|(name, _)| name == "x-site").collect();
    assert_eq!(site.len(), 2, "{requests:?}");
    assert!(server.requests().iter().all(|request| request.header("x-site").is_none()));

    // A digest identifies the content, so any server may answer.
    let by_digest = Reference::parse(&format!("{REGISTRY}/team/app@{}", image.manifest)).unwrap();
    client.resolve(&by_digest).await.unwrap();
    assert_eq!(mirror.requests_to("HEAD", image.manifest.as_str()).len(), 1);
}

#[tokio::test]
async fn a_path_is_put_before_the_repository() {
    let mirror = ScriptedRegistry::start();
    let image = fill(&mirror, "hub/team/app");
    let directories =
        Directories::with(&format!("server = 'http://{}/v2/hub/'\noverride_path = true", mirror.address()));
    assert_eq!(resolve(&directories.client()).await.unwrap(), image.manifest);
    assert_eq!(mirror.requests()[0].path, "/v2/hub/team/app/manifests/1");
}

#[tokio::test]
async fn directories_are_chosen_by_port_or_for_all() {
    let ((with_port, image), (for_all, _)) = (server(), server());
    let directories = Directories::new();
    let toml = |server: &ScriptedRegistry| format!("server = 'http://{}'", server.address());
    directories.add("registry.example_5000_", "hosts.toml", toml(&with_port));
    directories.add("_default", "hosts.toml", toml(&for_all));
    let client = directories.client();
    let reference = Reference::parse("registry.example:5000/team/app:1").unwrap();
    assert_eq!(client.resolve(&reference).await.unwrap().descriptor.digest, image.manifest);
    assert!(for_all.requests().is_empty());
    assert_eq!(with_port.requests()[0].query, "ns=registry.example%3A5000");
    resolve(&client).await.unwrap();
    assert_eq!(for_all.requests().len(), 1);
}

/// containerd asks it for blobs all the same.
#[tokio::test]
async fn a_server_for_pushes_only_is_not_asked() {
    let ((pushed_to, image), (server, _)) = (server(), server());
    let toml = |server: &str| {
        format!("server = '{server}'\n[host.'http://{}']\ncapabilities = ['push']", pushed_to.address())
    };
    let client = Directories::with(&toml(&format!("http://{}", server.address()))).client();
    resolve(&client).await.unwrap();
    read(&client, &image.layer, 0).await;
    assert!(pushed_to.requests().is_empty());

    let alone = Directories::with(&format!(
        "server = 'http://{}'\ncapabilities = ['pull', 'push']",
        pushed_to.address()
    ));
    let failure = resolve(&alone.client()).await.unwrap_err();
    assert_eq!(failure.fault, FetchFault::Configuration);
    assert_eq!(
        failure.message,
        "none of the hosts for registry `registry.example` has the capabilities `pull` and `resolve`"
    );
}

#[tokio::test]
async fn a_file_with_an_error_fails_the_request() {
    let (server, _) = server();
    let directories = Directories::with(&format!("server = 'http://{}'\nca = 5", server.address()));
    let failure = resolve(&directories.client()).await.unwrap_err();
    assert_eq!(failure.fault, FetchFault::Configuration);
    assert_eq!(causes(&failure), ["line 2, column 6: `ca` must be a text or a list of texts"]);
    assert!(server.requests().is_empty());
}

/// Fields that authenticate the user go to this server only. Its other fields also go to its token server.
#[tokio::test]
async fn header_fields_stay_with_their_server() {
    let ((server, image), store, tokens) = (server(), ScriptedRegistry::start(), server().0);
    server.require(BearerAuth::anonymous().realm(format!("http://localhost:{}/token", port(&tokens))));
    tokens.add_file("/token", r#"{"token":"t"}"#);
    store.add_file("/x", image.bytes.clone());
    server.on(Rule::get("/blobs/").nth(2).redirect(format!("http://{}/x", store.address())));
    let directories = Directories::with(&format!(
        "server = 'http://{}'\nheader.Authorization = 'Basic sesame'\nheader.X-Site = 'a'",
        server.address()
    ));
    assert!(read(&directories.client(), &image.layer, 0).await.1.is_none());
    assert_eq!(store.requests().len(), 1);
    let first = &server.requests()[0];
    assert_eq!((first.header("authorization"), first.header("x-site")), (Some("Basic sesame"), Some("a")));
    for request in store.requests() {
        assert_eq!((request.header("authorization"), request.header("x-site")), (None, None));
    }
    let asked = tokens.requests();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!((asked[0].header("authorization"), asked[0].header("x-site")), (None, Some("a")));
}

fn port(registry: &ScriptedRegistry) -> String {
    registry.address().rsplit(':').next().unwrap_or_default().to_owned()
}

/// A directory on a file system that hangs delays its own registry only.
#[tokio::test]
async fn a_directory_that_hangs_delays_only_its_registry() {
    let (server, image) = server();
    let directories = Directories::with(&format!("server = 'http://{}'", server.address()));
    let hanging = directories.root.path().join("hanging.example");
    fs::create_dir(&hanging).unwrap();
    // Opening a pipe for reading waits for a writer.
    let pipe = hanging.join("hosts.toml");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)
        .unwrap();
    let client = directories.client();
    let other = Reference::parse("hanging.example/x").unwrap();
    let (hangs, found) =
        tokio::join!(tokio::time::timeout(Duration::from_secs(1), client.resolve(&other)), async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            tokio::time::timeout(Duration::from_millis(700), resolve(&client)).await
        });
    // The waiting thread must end before the test can.
    drop(fs::OpenOptions::new().write(true).open(&pipe).unwrap());
    assert!(hangs.is_err(), "the pipe is read");
    assert_eq!(found.expect("the other registry does not wait").unwrap(), image.manifest);
}
