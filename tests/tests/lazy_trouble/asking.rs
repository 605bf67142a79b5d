//! Snapshotters that die, hang, fail or lie when they are asked for a layer.

use std::time::{Duration, Instant};

use containerd_client::tonic::Code;
use dray_tests::guests::{Guest, LayerPlan, Plan, Question};
use dray_tests::image::Image;
use dray_tests::moment::wait_until;
use dray_tests::require;
use dray_tests::snapshot_service::{Ask, Reply};

use crate::{CONTAINERD, Scene, filtered, lazy, plain, timed};

/// Provides all layers, but dies at the first question for the second one.
fn dies_once() -> impl FnMut(&Ask) -> Reply + Send + 'static {
    let mut deaths = 0;
    move |ask| {
        deaths += usize::from(ask.number == 2);
        if ask.number == 2 && deaths == 1 { Reply::Die } else { Reply::Provide }
    }
}

#[test]
fn a_snapshotter_that_is_restarted_while_it_is_asked_is_asked_again() {
    let mut scene = require!(Scene::start(dies_once()));
    let reference = scene.add(&lazy(3));
    let pulling = scene.dray.spawn(scene.arguments(&reference, &["--format", "json"]));
    wait_until("the snapshotter dies", || !scene.service.socket().exists());
    std::thread::sleep(Duration::from_millis(700));
    scene.service.restart();
    let run = pulling.wait().success();
    let report = run.json();
    let layers = report["layers"].as_array().expect("a report has layers");
    assert!(layers.iter().all(|layer| layer["outcome"] == "provided"), "{run}");
    assert!(scene.state().is_at_rest());
}

