//! Daemons that are killed, restarted or frozen.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use dray_tests::daemon::Generation;
use dray_tests::image::overlaybd;
use dray_tests::image::samples::{content, estargz, of};
use dray_tests::puller::{self, Answer};
use dray_tests::require;
use dray_tests::snapshotter::Kind;

use crate::Scene;

#[test]
fn a_killed_daemon_is_unavailable_and_keeps_its_snapshots() {
    let mut scene = require!(Scene::start(Generation::V17, &[Kind::Stargz]));
    let image = of([estargz("k", 0), estargz("k", 1)]);
    assert_eq!(scene.answers(Kind::Stargz, "before", &image), "PP");
    scene.node.snapshotter_mut(Kind::Stargz).kill9();
    let other = of([estargz("k", 2)]);
    let answers = scene.pull(Kind::Stargz, "while", &other, &other);
    let [Answer::Error(status)] = answers.as_slice() else { panic!("{answers:?}") };
    assert_eq!(format!("{:?}", status.code()), "Unavailable");

    scene.node.snapshotter_mut(Kind::Stargz).restart();
    // containerd's connection backs off before it reconnects.
    let start = Instant::now();
    let word = loop {
        let word = scene.answers(Kind::Stargz, "after", &other);
        if word != "E" || start.elapsed().as_secs() > 10 {
            break word;
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    assert_eq!(word, "P");
    scene.assert_file(Kind::Stargz, "before", &image, "data/k0", &content("k", 0));
}

#[test]
fn a_frozen_daemon_answers_when_it_is_thawed() {
    let scene = require!(Scene::start(Generation::V17, &[Kind::Overlaybd]));
    let image = of([overlaybd::native(1)]);
    let reference = scene.registry.image("frozen:1");
    let node = &scene.node;
    node.snapshotter(Kind::Overlaybd).freeze();
    let (sender, answered) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let answers = puller::pull(&node.containerd, "frozen", "overlaybd", &image, &reference);
            sender.send(puller::word(&answers)).expect("the test waits");
        });
        assert!(answered.recv_timeout(Duration::from_millis(300)).is_err(), "it has answered");
        node.snapshotter(Kind::Overlaybd).thaw();
        assert_eq!(answered.recv().expect("it answers"), "P");
    });
}
