use proptest::prelude::*;

use super::*;

fn parse(json: &str) -> DockerConfig {
    DockerConfig::parse(json.as_bytes(), Origin::default()).unwrap()
}

#[test]
fn forms_of_an_entry() {
    let secret = |text: &str| Secret::new(text.to_owned());
    let password = |user: &str, password: &str| {
        Some(Credentials::Password { user: user.into(), password: secret(password) })
    };
    let identity = |token: &str| Some(Credentials::IdentityToken(secret(token)));
    let registry = |token: &str| Some(Credentials::RegistryToken(secret(token)));
    for (entry, expected) in [
        (r#"{"auth":"dXNlcjpwYXNz"}"#, password("user", "pass")),
        (r#"{"auth":"dXNlcjpwYTpzcw=="}"#, password("user", "pa:ss")),
        (r#"{"auth":"dXNlcjpwYXNzAAA="}"#, password("user", "pass")),
        (r#"{"auth":"dXNlcjpwYXNz","username":"x","password":"y"}"#, password("user", "pass")),
        (r#"{"auth":null,"username":"x","password":"y","email":"e"}"#, password("x", "y")),
        (r#"{"auth":"dXNlcjpwYXNz","identitytoken":"t"}"#, identity("t")),
        (r#"{"username":"<token>","password":"t"}"#, identity("t")),
        (r#"{"registrytoken":"t"}"#, registry("t")),
        (r#"{"registrytoken":"t","auth":"dXNlcjpwYXNz"}"#, registry("t")),
        (r#"{"registrytoken":"","auth":""}"#, None),
        (r#"{"username":"x"}"#, None),
        ("{}", None),
        ("null", None),
    ] {
        let json = format!(r#"{{"auths":{{"host":{entry}}},"HttpHeaders":{{"a":"b"}}}}"#);
        let found = parse(&json).auths.get("host").unwrap();
        assert_eq!(found.map(|(_, credentials)| credentials), expected, "{entry}");
    }
}

#[test]
fn names_of_entries() {
    for (key, asked, found) in [
        ("host", "host", true),
        ("https://host/v2/", "host", true),
        ("https://host:443/v2/", "host:443", true),
        ("http://host", "http://host", true),
        ("https://host", "http://host", false),
        ("https://other/host", "host", false),
        ("xhost", "host", false),
        ("Host", "host", false),
    ] {
        let json = format!(r#"{{"auths":{{"{key}":{{"username":"u","password":"p"}}}}}}"#);
        let answer = parse(&json).auths.get(asked).unwrap();
        assert_eq!(answer.map(|(key, _)| key), found.then(|| key.to_owned()), "{asked} in {key}");
    }
}

#[test]
fn who_keeps_what() {
    use Keeper::{File, Helper};
    let keys = ["a".to_owned(), "b".to_owned(), "c".to_owned()];
    for (json, expected) in [
        ("{}", [("a", File), ("b", File), ("c", File)]),
        (r#"{"credsStore":"all"}"#, [("a", Helper("all")), ("b", Helper("all")), ("c", Helper("all"))]),
        (r#"{"credsStore":""}"#, [("a", File), ("b", File), ("c", File)]),
        (
            r#"{"credsStore":"all","credHelpers":{"b":"own"}}"#,
            [("b", Helper("own")), ("a", Helper("all")), ("c", Helper("all"))],
        ),
        (r#"{"credHelpers":{"b":"own"}}"#, [("b", Helper("own")), ("a", File), ("c", File)]),
        (
            r#"{"credsStore":"all","credHelpers":{"b":"own","c":""}}"#,
            [("b", Helper("own")), ("a", File), ("c", File)],
        ),
        (r#"{"credsStore":"all","credHelpers":{"b":""}}"#, [("a", File), ("b", File), ("c", File)]),
        (
            r#"{"credsStore":"all","credHelpers":{"x":"own"}}"#,
            [("a", Helper("all")), ("b", Helper("all")), ("c", Helper("all"))],
        ),
    ] {
        assert_eq!(parse(json).keepers(&keys), expected, "{json}");
    }
}

#[tokio::test]
async fn files() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.json");
    let look = || async { DockerConfig::read(&path).await?.auths.get("host") };
    assert_eq!(look().await.unwrap(), None, "no file");
    for good in ["", "  \n", "{}", r#"{"auths":null,"credsStore":null,"credHelpers":null}"#] {
        std::fs::write(&path, good).unwrap();
        assert_eq!(look().await.unwrap(), None, "{good:?}");
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
    let failure = look().await.unwrap_err();
    assert_eq!(failure.message, format!("cannot read the docker configuration file `{}`", path.display()));
}

#[test]
fn the_variable_has_nothing_but_auths() {
    let auths = Auths::of_variable(r#"{"auths":{"host":{"auth":"dXNlcjpwYXNz"}}}"#).unwrap();
    assert!(auths.get("host").unwrap().is_some());
    assert!(Auths::of_variable("{}").unwrap().get("host").unwrap().is_none());
    for bad in [
        "hunter2",
        r#"{"credsStore":"hunter2"}"#,
        r#"{"auths":{"host":{"identitytoken":"hunter2"}}}"#,
        r#"{"auths":{"host":{"auth":"dXNlcjpwYXNz","hunter2":"x"}}}"#,
    ] {
        let failure = Auths::of_variable(bad).err().unwrap();
        assert_eq!(
            failure.message,
            "environment variable `DOCKER_AUTH_CONFIG` is not valid JSON of its kind"
        );
        assert!(!format!("{failure:?}").contains("hunter2"), "{failure:?}");
    }
}

proptest! {
    #[test]
    fn no_file_can_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), key in ".{0,20}") {
        if let Ok(file) = DockerConfig::parse(&bytes, Origin::default()) {
            let _ = file.auths.get(&key);
        }
        let _ = Auths::of_variable(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn nor_one_of_the_right_shape(key in ".{0,20}", auth in "[A-Za-z0-9+/=]{0,20}", asked in ".{0,20}") {
        let json = serde_json::json!({"auths": {key: {"auth": auth}}}).to_string();
        let _ = parse(&json).auths.get(&asked);
        let _ = Auths::of_variable(&json).unwrap().get(&asked);
    }
}
