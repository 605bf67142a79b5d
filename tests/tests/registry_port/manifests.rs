//! Resolving names, with correct and incorrect responses.

use std::io::Write as _;

use super::*;

#[tokio::test]
async fn a_correct_registry_is_asked_once() {
    let scene = scene();
    let resolved = scene.client.resolve(&scene.reference).await.unwrap();
    assert_eq!(resolved.descriptor.digest, scene.manifest);
    assert_eq!(resolved.descriptor.media_type, MediaType::new(MANIFEST));
    assert_eq!(resolved.descriptor.size, manifest_bytes().len() as u64);
    assert!(resolved.document.is_none());

    let requests = scene.registry.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(
        (requests[0].method.as_str(), requests[0].path.as_str()),
        ("HEAD", "/v2/team/app/manifests/1")
    );
    let accept = requests[0].header("accept").unwrap();
    for media_type in
        [MediaType::OCI_INDEX, MANIFEST, MediaType::DOCKER_LIST, MediaType::DOCKER_MANIFEST, "*/*"]
    {
        assert!(accept.contains(media_type), "{accept}");
    }
    assert_eq!(requests[0].header("user-agent"), Some("dray/0"));
    assert_eq!(requests[0].header("authorization"), None);
}

#[tokio::test]
async fn a_digest_is_resolved_to_itself() {
    let scene = scene();
    let name = scene.registry.image(&format!("team/app@{}", scene.manifest));
    let resolved = scene.client.resolve(&Reference::parse(&name).unwrap()).await.unwrap();
    assert_eq!(resolved.descriptor.digest, scene.manifest);
}

/// GET supplies what the response to HEAD lacks, and the document is returned.
#[tokio::test]
async fn an_incomplete_answer_to_head_leads_to_get() {
    for rule in [
        Rule::head("/manifests/").status(405),
        Rule::head("/manifests/").status(400),
        Rule::head("/manifests/").status(500),
        Rule::head("/manifests/").status(502),
        Rule::head("/manifests/").status(503),
        Rule::head("/manifests/").status(504),
        Rule::head("/manifests/").hang_up(),
        Rule::head("/manifests/").header("content-length", "x"),
        Rule::any("/manifests/").without_header("docker-content-digest"),
        Rule::head("/manifests/").without_header("content-length"),
        Rule::head("/manifests/").header("content-length", "0"),
        Rule::any("/manifests/").chunked(),
        Rule::any("/manifests/").chunked().without_header("docker-content-digest"),
        Rule::any("/manifests/").header("docker-content-digest", "md5:d41d8cd98f00b204e9800998ecf8427e"),
        Rule::any("/manifests/").header("content-type", "text/plain; charset=utf-8"),
        Rule::any("/manifests/").without_header("content-type"),
    ] {
        let scene = scene();
        let case = format!("{rule:?}");
        scene.registry.on(rule);
        let resolved = scene.client.resolve(&scene.reference).await.unwrap();
        assert_eq!(resolved.descriptor.digest, scene.manifest, "{case}");
        assert_eq!(resolved.descriptor.size, manifest_bytes().len() as u64, "{case}");
        assert_eq!(resolved.descriptor.media_type, MediaType::new(MANIFEST), "{case}");
        assert_eq!(resolved.document.unwrap(), manifest_bytes(), "{case}");
        assert_eq!(scene.registry.requests_to("GET", "/manifests/").len(), 1, "{case}");
    }
}

#[tokio::test]
async fn parameters_of_a_content_type_are_ignored() {
    let scene = scene();
    scene.registry.on(Rule::any("/manifests/").header("content-type", format!("{MANIFEST}; charset=utf-8")));
    let resolved = scene.client.resolve(&scene.reference).await.unwrap();
    assert_eq!(resolved.descriptor.media_type, MediaType::new(MANIFEST));
    assert!(resolved.document.is_none());
}

#[tokio::test]
async fn another_digest_than_requested_is_an_error() {
    let scene = scene();
    let other = Digest::parse(&format!("sha256:{}", "0".repeat(64))).unwrap();
    let by_digest = Reference::parse(&scene.registry.image(&format!("team/app@{}", scene.manifest))).unwrap();

    // HEAD states another digest.
    scene.registry.on(Rule::head("/manifests/").header("docker-content-digest", other.as_str()));
    let failure = scene.client.resolve(&by_digest).await.unwrap_err();
    assert_eq!(failure.fault, FetchFault::Protocol);
    assert!(failure.message.contains(&format!("asked for the manifest `{}`", scene.manifest)), "{failure}");

    // GET sends other bytes and states no digest.
    scene.registry.on(Rule::any("/manifests/").without_header("docker-content-digest"));
    scene.registry.on(Rule::get("/manifests/").wrong_bytes());
    let failure = scene.client.resolve(&by_digest).await.unwrap_err();
    assert_eq!(failure.fault, FetchFault::Protocol, "{failure}");
}

