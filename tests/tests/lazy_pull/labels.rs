//! What each daemon is asked, label by label, recorded by a service in front of it.

use std::sync::OnceLock;

use dray_tests::daemon::Generation;
use dray_tests::image::Image;
use dray_tests::node::Node;
use dray_tests::puller::{self, Labels};
use dray_tests::require;
use dray_tests::scripted_registry::ScriptedRegistry;
use dray_tests::snapshot_service::{Ask, SnapshotService};
use dray_tests::snapshotter::Kind;
use dray_tests::tools::Missing;

use crate::Scene;
use crate::forms::Form;

/// A scene whose snapshotters are recorded; the services in the order of [`Kind::ALL`].
fn recorded() -> Result<(Scene, Vec<SnapshotService>), Missing> {
    let registry = ScriptedRegistry::start();
    let services = OnceLock::new();
    let node = Node::start_with(Generation::V17, &Kind::ALL, &[&registry.address()], |daemons| {
        let services = services.get_or_init(|| {
            daemons.iter().map(|daemon| SnapshotService::in_front_of(daemon.socket())).collect::<Vec<_>>()
        });
        let named = services.iter().zip(daemons);
        named.map(|(service, daemon)| service.plugin(&recorder(daemon.kind()))).collect()
    })?;
    Ok((Scene::of(node, registry), services.into_inner().expect("they were started")))
}

fn recorder(kind: Kind) -> String {
    format!("{}-recorded", kind.name())
}

/// What nerdctl 1.7 sets for a layer that the snapshotter may provide, but for labels without a value.
fn of_nerdctl(kind: Kind, image: &Image, reference: &str, layer: usize) -> Labels {
    let mut labels = puller::labels(image, reference, layer);
    let mut set =
        |key: &str, value: String| labels.insert(format!("containerd.io/snapshot/remote/{key}"), value);
    match kind {
        Kind::Stargz => {
            set("stargz.prefetch", "10485760".to_owned());
        }
        Kind::Soci => {
            let sizes: Vec<_> =
                image.layers[layer..].iter().map(|blob| blob.bytes.len().to_string()).collect();
            set("soci.size", sizes[0].clone());
            set("image.layers.size", sizes.join(","));
        }
        Kind::Overlaybd | Kind::Nydus => {}
    }
    labels
}

#[test]
fn each_daemon_is_asked_as_by_nerdctl() {
    let (scene, services) = require!(recorded());
    for (kind, form, is_asked_for) in [
        (Kind::Stargz, Form::Estargz, &[true; 2] as &[bool]),
        (Kind::Stargz, Form::ZstdChunked, &[true; 2]),
        (Kind::Stargz, Form::Plain, &[false; 2]),
        (Kind::Soci, Form::SociV1, &[true; 2]),
        (Kind::Soci, Form::SociV2, &[true; 2]),
        (Kind::Soci, Form::Plain, &[true; 2]),
        (Kind::Overlaybd, Form::Overlaybd, &[true; 2]),
        (Kind::Overlaybd, Form::Turbo, &[true; 2]),
        (Kind::Overlaybd, Form::Plain, &[false; 2]),
        (Kind::Nydus, Form::Nydus, &[true; 3]),
        (Kind::Nydus, Form::Plain, &[false; 2]),
    ] {
        let (name, reference) = pair(&scene, kind, form);
        let image = require!(form.add(&scene, &name)).image;
        let asked = pull(&scene, &services, kind, &name);
        let chain = image.chain_ids();
        assert_eq!(asked.iter().map(|ask| &ask.chain).collect::<Vec<_>>(), chain.iter().collect::<Vec<_>>());
        for (layer, (ask, is_asked_for)) in asked.iter().zip(is_asked_for).enumerate() {
            let labels: Labels = ask.labels.clone().into_iter().collect();
            let expected = if *is_asked_for {
                of_nerdctl(kind, &image, &reference, layer)
            } else {
                Labels::from([(puller::REF.to_owned(), chain[layer].clone())])
            };
            assert_eq!(labels, expected, "layer {layer} of {name}");
            let parent = layer.checked_sub(1).map(|below| chain[below].as_str()).unwrap_or_default();
            assert!(ask.parent.ends_with(parent), "{ask:?}");
        }
    }
}

/// A daemon that looks for a table of contents in every listed layer would ask the registry in vain.
#[test]
fn stargz_is_told_only_of_layers_that_it_can_serve() {
    let (scene, services) = require!(recorded());
    let (name, reference) = pair(&scene, Kind::Stargz, Form::Mixed);
    let image = require!(Form::Mixed.add(&scene, &name)).image;
    let asked = pull(&scene, &services, Kind::Stargz, &name);
    let layers = "containerd.io/snapshot/cri.image-layers";
    for (layer, list) in [(0, vec![0, 2]), (2, vec![2])] {
        let mut expected = of_nerdctl(Kind::Stargz, &image, &reference, layer);
        let list: Vec<_> = list.into_iter().map(|layer| image.layers[layer].digest.as_str()).collect();
        expected.insert(layers.to_owned(), list.join(","));
        assert_eq!(asked[layer].labels.clone().into_iter().collect::<Labels>(), expected);
    }
    for layer in [1, 3] {
        assert_eq!(asked[layer].labels.keys().collect::<Vec<_>>(), [puller::REF]);
    }
}

fn pair(scene: &Scene, kind: Kind, form: Form) -> (String, String) {
    let name = format!("{form:?}-{kind}").to_lowercase();
    let reference = scene.reference(&name);
    (name, reference)
}

/// Pulls an image, and returns the questions that its snapshotter got.
fn pull(scene: &Scene, services: &[SnapshotService], kind: Kind, name: &str) -> Vec<Ask> {
    let at = Kind::ALL.iter().position(|one| *one == kind).expect("all are there");
    let before = services[at].asked().len();
    scene.report(name, &["--snapshotter", &recorder(kind)]);
    services[at].asked().split_off(before)
}
