//! Registries that tell strangers that a repository does not exist, and ask who they are at `/v2/` only.

use super::*;

fn roots_asked(scene: &Scene) -> usize {
    scene.registry.requests().iter().filter(|request| request.path == "/v2/").count()
}

fn auths() -> [Auth; 2] {
    [Auth::basic("user", "pass"), BearerAuth::password("user", "pass").into()]
}

#[tokio::test]
async fn who_has_credentials_finds_what_is_hidden() {
    for status in [404, 403, 400] {
        for auth in auths() {
            let scene = scene();
            scene.registry.require(auth);
            scene.registry.hide_with(status);
            let configured = client_with_config(&scene.registry, USER_CONFIG);
            configured.client.resolve(&scene.reference).await.unwrap_or_else(|e| panic!("{status}: {e:?}"));
            let stream = configured.client.fetch_unverified(&scene.reference, &scene.layer, 0).await.unwrap();
            assert_eq!(drain(stream).await.0, scene.layer_bytes);
            // Other repositories of the same server are found without asking at the root again.
            scene.registry.add_manifest("team/other", "1", MANIFEST, manifest_bytes());
            let other = Reference::parse(&scene.registry.image("team/other:1")).unwrap();
            scene.registry.expire_tokens();
            configured.client.resolve(&other).await.unwrap();
            assert_eq!(roots_asked(&scene), 1, "{status}");
        }
    }
}

/// Some registries name an example at `/v2/`. A token for it would open nothing.
#[tokio::test]
async fn the_right_to_the_repository_is_asked_for_and_not_that_of_the_example() {
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
async fn strangers_cause_no_request_more() {
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
async fn what_does_not_exist_is_looked_for_once() {
    // The registry is open to everybody, at `/v2/` as well.
    let scene = scene();
    let missing = Reference::parse(&scene.registry.image("team/missing:1")).unwrap();
    let configured = client_with_config(&scene.registry, USER_CONFIG);
    for _ in 0..2 {
        let failure = configured.client.resolve(&missing).await.unwrap_err();
        assert_eq!(failure.fault, FetchFault::NotFound);
    }
    assert_eq!((roots_asked(&scene), scene.registry.requests().len()), (1, 5));

    // It hides, and the image does not exist for the user either.
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

/// A server that asks where it wants to know something hides nothing.
#[tokio::test]
async fn a_server_that_has_asked_is_taken_at_its_word() {
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

/// Nor does it become a failure of something that the user did not ask for.
#[tokio::test]
async fn what_is_shown_to_everybody_counts_where_the_credentials_are_of_no_use() {
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
