//! `dray registry ping`, with registries and other servers.

use dray_tests::command::{Dray, Run};
use dray_tests::scripted_registry::{Auth, Authority, BearerAuth, Rule, ScriptedRegistry};
use insta::assert_snapshot;
use serde_json::json;

/// The output for a server at `[REGISTRY]`.
fn ping(registry: &ScriptedRegistry, options: &[&str]) -> Run {
    let dray = Dray::new().replace(&registry.address(), "[REGISTRY]");
    let arguments = ["registry", "ping", "--hosts-dir="];
    dray.run(arguments.iter().chain(options).copied().chain([registry.address().as_str()]))
}

#[test]
fn a_registry_without_tls_is_recognised() {
    let registry = ScriptedRegistry::start();
    assert_snapshot!(ping(&registry, &[]).to_string(), @r"
    exit code: 0
    --- stdout
    http://[REGISTRY]/v2/: 200
    --- stderr
    ");
}

#[test]
fn a_registry_that_asks_for_credentials_is_recognised() {
    let registry = ScriptedRegistry::start();
    registry.require(BearerAuth::anonymous().realm("https://auth.invalid/token").basic_first());
    assert_snapshot!(ping(&registry, &[]).to_string(), @r"
    exit code: 0
    --- stdout
    http://[REGISTRY]/v2/: 401, wants Bearer https://auth.invalid/token or Basic
    --- stderr
    ");
    registry.require(Auth::basic("ann", "sesame"));
    let answer = ping(&registry, &["--format", "json"]).success().json();
    assert_eq!(
        answer,
        json!([{
            "host": registry.address(), "path": "/v2", "scheme": "http", "registry": true,
            "status": 401, "challenges": ["Basic"], "error": null,
        }])
    );
}

#[test]
fn a_registry_with_tls_is_recognised() {
    let registry = ScriptedRegistry::start_with(Authority::new().tls());
    assert_snapshot!(ping(&registry, &[]).to_string(), @r"
    exit code: 0
    --- stdout
    https://[REGISTRY]/v2/: 200
    --- stderr
    ");
}

#[test]
fn other_servers_are_not_registries() {
    let registry = ScriptedRegistry::start();
    registry.on(Rule::any("/v2/").status(404));
    assert_snapshot!(ping(&registry, &[]).to_string(), @r"
    exit code: 6
    --- stdout
    http://[REGISTRY]/v2/: 404, which is not the answer of a registry
    --- stderr
    error: no server answers as registry `[REGISTRY]`
    hint: check that this is the address of a registry
    ");
    registry.kill();
    assert_snapshot!(ping(&registry, &["--plain-http"]).to_string(), @r"
    exit code: 6
    --- stdout
    http://[REGISTRY]/v2/: cannot connect to registry `[REGISTRY]`: Connection refused (os error 111)
    --- stderr
    error: no server answers as registry `[REGISTRY]`
      1: cannot connect to registry `[REGISTRY]`
      2: Connection refused (os error 111)
    hint: check that it runs, and that `[REGISTRY]` is its address
    ");
}

#[test]
fn one_registry_among_several_servers_is_enough() {
    let (dead, alive) = (ScriptedRegistry::start(), ScriptedRegistry::start());
    dead.kill();
    let dray = Dray::new().replace(&dead.address(), "[DEAD]").replace(&alive.address(), "[ALIVE]");
    let directory = dray.directory().join("certs.d/registry.example");
    std::fs::create_dir_all(&directory).expect("a folder can be made");
    let toml = format!("server = 'http://{}/x'\n[host.'http://{}']", alive.address(), dead.address());
    std::fs::write(directory.join("hosts.toml"), toml).expect("a file can be written");
    alive.add_file("/x/v2/", "{}");
    let certs_d = dray.directory().join("certs.d").display().to_string();
    let run = dray.run(["registry", "ping", "--hosts-dir", &certs_d, "registry.example"]);
    assert_snapshot!(run.to_string(), @r"
    exit code: 0
    --- stdout
    http://[DEAD]/v2/: cannot connect to registry `[DEAD]`: Connection refused (os error 111)
    http://[ALIVE]/x/v2/: 200
    --- stderr
    ");
    assert_eq!(alive.requests().len(), 1);
}
