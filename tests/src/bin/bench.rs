//! Times `dray pull` against `ctr images pull` on the same containerd, both as whole processes.
//!
//! Both pull the same image from the same registry. Each run gets a fresh containerd, and the runs alternate. The
//! ratio of each pair is what counts. Prints the peak memory of `dray` too, which must not depend on the size of the
//! image.

#![expect(clippy::print_stdout, reason = "printing figures is all that it is for")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use dray_tests::daemon::{Containerd, Generation, Settings};
use dray_tests::docker_registry::DockerRegistry;
use dray_tests::image::{Compression, Entry, Image, Layer};
use dray_tests::scratch::{Place, Scratch};
use dray_tests::tools;

const MIB: usize = 1 << 20;

/// What to measure; see `--help`.
struct Options {
    rounds: usize,
    place: Place,
    generations: Vec<Generation>,
    sizes: Vec<usize>,
}

/// One finished process.
struct Run {
    wall: Duration,
    /// Peak of the resident memory in KiB.
    peak: u64,
    stdout: String,
}

fn main() {
    let Some(options) = options() else {
        println!("usage: bench [--rounds N] [--disk] [--containerd 1.6|1.7|2]... [--mib N]...");
        println!(
            "Defaults: 5 rounds, data in memory, every containerd that is here, images of 2 and 300 MiB."
        );
        return;
    };
    for &mib in &options.sizes {
        let image = image(mib);
        let bytes: usize = image.layers.iter().map(|layer| layer.bytes.len()).sum();
        let registry = DockerRegistry::start_in(options.place).unwrap_or_else(|missing| panic!("{missing}"));
        registry.push(&image, "bench:1");
        let reference = registry.reference("bench:1");
        for &generation in &options.generations {
            if let Err(missing) = generation.find() {
                println!("{generation}: skipped, {missing}");
                continue;
            }
            println!(
                "{generation}, {} layers, {} MB compressed, {} rounds",
                image.layers.len(),
                bytes / 1_000_000,
                options.rounds
            );
            compare(&options, generation, &reference);
        }
    }
}

fn compare(options: &Options, generation: Generation, reference: &str) {
    let cache = Scratch::new(options.place);
    // The first run compiles the plugins, which is measured elsewhere.
    dray(options, generation, reference, cache.path());
    let mut ratios = Vec::new();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..options.rounds {
        // The order alternates, so that drift affects both alike.
        let (our, their) = if round % 2 == 0 {
            let our = dray(options, generation, reference, cache.path());
            (our, ctr(options, generation, reference))
        } else {
            let their = ctr(options, generation, reference);
            (dray(options, generation, reference, cache.path()), their)
        };
        ratios.push(our.wall.as_secs_f64() / their.wall.as_secs_f64());
        ours.push(our);
        theirs.push(their);
    }
    let seconds = |runs: &[Run]| spread(runs.iter().map(|run| run.wall.as_secs_f64()).collect());
    let peak = |runs: &[Run]| runs.iter().map(|run| run.peak).max().unwrap_or_default() / 1024;
    println!("  dray   {} s, peak memory {} MiB", seconds(&ours), peak(&ours));
    println!("  ctr    {} s, peak memory {} MiB", seconds(&theirs), peak(&theirs));
    println!("  ratio  {} (dray / ctr, below 1 is faster)", spread(ratios));
    print_stages(&ours);
}

/// The stages of dray's runs, from its reports.
fn print_stages(runs: &[Run]) {
    let reports: Vec<serde_json::Value> =
        runs.iter().map(|run| serde_json::from_str(&run.stdout).expect("a report is JSON")).collect();
    let stages = reports[0]["timings"].as_object().expect("a report has timings").keys();
    let shown = stages.map(|stage| {
        let mut values: Vec<f64> =
            reports.iter().filter_map(|report| report["timings"][stage].as_f64()).collect();
        values.sort_by(f64::total_cmp);
        format!("{stage} {:.1}", values[values.len() / 2])
    });
    println!("  stages of dray, median in ms: {}", shown.collect::<Vec<_>>().join(", "));
}

