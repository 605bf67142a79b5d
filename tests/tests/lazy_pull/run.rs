//! Containers that run from images that dray has pulled lazily.

use dray_tests::daemon::Generation;
use dray_tests::image::samples::{entries, of, program};
use dray_tests::image::soci::{self, Indexed};
use dray_tests::image::{Content, Image, estargz, nydus};
use dray_tests::require;
use dray_tests::snapshotter::Kind;
use dray_tests::state::State;

use crate::{Scene, word};

#[test]
fn a_container_runs_from_each_lazy_form() {
    let scene = require!(Scene::start(Generation::V2, &[Kind::Stargz, Kind::Soci, Kind::Nydus]));
    let estargz = of([estargz::layer(&program()), estargz::layer(&entries("run", 0))]);
    let indexed = [Indexed::new(&program()), Indexed::new(&entries("run", 1))];
    let (_, soci) = soci::v2(&[&indexed[0], &indexed[1]], |index| {
        let image = Image::builder("linux/amd64").alter_manifest(soci::naming(index));
        indexed.iter().fold(image, |image, indexed| image.layer(indexed.layer.clone())).build()
    });
    let nydus = of(require!(nydus::layers(&[program(), entries("run", 2)])));
    let images: [(Kind, &dyn Content, &str); 3] =
        [(Kind::Stargz, &estargz, "LL"), (Kind::Soci, &soci, "LL"), (Kind::Nydus, &nydus, "LLf")];
    for (kind, content, letters) in images {
        let (daemon, name) = (&scene.node.containerd, kind.name());
        scene.add(name, content);
        let report = scene.report(name, &["--snapshotter", "auto"]);
        assert_eq!((report["snapshotter"].as_str(), word(&report).as_str()), (Some(name), letters));
        let program = content.blobs().into_iter().find(|blob| blob.bytes.len() > 500_000);
        let stored = State::of(daemon, name).content;
        assert!(
            !stored.contains_key(&program.expect("it is large").digest),
            "{kind}: the program was fetched"
        );

        let id = format!("dray-tests-pulled-{}-{name}", std::process::id());
        let reference = scene.reference(name);
        let run = ["run", "--rm", "--snapshotter", name, &reference, &id, "/sbin/ldconfig", "--version"];
        let printed = daemon.ctr_ok(name, &run);
        assert!(printed.starts_with("ldconfig "), "{kind}: {printed}");
    }
}
