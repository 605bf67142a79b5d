//! Snapshotters that are missing, that nothing listens for, or that do not answer. The registry is not asked.

use std::time::Duration;

use dray_tests::command::Dray;
use dray_tests::daemon::Generation;
use dray_tests::node::Node;
use dray_tests::require;
use dray_tests::scripted_registry::ScriptedRegistry;
use dray_tests::snapshot_service::Reply;
use dray_tests::snapshotter::Kind;
use dray_tests::state::State;

use crate::{CONTAINERD, NAMESPACE, Scene, filtered, lazy, timed};

#[test]
fn an_unknown_snapshotter_is_reported_with_those_that_are_there() {
    let mut scene = require!(Scene::start(|_| Reply::Provide));
    scene.snapshotter = "stargz-v1";
    let run = scene.pull(&lazy(1), &[]).failure(3);
    let _filters = filtered();
    insta::assert_snapshot!(run, @r"
    exit code: 3
    --- stdout
    --- stderr
    error: the store has no snapshotter `stargz-v1`
    hint: choose another with `--snapshotter`; containerd has `native`, `overlayfs`, `stargz`
    ");
    assert!(scene.registry.requests().is_empty(), "{:?}", scene.registry.requests());
    assert!(scene.state().is_empty());
}

#[test]
fn a_snapshotter_that_nothing_listens_for_is_named_with_its_address() {
    let mut scene = require!(Scene::start(|_| Reply::Provide));
    scene.service.kill();
    let (run, took) = timed(|| scene.pull(&lazy(1), &[]).failure(CONTAINERD));
    let _filters = filtered();
    insta::assert_snapshot!(run, @r#"
    exit code: 9
    --- stdout
    --- stderr
    error: snapshotter `stargz` is registered, but cannot be reached at [SNAPSHOTTER]
      1: cannot ask snapshotter `stargz` whether it is there
      2: containerd answered: connection error: desc = "transport: Error while dialing: dial unix://[SNAPSHOTTER]: timeout": unavailable
    hint: start its daemon, or choose another snapshotter with `--snapshotter`
    "#);
    assert!(took < Duration::from_secs(5), "a restart takes up to 3 s: {took:?}");
    assert!(scene.registry.requests().is_empty(), "{:?}", scene.registry.requests());
    assert!(scene.state().is_empty());
}

/// An image that is there does not change who is to blame: not the registry.
#[test]
fn the_snapshotter_is_to_blame_even_if_the_image_is_there() {
    let mut scene = require!(Scene::start(|_| Reply::Provide));
    scene.pull(&lazy(2), &[]).success();
    scene.service.kill();
    let requests = scene.registry.requests().len();
    let run = scene.pull(&lazy(2), &["--mode", "missing"]).failure(CONTAINERD);
    let _filters = filtered();
    insta::assert_snapshot!(run, @r#"
    exit code: 9
    --- stdout
    --- stderr
    error: snapshotter `stargz` is registered, but cannot be reached at [SNAPSHOTTER]
      1: cannot ask snapshotter `stargz` whether it is there
      2: containerd answered: connection error: desc = "transport: Error while dialing: dial unix://[SNAPSHOTTER]: timeout": unavailable
    hint: start its daemon, or choose another snapshotter with `--snapshotter`
    "#);
    assert_eq!(scene.registry.requests().len(), requests);
}

#[test]
fn a_snapshotter_that_comes_back_in_time_is_used() {
    let mut scene = require!(Scene::start(|_| Reply::Provide));
    scene.service.kill();
    let reference = scene.add(&lazy(1));
    let pulling = scene.dray.spawn(scene.arguments(&reference, &[]));
    std::thread::sleep(Duration::from_millis(700));
    scene.service.restart();
    pulling.wait().success();
}

#[test]
fn a_frozen_snapshotter_is_named_after_ten_seconds() {
    let node = require!(Node::start(Generation::V17, &[Kind::Overlaybd], &[]));
    let registry = ScriptedRegistry::start();
    registry.add(&lazy(1), "app", "1");
    let daemon = node.snapshotter(Kind::Overlaybd);
    daemon.freeze();
    let dray = Dray::with(&node.containerd, NAMESPACE)
        .replace(&daemon.socket().display().to_string(), "[SNAPSHOTTER]");
    let run = dray.run(["pull", "--snapshotter", "overlaybd", &registry.image("app:1")]).failure(CONTAINERD);
    daemon.thaw();
    let _filters = filtered();
    insta::assert_snapshot!(run, @r"
    exit code: 9
    --- stdout
    --- stderr
    error: snapshotter `overlaybd` at [SNAPSHOTTER] has not answered within 10 s
    hint: the log of the snapshotter's daemon may say why it hangs
    ");
    assert!(registry.requests().is_empty(), "{:?}", registry.requests());
    let state = State::settled(&node.containerd, NAMESPACE);
    assert!(state.images.is_empty() && state.leases.is_empty() && state.content.is_empty(), "{state}");
}
