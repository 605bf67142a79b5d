use std::time::{Duration, Instant};

use super::CredentialKind::{IdentityToken, Password, RegistryToken};
use super::CredentialSource::{Auths, Helper};
use super::*;
use dray_ports::HelperFault;

/// Scripts that play credential helpers.
fn helpers() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/credential-helpers").canonicalize().unwrap()
}

/// A configuration file with this content, for looking up credentials.
struct Configured {
    path: PathBuf,
    _directory: tempfile::TempDir,
}

impl Configured {
    fn new(json: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.json");
        std::fs::write(&path, json).unwrap();
        Self { path, _directory: directory }
    }

    fn settings(&self) -> CredentialSettings {
        CredentialSettings {
            docker_config: Some(self.path.clone()),
            auth_config: None,
            helper_folders: vec!["relative".into(), "/nonexistent".into(), helpers()],
        }
    }

    async fn find(&self, host: &str) -> Result<Option<CredentialReport>, FetchFailure> {
        find_credentials(&self.settings(), host).await
    }
}

fn auths(keys: &[&str]) -> String {
    let entries: Vec<String> =
        keys.iter().map(|key| format!(r#""{key}":{{"username":"u","password":"p"}}"#)).collect();
    format!(r#"{{"auths":{{{}}}}}"#, entries.join(","))
}

#[tokio::test]
async fn sources_are_asked_in_order() {
    for (keys, host, expected) in [
        (&["host", "host:443"][..], "host", Some("host:443")),
        (&["host", "https://host"], "host", Some("host")),
        (&["http://host", "https://host"], "host", Some("https://host")),
        (&["host", "https://host:443/v2/"], "host", Some("https://host:443/v2/")),
        (&["host"], "host:443", Some("host")),
        (&["host"], "host:5000", None),
        (&["host:5000"], "host", None),
        (&["http://host:5000"], "host:5000", Some("http://host:5000")),
        (&["https://host/v2/"], "host", Some("https://host/v2/")),
        (&["https://index.docker.io/v1/", "docker.io"], "docker.io", Some("https://index.docker.io/v1/")),
        (&["https://index.docker.io/v1/"], "registry-1.docker.io", Some("https://index.docker.io/v1/")),
        (&["https://index.docker.io/v1/"], "index.docker.io", Some("https://index.docker.io/v1/")),
        (&["docker.io"], "registry-1.docker.io", Some("docker.io")),
        (&["index.docker.io", "docker.io"], "docker.io", Some("index.docker.io")),
        (&["registry-1.docker.io"], "docker.io", Some("registry-1.docker.io")),
        (&["docker.io"], "other.docker.io", None),
        (&["Registry.Example"], "registry.example", Some("Registry.Example")),
        (&["registry.example"], "Registry.EXAMPLE", Some("registry.example")),
        (
            &["HTTPS://Registry.Example:5000/v2/"],
            "registry.example:5000",
            Some("HTTPS://Registry.Example:5000/v2/"),
        ),
        (&["registry.example", "Registry.Example"], "Registry.Example", Some("Registry.Example")),
        (&["HTTPS://INDEX.docker.io/v1/"], "Docker.IO", Some("HTTPS://INDEX.docker.io/v1/")),
        (&["[::1]"], "[::1]", Some("[::1]")),
        (&["[::1]:5000"], "[::1]:5000", Some("[::1]:5000")),
    ] {
        let found = Configured::new(&auths(keys)).find(host).await.unwrap();
        assert_eq!(found.map(|found| found.key).as_deref(), expected, "{host} in {keys:?}");
    }
    let empty_first = r#"{"auths":{"host:443":{},"host":{"username":"u","password":"p"}}}"#;
    assert_eq!(Configured::new(empty_first).find("host").await.unwrap().unwrap().key, "host");
    assert_eq!(find_credentials(&CredentialSettings::default(), "host").await.unwrap(), None);
}

#[tokio::test]
async fn the_report_of_credentials_has_no_secret() {
    let report = |source, helper: Option<&str>, key: &str, user: Option<&str>, kind| CredentialReport {
        source,
        file: None,
        helper: helper.map(str::to_owned),
        key: key.to_owned(),
        user: user.map(str::to_owned),
        kind,
    };
    for (json, expected) in [
        (
            r#"{"auths":{"host":{"auth":"dXNlcjpwYXNz"}}}"#,
            report(Auths, None, "host", Some("user"), Password),
        ),
        (r#"{"auths":{"host":{"identitytoken":"pass"}}}"#, report(Auths, None, "host", None, IdentityToken)),
        (r#"{"auths":{"host":{"registrytoken":"pass"}}}"#, report(Auths, None, "host", None, RegistryToken)),
        (r#"{"credsStore":"keeper"}"#, report(Helper, Some("keeper"), "host:443", Some("user"), Password)),
        (r#"{"credsStore":"tokens"}"#, report(Helper, Some("tokens"), "host:443", None, IdentityToken)),
        (
            r#"{"credHelpers":{"host":"keeper"},"credsStore":"failing"}"#,
            report(Helper, Some("keeper"), "host", Some("user"), Password),
        ),
        // An entry counts if the helper does not keep its host, and is out of date if the helper should keep it.
        (
            r#"{"credsStore":"empty","auths":{"host":{"registrytoken":"pass"}}}"#,
            report(Auths, None, "host", None, RegistryToken),
        ),
    ] {
        let configured = Configured::new(json);
        let found = configured.find("host").await.unwrap().unwrap();
        assert!(!format!("{found:?}").contains("pass"));
        assert_eq!(found, CredentialReport { file: Some(configured.path.clone()), ..expected }, "{json}");
    }
    let left = Configured::new(r#"{"credsStore":"empty","auths":{"host":{"auth":"dXNlcjpwYXNz"}}}"#);
    assert_eq!(left.find("host").await.unwrap(), None);

    let settings = CredentialSettings {
        auth_config: Some(r#"{"auths":{"https://host/v1/":{"auth":"dXNlcjpwYXNz"}}}"#.to_owned()),
        ..Configured::new(r#"{"credsStore":"failing"}"#).settings()
    };
    let found = find_credentials(&settings, "host").await.unwrap().unwrap();
    assert_eq!(
        found,
        report(CredentialSource::Environment, None, "https://host/v1/", Some("user"), Password)
    );
}

#[tokio::test]
async fn a_helper_may_fail_with_one_spelling_and_know_another() {
    let configured = Configured::new(r#"{"credsStore":"picky"}"#);
    assert_eq!(configured.find("plain.example").await.unwrap().unwrap().key, "plain.example");
    assert_eq!(configured.find("docker.io").await.unwrap().unwrap().key, "https://index.docker.io/v1/");
    // Docker Hub has several names in the file, and one name for a helper.
    for name in ["docker.io", "index.docker.io", "https://index.docker.io/v1/"] {
        let own =
            Configured::new(&format!(r#"{{"credsStore":"failing","credHelpers":{{"{name}":"picky"}}}}"#));
        let found = own.find("docker.io").await.unwrap().unwrap();
        assert_eq!(
            (found.helper.as_deref(), found.key.as_str()),
            (Some("picky"), "https://index.docker.io/v1/")
        );
    }
    // A helper distinguishes upper and lower case.
    let own = Configured::new(r#"{"credHelpers":{"Plain.Example":"picky"}}"#);
    assert_eq!(own.find("PLAIN.example").await.unwrap().unwrap().key, "plain.example");
    assert_eq!(configured.find("PLAIN.example").await.unwrap().unwrap().key, "plain.example");
    let failure = configured.find("other.example").await.unwrap_err();
    assert_eq!(failure.fault, FetchFault::Configuration);
    assert_eq!(failure.source.unwrap().to_string(), "it says: no such item: other.example:443");
}

#[tokio::test]
async fn a_helper_that_hangs_is_killed() {
    let patience = Duration::from_millis(200);
    let configured = Configured::new(r#"{"credsStore":"hanging"}"#);
    let store = CredentialStore {
        helpers: Helpers::new(vec![helpers()], patience),
        ..CredentialStore::new(configured.settings())
    };
    let started = Instant::now();
    let failure = store.find("host").await.unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(20), "one spelling is enough");
    assert_eq!(failure.source.unwrap().to_string(), "it has not ended within 0.2 s");
    let file = configured.path.clone();
    let helper = "hanging".to_owned();
    let reason = FetchReason::CredentialHelper { helper, file, fault: HelperFault::Silent };
    assert_eq!(failure.reason, Some(reason));
}

/// Dropping the look-up kills the helper.
#[tokio::test]
async fn dropping_the_look_up_kills_the_helper() {
    let configured = Configured::new(r#"{"credsStore":"hanging"}"#);
    let store = CredentialStore::new(configured.settings());
    let asked = tokio::time::timeout(Duration::from_millis(300), store.find("host")).await;
    assert!(asked.is_err());
    let deadline = Instant::now() + Duration::from_secs(10);
    while !children().is_empty() {
        assert!(Instant::now() < deadline, "{:?} still run", children());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// It also kills the processes that the helper started.
#[tokio::test]
async fn dropping_the_look_up_kills_what_the_helper_started() {
    let directory = tempfile::tempdir().unwrap();
    let server = directory.path().join("number").display().to_string();
    let number = || std::fs::read_to_string(format!("{server}:443")).unwrap_or_default();
    let configured = Configured::new(r#"{"credsStore":"delegating"}"#);
    let store = CredentialStore::new(configured.settings());
    let deadline = Instant::now() + Duration::from_secs(20);
    let started = async {
        while !number().ends_with('\n') {
            assert!(Instant::now() < deadline, "the helper starts nothing");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        answer = store.find(&server) => panic!("{answer:?}"),
        () = started => {}
    }
    while runs(number().trim()) {
        assert!(Instant::now() < deadline, "{} still runs", number());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Processes of this thread's runtime that still sleep as long as the script says.
fn children() -> Vec<String> {
    let task = std::fs::read_link("/proc/thread-self").unwrap();
    let list =
        std::fs::read_to_string(PathBuf::from("/proc").join(task).join("children")).unwrap_or_default();
    list.split_ascii_whitespace().filter(|id| runs(id)).map(str::to_owned).collect()
}

/// Whether a process runs. One that has ended may stay in the process table until it is waited for.
fn runs(id: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    !status.is_empty() && !status.contains(") Z ")
}

#[tokio::test]
async fn long_output_on_standard_error_does_not_block_a_helper() {
    let found = Configured::new(r#"{"credsStore":"noisy"}"#).find("host").await.unwrap().unwrap();
    assert_eq!(found.user.as_deref(), Some("user"));
}
