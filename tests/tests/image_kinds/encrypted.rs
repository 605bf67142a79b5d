//! Encrypted layers. containerd decrypts them with a configured program, which gets the descriptor of the layer from
//! dray. Here the program is a script that adds 128 to every byte, and still demands a key.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use dray_tests::command::{Dray, Run};
use dray_tests::daemon::{Containerd, Generation, Settings};
use dray_tests::image::{Compression, Entry, Image, Layer};
use dray_tests::require;
use dray_tests::scratch::{Place, Scratch};
use dray_tests::scripted_registry::ScriptedRegistry;
use dray_tests::state::State;
use dray_tests::tree::Tree;
use serde_json::json;

use super::{CONTAINERD, SNAPSHOTTER, on_each_generation};

const NAMESPACE: &str = "default";
const WRAPPED_KEY: &str = "org.opencontainers.image.enc.keys.jwe";
/// Media type of the encrypted layer, media type of the decrypted layer, and the name of the decoder.
const TYPES: [(&str, Compression, &str); 3] = [
    ("application/vnd.oci.image.layer.v1.tar", Compression::None, "tar"),
    ("application/vnd.oci.image.layer.v1.tar+gzip", Compression::Gzip, "tar.gzip"),
    ("application/vnd.oci.image.layer.v1.tar+zstd", Compression::Zstd, "tar.zstd"),
];

/// One encrypted layer of each compression, and a plain one on top.
fn image() -> Image {
    let encrypt = |blob: Vec<u8>| blob.into_iter().map(|byte| byte.wrapping_add(128)).collect();
    let layer = |name: &str| {
        let directory = Entry::directory("secret");
        Layer::builder()
            .entry(directory)
            .entry(Entry::file(&format!("secret/{name}"), format!("{name} told\n")))
    };
    let mut image = Image::builder("linux/amd64");
    for (_, compression, name) in TYPES {
        image = image.layer(layer(name).build(compression).alter_blob(encrypt));
    }
    image
        .layer(layer("plain").build(Compression::Gzip))
        .alter_manifest(|manifest| {
            for (index, (plain, _, name)) in TYPES.into_iter().enumerate() {
                let layer = &mut manifest["layers"][index];
                layer["mediaType"] = json!(format!("{plain}+encrypted"));
                layer["annotations"] = json!({
                    WRAPPED_KEY: format!("key of {name}"),
                    "org.opencontainers.image.enc.pubopts": "e30=",
                });
            }
        })
        .build()
}

/// A containerd with decoders for some of the types.
struct Scene {
    image: Image,
    registry: ScriptedRegistry,
    daemon: Containerd,
    dray: Dray,
    /// Holds the decoder, the key, and the decoder's input.
    directory: Scratch,
}

impl Scene {
    fn start(generation: Generation, decoders: &[(&str, Compression, &str)]) -> Option<Self> {
        let directory = Scratch::new(Place::Memory);
        let decoder = directory.path().join("decoder");
        let script = "#!/bin/sh\n\
             cat <&3 >\"$1/told.$(printf %s \"$STREAM_PROCESSOR_MEDIATYPE\" | tr -c a-z0-9 _)\"\n\
             if [ ! -e \"$1/key\" ]; then\n\
                 echo 'call to DecryptLayer failed: missing private key needed for decryption' >&2\n\
                 exit 1\n\
             fi\n\
             LC_ALL=C exec tr '\\000-\\377' '\\200-\\377\\000-\\177'\n";
        fs::write(&decoder, script).expect("a file can be written");
        fs::set_permissions(&decoder, fs::Permissions::from_mode(0o755)).expect("its mode can be set");
        let configuration: Vec<String> = decoders
            .iter()
            .map(|(plain, _, name)| {
                format!(
                    "\n[stream_processors.\"io.containerd.ocicrypt.decoder.v1.{name}\"]\n  \
                       accepts = [\"{plain}+encrypted\"]\n  returns = \"{plain}\"\n  \
                       path = \"{}\"\n  args = [\"{}\"]\n",
                    decoder.display(),
                    directory.path().display(),
                )
            })
            .collect();
        let settings = Settings::new(generation);
        let daemon = require!(Containerd::start_configured(&settings, &configuration.concat()), None);
        let (image, registry) = (image(), ScriptedRegistry::start());
        registry.add(&image, "encrypted", "1");
        let dray = Dray::with(&daemon, NAMESPACE).args(["pull", &registry.image("encrypted:1")]);
        Some(Self { image, registry, daemon, dray, directory })
    }

    fn give_key(&self) {
        fs::write(self.directory.path().join("key"), "").expect("a file can be written");
    }

