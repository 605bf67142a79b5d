//! The results of a pull on each generation of containerd, compared with those of the same generation's `ctr`:
//! records, labels, snapshot chains, and the unpacked files to the byte.

use std::path::{Path, PathBuf};

use dray_tests::command::Dray;
use dray_tests::daemon::{Containerd, Generation};
use dray_tests::docker_registry::DockerRegistry;
use dray_tests::image::{Compression, Content, Entry, Flavour, Image, Index, Layer};
use dray_tests::moment::wait_until;
use dray_tests::relay::{Relay, Stop};
use dray_tests::scripted_registry::{Rule, ScriptedRegistry};
use dray_tests::state::State;
use dray_tests::terminal::Screen;
use dray_tests::tree::{self, Tree};
use dray_tests::{on_each_generation, require, tools};

const NAMESPACE: &str = "default";
const SNAPSHOTTER: &str = "overlayfs";

/// The value of a file's attribute for the capability `cap_net_raw`.
const MAY_PING: [u8; 20] = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Every kind of entry, in three layers.
fn image(platform: &str, flavour: Flavour) -> Image {
    let bottom = Layer::builder()
        .entry(Entry::directory("etc").mode(0o751))
        .entry(Entry::file("etc/motd", "hello\n").owner(7, 8))
        .entry(Entry::file("etc/gone", "soon\n"))
        .entry(Entry::directory("var").mode(0o1777).owner(3, 4))
        .entry(Entry::directory("var/old"))
        .entry(Entry::file("var/old/a", "a"))
        .entry(Entry::file("bin/tool", vec![0x7f; 70_000]).mode(0o4755).mtime(1_400_000_000, 123_456_789))
        .entry(Entry::hard_link("bin/same", "bin/tool"))
        .entry(Entry::symlink("lib", "usr/lib"))
        .entry(Entry::fifo("run/pipe"))
        .entry(Entry::character_device("dev/zero", 1, 5))
        .entry(
            Entry::file("bin/ping", "ping").xattr("user.note", "kept").xattr("security.capability", MAY_PING),
        );
    let middle = Layer::builder()
        .entry(Entry::whiteout("etc/gone"))
        .entry(Entry::directory("var/old"))
        .entry(Entry::opaque("var/old"))
        .entry(Entry::file("var/old/b", "b"))
        // The parent directory is not in this layer.
        .entry(Entry::file("var/new", "new"));
    let top = Layer::builder()
        .entry(Entry::file("etc/motd", "hello again\n").mode(0o600))
        .entry(Entry::file("unicode/grüße", "ü"));
    Image::builder(platform)
        .flavour(flavour)
        .layer(bottom.build(Compression::Gzip))
        .layer(middle.build(if flavour == Flavour::Oci { Compression::Zstd } else { Compression::Gzip }))
        .layer(top.build(Compression::None))
        .build()
}

/// The image that both programs pull, and the parts that are not compared.
struct Subject<'a> {
    registry: &'a DockerRegistry,
    name: &'a str,
    image: &'a Image,
    /// By layer, the paths whose time is the time of unpacking: directories that the archive does not list, and
    /// whiteouts.
    implied: [&'a [&'a str]; 3],
}

/// Daemons into which `dray` and `ctr` have pulled the same image.
struct Pair {
    ours: Containerd,
    theirs: Containerd,
}

impl Subject<'_> {
    fn top(&self) -> String {
        self.image.chain_ids().pop().expect("an image has layers")
    }

    /// Pulls it with `dray` and with `ctr`, each into its own daemon, one namespace after the other.
    fn pull(&self, generation: Generation, namespaces: &[&str]) -> Option<Pair> {
        let reference = self.registry.reference(self.name);
        let ours = require!(Containerd::start(generation), None);
        let theirs = require!(Containerd::start(generation), None);
        let mut arguments = vec!["images", "pull", "--plain-http"];
        if generation == Generation::V2 {
            // Otherwise `ctr` 2 also stores manifests and configs of other platforms.
            arguments.push("--skip-metadata");
        }
        arguments.push(&reference);
        for namespace in namespaces {
            Dray::with(&ours, namespace).run(["pull", &reference]).success();
            theirs.ctr_ok(namespace, &arguments);
        }
        Some(Pair { ours, theirs })
    }

    /// Fails unless both have left the same in a namespace. Returns the layers.
    fn compare(&self, pair: &Pair, namespace: &str) -> Vec<Tree> {
        let what = format!("{}, {}", pair.ours.generation(), self.name);
        let (ours, theirs) = (State::of(&pair.ours, namespace), State::of(&pair.theirs, namespace));
        assert!(ours.is_at_rest(), "{what}: {ours}");
        let chain = ours.chain(SNAPSHOTTER, &self.top());
        assert_eq!(chain, self.image.chain_ids(), "{what}: the chain of snapshots");
        for key in &chain {
            let snapshot = &ours.snapshots[SNAPSHOTTER][key];
            assert_eq!(snapshot.labels.get("containerd.io/snapshot.ref"), Some(key), "{what}");
            assert_eq!(snapshot.labels.len(), 1, "{what}: {:?}", snapshot.labels);
        }
        ours.without_what_ctr_does_otherwise()
            .assert_same_as_ctr(&theirs.without_what_ctr_does_otherwise(), &what);

        let trees = |daemon| {
            let trees = Tree::of_chain(daemon, namespace, SNAPSHOTTER, &self.top()).into_iter();
            trees.zip(self.implied).map(|(tree, implied)| tree.without("mtime", implied)).collect::<Vec<_>>()
        };
        let (ours, theirs) = (trees(&pair.ours), trees(&pair.theirs));
        assert_eq!(ours.len(), self.image.layers.len(), "{what}");
        for (index, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
            ours.assert_same(theirs, &format!("{what}, layer {index}"));
        }
        ours
    }
}

