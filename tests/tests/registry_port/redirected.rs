//! A registry that redirects to another one, as behind a vanity domain.

use dray_tests::scripted_registry::Authority;

use super::*;

/// A registry `front` that redirects everything to `back`, which has the image and requires a login.
struct Pair {
    front: ScriptedRegistry,
    back: Scene,
    reference: Reference,
}

fn pair(auth: impl Into<Auth>) -> Pair {
    let (front, back) = (ScriptedRegistry::start(), scene());
    back.registry.require(auth);
    let reference = Reference::parse(&front.image("vanity:1")).unwrap();
    let name = |reference: &str| format!("http://{}/v2/team/app/{reference}", back.host());
    front.on(Rule::any("/manifests/").redirect(name("manifests/1")));
    front.on(Rule::any("/blobs/").redirect(name(&format!("blobs/{}", back.layer.digest))));
    Pair { front, back, reference }
}

impl Pair {
    /// A client with these credentials. `FRONT` and `BACK` stand for the registries.
    fn client(&self, json: &str) -> Configured {
        let json = json.replace("FRONT", &self.front.address()).replace("BACK", &self.back.host());
        client_with_config(&self.front, &json)
    }

    async fn pull(&self, client: &RegistryClient) {
        assert_eq!(client.resolve(&self.reference).await.unwrap().descriptor.digest, self.back.manifest);
        for _ in 0..2 {
            let stream = client.fetch_unverified(&self.reference, &self.back.layer, 0).await.unwrap();
            assert_eq!(drain(stream).await.0, self.back.layer_bytes);
        }
    }

    /// Everything that the second registry received, one line for each field and body.
    fn told_to_back(&self) -> String {
        let requests = self.back.registry.requests();
        let lines = requests.iter().flat_map(|request| {
            let fields = request.headers.iter().map(|(name, value)| format!("{name}: {value}"));
            fields.chain([request.path.clone(), request.query.clone(), request.body_text()])
        });
        lines.collect::<Vec<String>>().join("\n")
    }
}

const BOTH: &str = r#"{"auths":{"FRONT":{"auth":"ZnJvbnQ6c2VzYW1l"},"BACK":{"auth":"dXNlcjpwYXNz"}}}"#;
const FRONT_ONLY: &str = r#"{"auths":{"FRONT":{"auth":"ZnJvbnQ6c2VzYW1l"}}}"#;

