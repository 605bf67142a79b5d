//! The scripted snapshotter: its answers, with each containerd.

use containerd_client::tonic::Code;
use dray_tests::daemon::{Containerd, Generation, Settings};
use dray_tests::image::samples::{content, of, plain};
use dray_tests::image::{Image, sha256};
use dray_tests::puller::{self, Answer};
use dray_tests::snapshot_service::{Ask, Reply, SnapshotService};
use dray_tests::tools::Missing;
use dray_tests::tree::Tree;
use dray_tests::{on_each_generation, require};

const SNAPSHOTTER: &str = "scripted";

struct Scene {
    containerd: Containerd,
    service: SnapshotService,
}

impl Scene {
    fn start(
        generation: Generation,
        script: impl FnMut(&Ask) -> Reply + Send + 'static,
    ) -> Result<Self, Missing> {
        let service = SnapshotService::start(script);
        let proxy_plugins = vec![service.plugin(SNAPSHOTTER)];
        let containerd = Containerd::start_with(&Settings { proxy_plugins, ..Settings::new(generation) })?;
        Ok(Self { containerd, service })
    }

    /// Pulls an image of plain layers into the namespace `name`. Each name is another image.
    fn pull(&self, name: &str, layers: usize) -> (Image, Vec<Answer>) {
        let image = of((0..layers).map(|number| plain(name, number)));
        for layer in &image.layers {
            self.service.add_layer(&layer.digest, layer.bytes.to_vec());
        }
        let answers = puller::pull(&self.containerd, name, SNAPSHOTTER, &image, "registry.example.com/a:1");
        (image, answers)
    }

    /// Checks the file of every layer.
    fn assert_whole(&self, name: &str, image: &Image) {
        let top = image.chain_ids().pop().expect("an image has layers");
        let tree = Tree::of_snapshot(&self.containerd, name, SNAPSHOTTER, &top);
        for number in 0..image.layers.len() {
            let file = tree.get(&format!("data/{name}{number}")).expect("the file is there");
            assert_eq!(file["digest"], sha256(content(name, number).as_bytes()));
        }
    }
}

fn code(answer: &Answer) -> Option<Code> {
    if let Answer::Error(status) = answer { Some(status.code()) } else { None }
}

on_each_generation!(it_provides_by_number, it_fails_as_it_is_told, it_dies_and_is_restarted);

fn it_provides_by_number(generation: Generation) {
    let script = |ask: &Ask| match ask.number {
        1 | 5 => Reply::Mounts,
        3 => Reply::Staged,
        _ => Reply::Provide,
    };
    let scene = require!(Scene::start(generation, script));
    let (image, answers) = scene.pull("mixed", 5);
    assert_eq!(puller::word(&answers), "mPsPm");
    scene.assert_whole("mixed", &image);
    assert_eq!(scene.service.asked().len(), 5);
    let commits = scene.service.calls().iter().filter(|call| call.method == "Commit").count();
    assert_eq!(commits, 3, "of the layers that it did not provide");
}

fn it_fails_as_it_is_told(generation: Generation) {
    let script = |ask: &Ask| match (ask.number, ask.key.split('/').next()) {
        (2, Some("claims")) => Reply::Claim,
        (_, Some("fails")) => Reply::Error(Code::FailedPrecondition, "no"),
        _ if ask.parent.is_empty() && ask.number > 3 => Reply::Error(Code::InvalidArgument, "no parent"),
        _ => Reply::Provide,
    };
    let scene = require!(Scene::start(generation, script));
    let (_, answers) = scene.pull("claims", 3);
    assert_eq!(puller::word(&answers), "PE");
    // The client looks for the layer and does not find it.
    assert_eq!(code(&answers[1]), Some(Code::NotFound));
    let (_, answers) = scene.pull("fails", 2);
    assert_eq!(answers.iter().map(code).collect::<Vec<_>>(), [Some(Code::FailedPrecondition)]);
    let (_, answers) = scene.pull("bottom", 2);
    assert_eq!(answers.iter().map(code).collect::<Vec<_>>(), [Some(Code::InvalidArgument)]);
}

fn it_dies_and_is_restarted(generation: Generation) {
    let mut deaths = 0;
    let script = move |ask: &Ask| {
        deaths += usize::from(ask.number == 2);
        if ask.number == 2 && deaths == 1 { Reply::Die } else { Reply::Provide }
    };
    let mut scene = require!(Scene::start(generation, script));
    let (_, answers) = scene.pull("dies", 2);
    assert_eq!(puller::word(&answers), "PE");
    assert_eq!(code(&answers[1]), Some(Code::Unavailable));

    scene.service.restart();
    let start = std::time::Instant::now();
    // containerd's connection backs off before it reconnects.
    while code(&scene.pull("later", 1).1[0]) == Some(Code::Unavailable) && start.elapsed().as_secs() < 10 {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let (image, answers) = scene.pull("again", 2);
    assert_eq!(puller::word(&answers), "PP");
    scene.assert_whole("again", &image);
}

#[test]
fn it_hangs_until_it_is_released() {
    let script = |ask: &Ask| if ask.number == 2 { Reply::Hang } else { Reply::Provide };
    let scene = require!(Scene::start(Generation::V17, script));
    std::thread::scope(|scope| {
        let pulling = scope.spawn(|| scene.pull("hangs", 3));
        while scene.service.asked().len() < 2 {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let hanging = scene.service.calls().into_iter().filter(|call| call.ended.is_none());
        assert_eq!(hanging.map(|call| call.method).collect::<Vec<_>>(), ["Prepare"]);
        scene.service.release();
        let (_, answers) = pulling.join().expect("it ends");
        assert_eq!(puller::word(&answers), "PmP");
    });
}
