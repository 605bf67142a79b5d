use std::sync::Arc;

use super::call::Patience;
use super::hosts::Capability;
use super::server::Server;
use dray_ports::{FetchFailure, FetchFault, FetchReason};

/// Goes through the servers of a registry until one answers, and keeps the failures of the others.
pub(super) struct Attempts {
    /// Servers still to ask, the next one last.
    left: Vec<(Arc<Server>, Patience)>,
    /// The registry itself, or the server that replaces it. If it lacks something, that does not exist.
    authority: Option<Arc<Server>>,
    failures: Vec<FetchFailure>,
    /// Index of the authority's failure in `failures`.
    decisive: Option<usize>,
    /// Hosts that could not say whether they have the content.
    unreached: Vec<String>,
}

impl Attempts {
    /// All servers that have the needed capabilities. Servers that failed a short while ago come last.
    ///
    /// Only the last of the others is retried. A server that failed lately is not retried, unless there is no other.
    pub(super) fn new(
        registry: &str,
        servers: &[Arc<Server>],
        needed: &[Capability],
    ) -> Result<Self, FetchFailure> {
        let able = servers.iter().filter(|server| server.may(needed)).cloned();
        let authority = able.clone().next_back();
        let (resting, ready): (Vec<_>, Vec<_>) = able.partition(|server| server.is_resting());
        let waited_for = if ready.is_empty() { resting.len() } else { ready.len() };
        let in_order = ready.into_iter().chain(resting).enumerate();
        let mut left: Vec<_> = in_order
            .map(|(index, server)| {
                let is_waited_for = index + 1 == waited_for;
                (server, if is_waited_for { Patience::Full } else { Patience::Hurried })
            })
            .collect();
        if left.is_empty() {
            return Err(no_capable_server(registry, servers, needed));
        }
        left.reverse();
        Ok(Self { left, authority, failures: Vec::new(), decisive: None, unreached: Vec::new() })
    }

    /// The next server to ask.
    pub(super) fn next(&mut self) -> Option<(Arc<Server>, Patience)> {
        self.left.pop()
    }

    /// Keeps the failure of a server.
    pub(super) fn failed(&mut self, server: &Server, failure: FetchFailure) {
        server.note(&failure);
        if self.authority.as_deref().is_some_and(|authority| std::ptr::eq(authority, server)) {
            self.decisive = Some(self.failures.len());
        }
        if matches!(failure.fault, FetchFault::Unavailable | FetchFault::Configuration) {
            self.unreached.push(server.endpoint().host().to_owned());
        }
        if !self.left.is_empty() {
            tracing::info!(host = server.endpoint().host(), %failure, "trying the next host");
        }
        self.failures.push(failure);
    }

    /// Notes that a server is not asked, and why.
    pub(super) fn skipped(&mut self, message: String) {
        self.failures.push(not_asked(message));
    }

    /// The failure of the whole: that of the server that got furthest, with the others as further causes.
    pub(super) fn into_failure(self) -> FetchFailure {
        let mut failure = of_all(self.failures, self.decisive);
        if failure.fault == FetchFault::NotFound {
            failure.unreached = self.unreached;
        }
        failure
    }
}

/// The failure for a server that is not asked any more, and why.
pub(super) fn not_asked(message: String) -> FetchFailure {
    FetchFailure::new(FetchFault::Protocol, message)
}

/// Picks the failure that got furthest, the last of several, and attaches the others to it. `decisive` is the failure
/// of the server that says what exists.
pub(super) fn of_all(mut failures: Vec<FetchFailure>, decisive: Option<usize>) -> FetchFailure {
    let distance = |&index: &usize| distance(failures[index].fault, decisive == Some(index));
    let furthest = (0..failures.len()).max_by_key(distance);
    let Some(furthest) = furthest else {
        return FetchFailure::new(FetchFault::Configuration, "no server could be asked");
    };
    let mut chosen = failures.remove(furthest);
    for mut other in failures {
        let asked_before_it = std::mem::take(&mut other.others);
        chosen.others.push(other);
        chosen.others.extend(asked_before_it);
    }
    chosen
}

