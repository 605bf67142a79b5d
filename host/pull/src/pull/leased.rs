//! The steps of a pull under its lease, from the documents to the image record and the report.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::blob::Blob;
use super::choice::{Planned, consider};
use super::documents::{self, Documents, Images};
use super::downloads::Downloads;
use super::fetch::{BlobFetcher, Fetched, Source};
use super::job::Job;
use super::layers::Unpacker;
use super::report::{plugin_report, suitability_report};
use super::snapshotters::{Candidate, Candidates};
use super::stop::Stop;
use super::{
    ConsideredReport, ImageReport, LayerOutcome, LayerReport, Outcome, PullError, PullReport, Timings,
    Totals, milliseconds, rounded, store_error,
};
use crate::image::{Platforms, unmatched};
use dray_core::oci::{Descriptor, Digest, Reference};
use dray_ports::{BlobFacts, Event, LeaseId, Plan, Resolved, SnapshotterName};

/// A pull that has its lease.
pub(super) struct LeasedPull<'a> {
    pub(super) job: Job<'a>,
    pub(super) lease: &'a LeaseId,
    pub(super) stop: &'a Stop,
}

/// Where an image was unpacked, and as which plan says.
struct Unpacked {
    snapshotter: SnapshotterName,
    plan: Plan,
    considered: Vec<ConsideredReport>,
}

/// The results for the layers of all images.
struct LayerResults {
    best: ImageReport,
    others: Vec<ImageReport>,
    unpacked: Option<Unpacked>,
    waiting: Duration,
    applying: Duration,
}

