//! A long-lived client whose user's credentials change.

use super::*;

const NEW_CONFIG: &str = r#"{"auths":{"HOST":{"username":"user","password":"new"}}}"#;

impl Configured {
    fn change(&self, registry: &ScriptedRegistry, json: &str) {
        std::fs::write(&self.path, json.replace("HOST", &registry.address())).unwrap();
    }
}

fn statuses(scene: &Scene) -> Vec<u16> {
    scene.registry.requests().iter().map(|request| request.status).collect()
}

#[tokio::test]
async fn a_later_login_is_noticed() {
    for auth in [|| Auth::basic("user", "pass"), || BearerAuth::password("user", "pass").into()] {
        let scene = scene();
        scene.registry.require(auth());
        let configured = client_with_config(&scene.registry, "{}");
        let failure = configured.client.resolve(&scene.reference).await.unwrap_err();
        assert_eq!(failure.fault, FetchFault::Denied);
        configured.change(&scene.registry, USER_CONFIG);
        configured.client.resolve(&scene.reference).await.unwrap();
    }
}

/// The token server gives tokens to every client, but the registry refuses them.
#[tokio::test]
async fn a_login_after_a_refused_anonymous_token_is_noticed() {
    let scene = scene();
    scene.registry.require(BearerAuth::anonymous().uses(0));
    let configured = client_with_config(&scene.registry, "{}");
    for _ in 0..2 {
        let failure = configured.client.resolve(&scene.reference).await.unwrap_err();
        assert_eq!(failure.fault, FetchFault::Denied);
    }
    scene.registry.require(BearerAuth::password("user", "pass").field("access_token"));
    // The scripted registry numbers its tokens, from 1 for each kind of authentication.
    let other = Reference::parse(&scene.registry.image("team/other:1")).unwrap();
    configured.change(&scene.registry, USER_CONFIG);
    assert_eq!(configured.client.resolve(&other).await.unwrap_err().fault, FetchFault::NotFound);
    scene.registry.expire_tokens();
    configured.client.resolve(&scene.reference).await.unwrap();
}

#[tokio::test]
async fn a_changed_password_is_noticed() {
    let scene = scene();
    scene.registry.require(Auth::basic("user", "pass"));
    let configured = client_with_config(&scene.registry, USER_CONFIG);
    configured.client.resolve(&scene.reference).await.unwrap();
    scene.registry.require(Auth::basic("user", "new"));
    configured.change(&scene.registry, NEW_CONFIG);
    let before = statuses(&scene).len();
    configured.client.resolve(&scene.reference).await.unwrap();
    assert_eq!(statuses(&scene)[before..], [401, 200], "one request finds out");

    // New credentials found for one repository are used for the next, and stale ones are noticed there as well.
    scene.registry.require(Auth::basic("user", "pass"));
    configured.change(&scene.registry, USER_CONFIG);
    let other = Reference::parse(&scene.registry.image("team/other:1")).unwrap();
    let failure = configured.client.resolve(&other).await.unwrap_err();
    assert_eq!(failure.fault, FetchFault::NotFound, "{failure}");
}

#[tokio::test]
async fn a_changed_password_for_tokens_is_noticed() {
    let scene = scene();
    scene.registry.require(BearerAuth::password("user", "pass"));
    let configured = client_with_config(&scene.registry, USER_CONFIG);
    configured.client.resolve(&scene.reference).await.unwrap();
    scene.registry.expire_tokens();
    configured.client.resolve(&scene.reference).await.unwrap();
    scene.registry.require(BearerAuth::password("user", "new"));
    configured.change(&scene.registry, NEW_CONFIG);
    configured.client.resolve(&scene.reference).await.unwrap();
}

