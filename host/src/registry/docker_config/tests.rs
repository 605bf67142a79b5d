use proptest::prelude::*;

use super::*;

fn find(json: &str, host: &str) -> Found {
    File::parse(json.as_bytes()).unwrap().find(host).unwrap()
}

/// The user of the credentials that are found, to see which entry was chosen.
fn user(json: &str, host: &str) -> Option<String> {
    match find(json, host).credentials? {
        Credentials::Password { user, .. } => Some(user),
        Credentials::IdentityToken(_) => Some("<token>".to_owned()),
    }
}

fn auths(keys: &[&str]) -> String {
    let entries: Vec<String> =
        keys.iter().map(|key| format!(r#""{key}":{{"username":"{key}","password":"p"}}"#)).collect();
    format!(r#"{{"auths":{{{}}}}}"#, entries.join(","))
}

#[test]
fn order_of_look_ups() {
    for (keys, host, expected) in [
        (&["host", "host:443"][..], "host", Some("host:443")),
        (&["host", "https://host"], "host", Some("host")),
        (&["http://host", "https://host"], "host", Some("https://host")),
        (&["host"], "host:443", Some("host")),
        (&["host"], "host:5000", None),
        (&["host:5000"], "host", None),
        (&["http://host:5000"], "host:5000", Some("http://host:5000")),
        (&["https://host/v2/"], "host", Some("https://host/v2/")),
        (&["https://other/host"], "host", None),
        (&["https://index.docker.io/v1/", "docker.io"], "docker.io", Some("https://index.docker.io/v1/")),
        (&["https://index.docker.io/v1/"], "registry-1.docker.io", Some("https://index.docker.io/v1/")),
        (&["docker.io"], "registry-1.docker.io", None),
        (&["[::1]"], "[::1]", Some("[::1]")),
        (&["[::1]:5000"], "[::1]:5000", Some("[::1]:5000")),
        (&["xhost"], "host", None),
    ] {
        assert_eq!(user(&auths(keys), host).as_deref(), expected, "{host} in {keys:?}");
    }
}

#[test]
fn forms_of_an_entry() {
    let password = |user: &str, password: &str| {
        Some(Credentials::Password { user: user.into(), password: Secret::new(password.into()) })
    };
    let token = |token: &str| Some(Credentials::IdentityToken(Secret::new(token.into())));
    for (entry, expected) in [
        (r#"{"auth":"dXNlcjpwYXNz"}"#, password("user", "pass")),
        (r#"{"auth":"dXNlcjpwYTpzcw=="}"#, password("user", "pa:ss")),
        (r#"{"auth":"dXNlcjpwYXNzAAA="}"#, password("user", "pass")),
        (r#"{"auth":"dXNlcjpwYXNz","username":"x","password":"y"}"#, password("user", "pass")),
        (r#"{"auth":null,"username":"x","password":"y","email":"e"}"#, password("x", "y")),
        (r#"{"auth":"dXNlcjpwYXNz","identitytoken":"t"}"#, token("t")),
        (r#"{"username":"<token>","password":"t"}"#, token("t")),
        (r#"{"registrytoken":"t"}"#, None),
        ("{}", None),
        ("null", None),
    ] {
        let json = format!(r#"{{"auths":{{"host":{entry}}},"HttpHeaders":{{"a":"b"}}}}"#);
        assert_eq!(find(&json, "host").credentials, expected, "{entry}");
    }
}

#[test]
fn an_empty_entry_gives_way_to_a_later_one() {
    let json = r#"{"auths":{"host:443":{},"host":{"username":"u","password":"p"}}}"#;
    assert_eq!(user(json, "host").as_deref(), Some("u"));
}

#[test]
fn helpers() {
    for (json, expected) in [
        (r#"{"credsStore":"all"}"#, Some("all")),
        (r#"{"credsStore":"all","credHelpers":{"host":"own"}}"#, Some("own")),
        (r#"{"credsStore":"all","credHelpers":{"host":""}}"#, None),
        (r#"{"credHelpers":{"other":"own"}}"#, None),
        (r#"{"credsStore":""}"#, None),
    ] {
        assert_eq!(find(json, "host").helper.as_deref(), expected, "{json}");
    }
}

#[tokio::test]
async fn files() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.json");
    let look = || async { DockerConfig::new(Some(path.clone())).find("host").await };
    assert_eq!(look().await.unwrap(), Found::default(), "no file");
    for good in ["", "  \n", "{}", r#"{"auths":null}"#] {
        std::fs::write(&path, good).unwrap();
        assert_eq!(look().await.unwrap(), Found::default(), "{good:?}");
    }
    for (bad, reason) in [
        (r#"{"auths":"#.to_owned(), "not valid JSON"),
        (r#"{"auths":["hunter2"]}"#.to_owned(), "not valid JSON"),
        (r#"{"auths":{"host":{"auth":"hunter2!"}}}"#.to_owned(), "entry `host`"),
        (r#"{"auths":{"host":{"auth":"aHVudGVyMg=="}}}"#.to_owned(), "entry `host`"),
        (" ".repeat(usize::try_from(limits::DOCKER_CONFIG_BYTES).unwrap() + 1), "more than"),
    ] {
        std::fs::write(&path, &bad).unwrap();
        let failure = look().await.unwrap_err();
        assert_eq!(failure.fault, FetchFault::Configuration);
        assert!(failure.message.contains(reason), "{}", failure.message);
        assert!(failure.message.contains(&path.display().to_string()), "{}", failure.message);
        assert!(!format!("{failure:?}").contains("hunter2"), "{failure:?}");
    }
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert_eq!(look().await.unwrap_err().fault, FetchFault::Configuration);
}

proptest! {
    #[test]
    fn no_file_can_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), host in ".{0,20}") {
        if let Ok(file) = File::parse(&bytes) {
            let _ = file.find(&host);
        }
    }

    #[test]
    fn nor_one_of_the_right_shape(key in ".{0,20}", auth in "[A-Za-z0-9+/=]{0,20}", host in ".{0,20}") {
        let json = serde_json::json!({"auths": {key: {"auth": auth}}}).to_string();
        let _ = File::parse(json.as_bytes()).unwrap().find(&host);
    }
}
