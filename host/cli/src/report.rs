//! The report of a pull as text. `docs/report.md` describes the JSON form.

use std::fmt::Write as _;
use std::time::Duration;

use super::amounts;
use dray::pull::{
    LayerOutcome, LayerReport, PluginReport, PluginTimings, PullReport, SuitabilityReport, Totals,
};
use dray::text::escape;

/// The text on standard output.
pub(super) fn summary(report: &PullReport) -> String {
    let mut text = String::new();
    let mut row = |key: &str, value: &str| {
        let _ = writeln!(text, "{key:<12} {}", escape::line(value));
    };
    row("name", &report.name);
    row("digest", report.target.as_str());
    for image in report.images() {
        row("platform", &image.platform.format_all());
    }
    row("snapshotter", report.snapshotter.as_deref().unwrap_or("none, the image was not unpacked"));
    // `plain` is the normal case and is not shown.
    if let Some(SuitabilityReport { verdict, reason, .. }) = &report.suitability
        && *verdict != "plain"
    {
        row("suitability", &format!("{verdict}: {reason}"));
    }
    let mut parts = vec![layers(report)];
    let Totals { downloaded_bytes, spared_bytes, layer_bytes, .. } = report.totals;
    parts.push(match (downloaded_bytes, spared_bytes) {
        (0, 0) => "nothing downloaded".to_owned(),
        (bytes, 0) => format!("{} downloaded", amounts::bytes(bytes)),
        (bytes, _) => format!("{} of {} downloaded", amounts::bytes(bytes), amounts::bytes(layer_bytes)),
    });
    parts.push(amounts::duration(
        Duration::try_from_secs_f64(report.timings.total / 1000.0).unwrap_or_default(),
    ));
    let _ = writeln!(text, "{}", parts.join(", "));
    text
}

/// `3 layers: 2 fetched, 1 existed`.
fn layers(report: &PullReport) -> String {
    let layers: Vec<&LayerReport> = report.images().flat_map(|image| &image.layers).collect();
    let outcomes = [
        (LayerOutcome::Fetched, "fetched"),
        (LayerOutcome::Downloaded, "fetched"),
        (LayerOutcome::Applied, "unpacked from the content store"),
        (LayerOutcome::Existed, "existed"),
        (LayerOutcome::Stored, "existed"),
    ];
    let provided = |lazy| {
        let is_such = |layer: &&&LayerReport| layer.outcome == LayerOutcome::Provided && layer.lazy == lazy;
        layers.iter().filter(is_such).count()
    };
    let provided = [
        (provided(Some(true)), "lazy"),
        (provided(Some(false)), "unpacked by the snapshotter"),
        (provided(None), "provided"),
    ];
    let counted = provided.into_iter().chain(
        outcomes
            .into_iter()
            .map(|(outcome, word)| (layers.iter().filter(|layer| layer.outcome == outcome).count(), word)),
    );
    let counted = counted.filter(|(number, _)| *number > 0).map(|(number, word)| format!("{number} {word}"));
    let counted: Vec<String> = counted.collect();
    let all = amounts::count(layers.len(), "layer");
    if counted.is_empty() { all } else { format!("{all}: {}", counted.join(", ")) }
}

