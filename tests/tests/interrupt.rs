//! Signals to a pull that waits: for a registry, or for a containerd that does not respond.

use std::io::{self, PipeReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use dray::limits;
use dray_tests::command::{Dray, Running};
use dray_tests::daemon::{Containerd, Generation};
use dray_tests::image::{Compression, Entry, Image, Layer};
use dray_tests::moment::wait_until;
use dray_tests::process::{signal, wait_for};
use dray_tests::scripted_registry::{Rule, ScriptedRegistry};
use dray_tests::state::State;
use dray_tests::{require, tools};
use rustix::process::Signal;

const NAMESPACE: &str = "interrupt";
/// Enough time for a slow machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A pull from a registry that accepts the request and never responds.
fn hanging_pull(daemon: &Containerd, more: &[&str]) -> (Running, TcpStream) {
    let registry = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let reference = format!("{}/never:1", registry.local_addr().expect("a listener has an address"));
    let running = Dray::with(daemon, NAMESPACE).args(["pull", &reference]).spawn(more);
    registry.set_nonblocking(true).expect("a listener can be made so");
    let mut request = None;
    wait_until("dray connects", || {
        request = registry.accept().ok();
        request.is_some()
    });
    let (mut request, _) = request.expect("it has connected");
    request.set_nonblocking(false).expect("a connection can be made so");
    request.set_read_timeout(Some(PATIENCE)).expect("a connection can be made so");
    request.read_exact(&mut [0; 1]).expect("dray sends a request");
    (running, request)
}

#[test]
fn ctrl_c_cancels_a_pull() {
    let daemon = require!(Containerd::start(Generation::Debian16));
    let (running, _request) = hanging_pull(&daemon, &[]);
    running.interrupt();
    let run = running.wait().failure(130);
    assert_eq!(run.stdout, "");
    assert_eq!(run.stderr, "cancelling, press ctrl-c again to stop at once\nerror: the pull was cancelled\n");
    assert!(State::of(&daemon, NAMESPACE).is_empty());
}

#[test]
fn sigterm_cancels_a_pull() {
    let daemon = require!(Containerd::start(Generation::Debian16));
    let (running, _request) = hanging_pull(&daemon, &["--format", "json"]);
    running.terminate();
    let run = running.wait().failure(143);
    let error = run.stderr.lines().last().unwrap_or_default();
    assert!(error.starts_with(r#"{"error":{"kind":"cancelled","#), "{run}");
}

/// Clean-up needs the daemon, and the daemon accepts calls without responding.
#[test]
fn ctrl_c_ends_a_pull_into_a_frozen_daemon() {
    const SENT: usize = 1_500_000;
    let daemon = require!(Containerd::start(Generation::Debian16));
    let registry = ScriptedRegistry::start();
    let file =
        Entry::file("file", (0..2_000_000_u32).map(|n| n.to_le_bytes()[n as usize % 3]).collect::<Vec<_>>());
    let image =
        Image::builder("linux/amd64").layer(Layer::builder().entry(file).build(Compression::None)).build();
    registry.add(&image, "image", "1");
    let layer = &image.layers[0].digest;
    registry.on(Rule::get(layer).nth(1).stall_after(SENT));
    let (dray, reference) = (Dray::with(&daemon, NAMESPACE), registry.image("image:1"));

    let running = dray.spawn(["pull", &reference]);
    wait_until("a part of the layer is in the store", || {
        let state = State::of(&daemon, NAMESPACE);
        let is_begun = |name: &String| name.ends_with(layer) && state.ingests[name].offset > 0;
        state.ingests.keys().any(is_begun)
    });
    daemon.freeze();
    let since = Instant::now();
    running.interrupt();
    let run = running.wait().failure(130);
    let took = since.elapsed();
    daemon.thaw();
    assert!(took < limits::CLEANUP_TIMEOUT + Duration::from_secs(5), "after {took:?}: {run}");

    // The daemon may find the last calls in its queue, and carry them out.
    let state = State::settled(&daemon, NAMESPACE);
    assert!(state.images.is_empty(), "{state}");
    for lease in state.leases.keys() {
        assert!(run.stderr.contains(lease), "no message names lease {lease}: {run}");
    }
    let since = Instant::now();
    dray.run(["pull", &reference]).success();
    assert!(since.elapsed() < PATIENCE / 2, "something is locked: {:?}", since.elapsed());
}

/// dray with a full pipe as standard error, which blocks as long as the other end is open and not read.
fn unheard(arguments: &[&str]) -> (Child, PipeReader) {
    // The default capacity of a pipe.
    const FULL: usize = 64 * 1024;
    let (unread, mut pipe) = io::pipe().expect("a pipe can be made");
    pipe.write_all(&vec![b'x'; FULL]).expect("a pipe takes what it holds");
    let mut dray = Command::new(tools::dray());
    dray.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(pipe).args(arguments);
    (dray.spawn().expect("dray can be started"), unread)
}

/// The reader of standard error may have stopped reading. That must not delay the end.
#[test]
fn a_second_signal_ends_a_pull_with_blocked_output() {
    let daemon = require!(Containerd::start(Generation::Debian16));
    let registry = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let reference = format!("{}/never:1", registry.local_addr().expect("a listener has an address"));
    let socket = daemon.socket().display().to_string();
    let (mut dray, _unread) = unheard(&["-a", &socket, "pull", &reference]);
    let (_request, _) = registry.accept().expect("dray connects");

    // Two different signals, because the kernel merges equal ones that are pending.
    signal(dray.id(), Signal::INT);
    signal(dray.id(), Signal::TERM);
    let ended = wait_for(&mut dray, PATIENCE);
    if ended.is_none() {
        dray.kill().expect("an own child can be killed");
    }
    let code = ended.and_then(|status| status.code());
    assert!(matches!(code, Some(130 | 143)), "{ended:?}");
}

/// Whether a process handles a signal.
fn catches(id: u32, signal: Signal) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("a child has a status");
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).expect("it is a mask");
    caught >> (signal.as_raw() - 1) & 1 == 1
}

/// After the clean-up, dray reports how the pull ended. A signal at that point must end it.
#[test]
fn a_signal_ends_a_pull_that_cannot_report_its_end() {
    let (mut dray, _unread) = unheard(&["-a", "/nowhere/containerd.sock", "pull", "127.0.0.1:1/never:1"]);
    wait_until("it catches signals", || catches(dray.id(), Signal::TERM));
    let mut ended = None;
    wait_until("it ends", || {
        signal(dray.id(), Signal::TERM);
        ended = wait_for(&mut dray, Duration::from_millis(100));
        ended.is_some()
    });
    assert_eq!(ended.and_then(|status| status.code()), Some(143));
}
