//! `--verify-snapshot` reads the root of an image as a container would.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use dray_tests::require;
use dray_tests::snapshot_service::{Ask, Reply};

use crate::{CONTAINERD, Scene, filtered, lazy};

#[test]
fn a_root_that_can_be_read_is_a_good_end() {
    let scene = require!(Scene::start(|_| Reply::Provide));
    scene.pull(&lazy(3), &["--verify-snapshot"]).success();
    let views = scene.service.calls().into_iter().filter(|call| call.method == "View").count();
    assert_eq!(views, 1);
    let state = scene.state();
    assert!(state.is_at_rest() && state.images.len() == 1, "{state}");
}

/// The snapshotter loses the files of the first layer when it is asked for the second one.
#[test]
fn a_root_that_cannot_be_read_fails_with_the_reason_and_leaves_no_image() {
    let root = Arc::new(OnceLock::<PathBuf>::new());
    let lost = Arc::clone(&root);
    let script = move |ask: &Ask| {
        if ask.number == 2 {
            for snapshot in std::fs::read_dir(lost.get().expect("it is set")).expect("there are snapshots") {
                let files = snapshot.expect("a directory can be listed").path().join("fs");
                std::fs::remove_dir_all(files).expect("they are there");
            }
        }
        Reply::Provide
    };
    let scene = require!(Scene::start(script));
    root.set(scene.service.socket().with_file_name("root")).expect("it is not set yet");
    let run = scene.pull(&lazy(2), &["--verify-snapshot"]).failure(CONTAINERD);
    let _filters = filtered();
    insta::assert_snapshot!(run, @r"
    exit code: 9
    --- stdout
    --- stderr
    [REGISTRY]/app:1: [DIGEST]
    linux/amd64: 2 layers, 7.2 KiB
    layer 1/2 d66fa52f8082: provided by the snapshotter (3.6 KiB)
    layer 2/2 4a8c64a42da1: provided by the snapshotter (3.6 KiB)
    error: the image is in snapshotter `stargz`, but its files cannot be read
      1: cannot read snapshot `[DIGEST]` in `stargz`
      2: directory [SCRATCH]/root/2/fs cannot be read
      3: No such file or directory (os error 2)
    hint: containerd-stargz-grpc connects to `[REGISTRY]` by itself: its log says what failed; it needs the same proxy and the same way through firewalls as this host
    hint: the log of the snapshotter's daemon may say why
    ");
    scene.assert_cleaned_up(&run);
}
