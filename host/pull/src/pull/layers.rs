//! Carries out a plan, bottom-up: asks the snapshotter for each layer, and if it answers with mounts, fetches,
//! applies, compares the diff id and commits. Downloads run ahead of the unpacking.

mod transition;

use std::error::Error;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use self::transition::{Above, Answer, Promise, Step, next};
use super::downloads::Downloads;
use super::fetch::Fetched;
use super::snapshotters::Restart;
use super::stop::Stop;
use super::{LayerOutcome, LayerReport, PullError, milliseconds};
use dray_core::limits;
use dray_core::oci::{ChainId, Descriptor, DiffId};
use dray_ports::{
    Applied, Class, Committed, Event, Expectation, ImageToPlan, Labels, LayerPlan, LayerState, LayerToPlan,
    LeaseId, Mount, Plan, Prepared, Progress, Question, SnapshotInfo, SnapshotKey, Store, StoreError, Target,
};

/// Prefix of the annotations of an encrypted layer with its wrapped keys. The name of the scheme follows.
const WRAPPED_KEY: &str = "org.opencontainers.image.enc.keys.";

/// Unpacks the layers of one image under one lease.
pub(super) struct Unpacker<'a> {
    pub(super) store: &'a Store,
    pub(super) lease: &'a LeaseId,
    pub(super) image: &'a ImageToPlan,
    pub(super) stop: &'a Stop,
    pub(super) progress: &'a Arc<dyn Progress>,
    /// Whether the snapshotter is another process, which may be restarted meanwhile.
    pub(super) is_remote: bool,
    /// The label by which the snapshotter marks a layer that it serves lazily.
    pub(super) lazy_label: Option<&'a str>,
    /// How long the snapshotter may take to answer for one layer, if it is another process.
    pub(super) answer_within: Duration,
    /// The active snapshot, if there is one.
    pub(super) active: Option<SnapshotKey>,
    /// How long the answers for the current layer took.
    pub(super) asking: Duration,
    /// Whether the snapshotter serves the current layer lazily, as its mark says.
    pub(super) lazy: Option<bool>,
    pub(super) waiting: Duration,
    pub(super) applying: Duration,
}

/// An active snapshot, with its mounts if it needs the layer's content.
struct Active {
    key: SnapshotKey,
    mounts: Vec<Mount>,
}