/// The timings of a pull, as a table.
pub(super) fn timings(report: &PullReport) -> String {
    let timings = &report.timings;
    let stages = timings.prepare + timings.resolve + timings.documents + timings.layers + timings.record;
    let mut text = "timings                       ms\n".to_owned();
    for (name, milliseconds) in [
        ("prepare", timings.prepare),
        ("resolve", timings.resolve),
        ("documents", timings.documents),
        ("layers", timings.layers),
        ("  waiting for blobs", timings.waiting_for_blobs),
        ("  applying", timings.applying),
        ("record", timings.record),
        ("lookups and lease", timings.total - stages),
        ("total", timings.total),
    ] {
        let _ = writeln!(text, "  {name:<20} {milliseconds:>9.1}");
    }
    let name = |plugin: &PluginReport| {
        let PluginReport { kind, name, version, origin, .. } = plugin;
        escape::line(&format!("  {kind} {name} {version} ({origin})"))
    };
    let head = "plugins, each by itself";
    let widths = report.plugins.iter().map(|plugin| name(plugin).chars().count());
    let width = widths.max().unwrap_or_default().max(head.len());
    let _ = writeln!(text, "{head:<width$}   compile      load  instantiate      call");
    for plugin in &report.plugins {
        let PluginTimings { compile, load, instantiate, call } = plugin.timings;
        let name = name(plugin);
        let _ =
            writeln!(text, "{name:<width$}  {compile:>8.2}  {load:>8.2}  {instantiate:>11.2}  {call:>8.2}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use dray::oci::{Algorithm, ChainId, DiffId, MediaType, Platform};
    use dray::pull::{ImageReport, Outcome, Timings, Totals};
    use dray::verify::digest_of;

    fn report(outcomes: &[LayerOutcome]) -> PullReport {
        let digest = digest_of(Algorithm::Sha256, b"x");
        let diff_id = DiffId::from_uncompressed(digest.clone());
        let layer = |outcome: &LayerOutcome| LayerReport {
            digest: digest.clone(),
            media_type: MediaType::new("application/vnd.oci.image.layer.v1.tar+gzip"),
            size: 1 << 20,
            diff_id: Some(diff_id.clone()),
            chain_id: Some(ChainId::bottom(&diff_id)),
            outcome: *outcome,
            broken_expectation: false,
            lazy: None,
            asking: 0.0,
            downloaded: 0,
            uncompressed: None,
        };
        PullReport {
            schema: "dray.pull/v1",
            name: "docker.io/library/debian:12".to_owned(),
            outcome: Outcome::Pulled,
            target: digest.clone(),
            target_media_type: MediaType::new(MediaType::OCI_INDEX),
            image: ImageReport {
                manifest: digest.clone(),
                config: digest.clone(),
                platform: Platform::new("linux", "amd64", ""),
                layers: outcomes.iter().map(layer).collect(),
            },
            more: Vec::new(),
            snapshotter: Some("overlayfs".to_owned()),
            suitability: Some(SuitabilityReport {
                verdict: "plain",
                code: "plain".to_owned(),
                reason: "every image is".to_owned(),
            }),
            considered: Vec::new(),
            plugins: vec![PluginReport {
                kind: "snapshotter",
                name: "overlayfs".to_owned(),
                version: "0.1.0".to_owned(),
                digest: digest.clone(),
                origin: "embedded:overlayfs".to_owned(),
                timings: PluginTimings { compile: 0.0, load: 0.4, instantiate: 0.1, call: 0.25 },
            }],
            totals: Totals { layers: outcomes.len(), ..Totals::default() },
            hints: Vec::new(),
            timings: Timings { total: 1234.5, ..Timings::default() },
        }
    }

    #[test]
    fn the_summary_has_image_and_totals() {
        let mut report = report(&[LayerOutcome::Existed, LayerOutcome::Fetched, LayerOutcome::Fetched]);
        report.totals.downloaded_bytes = 3 << 20;
        let expected = format!(
            "name         docker.io/library/debian:12\n\
             digest       {}\n\
             platform     linux/amd64\n\
             snapshotter  overlayfs\n\
             3 layers: 2 fetched, 1 existed, 3.0 MiB downloaded, 1.23 s\n",
            report.target
        );
        assert_eq!(summary(&report), expected);

        for (layer, lazy) in report.image.layers.iter_mut().zip([Some(true), Some(false), None]) {
            (layer.outcome, layer.lazy) = (LayerOutcome::Provided, lazy);
        }
        (report.totals.layer_bytes, report.totals.spared_bytes) = (3 << 20, 2 << 20);
        report.totals.downloaded_bytes = 1 << 20;
        assert!(summary(&report).ends_with(
            "3 layers: 1 lazy, 1 unpacked by the snapshotter, 1 provided, 1.0 MiB of 3.0 MiB downloaded, 1.23 s\n"
        ));

        report.suitability = Some(SuitabilityReport {
            verdict: "partial",
            code: "some".to_owned(),
            reason: "one layer\u{1b}[2J".to_owned(),
        });
        assert!(summary(&report).contains("suitability  partial: one layer\\u{1b}[2J\n"));
    }

    /// The page has one row per member of the JSON form.
    #[test]
    fn every_member_is_documented() {
        fn members(value: &serde_json::Value, prefix: &str, found: &mut Vec<String>) {
            match value {
                serde_json::Value::Object(object) => {
                    for (name, value) in object {
                        found.push(format!("{prefix}{name}"));
                        // The timings of a plugin are rows in the table of plugins.
                        let is_part_of_row =
                            prefix.is_empty() && name == "timings" && value.get("load").is_some();
                        members(value, if is_part_of_row { "timings." } else { "" }, found);
                    }
                }
                serde_json::Value::Array(items) => items.iter().for_each(|item| members(item, "", found)),
                _ => {}
            }
        }
        let page = include_str!("../../../docs/report.md");
        let mut report = report(&[LayerOutcome::Existed]);
        report.image.platform.variant = "v3".to_owned();
        report.image.platform.os_version = "1".to_owned();
        report.image.platform.os_features = vec!["f".to_owned()];
        let mut found = Vec::new();
        members(&serde_json::to_value(&report).unwrap(), "", &mut found);
        assert!(found.contains(&"timings.compile".to_owned()) && found.contains(&"os.version".to_owned()));
        for name in found {
            assert!(page.contains(&format!("\n| `{name}` | ")), "docs/report.md lacks a row for `{name}`");
        }
    }

    #[test]
    fn a_second_pull_reports_no_download() {
        let last = |outcomes: &[LayerOutcome]| summary(&report(outcomes)).lines().last().unwrap().to_owned();
        assert_eq!(last(&[LayerOutcome::Existed]), "1 layer: 1 existed, nothing downloaded, 1.23 s");
        assert_eq!(last(&[]), "0 layers, nothing downloaded, 1.23 s");
    }

    #[test]
    fn the_columns_of_the_timings_are_aligned() {
        let text = timings(&report(&[]));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[9], "  total                   1234.5");
        assert_eq!(lines[0].len(), lines[9].len());
        assert_eq!(
            lines[10],
            "plugins, each by itself                              compile      load  instantiate      call"
        );
        assert_eq!(
            lines[11],
            "  snapshotter overlayfs 0.1.0 (embedded:overlayfs)      0.00      0.40         0.10      0.25"
        );
    }
}
