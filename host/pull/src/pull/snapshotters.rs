//! Which snapshotters an image may be unpacked into: those that the store has and that answer, each with its planner.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep, timeout};

use super::{PullError, SnapshotterChoice, Unpack, store_error};
use dray_core::limits;
use dray_ports::{Class, Planner, Planners, SnapshotterInfo, SnapshotterName, Store, StoreError, StoreInfo};

/// The snapshotter if neither the user nor the namespace names one.
const DEFAULT_SNAPSHOTTER: &str = "overlayfs";

/// How long to wait before a snapshotter is asked again that could not be reached.
const PAUSE: Duration = Duration::from_millis(250);

/// A snapshotter that an image may be unpacked into.
#[derive(Clone)]
pub(super) struct Candidate {
    pub(super) snapshotter: SnapshotterName,
    pub(super) planner: Arc<dyn Planner>,
    /// Where another process serves it; absent if the store serves it itself.
    pub(super) address: Option<String>,
}

/// Where an image may be unpacked. The planners decide once the documents of the image are known.
#[derive(Clone)]
pub(super) struct Candidates {
    /// In the order in which they are preferred; at least one.
    pub(super) usable: Vec<Candidate>,
    /// Those that do not answer, and why. They are passed over only where the choice is free.
    pub(super) failed: Vec<(SnapshotterName, String)>,
    /// The one that takes what suits none of the others.
    pub(super) fallback: SnapshotterName,
    /// Whether the image decides.
    pub(super) is_free: bool,
}

/// Snapshotters that answer, before their planners are loaded.
pub(super) struct Answering {
    usable: Vec<SnapshotterInfo>,
    failed: Vec<(SnapshotterName, PullError)>,
    fallback: SnapshotterName,
    is_free: bool,
}

/// Finds out which snapshotters may be used, and that each of them answers. Asks no registry and no plugin.
pub(super) async fn answering(store: &Store, unpack: &Unpack) -> Result<Answering, PullError> {
    let (wanted, order) = match &unpack.snapshotter {
        SnapshotterChoice::Default => (None, None),
        SnapshotterChoice::Named(name) => (Some(name), None),
        SnapshotterChoice::Auto { order } => (None, Some(order)),
    };
    let usable = usable_snapshotter_info(store.info.as_ref(), wanted).await;
    let Some(order) = order else {
        let usable = usable?;
        probe(store, &usable).await?;
        let fallback = usable.name.clone();
        return Ok(Answering { usable: vec![usable], failed: Vec::new(), fallback, is_free: false });
    };
    free(store, order, unpack.planners.as_ref()).await
}

/// The same where the image decides.
async fn free(
    store: &Store,
    order: &[SnapshotterName],
    planners: &dyn Planners,
) -> Result<Answering, PullError> {
    // Where the choice is free, even the default may be missing.
    let fallback = default_snapshotter(store.info.as_ref()).await?;
    let known = store.info.snapshotters().await;
    let known = known.map_err(|source| store_error(LOOKING_UP, source))?;
    let may_serve = |info: &SnapshotterInfo| {
        info.error.is_none() && (info.name == fallback || planners.has_own(&info.name))
    };
    let mut candidates: Vec<SnapshotterInfo> = known.into_iter().filter(may_serve).collect();
    // By name in the end: containerd lists snapshotters in an order that changes with each start.
    let rank = |info: &SnapshotterInfo| {
        let listed = order.iter().position(|name| *name == info.name);
        (listed.unwrap_or(order.len()), info.name == fallback, info.name.to_string())
    };
    candidates.sort_by_cached_key(rank);
    let answers = join_all(candidates.iter().map(|info| probe(store, info))).await;
    let (mut usable, mut failed) = (Vec::new(), Vec::new());
    for (info, answer) in candidates.into_iter().zip(answers) {
        match answer {
            Ok(()) => usable.push(info),
            Err(error) => failed.push((info.name, error)),
        }
    }
    if usable.is_empty() {
        let unknown = || PullError::UnknownSnapshotter { name: fallback.to_string(), known: Vec::new() };
        return Err(failed.into_iter().next().map_or_else(unknown, |(_, error)| error));
    }
    Ok(Answering { usable, failed, fallback, is_free: true })
}

impl Answering {
    /// Loads the planner of each.
    pub(super) async fn with_planners(self, unpack: &Unpack) -> Result<Candidates, PullError> {
        let Self { usable, failed, fallback, is_free } = self;
        let load = async |SnapshotterInfo { name, address, .. }: SnapshotterInfo| {
            let planner = unpack.planners.planner_for(&name).await;
            let planner = planner.map_err(|source| PullError::Planner { source })?;
            Ok(Candidate { snapshotter: name, planner, address })
        };
        let loaded = join_all(usable.into_iter().map(load)).await;
        let usable = loaded.into_iter().collect::<Result<_, PullError>>()?;
        let failed = failed.into_iter().map(|(name, error)| (name, error.to_string())).collect();
        Ok(Candidates { usable, failed, fallback, is_free })
    }
}

