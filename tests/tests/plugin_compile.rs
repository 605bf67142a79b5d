//! A small component that would cost much to compile is refused in no time, and what is compiled is bounded.

#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use dray::plugin::{PluginHost, PluginSource, inspect};
use dray::ports::{PluginFailure, PluginFault};
use dray_tests::command::Dray;
use dray_tests::tools;

/// Far more than looking takes, even where ten others compile; far less than compiling would take.
const SOON: Duration = Duration::from_secs(10);

/// Far more than looking takes, far less than compiling would take.
const MUCH_MEMORY_KIB: u64 = 1024 * 1024;

const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = (number & 0x7f).to_le_bytes()[0];
        number >>= 7;
        if number == 0 {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte | 0x80);
    }
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id][..], &leb(content.len()), content].concat()
}

/// A component that comes with the program, with more sections.
fn overlayfs(more: &[Vec<u8>]) -> Vec<u8> {
    let source = PluginSource::embedded("overlayfs").expect("it comes along");
    [source.bytes(), &more.concat()].concat()
}

/// How many sections of a kind the embedded component has at its outermost level.
fn sections(kind: u8) -> usize {
    let source = PluginSource::embedded("overlayfs").expect("it comes along");
    let mut rest = &source.bytes()[8..];
    let mut count = 0;
    while let [id, after @ ..] = rest {
        let digits = after.iter().take_while(|byte| **byte >= 0x80).count() + 1;
        let digit = |(at, byte): (usize, &u8)| usize::from(byte & 0x7f) << (7 * at);
        let size: usize = after[..digits].iter().enumerate().map(digit).sum();
        count += usize::from(*id == kind);
        rest = &after[digits + size..];
    }
    count
}

/// A section that instantiates components by their indices.
fn instances(indices: &[usize]) -> Vec<u8> {
    let each = indices.iter().flat_map(|index| [&[0][..], &leb(*index), &[0]].concat());
    section(5, &[leb(indices.len()), each.collect()].concat())
}

/// Each component instantiates the one below several times.
fn multiplying(levels: usize, times: usize) -> Vec<u8> {
    let mut inner = COMPONENT.to_vec();
    for _ in 0..levels {
        inner = [COMPONENT, &section(4, &inner), &instances(&vec![0; times])].concat();
    }
    overlayfs(&[section(4, &inner), instances(&[sections(4)])])
}

fn nested(levels: usize) -> Vec<u8> {
    // From the inside, and so from the end: the sizes stand before what they are the sizes of.
    let mut backwards: Vec<u8> = COMPONENT.iter().rev().copied().collect();
    for _ in 0..levels {
        let header = [COMPONENT, &[4], &leb(backwards.len())].concat();
        backwards.extend(header.iter().rev());
    }
    backwards.reverse();
    overlayfs(&[section(4, &backwards)])
}

/// Many locals, all alive in many loops.
fn locals_in_loops(locals: usize, loops: usize) -> Vec<u8> {
    let mut uses = String::new();
    for local in 1..=locals {
        let _ = writeln!(uses, "local.get {local} i64.const 1 i64.add local.set {local}");
    }
    let text = format!(
        "(module (func (param i32) (local {types}) {start} {uses} {end}))",
        types = "i64 ".repeat(locals),
        start = "loop ".repeat(loops),
        end = "local.get 0 br_if 0 end ".repeat(loops),
    );
    overlayfs(&[section(1, &wat::parse_str(text).unwrap())])
}

/// One module many times, with little in it.
fn module(text: &str, times: usize) -> Vec<u8> {
    let module = section(1, &wat::parse_str(text).unwrap());
    overlayfs(&vec![module; times])
}

fn read(bytes: &[u8]) -> PluginSource {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("bomb.wasm");
    std::fs::write(&path, bytes).unwrap();
    PluginSource::read(&path).unwrap()
}

/// The most memory that this process has had so far.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

