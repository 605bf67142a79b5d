//! Layers that the snapshotter should have provided: its daemon cannot do what this pull could.

use std::time::Duration;

use dray_tests::command::Dray;
use dray_tests::daemon::Generation;
use dray_tests::node::Node;
use dray_tests::require;
use dray_tests::scripted_registry::{Auth, Authority, ScriptedRegistry};
use dray_tests::snapshot_service::{Ask, Reply};
use dray_tests::snapshotter::Kind;

use crate::{Scene, filtered, lazy, plain, timed};

#[test]
fn after_a_layer_that_was_not_provided_no_labels_are_sent() {
    let scene = require!(Scene::start(|_| Reply::Mounts));
    let run = scene.pull(&lazy(4), &[]).success();
    let _filters = filtered();
    insta::assert_snapshot!(run.stderr, @r"
    127.0.0.1:[PORT]/app:1: [DIGEST]
    linux/amd64: 4 layers, 14.5 KiB
    warning: snapshotter `stargz` did not provide layer [DIGEST], fetching it and those above it
    layer 1/4 d66fa52f8082: done (3.6 KiB)
    layer 2/4 4a8c64a42da1: done (3.6 KiB)
    layer 3/4 a488521fa2fa: done (3.6 KiB)
    layer 4/4 3b8aebf8422e: done (3.6 KiB)
    hint: containerd-stargz-grpc connects to `127.0.0.1:[PORT]` by itself: its log says what failed; it needs the same proxy and the same way through firewalls as this host
    ");
    assert_eq!(scene.questions(), (4, 1));
    assert!(scene.state().is_at_rest());
}

/// The daemon waits for a registry that does not answer, for half a minute in reality.
#[test]
fn a_daemon_in_front_of_a_black_hole_costs_one_wait() {
    const WAIT: Duration = Duration::from_secs(1);
    let script = |ask: &Ask| {
        if ask.labels.len() > 1 {
            std::thread::sleep(WAIT);
        }
        Reply::Mounts
    };
    let scene = require!(Scene::start(script));
    let run = scene.pull(&lazy(12), &["--format", "json"]).success();
    let report = run.json();
    let layers = report["layers"].as_array().expect("a report has layers");
    let waits = layers.iter().filter(|layer| layer["asking"].as_f64() >= Some(WAIT.as_secs_f64() * 1e3));
    assert_eq!(waits.count(), 1, "{run}");
    let broken: Vec<_> = layers.iter().map(|layer| layer["broken_expectation"] == true).collect();
    assert_eq!(broken.iter().filter(|broken| **broken).count(), 1, "{run}");
}

/// The files of the user.
fn write(dray: &Dray, path: &str, text: &str) {
    let file = dray.directory().join(path);
    std::fs::create_dir_all(file.parent().expect("a file has a directory")).expect("a directory can be made");
    std::fs::write(file, text).expect("a file can be written");
}

/// Pulls with a snapshotter that provides nothing, and returns the hints.
fn hints(scene: &Scene, registry: &ScriptedRegistry, reference: &str, more: &[&str]) -> String {
    registry.add(&lazy(2), "app", "1");
    let run = scene.dray.run(scene.arguments(reference, more)).success();
    let shown = run.stderr.replace(&registry.address(), "[REGISTRY]");
    let lines: Vec<&str> = shown.lines().filter(|line| line.starts_with("hint: ")).collect();
    lines.join("\n")
}

#[test]
fn where_a_mirror_was_used_the_hint_says_how_the_daemon_learns_of_it() {
    let scene = require!(Scene::start(|_| Reply::Mounts));
    let toml = format!("server = 'http://{}'", scene.registry.address());
    write(&scene.dray, "certs.d/registry.example/hosts.toml", &toml);
    let directory = scene.dray.directory().join("certs.d").display().to_string();
    let reference = "registry.example/app:1";
    let hints = hints(&scene, &scene.registry, reference, &["--hosts-dir", &directory]);
    insta::assert_snapshot!(hints, @r#"hint: containerd-stargz-grpc does not read `hosts.toml`: name the mirror of `registry.example` as `host` in `[[resolver.host."registry.example".mirrors]]` in the `config.toml` of containerd-stargz-grpc"#);
}

#[test]
fn where_a_private_authority_was_used_the_hint_says_where_the_daemon_looks_for_it() {
    let scene = require!(Scene::start(|_| Reply::Mounts));
    let authority = Authority::new();
    let registry = ScriptedRegistry::start_with(authority.tls());
    let ca = std::fs::read_to_string(&authority.files().ca).expect("the authority has a file");
    write(&scene.dray, &format!("certs.d/{}/ca.crt", registry.address()), &ca);
    let directory = scene.dray.directory().join("certs.d").display().to_string();
    let hints = hints(&scene, &registry, &registry.image("app:1"), &["--hosts-dir", &directory]);
    insta::assert_snapshot!(hints, @r"hint: containerd-stargz-grpc trusts the certificate authorities of the system only: install that of `[REGISTRY]` there, for example by `update-ca-certificates`, and restart it");
}

#[test]
fn where_credentials_were_used_the_hint_says_where_the_daemon_looks_for_its_own() {
    let scene = require!(Scene::start(|_| Reply::Mounts));
    // ann:pass
    scene.registry.require(Auth::Basic { authorization: "Basic YW5uOnBhc3M=".to_owned() });
    let entry = format!(r#"{{"auths":{{"{}":{{"auth":"YW5uOnBhc3M="}}}}}}"#, scene.registry.address());
    write(&scene.dray, "home/.docker/config.json", &entry);
    let hints = hints(&scene, &scene.registry, &scene.registry.image("app:1"), &[]);
    insta::assert_snapshot!(hints, @r"hint: containerd-stargz-grpc has credentials of its own: log in to `[REGISTRY]` as the user that it runs as, so that they are in `config.json` of that user's `.docker`, or set `[cri_keychain]` in its `config.toml`");
}

/// With labels the daemon would look into each layer and into those below it: 3 * (60 + 59 + …) requests.
#[test]
fn plain_layers_cost_a_stargz_host_no_request_of_the_daemon() {
    let image = plain(60);
    let registry = ScriptedRegistry::start();
    registry.add(&image, "app", "1");
    let node = require!(Node::start(Generation::V17, &[Kind::Stargz], &[&registry.address()]));
    let pull = |snapshotter: &str, namespace: &str| {
        let dray = Dray::with(&node.containerd, namespace);
        let reference = registry.image("app:1");
        timed(|| dray.run(["pull", "--snapshotter", snapshotter, &reference]).success())
    };
    let before = registry.requests().len();
    let (run, lazily) = pull("stargz", "lazily");
    assert!(run.stdout.contains("60 layers: 60 fetched"), "{run}");
    let requests = registry.requests().split_off(before);
    let of_daemon: Vec<_> = requests
        .iter()
        .filter(|request| !request.header("user-agent").is_some_and(|agent| agent.starts_with("dray/")))
        .collect();
    assert!(of_daemon.is_empty(), "{of_daemon:#?}");
    // Index, manifest and config, and one for each layer.
    assert!(requests.len() <= 60 + 6, "{}", requests.len());
    // Into fresh namespaces of a content store that has the blobs, so that both have the same to do.
    let (_, lazily_again) = pull("stargz", "lazily-again");
    let (_, plainly) = pull("overlayfs", "plainly");
    // The machine may be busy, so the ratio is no condition.
    println!("60 plain layers: {lazily:?} into stargz with the download");
    println!("60 plain layers: {lazily_again:?} into stargz, {plainly:?} into overlayfs");
}
