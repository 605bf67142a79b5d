//! The way of a pull: resolve, lease, fetch, choose, plan, execute, record, report.
//!
//! Knows the outside world only through [`crate::ports`].

mod choose;
mod documents;
mod downloads;
mod error;
mod fetch;
#[cfg(fuzzing)]
pub mod fuzzing;
mod labels;
mod layers;
mod plan;
mod report;
mod request;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use self::documents::{DocumentFetcher, Documents};
use self::downloads::Downloads;
pub use self::error::{PlanError, PullError};
use self::fetch::{BlobFetcher, Fetched};
use self::layers::Unpacker;
pub use self::report::{
    LayerOutcome, LayerReport, PluginReport, PluginTimings, PullReport, SuitabilityReport, Timings, Totals,
};
pub use self::request::{PullRequest, Store, World};
use crate::limits;
use crate::oci::{ChainId, Descriptor, MediaKind};
use crate::ports::{
    Class, Event, ImageToPlan, LayerToPlan, LeaseId, Plan, PluginCallTimings, PluginIdentity, Resolved,
    SnapshotterName, StoreError, Suitability,
};

/// The snapshotter where neither the user nor the namespace names one.
const DEFAULT_SNAPSHOTTER: &str = "overlayfs";

/// Pulls one image for one platform and unpacks it.
///
/// The image record comes last, so that the name never stands for something incomplete. What is in the store
/// already (blobs, snapshots) is not fetched again.
///
/// # Errors
///
/// After an error the store has no image record, no lease, no active snapshot and no open ingest of this
/// pull. Layers that were committed before the error stay until the store collects them; a retry within that
/// time uses them.
///
/// # Cancellation
///
/// Cancelling `cancel` ends the pull with [`PullError::Cancelled`] after the same clean-up. Dropping the
/// future does not clean up: the lease then protects what is left until it expires.
pub async fn pull(
    world: &World,
    request: &PullRequest,
    cancel: &CancellationToken,
) -> Result<PullReport, PullError> {
    let started = Instant::now();
    let stop = cancel.child_token();
    let lookups = async { tokio::try_join!(resolve(world, request), snapshotter(world, request)) };
    let ((resolved, resolve_time), snapshotter) = tokio::select! {
        biased;
        () = stop.cancelled() => return Err(PullError::Cancelled),
        found = lookups => found?,
    };

    let lease = world.store.leases.create(limits::LEASE_EXPIRY).await;
    let lease = lease.map_err(|source| store_error("taking a lease", source))?;
    let pull = LeasedPull { world, request, snapshotter, lease: &lease, stop: &stop };
    let pulled = pull.run(resolved).await;
    let released = release(world, &lease).await;
    let mut report = pulled?;
    if let Err(message) = released {
        world.progress.event(Event::Warning { message });
    }
    report.timings.resolve = milliseconds(resolve_time);
    report.timings.total = milliseconds(started.elapsed());
    Ok(report)
}

async fn resolve(world: &World, request: &PullRequest) -> Result<(Resolved, Duration), PullError> {
    let since = Instant::now();
    let resolved = world.registry.resolve(&request.reference).await;
    let resolved =
        resolved.map_err(|source| PullError::Resolve { reference: request.reference.to_string(), source })?;
    world.progress.event(Event::Resolved { digest: resolved.descriptor.digest.clone() });
    Ok((resolved, since.elapsed()))
}

/// Finds out which snapshotter to use, and whether the store has it.
async fn snapshotter(world: &World, request: &PullRequest) -> Result<SnapshotterName, PullError> {
    let daemon = &world.store.daemon;
    let fault = |source| store_error("looking up its snapshotters", source);
    let name = if let Some(name) = &request.snapshotter {
        name.clone()
    } else {
        let default = daemon.default_snapshotter().await.map_err(fault)?;
        default.unwrap_or_else(|| SnapshotterName::new(DEFAULT_SNAPSHOTTER))
    };
    let known = match daemon.snapshotters().await {
        Ok(known) => known,
        // A store that cannot tell will say so at the first question to the snapshotter.
        Err(error) if error.class() == Class::Unimplemented => return Ok(name),
        Err(error) => return Err(fault(error)),
    };
    match known.iter().find(|info| info.name == name) {
        None => {
            let usable = known.iter().filter(|info| info.error.is_none());
            let known = usable.map(|info| info.name.to_string()).collect();
            Err(PullError::UnknownSnapshotter { name: name.to_string(), known })
        }
        Some(info) => match &info.error {
            Some(reason) => {
                Err(PullError::DeadSnapshotter { name: name.to_string(), reason: reason.clone() })
            }
            None => Ok(name),
        },
    }
}

/// Releases the lease within a time of its own, whatever became of the pull.
async fn release(world: &World, lease: &LeaseId) -> Result<(), String> {
    let release = world.store.leases.release(lease);
    match tokio::time::timeout(limits::CLEANUP_TIMEOUT, release).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => {
            tracing::debug!(%lease, %error, "the lease stays behind");
            Err(format!("lease `{lease}` could not be released, it expires by itself"))
        }
        Err(_) => Err(format!("lease `{lease}` could not be released in time, it expires by itself")),
    }
}