async fn refused(bytes: &[u8], reason: &str) {
    let source = read(bytes);
    let check = |failure: PluginFailure| {
        assert_eq!(failure.fault, PluginFault::Incompatible, "{failure}");
        assert!(failure.message.ends_with("bomb.wasm` would cost too much to compile"), "{failure}");
        let cause = failure.source.unwrap().to_string();
        assert!(cause.contains(reason), "`{reason}` is not in: {cause}");
    };
    let started = Instant::now();
    check(PluginHost::new(None).unwrap().planner(&source, "{}").await.err().expect("it is refused"));
    check(inspect(&source).unwrap_err());
    assert!(started.elapsed() < SOON, "{reason}: it took {:?}", started.elapsed());
    assert!(peak_kib() < MUCH_MEMORY_KIB, "{reason}: it took {} KiB", peak_kib());
}

#[tokio::test]
async fn instances_of_instances() {
    refused(&multiplying(10, 4), "parts once all instances are expanded").await;
    refused(&multiplying(24, 2), "levels of nesting").await;
}

#[tokio::test]
async fn components_in_components() {
    for levels in [16, 12_000, 100_000] {
        refused(&nested(levels), "levels of nesting: 17 or more, at most 16").await;
    }
}

#[tokio::test]
async fn values_in_blocks() {
    refused(&locals_in_loops(10_000, 400), "values in blocks of one function").await;
    let text = format!("(module {})", "(func (local i64) (local.set 0 (i64.const 1)))".repeat(100_001));
    refused(&module(&text, 1), "functions: 100001 or more").await;
    // Nothing in it but locals that nobody uses.
    let body = [&[1][..], &leb(40_000), &[0x7e, 0x0b]].concat();
    let body = [leb(body.len()), body].concat();
    let module = [
        &b"\0asm\x01\0\0\0"[..],
        &section(1, &[1, 0x60, 0, 0]),
        &section(3, &[leb(1000), vec![0; 1000]].concat()),
        &section(10, &[leb(1000), body.repeat(1000)].concat()),
    ];
    refused(&overlayfs(&[section(1, &module.concat())]), "values in blocks of all functions").await;
}

#[tokio::test]
async fn what_is_laid_out_before_it_is_used() {
    refused(&module("(module)", 62), "modules: 65 or more").await;
    refused(&module("(module (memory 1) (memory 1) (memory 1) (memory 1))", 4), "memories").await;
    refused(&module("(module (table 100001 funcref))", 5), "entries of tables").await;
}

#[tokio::test]
async fn what_is_below_the_limits_is_compiled() {
    for bytes in [multiplying(8, 2), nested(14), locals_in_loops(100, 20), module("(module)", 50)] {
        let source = read(&bytes);
        assert!(PluginHost::new(None).unwrap().planner(&source, "{}").await.is_ok());
    }
}

/// They cost little to compile. It is the sandbox that does not make so many.
#[tokio::test]
async fn more_instances_than_a_plugin_may_have() {
    let module = section(1, b"\0asm\x01\0\0\0");
    let instance = [&[0][..], &leb(sections(1)), &[0]].concat();
    let instances = section(2, &[leb(33), instance.repeat(33)].concat());
    let source = read(&overlayfs(&[module, instances]));
    let failure = PluginHost::new(None).unwrap().planner(&source, "{}").await.err().expect("there are 33");
    assert_eq!(failure.fault, PluginFault::OutOfMemory, "{failure}");
    let cause = failure.source.unwrap().to_string();
    assert!(cause.contains("instance count too high"), "{cause}");
}

#[test]
fn the_program_says_so() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("bomb.wasm");
    std::fs::write(&path, multiplying(10, 4)).unwrap();
    let run =
        Dray::new().run(["plugin".as_ref(), "inspect".as_ref(), "--describe".as_ref(), path.as_os_str()]);
    let run = run.failure(8);
    assert!(run.to_string().contains("would cost too much to compile"), "{run}");
}

/// What the estimate lets pass is still bounded: the process that compiles is given a component that was not
/// looked at before.
#[test]
fn the_process_that_compiles_limits_itself() {
    let mut child = Command::new(tools::dray())
        .arg("--compile-component")
        .env_clear()
        .env("RAYON_NUM_THREADS", "2")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(&multiplying(24, 2)).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{:?}", output.status);
    assert!(output.stdout.is_empty());
}
