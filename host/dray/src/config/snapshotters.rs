//! Which embedded plugin plans for a snapshotter, by the name under which the snapshotter is registered.

/// The embedded plugin for every snapshotter without special labels.
pub(super) const PLAIN: &str = "overlayfs";

/// The words by which the projects call their snapshotters, and the plugins that know them.
const BY_WORD: [(&str, &str); 6] = [
    ("cvmfs", "cvmfs"),
    ("estargz", "stargz"),
    ("nydus", "nydus"),
    ("overlaybd", "overlaybd"),
    ("soci", "soci"),
    ("stargz", "stargz"),
];

/// The name of the embedded plugin for a snapshotter.
///
/// The name of a snapshotter is the operator's choice. Most choose the name of the project, or lengthen it:
/// `stargz-v1`, `cvmfs-snapshotter`, `soci_test`. So the first of the name's words that is a project's counts; words
/// end at what is no letter or digit. A part of a word does not count: `social` is no `soci`.
pub(super) fn embedded_planner(snapshotter: &str) -> &'static str {
    let mut words = snapshotter.split(|c: char| !c.is_ascii_alphanumeric());
    let known = |word: &str| BY_WORD.iter().find(|(name, _)| word.eq_ignore_ascii_case(name));
    words.find_map(known).map_or(PLAIN, |(_, plugin)| plugin)
}

#[cfg(test)]
mod tests {
    use dray_plugin_host::{PluginKind, PluginOrigin};

    use super::*;

    #[test]
    fn snapshotters_are_known_by_the_names_of_their_projects() {
        for (snapshotter, plugin) in [
            ("overlayfs", "overlayfs"),
            ("native", "overlayfs"),
            ("btrfs", "overlayfs"),
            ("zfs", "overlayfs"),
            ("devmapper", "overlayfs"),
            ("blockfile", "overlayfs"),
            ("erofs", "overlayfs"),
            ("fuse-overlayfs", "overlayfs"),
            ("stargz", "stargz"),
            ("stargz-v1", "stargz"),
            ("stargz-snapshotter", "stargz"),
            ("containerd-stargz-grpc", "stargz"),
            ("estargz", "stargz"),
            ("soci", "soci"),
            ("soci-snapshotter", "soci"),
            ("soci_test", "soci"),
            ("overlaybd", "overlaybd"),
            ("overlaybd-snapshotter", "overlaybd"),
            ("nydus", "nydus"),
            ("nydus-snapshotter", "nydus"),
            ("Nydus.kata", "nydus"),
            ("cvmfs", "cvmfs"),
            ("cvmfs-snapshotter", "cvmfs"),
            // The first one.
            ("nydus-on-stargz", "nydus"),
            // Anything else is a plain one, and a plugin of another kind is none.
            ("lazy", "overlayfs"),
            ("social", "overlayfs"),
            ("mystargz", "overlayfs"),
            ("platform", "overlayfs"),
            ("", "overlayfs"),
        ] {
            assert_eq!(embedded_planner(snapshotter), plugin, "{snapshotter}");
        }
    }

    #[test]
    fn every_plugin_of_the_table_is_embedded() {
        for plugin in BY_WORD.map(|(_, plugin)| plugin).into_iter().chain([PLAIN]) {
            let origin = PluginOrigin::embedded(plugin).unwrap_or_else(|| panic!("{plugin}"));
            assert_eq!(origin.embedded_kind(), Some(PluginKind::Snapshotter), "{plugin}");
        }
    }
}