/// A pull that has its lease.
struct LeasedPull<'a> {
    world: &'a World,
    request: &'a PullRequest,
    snapshotter: SnapshotterName,
    lease: &'a LeaseId,
    stop: &'a CancellationToken,
}

impl LeasedPull<'_> {
    async fn run(self, resolved: Resolved) -> Result<PullReport, PullError> {
        let blobs = BlobFetcher {
            content: self.world.store.content.clone(),
            registry: self.world.registry.clone(),
            reference: self.request.reference.clone(),
            lease: self.lease.clone(),
            stop: self.stop.clone(),
        };
        let target = resolved.descriptor.clone();

        let since = Instant::now();
        let documents = self.documents(&blobs, resolved).await?;
        let documents_time = since.elapsed();
        self.warn_of_other_platform(&documents).await?;

        let image = self.image(&documents)?;
        for layer in &image.layers {
            blobs.check_algorithm("layer", &layer.descriptor.digest).await?;
        }
        let plan = self.plan(&image).await?;
        let layers = image.layers.iter().map(|l| (l.descriptor.digest.clone(), l.descriptor.size)).collect();
        self.world.progress.event(Event::Planned { platform: documents.platform.clone(), layers });

        let since = Instant::now();
        let mut downloads = Downloads::new(blobs.clone(), self.world.progress.clone());
        let mut unpacker = Unpacker {
            store: &self.world.store,
            lease: self.lease,
            image: &image,
            progress: &self.world.progress,
            waiting: Duration::ZERO,
            applying: Duration::ZERO,
        };
        let unpacked = self.layers(&documents, &image, &plan, &mut unpacker, &mut downloads).await;
        if unpacked.is_err() {
            downloads.stop().await;
        }
        let mut layers = unpacked?;
        let layers_time = since.elapsed();
        let (waiting, applying) = (unpacker.waiting, unpacker.applying);

        let since = Instant::now();
        self.record(&blobs, &target, &documents, &image).await?;

        let mut totals = Totals {
            layers: layers.len(),
            layer_bytes: layers.iter().map(|layer| layer.size).sum(),
            downloaded_blobs: documents.downloaded.len(),
            downloaded_bytes: documents.downloaded.iter().sum(),
        };
        let mut counted = std::collections::HashSet::new();
        for layer in &mut layers {
            if let Some(Fetched::Downloaded(bytes)) = downloads.outcome(&layer.digest)
                && counted.insert(layer.digest.clone())
            {
                layer.downloaded = bytes;
                totals.downloaded_blobs += 1;
                totals.downloaded_bytes += bytes;
            }
        }
        let timings = Timings {
            documents: milliseconds(documents_time),
            layers: milliseconds(layers_time),
            waiting_for_blobs: milliseconds(waiting),
            applying: milliseconds(applying),
            record: milliseconds(since.elapsed()),
            ..Timings::default()
        };
        Ok(self.report(&target, documents, plan, layers, totals, timings))
    }

    async fn documents(&self, blobs: &BlobFetcher, resolved: Resolved) -> Result<Documents, PullError> {
        let matcher = self.world.matcher.as_ref();
        let wanted = &self.request.platform;
        DocumentFetcher { blobs, matcher, wanted, downloaded: Vec::new() }.fetch(resolved).await
    }

    /// An image without index is pulled whatever its platform, as every client does; the user should know.
    async fn warn_of_other_platform(&self, documents: &Documents) -> Result<(), PullError> {
        let wanted = &self.request.platform;
        if documents.index.is_some() || documents.platform.os.is_empty() {
            return Ok(());
        }
        let (reference, matcher) = (&self.request.reference, self.world.matcher.as_ref());
        match choose::check(reference, matcher, wanted, &documents.platform).await {
            Err(PullError::NoPlatform { .. }) => {
                let found = &documents.platform;
                let message =
                    format!("the image is for {found} only and was pulled although {wanted} is wanted");
                self.world.progress.event(Event::Warning { message });
                Ok(())
            }
            other => other,
        }
    }

    fn image(&self, documents: &Documents) -> Result<ImageToPlan, PullError> {
        let is_layer = |descriptor: &&Descriptor| descriptor.media_type.kind() == MediaKind::Layer;
        let layers: Vec<&Descriptor> = documents.manifest.layers.iter().filter(is_layer).collect();
        let diff_ids = &documents.config.diff_ids;
        if layers.len() != diff_ids.len() {
            return Err(PullError::LayerCount { layers: layers.len(), diff_ids: diff_ids.len() });
        }
        let layer = |((descriptor, diff_id), chain_id): ((&&Descriptor, _), _)| LayerToPlan {
            descriptor: (*descriptor).clone(),
            diff_id: Clone::clone(diff_id),
            chain_id,
        };
        Ok(ImageToPlan {
            reference: self.request.typed.clone(),
            canonical: self.request.reference.to_string(),
            snapshotter: self.snapshotter.clone(),
            index: documents.index.clone(),
            manifest: documents.manifest_descriptor.clone(),
            manifest_annotations: documents.manifest.annotations.clone(),
            config: documents.manifest.config.clone(),
            config_labels: documents.config.labels.clone(),
            platform: documents.platform.clone(),
            layers: layers.iter().zip(diff_ids).zip(ChainId::stack(diff_ids)).map(layer).collect(),
        })
    }

    /// Asks the snapshotter plugin and checks its whole answer.
    async fn plan(&self, image: &ImageToPlan) -> Result<Plan, PullError> {
        let planner = &self.world.planner;
        if image.layers.is_empty() {
            return Ok(Plan {
                suitability: Suitability::Plain,
                code: "no-layers".to_owned(),
                reason: "the image has no layers".to_owned(),
                layers: Vec::new(),
                hints: Vec::new(),
            });
        }
        let plan = planner.plan(image).await;
        let plan = plan.map_err(|source| PullError::Plugin { kind: "snapshotter", source })?;
        let invalid = |source| PullError::Plan { plugin: planner.identity().to_string(), source };
        plan::validate(&plan, image).map_err(invalid)?;
        if plan.suitability == Suitability::Foreign {
            let snapshotter = image.snapshotter.to_string();
            return Err(PullError::Foreign { snapshotter, code: plan.code, reason: plan.reason });
        }
        Ok(plan)
    }

    async fn layers(
        &self,
        documents: &Documents,
        image: &ImageToPlan,
        plan: &Plan,
        unpacker: &mut Unpacker<'_>,
        downloads: &mut Downloads,
    ) -> Result<Vec<LayerReport>, PullError> {
        let reports = unpacker.unpack(plan, downloads).await?;
        // What a manifest lists beside its layers is fetched and not unpacked.
        for (index, descriptor) in documents.manifest.layers.iter().enumerate() {
            if descriptor.media_type.kind() != MediaKind::Layer {
                downloads.start(image.layers.len() + index, descriptor);
            }
        }
        downloads.finish().await?;
        Ok(reports)
    }

    /// Binds the snapshots to the config, and then the name to the image.
    async fn record(
        &self,
        blobs: &BlobFetcher,
        target: &Descriptor,
        documents: &Documents,
        image: &ImageToPlan,
    ) -> Result<(), PullError> {
        if let Some(top) = image.layers.last() {
            let label = labels::snapshot(&self.snapshotter, &top.chain_id);
            blobs.label_also("image config", &documents.manifest.config, label).await?;
        }
        let name = self.request.reference.to_string();
        let put = self.world.store.images.put(&name, target).await;
        put.map_err(|source| store_error("writing the image record", source))
    }

    fn report(
        &self,
        target: &Descriptor,
        documents: Documents,
        plan: Plan,
        layers: Vec<LayerReport>,
        totals: Totals,
        timings: Timings,
    ) -> PullReport {
        let (matcher, planner) = (&self.world.matcher, &self.world.planner);
        let plugins = vec![
            plugin_report("platform", matcher.identity(), matcher.timings()),
            plugin_report("snapshotter", planner.identity(), planner.timings()),
        ];
        let cost =
            |p: &PluginReport| p.timings.compile + p.timings.load + p.timings.instantiate + p.timings.call;
        let timings = Timings { plugins: plugins.iter().map(cost).sum(), ..timings };
        let verdict = match plan.suitability {
            Suitability::Native => "native",
            Suitability::Partial => "partial",
            Suitability::Plain => "plain",
            Suitability::Foreign => "foreign",
        };
        PullReport {
            schema: "dray.pull/v1",
            name: self.request.reference.to_string(),
            target: target.digest.clone(),
            target_media_type: target.media_type.clone(),
            manifest: documents.manifest_descriptor.digest,
            config: documents.manifest.config.digest,
            platform: documents.platform,
            snapshotter: self.snapshotter.to_string(),
            suitability: SuitabilityReport { verdict, code: plan.code, reason: plan.reason },
            plugins,
            layers,
            totals,
            hints: plan.hints,
            timings,
        }
    }
}

fn plugin_report(kind: &'static str, identity: PluginIdentity, timings: PluginCallTimings) -> PluginReport {
    PluginReport {
        kind,
        name: identity.name,
        version: identity.version,
        digest: identity.digest,
        timings: PluginTimings {
            compile: milliseconds(timings.compile),
            load: milliseconds(timings.load),
            instantiate: milliseconds(timings.instantiate),
            call: milliseconds(timings.call),
        },
    }
}

fn store_error(doing: &str, source: StoreError) -> PullError {
    PullError::Store { doing: doing.to_owned(), source }
}

/// Rounded to microseconds, which is what the measurement is good for.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
