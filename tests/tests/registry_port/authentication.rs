//! Tokens, passwords, and the sources of credentials.

use super::*;

fn tokens_asked(scene: &Scene) -> usize {
    scene.registry.requests().iter().filter(|request| request.path == "/token").count()
}

#[tokio::test]
async fn an_anonymous_token_is_fetched_once() {
    let scene = scene();
    scene.registry.require(BearerAuth::anonymous());
    assert_eq!(scene.digest().await.unwrap(), scene.manifest);
    assert!(scene.read(0).await.1.is_none());

    let token = &scene.registry.requests_to("GET", "/token")[0];
    assert_eq!(token.query, "service=scripted&scope=repository%3Ateam%2Fapp%3Apull");
    assert_eq!(token.header("authorization"), None);
    let order: Vec<(String, u16)> =
        scene.registry.requests().into_iter().map(|request| (request.method, request.status)).collect();
    let expected = [("HEAD", 401), ("GET", 200), ("HEAD", 200), ("GET", 200)];
    assert_eq!(order, expected.map(|(method, status)| (method.to_owned(), status)));
}

#[tokio::test]
async fn parallel_requests_fetch_one_token() {
    let scene = scene();
    scene.registry.require(BearerAuth::anonymous());
    scene.registry.on(Rule::get("/token").delay(Duration::from_millis(100)));
    let reads = futures_util::future::join_all((0..8).map(|_| scene.read(0))).await;
    assert!(reads.iter().all(|(bytes, failure)| failure.is_none() && *bytes == scene.layer_bytes));
    assert_eq!(tokens_asked(&scene), 1);
}

#[tokio::test]
async fn every_form_of_a_token_response_is_read() {
    for auth in [
        BearerAuth::anonymous().field("access_token"),
        BearerAuth::anonymous().expires_in(None),
        BearerAuth::anonymous().expires_in(Some(0)),
        BearerAuth::anonymous().basic_first(),
    ] {
        let scene = scene();
        scene.registry.require(auth);
        assert_eq!(scene.digest().await.unwrap(), scene.manifest);
        assert!(scene.read(0).await.1.is_none());
        assert_eq!(tokens_asked(&scene), 1);
    }
}

#[tokio::test]
async fn a_token_that_expires_in_the_middle_of_a_pull_is_replaced() {
    let scene = scene();
    scene.registry.require(BearerAuth::anonymous());
    scene.digest().await.unwrap();
    scene.registry.expire_tokens();
    assert_eq!(scene.read(0).await.0, scene.layer_bytes);
    assert_eq!(tokens_asked(&scene), 2);
    scene.registry.expire_tokens();
    assert_eq!(scene.read(0).await.0, scene.layer_bytes);
    assert_eq!(tokens_asked(&scene), 3);
}

#[tokio::test]
async fn a_token_is_replaced_before_it_expires() {
    let scene = scene();
    scene.registry.require(BearerAuth::anonymous().expires_in(Some(1)));
    scene.digest().await.unwrap();
    tokio::time::sleep(Duration::from_millis(950)).await;
    assert_eq!(scene.read(0).await.0, scene.layer_bytes);
    assert_eq!(tokens_asked(&scene), 2);
    let refused = scene.registry.requests().iter().filter(|request| request.status == 401).count();
    assert_eq!(refused, 1, "the second token came before the registry refused the first");
}

#[tokio::test]
async fn a_refused_fresh_token_fails_the_request() {
    let scene = scene();
    scene.registry.require(BearerAuth::anonymous().uses(0));
    let failure = scene.digest().await.unwrap_err();
    assert_eq!(failure.fault, FetchFault::Denied);
    assert!(failure.message.ends_with("UNAUTHORIZED: authentication required"), "{failure}");
    let denied = FetchReason::AccessDenied { host: scene.host(), used: None, file: None };
    assert_eq!(failure.reason, Some(denied));
    assert_eq!(tokens_asked(&scene), 1);
    assert!(scene.registry.requests().len() <= 5, "{:#?}", scene.registry.requests());
    assert!(!everything(&failure).contains("token-"));
}

