//! Failover from one server to the next.

use super::*;

fn both(first: &ScriptedRegistry, second: &ScriptedRegistry) -> Client {
    let (first, second) = (first.address(), second.address());
    Directories::with(&format!("server = 'http://{second}'\n[host.'http://{first}']")).client()
}

#[tokio::test]
async fn any_failure_leads_to_the_next_server() {
    for rule in [
        Rule::any("/v2/").status(404),
        Rule::any("/v2/").status(401),
        Rule::any("/v2/").status(403),
        Rule::any("/v2/").status(429).header("retry-after", "1"),
        Rule::any("/v2/").status(500),
        Rule::any("/v2/").status(418),
        Rule::any("/v2/").header("bad header", "x"),
        Rule::any("/v2/").redirect("ftp://x/"),
    ] {
        let ((first, image), (second, _)) = (server(), server());
        first.on(rule.clone());
        let client = both(&first, &second);
        let started = Instant::now();
        assert_eq!(resolve(&client).await.unwrap(), image.manifest, "{rule:?}");
        assert_eq!(read(&client, &image.layer, 0).await.0, image.bytes, "{rule:?}");
        assert!(started.elapsed() < Duration::from_secs(1), "{rule:?}: there is another server to ask");
        assert!(!first.requests().is_empty() && !second.requests().is_empty());
    }
}

/// A server that does not listen is asked once, and then not for a while.
#[tokio::test]
async fn a_dead_mirror_costs_one_connection() {
    let ((first, _), (second, image)) = (server(), server());
    first.kill();
    let directories = Directories::with(&format!(
        "server = 'http://{}'\n[host.'http://{}']",
        second.address(),
        first.address()
    ));
    let slow = Timing { first_pause: Duration::from_secs(20), ..timing() };
    let client = directories.client_with(slow);
    let started = Instant::now();
    assert_eq!(resolve(&client).await.unwrap(), image.manifest);
    for _ in 0..3 {
        assert!(read(&client, &image.layer, 0).await.1.is_none());
    }
    assert!(started.elapsed() < Duration::from_secs(5));
}

/// The bytes of a blob that the first server sends before it breaks off.
const SENT: usize = 700_000;

#[tokio::test]
async fn a_blob_continues_at_the_next_server() {
    let ((first, image), (second, _)) = (server(), server());
    for ending in [Rule::get("/blobs/").reset_after(SENT), Rule::get("/blobs/").short_body(SENT)] {
        first.on(ending.first(1));
    }
    let client = both(&first, &second);
    let (beginning, failure) = read(&client, &image.layer, 0).await;
    assert_eq!(failure.unwrap().fault, FetchFault::Unavailable);
    assert!(!beginning.is_empty() && beginning.len() <= SENT);

    let (rest, failure) = read(&client, &image.layer, beginning.len() as u64).await;
    assert!(failure.is_none());
    assert!([beginning.clone(), rest].concat() == image.bytes);
    let asked = second.requests();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].header("range"), Some(format!("bytes={}-", beginning.len()).as_str()));
    assert_eq!(asked[0].bytes_sent, (image.bytes.len() - beginning.len()) as u64);

    // The first server failed a short while ago. It is asked again when the other one fails.
    assert!(read(&client, &image.layer, 0).await.1.is_none());
    assert_eq!((first.requests().len(), second.requests().len()), (1, 2));
    second.kill();
    assert_eq!(read(&client, &image.layer, 0).await.0, image.bytes);
    assert_eq!(first.requests().len(), 2);
}

/// The end of a body without a length looks regular to the connection, but the blob is incomplete.
#[tokio::test]
async fn a_short_body_without_length_continues_at_the_next_server() {
    let ((first, image), (second, _)) = (server(), server());
    let short = image.bytes[..1000].to_vec();
    first.on(Rule::get("/blobs/").body(short.clone()).chunked());
    let client = both(&first, &second);
    assert_eq!(read(&client, &image.layer, 0).await.0, short);
    assert!(read(&client, &image.layer, 1000).await.0 == image.bytes[1000..]);
    assert_eq!((first.requests().len(), second.requests().len()), (1, 1));
}

#[tokio::test]
async fn content_that_no_server_has_is_not_found() {
    let ((first, image), (second, _)) = (server(), server());
    let (a, b) = (first.address(), second.address());
    let client = both(&first, &second);
    first.kill();
    second.on(Rule::any("/blobs/").error(404, "BLOB_UNKNOWN", "no such blob"));
    let failure = read(&client, &image.layer, 0).await.1.unwrap();
    assert_eq!(failure.fault, FetchFault::NotFound);
    assert!(failure.message.starts_with(&format!("registry `{b}` answered 404 to GET")), "{failure}");
    assert_eq!((failure.others.len(), causes(&failure).len()), (1, 0), "{failure:?}");
    assert_eq!(failure.others[0].message, format!("cannot connect to registry `{a}`"));
    assert_eq!(causes(&failure.others[0]).len(), 1, "{failure:?}");
    assert_eq!((failure.reason, failure.unreached), (Some(FetchReason::MissingBlob), vec![a]));
}

/// Content that a mirror lacks may still exist.
#[tokio::test]
async fn not_found_at_a_mirror_does_not_hide_a_dead_registry() {
    let ((first, image), (second, _)) = (server(), server());
    let client = both(&first, &second);
    first.on(Rule::any("/v2/").error(404, "MANIFEST_UNKNOWN", "no such manifest"));
    second.kill();
    for failure in [resolve(&client).await.unwrap_err(), read(&client, &image.layer, 0).await.1.unwrap()] {
        assert_eq!(failure.fault, FetchFault::Unavailable);
        let said = format!("registry `{}` answered 404", first.address());
        assert!(failure.others.iter().any(|other| other.message.starts_with(&said)), "{failure:?}");
    }
}

#[tokio::test]
async fn a_rate_limit_is_reported_with_its_fields() {
    let (server, _) = server();
    let client = Directories::with(&format!("server = 'http://{}'", server.address())).client();
    let limited = Rule::any("/v2/").status(429).header("ratelimit-limit", "100;w=21600");
    server.on(limited.header("ratelimit-remaining", "0;w=21600").header("retry-after", "3600"));
    let failure = resolve(&client).await.unwrap_err();
    let (limit, remaining) = (Some("100;w=21600".to_owned()), Some("0;w=21600".to_owned()));
    assert_eq!(failure.reason, Some(FetchReason::RateLimited { limit, remaining }));
    assert_eq!(failure.retry_after, Some(Duration::from_hours(1)));
}
