//! Resource limits of the process: few threads, few open files, small files. dray ends with an error, or goes on
//! without the cache; it never panics and never dies of a signal.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::process::Command;

use dray_tests::command::{Dray, Run};
use dray_tests::daemon::{Containerd, Generation};
use dray_tests::docker_registry::DockerRegistry;
use dray_tests::image::{Compression, Entry, Image, Layer};
use dray_tests::scratch::{Place, Scratch};
use dray_tests::{require, tools};

/// A user without other processes. The kernel limits the processes of this user, unlike root's.
const USER: u32 = 54_321;

struct World {
    daemon: Containerd,
    /// Serves the image until the test ends.
    _registry: DockerRegistry,
    name: String,
}

impl World {
    fn new() -> Option<Self> {
        let registry = require!(DockerRegistry::start(), None);
        let daemon = require!(Containerd::start(Generation::Debian16), None);
        let layer = Layer::builder().entry(Entry::file("file", "content")).build(Compression::Gzip);
        registry.push(&Image::builder("linux/amd64").layer(layer).build(), "limits:1");
        let name = registry.reference("limits:1");
        Some(Self { daemon, _registry: registry, name })
    }

    /// Commands that start threads, open files, and write.
    fn commands(&self) -> [Vec<&str>; 5] {
        [
            vec!["pull", &self.name],
            vec!["pull", "--unpack=false", &self.name],
            vec!["resolve", &self.name],
            vec!["image", "ls"],
            vec!["plugin", "inspect", "--describe", "overlayfs"],
        ]
    }
}

/// Checks that dray exited by itself.
#[track_caller]
fn assert_orderly(run: &Run, what: &str) {
    let code = run.status.code();
    assert!(code.is_some_and(|code| code <= 10), "{what}: {run}");
    assert!(!run.stderr.contains("panicked"), "{what}: {run}");
    assert!(run.status.success() || run.stderr.contains("error: "), "{what}: {run}");
}

#[test]
fn few_threads_end_in_an_error_or_success() {
    let Some(world) = World::new() else { return };
    chown(world.daemon.socket(), Some(USER), Some(USER)).expect("root can give the socket away");
    let open = |path: &std::path::Path| {
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(path, mode).expect("root can open a directory");
    };
    open(world.daemon.socket().parent().expect("a socket lies in a directory"));
    let user = USER.to_string();
    let scratch = Scratch::new(Place::Memory);
    open(scratch.path());
    let program = tools::dray_for_every_user(scratch.path());
    for limit in [1, 4, 8, 12, 13, 14, 15, 16, 18, 64] {
        let dray = Dray::with(&world.daemon, "default").program(&program);
        open(dray.directory());
        for directory in ["cache", "home", "tmp", "config", "run"] {
            chown(dray.directory().join(directory), Some(USER), Some(USER)).expect("root can give it away");
        }
        let ids = ["--reuid", &user, "--regid", &user, "--clear-groups", "prlimit"];
        let limit = format!("--nproc={limit}");
        let dray = dray.started_by([&["setpriv"], ids.as_slice(), &[&limit]].concat());
        for command in world.commands() {
            let run = dray.run(&command);
            assert_orderly(&run, &format!("{limit} {command:?}"));
            if limit == "--nproc=1" {
                assert!(run.stderr.contains("hint: raise the limit of processes and threads"), "{run}");
            }
            if limit == "--nproc=64" {
                run.success();
            }
        }
    }
}

#[test]
fn few_open_files_end_in_an_error_or_success() {
    let Some(world) = World::new() else { return };
    for limit in [4, 6, 8, 10, 12, 16, 20, 24, 28, 30, 32, 64] {
        let limit = format!("--nofile={limit}");
        let dray = Dray::with(&world.daemon, "default").started_by(["prlimit", &limit]);
        for command in world.commands() {
            let run = dray.run(&command);
            assert_orderly(&run, &format!("{limit} {command:?}"));
            if limit == "--nofile=10" {
                assert!(run.stderr.contains("hint: raise the limit of open files"), "{run}");
            }
            if limit == "--nofile=64" {
                run.success();
            }
        }
    }
}

#[test]
fn small_files_only_disable_the_cache() {
    let Some(world) = World::new() else { return };
    for limit in [0, 10, 1000, 100_000] {
        let limit = format!("--fsize={limit}");
        let dray = Dray::with(&world.daemon, "default").started_by(["prlimit", &limit]);
        for command in world.commands() {
            let run = dray.run(&command);
            assert_orderly(&run, &format!("{limit} {command:?}"));
            // Standard output is a pipe, so only the cache exceeds the limit.
            run.success();
        }
        // Now standard output is a file.
        let output = std::fs::File::create(dray.directory().join("output")).expect("a file can be made");
        let printed = Command::new("prlimit")
            .arg(&limit)
            .arg(tools::dray())
            .args(["man", "pull"])
            .stdout(output)
            .output()
            .expect("prlimit can be started");
        let said = String::from_utf8_lossy(&printed.stderr);
        if limit == "--fsize=100000" {
            assert!(printed.status.success(), "{said}");
        } else {
            assert_eq!(printed.status.code(), Some(1), "{limit}: {said}");
            assert!(said.contains("hint: raise the limit of file sizes"), "{said}");
        }
    }
}

#[test]
fn a_full_disk_of_the_cache_does_not_fail_a_pull() {
    let Some(world) = World::new() else { return };
    let dray = Dray::with(&world.daemon, "default");
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=16k", "tmpfs"])
        .arg(dray.cache())
        .status()
        .expect("mount can be started");
    assert!(mounted.success(), "root can mount");
    let run = dray.run(["pull", &world.name]).success();
    assert!(run.stderr.contains("compiled code cannot be kept"), "{run}");
}

#[test]
fn a_full_disk_of_containerd_is_named() {
    let Some(world) = World::new() else { return };
    let blobs = world.daemon.root().join("io.containerd.content.v1.content/ingest");
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=4k,nr_inodes=2", "tmpfs"])
        .arg(&blobs)
        .status()
        .expect("mount can be started");
    assert!(mounted.success(), "root can mount");
    let run = Dray::with(&world.daemon, "default").run(["pull", &world.name]).failure(9);
    let hint = format!(
        "hint: the file system has no free bytes or inodes; free some in {}",
        world.daemon.root().display()
    );
    assert!(run.stderr.contains(&hint), "{run}");
}