/// A subject with one of the generated images.
fn made<'a>(registry: &'a DockerRegistry, name: &'a str, image: &'a Image) -> Subject<'a> {
    let implied: [&[&str]; 3] =
        [&[".", "bin", "dev", "run"], &[".", "etc", "etc/gone", "var"], &[".", "etc", "unicode"]];
    Subject { registry, name, image, implied }
}

fn a_docker_index_is_pulled_as_ctr_does(generation: Generation) {
    let registry = require!(DockerRegistry::start());
    let image = image("linux/amd64", Flavour::Docker);
    let other = self::image("linux/s390x", Flavour::Docker);
    registry.push(&Index::new(Flavour::Docker, vec![other, image.clone()]), "kinds/docker:1");
    let subject = made(&registry, "kinds/docker:1", &image);
    let Some(pair) = subject.pull(generation, &[NAMESPACE]) else { return };
    subject.compare(&pair, NAMESPACE);
}

fn a_single_oci_manifest_is_pulled_as_ctr_does(generation: Generation) {
    let registry = require!(DockerRegistry::start());
    let image = image("linux/amd64", Flavour::Oci);
    registry.push(&image as &dyn Content, "kinds/oci:1");
    let subject = made(&registry, "kinds/oci:1", &image);
    let Some(pair) = subject.pull(generation, &[NAMESPACE]) else { return };
    subject.compare(&pair, NAMESPACE);
}

/// The image of the demo: thousands of files from Debian's packages.
fn a_debian_root_file_system_is_pulled_as_ctr_does(generation: Generation) {
    let registry = require!(DockerRegistry::start());
    let layout = require!(tools::demo_image());
    let index = Index::read_layout(&layout, "demo").expect("the layout of the demo can be read");
    registry.push(&index, "debian:demo");
    let implied: [&[&str]; 3] = [&["."], &["."], &[".", "etc/removed", "usr/share/common-licenses/Artistic"]];
    let subject = Subject { registry: &registry, name: "debian:demo", image: &index.images[0], implied };
    let Some(pair) = subject.pull(generation, &[NAMESPACE]) else { return };
    let layers = subject.compare(&pair, NAMESPACE);

    // The image has the kinds of files that the test is about.
    let files = layers[0].entries();
    let count = |is_one: &dyn Fn(&tree::Entry) -> bool| files.values().filter(|e| is_one(e)).count();
    let is_link = |(path, entry): &(&PathBuf, &tree::Entry)| {
        entry.get("same file as").is_some_and(|first| Path::new(first) != path.as_path())
    };
    assert!(files.len() > 3000, "{} files", files.len());
    assert!(count(&|file| file["mode"].starts_with('4')) > 0, "files that run as their owner");
    assert!(count(&|file| file["kind"] == "symlink") > 100, "symbolic links");
    assert!(files.iter().filter(is_link).count() > 0, "hard links");
    assert!(count(&|file| file["owner"] != "0:0") > 0, "files of other owners than root");
}

/// The daemon has the blobs, but the namespace does not.
fn a_second_namespace_gets_the_same_state(generation: Generation) {
    let registry = require!(DockerRegistry::start());
    let image = image("linux/amd64", Flavour::Docker);
    registry.push(&Index::new(Flavour::Docker, vec![image.clone()]), "spaces:1");
    let subject = made(&registry, "spaces:1", &image);
    let Some(pair) = subject.pull(generation, &["first", "second"]) else { return };
    for namespace in ["first", "second"] {
        subject.compare(&pair, namespace);
    }
}

on_each_generation!(
    a_docker_index_is_pulled_as_ctr_does,
    a_single_oci_manifest_is_pulled_as_ctr_does,
    a_debian_root_file_system_is_pulled_as_ctr_does,
    a_second_namespace_gets_the_same_state,
    a_second_pull_fetches_nothing,
    labels_of_other_clients_stay,
    two_pulls_download_each_blob_once,
    two_pulls_download_each_document_once
);

