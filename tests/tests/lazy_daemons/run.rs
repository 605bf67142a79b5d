//! Containers that run from lazily pulled images.

use dray_tests::daemon::Generation;
use dray_tests::image::samples::{entries, of, program};
use dray_tests::image::soci::{self, Indexed};
use dray_tests::image::{Content, Image, estargz, nydus};
use dray_tests::require;
use dray_tests::snapshotter::Kind;
use dray_tests::state::State;

use crate::Scene;

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
    let images: [(Kind, &dyn Content); 3] =
        [(Kind::Stargz, &estargz), (Kind::Soci, &soci), (Kind::Nydus, &nydus)];
    for (kind, content) in images {
        let (daemon, name) = (&scene.node.containerd, kind.name());
        scene.registry.add(content, name, "1");
        let reference = scene.registry.image(&format!("{name}:1"));
        daemon.ctr_ok(name, &["images", "pull", "--plain-http", "--snapshotter", name, &reference]);
        let layers: Vec<_> = content.blobs().into_iter().filter(|blob| blob.bytes.len() > 500_000).collect();
        assert_eq!(layers.len(), 1, "the program");
        let stored = State::of(daemon, name).content;
        assert!(!stored.contains_key(&layers[0].digest), "{kind}: the client fetched the program");

        let id = format!("dray-tests-{}-{name}", std::process::id());
        let command = ["/sbin/ldconfig", "--version"];
        let run = ["run", "--rm", "--snapshotter", name, &reference, &id];
        let printed = daemon.ctr_ok(name, &[run.as_slice(), &command].concat());
        assert!(printed.starts_with("ldconfig "), "{kind}: {printed}");
    }
}
