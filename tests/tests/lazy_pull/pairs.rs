//! Every form of image into every snapshotter by its name: a container can read the image, or a sentence says why not before
//! the first layer.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use dray_tests::daemon::Generation;
use dray_tests::require;
use dray_tests::snapshotter::Kind;
use dray_tests::state::State;
use dray_tests::tools::Missing;
use serde_json::Value;

use crate::forms::Form;
use crate::{Scene, word};

/// What became of a pair.
enum Outcome {
    /// The letters of the layers.
    Pulled { layers: String, needs_tcmu: bool },
    /// The reason.
    Refused(String),
}

#[test]
fn no_pull_succeeds_with_an_image_that_cannot_be_read() {
    let scene = require!(Scene::start(Generation::V17, &Kind::ALL));
    let snapshotters: Vec<_> = Kind::ALL.into_iter().map(Kind::name).chain(["overlayfs"]).collect();
    let columns = std::thread::scope(|scope| {
        let column = |snapshotter: &&'static str| {
            let (scene, snapshotter) = (&scene, *snapshotter);
            scope.spawn(move || Form::ALL.map(|form| outcome(scene, form, snapshotter)))
        };
        let columns: Vec<_> = snapshotters.iter().map(column).collect();
        columns.into_iter().map(|column| column.join().expect("a pair does not panic")).collect::<Vec<_>>()
    });
    let mut all = Vec::new();
    for (snapshotter, column) in snapshotters.iter().zip(columns) {
        for (form, outcome) in Form::ALL.into_iter().zip(column) {
            all.push((form, *snapshotter, require!(outcome)));
        }
    }
    let outcomes = Outcomes { snapshotters: &snapshotters, all };
    let table = outcomes.table();
    insta::with_settings!({ snapshot_path => "../snapshots", omit_expression => true }, {
        insta::assert_snapshot!("table", format!("{table}\n{}", outcomes.refusals()));
    });
    assert!(
        include_str!("../../../docs/snapshotters.md").contains(&table),
        "the documentation has another table"
    );
}

fn outcome(scene: &Scene, form: Form, snapshotter: &str) -> Result<Outcome, Missing> {
    let name = format!("{form:?}-{snapshotter}").to_lowercase();
    let sample = form.add(scene, &name)?;
    let run = scene.pull(&name, &["--snapshotter", snapshotter]);
    if run.status.success() {
        let report = run.json();
        let hints = report["hints"].to_string();
        if !sample.is_device {
            sample.assert_readable(scene, snapshotter);
        }
        assert_eq!(hints.contains("TCMU"), sample.is_device, "{form} into {snapshotter}: {hints}");
        return Ok(Outcome::Pulled { layers: word(&report), needs_tcmu: sample.is_device });
    }
    let run = run.failure(10);
    assert_eq!(scene.requests_for_layers(&name, &sample.image).len(), 0, "{form} into {snapshotter}");
    let state = State::of(&scene.node.containerd, &name);
    assert!(state.snapshots.is_empty() && state.images.is_empty() && state.is_at_rest(), "{state}");
    let error = run.stderr.lines().last().and_then(|line| serde_json::from_str::<Value>(line).ok());
    let error = error.unwrap_or_else(|| panic!("{run}"));
    let reason = error["error"]["message"].as_str().unwrap_or_default().to_owned();
    let layers = sample.image.layers.iter();
    Ok(Outcome::Refused(layers.fold(reason, |reason, layer| reason.replace(&layer.digest, "sha256:…"))))
}

/// What became of each pair, by form and snapshotter.
struct Outcomes<'a> {
    snapshotters: &'a [&'a str],
    all: Vec<(Form, &'a str, Outcome)>,
}

impl Outcomes<'_> {
    fn of(&self, form: Form, snapshotter: &str) -> &Outcome {
        let mut found = self.all.iter().filter(|(of, into, _)| *of == form && *into == snapshotter);
        &found.next().expect("there is one of each pair").2
    }

    /// The table of the documentation.
    fn table(&self) -> String {
        let mut text = format!("| image | {} |\n", self.snapshotters.join(" | "));
        text.push_str(&"|---".repeat(self.snapshotters.len() + 1));
        text.push_str("|\n");
        for form in Form::ALL {
            let cells = self.snapshotters.iter().map(|snapshotter| cell(self.of(form, snapshotter)));
            let _ = writeln!(text, "| {form} | {} |", cells.collect::<Vec<_>>().join(" | "));
        }
        text
    }

    fn refusals(&self) -> String {
        let mut text = "The refusals, with the name of the snapshotter for `NAME`:\n\n".to_owned();
        for form in Form::ALL {
            let mut reasons = BTreeMap::<_, Vec<_>>::new();
            for snapshotter in self.snapshotters {
                if let Outcome::Refused(reason) = self.of(form, snapshotter) {
                    let reason = reason.replace(&format!("`{snapshotter}`"), "`NAME`");
                    reasons.entry(reason).or_default().push(*snapshotter);
                }
            }
            for (reason, snapshotters) in reasons {
                let _ = writeln!(text, "- {form}, into {}: {reason}", snapshotters.join(", "));
            }
        }
        text
    }
}

fn cell(outcome: &Outcome) -> String {
    let Outcome::Pulled { layers, needs_tcmu } = outcome else { return "refused".to_owned() };
    let words = [('L', "lazy"), ('d', "unpacked by the daemon"), ('P', "provided"), ('f', "fetched")];
    let counted = words.map(|(letter, word)| (layers.matches(letter).count(), word));
    let counted = counted.into_iter().filter(|(number, _)| *number > 0);
    let mut text = counted.map(|(number, word)| format!("{number} {word}")).collect::<Vec<_>>().join(", ");
    if *needs_tcmu {
        text.push_str("; a container needs TCMU");
    }
    text
}
