//! Blobs: ranges, redirects, and wrong bodies.

use std::io::Write as _;

use super::*;

#[tokio::test]
async fn a_blob_is_read_from_its_beginning() {
    let scene = scene();
    let (bytes, failure) = scene.read(0).await;
    assert!(failure.is_none() && bytes == scene.layer_bytes);
    let request = &scene.registry.requests()[0];
    assert_eq!(request.path, format!("/v2/team/app/blobs/{}", scene.layer.digest));
    assert_eq!(request.header("accept"), Some(format!("{LAYER}, */*").as_str()));
    assert_eq!(request.header("accept-encoding"), Some("identity"));
    assert_eq!(request.header("range"), None);
}

#[tokio::test]
async fn a_blob_is_read_by_sha512() {
    let scene = scene();
    let digest = scene.registry.add_blob_with(Algorithm::Sha512, &b"bytes"[..]);
    let descriptor = Descriptor::new(MediaType::new(LAYER), digest, 5);
    let stream = scene.client.fetch_unverified(&scene.reference, &descriptor, 0).await.unwrap();
    assert_eq!(drain(stream).await.0, b"bytes");
}

#[tokio::test]
async fn a_blob_is_read_from_an_offset() {
    let scene = scene();
    let (bytes, failure) = scene.read(1000).await;
    assert!(failure.is_none() && bytes == scene.layer_bytes[1000..]);
    assert_eq!(scene.registry.requests()[0].header("range"), Some("bytes=1000-"));
    assert_eq!(scene.registry.requests()[0].bytes_sent, scene.layer.size - 1000);
}

#[tokio::test]
async fn without_ranges_the_beginning_is_skipped() {
    let scene = scene();
    scene.registry.on(Rule::get("/blobs/").ignore_range());
    let (bytes, failure) = scene.read(100_000).await;
    assert!(failure.is_none() && bytes == scene.layer_bytes[100_000..]);
    assert_eq!(scene.registry.requests()[0].status, 200);
}

