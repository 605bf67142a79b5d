//! Challenges as real registries send them.

use super::*;

#[tokio::test]
async fn a_password_answers_basic_however_it_is_written() {
    for challenge in [
        "Basic",
        "Basic realm=/",
        "Basic realm=https://registry.example/",
        "Basic realm=My own registry",
        "Basic realm=\"Régistre\"",
        "basic  realm=\"registry\"",
        "Negotiate YIIJvwYGKwYBBQUCoIIJszCCCa+gJDAi==, Basic realm=\"registry\"",
        "Negotiate, Basic realm=\"registry\"",
    ] {
        let scene = scene();
        scene.registry.require(Auth::basic("user", "pass"));
        scene.registry.on(Rule::any("/v2/").header("www-authenticate", challenge));
        let configured = client_with_config(&scene.registry, USER_CONFIG);
        configured.client.resolve(&scene.reference).await.unwrap_or_else(|e| panic!("{challenge}: {e:?}"));
    }
}

#[tokio::test]
async fn a_token_answers_bearer_however_it_is_written() {
    for challenge in [
        "Bearer  realm=\"REALM\",service=\"host:5000\"",
        "Bearer realm=REALM,service=host:5000",
        "Bearer realm=REALM; service=host:5000",
        "Bearer realm=\"REALM\" service=\"host:5000\"",
        "Negotiate abc/def==, Bearer realm=\"REALM\", service=host:5000",
        "Basic realm=My registry, Bearer realm=REALM service=host:5000",
    ] {
        let scene = scene();
        scene.registry.require(BearerAuth::anonymous());
        let challenge = challenge.replace("REALM", &format!("http://{}/token", scene.host()));
        scene.registry.on(Rule::any("/v2/").header("www-authenticate", &challenge));
        scene.digest().await.unwrap_or_else(|e| panic!("{challenge}: {e:?}"));
        let asked = &scene.registry.requests_to("GET", "/token")[0];
        assert_eq!(asked.query, "service=host%3A5000&scope=repository%3Ateam%2Fapp%3Apull", "{challenge}");
    }
}

/// An unsupported challenge does not hide a supported one.
#[tokio::test]
async fn basic_is_used_if_the_token_server_has_no_url() {
    for realm in ["/token", "registry", "ftp://host/token", "https://user:pass@host/token", ""] {
        let scene = scene();
        scene.registry.require(Auth::basic("user", "pass"));
        let challenge = format!(r#"Bearer realm="{realm}",service="s", Basic realm="registry""#);
        scene.registry.on(Rule::any("/v2/").header("www-authenticate", challenge));
        let configured = client_with_config(&scene.registry, USER_CONFIG);
        configured.client.resolve(&scene.reference).await.unwrap_or_else(|e| panic!("{realm}: {e:?}"));
    }
    let scene = scene();
    scene.registry.on(Rule::any("/v2/").status(401).header("www-authenticate", "Bearer realm=\"/token\""));
    let failure = scene.digest().await.unwrap_err();
    assert!(
        failure.message.ends_with("names the token server `/token`, which is not an address"),
        "{failure}"
    );
}