#[tokio::test]
async fn a_challenge_that_cannot_be_answered_fails_the_request() {
    for challenge in [None, Some("Negotiate"), Some("Bearer"), Some("Bearer realm=\"unclosed")] {
        let scene = scene();
        let rule = Rule::any("/v2/").error(401, "UNAUTHORIZED", "who are you");
        scene.registry.on(match challenge {
            None => rule,
            Some(challenge) => rule.header("www-authenticate", challenge),
        });
        let failure = scene.digest().await.unwrap_err();
        assert_eq!(failure.fault, FetchFault::Denied, "{challenge:?}");
        assert!(failure.message.ends_with("UNAUTHORIZED: who are you"), "{failure}");
    }
}

#[tokio::test]
async fn a_password_is_sent_in_the_form() {
    let scene = scene();
    scene.registry.require(BearerAuth::password("user", "pass"));
    let configured = client_with_config(&scene.registry, USER_CONFIG);
    configured.client.resolve(&scene.reference).await.unwrap();
    let post = &scene.registry.requests_to("POST", "/token")[0];
    assert_eq!(
        post.body_text(),
        "grant_type=password&username=user&password=pass&client_id=dray&service=scripted&scope=repository%3Ateam%2Fapp%3Apull"
    );
    assert_eq!(post.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert!(scene.registry.requests_to("GET", "/token").is_empty());
}

#[tokio::test]
async fn a_wrong_password_is_denied() {
    let scene = scene();
    scene.registry.require(BearerAuth::password("user", "other"));
    let configured = client_with_config(&scene.registry, USER_CONFIG);
    let failure = configured.client.resolve(&scene.reference).await.unwrap_err();
    assert_eq!(failure.fault, FetchFault::Denied);
    let host = scene.host();
    assert_eq!(
        failure.message,
        format!(
            "token server `{host}` answered 401 to GET `http://{host}/token`: incorrect username or password"
        )
    );
    let file = configured.path.clone();
    let used = Some(CredentialOrigin::File(file.clone()));
    assert_eq!(failure.reason, Some(FetchReason::AccessDenied { host, used, file: Some(file) }));
    let told = everything(&failure);
    assert!(!told.contains("pass`") && !told.contains("dXNlcjpwYXNz"), "{told}");
}

#[tokio::test]
async fn an_identity_token_is_exchanged() {
    let scene = scene();
    scene.registry.require(BearerAuth::identity_token("long-lived"));
    let config = r#"{"auths":{"HOST":{"identitytoken":"long-lived"}}}"#;
    let configured = client_with_config(&scene.registry, config);
    configured.client.resolve(&scene.reference).await.unwrap();
    let post = &scene.registry.requests_to("POST", "/token")[0];
    assert!(post.body_text().starts_with("grant_type=refresh_token&refresh_token=long-lived&"));
}

#[tokio::test]
async fn basic_authentication_is_remembered() {
    let scene = scene();
    scene.registry.require(Auth::basic("user", "pass"));
    let failure = scene.digest().await.unwrap_err();
    assert_eq!(failure.fault, FetchFault::Denied);

    for config in [USER_CONFIG, r#"{"auths":{"http://HOST":{"username":"user","password":"pass"}}}"#] {
        let before = scene.registry.requests().len();
        let configured = client_with_config(&scene.registry, config);
        configured.client.resolve(&scene.reference).await.unwrap();
        let stream = configured.client.fetch_unverified(&scene.reference, &scene.layer, 0).await.unwrap();
        assert_eq!(drain(stream).await.0, scene.layer_bytes);
        let statuses: Vec<u16> =
            scene.registry.requests()[before..].iter().map(|request| request.status).collect();
        assert_eq!(statuses, [401, 200, 200], "only the first request is without credentials");
    }

    let wrong = client_with_config(&scene.registry, r#"{"auths":{"HOST":{"username":"u","password":"p"}}}"#);
    let before = scene.registry.requests().len();
    let failure = wrong.client.resolve(&scene.reference).await.unwrap_err();
    assert_eq!(failure.fault, FetchFault::Denied);
    assert!(scene.registry.requests().len() - before <= 4);
}

#[tokio::test]
async fn credentials_come_from_a_helper() {
    for (config, auth) in [
        (r#"{"credsStore":"keeper"}"#, BearerAuth::password("user", "pass")),
        (r#"{"credHelpers":{"HOST":"keeper"}}"#, BearerAuth::password("user", "pass")),
        (r#"{"credsStore":"tokens"}"#, BearerAuth::identity_token("long-lived")),
        (r#"{"credsstore":"small"}"#, BearerAuth::password("user", "pass")),
        // The helper's credentials are newer than those left in the file.
        (
            r#"{"credsStore":"keeper","auths":{"HOST":{"auth":"b2xkOm9sZA=="}}}"#,
            BearerAuth::password("user", "pass"),
        ),
        // A host can be configured to use the file.
        (
            r#"{"credsStore":"failing","credHelpers":{"HOST":""},"auths":{"HOST":{"auth":"dXNlcjpwYXNz"}}}"#,
            BearerAuth::password("user", "pass"),
        ),
    ] {
        let scene = scene();
        scene.registry.require(auth);
        let configured = client_with_config(&scene.registry, config);
        configured.client.resolve(&scene.reference).await.unwrap_or_else(|e| panic!("{config}: {e:?}"));
    }
}

#[tokio::test]
async fn a_helper_without_credentials_means_anonymous() {
    for config in [r#"{"credsStore":"empty"}"#, r#"{"credsStore":"null"}"#] {
        let scene = scene();
        let configured = client_with_config(&scene.registry, config);
        scene.registry.require(BearerAuth::anonymous());
        configured.client.resolve(&scene.reference).await.unwrap();

        scene.registry.require(BearerAuth::password("user", "pass"));
        let other = Reference::parse(&scene.registry.image("team/other:1")).unwrap();
        let failure = configured.client.resolve(&other).await.unwrap_err();
        assert_eq!(failure.fault, FetchFault::Denied);
        let file = Some(configured.path.clone());
        let denied = FetchReason::AccessDenied { host: scene.host(), used: None, file };
        assert_eq!(failure.reason, Some(denied));
    }
}

#[tokio::test]
async fn credentials_come_from_the_file() {
    for config in [
        r#"{"Auths":{"HTTP://HOST/v2/":{"Auth":"dXNl\ncjpwYXNz\n"}}}"#,
        r#"{"auths":{"HOST":{"auth":"dXNlcjpwYXNz"}},"auths":{"other":{}}} and more"#,
        r#"{"auths":{"HOST":{"Username":"user","PASSWORD":"pass","auth":null}},"detachKeys":1e400}"#,
    ] {
        let scene = scene();
        scene.registry.require(BearerAuth::password("user", "pass"));
        let configured = client_with_config(&scene.registry, config);
        configured.client.resolve(&scene.reference).await.unwrap_or_else(|e| panic!("{config}: {e:?}"));
    }
}

/// Two people may write the name of the image and the file.
#[tokio::test]
async fn a_host_in_upper_case_is_found() {
    let scene = scene();
    scene.registry.require(BearerAuth::password("user", "pass"));
    let port = scene.host().rsplit(':').next().unwrap().to_owned();
    for (host, key) in [("LOCALHOST", "localhost"), ("localhost", "LocalHost")] {
        let config = format!(r#"{{"auths":{{"{key}:{port}":{{"auth":"dXNlcjpwYXNz"}}}}}}"#);
        let configured = client_with_config(&scene.registry, &config);
        let reference = Reference::parse(&format!("{host}:{port}/team/app:1")).unwrap();
        configured.client.resolve(&reference).await.unwrap_or_else(|e| panic!("{host}: {e:?}"));
    }
}

/// An anonymous request for a private image would end in a puzzling error.
#[tokio::test]
async fn a_failing_helper_is_reported_when_it_is_needed() {
    for (helper, expected) in [
        ("failing", "it says: the keychain is locked"),
        ("muttering", "it says: no display"),
        ("garbled", "its answer is not JSON with `Username` and `Secret`"),
        ("flooding", "it wrote more than the 65536 bytes that are read"),
        ("absent", "there is no such program in the folders of `PATH`"),
        ("../keeper", "a name with `/` in it is not that of a helper"),
    ] {
        let scene = scene();
        let configured = client_with_config(&scene.registry, &format!(r#"{{"credsStore":"{helper}"}}"#));
        configured.client.resolve(&scene.reference).await.unwrap();

        scene.registry.require(BearerAuth::anonymous());
        let failure = configured.client.resolve(&scene.reference).await.unwrap_err();
        assert_eq!(failure.fault, FetchFault::Configuration, "{helper}");
        let host = scene.host();
        assert_eq!(
            failure.message,
            format!("cannot get the credentials for `{host}` from the credential helper `{helper}`")
        );
        assert_eq!(failure.source.as_ref().unwrap().to_string(), expected);
        assert!(matches!(failure.reason, Some(FetchReason::CredentialHelper { .. })), "{failure:?}");
        assert!(!everything(&failure).contains("hunter2"), "{failure:?}");
        assert_eq!(tokens_asked(&scene), 0, "no anonymous token was requested");
    }
}

#[tokio::test]
async fn a_helper_is_asked_once() {
    let scene = scene();
    scene.registry.require(BearerAuth::password("user", "pass"));
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("docker-credential-mine");
    std::os::unix::fs::symlink(helpers().join("docker-credential-keeper"), &link).unwrap();
    let path = folder.path().join("config.json");
    std::fs::write(&path, r#"{"credsStore":"mine"}"#).unwrap();
    let credentials = CredentialSettings {
        docker_config: Some(path),
        auth_config: None,
        helper_folders: vec![folder.path().to_owned()],
    };
    let client = client_with(RegistrySettings { credentials, ..settings() });
    let resolve = |name: &str| {
        let reference = Reference::parse(&scene.registry.image(&format!("team/{name}:1"))).unwrap();
        let client = &client;
        async move { client.resolve(&reference).await.unwrap_err().fault }
    };
    assert_eq!(resolve("a").await, FetchFault::NotFound);
    // The helper is gone, and later requests do not need it.
    std::fs::remove_file(link).unwrap();
    assert_eq!(resolve("b").await, FetchFault::NotFound);
    assert_eq!(tokens_asked(&scene), 2, "each repository has its own token");
}

#[tokio::test]
async fn a_registry_token_is_sent_as_it_is() {
    let scene = scene();
    scene.registry.on(Rule::any("/v2/")
        .nth(1)
        .status(401)
        .header("www-authenticate", r#"Bearer realm="https://tokens.invalid/""#));
    let configured = client_with_config(&scene.registry, r#"{"auths":{"HOST":{"registrytoken":"mine"}}}"#);
    configured.client.resolve(&scene.reference).await.unwrap();
    assert_eq!(scene.registry.requests()[1].header("authorization"), Some("Bearer mine"));

    // A refused token is not sent again.
    scene.registry.require(BearerAuth::anonymous());
    let failure = configured.client.resolve(&scene.reference).await.unwrap_err();
    assert_eq!(failure.fault, FetchFault::Denied);
    assert_eq!(tokens_asked(&scene), 0);
    assert!(!everything(&failure).contains("mine"), "{failure:?}");
}

#[tokio::test]
async fn the_variable_wins_over_the_file() {
    let scene = scene();
    scene.registry.require(BearerAuth::password("user", "pass"));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.json");
    let entry = |auth: &str| format!(r#"{{"auths":{{"{}":{{"auth":"{auth}"}}}}}}"#, scene.host());
    for (file, variable) in [
        (entry("b2xkOm9sZA=="), Some(entry("dXNlcjpwYXNz"))),
        (entry("dXNlcjpwYXNz"), Some(r#"{"auths":{"other":{"auth":"b2xkOm9sZA=="}}}"#.to_owned())),
        (entry("dXNlcjpwYXNz"), None),
        // Members of the variable that docker does not use are ignored, and the file counts.
        (
            entry("b2xkOm9sZA=="),
            Some(
                entry("dXNlcjpwYXNz").replace("{\"auth\"", "{\"email\":\"a@b\",\"username\":\"x\",\"auth\""),
            ),
        ),
        (entry("b2xkOm9sZA=="), Some(entry("dXNlcjpwYXNz").replacen('{', r#"{"credHelpers":{"x":"y"},"#, 1))),
        (entry("dXNlcjpwYXNz"), Some(entry("").replace(r#"{"auth":""}"#, "{}"))),
        (entry("dXNlcjpwYXNz"), Some("nonsense".to_owned())),
    ] {
        std::fs::write(&path, file).unwrap();
        let credentials = CredentialSettings {
            docker_config: Some(path.clone()),
            auth_config: variable,
            helper_folders: Vec::new(),
        };
        let settings = RegistrySettings { credentials, ..settings() };
        assert!(!format!("{settings:?}").contains("dXNlcjpwYXNz"));
        client_with(settings).resolve(&scene.reference).await.unwrap();
    }
}

#[tokio::test]
async fn missing_scopes_of_a_token_are_named() {
    let scene = scene();
    let challenge = r#"Bearer realm="http://HOST/token",scope="repository:team/app:pull,push",error="insufficient_scope""#;
    scene.registry.require(BearerAuth::anonymous());
    scene.registry.on(Rule::any("/v2/")
        .error(401, "DENIED", "requested access is denied")
        .header("www-authenticate", challenge.replace("HOST", &scene.host())));
    let failure = scene.digest().await.unwrap_err();
    assert_eq!(failure.fault, FetchFault::Denied);
    assert!(
        failure.message.ends_with(
            "insufficient scope, it requires `repository:team/app:pull,push`: DENIED: requested access is denied"
        ),
        "{failure}"
    );
    assert_eq!(
        scene.registry.requests_to("GET", "/token")[0].query,
        "scope=repository%3Ateam%2Fapp%3Apull%2Cpush",
        "what the registry asks for is what is asked for"
    );
}

#[tokio::test]
async fn a_malformed_file_is_reported_when_it_is_needed() {
    let scene = scene();
    let configured = client_with_config(&scene.registry, "{nonsense");
    configured.client.resolve(&scene.reference).await.unwrap();
    scene.registry.require(BearerAuth::anonymous());
    let failure = configured.client.resolve(&scene.reference).await.unwrap_err();
    assert_eq!(failure.fault, FetchFault::Configuration);
    assert!(failure.message.contains(configured.path.to_str().unwrap()), "{failure}");
}

#[tokio::test]
async fn wrong_responses_of_a_token_server_are_errors() {
    for (rule, fault, reason) in [
        (Rule::get("/token").body("<html>"), FetchFault::Protocol, "an answer without a token"),
        (Rule::get("/token").body("{}"), FetchFault::Protocol, "an answer without a token"),
        (Rule::get("/token").body(r#"{"token":"a\nb"}"#), FetchFault::Protocol, "characters"),
        (Rule::get("/token").body(vec![b' '; 300_000]), FetchFault::Protocol, "more than 262144 bytes"),
        (Rule::get("/token").status(403), FetchFault::Denied, "answered 403 to GET"),
        (Rule::get("/token").status(503), FetchFault::Unavailable, "answered 503 to GET"),
        (Rule::get("/token").short_body(3), FetchFault::Unavailable, "broke off"),
    ] {
        let scene = scene();
        scene.registry.require(BearerAuth::anonymous());
        scene.registry.on(rule);
        let failure = scene.digest().await.unwrap_err();
        assert_eq!(failure.fault, fault, "{failure}");
        assert!(failure.message.contains(reason), "{failure}");
        assert!(failure.message.contains("token server"), "{failure}");
    }
}

#[tokio::test]
async fn another_token_server_is_used() {
    let scene = scene();
    let server = ScriptedRegistry::start();
    server.require(BearerAuth::password("user", "pass"));
    let realm = format!("http://{}/token?account=me", server.address());
    scene.registry.require(BearerAuth::anonymous().realm(realm));
    let configured = client_with_config(&scene.registry, USER_CONFIG);
    // The registry does not accept tokens of the other server, so the pull is denied.
    let failure = configured.client.resolve(&scene.reference).await.unwrap_err();
    assert_eq!(failure.fault, FetchFault::Denied);
    assert_eq!(server.requests_to("POST", "/token").len(), 1);
    assert_eq!(server.requests_to("POST", "/token")[0].query, "account=me");
}