#[tokio::test]
async fn a_challenge_behind_a_redirect_is_answered_anonymously() {
    let pair = pair(BearerAuth::anonymous().only_for("repository:team/app:pull"));
    let configured = pair.client("{}");
    pair.pull(&configured.client).await;
    assert_eq!(pair.back.registry.requests_to("GET", "/token").len(), 1);
    let blobs = pair.back.registry.requests_to("GET", "/blobs/");
    assert!(blobs.iter().all(|request| request.status == 200), "the token of before is known: {blobs:?}");

    // The challenge need not name a scope.
    let silent = format!(r#"Bearer realm="http://{}/token""#, pair.back.host());
    pair.back.registry.on(Rule::any("/v2/").header("www-authenticate", silent));
    pair.pull(&pair.client("{}").client).await;
}

#[tokio::test]
async fn a_challenge_behind_a_redirect_gets_the_credentials_of_its_host() {
    for auth in [Auth::basic("user", "pass"), BearerAuth::password("user", "pass").into()] {
        let pair = pair(auth);
        let configured = pair.client(BOTH);
        // Both send challenges, and each gets its own answer.
        pair.front
            .on(Rule::any("/v2/").nth(1).status(401).header("www-authenticate", "Basic realm=\"front\""));
        pair.pull(&configured.client).await;
        assert!(pair.front.requests().iter().any(|request| request.header("authorization").is_some()));
        let told = pair.told_to_back();
        for secret in ["ZnJvbnQ6c2VzYW1l", "sesame", "front:", "username=front"] {
            assert!(!told.contains(secret), "{secret} in\n{told}");
        }
    }
}

/// The first registry chooses the target of its redirect. It must not be able to send any password there.
#[tokio::test]
async fn the_secret_of_the_first_host_never_reaches_the_second() {
    for auth in [Auth::basic("front", "sesame"), BearerAuth::password("front", "sesame").into()] {
        let pair = pair(auth);
        pair.front
            .on(Rule::any("/v2/").nth(1).status(401).header("www-authenticate", "Basic realm=\"front\""));
        let configured = pair.client(FRONT_ONLY);
        let failure = configured.client.resolve(&pair.reference).await.unwrap_err();
        assert_eq!(failure.fault, FetchFault::Denied);
        let file = Some(configured.path.clone());
        let denied = FetchReason::AccessDenied { host: pair.back.host(), used: None, file };
        assert_eq!(failure.reason, Some(denied));
        assert!(pair.front.requests().iter().any(|request| request.header("authorization").is_some()));
        let told = pair.told_to_back();
        for secret in ["ZnJvbnQ6c2VzYW1l", "sesame", "authorization"] {
            assert!(!told.contains(secret), "{secret} in\n{told}");
        }
    }
}

#[tokio::test]
async fn a_token_behind_a_redirect_is_replaced_when_it_has_expired() {
    let pair = pair(BearerAuth::password("user", "pass"));
    let configured = pair.client(BOTH);
    pair.pull(&configured.client).await;
    pair.back.registry.expire_tokens();
    pair.pull(&configured.client).await;
    assert_eq!(pair.back.registry.requests_to("POST", "/token").len(), 2);
}

#[tokio::test]
async fn a_refused_fresh_token_behind_a_redirect_fails_the_request() {
    let pair = pair(BearerAuth::anonymous().uses(0));
    let failure = pair.client("{}").client.resolve(&pair.reference).await.unwrap_err();
    assert_eq!(failure.fault, FetchFault::Denied);
    assert!(failure.message.contains("redirected from registry"), "{failure}");
    assert!(pair.back.registry.requests().len() <= 5, "{:#?}", pair.back.registry.requests());
}

/// From a plain address to the TLS address, which has another port and so other credentials.
#[tokio::test]
async fn a_redirect_to_tls_uses_credentials_of_that_port() {
    let (front, back) = (ScriptedRegistry::start(), ScriptedRegistry::start_with(Authority::new().tls()));
    back.require(BearerAuth::password("user", "pass"));
    let manifest = back.add_manifest("team/app", "1", MANIFEST, manifest_bytes());
    front.on(Rule::any("/v2/").redirect(format!("https://{}/v2/team/app/manifests/1", back.address())));
    let config = USER_CONFIG.replace("HOST", &back.address());
    let configured = client_with_config(&front, &config);
    let reference = Reference::parse(&front.image("team/app:1")).unwrap();
    assert_eq!(configured.client.resolve(&reference).await.unwrap().descriptor.digest, manifest);
    assert!(front.requests().iter().all(|request| request.header("authorization").is_none()));
}

/// The redirecting server must not choose other requests that are made in the user's name.
#[tokio::test]
async fn only_urls_of_a_repository_get_credentials() {
    let pair = pair(Auth::basic("user", "pass"));
    let configured = pair.client(BOTH);
    pair.pull(&configured.client).await;
    pair.front.on(Rule::any("/v2/").redirect(format!("http://{}/v2/_catalog", pair.back.host())));
    let before = pair.back.registry.requests().len();
    let failure = configured.client.resolve(&pair.reference).await.unwrap_err();
    assert_eq!(failure.fault, FetchFault::Denied);
    for request in &pair.back.registry.requests()[before..] {
        assert_eq!((request.path.as_str(), request.header("authorization")), ("/v2/_catalog", None));
    }
}

/// Storage behind a redirect uses its own authorization, so it gets none.
#[tokio::test]
async fn storage_gets_no_authorization() {
    let (front, storage) = (scene(), ScriptedRegistry::start());
    front.registry.require(BearerAuth::password("user", "pass"));
    storage.add_file("/bucket/layer", front.layer_bytes.clone());
    front
        .registry
        .on(Rule::get("/blobs/").redirect(format!("http://{}/bucket/layer?sig=x", storage.address())));
    let config = format!(
        r#"{{"auths":{{"HOST":{{"auth":"dXNlcjpwYXNz"}},"{}":{{"auth":"dXNlcjpwYXNz"}}}}}}"#,
        storage.address()
    );
    let configured = client_with_config(&front.registry, &config);
    let stream = configured.client.fetch_unverified(&front.reference, &front.layer, 0).await.unwrap();
    assert_eq!(drain(stream).await.0, front.layer_bytes);
    assert_eq!(storage.requests()[0].header("authorization"), None);
}
