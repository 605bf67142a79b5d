//! The client of the library: what it reads, what it needs, and that it behaves as the program does.

use std::fs;
use std::sync::Arc;

use dray::ports::{Event, PluginFault, Progress};
use dray::{Client, ClientBuilder, ClientError, ImageError, PullError};
use dray_tests::command::Dray;
use dray_tests::daemon::{Containerd, Generation};
use dray_tests::image::{Compression, Entry, Image, Layer};
use dray_tests::require;
use dray_tests::scripted_registry::ScriptedRegistry;
use dray_tests::state::State;
use tokio_util::sync::CancellationToken;

const NAMESPACE: &str = "library";

/// A containerd, and a registry with one image.
struct Scene {
    daemon: Containerd,
    registry: ScriptedRegistry,
    image: Image,
    name: String,
}

impl Scene {
    fn new() -> Option<Self> {
        let daemon = require!(Containerd::start(Generation::Debian16), None);
        let registry = ScriptedRegistry::start();
        let layer = Layer::builder().entry(Entry::file("a", "a")).build(Compression::Gzip);
        let image = Image::builder("linux/amd64").layer(layer).build();
        registry.add(&image, "app", "1");
        let name = registry.image("app:1");
        Some(Self { daemon, registry, image, name })
    }

    fn builder(&self) -> ClientBuilder {
        Client::builder().address(self.socket()).namespace(NAMESPACE)
    }

    fn socket(&self) -> String {
        self.daemon.socket().display().to_string()
    }
}

fn built(builder: ClientBuilder) -> Client {
    builder.build().expect("a client can be made")
}

#[tokio::test]
async fn library_and_program_read_the_same_file() {
    let Some(scene) = Scene::new() else { return };
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = folder.path().join("dray.toml");
    let text = format!(
        "address = '{}'\nnamespace = '{NAMESPACE}'\n\
         [plugins.mine]\nsource = 'file:/no/such.wasm'\nkind = 'snapshotter'\nfor = ['native']\n",
        scene.socket()
    );
    fs::write(&file, text).expect("a file can be written");
    let program = |arguments: &[&str]| {
        let config = ["--config", file.to_str().expect("it is text")];
        Dray::new().args(config).run(["pull", &scene.name].into_iter().chain(arguments.iter().copied()))
    };

    built(Client::builder().config_file(&file)).pull(&scene.name).await.expect("it is pulled");
    program(&["--mode", "never"]).success();

    // The plugin for this snapshotter is in the file as well.
    let missing = "cannot read plugin `/no/such.wasm`";
    let client = built(Client::builder().config_file(&file).snapshotter("native"));
    let error = client.pull(&scene.name).await.expect_err("the plugin is not there");
    assert_eq!(error.to_string(), missing);
    let run = program(&["--snapshotter", "native"]).failure(2);
    assert!(run.stderr.contains(missing), "{run}");
}

#[test]
fn what_is_wrong_is_said_when_the_client_is_made() {
    let failed = |builder: ClientBuilder| builder.build().err().expect("it cannot be made");
    let builder = Client::builder;
    let error = failed(builder().snapshotter_plugin("/no/such.wasm"));
    assert!(
        matches!(&error, ClientError::Plugin(error) if error.fault == PluginFault::Unreadable),
        "{error}"
    );
    for (builder, expected) in [
        (builder().namespace(""), "the namespace is empty"),
        (builder().platform("no-such-thing"), "cannot read a wanted platform"),
        (
            builder().all_platforms(false).unpack(true),
            "only one platform can be unpacked, and any platform are wanted",
        ),
        (builder().config_file("/no/such.toml"), "cannot read the configuration file `/no/such.toml`"),
    ] {
        assert_eq!(failed(builder).to_string(), expected);
    }
}

#[tokio::test]
async fn only_what_needs_containerd_connects_to_it() {
    let registry = ScriptedRegistry::start();
    let image = Image::builder("linux/amd64").build();
    registry.add(&image, "app", "1");
    let name = registry.image("app:1");
    let client = built(Client::builder().address("/no/such.sock"));
    let resolved = client.resolve(&name).await.expect("the registry answers");
    assert_eq!(resolved.digest.as_str(), image.manifest.digest);
    let error = client.pull(&name).await.expect_err("there is no containerd");
    assert!(matches!(error, ClientError::Connect { .. }), "{error}");
}

#[tokio::test]
async fn an_image_is_inspected_by_name_and_by_id() {
    let Some(scene) = Scene::new() else { return };
    let client = built(scene.builder());
    let error = client.inspect(&scene.name).await.expect_err("it is not pulled yet");
    assert!(matches!(error, ClientError::Image(ImageError::NoRecord { .. })), "{error}");
    client.pull(&scene.name).await.expect("it is pulled");
    scene.registry.kill();

    let id = &scene.image.manifest.digest["sha256:".len()..][..12];
    for name in [scene.name.as_str(), id] {
        let found = client.inspect(name).await.expect("it can be read");
        assert_eq!(found.record.name, scene.name);
        assert_eq!(found.documents.config.bytes(), &scene.image.config.bytes);
        assert!(found.completeness.is_complete() && found.completeness.is_unpacked());
        assert_eq!(found.snapshotters.names, [dray::ports::SnapshotterName::new("overlayfs")]);
    }
    let native = built(scene.builder().snapshotter("native"));
    scene.daemon.ctr_ok(NAMESPACE, &["content", "rm", &scene.image.layers[0].digest]);
    let found = native.inspect(id).await.expect("it can be read");
    let missing = found.completeness.missing_blobs().map(|blob| blob.descriptor.digest.to_string());
    assert_eq!(missing.collect::<Vec<_>>(), [scene.image.layers[0].digest.clone()]);
}

/// Cancels when the layers are known.
struct Canceller(CancellationToken);

impl Progress for Canceller {
    fn event(&self, event: Event) {
        if matches!(event, Event::Planned { .. }) {
            self.0.cancel();
        }
    }
}

#[tokio::test]
async fn one_clone_is_cancelled_and_the_other_goes_on() {
    let Some(scene) = Scene::new() else { return };
    let client = built(scene.builder());
    let cancel = CancellationToken::new();
    let watched = client.clone().with_progress(Arc::new(Canceller(cancel.clone())));
    let error = watched.with_cancellation(cancel).pull(&scene.name).await.expect_err("it is cancelled");
    assert!(matches!(error, ClientError::Pull(PullError::Cancelled)), "{error}");
    let state = State::of(&scene.daemon, NAMESPACE);
    assert!(state.is_at_rest(), "{state:?}");
    client.pull(&scene.name).await.expect("nobody cancels this one");
}
