use proptest::prelude::*;

use super::*;

fn parse(json: &str) -> DockerConfig {
    DockerConfig::parse(json.as_bytes(), Origin::default()).unwrap()
}

#[test]
fn reads_every_form_of_an_entry() {
    let secret = |text: &str| Secret::new(text);
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
        // With line breaks as `base64` makes them, without padding, and with a last digit that other encoders do not
        // write.
        (r#"{"auth":"dXNl\ncjpw\r\n YXNz\n"}"#, password("user", "pass")),
        (r#"{"auth":"dXNlcjpwYXNzMQ"}"#, password("user", "pass1")),
        (r#"{"auth":"dXNlcjpwYXNzMR=="}"#, password("user", "pass1")),
        (r#"{"auth":"dXNlcjoAcGFzcwAA"}"#, password("user", "pass")),
        (r#"{"Auth":"dXNlcjpwYXNz"}"#, password("user", "pass")),
        (r#"{"UserName":"x","PASSWORD":"y"}"#, password("x", "y")),
        (r#"{"username":"x","password":"z","Password":"y","password":null}"#, password("x", "y")),
        (r#"{"identityToken":"t"}"#, identity("t")),
        (r#"{"registryToken":"t"}"#, registry("t")),
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
        let json = format!(r#"{{"auths":{{"host":{entry}}},"HttpHeaders":{{"a":1e400}}}}"#);
        let found = parse(&json).auths.get("host").unwrap();
        assert_eq!(found.map(|(_, credentials)| credentials), expected, "{entry}");
    }
    // A password in Latin-1, as an old terminal sends it.
    let found = parse(r#"{"auths":{"host":{"auth":"dXPpcjpw4nNz"}}}"#).auths.get("host").unwrap();
    let expected =
        Credentials::Password { user: b"us\xe9r".to_vec(), password: Secret::new(&b"p\xe2ss"[..]) };
    assert_eq!(found.map(|(_, credentials)| credentials), Some(expected));
}

#[test]
fn finds_an_entry_by_any_name_of_its_host() {
    for (key, asked, found) in [
        ("host", "host", true),
        ("https://host/v2/", "host", true),
        ("https://host:443/v2/", "host:443", true),
        ("http://host", "http://host", true),
        ("https://host", "http://host", false),
        ("https://other/host", "host", false),
        ("xhost", "host", false),
        ("Host", "host", true),
        ("host", "HOST", true),
        ("HTTPS://Registry.Example:5000/v2/", "registry.example:5000", true),
        ("http://Host", "https://host", false),
        ("ftp://host", "host", false),
    ] {
        let json = format!(r#"{{"auths":{{"{key}":{{"username":"u","password":"p"}}}}}}"#);
        let answer = parse(&json).auths.get(asked).unwrap();
        assert_eq!(answer.map(|(key, _)| key), found.then(|| key.to_owned()), "{asked} in {key}");
    }
    let entry = r#"{"username":"u","password":"p"}"#;
    let both = parse(&format!(r#"{{"auths":{{"HOST":{entry},"Host":{entry},"http://host":{entry}}}}}"#));
    for key in ["HOST", "Host"] {
        assert_eq!(both.auths.get(key).unwrap().unwrap().0, key, "what is written exactly so comes first");
    }
    assert_eq!(both.auths.get("host").unwrap().unwrap().0, "Host");
}

#[test]
fn keepers_are_the_helper_of_the_host_then_that_for_all() {
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
        (r#"{"credsstore":"all"}"#, [("a", Helper("all")), ("b", Helper("all")), ("c", Helper("all"))]),
        (
            r#"{"CredsStore":"all","CREDHELPERS":{"b":"own","C":null}}"#,
            [("b", Helper("own")), ("a", File), ("c", File)],
        ),
        (
            r#"{"credHelpers":{"b":"old"},"credHelpers":{"a":"own"}}"#,
            [("a", Helper("own")), ("b", Helper("old")), ("c", File)],
        ),
        (
            r#"{"credsStore":"all","credHelpers":{"x":"own"}}"#,
            [("a", Helper("all")), ("b", Helper("all")), ("c", Helper("all"))],
        ),
    ] {
        assert_eq!(parse(json).keepers(&keys), expected, "{json}");
    }
    assert_eq!(
        parse(r#"{"credHelpers":{"B":"own"}}"#).keepers(&keys),
        [("B", Helper("own")), ("b", Helper("own")), ("a", File), ("c", File)]
    );
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.json");
    let look = || async { DockerConfig::read(&path).await?.auths.get("host") };
    assert_eq!(look().await.unwrap(), None, "no file");
    for good in ["", "  \n", "{}", r#"{"auths":null,"credsStore":null,"credHelpers":null}"#, "null", "{} {"] {
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

/// CI runners put the whole file into the variable. docker itself uses only a part of it.
#[test]
fn members_of_the_variable_that_are_not_used_are_ignored() {
    for (text, expected) in [
        (r#"{"auths":{"host":{"auth":"dXNlcjpwYXNz"}}}"#, true),
        (r#"{"auths":{"host":{"auth":"dXNlcjpwYXNz","email":"a@b","username":"x","password":"y"}}}"#, true),
        (r#"{"credsStore":"x","credHelpers":{"host":"y"},"auths":{"host":{"auth":"dXNlcjpwYXNz"}}}"#, true),
        (r#"{"Auths":{"https://Host/v1/":{"Auth":"dXNl\ncjpwYXNz"},"other":{"auth":"!"}}}"#, true),
        (r#"{"auths":{"host":{"identitytoken":"t","username":"x","password":"y"}}}"#, false),
        (r#"{"auths":{"host":{}}}"#, false),
        (r#"{"auths":{"host":null}}"#, false),
        (r#"{"auths":{"host":{"auth":""}}}"#, false),
        (r#"{"auths":null}"#, false),
        ("{}", false),
        ("null", false),
        ("nonsense", false),
        (r#"{"auths":["host"]}"#, false),
        (r#"{"auths":{"host":{"auth":5}}}"#, false),
    ] {
        let password = Credentials::Password { user: b"user".to_vec(), password: Secret::new("pass") };
        let found = of_variable(text).get("host").unwrap().map(|(_, credentials)| credentials);
        assert_eq!(found, expected.then_some(password), "{text}");
    }
    let failure = of_variable(r#"{"auths":{"host":{"auth":"hunter2!"}}}"#).get("host").err().unwrap();
    assert_eq!(
        failure.message,
        "entry `host` of environment variable `DOCKER_AUTH_CONFIG` has an `auth` that is not the base64 form of `user:password`"
    );
    assert!(!format!("{failure:?}").contains("hunter2"), "{failure:?}");
    let long = format!("{{}}{}", " ".repeat(usize::try_from(limits::DOCKER_CONFIG_BYTES).unwrap()));
    assert_eq!(of_variable(&long).get("host").unwrap(), None);
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), key in ".{0,20}") {
        if let Ok(file) = DockerConfig::parse(&bytes, Origin::default()) {
            let _ = file.auths.get(&key);
        }
        let _ = of_variable(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn a_file_of_the_right_shape_does_not_panic(key in ".{0,20}", auth in "[A-Za-z0-9+/=]{0,20}", asked in ".{0,20}") {
        let json = serde_json::json!({"auths": {key: {"auth": auth}}}).to_string();
        let _ = parse(&json).auths.get(&asked);
        let _ = of_variable(&json).get(&asked);
    }
}
