//! `--snapshotter auto`: each form of image lands in its own snapshotter, by one command.

use dray_tests::command::{digest_filter, filters};
use dray_tests::daemon::Generation;
use dray_tests::image::samples;
use dray_tests::snapshotter::Kind;
use dray_tests::state::State;
use dray_tests::terminal::Screen;
use dray_tests::{on_each_generation, require};
use serde_json::{Value, json};

use crate::forms::Form;
use crate::{Scene, size_of, word};

const AUTO: [&str; 2] = ["--snapshotter", "auto"];

/// A node with all snapshotters that work with this containerd.
fn scene(generation: Generation) -> Result<Scene, dray_tests::tools::Missing> {
    let kinds: Vec<_> = Kind::ALL.into_iter().filter(|kind| kind.works_under(generation)).collect();
    Scene::start(generation, &kinds)
}

fn chosen(considered: &Value) -> Vec<&str> {
    let considered = considered.as_array().expect("it is a list").iter();
    let chosen = considered.filter(|considered| considered["chosen"] == true);
    chosen.map(|considered| considered["snapshotter"].as_str().expect("it has a name")).collect()
}

on_each_generation!(each_form_lands_in_its_own_snapshotter);

fn each_form_lands_in_its_own_snapshotter(generation: Generation) {
    let scene = require!(scene(generation));
    let soci = if Kind::Soci.works_under(generation) { ("soci", "LL") } else { ("overlayfs", "ff") };
    let forms = [
        (Form::Plain, ("overlayfs", "ff")),
        (Form::Estargz, ("stargz", "LL")),
        (Form::SociV2, soci),
        (Form::Overlaybd, ("overlaybd", "LL")),
        (Form::Nydus, ("nydus", "LLf")),
        (Form::ZstdChunked, ("stargz", "LL")),
        (Form::Mixed, ("stargz", "LfLf")),
        (Form::SociV1, ("overlayfs", "ff")),
        (Form::Turbo, ("overlaybd", "ff")),
    ];
    let few = if generation == Generation::V17 { forms.len() } else { 5 };
    for (form, (snapshotter, layers)) in forms.into_iter().take(few) {
        let name = format!("{form:?}").to_lowercase();
        let sample = require!(form.add(&scene, &name));
        let before = State::of(&scene.node.containerd, &name);
        let explain = ["-n", &name, "image", "explain", "--format", "json", &scene.reference(&name)];
        let explained = scene.dray.run(explain).success().json();
        assert_eq!(State::of(&scene.node.containerd, &name), before, "{form}");
        assert_eq!(scene.requests_for_layers(&name, &sample.image).len(), 0, "{form}");

        let report = scene.report(&name, &AUTO);
        assert_eq!(
            (report["snapshotter"].as_str(), word(&report)),
            (Some(snapshotter), layers.into()),
            "{form}: {report:#}"
        );
        assert_eq!(chosen(&report["considered"]), [snapshotter], "{form}");
        assert_eq!(explained["considered"], report["considered"], "{form}");
        assert_totals(&report, &sample.image, form);
        if !sample.is_device {
            sample.assert_readable(&scene, snapshotter);
        }
        assert!(State::of(&scene.node.containerd, &name).is_at_rest(), "{form}");
    }
}

/// Checks the sums against the outcomes of the layers.
fn assert_totals(report: &Value, image: &dray_tests::image::Image, form: Form) {
    let word = word(report);
    let at =
        |letter: char| word.chars().enumerate().filter(move |(_, of)| *of == letter).map(|(layer, _)| layer);
    let totals = &report["totals"];
    assert_eq!(totals["lazy_layers"], at('L').count(), "{form}");
    assert_eq!(totals["spared_bytes"], size_of(image, at('L')), "{form}");
    let index = usize::from(report["target"] != report["manifest"]);
    assert_eq!(totals["downloaded_blobs"], 2 + index + at('f').count(), "{form}");
    let downloaded: u64 = report["layers"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|layer| layer["downloaded"].as_u64())
        .sum();
    assert_eq!(json!(downloaded), size_of(image, at('f')), "{form}");
}

