use std::error::Error;
use std::fmt;
use std::sync::Arc;

use super::exchange::Patience;
use super::hosts::Capability;
use super::server::Server;
use crate::ports::{FetchFailure, FetchFault};

/// Goes through the servers of a registry until one answers, and remembers what the others said.
pub(super) struct Attempts {
    /// Those still to be asked, the next one last.
    left: Vec<(Arc<Server>, Patience)>,
    failures: Vec<FetchFailure>,
}

impl Attempts {
    /// All servers that may be asked for what is needed, those that have failed a short while ago at the end.
    ///
    /// Only the last of the others is waited for. A server that fails again is not worth waiting for, unless
    /// there is no other.
    pub(super) fn new(
        registry: &str,
        servers: &[Arc<Server>],
        needed: &[Capability],
    ) -> Result<Self, FetchFailure> {
        let able = servers.iter().filter(|server| server.may(needed)).cloned();
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
            return Err(nobody(registry, servers, needed));
        }
        left.reverse();
        Ok(Self { left, failures: Vec::new() })
    }

    /// The next server to ask.
    pub(super) fn next(&mut self) -> Option<(Arc<Server>, Patience)> {
        self.left.pop()
    }

    /// Takes note of what a server said instead of an answer.
    pub(super) fn failed(&mut self, server: &Server, failure: FetchFailure) {
        server.note(&failure);
        if !self.left.is_empty() {
            tracing::info!(host = server.endpoint().host(), %failure, "trying the next host");
        }
        self.failures.push(failure);
    }

    /// Takes note that a server is not asked, and why.
    pub(super) fn skipped(&mut self, message: String) {
        self.failures.push(not_asked(message));
    }

    /// The failure of all of them: the one that got furthest, with the others as causes.
    pub(super) fn into_failure(self) -> FetchFailure {
        of_all(self.failures)
    }
}

/// The failure of somebody who is not asked any more, and why.
pub(super) fn not_asked(message: String) -> FetchFailure {
    FetchFailure::new(FetchFault::Protocol, message)
}

/// Of several failures the one that got furthest, of these the last, with the others as causes.
pub(super) fn of_all(mut failures: Vec<FetchFailure>) -> FetchFailure {
    let furthest = (0..failures.len()).max_by_key(|&index| distance(failures[index].fault));
    let Some(furthest) = furthest else {
        return FetchFailure::new(FetchFault::Configuration, "nobody could be asked");
    };
    let mut chosen = failures.remove(furthest);
    if failures.is_empty() {
        return chosen;
    }
    let mut next = None;
    for failure in failures.iter().rev() {
        next = Some(Box::new(Cause { text: format!("asked as well: {}", in_one_line(failure)), next }));
    }
    for cause in causes(&chosen).into_iter().rev() {
        next = Some(Box::new(Cause { text: cause, next }));
    }
    chosen.source = next.map(|cause| cause as _);
    chosen
}

/// A server that says no has been reached; one that has what is asked for and gives something else knows it.
fn distance(fault: FetchFault) -> u8 {
    match fault {
        FetchFault::Configuration | FetchFault::Unavailable => 0,
        FetchFault::NotFound => 1,
        FetchFault::Denied => 2,
        FetchFault::Protocol => 3,
    }
}

fn in_one_line(failure: &FetchFailure) -> String {
    let mut line = failure.message.clone();
    for cause in causes(failure) {
        line.push_str(": ");
        line.push_str(&cause);
    }
    line
}

fn causes(failure: &FetchFailure) -> Vec<String> {
    std::iter::successors(failure.source(), |&cause| cause.source()).map(ToString::to_string).collect()
}

/// One of several texts below each other.
#[derive(Debug)]
struct Cause {
    text: String,
    next: Option<Box<Cause>>,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Cause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.next.as_deref().map(|cause| cause as _)
    }
}

fn nobody(registry: &str, servers: &[Arc<Server>], needed: &[Capability]) -> FetchFailure {
    let needed: Vec<String> = needed.iter().map(|capability| format!("`{}`", capability.as_str())).collect();
    let file = servers.iter().find_map(|server| server.settings().file.as_ref());
    let hint = match file {
        Some(file) => format!("give a host in `{}` these capabilities", file.display()),
        None => "`dray registry explain` says which hosts there are".to_owned(),
    };
    let needed = needed.join(" and ");
    let message = format!("none of the hosts for registry `{registry}` has the capabilities {needed}");
    FetchFailure::new(FetchFault::Configuration, message).with_hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(fault: FetchFault, message: &str, cause: Option<&str>) -> FetchFailure {
        let source = cause.map(|cause| cause.to_owned().into());
        FetchFailure { source, ..FetchFailure::new(fault, message) }
    }

    #[test]
    fn the_failure_that_got_furthest_is_told_first() {
        let all = of_all(vec![
            failure(FetchFault::Unavailable, "cannot connect to a", Some("refused")),
            failure(FetchFault::NotFound, "b answered 404", Some("no tag")),
            failure(FetchFault::NotFound, "c answered 404", Some("none here")),
            failure(FetchFault::Configuration, "bad certificate", None),
        ]);
        assert_eq!(all.to_string(), "c answered 404");
        let expected = [
            "none here",
            "asked as well: cannot connect to a: refused",
            "asked as well: b answered 404: no tag",
            "asked as well: bad certificate",
        ];
        assert_eq!(causes(&all), expected);
        let one = of_all(vec![failure(FetchFault::Denied, "no", Some("why"))]);
        assert_eq!(in_one_line(&one), "no: why");
    }
}