#[tokio::test]
async fn a_stated_digest_must_match_the_bytes() {
    let scene = scene();
    scene.registry.on(Rule::head("/manifests/").status(405));
    scene.registry.on(Rule::get("/manifests/").wrong_bytes());
    let failure = scene.digest().await.unwrap_err();
    assert_eq!(failure.fault, FetchFault::Protocol);
    assert!(failure.message.contains("its bytes hash to"), "{failure}");
}

/// A registry may state the digest by another algorithm than the reference.
#[tokio::test]
async fn a_digest_of_another_algorithm_does_not_replace_the_requested_one() {
    let scene = scene();
    let asked = dray::verify::digest_of(Algorithm::Sha512, &manifest_bytes());
    scene.registry.add_manifest("team/app", asked.as_str(), MANIFEST, manifest_bytes());
    let name = scene.registry.image(&format!("team/app@{asked}"));
    let reference = Reference::parse(&name).unwrap();
    assert_eq!(scene.client.resolve(&reference).await.unwrap().descriptor.digest, asked);

    scene.registry.on(Rule::head("/manifests/").status(405));
    assert_eq!(scene.client.resolve(&reference).await.unwrap().descriptor.digest, asked);
    scene.registry.on(Rule::get("/manifests/").without_header("docker-content-digest").wrong_bytes());
    assert_eq!(scene.client.resolve(&reference).await.unwrap_err().fault, FetchFault::Protocol);
}

#[tokio::test]
async fn a_manifest_that_is_too_large_is_refused() {
    const SIZE: usize = 5 << 20;
    for rule in
        [Rule::head("/never/"), Rule::head("/manifests/").status(405), Rule::any("/manifests/").chunked()]
    {
        let scene = scene();
        let case = format!("{rule:?}");
        scene.registry.add_manifest("team/app", "1", MANIFEST, vec![b' '; SIZE]);
        scene.registry.on(rule);
        let failure = scene.digest().await.unwrap_err();
        assert_eq!(failure.fault, FetchFault::Protocol, "{case}");
        assert!(failure.message.contains(&limits::DOCUMENT_BYTES.to_string()), "{case}: {failure}");
    }
}