/// Asks a snapshotter that is another process whether it answers. One that was restarted a moment ago gets the time
/// to come back.
async fn probe(store: &Store, snapshotter: &SnapshotterInfo) -> Result<(), PullError> {
    let SnapshotterInfo { name, address: Some(address), .. } = snapshotter else { return Ok(()) };
    let asked = async {
        let restart = Restart::begin();
        loop {
            match store.snapshots.probe(name).await {
                Err(error) if restart.may_be_over(&error) => restart.pause().await,
                answer => return answer,
            }
        }
    };
    let address = address.clone();
    let answer = timeout(limits::SNAPSHOTTER_PROBE_TIMEOUT, asked).await;
    let name = name.to_string();
    match answer {
        Ok(Ok(())) => Ok(()),
        Ok(Err(source)) if source.class() == Class::Unavailable => {
            Err(PullError::UnreachableSnapshotter { name, address, source })
        }
        Ok(Err(source)) => Err(store_error(&format!("asking snapshotter `{name}` at {address}"), source)),
        Err(_) => {
            let seconds = limits::SNAPSHOTTER_PROBE_TIMEOUT.as_secs();
            Err(PullError::SilentSnapshotter { name, address, seconds })
        }
    }
}

/// The time in which a snapshotter that cannot be reached may come back.
pub(super) struct Restart {
    deadline: Instant,
}

impl Restart {
    /// It begins now.
    pub(super) fn begin() -> Self {
        Self { deadline: Instant::now() + limits::SNAPSHOTTER_RESTART }
    }

    /// Whether another try makes sense after this error, which ended a call.
    pub(super) fn may_be_over(&self, error: &StoreError) -> bool {
        error.class() == Class::Unavailable && Instant::now() + PAUSE < self.deadline
    }

    /// Waits before another try.
    pub(super) async fn pause(&self) {
        tracing::debug!("the snapshotter cannot be reached, asking again");
        sleep(PAUSE).await;
    }
}

const LOOKING_UP: &str = "looking up its snapshotters";

/// The snapshotters that an image may have been unpacked into where the image decides, and why others cannot be asked.
/// The default of the namespace comes first: most images are there.
///
/// # Errors
///
/// Fails if none of them answers, and if the store fails.
pub async fn answering_snapshotters(
    store: &Store,
    planners: &dyn Planners,
) -> Result<(Vec<SnapshotterName>, Vec<PullError>), PullError> {
    let Answering { usable, failed, fallback, .. } = free(store, &[], planners).await?;
    let mut names: Vec<_> = usable.into_iter().map(|info| info.name).collect();
    names.sort_by_key(|name| *name != fallback);
    Ok((names, failed.into_iter().map(|(_, error)| error).collect()))
}

/// Determines the snapshotter: the wanted one, else the default of the namespace, else `overlayfs`.
///
/// # Errors
///
/// Fails if the store does not have it, or if it did not start.
pub async fn usable_snapshotter(
    store: &dyn StoreInfo,
    wanted: Option<&SnapshotterName>,
) -> Result<SnapshotterName, PullError> {
    Ok(usable_snapshotter_info(store, wanted).await?.name)
}

async fn default_snapshotter(store: &dyn StoreInfo) -> Result<SnapshotterName, PullError> {
    let default = store.default_snapshotter().await.map_err(|source| store_error(LOOKING_UP, source))?;
    Ok(default.unwrap_or_else(|| SnapshotterName::new(DEFAULT_SNAPSHOTTER)))
}

async fn usable_snapshotter_info(
    store: &dyn StoreInfo,
    wanted: Option<&SnapshotterName>,
) -> Result<SnapshotterInfo, PullError> {
    let name = match wanted {
        Some(name) => name.clone(),
        None => default_snapshotter(store).await?,
    };
    let known = match store.snapshotters().await {
        Ok(known) => known,
        // A store that cannot tell will fail at the first call to the snapshotter.
        Err(error) if error.class() == Class::Unimplemented => return Ok(SnapshotterInfo::named(name)),
        Err(error) => return Err(store_error(LOOKING_UP, error)),
    };
    let usable = || known.iter().filter(|info| info.error.is_none()).map(|info| info.name.to_string());
    match known.iter().find(|info| info.name == name) {
        None => Err(PullError::UnknownSnapshotter { name: name.to_string(), known: usable().collect() }),
        Some(SnapshotterInfo { error: Some(reason), .. }) => {
            Err(PullError::DeadSnapshotter { name: name.to_string(), reason: reason.clone() })
        }
        Some(info) => Ok(info.clone()),
    }
}