impl Unpacker<'_> {
    /// Carries out a validated plan.
    ///
    /// After a failure no active snapshot of this pull is left. Committed snapshots stay, because the next pull can
    /// use them.
    pub(super) async fn unpack(
        &mut self,
        plan: &Plan,
        downloads: &mut Downloads,
    ) -> Result<Vec<LayerReport>, PullError> {
        let mut plans: Vec<LayerPlan> = plan.layers.clone();
        let mut reports: Vec<LayerReport> = Vec::with_capacity(plans.len());
        let mut restarts = 0;
        while reports.len() < plans.len() {
            let index = reports.len();
            (self.asking, self.lazy) = (Duration::ZERO, None);
            let report = match self.layer(index, &mut plans, downloads).await {
                Ok(report) => LayerReport { asking: milliseconds(self.asking), lazy: self.lazy, ..report },
                Err(error)
                    if restarts < limits::UNPACK_RESTARTS && self.has_lost_parent(index, &error).await =>
                {
                    tracing::debug!(index, "the layer below was collected, starting again from the bottom");
                    self.remove_active().await;
                    restarts += 1;
                    reports.clear();
                    continue;
                }
                Err(error) => {
                    let echo = self.stop.fail(error);
                    self.remove_active().await;
                    return Err(echo);
                }
            };
            let state = match report.outcome {
                LayerOutcome::Existed => LayerState::Exists,
                LayerOutcome::Provided => LayerState::Provided,
                _ => LayerState::Done,
            };
            self.tell(index, state);
            reports.push(report);
        }
        Ok(reports)
    }

    /// Whether a layer failed because the one below is gone: a collection that was running when we asked for it may
    /// have removed a layer without other owners.
    async fn has_lost_parent(&self, index: usize, error: &PullError) -> bool {
        match (error, index.checked_sub(1)) {
            (PullError::Store { source, .. }, Some(below)) if source.class() == Class::NotFound => {
                matches!(self.stat(&self.image.layers[below]).await, Ok(false))
            }
            _ => false,
        }
    }

    /// Brings one layer into the snapshotter. [`next`] decides what to do after each answer, and how the plans
    /// change.
    async fn layer(
        &mut self,
        index: usize,
        plans: &mut [LayerPlan],
        downloads: &mut Downloads,
    ) -> Result<LayerReport, PullError> {
        let image = self.image;
        let layer = &image.layers[index];
        let plan = &plans[index];
        let existed = match plan.expectation {
            Expectation::Mounts if plan.question != Question::Fetch => false,
            _ => self.stat(layer).await?,
        };
        // An existing layer is always asked for, because only that puts it under the lease.
        let mut asked = match plan.question {
            Question::Fetch if !existed => None,
            _ => Some(target(layer, &plan.question)),
        };
        self.tell(index, LayerState::Asking);
        loop {
            let answer = self.ask(index, asked.as_ref(), existed).await.unwrap_or_else(Answer::Failed);
            let (step, above) = next(&plans[index], answer);
            match step {
                Step::Fail(error) => return Err(error),
                Step::FetchInstead(error) if !self.is_of_the_snapshotter(index, &error).await => {
                    return Err(error);
                }
                Step::FetchInstead(error) => {
                    self.warn("failed on", index, above, Some(&error));
                    // The expectation stays, for the report.
                    plans[index].question = Question::Fetch;
                    replan(&mut plans[index + 1..], above);
                    // A snapshotter that fails may have created the snapshot before.
                    self.remove_active().await;
                    asked = None;
                }
                Step::NotProvided => {
                    return Err(PullError::NotProvided {
                        snapshotter: image.snapshotter.to_string(),
                        layer: layer.descriptor.digest.clone(),
                    });
                }
                Step::Use(outcome) => {
                    if plans[index].keep_blob {
                        downloads.start(index, &layer.descriptor);
                    }
                    return Ok(report(layer, outcome, None));
                }
                Step::Commit(active) => {
                    self.commit(layer, &active.key, &target(layer, &plans[index].question)).await?;
                    if plans[index].keep_blob {
                        downloads.start(index, &layer.descriptor);
                    }
                    return Ok(report(layer, LayerOutcome::Provided, None));
                }
                Step::Fill(active, promise) => {
                    if promise == Promise::Broken {
                        self.warn("did not provide", index, above, None);
                    }
                    replan(&mut plans[index + 1..], above);
                    let filled = self.fill(index, plans, downloads, &active).await?;
                    return Ok(LayerReport { broken_expectation: promise != Promise::None, ..filled });
                }
            }
        }
    }

    async fn stat(&self, layer: &LayerToPlan) -> Result<bool, PullError> {
        Ok(self.info(layer).await?.is_some())
    }

    async fn info(&self, layer: &LayerToPlan) -> Result<Option<SnapshotInfo>, PullError> {
        let snapshotter = &self.image.snapshotter;
        let found = self.store.snapshots.stat(snapshotter, &layer.chain_id).await;
        found.map_err(|source| self.store_error("looking for", layer, source))
    }

    /// Asks the snapshotter for a layer, or only for an active snapshot. `before` says whether it had the layer before.
    async fn ask(
        &mut self,
        index: usize,
        target: Option<&Target>,
        before: bool,
    ) -> Result<Answer<Active, PullError>, PullError> {
        let image = self.image;
        let layer = &image.layers[index];
        let parent = index.checked_sub(1).map(|below| &image.layers[below].chain_id);
        for _ in 0..limits::PREPARE_TRIES {
            let since = Instant::now();
            let prepared = self.prepare(index, parent, target).await;
            self.asking += since.elapsed();
            let (key, prepared) = prepared?;
            match prepared {
                Prepared::Active(mounts) => return Ok(Answer::Mounts(Active { key, mounts })),
                Prepared::Filled => return Ok(Answer::Filled(Active { key, mounts: Vec::new() })),
                Prepared::Exists => {
                    self.active = None;
                    if let Some(info) = self.info(layer).await? {
                        self.lazy = self.lazy_label.map(|label| info.labels.contains_key(label));
                        return Ok(Answer::Exists { before });
                    }
                }
            }
        }
        Err(PullError::Phantom {
            snapshotter: self.image.snapshotter.to_string(),
            layer: layer.descriptor.digest.clone(),
        })
    }

    /// Asks once; again if the snapshotter is another process that is being restarted.
    async fn prepare(
        &mut self,
        index: usize,
        parent: Option<&ChainId>,
        target: Option<&Target>,
    ) -> Result<(SnapshotKey, Prepared), PullError> {
        let layer = &self.image.layers[index];
        let restart = Restart::begin();
        loop {
            let key = self.store.snapshots.new_key(&layer.chain_id);
            // Set before the answer, which may be lost although the snapshot is created.
            self.active = Some(key.clone());
            let snapshots = &self.store.snapshots;
            let call = snapshots.prepare(self.lease, &self.image.snapshotter, &key, parent, target);
            match self.stop.or_cancelled(self.watched(index, call)).await? {
                Ok(prepared) => return Ok((key, prepared)),
                Err(error) if self.is_remote && restart.may_be_over(&error) => {
                    self.remove_active().await;
                    let pause = async {
                        restart.pause().await;
                        Ok(())
                    };
                    self.stop.or_cancelled(pause).await?;
                }
                Err(source) if self.is_remote && source.class() == Class::Unavailable => {
                    return Err(PullError::LostSnapshotter {
                        snapshotter: self.image.snapshotter.to_string(),
                        layer: layer.descriptor.digest.clone(),
                        position: index + 1,
                        layers: self.image.layers.len(),
                        source,
                    });
                }
                Err(source) => return Err(self.store_error("asking for", layer, source)),
            }
        }
    }

    /// Waits for the answer to a question for a layer, and tells the user while it takes long. Another process has the
    /// time that the plan gives it.
    async fn watched<T>(&self, index: usize, call: impl Future<Output = T>) -> Result<T, PullError> {
        let since = Instant::now();
        let mut call = pin!(call);
        loop {
            let left = self.answer_within.saturating_sub(since.elapsed());
            let until_told = limits::SNAPSHOTTER_SILENCE;
            let patience = if self.is_remote { left.min(until_told) } else { until_told };
            if let Ok(answer) = timeout(patience, &mut call).await {
                return Ok(answer);
            }
            let (snapshotter, elapsed) = (self.image.snapshotter.to_string(), since.elapsed());
            if self.is_remote && elapsed >= self.answer_within {
                return Err(PullError::SlowSnapshotter {
                    snapshotter,
                    layer: self.image.layers[index].descriptor.digest.clone(),
                    position: index + 1,
                    layers: self.image.layers.len(),
                    seconds: self.answer_within.as_secs(),
                });
            }
            self.progress.event(Event::WaitingForSnapshotter { snapshotter, index, elapsed });
        }
    }

    /// Fetches and applies a layer, and commits its snapshot.
    async fn fill(
        &mut self,
        index: usize,
        plans: &[LayerPlan],
        downloads: &mut Downloads,
        Active { key, mounts }: &Active,
    ) -> Result<LayerReport, PullError> {
        let image = self.image;
        let layer = &image.layers[index];
        // Everything from here up that is to be fetched in any case is fetched ahead, as by containerd's own client.
        let download = downloads.start(index, &layer.descriptor);
        for (above, plan) in plans.iter().enumerate().skip(index + 1) {
            if plan.expectation == Expectation::Mounts {
                let descriptor = &image.layers[above].descriptor;
                downloads.start_behind(above, descriptor, &download);
            }
        }

        let since = Instant::now();
        let fetched = downloads.wait(download).await?;
        self.waiting += since.elapsed();

        self.tell(index, LayerState::Extracting);
        let since = Instant::now();
        let apply = self.store.applier.apply(self.lease, &layer.descriptor, mounts);
        let apply = async { Ok(apply.await) };
        let applied = match self.stop.or_cancelled(apply).await? {
            Ok(applied) if applied.diff_id == layer.diff_id => applied,
            Err(source) if source.is_of_the_call() => {
                return Err(self.store_error("unpacking", layer, source));
            }
            faulty => {
                let error = match faulty {
                    Ok(Applied { diff_id, .. }) => self.wrong_diff_id(layer, diff_id),
                    Err(source) => self.apply_error(layer, source),
                };
                return Err(downloads.or_damage(&layer.descriptor, error).await);
            }
        };
        self.applying += since.elapsed();
        // Before the commit: a pull that dies in between would leave a layer whose blob no later pull labels.
        downloads.note_diff_id(&layer.descriptor, &layer.diff_id).await?;
        self.commit(layer, key, &target(layer, &plans[index].question)).await?;
        let outcome = match fetched {
            Fetched::Downloaded(_) => LayerOutcome::Fetched,
            Fetched::Existed => LayerOutcome::Applied,
        };
        Ok(report(layer, outcome, Some(applied.size)))
    }

    /// Whether the snapshotter itself failed. A missing parent is not such a failure, and neither is a missing
    /// answer: a snapshotter that is away makes no snapshot to fetch into.
    async fn is_of_the_snapshotter(&self, index: usize, error: &PullError) -> bool {
        matches!(error, PullError::Store { source, .. } if !source.is_of_the_call())
            && !self.has_lost_parent(index, error).await
    }

    /// Warns that a layer is fetched although the plan expected it to be provided, with the cause.
    fn warn(&self, what: &str, index: usize, above: Above, error: Option<&PullError>) {
        let (snapshotter, digest) = (&self.image.snapshotter, &self.image.layers[index].descriptor.digest);
        let mut message = format!("snapshotter `{snapshotter}` {what} layer {digest}, fetching it");
        if above == Above::StopAsking {
            message.push_str(" and those above it");
        }
        let mut cause = error.and_then(Error::source);
        while let Some(error) = cause {
            message.push_str(": ");
            message.push_str(&error.to_string());
            cause = error.source();
        }
        self.progress.event(Event::Warning { message });
    }

    async fn commit(
        &mut self,
        layer: &LayerToPlan,
        key: &SnapshotKey,
        target: &Target,
    ) -> Result<(), PullError> {
        let (snapshots, snapshotter) = (&self.store.snapshots, &self.image.snapshotter);
        let committed = snapshots.commit(self.lease, snapshotter, key, target).await;
        match committed.map_err(|source| self.store_error("committing", layer, source))? {
            Committed::New => self.active = None,
            // Another client was faster; its snapshot is equivalent, and ours is not needed.
            Committed::Exists => self.remove_active().await,
        }
        Ok(())
    }

    /// Removes the active snapshot. A failure only costs disk space until the lease ends.
    async fn remove_active(&mut self) {
        let Some(key) = self.active.take() else { return };
        let removal = self.store.snapshots.remove(&self.image.snapshotter, &key);
        match self.stop.clean_up(removal).await {
            Some(Ok(())) => {}
            Some(Err(error)) if error.class() == Class::NotFound => {}
            Some(Err(error)) => tracing::debug!(%key, %error, "an active snapshot stays behind"),
            None => tracing::debug!(%key, "an active snapshot stays behind: no answer"),
        }
    }

    fn tell(&self, index: usize, state: LayerState) {
        self.progress.event(Event::Layer { index, state });
    }

    /// For an encrypted layer, the cause is nearly always a decoder or a key, not the layer.
    fn apply_error(&self, layer: &LayerToPlan, source: StoreError) -> PullError {
        let Descriptor { media_type, digest, annotations, .. } = &layer.descriptor;
        if !media_type.is_encrypted() {
            return self.store_error("unpacking", layer, source);
        }
        let scheme = |key: &String| key.strip_prefix(WRAPPED_KEY).map(str::to_owned);
        PullError::Decrypt {
            layer: digest.clone(),
            media_type: media_type.clone(),
            schemes: annotations.keys().filter_map(scheme).collect(),
            source,
        }
    }

    /// A store that decrypts with another program, as containerd does, may not notice that the program has failed, and
    /// then unpacks what came out of it, if only nothing.
    fn wrong_diff_id(&self, layer: &LayerToPlan, found: DiffId) -> PullError {
        if layer.descriptor.media_type.is_encrypted() {
            let expected = &layer.diff_id;
            let why = format!("it unpacks to {found}, the image config says {expected}");
            let source = StoreError::new(Class::Unknown, "use what the decoder made of it").with_source(why);
            return self.apply_error(layer, source);
        }
        PullError::WrongDiffId {
            layer: layer.descriptor.digest.clone(),
            expected: layer.diff_id.clone(),
            found,
        }
    }

    fn store_error(&self, doing: &str, layer: &LayerToPlan, source: StoreError) -> PullError {
        let snapshotter = &self.image.snapshotter;
        let doing = format!("{doing} layer {} in snapshotter `{snapshotter}`", layer.descriptor.digest);
        PullError::Store { doing, source }
    }
}

/// Changes the plans of the layers above.
fn replan(plans: &mut [LayerPlan], above: Above) {
    for plan in plans {
        *plan = above.replan(plan.clone());
    }
}

/// The snapshot of a layer, with the labels of the plan.
fn target(layer: &LayerToPlan, question: &Question) -> Target {
    let labels = match question {
        Question::AskWithLabels(given) => given.iter().cloned().collect(),
        Question::Ask | Question::Fetch => Labels::new(),
    };
    Target { chain_id: layer.chain_id.clone(), labels }
}

fn report(layer: &LayerToPlan, outcome: LayerOutcome, uncompressed: Option<u64>) -> LayerReport {
    LayerReport {
        digest: layer.descriptor.digest.clone(),
        media_type: layer.descriptor.media_type.clone(),
        size: layer.descriptor.size,
        diff_id: Some(layer.diff_id.clone()),
        chain_id: Some(layer.chain_id.clone()),
        outcome,
        broken_expectation: false,
        lazy: None,
        asking: 0.0,
        downloaded: 0,
        uncompressed,
    }
}
