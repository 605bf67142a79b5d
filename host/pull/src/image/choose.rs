//! Chooses entries of an index. The platform plugin has the rule. This module decides what is offered to it, and
//! handles entries without platform.

use super::Platforms;
use dray_core::oci::{Descriptor, Index, MediaKind, MediaType, Platform, UnusableEntry};
use dray_ports::{PlatformMatcher, PluginFailure};

/// The entries of an index for the wanted platforms.
#[derive(Clone, Debug)]
pub(crate) struct Choices {
    /// The entries to visit, best first. Entries without platform come last, because their config must be read.
    pub(crate) entries: Vec<Choice>,
    /// The platforms that the index states, chosen or not.
    pub(crate) offered: Vec<Platform>,
}

/// An entry of an index.
#[derive(Clone, Debug)]
pub(crate) enum Choice {
    Usable(Descriptor),
    Unusable(UnusableEntry),
}

impl Choice {
    fn media_type(&self) -> &MediaType {
        match self {
            Self::Usable(entry) => &entry.media_type,
            Self::Unusable(entry) => &entry.media_type,
        }
    }

    fn platform(&self) -> Option<&Platform> {
        match self {
            Self::Usable(entry) => entry.platform.as_ref(),
            Self::Unusable(entry) => entry.platform.as_ref(),
        }
    }
}

/// Chooses the entries that are wanted, or may be.
pub(crate) async fn choose(
    matcher: &dyn PlatformMatcher,
    platforms: &Platforms,
    index: &Index,
) -> Result<Choices, PluginFailure> {
    // Of two entries for the same platform, the valid one comes first.
    let usable = index.manifests.iter().cloned().map(Choice::Usable);
    let all = usable.chain(index.unusable.iter().cloned().map(Choice::Unusable));
    let is_known =
        |entry: &Choice| matches!(entry.media_type().kind(), MediaKind::Index | MediaKind::Manifest);
    let (stated, unstated): (Vec<_>, Vec<_>) =
        all.filter(is_known).partition(|entry| entry.platform().is_some());
    // Attestations and the like have the platform `unknown`, which no matcher accepts.
    let (unknown, stated): (Vec<_>, Vec<_>) =
        stated.into_iter().partition(|entry| entry.platform().is_some_and(Platform::is_unknown));
    let offered: Vec<Platform> = stated.iter().filter_map(|entry| entry.platform().cloned()).collect();
    let ranked = rank(matcher, platforms.wanted(), &offered).await?;
    let mut entries: Vec<Choice> = ranked.iter().filter_map(|&best| stated.get(best).cloned()).collect();
    entries.extend(unstated);
    if matches!(platforms, Platforms::All { attestations: true, .. }) {
        entries.extend(unknown);
    }
    Ok(Choices { entries, offered })
}

/// Asks the plugin, unless nothing is offered.
async fn rank(
    matcher: &dyn PlatformMatcher,
    wanted: &[Platform],
    offered: &[Platform],
) -> Result<Vec<usize>, PluginFailure> {
    if offered.is_empty() { Ok(Vec::new()) } else { matcher.rank(wanted, offered).await }
}

/// Whether a platform from a config is wanted.
pub(crate) async fn suits(
    matcher: &dyn PlatformMatcher,
    platforms: &Platforms,
    found: &Platform,
) -> Result<bool, PluginFailure> {
    Ok(!rank(matcher, platforms.wanted(), std::slice::from_ref(found)).await?.is_empty())
}

/// The wanted platforms without an image.
pub(crate) async fn unmatched(
    matcher: &dyn PlatformMatcher,
    wanted: &[Platform],
    found: &[Platform],
) -> Result<Vec<Platform>, PluginFailure> {
    let mut unmatched = Vec::new();
    for platform in wanted {
        if rank(matcher, std::slice::from_ref(platform), found).await?.is_empty() {
            unmatched.push(platform.clone());
        }
    }
    Ok(unmatched)
}