fn dray(options: &Options, generation: Generation, reference: &str, cache: &Path) -> Run {
    let daemon = daemon(options, generation);
    let mut command = Command::new(tools::dray());
    command.env_clear().env("XDG_CACHE_HOME", cache).env("HOME", cache);
    command.arg("--address").arg(daemon.socket()).args([
        "pull",
        "--plain-http",
        "--format",
        "json",
        reference,
    ]);
    measure(&mut command)
}

fn ctr(options: &Options, generation: Generation, reference: &str) -> Run {
    let daemon = daemon(options, generation);
    let mut command = daemon.ctr_command("default", &["images", "pull", "--plain-http", reference]);
    measure(&mut command)
}

fn daemon(options: &Options, generation: Generation) -> Containerd {
    let settings = Settings { place: options.place, ..Settings::new(generation) };
    Containerd::start_with(&settings).unwrap_or_else(|missing| panic!("{missing}"))
}

fn measure(command: &mut Command) -> Run {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let started = Instant::now();
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let status = format!("/proc/{}/status", child.id());
    let watcher = std::thread::spawn(move || {
        let mut peak = 0;
        // After the end of the process the file is gone, or lacks the line.
        while let Some(now) = std::fs::read_to_string(&status).ok().as_deref().and_then(high_water) {
            peak = now;
            std::thread::sleep(Duration::from_millis(2));
        }
        peak
    });
    // Neither prints enough to fill a pipe.
    let stderr = std::io::read_to_string(child.stderr.take().expect("stderr is a pipe")).unwrap_or_default();
    let stdout = std::io::read_to_string(child.stdout.take().expect("stdout is a pipe")).unwrap_or_default();
    let ended = child.wait().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let wall = started.elapsed();
    assert!(ended.success(), "{command:?}: {ended}\n{stderr}");
    Run { wall, peak: watcher.join().expect("the watcher does not panic"), stdout }
}

fn high_water(status: &str) -> Option<u64> {
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// An image of about `mib` MB compressed. Its files compress like programs and texts.
fn image(mib: usize) -> Image {
    let layers = if mib >= 50 { 6 } else { 2 };
    let mut image = Image::builder("linux/amd64");
    for layer in 0..layers {
        // The content compresses to about 30 %.
        let files = (mib * MIB * 10 / 3 / layers).div_ceil(FILE_BYTES);
        let mut builder = Layer::builder();
        for file in 0..files {
            let path = format!("usr/lib/part{layer}/{:02}/file{file}", file % 50);
            builder = builder.entry(Entry::file(&path, content((layer * 1_000_000 + file) as u64)));
        }
        image = image.layer(builder.build(Compression::Gzip));
    }
    image.build()
}

const FILE_BYTES: usize = 32 * 1024;

/// Words from a small vocabulary between runs of noise. A seed always gives the same bytes.
fn content(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut bytes = Vec::with_capacity(FILE_BYTES + 64);
    while bytes.len() < FILE_BYTES {
        let random = next();
        if random % 4 == 0 {
            bytes.extend_from_slice(&next().to_le_bytes());
            bytes.extend_from_slice(&next().to_le_bytes());
        } else {
            bytes.extend_from_slice(format!("symbol_{:x} call ret mov ", random % 512).as_bytes());
        }
    }
    bytes.truncate(FILE_BYTES);
    bytes
}

/// The median, and the range.
fn spread(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    let (first, last) = (values[0], values[values.len() - 1]);
    format!("{:.3} ({first:.3} to {last:.3})", values[values.len() / 2])
}

fn options() -> Option<Options> {
    let mut options = Options { rounds: 5, place: Place::Memory, generations: Vec::new(), sizes: Vec::new() };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--rounds" => options.rounds = arguments.next()?.parse().ok().filter(|&rounds| rounds > 0)?,
            "--disk" => options.place = Place::Disk,
            "--mib" => options.sizes.push(arguments.next()?.parse().ok()?),
            "--containerd" => options.generations.push(match arguments.next()?.as_str() {
                "1.6" => Generation::Debian16,
                "1.7" => Generation::V17,
                "2" => Generation::V2,
                _ => return None,
            }),
            _ => return None,
        }
    }
    if options.generations.is_empty() {
        options.generations.extend(Generation::ALL);
    }
    if options.sizes.is_empty() {
        options.sizes.extend([2, 300]);
    }
    Some(options)
}
