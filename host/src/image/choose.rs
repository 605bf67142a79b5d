//! Chooses entries of an index. The rule is the platform plugin's; what is offered to it, and what happens where
//! an entry states no platform, is decided here.

use super::Platforms;
use crate::oci::{Descriptor, Index, MediaKind, Platform};
use crate::ports::{PlatformMatcher, PluginFailure};

/// What an index has for the wanted platforms.
#[derive(Clone, Debug)]
pub(crate) struct Choices {
    /// The chosen entries, best first. One of them at most where one platform is wanted. An entry that states
    /// no platform is the last choice, and its config is to be checked later.
    pub(crate) entries: Vec<Descriptor>,
    /// The platforms that the index states, chosen or not.
    pub(crate) offered: Vec<Platform>,
}

/// Chooses the entries that are meant.
pub(crate) async fn choose(
    matcher: &dyn PlatformMatcher,
    platforms: &Platforms,
    index: &Index,
) -> Result<Choices, PluginFailure> {
    let is_usable =
        |entry: &&Descriptor| matches!(entry.media_type.kind(), MediaKind::Index | MediaKind::Manifest);
    let usable = index.manifests.iter().filter(is_usable).cloned();
    let (stated, unstated): (Vec<_>, Vec<_>) = usable.partition(|entry| entry.platform.is_some());
    // Attestations and the like state the platform `unknown`; no matcher can want them.
    let (unknown, stated): (Vec<_>, Vec<_>) =
        stated.into_iter().partition(|entry| entry.platform.as_ref().is_some_and(Platform::is_unknown));
    let offered: Vec<Platform> = stated.iter().filter_map(|entry| entry.platform.clone()).collect();
    let ranked = rank(matcher, platforms.wanted(), &offered).await?;
    let mut entries: Vec<Descriptor> = ranked.iter().filter_map(|&best| stated.get(best).cloned()).collect();
    entries.extend(unstated);
    match platforms {
        Platforms::One(_) => entries.truncate(1),
        Platforms::All { attestations: true, .. } => entries.extend(unknown),
        Platforms::Several(_) | Platforms::All { .. } => {}
    }
    Ok(Choices { entries, offered })
}

/// Asks the plugin, unless there is nothing to ask.
pub(crate) async fn rank(
    matcher: &dyn PlatformMatcher,
    wanted: &[Platform],
    offered: &[Platform],
) -> Result<Vec<usize>, PluginFailure> {
    if offered.is_empty() { Ok(Vec::new()) } else { matcher.rank(wanted, offered).await }
}

/// Whether a platform that became known late is one of the wanted ones.
pub(crate) async fn suits(
    matcher: &dyn PlatformMatcher,
    platforms: &Platforms,
    found: &Platform,
) -> Result<bool, PluginFailure> {
    Ok(!rank(matcher, platforms.wanted(), std::slice::from_ref(found)).await?.is_empty())
}
