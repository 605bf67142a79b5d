//! The progress of a pull: on a terminal, in a log, and in a program that reads the report.

use dray_tests::command::Dray;
use dray_tests::daemon::{Containerd, Generation};
use dray_tests::docker_registry::DockerRegistry;
use dray_tests::image::{Compression, Entry, Image, Layer};
use dray_tests::require;
use dray_tests::scripted_registry::{Rule, ScriptedRegistry};
use dray_tests::terminal::Screen;

const ESCAPE: char = '\u{1b}';

fn image(layers: usize) -> Image {
    let image = (0..layers).fold(Image::builder("linux/amd64"), |image, number| {
        let content = number.to_string().repeat(100_000);
        let layer = Layer::builder().entry(Entry::file(&format!("file-{number}"), content));
        image.layer(layer.build(Compression::None))
    });
    image.build()
}

/// A daemon, and a registry with an image of some layers.
struct Scene {
    registry: DockerRegistry,
    daemon: Containerd,
    reference: String,
}

impl Scene {
    fn with_layers(layers: usize) -> Option<Self> {
        let registry = require!(DockerRegistry::start(), None);
        let daemon = require!(Containerd::start(Generation::Debian16), None);
        registry.push(&image(layers), "seen:1");
        let reference = registry.reference("seen:1");
        Some(Self { registry, daemon, reference })
    }

    fn dray(&self, namespace: &str) -> Dray {
        Dray::with(&self.daemon, namespace).args(["--snapshotter", "native"]).knowing(&self.registry)
    }

    fn arguments<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        [&["pull", "--platform", "linux/amd64", &self.reference], more].concat()
    }
}

#[test]
fn a_log_gets_plain_lines() {
    let Some(scene) = Scene::with_layers(2) else { return };
    let run = scene.dray("log").run(scene.arguments(&[])).success();
    assert!(!run.to_string().contains([ESCAPE, '\r']), "{run}");
    let lines: Vec<&str> = run.stderr.lines().collect();
    assert!(lines[0].starts_with(&format!("{}: sha256:", scene.reference)), "{run}");
    assert!(lines[1].starts_with("linux/amd64: 2 layers, "), "{run}");
    assert!(lines[2].starts_with("layer 1/2 ") && lines[2].contains(": done ("), "{run}");
    assert!(lines[3].starts_with("layer 2/2 ") && lines[3].contains(": done ("), "{run}");
    assert_eq!(run.stdout.lines().count(), 5, "{run}");
    assert!(run.stdout.contains("\n2 layers: 2 fetched, "), "{run}");

    let again = scene.dray("log").run(scene.arguments(&[])).success();
    assert!(again.stderr.contains("layer 2/2 ") && again.stderr.contains(": exists ("), "{again}");
    assert!(again.stdout.contains("\n2 layers: 2 existed, nothing downloaded, "), "{again}");
}

#[test]
fn verbose_output_lists_the_steps() {
    let Some(scene) = Scene::with_layers(1) else { return };
    let run = scene.dray("more").run(scene.arguments(&["-v"])).success();
    for step in
        ["connected to containerd", "the name is resolved", "a lease is taken", "the layers are planned"]
    {
        assert_eq!(run.stderr.matches(step).count(), 1, "{step}: {run}");
    }
    assert!(run.stderr.contains("suitability=\"plain\" code=\"plain\""), "{run}");
}

#[test]
fn a_program_gets_the_name_or_the_report() {
    let Some(scene) = Scene::with_layers(1) else { return };
    let quiet = scene.dray("program").run(scene.arguments(&["--quiet"])).success();
    assert_eq!(quiet.stdout, format!("{}\n", scene.reference));
    assert_eq!(quiet.stderr, "");

    let run = scene.dray("program").run(scene.arguments(&["--format", "json"])).success();
    assert_eq!(run.stderr, "");
    let report = run.json();
    assert_eq!(report["schema"], "dray.pull/v1");
    assert_eq!(report["name"], scene.reference);
    assert_eq!(report["layers"][0]["outcome"], "existed");
    assert_eq!(report["totals"]["downloaded_bytes"], 0);

    let timed = scene.dray("program").run(scene.arguments(&["--quiet", "--timings"])).success();
    assert!(timed.stderr.starts_with("timings "), "{timed}");
}

