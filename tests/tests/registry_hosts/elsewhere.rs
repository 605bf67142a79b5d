//! Layers outside of the registry.

use super::*;

const FOREIGN: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";

fn at(image: &Image, media_type: &str, urls: &[String]) -> Descriptor {
    let mut layer = image.layer.clone();
    layer.media_type = MediaType::new(media_type);
    layer.urls = urls.to_vec();
    layer
}

/// The layer as requested through `reference`, from `offset` on.
async fn read_as(reference: &Reference, layer: &Descriptor, offset: u64) -> Result<Vec<u8>, FetchFailure> {
    let stream = Directories::new().client().fetch_unverified(reference, layer, offset).await?;
    let (bytes, failure) = drain(stream).await;
    failure.map_or(Ok(bytes), Err)
}

#[tokio::test]
async fn urls_are_asked_first_for_foreign_layers_and_last_for_others() {
    let ((registry, image), elsewhere) = (server(), ScriptedRegistry::start());
    registry.require(BearerAuth::anonymous());
    elsewhere.add_file("/layer", image.bytes.clone());
    let local = Reference::parse(&registry.image("team/app:1")).unwrap();
    let urls = [format!("http://user:pass@{}/layer", elsewhere.address())];

    assert_eq!(read_as(&local, &at(&image, FOREIGN, &urls), 7).await.unwrap(), image.bytes[7..]);
    assert!(registry.requests().is_empty());
    let asked = elsewhere.requests();
    assert_eq!(asked[0].header("range"), Some("bytes=7-"));
    assert_eq!(asked[0].header("authorization"), None);

    assert_eq!(read_as(&local, &at(&image, LAYER, &urls), 0).await.unwrap(), image.bytes);
    assert_eq!(elsewhere.requests().len(), 1);
}

#[tokio::test]
async fn a_dead_url_does_not_fail_a_layer() {
    let ((registry, image), elsewhere) = (server(), ScriptedRegistry::start());
    elsewhere.add_file("/layer", image.bytes.clone());
    let local = Reference::parse(&registry.image("team/app:1")).unwrap();
    let place = |path: &str| format!("http://{}/{path}", elsewhere.address());
    let dead = [place("gone"), "https://127.0.0.1:1/x".to_owned(), "ftp://x/y".to_owned(), "what".to_owned()];
    assert_eq!(read_as(&local, &at(&image, FOREIGN, &dead), 0).await.unwrap(), image.bytes);

    registry.on(Rule::get("/blobs/").error(404, "BLOB_UNKNOWN", "not here"));
    let some = [place("gone"), place("layer")];
    assert_eq!(read_as(&local, &at(&image, LAYER, &some), 0).await.unwrap(), image.bytes);
    let failure = read_as(&local, &at(&image, LAYER, &dead), 0).await.unwrap_err();
    assert_eq!(failure.fault, FetchFault::NotFound);
    assert_eq!(failure.others.len(), 2, "{failure:?}");
}

/// The search for a blob ends, even if every server sends wrong content.
#[tokio::test]
async fn a_url_with_wrong_content_is_asked_once() {
    let ((registry, image), elsewhere) = (server(), ScriptedRegistry::start());
    let wrong = vec![0; image.bytes.len()];
    elsewhere.add_file("/a", wrong.clone());
    elsewhere.add_file("/b", wrong.clone());
    let local = Reference::parse(&registry.image("team/app:1")).unwrap();
    let urls = ["a", "b"].map(|path| format!("http://{}/{path}", elsewhere.address()));
    let layer = at(&image, FOREIGN, &urls);
    let client = Directories::new().client();

    for _ in 0..2 {
        let stream = client.fetch_unverified(&local, &layer, 0).await.unwrap();
        assert!(drain(stream).await.0 == wrong);
        assert!(client.distrust(&local, &layer).await, "another server may have it");
    }
    let stream = client.fetch_unverified(&local, &layer, 0).await.unwrap();
    assert!(drain(stream).await.0 == image.bytes);
    assert_eq!(elsewhere.requests().len(), 2);

    assert!(!client.distrust(&local, &layer).await, "no server is left");
    let failure = client.fetch_unverified(&local, &layer, 0).await.err().unwrap();
    assert_eq!(failure.fault, FetchFault::Protocol);
    assert_eq!((elsewhere.requests().len(), registry.requests().len()), (2, 1));
}

/// The author of an image must not be able to send requests to private servers.
#[tokio::test]
async fn images_of_public_registries_use_public_urls_only() {
    let authority = Authority::new();
    let (server, image) = server_with(Security::Plain);
    let (inside, _) = server_with(authority.tls());
    inside.add_file("/layer", image.bytes.clone());
    server.on(Rule::get("/blobs/").status(404));
    let client = Directories::with(&format!("server = 'http://{}'", server.address())).client();
    let port = inside.address().rsplit(':').next().unwrap().to_owned();
    let urls = ["127.0.0.1", "localhost", "[::1]", "0x7f000001", "169.254.169.254"];
    let urls = urls.map(|host| format!("https://{host}:{port}/layer"));
    let (_, failure) = read(&client, &at(&image, FOREIGN, &urls), 0).await;
    let failure = failure.unwrap();
    assert!(failure.message.ends_with("is not asked: its address is not a public one"), "{failure}");
    let plain = [format!("http://{}/layer", server.address())];
    let (_, failure) = read(&client, &at(&image, FOREIGN, &plain), 0).await;
    assert_eq!(failure.unwrap().fault, FetchFault::NotFound);
    assert_eq!(inside.connections(), 0);
}