/// The message of a large cloud registry.
#[tokio::test]
async fn a_changed_password_after_403_is_noticed() {
    let scene = scene();
    scene.registry.require(Auth::basic("user", "pass"));
    let configured = client_with_config(&scene.registry, USER_CONFIG);
    configured.client.resolve(&scene.reference).await.unwrap();
    scene.registry.require(Auth::basic("user", "new"));
    scene.registry.on(Rule::any("/v2/").first(1).error(
        403,
        "DENIED",
        "your authorization token has expired",
    ));
    configured.change(&scene.registry, NEW_CONFIG);
    let before = statuses(&scene).len();
    configured.client.resolve(&scene.reference).await.unwrap();
    assert_eq!(statuses(&scene)[before..], [403, 200]);
}

/// A second look-up without news does not rule out a later change.
#[tokio::test]
async fn a_change_after_a_look_up_without_news_is_noticed() {
    let scene = scene();
    scene.registry.require(Auth::basic("user", "pass"));
    let configured = client_with_config(&scene.registry, USER_CONFIG);
    configured.client.resolve(&scene.reference).await.unwrap();
    scene.registry.require(Auth::basic("user", "new"));
    let expired = "your authorization token has expired";
    scene.registry.on(Rule::any("/v2/").first(3).error(403, "DENIED", expired));
    let before = statuses(&scene).len();
    let failure = configured.client.resolve(&scene.reference).await.unwrap_err();
    assert_eq!(failure.fault, FetchFault::Denied, "{failure}");
    configured.change(&scene.registry, NEW_CONFIG);
    configured.client.resolve(&scene.reference).await.unwrap();
    assert_eq!(statuses(&scene)[before..], [403, 403, 403, 200]);
}

#[tokio::test]
async fn a_changed_registry_token_is_noticed() {
    let scene = scene();
    let challenge = r#"Bearer realm="https://tokens.invalid/""#;
    let refuse = |n| Rule::any("/v2/").nth(n).status(401).header("www-authenticate", challenge);
    scene.registry.on(refuse(1));
    let configured = client_with_config(&scene.registry, r#"{"auths":{"HOST":{"registrytoken":"old"}}}"#);
    configured.client.resolve(&scene.reference).await.unwrap();
    scene.registry.on(refuse(1));
    configured.change(&scene.registry, r#"{"auths":{"HOST":{"registrytoken":"new"}}}"#);
    configured.client.resolve(&scene.reference).await.unwrap();
    let last = scene.registry.requests().pop().unwrap();
    assert_eq!(last.header("authorization"), Some("Bearer new"));
}

/// Wrong credentials are not tried again and again.
#[tokio::test]
async fn wrong_credentials_are_not_tried_again() {
    for auth in [|| Auth::basic("user", "new"), || BearerAuth::password("user", "new").into()] {
        let scene = scene();
        scene.registry.require(auth());
        let configured = client_with_config(&scene.registry, USER_CONFIG);
        for _ in 0..2 {
            let before = scene.registry.requests().len();
            let failure = configured.client.resolve(&scene.reference).await.unwrap_err();
            assert_eq!(failure.fault, FetchFault::Denied);
            assert!(scene.registry.requests().len() - before <= 4, "{:?}", statuses(&scene));
        }
    }
}

/// If many requests are denied at once, only one of them looks up credentials.
#[tokio::test]
async fn parallel_denials_look_up_credentials_once() {
    let scene = scene();
    scene.registry.require(BearerAuth::password("user", "pass"));
    let configured = client_with_config(&scene.registry, USER_CONFIG);
    configured.client.resolve(&scene.reference).await.unwrap();
    scene.registry.expire_tokens();
    configured.client.resolve(&scene.reference).await.unwrap();
    scene.registry.require(BearerAuth::password("user", "new"));
    configured.change(&scene.registry, NEW_CONFIG);
    let before = scene.registry.requests_to("POST", "/token").len();
    let reads = (0..8).map(|_| configured.client.fetch_unverified(&scene.reference, &scene.layer, 0));
    assert!(futures_util::future::join_all(reads).await.iter().all(Result::is_ok));
    assert_eq!(
        scene.registry.requests_to("POST", "/token").len() - before,
        2,
        "the old password, and the new one"
    );
}