/// A server may reject the range: then the whole blob is requested once, and its beginning is skipped.
#[tokio::test]
async fn a_refused_range_is_followed_by_a_whole_request() {
    type Refusal<'a> = Box<dyn Fn(&Scene) -> Rule + 'a>;
    let range = |value: &str| Rule::get("/blobs/").nth(1).header("content-range", value);
    let partial = |scene: &Scene| Rule::get("/blobs/").nth(1).status(206).body(scene.layer_bytes.clone());
    let refused = |status| move |_: &Scene| Rule::get("/blobs/").nth(1).status(status);
    let rules: [(&str, Refusal<'_>); 10] = [
        ("400", Box::new(refused(400))),
        ("403", Box::new(refused(403))),
        ("405", Box::new(refused(405))),
        ("412", Box::new(refused(412))),
        ("416", Box::new(refused(416))),
        ("501", Box::new(refused(501))),
        ("another range", Box::new(|_| range("bytes 1001-1199999/1200000"))),
        ("no range", Box::new(|_| range("bytes */5"))),
        ("no unit", Box::new(|_| range("1000-1199999/1200000"))),
        ("no field", Box::new(partial)),
    ];
    for (case, rule) in rules {
        let scene = scene();
        scene.registry.on(rule(&scene));
        let (bytes, failure) = scene.read(1000).await;
        assert!(failure.is_none() && bytes == scene.layer_bytes[1000..], "{case}: {failure:?}");
        let asked: Vec<_> = scene
            .registry
            .requests()
            .iter()
            .map(|request| request.header("range").map(str::to_owned))
            .collect();
        assert_eq!(asked, [Some("bytes=1000-".to_owned()), None], "{case}");
    }
}

#[tokio::test]
async fn a_range_that_begins_earlier_is_cut() {
    let scene = scene();
    let last = scene.layer.size - 1;
    let whole = Rule::get("/blobs/").status(206).body(scene.layer_bytes.clone());
    scene.registry.on(whole.header("content-range", format!("bytes 0-{last}/{}", scene.layer.size)));
    let (bytes, failure) = scene.read(1000).await;
    assert!(failure.is_none() && bytes == scene.layer_bytes[1000..]);
    assert_eq!(scene.registry.requests().len(), 1);
}

#[tokio::test]
async fn a_refusal_with_and_without_range_is_an_error() {
    let scene = scene();
    scene.registry.on(Rule::get("/blobs/").error(403, "DENIED", "not for you"));
    let failure = scene.read(1000).await.1.unwrap();
    assert_eq!(failure.fault, FetchFault::Denied);
    assert_eq!(scene.registry.requests().len(), 2);
}

#[tokio::test]
async fn at_the_end_of_a_blob_there_are_no_bytes() {
    let scene = scene();
    let (bytes, failure) = scene.read(scene.layer.size).await;
    assert!(bytes.is_empty() && failure.is_none());
    assert_eq!(scene.registry.requests()[0].status, 416);
    // Before the end of the blob, this is an error.
    scene.registry.on(Rule::get("/blobs/").status(416));
    for offset in [0, 10] {
        assert_eq!(scene.read(offset).await.1.unwrap().fault, FetchFault::Protocol);
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Compressed responses differ from the stored bytes, and a stored layer may be mistaken for a compressed response.
#[tokio::test]
async fn content_codings_are_undone_or_refused() {
    for offset in [0, 1000] {
        let scene = scene();
        let compressed = gzip(&scene.layer_bytes);
        scene.registry.on(Rule::get("/blobs/").header("content-encoding", "gzip").body(compressed));
        let (bytes, failure) = scene.read(offset).await;
        assert!(failure.is_none(), "{failure:?}");
        assert!(bytes == scene.layer_bytes[usize::try_from(offset).unwrap()..]);
    }
    for coding in ["gzip", "x-gzip", "br", "aws-chunked"] {
        let scene = scene();
        scene.registry.on(Rule::get("/blobs/").header("content-encoding", coding));
        for offset in [0, 1000] {
            let (bytes, failure) = scene.read(offset).await;
            assert!(failure.is_none(), "{coding}: {failure:?}");
            assert!(bytes == scene.layer_bytes[usize::try_from(offset).unwrap()..], "{coding}");
        }
    }
    let scene = scene();
    scene.registry.on(Rule::get("/blobs/").header("content-encoding", "br").body("other bytes"));
    let failure = scene.read(0).await.1.unwrap();
    assert_eq!(failure.fault, FetchFault::Protocol);
    assert!(failure.message.contains("sent content with the coding `br`"), "{failure}");
    scene.registry.on(Rule::get("/blobs/").header("content-encoding", "gzip").body("no gzip"));
    let failure = scene.read(0).await.1.unwrap();
    assert!(failure.message.contains("broke off"), "{failure}");
}

#[tokio::test]
async fn bodies_that_break_off_are_errors() {
    for (rule, least, reason) in [
        (Rule::get("/blobs/").short_body(70_000), 70_000, "broke off"),
        (Rule::get("/blobs/").chunked().short_body(70_000), 70_000, "broke off"),
        (Rule::get("/blobs/").reset_after(70_000), 0, "broke off"),
        (Rule::get("/blobs/").stall_after(70_000), 70_000, "sent nothing for"),
    ] {
        let scene = scene();
        let case = format!("{rule:?}");
        let quick = Timing { stall: Duration::from_millis(300), ..timing() };
        let client = RegistryClient::with_timing(settings(), quick).unwrap();
        scene.registry.on(rule);
        let stream = client.fetch_unverified(&scene.reference, &scene.layer, 0).await.unwrap();
        let (bytes, failure) = drain(stream).await;
        let failure = failure.unwrap_or_else(|| panic!("{case}: no failure"));
        assert_eq!(failure.fault, FetchFault::Unavailable, "{case}");
        assert!(failure.message.contains(reason), "{case}: {failure}");
        assert!(bytes.len() >= least && bytes == scene.layer_bytes[..bytes.len()], "{case}");
    }
}

/// The size says that all bytes have come. The digest, which is checked later, says whether they are right.
#[tokio::test]
async fn faults_after_the_last_byte_are_ignored() {
    let all = scene().layer_bytes.len();
    for rule in [
        Rule::get("/blobs/").without_header("content-length").reset_after(all),
        Rule::get("/blobs/").chunked().short_body(all),
        Rule::get("/blobs/").chunked().reset_after(all),
        Rule::get("/blobs/").header("content-length", (all + 5).to_string()).short_body(all),
    ] {
        let scene = scene();
        let case = format!("{rule:?}");
        scene.registry.on(rule);
        let (bytes, failure) = scene.read(0).await;
        assert!(failure.is_none() && bytes == scene.layer_bytes, "{case}: {failure:?}");
    }
}

#[tokio::test]
async fn a_slow_body_is_not_a_stalled_one() {
    let scene = scene();
    let quick = Timing { stall: Duration::from_millis(800), ..timing() };
    let client = RegistryClient::with_timing(settings(), quick).unwrap();
    scene.registry.on(Rule::get("/blobs/").throttle(1_000_000));
    let started = Instant::now();
    let stream = client.fetch_unverified(&scene.reference, &scene.layer, 0).await.unwrap();
    let (bytes, failure) = drain(stream).await;
    assert!(failure.is_none() && bytes == scene.layer_bytes);
    assert!(started.elapsed() > Duration::from_millis(900), "the whole took longer than a stall may");
}

#[tokio::test]
async fn chunked_bodies_are_read() {
    let scene = scene();
    scene.registry.on(Rule::get("/blobs/").chunked());
    let (bytes, failure) = scene.read(0).await;
    assert!(failure.is_none() && bytes == scene.layer_bytes);
}

/// The client does not verify blobs. The reader behind the port does.
#[tokio::test]
async fn wrong_bytes_pass_through() {
    let scene = scene();
    scene.registry.on(Rule::get("/blobs/").wrong_bytes());
    let (bytes, failure) = scene.read(0).await;
    assert!(failure.is_none() && bytes.len() == scene.layer_bytes.len() && bytes != scene.layer_bytes);
}

#[tokio::test]
async fn manifests_are_read_by_their_own_url() {
    let scene = scene();
    let descriptor = Descriptor::new(MediaType::new(MANIFEST), scene.manifest.clone(), 1);
    let stream = scene.client.fetch_unverified(&scene.reference, &descriptor, 0).await.unwrap();
    assert_eq!(drain(stream).await.0, manifest_bytes());
    assert_eq!(scene.registry.requests()[0].path, format!("/v2/team/app/manifests/{}", scene.manifest));
}

#[tokio::test]
async fn a_manifest_stored_as_a_blob_is_found() {
    let scene = scene();
    let digest = scene.registry.add_blob(&b"{}"[..]);
    let descriptor = Descriptor::new(MediaType::new(MANIFEST), digest, 2);
    let stream = scene.client.fetch_unverified(&scene.reference, &descriptor, 0).await.unwrap();
    assert_eq!(drain(stream).await.0, b"{}");
}

#[tokio::test]
async fn a_missing_blob_is_not_found() {
    let scene = scene();
    let missing = Digest::parse(&format!("sha256:{}", "0".repeat(64))).unwrap();
    for (media_type, code) in [(LAYER, "BLOB_UNKNOWN"), (MANIFEST, "MANIFEST_UNKNOWN")] {
        let descriptor = Descriptor::new(MediaType::new(media_type), missing.clone(), 1);
        let failure = scene.client.fetch_unverified(&scene.reference, &descriptor, 0).await.err().unwrap();
        assert_eq!(failure.fault, FetchFault::NotFound);
        assert_eq!(failure.reason, Some(FetchReason::MissingBlob));
        // The failure at the layer's usual location decides.
        assert!(failure.message.contains(code), "{}", failure.message);
    }
}

#[tokio::test]
async fn a_redirect_keeps_range_and_accept_and_drops_the_authorization() {
    let scene = scene();
    scene.registry.require(BearerAuth::anonymous());
    let storage = ScriptedRegistry::start();
    storage.add_file("/store/layer", scene.layer_bytes.clone());
    let signed = format!("http://{}/store/layer?signature=sesame", storage.address());
    scene.registry.on(Rule::get("/blobs/").redirect(signed));

    // The first request is challenged before the rule applies. The second one has a token.
    scene.digest().await.unwrap();
    let (bytes, failure) = scene.read(1000).await;
    assert!(failure.is_none() && bytes == scene.layer_bytes[1000..]);
    assert!(scene.registry.requests_to("GET", "/blobs/")[0].header("authorization").is_some());
    let request = &storage.requests()[0];
    assert_eq!(request.header("authorization"), None);
    assert_eq!(request.header("range"), Some("bytes=1000-"));
    assert_eq!(request.header("accept"), Some(format!("{LAYER}, */*").as_str()));
    assert_eq!(request.query, "signature=sesame");

    // A failure of the storage is reported without the signature, and does not ask for a login.
    storage.on(Rule::get("/store/").status(401));
    let failure = scene.read(0).await.1.unwrap();
    assert_eq!(failure.fault, FetchFault::Denied);
    assert_eq!(failure.reason, None);
    assert_eq!(
        failure.message,
        format!(
            "server `{0}` (redirected from registry `{1}`) answered 401 to GET `http://{0}/store/layer`",
            storage.address(),
            scene.host()
        )
    );
    assert!(!everything(&failure).contains("sesame"));
}

#[tokio::test]
async fn a_redirect_within_the_registry_keeps_the_authorization() {
    let scene = scene();
    scene.registry.require(BearerAuth::anonymous());
    scene.registry.add_file("/elsewhere", &b"bytes"[..]);
    scene.digest().await.unwrap();
    scene.registry.on(Rule::get("/blobs/").redirect("/elsewhere"));
    assert_eq!(scene.read(0).await.0, b"bytes");
    assert_eq!(
        scene.registry.requests_to("GET", "/elsewhere")[0].header("authorization"),
        Some("Bearer token-1")
    );
}

#[tokio::test]
async fn faulty_redirects_are_not_followed() {
    for (location, reason) in [
        (Some("/v2/team/app/blobs/again"), "redirects too often"),
        (Some("ftp://somewhere/x"), "a scheme other than HTTP"),
        (Some("http://[/"), "not a URL"),
        (None, "without naming a target"),
    ] {
        let scene = scene();
        let rule = Rule::get("/blobs/");
        scene.registry.on(match location {
            Some(location) => rule.redirect(location),
            None => rule.status(302),
        });
        let failure = scene.read(0).await.1.unwrap();
        assert_eq!(failure.fault, FetchFault::Protocol);
        assert!(failure.message.contains(reason), "{failure}");
        assert!(scene.registry.requests().len() <= limits::REDIRECTS + 1);
    }
}
