//! `dray registry credentials` shows which credentials dray finds. It needs neither daemon nor registry.

use dray_tests::command::Dray;
use dray_tests::tools;
use insta::{assert_json_snapshot, assert_snapshot};
use serde_json::Value;

/// dray with this file as docker's configuration, and with scripts that play credential helpers.
fn dray(config: &str) -> Dray {
    let helpers = concat!(env!("CARGO_MANIFEST_DIR"), "/credential-helpers");
    let dray = Dray::new();
    let folder = dray.directory().join("home/.docker");
    std::fs::create_dir(&folder).expect("a folder can be made");
    std::fs::write(folder.join("config.json"), config).expect("a file can be written");
    dray.env("PATH", format!("{helpers}:{}", tools::SEARCH_PATH))
}

fn json(dray: &Dray, host: &str) -> Value {
    let run = dray.run(["registry", "credentials", "--format", "json", "--", host]).success();
    let mut answer = run.json();
    if let Some(file) = answer["file"].as_str() {
        let home = dray.directory().display().to_string();
        answer["file"] = file.replace(&home, "[HOME]").into();
    }
    answer
}

const HUB: &str = r#"{"auths":{"https://index.docker.io/v1/":{"auth":"YW5uOnNlc2FtZQ=="}}}"#;

#[test]
fn an_entry_of_the_file_is_found() {
    let dray = dray(HUB);
    assert_json_snapshot!(json(&dray, "docker.io"), @r#"
    {
      "file": "[HOME]/home/.docker/config.json",
      "helper": null,
      "host": "docker.io",
      "key": "https://index.docker.io/v1/",
      "kind": "password",
      "source": "auths",
      "user": "ann"
    }
    "#);
    for name in ["index.docker.io", "registry-1.docker.io"] {
        assert_eq!(json(&dray, name)["key"], "https://index.docker.io/v1/", "{name}");
    }
    assert_snapshot!(dray.run(["registry", "credentials", "docker.io"]).to_string(), @r"
    exit code: 0
    --- stdout
    password of user ann for docker.io, entry https://index.docker.io/v1/ of [HOME]/home/.docker/config.json
    --- stderr
    ");
}

#[test]
fn a_host_without_credentials_is_reported() {
    let dray = dray(HUB);
    assert_json_snapshot!(json(&dray, "registry.example.com:5000"), @r#"
    {
      "file": null,
      "helper": null,
      "host": "registry.example.com:5000",
      "key": null,
      "kind": null,
      "source": null,
      "user": null
    }
    "#);
    assert_snapshot!(dray.run(["registry", "credentials", "--", "registry.example.com:5000"]).to_string(), @r"
    exit code: 0
    --- stdout
    no credentials for registry.example.com:5000: requests are anonymous
    --- stderr
    ");
}

#[test]
fn credentials_of_a_helper_are_found() {
    let dray = dray(r#"{"credHelpers":{"ghcr.io":"tokens","quay.io":"absent"},"credsStore":"keeper"}"#);
    assert_json_snapshot!(json(&dray, "ghcr.io"), @r#"
    {
      "file": "[HOME]/home/.docker/config.json",
      "helper": "tokens",
      "host": "ghcr.io",
      "key": "ghcr.io",
      "kind": "identity-token",
      "source": "helper",
      "user": null
    }
    "#);
    assert_json_snapshot!(json(&dray, "registry.example.com:5000"), @r#"
    {
      "file": "[HOME]/home/.docker/config.json",
      "helper": "keeper",
      "host": "registry.example.com:5000",
      "key": "registry.example.com:5000",
      "kind": "password",
      "source": "helper",
      "user": "user"
    }
    "#);
    assert_eq!(json(&dray, "unknown.example")["source"], Value::Null);
    assert_snapshot!(dray.run(["registry", "credentials", "ghcr.io"]).to_string(), @r"
    exit code: 0
    --- stdout
    identity token for ghcr.io, entry ghcr.io of credential helper tokens, which [HOME]/home/.docker/config.json names
    --- stderr
    ");
    assert_snapshot!(dray.run(["registry", "credentials", "quay.io"]).to_string(), @r"
    exit code: 3
    --- stdout
    --- stderr
    error: cannot get the credentials for `quay.io` from the credential helper `absent`
      1: there is no such program in the folders of `PATH`
    hint: install `docker-credential-absent` into a folder of `PATH`, or remove `absent` from `[HOME]/home/.docker/config.json` and log in again
    ");
}

#[test]
fn credentials_of_the_variable_are_found() {
    let dray = dray(r#"{"credsStore":"failing"}"#)
        .env("DOCKER_AUTH_CONFIG", r#"{"auths":{"quay.io":{"auth":"YW5uOnNlc2FtZQ=="}}}"#);
    assert_json_snapshot!(json(&dray, "quay.io"), @r#"
    {
      "file": null,
      "helper": null,
      "host": "quay.io",
      "key": "quay.io",
      "kind": "password",
      "source": "environment",
      "user": "ann"
    }
    "#);
    assert_snapshot!(dray.run(["registry", "credentials", "quay.io"]).to_string(), @r"
    exit code: 0
    --- stdout
    password of user ann for quay.io, entry quay.io of DOCKER_AUTH_CONFIG
    --- stderr
    ");
    assert_snapshot!(dray.run(["registry", "credentials", "ghcr.io"]).to_string(), @r"
    exit code: 3
    --- stdout
    --- stderr
    error: cannot get the credentials for `ghcr.io` from the credential helper `failing`
      1: it says: the keychain is locked
    hint: check whether `docker-credential-failing list` works, or log in again
    ");
}

#[test]
fn unreadable_sources_are_errors() {
    let dray = dray("{\"auths\":\n sesame");
    assert_snapshot!(dray.run(["registry", "credentials", "docker.io"]).to_string(), @r"
    exit code: 3
    --- stdout
    --- stderr
    error: the docker configuration file `[HOME]/home/.docker/config.json` is not valid JSON of its kind
      1: syntax error at line 2 column 2
    hint: correct `[HOME]/home/.docker/config.json`, or log in again
    ");
    assert_snapshot!(dray.run(["registry", "credentials", "--format", "json", "docker.io"]).to_string(), @r#"
    exit code: 3
    --- stdout
    --- stderr
    {"error":{"kind":"configuration","message":"the docker configuration file `[HOME]/home/.docker/config.json` is not valid JSON of its kind","causes":["syntax error at line 2 column 2"],"hints":["correct `[HOME]/home/.docker/config.json`, or log in again"]}}
    "#);
}

/// Some programs put the whole file into the variable. That does not fail a pull, and the file counts as well.
#[test]
fn unused_members_of_the_variable_are_ignored() {
    const USED: &str = "of environment variable `DOCKER_AUTH_CONFIG` only the `auth` of each entry is used";
    let password = "password of user ann for quay.io, entry quay.io of DOCKER_AUTH_CONFIG\n";
    let of_file = "password of user ann for quay.io, entry quay.io of [HOME]/home/.docker/config.json\n";
    let file = r#"{"auths":{"quay.io":{"auth":"YW5uOnNlc2FtZQ=="}}}"#;
    for (variable, found, warning) in [
        (
            r#"{"credsStore":"failing","credHelpers":{"quay.io":"failing"},"auths":{"quay.io":{"auth":"YW5uOnNlc2FtZQ=="}}}"#,
            password,
            format!("{USED}; ignored: `credHelpers`, `credsStore`\n"),
        ),
        (
            r#"{"auths":{"quay.io":{"auth":"YW5uOnNlc2FtZQ==","email":"ann@example.com","username":"sesame"}}}"#,
            password,
            format!("{USED}; ignored: `email`, `username`\n"),
        ),
        (
            r#"{"auths":{"quay.io":{"username":"ben","password":"sesame"}}}"#,
            of_file,
            format!("{USED}; ignored: `password`, `username`\n"),
        ),
        (r#"{"auths":{"quay.io":{}}}"#, of_file, String::new()),
        (r#"{"auths":{"ghcr.io":{"auth":"sesame"}}}"#, of_file, String::new()),
        ("{}", of_file, String::new()),
        (
            "sesame",
            of_file,
            "environment variable `DOCKER_AUTH_CONFIG` is not valid JSON of its kind and is ignored: syntax error at line 1 column 1\n".to_owned(),
        ),
    ] {
        let dray = dray(file).env("DOCKER_AUTH_CONFIG", variable);
        let run = dray.run(["registry", "credentials", "quay.io"]).success();
        assert_eq!(run.stdout.replace(&dray.directory().display().to_string(), "[HOME]"), found, "{variable}");
        assert!(run.stderr.ends_with(&warning), "{variable}: {}", run.stderr);
        assert_eq!(run.stderr.lines().count(), usize::from(!warning.is_empty()), "{variable}: {}", run.stderr);
        assert!(!run.stderr.contains("sesame"), "{variable}: {}", run.stderr);
    }
}

/// System services have no `HOME`. The user database has the home of their user.
#[test]
fn without_home_the_user_database_decides() {
    let home = tempfile::tempdir().expect("a directory can be made");
    std::fs::create_dir(home.path().join(".docker")).expect("a directory can be made");
    std::fs::write(home.path().join(".docker/config.json"), HUB).expect("a file can be written");
    let users = home.path().join("passwd");
    let root = format!("root:x:0:0:root:{}:/bin/sh\n", home.path().display());
    std::fs::write(&users, root).expect("a file can be written");
    for unset in ["unset HOME", "export HOME="] {
        let run = |arguments: &str| {
            let script =
                format!("mount --bind {} /etc/passwd && {unset} && exec \"$0\" {arguments}", users.display());
            let run = std::process::Command::new("unshare")
                .args(["--mount", "sh", "-c", &script])
                .arg(tools::dray())
                .env_clear()
                .env("PATH", tools::SEARCH_PATH)
                .output()
                .expect("a program can be started");
            assert!(run.status.success(), "{unset}: {run:?}");
            String::from_utf8_lossy(&run.stdout).into_owned()
        };
        let found = run("registry credentials docker.io");
        assert!(found.starts_with("password of user ann for docker.io"), "{unset}: {found}");
        run("plugin inspect --describe overlayfs");
        let cache = home.path().join(".cache/dray/compiled");
        assert!(cache.join("secret").exists(), "{unset}: nothing is kept in {}", cache.display());
        std::fs::remove_dir_all(home.path().join(".cache")).expect("a directory can be removed");
    }
}

#[test]
fn invalid_hosts_are_refused() {
    for host in ["", "https://ghcr.io", "ghcr.io/v2", "ann@ghcr.io", "a b"] {
        dray(HUB).run(["registry", "credentials", "--", host]).failure(2);
    }
    assert_snapshot!(dray(HUB).run(["registry", "credentials", "https://ghcr.io"]).to_string(), @r"
    exit code: 2
    --- stdout
    --- stderr
    error: `https://ghcr.io` cannot be the name of a registry
    hint: a registry looks like `docker.io` or `registry.example.com:5000`, without scheme and path
    ");
}

/// Ctrl-c ends dray, and the helper with it.
#[test]
fn ctrl_c_ends_the_helper_too() {
    let dray = dray(r#"{"credsStore":"hanging"}"#);
    let running = dray.spawn(["registry", "credentials", "quay.io"]);
    let task = format!("/proc/{0}/task/{0}/children", running.id());
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    let helper = loop {
        let children = std::fs::read_to_string(&task).unwrap_or_default();
        if let Some(child) = children.split_ascii_whitespace().next() {
            break child.to_owned();
        }
        assert!(std::time::Instant::now() < deadline, "no helper has been started");
        std::thread::sleep(std::time::Duration::from_millis(10));
    };
    running.interrupt();
    running.wait().failure(130);
    // A process that has ended may stay in the process table until it is waited for.
    let runs = || {
        let status = std::fs::read_to_string(format!("/proc/{helper}/stat")).unwrap_or_default();
        !status.is_empty() && !status.contains(") Z ")
    };
    while runs() {
        assert!(std::time::Instant::now() < deadline, "the helper still runs");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}
