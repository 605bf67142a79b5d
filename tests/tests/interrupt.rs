//! Signals to a pull that waits for a registry.

use std::io::Read as _;
use std::net::{TcpListener, TcpStream};

use dray_tests::command::{Dray, Running};
use dray_tests::daemon::{Containerd, Generation};
use dray_tests::require;
use dray_tests::state::State;

const NAMESPACE: &str = "interrupt";

/// A pull from a registry that takes the request and never answers.
fn hanging_pull(daemon: &Containerd, more: &[&str]) -> (Running, TcpStream) {
    let registry = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let reference = format!("{}/never:1", registry.local_addr().expect("a listener has an address"));
    let running = Dray::with(daemon, NAMESPACE).args(["pull", &reference]).spawn(more);
    let (mut request, _) = registry.accept().expect("dray connects");
    request.read_exact(&mut [0; 1]).expect("dray sends a request");
    (running, request)
}

#[test]
fn ctrl_c_cancels() {
    let daemon = require!(Containerd::start(Generation::Debian16));
    let (running, _request) = hanging_pull(&daemon, &[]);
    running.interrupt();
    let run = running.wait().failure(130);
    assert_eq!(run.stdout, "");
    assert_eq!(run.stderr, "cancelling, press ctrl-c again to stop at once\nerror: the pull was cancelled\n");
    assert!(State::of(&daemon, NAMESPACE).is_empty());
}

#[test]
fn so_does_the_end_of_the_system() {
    let daemon = require!(Containerd::start(Generation::Debian16));
    let (running, _request) = hanging_pull(&daemon, &["--format", "json"]);
    running.terminate();
    let run = running.wait().failure(143);
    let error = run.stderr.lines().last().unwrap_or_default();
    assert!(error.starts_with(r#"{"error":{"kind":"cancelled","#), "{run}");
}