#[test]
fn a_terminal_gets_a_line_per_layer() {
    let Some(scene) = Scene::with_layers(3) else { return };
    let dray = scene.dray("terminal").env("NO_COLOR", "1");
    let (status, printed) =
        dray.spawn_on_terminal(scene.arguments(&[]), Screen { rows: 24, columns: 100 }).wait();
    assert!(status.success(), "{printed}");
    let is_color = |code: &str| code.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with(['m', ';']);
    assert!(!printed.split("\u{1b}[").skip(1).any(is_color), "colours in spite of NO_COLOR: {printed:?}");
    let last_picture = printed.rsplit("  linux/amd64\u{1b}[K").next().unwrap_or_default();
    assert_eq!(last_picture.matches("  done         99.5 KiB").count(), 3, "{printed:?}");
    assert!(printed.ends_with(" s\r\n"), "{printed:?}");
}

/// If the rows of all layers do not fit, only active layers are shown and the others are counted. The size is checked
/// for each frame.
#[test]
fn frames_follow_the_size_of_the_terminal() {
    const LAYERS: usize = 20;
    let (low, high) = (Screen { rows: 6, columns: 40 }, Screen { rows: 24, columns: 100 });
    let daemon = require!(Containerd::start(Generation::Debian16));
    let (registry, image) = (ScriptedRegistry::start(), image(LAYERS));
    registry.add(&image, "seen", "1");
    for layer in &image.layers {
        registry.on(Rule::get(&layer.digest).held());
    }
    let reference = registry.image("seen:1");
    let dray = Dray::with(&daemon, "size").args(["--snapshotter", "native"]).env("NO_COLOR", "1");
    let terminal = dray.spawn_on_terminal(["pull", &reference], low);
    terminal.wait_for("layers waiting");
    let last = &image.layers[LAYERS - 1].digest["sha256:".len()..][..12];
    assert!(!terminal.printed().contains(last), "{:?}", terminal.printed());

    let before = terminal.printed().len();
    terminal.resize(high);
    terminal.wait_for_behind(before, last);
    let before = terminal.printed().len();
    terminal.resize(low);
    terminal.wait_for_behind(before, "layers waiting");
    registry.release();
    let (status, printed) = terminal.wait();
    assert!(status.success(), "{printed}");

    let pictures = pictures(&printed[before..]);
    // The first frame after shrinking moves up over all rows into which the wide frame was wrapped.
    let first = pictures.iter().position(|(_, text)| text.contains("layers waiting"));
    let first = first.expect("it has been waited for");
    assert!(pictures[first].0 > LAYERS, "{printed:?}");
    // The text after the last frame is not a frame.
    let later = &pictures[first + 1..];
    assert!(later.iter().all(|(up, _)| *up < usize::from(low.rows)), "{pictures:?}");
    for (_, text) in &pictures[first..pictures.len() - 1] {
        assert!(text.lines().count() < usize::from(low.rows), "{text}");
        assert!(text.lines().all(|line| line.chars().count() < usize::from(low.columns)), "{text}");
    }
    assert!(pictures.last().is_some_and(|(_, text)| text.contains("20 layers done")), "{pictures:?}");
}

/// The frames: how many rows up each starts, and its text.
fn pictures(printed: &str) -> Vec<(usize, String)> {
    let mut pictures: Vec<(usize, String)> = Vec::new();
    for piece in printed.split("\u{1b}[").skip(1) {
        let up = piece.split_once("A\r").and_then(|(rows, text)| Some((rows.parse().ok()?, text)));
        if let Some((rows, text)) = up {
            pictures.push((rows, text.to_owned()));
        } else if let Some((_, text)) = pictures.last_mut() {
            let command = piece.find(|c: char| c.is_ascii_alphabetic()).map_or(0, |at| at + 1);
            text.push_str(&piece[command..]);
        }
    }
    pictures
}

#[test]
fn a_dumb_terminal_gets_plain_lines() {
    let Some(scene) = Scene::with_layers(1) else { return };
    let mut terminal = std::process::Command::new(dray_tests::tools::dray());
    terminal.args(["-a", &scene.daemon.socket().display().to_string(), "--snapshotter", "native"]);
    terminal.args(scene.arguments(&[])).env("TERM", "dumb");
    let terminal = dray_tests::terminal::Terminal::start(&terminal, Screen::default());
    let (status, printed) = terminal.expect("a terminal can be opened").wait();
    assert!(status.success(), "{printed}");
    assert!(!printed.contains(ESCAPE), "{printed:?}");
    assert!(printed.contains("layer 1/1 "), "{printed:?}");
}