#[test]
fn a_snapshotter_that_stays_away_ends_the_pull_with_the_layer() {
    let scene = require!(Scene::start(dies_once()));
    let (run, took) = timed(|| scene.pull(&lazy(3), &[]).failure(CONTAINERD));
    assert!(took < Duration::from_secs(6), "it is waited for 3 s in all: {took:?}");
    let _filters = filtered();
    insta::assert_snapshot!(run, @r#"
    exit code: 9
    --- stdout
    --- stderr
    [REGISTRY]/app:1: [DIGEST]
    linux/amd64: 3 layers, 10.9 KiB
    layer 1/3 d66fa52f8082: provided by the snapshotter (3.6 KiB)
    error: snapshotter `stargz` went away when it was asked for layer [DIGEST]; it is layer 2 of 3
      1: cannot prepare snapshot `[KEY] [DIGEST]` in `stargz`
      2: containerd answered: connection error: desc = "transport: Error while dialing: dial unix://[SNAPSHOTTER]: timeout": unavailable
    hint: start its daemon and pull again: the layers that are complete are kept for a while
    hint: the log of the snapshotter's daemon may say why
    "#);
}

#[test]
fn the_user_is_told_of_a_snapshotter_that_hangs_and_can_interrupt_it() {
    let scene = require!(Scene::start(|ask| if ask.number == 3 { Reply::Hang } else { Reply::Provide }));
    let reference = scene.add(&lazy(12));
    let pulling = scene.dray.spawn(scene.arguments(&reference, &[]));
    wait_until("the third question", || scene.service.asked().len() == 3);
    std::thread::sleep(Duration::from_millis(5_500));
    pulling.interrupt();
    let (run, took) = timed(|| pulling.wait().failure(130));
    let _filters = filtered();
    insta::assert_snapshot!(run, @r"
    exit code: 130
    --- stdout
    --- stderr
    [REGISTRY]/app:1: [DIGEST]
    linux/amd64: 12 layers, 43.4 KiB
    layer 1/12 d66fa52f8082: provided by the snapshotter (3.6 KiB)
    layer 2/12 4a8c64a42da1: provided by the snapshotter (3.6 KiB)
    waiting for snapshotter `stargz`, layer 3 of 12, 5 s
    cancelling, press ctrl-c again to stop at once
    error: the pull was cancelled
    ");
    assert!(took < Duration::from_secs(15), "{took:?}");
    scene.assert_cleaned_up(&run);
}

/// A plan with one second for each layer, which it has the snapshotter provide.
fn hasty(image: &Image) -> Guest {
    let layer = |layer: &dray_tests::image::Blob| LayerPlan {
        layer: layer.digest.clone(),
        question: Question::Labels(vec![("containerd.io/snapshot/x".to_owned(), "y".to_owned())]),
        expectation: 0,
        ..LayerPlan::default()
    };
    let layers = image.layers.iter().map(layer).collect();
    Guest::snapshotter().plan(&Plan { suitability: 0, answer_within_s: 1, layers, ..Plan::default() })
}

#[test]
fn a_snapshotter_that_exceeds_the_limit_of_the_plan_ends_the_pull_with_the_layer() {
    let scene = require!(Scene::start(|ask| if ask.number == 2 { Reply::Hang } else { Reply::Provide }));
    let image = lazy(3);
    let guest = hasty(&image).write(scene.dray.directory(), "guest.wasm");
    let plugin = format!("snapshotter={}", guest.display());
    let run = scene.pull(&image, &["--plugin", &plugin]).failure(CONTAINERD);
    let _filters = filtered();
    insta::assert_snapshot!(run, @r"
    exit code: 9
    --- stdout
    --- stderr
    [REGISTRY]/app:1: [DIGEST]
    linux/amd64: 3 layers, 10.9 KiB
    layer 1/3 d66fa52f8082: provided by the snapshotter (3.6 KiB)
    error: snapshotter `stargz` has not answered for layer [DIGEST] within 1 s; it is layer 2 of 3
    hint: the log of the snapshotter's daemon may say why it hangs
    ");
    scene.assert_cleaned_up(&run);
}

#[test]
fn a_layer_that_the_snapshotter_claims_and_does_not_have_is_fetched() {
    let script = |ask: &Ask| match (ask.number, ask.labels.len()) {
        (_, ..2) => Reply::Mounts,
        (2, _) => Reply::Claim,
        _ => Reply::Provide,
    };
    let scene = require!(Scene::start(script));
    let run = scene.pull(&lazy(3), &[]).success();
    let _filters = filtered();
    insta::assert_snapshot!(run.stderr, @r#"
    127.0.0.1:[PORT]/app:1: [DIGEST]
    linux/amd64: 3 layers, 10.9 KiB
    layer 1/3 d66fa52f8082: provided by the snapshotter (3.6 KiB)
    warning: snapshotter `stargz` failed on layer [DIGEST], fetching it and those above it: cannot prepare snapshot `[KEY] [DIGEST]` in `stargz`: containerd answered: target snapshot "[DIGEST]" in backend: not found
    layer 2/3 4a8c64a42da1: done (3.6 KiB)
    layer 3/3 a488521fa2fa: done (3.6 KiB)
    hint: containerd-stargz-grpc connects to `127.0.0.1:[PORT]` by itself: its log says what failed; it needs the same proxy and the same way through firewalls as this host
    "#);
    assert!(scene.state().is_at_rest());
}

#[test]
fn a_layer_that_the_snapshotter_fails_on_is_fetched_with_a_warning_where_the_plan_says_so() {
    let script = |ask: &Ask| match (ask.number, ask.labels.len()) {
        // With labels. Then it is asked for without.
        (2, 2..) => Reply::Error(Code::FailedPrecondition, "the table of contents is broken"),
        _ if ask.labels.len() > 1 => Reply::Provide,
        _ => Reply::Mounts,
    };
    let scene = require!(Scene::start(script));
    let run = scene.pull(&lazy(3), &[]).success();
    let _filters = filtered();
    insta::assert_snapshot!(run.stderr, @r"
    127.0.0.1:[PORT]/app:1: [DIGEST]
    linux/amd64: 3 layers, 10.9 KiB
    layer 1/3 d66fa52f8082: provided by the snapshotter (3.6 KiB)
    warning: snapshotter `stargz` failed on layer [DIGEST], fetching it and those above it: cannot prepare snapshot `[KEY] [DIGEST]` in `stargz`: containerd answered: the table of contents is broken: failed precondition
    layer 2/3 4a8c64a42da1: done (3.6 KiB)
    layer 3/3 a488521fa2fa: done (3.6 KiB)
    hint: containerd-stargz-grpc connects to `127.0.0.1:[PORT]` by itself: its log says what failed; it needs the same proxy and the same way through firewalls as this host
    ");
    assert!(scene.state().is_at_rest());
}

#[test]
fn a_snapshotter_that_fails_on_a_layer_ends_the_pull_where_the_plan_says_so() {
    let script = |ask: &Ask| match ask.number {
        2 => Reply::Error(Code::FailedPrecondition, "no space left on device"),
        _ => Reply::Mounts,
    };
    let scene = require!(Scene::start_as("other", script));
    let run = scene.pull(&plain(3), &[]).failure(CONTAINERD);
    let _filters = filtered();
    insta::assert_snapshot!(run, @r"
    exit code: 9
    --- stdout
    --- stderr
    [REGISTRY]/app:1: [DIGEST]
    linux/amd64: 3 layers, 387 B
    layer 1/3 090bc1132741: done (128 B)
    error: the store failed while asking for layer [DIGEST] in snapshotter `other`
      1: cannot prepare snapshot `[KEY] [DIGEST]` in `other`
      2: containerd answered: no space left on device: failed precondition
    hint: the file system has no free bytes or inodes; free some in the root directory of containerd
    ");
    scene.assert_cleaned_up(&run);
}

#[test]
fn read_only_mounts_count_as_provided_and_only_the_bottom_layer_has_no_parent() {
    let scene = require!(Scene::start(|ask| if ask.number == 2 { Reply::Staged } else { Reply::Provide }));
    let run = scene.pull(&lazy(4), &["--format", "json"]).success();
    let report = run.json();
    let layers = report["layers"].as_array().expect("a report has layers");
    assert!(layers.iter().all(|layer| layer["outcome"] == "provided"), "{run}");
    assert!(layers.iter().all(|layer| layer["downloaded"] == 0), "{run}");
    let orphans = scene.service.asked().into_iter().filter(|ask| ask.parent.is_empty());
    assert_eq!(orphans.map(|ask| ask.number).collect::<Vec<_>>(), [1]);
    assert!(scene.state().is_at_rest());
}

#[test]
fn a_containerd_that_is_killed_while_a_layer_is_asked_for_is_to_blame_itself() {
    let mut scene = require!(Scene::start(|ask| if ask.number == 2 { Reply::Hang } else { Reply::Provide }));
    let reference = scene.add(&lazy(3));
    let pulling = scene.dray.spawn(scene.arguments(&reference, &[]));
    wait_until("the second question", || scene.service.asked().len() == 2);
    let killed = Instant::now();
    scene.containerd.kill9();
    let run = pulling.wait().failure(CONTAINERD);
    assert!(killed.elapsed() < Duration::from_secs(15), "{:?}", killed.elapsed());
    let _filters = filtered();
    // How the connection breaks differs from run to run.
    let is_said = |line: &&str| line.starts_with("error: ") || line.starts_with("hint: ");
    let said: Vec<&str> = run.stderr.lines().filter(is_said).collect();
    insta::assert_snapshot!(said.join("\n"), @r"
    error: the store failed while asking for layer [DIGEST] in snapshotter `stargz`
    hint: containerd ended during the call; its log may say why
    ");
}
