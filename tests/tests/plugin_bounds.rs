//! Reading a component costs little, whatever it contains: dray shows or refuses it within measured limits.

#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use dray_tests::cost::{self, Cost};
use dray_tests::guests::hostile;
use dray_tests::tools;

/// Memory that reading a component may take beyond reading a good one.
const MORE_KIB: u64 = 100 * 1024;

/// Far more CPU time than reading may take. The tested build is not optimised.
const PROCESSOR: Duration = Duration::from_secs(20);

struct Looked {
    code: Option<i32>,
    stdout: String,
    stderr: String,
    cost: Cost,
}

fn look(place: &Path, component: Vec<u8>) -> Looked {
    let [path, file] = ["hostile.wasm", "cost"].map(|name| place.join(name));
    std::fs::write(&path, component).unwrap();
    let run = cost::measured(&file, tools::dray())
        .args(["plugin", "inspect", "hostile.wasm"])
        .env_clear()
        .current_dir(place)
        .output()
        .unwrap();
    let [stdout, stderr] = [run.stdout, run.stderr].map(|printed| String::from_utf8(printed).unwrap());
    Looked { code: run.status.code(), stdout, stderr, cost: cost::read(&file) }
}

type Make = fn() -> Vec<u8>;

/// Each with the reason for its refusal, or `None` if it is shown.
fn hostile() -> Vec<(&'static str, Make, Option<&'static str>)> {
    vec![
        ("types in types", || hostile::types_in_types(1200, false), Some("levels of nesting: 17")),
        (
            "types of instances in each other",
            || hostile::types_in_types(1_000_000, true),
            Some("levels of nesting: 17"),
        ),
        (
            "instances by their types",
            || hostile::instances_of_types(10_000),
            Some("types in one another: 65"),
        ),
        ("instances in instances", || hostile::instances_in_instances(900), Some("types in one another: 65")),
        (
            "long names, imported again",
            || hostile::repeated_import(400, 1000, 900),
            Some("parts of types in all places"),
        ),
        (
            "many names, imported again",
            || hostile::repeated_import(20_000, 20, 900),
            Some("parts of types in all places"),
        ),
        (
            "tuples, compared again",
            || hostile::compared_tuples(10_000, 11_400),
            Some("parts of types in all places"),
        ),
        ("tuples of tuples", || hostile::doubling_tuples(18, 900), Some("parts of types in all places")),
        // These are just below the limits.
        ("many names, imported often", || hostile::repeated_import(900, 16, 180), None),
        ("exports", || hostile::long_names(99_000, 20), None),
        ("producers", || hostile::producers(5_500_000), None),
        ("long names of exports", || hostile::long_names(160, 99_000), Some("bytes of names")),
        ("many exports", || hostile::long_names(500_000, 8), Some("declarations: 100001")),
        ("recursive types", || hostile::recursive_types(900_000), Some("group of recursive types")),
        ("segments of data", || hostile::data_segments(20_000, false), Some("segments of data")),
        ("segments of data in one image", || hostile::data_segments(20_000, true), None),
        ("globals", || hostile::globals(66_000), Some("globals")),
    ]
}

#[test]
fn reading_a_component_costs_little() {
    let scratch = tempfile::tempdir().unwrap();
    let good = look(scratch.path(), hostile::overlayfs(&[]));
    assert_eq!(good.code, Some(0), "{}", good.stderr);
    println!("{:<36} {:?}", "a good one", good.cost);
    for (what, make, reason) in hostile() {
        let Looked { code, stdout, stderr, cost } = look(scratch.path(), make());
        println!("{what:<36} {cost:?}");
        match reason {
            None => assert!(
                code == Some(0) && stdout.contains("dray:snapshotter/planner"),
                "{what}: {code:?} {stderr}"
            ),
            Some(reason) => {
                // The exit status of a plugin failure, or, for recursive types, of an unreadable component.
                assert!(matches!(code, Some(8 | 2)), "{what}: {code:?} {stderr}");
                assert!(stderr.contains(reason) && stderr.contains("hint: "), "{what}: {stderr}");
                assert!(!stderr.contains("panicked"), "{what}: {stderr}");
            }
        }
        assert!(
            cost.peak_kib < good.cost.peak_kib + MORE_KIB,
            "{what}: {cost:?}, a good one {:?}",
            good.cost
        );
        assert!(cost.processor < PROCESSOR, "{what}: {cost:?}");
    }
}

/// Without `/proc` the program is started by the name that the kernel received.
#[test]
fn a_component_is_read_in_its_own_process_without_proc() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("mine.wasm");
    std::fs::write(&path, hostile::overlayfs(&[])).unwrap();
    // In its own mount namespace, so that the mount is not visible outside.
    let read = Command::new("unshare")
        .args(["--mount", "sh", "-c"])
        .arg("mount -t tmpfs none /proc && exec \"$0\" plugin inspect --describe \"$1\"")
        .args([&tools::dray(), &path])
        .env_clear()
        .env("PATH", tools::SEARCH_PATH)
        .output()
        .unwrap();
    let stdout = String::from_utf8(read.stdout).unwrap();
    assert!(
        read.status.success() && stdout.contains("calls itself"),
        "{}",
        String::from_utf8_lossy(&read.stderr)
    );
}

/// Root may start any number of processes, another user may not.
#[test]
fn a_component_is_refused_if_no_process_can_read_it() {
    let scratch = tempfile::tempdir().unwrap();
    std::fs::set_permissions(scratch.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = scratch.path().join("mine.wasm");
    std::fs::write(&path, hostile::overlayfs(&[])).unwrap();
    let refused = Command::new("setpriv")
        .args(["--reuid", "54321", "--clear-groups", "prlimit", "--nproc=1"])
        .arg(tools::dray_for_every_user(scratch.path()))
        .args(["plugin", "inspect"])
        .arg(&path)
        .env_clear()
        .env("PATH", tools::SEARCH_PATH)
        .output()
        .unwrap();
    let stderr = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(8), "{stderr}");
    assert!(stderr.contains("cannot be read safely on this machine"), "{stderr}");
}