    /// The pull fails and leaves nothing. Its error and hints contain these words.
    fn fails(&self, words: &[&str]) -> Run {
        let run = self.dray.run([""; 0]).failure(CONTAINERD);
        for word in words {
            assert!(run.stderr.contains(word), "{word}: {run}");
        }
        let state = State::of(&self.daemon, NAMESPACE);
        assert!(state.images.is_empty() && state.is_at_rest(), "{run}\n{state}");
        run
    }
}

on_each_generation!(
    encrypted_layers_are_decrypted,
    a_later_unpacking_decrypts_too,
    a_missing_key_fails_the_pull,
    a_missing_decoder_fails_the_pull
);

fn encrypted_layers_are_decrypted(generation: Generation) {
    let Some(scene) = Scene::start(generation, &TYPES) else { return };
    scene.give_key();
    scene.dray.run([""; 0]).success();
    let state = State::of(&scene.daemon, NAMESPACE);
    assert!(state.is_at_rest() && state.images.len() == 1, "{state}");

    let chain = scene.image.chain_ids();
    let tree = Tree::of_snapshot(&scene.daemon, NAMESPACE, SNAPSHOTTER, &chain[3]);
    for (index, (plain, _, name)) in TYPES.into_iter().enumerate() {
        let layer = &scene.image.layers[index];
        // The blob stays encrypted. Its label has the diff id.
        let labels = &state.content[&layer.digest].labels;
        assert_eq!(labels["containerd.io/uncompressed"], scene.image.diff_ids[index], "{generation}");
        assert!(tree.get(&format!("secret/{name}")).is_some(), "{generation}: {tree}");

        // The decoder received the descriptor of the layer, with the keys in its annotations.
        let media_type = format!("{plain}+encrypted");
        let file = media_type.replace(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit(), "_");
        let told = fs::read(scene.directory.path().join(format!("told.{file}")));
        let told = String::from_utf8_lossy(&told.expect("the decoder wrote what it was told")).into_owned();
        assert!(told.contains("io.containerd.ocicrypt.v1.Payload"), "{generation}: {told}");
        let value = &told[told.find('{').expect("it is JSON")..];
        let value: serde_json::Value = serde_json::from_str(value).expect("it is JSON");
        assert_eq!(
            value["Descriptor"],
            json!({
                "mediaType": media_type,
                "digest": layer.digest,
                "size": layer.bytes.len(),
                "annotations": {
                    WRAPPED_KEY: format!("key of {name}"),
                    "org.opencontainers.image.enc.pubopts": "e30=",
                },
            })
        );
    }
    assert!(tree.get("secret/plain").is_some());
}

/// An image in the store is unpacked in the same way, with the same input for the decoder.
fn a_later_unpacking_decrypts_too(generation: Generation) {
    let Some(scene) = Scene::start(generation, &TYPES) else { return };
    scene.give_key();
    scene.dray.run(["--unpack=false"]).success();
    assert!(State::of(&scene.daemon, NAMESPACE).snapshots.is_empty());
    let requests = scene.registry.requests().len();
    scene.dray.run(["--mode=never"]).success();
    assert_eq!(scene.registry.requests().len(), requests, "nothing goes over the network");
    let state = State::of(&scene.daemon, NAMESPACE);
    let chain = scene.image.chain_ids();
    assert!(state.is_at_rest() && state.chain(SNAPSHOTTER, &chain[3]) == chain, "{state}");
}

fn a_missing_key_fails_the_pull(generation: Generation) {
    let Some(scene) = Scene::start(generation, &TYPES) else { return };
    let run = scene.fails(&["could not decrypt layer", "`jwe`", "/etc/containerd/ocicrypt/keys"]);
    // containerd may read the end of the decoder's output before it checks the exit status.
    assert!(["missing private key", "it unpacks to"].iter().any(|told| run.stderr.contains(told)), "{run}");
    // A failed pull leaves nothing that makes a later pull fail or skip a layer.
    scene.give_key();
    scene.dray.run([""; 0]).success();
}

/// By default containerd uses imgcrypt's decoder, which is not installed here, and has none for zstd.
fn a_missing_decoder_fails_the_pull(generation: Generation) {
    let Some(scene) = Scene::start(generation, &[]) else { return };
    scene.fails(&["could not decrypt layer", "ctd-decoder", "`io.containerd.ocicrypt.decoder.v1.tar`"]);
    let Some(scene) = Scene::start(generation, &TYPES[..2]) else { return };
    scene.give_key();
    scene.fails(&["could not decrypt layer", "`io.containerd.ocicrypt.decoder.v1.tar.zstd`"]);
    assert_eq!(scene.registry.requests_to("GET", &scene.image.layers[2].digest).len(), 1);
}
