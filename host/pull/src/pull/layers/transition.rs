//! Decides from the plan of a layer and the snapshotter's answer what to do with the layer, and how the plans of the
//! layers above change. The function is pure, so a table of tests covers it.

use super::super::LayerOutcome;
use dray_ports::{Expectation, LayerPlan, OnError, OnMounts, Question};

/// The snapshotter's answer for a layer, with the active snapshot `S` or the error `E`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer<S, E> {
    /// It has the layer.
    Exists {
        /// Whether it had the layer before the question.
        before: bool,
    },
    /// It made an active snapshot that has the layer's content already.
    Filled(S),
    /// It made an active snapshot that needs the layer's content.
    Mounts(S),
    /// It failed.
    Failed(E),
}

/// What to do with the layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step<S, E> {
    /// Use the layer that the snapshotter has.
    Use(LayerOutcome),
    /// Commit the active snapshot as it is.
    Commit(S),
    /// Fetch the blob, apply it to the active snapshot, and commit that.
    Fill(S, Promise),
    /// Ask again, with [`Question::Fetch`] from now on.
    FetchInstead(E),
    /// End the pull: the plan does not allow to fetch the layer.
    NotProvided,
    /// End the pull with the error.
    Fail(E),
}

/// Whether a layer must be fetched although the plan expected it to be provided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Promise {
    /// It did not.
    None,
    /// It did, and this answer breaks the expectation.
    Broken,
    /// It did, and the question failed before.
    BrokenBefore,
}

/// How the plans of the layers above change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Above {
    /// They stay.
    AsPlanned,
    /// They are asked for without labels of the plan, and expected to be fetched.
    StopAsking,
}

impl Above {
    /// The changed plan of one layer above.
    pub(super) fn replan(self, plan: LayerPlan) -> LayerPlan {
        match (self, &plan.question) {
            (Self::AsPlanned, _) => plan,
            (Self::StopAsking, Question::Fetch) => LayerPlan { expectation: Expectation::Mounts, ..plan },
            (Self::StopAsking, Question::Ask | Question::AskWithLabels(_)) => {
                LayerPlan { question: Question::Ask, expectation: Expectation::Mounts, ..plan }
            }
        }
    }
}