fn a_second_pull_fetches_nothing(generation: Generation) {
    let registry = require!(DockerRegistry::start());
    let daemon = require!(Containerd::start(generation));
    registry.push(&image("linux/amd64", Flavour::Oci), "twice:1");
    let reference = registry.reference("twice:1");
    let dray = Dray::with(&daemon, NAMESPACE);
    dray.run(["pull", &reference]).success();
    let (first, requests) = (State::of(&daemon, NAMESPACE), registry.requests().len());

    let report = dray.run(["pull", "--format", "json", &reference]).success().json();
    assert_eq!(report["totals"]["downloaded_blobs"], 0);
    for layer in report["layers"].as_array().expect("layers are a list") {
        assert_eq!(layer["outcome"], "existed");
    }
    assert_eq!(State::of(&daemon, NAMESPACE), first);
    let requests = registry.requests().split_off(requests);
    assert!(requests.iter().all(|request| !request.contains("/blobs/")), "{requests:?}");
}

fn labels_of_other_clients_stay(generation: Generation) {
    let registry = require!(DockerRegistry::start());
    let daemon = require!(Containerd::start(generation));
    registry.push(&image("linux/amd64", Flavour::Oci), "labels:1");
    let reference = registry.reference("labels:1");
    let dray = Dray::with(&daemon, NAMESPACE);
    dray.run(["pull", &reference]).success();
    daemon.ctr_ok(NAMESPACE, &["images", "label", &reference, "io.cri-containerd.image=managed"]);
    dray.run(["pull", &reference]).success();
    let state = State::of(&daemon, NAMESPACE);
    assert_eq!(state.images[&reference].labels["io.cri-containerd.image"], "managed");
}

/// A registry that holds some blobs back until two pulls are under way.
struct Meeting {
    daemon: Containerd,
    registry: ScriptedRegistry,
    image: Image,
    reference: String,
}

impl Meeting {
    fn holding(generation: Generation, is_held: impl Fn(&Image) -> Vec<String>) -> Option<Self> {
        let daemon = require!(Containerd::start(generation), None);
        let (registry, image) = (ScriptedRegistry::start(), image("linux/amd64", Flavour::Oci));
        registry.add(&Index::new(Flavour::Oci, vec![image.clone()]), "together", "1");
        for digest in is_held(&image) {
            registry.on(Rule::get(&digest).held());
        }
        let reference = registry.image("together:1");
        Some(Self { daemon, registry, image, reference })
    }

    fn requests_for(&self, digest: &str) -> usize {
        self.registry.requests_to("GET", digest).len()
    }

    /// Checks that all blobs are stored, and that each was sent once.
    fn assert_each_blob_once(&self) {
        let state = State::of(&self.daemon, NAMESPACE);
        assert!(state.is_at_rest() && state.images.contains_key(&self.reference), "{state}");
        for digest in state.content.keys() {
            assert_eq!(self.requests_for(digest), 1, "{digest}: {:#?}", self.registry.requests());
        }
        assert_eq!(state.content.len(), 3 + self.image.layers.len(), "{state}");
    }
}

/// The second pull waits for the layers of the first.
fn two_pulls_download_each_blob_once(generation: Generation) {
    let layers = |image: &Image| image.layers.iter().map(|layer| layer.digest.clone()).collect();
    let Some(meeting) = Meeting::holding(generation, layers) else { return };
    let dray = Dray::with(&meeting.daemon, NAMESPACE);
    let first = dray.spawn(["pull", &meeting.reference]);
    wait_until("the first pull asks for each layer", || {
        meeting.image.layers.iter().all(|layer| meeting.requests_for(&layer.digest) > 0)
    });
    let second = dray.spawn_on_terminal(["pull", &meeting.reference], Screen::default());
    second.wait_for("for another client");
    meeting.registry.release();
    first.wait().success();
    let (status, printed) = second.wait();
    assert!(status.success(), "{printed}");
    meeting.assert_each_blob_once();
}

/// The second pull waits for the manifest of the first, which is stored once the config has been parsed.
fn two_pulls_download_each_document_once(generation: Generation) {
    let config = |image: &Image| vec![image.config.digest.clone()];
    let Some(meeting) = Meeting::holding(generation, config) else { return };
    let first = Dray::with(&meeting.daemon, NAMESPACE).spawn(["pull", &meeting.reference]);
    wait_until("the first pull asks for the config", || {
        meeting.requests_for(&meeting.image.config.digest) > 0
    });
    let relay = Relay::start(meeting.daemon.socket(), Stop::Never);
    let socket = relay.socket().display().to_string();
    let second = Dray::new().args(["-a", &socket, "-n", NAMESPACE]).spawn(["pull", &meeting.reference]);
    wait_until("the second pull has its lease", || State::of(&meeting.daemon, NAMESPACE).leases.len() == 2);
    // From here on it only polls the ingest that the first one holds.
    let before = relay.calls();
    wait_until("the second pull waits for a document", || relay.calls() >= before + 8);
    meeting.registry.release();
    first.wait().success();
    second.wait().success();
    meeting.assert_each_blob_once();
}
