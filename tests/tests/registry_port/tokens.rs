//! Token servers: the requests they get, and their odd responses.

use super::*;

/// Servers without the OAuth form refuse it in many ways. All of them support GET with user and password.
#[tokio::test]
async fn a_failed_form_is_followed_by_get() {
    for rule in [400, 401, 403, 404, 405, 410, 415, 422, 429, 500, 501, 502, 503]
        .map(|status| Rule::post("/token").status(status))
        .into_iter()
        .chain([
            Rule::post("/token").redirect("/somewhere"),
            Rule::post("/token").status(404).header("content-type", "text/html").body("<html></html>"),
            Rule::post("/token").header("content-type", "text/html").body("<html>Please log in</html>"),
            Rule::post("/token").body("{}"),
            Rule::post("/token").body(""),
            Rule::post("/token").status(204),
            Rule::post("/token").short_body(3),
            Rule::post("/token").reset_after(0),
        ])
    {
        let scene = scene();
        let case = format!("{rule:?}");
        scene.registry.require(BearerAuth::password("user", "pass"));
        scene.registry.on(rule);
        let configured = client_with_config(&scene.registry, USER_CONFIG);
        configured.client.resolve(&scene.reference).await.unwrap_or_else(|e| panic!("{case}: {e:?}"));
        let get = &scene.registry.requests_to("GET", "/token")[0];
        assert_eq!(get.header("authorization"), Some("Basic dXNlcjpwYXNz"), "{case}");
        assert_eq!(get.query, "service=scripted&scope=repository%3Ateam%2Fapp%3Apull", "{case}");
        assert!(scene.registry.requests_to("POST", "/token").len() <= 2, "{case}");
    }
}

/// GET does not support identity tokens.
#[tokio::test]
async fn an_identity_token_is_sent_only_in_the_form() {
    let scene = scene();
    scene.registry.require(BearerAuth::identity_token("long-lived"));
    scene.registry.on(Rule::post("/token").first(1).status(503));
    let config = r#"{"auths":{"HOST":{"identitytoken":"long-lived"}}}"#;
    let configured = client_with_config(&scene.registry, config);
    configured.client.resolve(&scene.reference).await.unwrap();
    assert_eq!(scene.registry.requests_to("POST", "/token").len(), 2, "what may pass is waited for");
    assert!(scene.registry.requests_to("GET", "/token").is_empty());

    let scene = self::scene();
    scene.registry.require(BearerAuth::identity_token("long-lived"));
    scene.registry.on(Rule::post("/token").status(403));
    let configured = client_with_config(&scene.registry, config);
    let failure = configured.client.resolve(&scene.reference).await.unwrap_err();
    assert_eq!(failure.fault, FetchFault::Denied);
    assert!(scene.registry.requests_to("GET", "/token").is_empty());
}

/// The server has its own name for the repository, and gives no token for another one.
#[tokio::test]
async fn the_scope_has_the_mirrors_name_of_the_repository() {
    let scene = scene();
    scene.registry.add_manifest("proxy/team/app", "1", MANIFEST, manifest_bytes());
    scene.registry.require(BearerAuth::anonymous().only_for("repository:proxy/team/app:pull"));
    let directory = tempfile::tempdir().unwrap();
    let of_registry = directory.path().join("registry.example");
    std::fs::create_dir(&of_registry).unwrap();
    let hosts = format!("server = 'http://{}/v2/proxy'\noverride_path = true", scene.host());
    std::fs::write(of_registry.join("hosts.toml"), hosts).unwrap();
    let client =
        client_with(RegistrySettings { hosts_dirs: vec![directory.path().to_owned()], ..settings() });
    let reference = Reference::parse("registry.example/team/app:1").unwrap();
    assert_eq!(client.resolve(&reference).await.unwrap().descriptor.digest, scene.manifest);

    // The challenge names no repository. The server's name for it is in the URL.
    let silent = format!(r#"Bearer realm="http://{}/token",service="scripted""#, scene.host());
    scene.registry.on(Rule::any("/v2/").header("www-authenticate", silent));
    let client =
        client_with(RegistrySettings { hosts_dirs: vec![directory.path().to_owned()], ..settings() });
    assert_eq!(client.resolve(&reference).await.unwrap().descriptor.digest, scene.manifest);
}

#[tokio::test]
async fn a_challenge_without_scope_gets_the_repositorys() {
    for (scope, asked) in [
        (None, "repository:team/app:pull"),
        (Some("*"), "* repository:team/app:pull"),
        (Some("repository:team/app:pull,push"), "repository:team/app:pull,push"),
        (Some("repository:other:pull registry:catalog:*"), "registry:catalog:* repository:other:pull"),
    ] {
        let scene = scene();
        scene.registry.require(BearerAuth::anonymous().only_for(asked));
        let scope_given = scope.map(|scope| format!(",scope=\"{scope}\"")).unwrap_or_default();
        let challenge = format!(r#"Bearer realm="http://{}/token"{scope_given}"#, scene.host());
        scene.registry.on(Rule::any("/v2/").header("www-authenticate", challenge));
        scene.digest().await.unwrap_or_else(|e| panic!("{scope:?}: {e:?}"));
    }
}