/// Decides the next step from the plan of a layer and the answer.
pub(super) fn next<S, E>(plan: &LayerPlan, answer: Answer<S, E>) -> (Step<S, E>, Above) {
    let asks = plan.question != Question::Fetch;
    match answer {
        Answer::Exists { before } if before || plan.expectation == Expectation::Mounts => {
            (Step::Use(LayerOutcome::Existed), Above::AsPlanned)
        }
        Answer::Exists { .. } => (Step::Use(LayerOutcome::Provided), Above::AsPlanned),
        Answer::Filled(snapshot) => (Step::Commit(snapshot), Above::AsPlanned),
        Answer::Mounts(snapshot) if plan.expectation != Expectation::Provided => {
            (Step::Fill(snapshot, Promise::None), Above::AsPlanned)
        }
        Answer::Mounts(snapshot) if !asks => (Step::Fill(snapshot, Promise::BrokenBefore), Above::AsPlanned),
        Answer::Mounts(snapshot) => match plan.on_mounts {
            OnMounts::Fetch => (Step::Fill(snapshot, Promise::Broken), Above::AsPlanned),
            OnMounts::FetchAndStopAsking => (Step::Fill(snapshot, Promise::Broken), Above::StopAsking),
            OnMounts::Fail => (Step::NotProvided, Above::AsPlanned),
        },
        Answer::Failed(error) => match plan.on_error {
            OnError::Fetch if asks => (Step::FetchInstead(error), Above::AsPlanned),
            OnError::FetchAndStopAsking if asks => (Step::FetchInstead(error), Above::StopAsking),
            OnError::Fail | OnError::Fetch | OnError::FetchAndStopAsking => {
                (Step::Fail(error), Above::AsPlanned)
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> Question {
        Question::AskWithLabels(vec![("key".into(), "value".into())])
    }

    fn plan(
        question: Question,
        expectation: Expectation,
        on_mounts: OnMounts,
        on_error: OnError,
    ) -> LayerPlan {
        LayerPlan { layer: "layer".into(), question, expectation, on_mounts, on_error, keep_blob: false }
    }

    #[test]
    #[rustfmt::skip] // A table: one line for each row.
    fn a_plan_and_an_answer_lead_to_one_step() {
        use {Above::*, Answer::{Exists, Failed, Filled, Mounts}, Expectation::{Maybe, Provided}, Question::Ask};
        const OLD: Answer<&str, &str> = Exists { before: true };
        const NEW: Answer<&str, &str> = Exists { before: false };
        let table = [
            // The snapshotter has the layer, so the rest of the plan does not matter.
            (Question::Fetch, Maybe,    OnMounts::Fetch, OnError::Fail, OLD, Step::Use(LayerOutcome::Existed), AsPlanned),
            (labels(),        Provided, OnMounts::Fail,  OnError::Fail, OLD, Step::Use(LayerOutcome::Existed), AsPlanned),
            (labels(),        Provided, OnMounts::Fail,  OnError::Fail, NEW, Step::Use(LayerOutcome::Provided), AsPlanned),
            (Ask,             Maybe,    OnMounts::Fetch, OnError::Fail, NEW, Step::Use(LayerOutcome::Provided), AsPlanned),
            (Ask,             Expectation::Mounts, OnMounts::Fetch, OnError::Fail, NEW, Step::Use(LayerOutcome::Existed), AsPlanned),
            // A filled snapshot counts as provided.
            (labels(), Provided, OnMounts::Fail,  OnError::Fail, Filled("s"), Step::Commit("s"), AsPlanned),
            (Ask,      Expectation::Mounts, OnMounts::Fetch, OnError::Fail, Filled("s"), Step::Commit("s"), AsPlanned),
            // Mounts break the expectation only if the layer was expected to be provided.
            (labels(), Maybe,    OnMounts::Fail, OnError::Fail, Mounts("s"), Step::Fill("s", Promise::None), AsPlanned),
            (Ask,      Expectation::Mounts, OnMounts::FetchAndStopAsking, OnError::Fail, Mounts("s"), Step::Fill("s", Promise::None), AsPlanned),
            (labels(), Provided, OnMounts::Fetch, OnError::Fail, Mounts("s"), Step::Fill("s", Promise::Broken), AsPlanned),
            (Ask,      Provided, OnMounts::FetchAndStopAsking, OnError::Fail, Mounts("s"), Step::Fill("s", Promise::Broken), StopAsking),
            (Ask,      Provided, OnMounts::Fail,  OnError::Fail, Mounts("s"), Step::NotProvided, AsPlanned),
            // After a failure `on_error` has decided, and `on_mounts` no longer counts.
            (Question::Fetch, Provided, OnMounts::Fail, OnError::Fetch, Mounts("s"), Step::Fill("s", Promise::BrokenBefore), AsPlanned),
            (Question::Fetch, Provided, OnMounts::FetchAndStopAsking, OnError::Fetch, Mounts("s"), Step::Fill("s", Promise::BrokenBefore), AsPlanned),
            // A failure.
            (labels(), Provided, OnMounts::Fetch, OnError::Fail,  Failed("e"), Step::Fail("e"), AsPlanned),
            (labels(), Provided, OnMounts::Fail,  OnError::Fetch, Failed("e"), Step::FetchInstead("e"), AsPlanned),
            (Ask,      Maybe,    OnMounts::Fail,  OnError::FetchAndStopAsking, Failed("e"), Step::FetchInstead("e"), StopAsking),
            // A layer that is fetched in any case cannot be fetched instead.
            (Question::Fetch, Expectation::Mounts, OnMounts::Fetch, OnError::Fetch, Failed("e"), Step::Fail("e"), AsPlanned),
            (Question::Fetch, Provided, OnMounts::Fetch, OnError::FetchAndStopAsking, Failed("e"), Step::Fail("e"), AsPlanned),
        ];
        for (row, (question, expectation, on_mounts, on_error, answer, step, above)) in table.into_iter().enumerate() {
            assert_eq!(next(&plan(question, expectation, on_mounts, on_error), answer), (step, above), "row {row}");
        }
    }

    #[test]
    #[rustfmt::skip] // A table: one line for each row.
    fn layers_above_are_asked_for_without_labels_or_as_planned() {
        use {Above::*, Expectation::{Maybe, Mounts, Provided}, Question::{Ask, Fetch}};
        let table = [
            (AsPlanned,  labels(), Provided, labels(), Provided),
            (AsPlanned,  Fetch,    Mounts,   Fetch,    Mounts),
            (StopAsking, labels(), Provided, Ask,      Mounts),
            (StopAsking, Ask,      Maybe,    Ask,      Mounts),
            (StopAsking, Fetch,    Mounts,   Fetch,    Mounts),
            (StopAsking, Fetch,    Provided, Fetch,    Mounts),
        ];
        for (above, question, expectation, asked, expected) in table {
            let plan = |question, expectation| plan(question, expectation, OnMounts::Fail, OnError::Fetch);
            assert_eq!(above.replan(plan(question, expectation)), plan(asked, expected));
        }
    }
}