impl LeasedPull<'_> {
    /// Fetches everything below the target into the store, and binds the name to it. A failure may follow from
    /// another one, see [`Stop::reason`].
    pub(super) async fn run(self, resolved: Resolved) -> Result<PullReport, PullError> {
        let registry = &self.job.world.registry;
        let source =
            |reference: &Reference| Source { registry: registry.clone(), reference: reference.clone() };
        let blobs = BlobFetcher {
            content: self.job.world.store.content.clone(),
            source: self.job.reference.map(source),
            lease: self.lease.clone(),
            repairs: self.job.outcome == Outcome::Fetched,
            stop: self.stop.clone(),
        };
        let target = resolved.descriptor.clone();

        let since = Instant::now();
        let (name, platforms) = (self.job.name, &self.job.request.platforms);
        let found = documents::fetch(name, &blobs, self.job.world, platforms, resolved).await?;
        let documents_time = since.elapsed();
        self.warn_of_platforms(&found).await?;
        for layer in found.images().flat_map(|image| &image.manifest.layers) {
            blobs.check_algorithm("layer", &layer.digest).await?;
        }

        let since = Instant::now();
        let parallel = self.job.request.parallel_downloads;
        let is_last_step = self.job.candidates.is_none();
        let progress = self.job.world.progress.clone();
        let mut downloads = Downloads::new(blobs.clone(), parallel, is_last_step, progress);
        let results = match &self.job.candidates {
            Some(candidates) => self.unpack(candidates, &found.best, &blobs, &mut downloads).await,
            None => self.fetch(&found, &mut downloads).await,
        };
        let mut results = match results {
            Ok(results) => results,
            Err(error) => {
                let echo = self.stop.fail(error);
                downloads.drain().await;
                return Err(echo);
            }
        };
        let layers_time = since.elapsed();

        let since = Instant::now();
        if self.job.outcome == Outcome::Pulled {
            let put = self.job.world.store.images.put(self.job.name, &target).await;
            put.map_err(|source| store_error("writing the image record", source))?;
        }
        let timings = Timings {
            documents: milliseconds(documents_time),
            layers: milliseconds(layers_time),
            waiting_for_blobs: milliseconds(results.waiting),
            applying: milliseconds(results.applying),
            record: milliseconds(since.elapsed()),
            ..Timings::default()
        };
        let totals = totals(&found, &mut results, &downloads);
        Ok(self.report(&target, results, totals, timings))
    }

    /// Warns of surprises: a wanted platform that is missing, and an image without index for another platform, which
    /// is pulled as in every client.
    async fn warn_of_platforms(&self, found: &Images) -> Result<(), PullError> {
        let unmatched = match &self.job.request.platforms {
            Platforms::All { .. } => return Ok(()),
            Platforms::One(_) if found.best.fits => return Ok(()),
            Platforms::One(platform) => vec![platform.clone()],
            Platforms::Several(wanted) => {
                let platforms: Vec<_> = found.images().map(|image| image.platform.clone()).collect();
                let unmatched = unmatched(self.job.world.matcher.as_ref(), wanted, &platforms).await;
                unmatched.map_err(|source| PullError::Plugin { kind: "platform", source })?
            }
        };
        for platform in unmatched {
            let message = match &found.best {
                Documents { index: Some(_), .. } => format!("the image has nothing for {platform}"),
                Documents { platform: stated, .. } if stated.os.is_empty() => continue,
                Documents { platform: stated, .. } => {
                    format!("the image is for {stated} only, and is pulled although {platform} is wanted")
                }
            };
            self.job.world.progress.event(Event::Warning { message });
        }
        Ok(())
    }

    /// Unpacks the image as the snapshotter's plugin plans.
    async fn unpack(
        &self,
        candidates: &Candidates,
        documents: &Documents,
        blobs: &BlobFetcher,
        downloads: &mut Downloads,
    ) -> Result<LayerResults, PullError> {
        let (typed, name) = (&self.job.request.name, self.job.name);
        let image_for = |snapshotter: &SnapshotterName| documents.to_plan(typed, name, snapshotter);
        let considered = consider(candidates, image_for).await?;
        let report = if candidates.is_free { considered.report() } else { Vec::new() };
        self.tell(&report);
        let Planned { candidate, image, mut plan } = considered.into_best()?;
        let wishes = self.job.request.unpack.as_ref();
        let keeps_blobs = wishes.is_some_and(|unpack| unpack.keep_blobs);
        let verifies = plan.verify || wishes.is_some_and(|unpack| unpack.verify);
        for layer in &mut plan.layers {
            layer.keep_blob |= keeps_blobs;
        }
        let (snapshotter, suitability) = (&candidate.snapshotter, plan.suitability.as_str());
        tracing::info!(%snapshotter, suitability, code = plan.code, "the layers are planned");
        let layers = image.layers.iter().map(|l| (l.descriptor.digest.clone(), l.descriptor.size)).collect();
        let platforms = vec![documents.platform.clone()];
        self.job.world.progress.event(Event::Planned { platforms, layers });

        let mut unpacker = Unpacker {
            store: &self.job.world.store,
            lease: self.lease,
            image: &image,
            stop: self.stop,
            progress: &self.job.world.progress,
            is_remote: candidate.address.is_some(),
            lazy_label: plan.lazy_label.as_deref(),
            answer_within: plan.answer_within,
            active: None,
            asking: Duration::ZERO,
            lazy: None,
            waiting: Duration::ZERO,
            applying: Duration::ZERO,
        };
        let layers = unpacker.unpack(&plan, downloads).await?;
        let (waiting, applying) = (unpacker.waiting, unpacker.applying);
        // Other blobs among the layers are fetched but not unpacked.
        for (index, descriptor) in documents.manifest.layers.iter().enumerate() {
            if !descriptor.is_layer() {
                downloads.start(image.layers.len() + index, descriptor);
            }
        }
        downloads.finish().await?;
        if let Some(top) = image.layers.last() {
            let snapshot = Some((snapshotter.clone(), top.chain_id.clone()));
            let config = Blob { what: "image config", descriptor: &documents.manifest.config };
            blobs.note(config, &BlobFacts { snapshot, ..BlobFacts::default() }).await?;
            if verifies {
                self.verify(snapshotter, &top.chain_id, &plan).await?;
            }
        }
        if layers.iter().any(|layer| layer.broken_expectation) {
            let advice = self.advice(&plan).await;
            plan.hints.extend(advice);
        }
        let best = image_report(documents, layers);
        let unpacked = Some(Unpacked { snapshotter: snapshotter.clone(), plan, considered: report });
        Ok(LayerResults { best, others: Vec::new(), unpacked, waiting, applying })
    }

    /// Says what was considered, and which snapshotters could not be: the image may be made for one of them.
    fn tell(&self, considered: &[ConsideredReport]) {
        for ConsideredReport { snapshotter, chosen, verdict, reason, .. } in considered {
            tracing::info!(snapshotter, chosen, verdict, reason, "a snapshotter is considered");
            if verdict.is_none() {
                let message = format!("{reason}, so it is passed over");
                self.job.world.progress.event(Event::Warning { message });
            }
        }
    }

    /// Fetches all blobs of the manifests, and unpacks nothing.
    async fn fetch(&self, found: &Images, downloads: &mut Downloads) -> Result<LayerResults, PullError> {
        let mut seen = HashSet::new();
        let all = found.images().flat_map(|image| &image.manifest.layers);
        let distinct: Vec<&Descriptor> = all.filter(|layer| seen.insert(&layer.digest)).collect();
        let layers = distinct.iter().map(|layer| (layer.digest.clone(), layer.size)).collect();
        let platforms = found.images().map(|image| image.platform.clone()).collect();
        self.job.world.progress.event(Event::Planned { platforms, layers });
        for (index, layer) in distinct.into_iter().enumerate() {
            downloads.start(index, layer);
        }
        let since = Instant::now();
        downloads.finish().await?;
        let report = |image| image_report(image, fetched_layers(image, downloads));
        Ok(LayerResults {
            best: report(&found.best),
            others: found.others.iter().map(report).collect(),
            unpacked: None,
            waiting: since.elapsed(),
            applying: Duration::ZERO,
        })
    }

    fn report(
        &self,
        target: &Descriptor,
        results: LayerResults,
        totals: Totals,
        timings: Timings,
    ) -> PullReport {
        let matcher = &self.job.world.matcher;
        let mut plugins = vec![plugin_report("platform", matcher.identity(), matcher.timings())];
        for Candidate { planner, .. } in self.job.candidates.iter().flat_map(|candidates| &candidates.usable)
        {
            let report = plugin_report("snapshotter", planner.identity(), planner.timings());
            // One plain planner may serve several snapshotters.
            if plugins.iter().all(|known| (&known.name, &known.digest) != (&report.name, &report.digest)) {
                plugins.push(report);
            }
        }
        let sum = plugins.iter().map(|plugin| plugin.timings.sum()).sum();
        let timings = Timings { plugins: rounded(sum), ..timings };
        let (snapshotter, suitability, hints, considered) = match results.unpacked {
            Some(Unpacked { snapshotter, plan, considered }) => {
                (Some(snapshotter.to_string()), Some(suitability_report(&plan)), plan.hints, considered)
            }
            None => (None, None, Vec::new(), Vec::new()),
        };
        PullReport {
            schema: "dray.pull/v1",
            name: self.job.name.to_owned(),
            outcome: self.job.outcome,
            target: target.digest.clone(),
            target_media_type: target.media_type.clone(),
            image: results.best,
            more: results.others,
            snapshotter,
            suitability,
            considered,
            plugins,
            totals,
            hints,
            timings,
        }
    }
}

