//! Commands that explain how dray reads names, platforms and registries. They need only the program.

use dray_tests::command::Dray;
use insta::assert_snapshot;

fn run(arguments: &[&str]) -> String {
    Dray::new().run(arguments).to_string()
}

#[test]
fn platforms_are_printed_as_json_lines() {
    let specs = ["windows(10.0.17763+win32k+a%2Bb)/amd64", "linux/*", "linux(+b+a+b)/arm/v7", "linux/.."];
    let printed = run(&[&["platform", "parse", "--format", "json", "--"], &specs[..]].concat());
    assert_snapshot!(printed, @r#"
    exit code: 2
    --- stdout
    {"architecture":"amd64","format":"windows/amd64","format_all":"windows(10.0.17763+a%2Bb+win32k)/amd64","input":"windows(10.0.17763+win32k+a%2Bb)/amd64","os":"windows","os_features":["win32k","a+b"],"os_version":"10.0.17763","variant":""}
    {"error":"platform `linux/*` has a wildcard, which is not supported","input":"linux/*"}
    {"architecture":"arm","format":"linux/arm/v7","format_all":"linux(+a+b)/arm/v7","input":"linux(+b+a+b)/arm/v7","os":"linux","os_features":["b","a","b"],"os_version":"","variant":"v7"}
    {"architecture":"..","format":".","format_all":".","input":"linux/..","os":"linux","os_features":[],"os_version":"","variant":""}
    --- stderr
    {"error":{"kind":"usage","message":"1 of 4 platforms refused","causes":[],"hints":[]}}
    "#);
}

#[test]
fn platforms_are_printed_as_text() {
    assert_snapshot!(run(&["platform", "parse", "linux(+b+a)/aarch64/8", "linux(a b)"]), @r"
    exit code: 2
    --- stdout
    linux(+a+b)/arm64/v8
    refused: platform `linux(a b)`: `linux(a b)` is not a valid operating system
    --- stderr
    error: 1 of 2 platforms refused
    ");
}

fn ranked(matcher: &str, wanted: &[&str], offered: &[&str]) -> String {
    let options = ["platform", "rank", "--format", "json", "--matcher", matcher, "--wanted"];
    Dray::new().run([&options[..], wanted, &["--"], offered].concat()).success().stdout
}

#[test]
fn rankings_are_lists_of_indices() {
    let offered = ["linux/386", "linux/arm64", "linux/x86_64", "linux/amd64/v2"];
    assert_eq!(ranked("only", &["linux/amd64/v3"], &offered), "[3,2,0]\n");
    assert_eq!(ranked("only-strict", &["linux/amd64"], &offered), "[2]\n");
    assert_eq!(ranked("ordered", &["linux/aarch64", "linux/386"], &offered), "[1,0]\n");
    assert_eq!(ranked("any", &["linux/aarch64", "linux/386"], &offered), "[0,1]\n");
    assert_eq!(ranked("all", &["linux/amd64"], &offered), "[0,1,2,3]\n");
    assert_eq!(ranked("only", &["linux/s390x"], &offered), "[]\n");
    assert_eq!(ranked("only", &["linux/s390x"], &[]), "[]\n");
    let again =
        ["platform", "rank", "--format=json", "--wanted", "linux/386", "--wanted", "linux/arm64", "--"];
    let run = Dray::new().run([&again[..], &offered].concat()).success();
    assert_eq!(run.stdout, "[0,1]\n", "{run}");
}

#[test]
fn rankings_are_printed_as_text() {
    assert_snapshot!(run(&["platform", "rank", "--matcher=only", "--wanted", "linux/arm64", "--", "armhf", "linux/s390x", "linux/aarch64"]), @r"
    exit code: 0
    --- stdout
    linux/arm64
    linux/arm
    --- stderr
    ");
    assert_snapshot!(run(&["platform", "rank", "--wanted", "nope", "--", "linux/amd64"]), @r"
    exit code: 2
    --- stdout
    --- stderr
    error: cannot read the wanted platforms
      1: platform `nope` is neither a known operating system nor a known architecture
    ");
}
#[test]
fn explain_lists_the_servers_of_a_registry() {
    assert_snapshot!(run(&["registry", "explain", "--hosts-dir=", "localhost:5000"]), @r"
    exit code: 0
    --- stdout
    1. https://localhost:5000/v2
       may          pull, resolve, push, referrers
       encryption   TLS, any certificate accepted
                    none, if the server does not speak TLS
       from         no file
    --- stderr
    ");
    assert_snapshot!(run(&["registry", "explain", "--hosts-dir=", "team/app"]), @r"
    exit code: 2
    --- stdout
    --- stderr
    error: `team/app` cannot be the name of a registry
    hint: a registry looks like `docker.io` or `registry.example.com:5000`, without scheme and path
    ");
}

#[test]
fn explain_lists_the_servers_as_json() {
    let dray = Dray::new();
    let directory = dray.directory().join("certs.d/a.example_5000_");
    std::fs::create_dir_all(&directory).unwrap();
    let file = "[host.'http://mirror:80/x']\ncapabilities = ['pull']\nclient = 'me.pem'\ndial_timeout = '1.5s'\n\
                header.Authorization = 'sesame'\nheader.x-a = ['1', '2']";
    std::fs::write(directory.join("hosts.toml"), file).unwrap();
    let roots = dray.directory().join("missing").display().to_string();
    let certs_d = dray.directory().join("certs.d").display().to_string();
    let at = |name: &str| format!("{certs_d}/a.example_5000_/{name}");
    for separate in
        [vec!["--hosts-dir", &roots, &certs_d], vec!["--hosts-dir", &roots, "--hosts-dir", &certs_d]]
    {
        let mut arguments = vec!["registry", "explain", "--format", "json"];
        arguments.extend(separate);
        let explained = dray.run(arguments.iter().chain(&["--", "a.example:5000"])).success().json();
        let expected = serde_json::json!([
            {
                "scheme": "http", "host": "mirror:80", "path": "/x/v2", "capabilities": ["pull"],
                "skip_verify": false, "http_fallback": false, "ca": [], "client": [[at("me.pem"), ""]],
                "headers": {"Authorization": ["<redacted>"], "x-a": ["1", "2"]},
                "override_path": false, "dial_timeout": 1.5, "file": at("hosts.toml"),
            },
            {
                "scheme": "https", "host": "a.example:5000", "path": "/v2",
                "capabilities": ["pull", "resolve", "push", "referrers"],
                "skip_verify": false, "http_fallback": false, "ca": [], "client": [],
                "headers": {}, "override_path": false, "dial_timeout": null, "file": at("hosts.toml"),
            },
        ]);
        assert_eq!(explained, expected);
    }
    let both = format!("{roots},{certs_d}");
    // Without `--` the option would take the registry as its value. The error says so.
    let explain = ["registry", "explain", "--format=json", "--hosts-dir"];
    let json = dray.run(explain.iter().chain(&[both.as_str(), "a.example:443"])).success().json();
    assert_eq!(json[0]["host"], "a.example:443");
    dray.run(explain.iter().chain(&[certs_d.as_str()])).failure(2);
    std::fs::write(directory.join("hosts.toml"), "skip_verify = 'yes'").unwrap();
    let broken = dray.run(["registry", "explain", "--hosts-dir", &both, "--", "a.example:5000"]).failure(3);
    assert!(broken.stderr.contains("line 1, column 15: `skip_verify` must be `true` or `false`"), "{broken}");
}
