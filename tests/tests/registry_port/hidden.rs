//! Registries that answer 404 to anonymous requests, and send challenges only at `/v2/`.

use super::*;

fn roots_asked(scene: &Scene) -> usize {
    scene.registry.requests().iter().filter(|request| request.path == "/v2/").count()
}

fn auths() -> [Auth; 2] {
    [Auth::basic("user", "pass"), BearerAuth::password("user", "pass").into()]
}

#[tokio::test]
async fn credentials_reveal_hidden_repositories() {
    for status in [404, 403, 400] {
        for auth in auths() {
            let scene = scene();
            scene.registry.require(auth);
            scene.registry.hide_with(status);
            let configured = client_with_config(&scene.registry, USER_CONFIG);
            configured.client.resolve(&scene.reference).await.unwrap_or_else(|e| panic!("{status}: {e:?}"));
            let stream = configured.client.fetch_unverified(&scene.reference, &scene.layer, 0).await.unwrap();
            assert_eq!(drain(stream).await.0, scene.layer_bytes);
            // Other repositories of the server are found without a second request to the root.
            scene.registry.add_manifest("team/other", "1", MANIFEST, manifest_bytes());
            let other = Reference::parse(&scene.registry.image("team/other:1")).unwrap();
            scene.registry.expire_tokens();
            configured.client.resolve(&other).await.unwrap();
            assert_eq!(roots_asked(&scene), 1, "{status}");
        }
    }
}

/// Some registries name an example repository at `/v2/`. A token for it would give no access.
#[tokio::test]
async fn the_scope_of_the_example_is_not_requested() {
    let scene = scene();
    scene.registry.require(BearerAuth::password("user", "pass").only_for("repository:team/app:pull"));
    scene.registry.hide_with(404);
    let challenge =
        format!(r#"Bearer realm="http://{}/token",scope="repository:user/image:pull""#, scene.host());
    scene.registry.on(Rule::any("/v2/").header("www-authenticate", challenge));
    let configured = client_with_config(&scene.registry, USER_CONFIG);
    configured.client.resolve(&scene.reference).await.unwrap();
}

#[tokio::test]
async fn without_credentials_the_root_is_not_asked() {
    for config in ["{}", r#"{"auths":{"other.example":{"auth":"dXNlcjpwYXNz"}}}"#] {
        let scene = scene();
        scene.registry.require(Auth::basic("user", "pass"));
        scene.registry.hide_with(404);
        let configured = client_with_config(&scene.registry, config);
        let failure = configured.client.resolve(&scene.reference).await.unwrap_err();
        assert_eq!(failure.fault, FetchFault::NotFound);
        assert_eq!(scene.registry.requests().len(), 2, "HEAD and GET");
    }
}

#[tokio::test]
async fn a_missing_image_is_requested_once() {
    // The registry is public, at `/v2/` as well.
    let scene = scene();
    let missing = Reference::parse(&scene.registry.image("team/missing:1")).unwrap();
    let configured = client_with_config(&scene.registry, USER_CONFIG);
    for _ in 0..2 {
        let failure = configured.client.resolve(&missing).await.unwrap_err();
        assert_eq!(failure.fault, FetchFault::NotFound);
    }
    assert_eq!((roots_asked(&scene), scene.registry.requests().len()), (1, 5));

    // The registry hides repositories, and the user may not see this image either.
    for auth in auths() {
        let scene = self::scene();
        scene.registry.require(auth);
        scene.registry.hide_with(404);
        let missing = Reference::parse(&scene.registry.image("team/missing:1")).unwrap();
        let configured = client_with_config(&scene.registry, USER_CONFIG);
        let failure = configured.client.resolve(&missing).await.unwrap_err();
        assert_eq!(failure.fault, FetchFault::NotFound);
        assert_eq!(roots_asked(&scene), 1);
    }
}

/// A server that sends challenges at repositories hides nothing.
#[tokio::test]
async fn a_server_that_challenges_hides_nothing() {
    let scene = scene();
    scene.registry.require(BearerAuth::password("user", "pass"));
    let configured = client_with_config(&scene.registry, USER_CONFIG);
    configured.client.resolve(&scene.reference).await.unwrap();
    let missing = Reference::parse(&scene.registry.image("team/missing:1")).unwrap();
    scene.registry.on(Rule::any("/team/missing/").error(404, "NAME_UNKNOWN", "no such repository"));
    let failure = configured.client.resolve(&missing).await.unwrap_err();
    assert_eq!(failure.fault, FetchFault::NotFound);
    assert_eq!(roots_asked(&scene), 0);
}

/// An optional request at the root does not fail the pull.
#[tokio::test]
async fn useless_credentials_do_not_hide_public_content() {
    for (config, rule) in [
        (r#"{"credsStore":"failing"}"#, None),
        (r#"{"auths":{"HOST":{"auth":"d3Jvbmc6d3Jvbmc="}}}"#, None),
        (USER_CONFIG, Some(Rule::any("/token").status(500))),
    ] {
        let scene = scene();
        scene.registry.require(BearerAuth::password("user", "pass"));
        scene.registry.hide_with(404);
        if let Some(rule) = rule {
            scene.registry.on(rule);
        }
        let configured = client_with_config(&scene.registry, config);
        for _ in 0..2 {
            let failure = configured.client.resolve(&scene.reference).await.unwrap_err();
            assert_eq!(failure.fault, FetchFault::NotFound, "{config}");
        }
        assert!(roots_asked(&scene) <= 1, "{config}");
        assert!(scene.registry.requests_to("GET", "/token").len() <= 4, "{config}");
    }
}