fn image_report(documents: &Documents, layers: Vec<LayerReport>) -> ImageReport {
    ImageReport {
        manifest: documents.manifest_descriptor.digest.clone(),
        config: documents.manifest.config.digest.clone(),
        platform: documents.platform.clone(),
        layers,
    }
}

/// The results for the layers of an image that was not unpacked. Diff ids are reported if they can be assigned.
fn fetched_layers(image: &Documents, downloads: &Downloads) -> Vec<LayerReport> {
    let mut named = image.layers().unwrap_or_default().into_iter();
    let report = |layer: &Descriptor| {
        let names = if layer.is_layer() { named.next() } else { None };
        LayerReport {
            digest: layer.digest.clone(),
            media_type: layer.media_type.clone(),
            size: layer.size,
            diff_id: names.as_ref().map(|names| names.diff_id.clone()),
            chain_id: names.map(|names| names.chain_id),
            outcome: match downloads.outcome(&layer.digest) {
                Some(Fetched::Downloaded(_)) => LayerOutcome::Downloaded,
                _ => LayerOutcome::Stored,
            },
            broken_expectation: false,
            lazy: None,
            asking: 0.0,
            downloaded: 0,
            uncompressed: None,
        }
    };
    image.manifest.layers.iter().map(report).collect()
}

/// Computes the totals, and assigns downloaded bytes to layers, once for a layer that occurs twice.
fn totals(found: &Images, results: &mut LayerResults, downloads: &Downloads) -> Totals {
    let mut totals = Totals {
        downloaded_blobs: found.downloaded.len(),
        downloaded_bytes: found.downloaded.iter().sum(),
        ..Totals::default()
    };
    let downloaded = |digest: &Digest| match downloads.outcome(digest) {
        Some(Fetched::Downloaded(bytes)) => Some(bytes),
        _ => None,
    };
    // This includes other blobs among the layers, which are fetched too.
    let mut counted = HashSet::new();
    for blob in found.images().flat_map(|image| &image.manifest.layers) {
        if let Some(bytes) = downloaded(&blob.digest)
            && counted.insert(&blob.digest)
        {
            totals.downloaded_blobs += 1;
            totals.downloaded_bytes += bytes;
        }
    }
    let mut told = HashSet::new();
    for image in std::iter::once(&mut results.best).chain(&mut results.others) {
        for layer in &mut image.layers {
            totals.layers += 1;
            totals.layer_bytes = totals.layer_bytes.saturating_add(layer.size);
            totals.lazy_layers += usize::from(layer.lazy == Some(true));
            if let Some(bytes) = downloaded(&layer.digest)
                && told.insert(layer.digest.clone())
            {
                layer.downloaded = bytes;
            } else if layer.outcome == LayerOutcome::Provided && downloaded(&layer.digest).is_none() {
                totals.spared_bytes = totals.spared_bytes.saturating_add(layer.size);
            }
        }
    }
    totals
}
