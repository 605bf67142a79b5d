//! Chooses one entry of an index. The rule is the platform plugin's; what is offered to it, and what happens
//! where an entry states no platform, is decided here.

use crate::oci::{Descriptor, Index, MediaKind, Platform};
use crate::ports::{PlatformMatcher, PluginFailure};

/// The chosen entry.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The entry.
    pub descriptor: Descriptor,
    /// What the entry says it is for.
    pub platform: Option<Platform>,
}

/// Why nothing was chosen.
#[derive(Debug, thiserror::Error)]
pub enum ChooseError {
    /// Nothing suits.
    #[error("there is nothing for {wanted}")]
    NoPlatform {
        /// The wanted platform.
        wanted: Platform,
        /// What there is.
        offered: Vec<Platform>,
    },
    /// The plugin failed.
    #[error("the platform plugin failed")]
    Plugin {
        /// Why.
        #[source]
        source: PluginFailure,
    },
}

/// Chooses the best entry for `wanted`. An entry without platform is the last choice, and its config is to be
/// checked later.
///
/// # Errors
///
/// Fails if nothing suits, and if the plugin does.
pub async fn choose(
    matcher: &dyn PlatformMatcher,
    wanted: &Platform,
    index: &Index,
) -> Result<Choice, ChooseError> {
    let entries = index.manifests.iter().filter(|entry| is_offer(entry));
    let (stated, unstated): (Vec<_>, Vec<_>) = entries.partition(|entry| entry.platform.is_some());
    let offered: Vec<Platform> = stated.iter().filter_map(|entry| entry.platform.clone()).collect();
    let best = rank(matcher, wanted, &offered).await?.first().copied();
    let entry = best.and_then(|best| stated.get(best)).or(unstated.first());
    match entry {
        Some(entry) => Ok(Choice { descriptor: (*entry).clone(), platform: entry.platform.clone() }),
        None => Err(ChooseError::NoPlatform { wanted: wanted.clone(), offered }),
    }
}

/// Checks that a platform that became known late is a wanted one.
///
/// # Errors
///
/// Fails if it is not, and if the plugin fails.
pub async fn check(
    matcher: &dyn PlatformMatcher,
    wanted: &Platform,
    found: &Platform,
) -> Result<(), ChooseError> {
    let offered = vec![found.clone()];
    if rank(matcher, wanted, &offered).await?.is_empty() {
        return Err(ChooseError::NoPlatform { wanted: wanted.clone(), offered });
    }
    Ok(())
}

/// Whether an entry of an index is something that can be wanted. Attestations and the like state the platform
/// `unknown`, or say in an annotation what they are about.
pub fn is_offer(entry: &Descriptor) -> bool {
    matches!(entry.media_type.kind(), MediaKind::Index | MediaKind::Manifest)
        && !entry.platform.as_ref().is_some_and(Platform::is_unknown)
        && entry
            .annotations
            .get("vnd.docker.reference.type")
            .is_none_or(|kind| kind != "attestation-manifest")
}

async fn rank(
    matcher: &dyn PlatformMatcher,
    wanted: &Platform,
    offered: &[Platform],
) -> Result<Vec<usize>, ChooseError> {
    if offered.is_empty() {
        return Ok(Vec::new());
    }
    let ranked = matcher.rank(std::slice::from_ref(wanted), offered).await;
    ranked.map_err(|source| ChooseError::Plugin { source })
}