/// A server that answers "no" was reached. A server that sends wrong content knows the name. Content that a mirror
/// lacks may still exist, as long as the authority has not answered.
fn distance(fault: FetchFault, is_decisive: bool) -> u8 {
    match (fault, is_decisive) {
        (FetchFault::Configuration | FetchFault::Unavailable, false) => 0,
        (FetchFault::NotFound, false) => 1,
        (FetchFault::Configuration | FetchFault::Unavailable | FetchFault::NotFound, true) => 2,
        (FetchFault::Denied, _) => 3,
        (FetchFault::Protocol, _) => 4,
    }
}

fn no_capable_server(registry: &str, servers: &[Arc<Server>], needed: &[Capability]) -> FetchFailure {
    let needed: Vec<String> = needed.iter().map(|capability| format!("`{}`", capability.as_str())).collect();
    let file = servers.iter().find_map(|server| server.settings().file.clone());
    let needed = needed.join(" and ");
    let message = format!("none of the hosts for registry `{registry}` has the capabilities {needed}");
    FetchFailure::new(FetchFault::Configuration, message).with_reason(FetchReason::NoCapableHost { file })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(fault: FetchFault, message: &str, cause: Option<&str>) -> FetchFailure {
        let source = cause.map(|cause| cause.to_owned().into());
        FetchFailure { source, ..FetchFailure::new(fault, message) }
    }

    #[test]
    fn the_failure_that_got_furthest_comes_first() {
        let all = of_all(
            vec![
                failure(FetchFault::Unavailable, "cannot connect to a", Some("refused")),
                failure(FetchFault::NotFound, "b answered 404", Some("no tag")),
                failure(FetchFault::NotFound, "c answered 404", Some("none here")),
                failure(FetchFault::Configuration, "bad certificate", None),
            ],
            Some(2),
        );
        assert_eq!(all.to_string(), "c answered 404");
        assert_eq!(all.source.unwrap().to_string(), "none here");
        let others: Vec<_> = all
            .others
            .iter()
            .map(|other| (other.message.as_str(), other.source.as_ref().map(ToString::to_string)))
            .collect();
        assert_eq!(
            others,
            [
                ("cannot connect to a", Some("refused".to_owned())),
                ("b answered 404", Some("no tag".to_owned())),
                ("bad certificate", None),
            ]
        );
    }

    #[test]
    fn nested_failures_become_further_causes() {
        let first = of_all(
            vec![failure(FetchFault::Unavailable, "a", None), failure(FetchFault::Unavailable, "b", None)],
            None,
        );
        let all = of_all(vec![first, failure(FetchFault::Denied, "c", None)], None);
        let others: Vec<_> = all.others.iter().map(|other| other.message.as_str()).collect();
        assert_eq!((all.message.as_str(), others), ("c", vec!["b", "a"]));
        assert!(all.others.iter().all(|other| other.others.is_empty()));
    }

    #[test]
    fn only_the_registry_can_say_that_something_does_not_exist() {
        use FetchFault::{Denied, NotFound, Unavailable};
        for (mirror, registry, expected) in [
            (Unavailable, NotFound, NotFound),
            (NotFound, Unavailable, Unavailable),
            (NotFound, NotFound, NotFound),
            (Denied, NotFound, Denied),
            (NotFound, Denied, Denied),
        ] {
            // A mirror that failed lately is asked after the registry.
            for (failures, decisive) in [([mirror, registry], 1), ([registry, mirror], 0)] {
                let failures = failures.map(|fault| failure(fault, "no", None)).into();
                assert_eq!(of_all(failures, Some(decisive)).fault, expected, "{mirror:?} {registry:?}");
            }
        }
    }
}