#[test]
fn the_candidates_and_their_reasons_are_shown() {
    let scene = require!(scene(Generation::V17));
    require!(Form::Mixed.add(&scene, "mixed"));
    let explain = ["-n", "mixed", "image", "explain", &scene.reference("mixed")];
    let explained = scene.dray.run(explain);
    insta::with_settings!({ filters => [filters(), vec![digest_filter()]].concat() }, {
        insta::assert_snapshot!(explained, @r"
        exit code: 0
        --- stdout
        name         [REGISTRY]/mixed:1
        digest       [DIGEST]
        platform     linux/amd64
        layers       4, 88.0 KiB

          SNAPSHOTTER  VERDICT  PROVIDES  REASON
          nydus        plain    -         none of 4 layers is in nydus format: snapshotter `nydus` is used as a plain one, and each layer that it lacks is fetched
          overlaybd    plain    -         none of 4 layers is in overlaybd format: snapshotter `overlaybd` is used as a plain one, and each layer that it lacks is fetched
          soci         plain    -         the manifest names no SOCI index: snapshotter `soci` is a plain one unless its daemon finds an index of the first version
        * stargz       partial  87.2 KiB  2 of 4 layers are eStargz or zstd:chunked, 2 layers of 832 bytes are fetched
          overlayfs    plain    -         snapshotter `overlayfs` is used as a plain one: each layer that it lacks is fetched and unpacked
        --- stderr
        ");
    });
    let plugins = |report: &Value| -> Vec<String> {
        let plugins = report["plugins"].as_array().expect("it is a list").iter();
        plugins.map(|plugin| format!("{} {}", plugin["kind"], plugin["name"]).replace('"', "")).collect()
    };
    let named = scene.report("mixed", &["--snapshotter", "stargz"]);
    assert_eq!(plugins(&named), ["platform platform", "snapshotter stargz"]);
    assert_eq!(named["considered"], json!([]));
    assert_eq!(word(&named), "LfLf");
    let report = scene.report("mixed", &AUTO);
    assert_eq!(word(&report), "eeee");
}

#[test]
fn only_plugins_of_snapshotters_that_are_there_are_loaded() {
    let scene = require!(Scene::start(Generation::V17, &[Kind::Stargz]));
    scene.add("few", &samples::of([samples::estargz("few", 0)]));
    let report = scene.report("few", &AUTO);
    let plugins = report["plugins"].as_array().expect("it is a list").iter();
    let names: Vec<_> = plugins.map(|plugin| plugin["name"].as_str().expect("it has a name")).collect();
    assert_eq!(names, ["platform", "stargz", "overlayfs"]);

    let last = samples::of([samples::estargz("last", 0), samples::plain("last", 1)]);
    scene.add("last", &last);
    let reference = scene.reference("last");
    let screen = Screen { rows: 24, columns: 150 };
    let pull = ["-n", "last", "pull", "--snapshotter", "auto", &reference];
    let (status, printed) = scene.dray.spawn_on_terminal(pull, screen).wait();
    assert!(status.success(), "{printed}");
    insta::with_settings!({ filters => filters() }, {
        insta::assert_snapshot!(printed.trim_end().lines().last().unwrap_or_default(), @"2 layers: 1 lazy, 1 fetched, 1.6 KiB of 39.0 KiB downloaded, [TIME]");
    });
}

/// The image does not tell of a SOCI index of the first version, but the user can.
#[test]
fn the_digest_of_an_index_makes_soci_the_choice() {
    let scene = require!(scene(Generation::V17));
    let (image, index, tag) = samples::soci_v1("known", 2);
    scene.add("known", &image);
    scene.registry.add(&index, "known", &tag);
    let digest = &index.manifests[0].digest;
    let report = scene.report("known", &[&AUTO[..], &["--soci-index-digest", digest]].concat());
    assert_eq!((report["snapshotter"].as_str(), word(&report).as_str()), (Some("soci"), "LL"), "{report:#}");
}