#[tokio::test]
async fn documents_that_are_no_manifests_are_refused() {
    for (media_type, body, reason) in [
        ("text/html", "<html></html>", "sent `text/html`, which is neither"),
        ("application/json", r#"{"schemaVersion":2}"#, "sent `application/json`, which is neither"),
        ("", "not json", "without a content type"),
    ] {
        let scene = scene();
        scene.registry.add_manifest("team/app", "1", media_type, body);
        let failure = scene.digest().await.unwrap_err();
        assert_eq!(failure.fault, FetchFault::Protocol, "{media_type}");
        assert!(failure.message.contains(reason), "{media_type}: {failure}");
    }
}

/// The caller can give a better error for these.
#[tokio::test]
async fn known_documents_that_are_no_images_are_resolved() {
    let signed = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    let artifact = "application/vnd.oci.artifact.manifest.v1+json";
    for (media_type, body, resolved) in [
        ("application/json", r#"{"schemaVersion":1}"#, MediaType::SCHEMA1),
        (signed, "{}", signed),
        (artifact, "{}", artifact),
    ] {
        let scene = scene();
        scene.registry.add_manifest("team/app", "1", media_type, body);
        let found = scene.client.resolve(&scene.reference).await.unwrap();
        assert_eq!(found.descriptor.media_type.as_str(), resolved, "{body}");
    }
}

#[tokio::test]
async fn a_missing_manifest_is_not_found() {
    let scene = scene();
    let reference = Reference::parse(&scene.registry.image("team/app:2")).unwrap();
    let failure = scene.client.resolve(&reference).await.unwrap_err();
    assert_eq!(failure.fault, FetchFault::NotFound);
    let host = scene.host();
    assert_eq!(
        failure.message,
        format!(
            "registry `{host}` answered 404 to GET `http://{host}/v2/team/app/manifests/2`: MANIFEST_UNKNOWN: manifest unknown"
        )
    );
    assert_eq!(failure.reason, Some(FetchReason::UnknownTag));
    let by_digest = format!("team/app@sha256:{}", "0".repeat(64));
    let reference = Reference::parse(&scene.registry.image(&by_digest)).unwrap();
    let failure = scene.client.resolve(&reference).await.unwrap_err();
    assert_eq!(failure.fault, FetchFault::NotFound);
    assert_eq!(failure.reason, Some(FetchReason::UnknownDigest));
}

#[tokio::test]
async fn error_bodies_are_shown_safely() {
    for (rule, expected) in [
        (Rule::any("/manifests/").error(418, "TEA\u{1b}[2J", "pot\n"), Some("TEA [2J: pot")),
        (
            Rule::any("/manifests/")
                .status(418)
                .header("content-type", "text/html")
                .body("<html>secret</html>"),
            None,
        ),
        (Rule::any("/manifests/").status(418).body(vec![b'['; 1 << 20]), None),
    ] {
        let scene = scene();
        scene.registry.on(rule);
        let failure = scene.digest().await.unwrap_err();
        assert_eq!(failure.fault, FetchFault::Protocol);
        let (_, reason) = failure.message.split_once("/manifests/1`").unwrap();
        assert_eq!(reason.strip_prefix(": "), expected, "{failure}");
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A digest is computed over the document, never over its compressed form.
#[tokio::test]
async fn compressed_manifests_are_decompressed() {
    for names_digest in [true, false] {
        let scene = scene();
        let rule = Rule::any("/manifests/").header("content-encoding", "gzip").body(gzip(&manifest_bytes()));
        scene.registry.on(if names_digest { rule } else { rule.without_header("docker-content-digest") });
        let resolved = scene.client.resolve(&scene.reference).await.unwrap();
        assert_eq!(resolved.descriptor.digest, scene.manifest);
        assert_eq!(resolved.descriptor.size, manifest_bytes().len() as u64);
        assert_eq!(resolved.document.unwrap(), manifest_bytes());
        for request in scene.registry.requests() {
            assert_eq!(request.header("accept-encoding"), Some("identity"));
        }
    }
    let scene = scene();
    let rule = Rule::any("/manifests/").header("content-encoding", "zstd").body("anything");
    scene.registry.on(rule.without_header("docker-content-digest"));
    let failure = scene.digest().await.unwrap_err();
    assert_eq!(failure.fault, FetchFault::Protocol);
    assert!(failure.message.contains("sent content with the coding `zstd`"), "{failure}");

    // The limit of four MiB applies to the decompressed document.
    let bomb = gzip(&vec![b' '; 5 << 20]);
    scene.registry.on(Rule::any("/manifests/").header("content-encoding", "gzip").body(bomb));
    let failure = scene.digest().await.unwrap_err();
    assert!(failure.message.contains(&limits::DOCUMENT_BYTES.to_string()), "{failure}");
}

#[tokio::test]
async fn many_and_folded_header_fields_are_accepted() {
    let scene = scene();
    let many = |rule: Rule| (0..300).fold(rule, |rule, n| rule.header(&format!("x-field-{n}"), "value"));
    scene.registry.on(many(Rule::any("/v2/")).header("x-folded", "one,\r\n two"));
    scene
        .registry
        .on(Rule::head("/manifests/").header("content-type", "Application/Vnd.OCI.Image.Manifest.V1+JSON"));
    let resolved = scene.client.resolve(&scene.reference).await.unwrap();
    assert_eq!(resolved.descriptor.digest, scene.manifest);
    assert_eq!(resolved.descriptor.media_type, MediaType::new(MANIFEST));
    assert!(resolved.document.is_none(), "the answer to HEAD was enough");
    scene
        .registry
        .on(Rule::head("/manifests/").header("docker-content-digest", format!("\r\n\t{}", scene.manifest)));
    let resolved = scene.client.resolve(&scene.reference).await.unwrap();
    assert!(resolved.document.is_none(), "a value in the next line");
    assert_eq!(scene.read(0).await.0, scene.layer_bytes);
}

/// If no length is stated, the digest proves that the document is complete.
#[tokio::test]
async fn a_document_without_length_ends_by_its_digest() {
    let scene = scene();
    let length = manifest_bytes().len();
    let endless = |end| Rule::get("/manifests/").without_header("content-length").reset_after(end);
    scene.registry.on(Rule::head("/manifests/").status(405));
    scene.registry.on(endless(length));
    assert_eq!(scene.digest().await.unwrap(), scene.manifest);
    scene.registry.on(endless(length - 1));
    assert_eq!(scene.digest().await.unwrap_err().fault, FetchFault::Unavailable);
    scene.registry.on(endless(length).without_header("docker-content-digest"));
    assert_eq!(
        scene.digest().await.unwrap_err().fault,
        FetchFault::Unavailable,
        "nothing says that it is all"
    );
}

#[tokio::test]
async fn a_document_that_breaks_off_is_requested_again() {
    let scene = scene();
    scene.registry.on(Rule::head("/manifests/").status(405));
    scene.registry.on(Rule::get("/manifests/").first(2).short_body(5));
    assert_eq!(scene.digest().await.unwrap(), scene.manifest);
    assert_eq!(scene.registry.requests_to("GET", "/manifests/").len(), 3);

    scene.registry.on(Rule::get("/manifests/").reset_after(5));
    assert_eq!(scene.digest().await.unwrap_err().fault, FetchFault::Unavailable);
}
