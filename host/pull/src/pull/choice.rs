//! Chooses the snapshotter that suits an image best, by the plans of those that may be used.

use futures_util::future::join_all;

use super::report::ConsideredReport;
use super::snapshotters::{Candidate, Candidates};
use super::{PullError, validate_plan};
use dray_core::oci::Descriptor;
use dray_ports::{Expectation, ImageToPlan, Plan, SnapshotterName, Suitability};

/// What a candidate says of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Offer {
    suitability: Suitability,
    /// Bytes of the layers that it expects to provide.
    bytes: u64,
    /// Whether it takes what suits none of the others.
    is_fallback: bool,
}

/// The position of the best offer: the first that is native, else the partial one that provides most, else the
/// fallback, else the first that is not foreign.
fn best(offers: &[Offer]) -> Option<usize> {
    let native = offers.iter().position(|offer| offer.suitability == Suitability::Native);
    let partial = || {
        let partial = |(_, offer): &(usize, &Offer)| offer.suitability == Suitability::Partial;
        // The first of several that are equal.
        let most = offers.iter().enumerate().filter(partial).rev().max_by_key(|(_, offer)| offer.bytes);
        most.map(|(index, _)| index)
    };
    let works = |offer: &Offer| offer.suitability != Suitability::Foreign;
    let fallback = || offers.iter().position(|offer| offer.is_fallback && works(offer));
    let any = || offers.iter().position(works);
    native.or_else(partial).or_else(fallback).or_else(any)
}

/// What a candidate plans for an image.
pub(super) struct Planned<'a> {
    pub(super) candidate: &'a Candidate,
    pub(super) image: ImageToPlan,
    pub(super) plan: Plan,
}

/// The plans of all candidates for one image.
pub(super) struct Considered<'a> {
    candidates: &'a Candidates,
    planned: Vec<Planned<'a>>,
    /// Which of them is the best; none if the image suits no candidate.
    best: Option<usize>,
}

/// Asks the planner of each candidate.
///
/// # Errors
///
/// Fails if a planner fails or gives an invalid plan.
pub(super) async fn consider<'a>(
    candidates: &'a Candidates,
    image_for: impl Fn(&SnapshotterName) -> Result<ImageToPlan, PullError>,
) -> Result<Considered<'a>, PullError> {
    let ask = async |candidate: &'a Candidate| {
        let image = image_for(&candidate.snapshotter)?;
        let plan = plan_for(candidate, &image).await?;
        Ok::<_, PullError>(Planned { candidate, image, plan })
    };
    let answers = join_all(candidates.usable.iter().map(ask)).await;
    let planned = answers.into_iter().collect::<Result<Vec<_>, _>>()?;
    let offer = |Planned { candidate, image, plan }: &Planned<'_>| Offer {
        suitability: plan.suitability,
        bytes: expected_bytes(image, plan),
        is_fallback: candidate.snapshotter == candidates.fallback,
    };
    let best = best(&planned.iter().map(offer).collect::<Vec<_>>());
    Ok(Considered { candidates, planned, best })
}

impl<'a> Considered<'a> {
    /// What each candidate says, and why others are none.
    pub(super) fn report(&self) -> Vec<ConsideredReport> {
        let said = self.planned.iter().enumerate().map(|(index, Planned { candidate, image, plan })| {
            ConsideredReport {
                snapshotter: candidate.snapshotter.to_string(),
                chosen: self.best == Some(index),
                plugin: Some(candidate.planner.identity().name),
                verdict: Some(plan.suitability.as_str()),
                code: Some(plan.code.clone()),
                reason: plan.reason.clone(),
                expected_bytes: expected_bytes(image, plan),
            }
        });
        let failed = self.candidates.failed.iter().map(|(snapshotter, reason)| ConsideredReport {
            snapshotter: snapshotter.to_string(),
            chosen: false,
            plugin: None,
            verdict: None,
            code: None,
            reason: reason.clone(),
            expected_bytes: 0,
        });
        said.chain(failed).collect()
    }

