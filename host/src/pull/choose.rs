//! Chooses one entry of an index. The rule is the platform plugin's; what is offered to it, and what happens
//! where an entry states no platform, is decided here.

use super::PullError;
use crate::oci::{Descriptor, Index, MediaKind, Platform, Reference};
use crate::ports::PlatformMatcher;

/// The chosen entry.
pub(super) struct Choice {
    pub(super) descriptor: Descriptor,
    /// What the entry says it is for.
    pub(super) platform: Option<Platform>,
}

/// Chooses the best entry for `wanted`. An entry without platform is the last choice, and its config is to be
/// checked later.
pub(super) async fn choose(
    reference: &Reference,
    matcher: &dyn PlatformMatcher,
    wanted: &Platform,
    index: &Index,
) -> Result<Choice, PullError> {
    // Attestations and the like state the platform `unknown`; nothing can want them.
    let usable = |entry: &&Descriptor| {
        matches!(entry.media_type.kind(), MediaKind::Index | MediaKind::Manifest)
            && !entry.platform.as_ref().is_some_and(Platform::is_unknown)
    };
    let entries: Vec<&Descriptor> = index.manifests.iter().filter(usable).collect();
    let (stated, unstated): (Vec<_>, Vec<_>) =
        entries.into_iter().partition(|entry| entry.platform.is_some());
    let offered: Vec<Platform> = stated.iter().filter_map(|entry| entry.platform.clone()).collect();
    let best = rank(matcher, wanted, &offered).await?.first().copied();
    let entry = best.and_then(|best| stated.get(best)).or(unstated.first());
    match entry {
        Some(entry) => Ok(Choice { descriptor: (*entry).clone(), platform: entry.platform.clone() }),
        None => {
            Err(PullError::NoPlatform { reference: reference.to_string(), wanted: wanted.clone(), offered })
        }
    }
}

/// Checks that a platform that became known late is a wanted one.
pub(super) async fn check(
    reference: &Reference,
    matcher: &dyn PlatformMatcher,
    wanted: &Platform,
    found: &Platform,
) -> Result<(), PullError> {
    let offered = vec![found.clone()];
    if rank(matcher, wanted, &offered).await?.is_empty() {
        return Err(PullError::NoPlatform {
            reference: reference.to_string(),
            wanted: wanted.clone(),
            offered,
        });
    }
    Ok(())
}

async fn rank(
    matcher: &dyn PlatformMatcher,
    wanted: &Platform,
    offered: &[Platform],
) -> Result<Vec<usize>, PullError> {
    if offered.is_empty() {
        return Ok(Vec::new());
    }
    let ranked = matcher.rank(std::slice::from_ref(wanted), offered).await;
    ranked.map_err(|source| PullError::Plugin { kind: "platform", source })
}
