//! The embedded plugins for snapshotters, as the components that they are.

use dray::limits::LAYERS;
use dray::oci::{Algorithm, ChainId, Descriptor, DiffId, Digest, MediaType, Platform};
use dray::plugin::{PluginHost, PluginSource};
use dray::ports::{ImageToPlan, LayerToPlan, SnapshotterName, Suitability};
use dray::pull::validate_plan;
use dray::verify::digest_of;

fn digest(text: &str) -> Digest {
    digest_of(Algorithm::Sha256, text.as_bytes())
}

/// An image of as many layers as the host accepts, each with these annotations.
fn image(annotations: &[(&str, &str)], top: Option<(&str, &str)>) -> ImageToPlan {
    let descriptor = |name: &str, media_type| Descriptor::new(MediaType::new(media_type), digest(name), 1);
    let key = |name: &str| format!("containerd.io/snapshot/{name}");
    let layer = |number: usize| {
        let name = format!("layer {number}");
        let mut descriptor = descriptor(&name, "application/vnd.oci.image.layer.v1.tar+gzip");
        let own = top.filter(|_| number + 1 == LAYERS);
        for (name, value) in annotations.iter().copied().chain(own) {
            descriptor.annotations.insert(key(name), value.to_owned());
        }
        let diff_id = DiffId::from_uncompressed(digest(&format!("files of {name}")));
        LayerToPlan { descriptor, chain_id: ChainId::bottom(&diff_id), diff_id }
    };
    ImageToPlan {
        reference: "debian".into(),
        canonical: "docker.io/library/debian:latest".into(),
        snapshotter: SnapshotterName::new("some"),
        index: None,
        manifest: descriptor("manifest", MediaType::OCI_MANIFEST),
        manifest_annotations: [].into(),
        config: descriptor("config", MediaType::OCI_CONFIG),
        config_labels: [].into(),
        platform: Platform::new("linux", "amd64", ""),
        layers: (0..LAYERS).map(layer).collect(),
    }
}

/// With the labels of its own format, which are the most that it writes, within the time, the memory and the size of
/// answers that every plugin has.
#[tokio::test]
async fn each_plans_the_largest_image() {
    let toc = digest("table of contents").to_string();
    let plain = image(&[], None);
    let estargz = image(&[("stargz/toc.digest", &toc)], None);
    let overlaybd = image(&[("overlaybd/blob-digest", &toc), ("overlaybd/blob-size", "1")], None);
    let nydus = image(&[("nydus-blob", "true")], Some(("nydus-bootstrap", "true")));
    let host = PluginHost::new(None);
    for (name, image, suitability) in [
        ("cvmfs", &plain, Suitability::Plain),
        ("nydus", &nydus, Suitability::Native),
        ("overlaybd", &overlaybd, Suitability::Native),
        ("overlayfs", &plain, Suitability::Plain),
        ("soci", &plain, Suitability::Plain),
        ("stargz", &estargz, Suitability::Native),
    ] {
        let planner = host.planner(&PluginSource::embedded(name).unwrap(), "{}").await.unwrap();
        assert_eq!(planner.identity().name, name);
        let plan = planner.plan(image).await.unwrap_or_else(|failure| panic!("{name}: {failure:?}"));
        validate_plan(&plan, image, planner.config()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(plan.suitability, suitability, "{name}");
        println!("{name}: {:?} for {LAYERS} layers", planner.timings().call);
    }
}