    /// The best plan.
    ///
    /// # Errors
    ///
    /// Fails if the image suits no candidate. The words are those of the candidate that gives a code which no other gives:
    /// it knows the format best. Otherwise they are those of the fallback.
    pub(super) fn into_best(mut self) -> Result<Planned<'a>, PullError> {
        if let Some(best) = self.best {
            return Ok(self.planned.swap_remove(best));
        }
        let tried = self.planned.iter().map(|planned| planned.candidate.snapshotter.to_string()).collect();
        let is_fallback = |planned: &&Planned<'_>| planned.candidate.snapshotter == self.candidates.fallback;
        let is_alone = |planned: &&Planned<'_>| {
            self.planned.iter().filter(|other| other.plan.code == planned.plan.code).count() == 1
        };
        let said = self.planned.iter().filter(|planned| !is_fallback(planned)).find(is_alone);
        let said = said.or_else(|| self.planned.iter().find(is_fallback)).or_else(|| self.planned.first());
        let (snapshotter, code, reason) = match said {
            Some(Planned { candidate, plan, .. }) => {
                (candidate.snapshotter.to_string(), plan.code.clone(), plan.reason.clone())
            }
            None => (self.candidates.fallback.to_string(), String::new(), String::new()),
        };
        Err(PullError::Foreign { snapshotter, code, reason, tried })
    }
}

/// Bytes of the layers that the plan expects the snapshotter to provide.
fn expected_bytes(image: &ImageToPlan, plan: &Plan) -> u64 {
    let layers = image.layers.iter().map(|layer| &layer.descriptor).zip(&plan.layers);
    let provided = layers.filter(|(_, plan)| plan.expectation == Expectation::Provided);
    provided.fold(0, |sum, (Descriptor { size, .. }, _)| sum.saturating_add(*size))
}

/// Asks a planner and checks its whole answer.
async fn plan_for(candidate: &Candidate, image: &ImageToPlan) -> Result<Plan, PullError> {
    if image.layers.is_empty() {
        return Ok(Plan {
            suitability: Suitability::Plain,
            code: "no-layers".to_owned(),
            reason: "the image has no layers".to_owned(),
            layers: Vec::new(),
            hints: Vec::new(),
            advice: Vec::new(),
            lazy_label: None,
            verify: false,
            answer_within: Plan::ANSWER_WITHIN,
        });
    }
    let plan = candidate.planner.plan(image).await;
    let plan = plan.map_err(|source| PullError::Plugin { kind: "snapshotter", source })?;
    let invalid = |source| {
        let identity = candidate.planner.identity();
        PullError::Plan { plugin: identity.to_string(), origin: identity.origin, source }
    };
    validate_plan(&plan, image, candidate.planner.config()).map_err(invalid)?;
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::Suitability::{Foreign, Native, Partial, Plain};
    use super::*;

    /// Offers, of which the last is that of the fallback, and the position of the best.
    type Row = (&'static [(Suitability, u64)], Option<usize>);

    #[test]
    #[rustfmt::skip] // A table: one line for each row.
    fn the_best_offer_is_native_or_provides_most_or_is_the_fallback() {
        let table: [Row; 10] = [
            (&[(Plain, 0), (Native, 1), (Native, 9), (Plain, 0)],       Some(1)),
            (&[(Partial, 9), (Native, 1), (Plain, 0)],                  Some(1)),
            (&[(Partial, 3), (Partial, 9), (Partial, 9), (Plain, 0)],   Some(1)),
            (&[(Plain, 0), (Foreign, 0), (Plain, 0)],                   Some(2)),
            (&[(Foreign, 0), (Plain, 0), (Foreign, 0)],                 Some(1)),
            (&[(Foreign, 0), (Native, 5), (Foreign, 0)],                Some(1)),
            (&[(Foreign, 0), (Foreign, 0)],                             None),
            (&[(Plain, 0)],                                             Some(0)),
            (&[(Foreign, 0)],                                           None),
            (&[],                                                       None),
        ];
        for (row, (offers, expected)) in table.into_iter().enumerate() {
            let last = offers.len().wrapping_sub(1);
            let offers: Vec<Offer> = offers
                .iter()
                .enumerate()
                .map(|(index, &(suitability, bytes))| Offer { suitability, bytes, is_fallback: index == last })
                .collect();
            assert_eq!(best(&offers), expected, "row {row}");
        }
    }
}
