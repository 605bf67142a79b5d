//! Rules for the code that the compiler does not check: dependencies, error messages, the length of files, and the
//! existence of the tests that the documentation names. Also that a table of the documentation is the outcome of a test.
//!
//! Each checker is tried on samples that break its rule, and then reads this repository.

mod circles;
mod errors;
mod files;
mod imports;
mod parity;

use std::fs;
use std::path::{Path, PathBuf};

/// A source file: its path from the root of the repository, and its text.
struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    fn sample(path: &str, text: &str) -> Self {
        Self { path: path.into(), text: text.to_owned() }
    }

    fn parse(&self) -> syn::File {
        syn::parse_file(&self.text).unwrap_or_else(|error| panic!("{}: {error}", self.path.display()))
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the repository").to_owned()
}

/// All Rust files below a directory of the repository, without build output.
fn sources(folder: &str) -> Vec<Source> {
    let root = root();
    let mut folders = vec![root.join(folder)];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text =
                    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                let path = path.strip_prefix(&root).expect("it was found below the root").to_owned();
                sources.push(Source { path, text });
            }
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

/// Fails with every fault that `check` finds.
fn hold(rule: &str, sources: &[Source], check: impl Fn(&Source) -> Vec<String>) {
    assert!(!sources.is_empty(), "{rule}: no file was found");
    let faults: Vec<String> = sources
        .iter()
        .flat_map(|source| {
            check(source).into_iter().map(|fault| format!("{}: {fault}", source.path.display()))
        })
        .collect();
    assert!(faults.is_empty(), "{rule}:\n{}", faults.join("\n"));
}

#[test]
fn crates_depend_in_one_direction() {
    let mut inside = sources("host");
    // Examples are programs and may do more.
    inside.retain(|source| source.path.iter().any(|part| part == "src"));
    hold("imports go one way", &inside, imports::check);
    let mut folders: Vec<String> = Vec::new();
    for entry in fs::read_dir(root().join("host")).expect("the crates are there").flatten() {
        let folder = entry.file_name().to_string_lossy().into_owned();
        let manifest = fs::read_to_string(entry.path().join("Cargo.toml")).expect("a folder is a crate");
        assert_eq!(imports::check_manifest(&folder, &manifest), [""; 0]);
        folders.push(folder);
    }
    assert_eq!(folders.len(), imports::CRATES.len(), "every crate of the rule exists: {folders:?}");
}

#[test]
fn files_of_the_command_line_import_in_one_direction() {
    assert_eq!(circles::check(&sources("host/cli/src")), [""; 0]);
}

#[test]
fn error_messages_do_not_repeat_their_source() {
    hold("an error's text leaves its cause to the source", &sources("host"), errors::check);
    hold("an error's text leaves its cause to the source", &sources("plugins"), errors::check);
}

#[test]
fn files_are_short_and_well_named() {
    for folder in ["host", "tests", "plugins"] {
        hold("files are short and have names", &sources(folder), files::check);
    }
}

#[test]
fn every_trap_has_a_test_or_a_reason() {
    let page = fs::read_to_string(root().join("docs/parity.md")).expect("the page is there");
    let faults = parity::check(&page, |path| fs::read_to_string(root().join(path)).ok());
    assert!(faults.is_empty(), "docs/parity.md:\n{}", faults.join("\n"));
}

/// The table of pairs is the outcome of a test, which needs the daemons of lazy snapshotters. The page has it unchanged.
#[test]
fn the_table_of_images_and_snapshotters_is_that_of_the_tests() {
    let read = |path: &str| fs::read_to_string(root().join(path)).expect("the file is there");
    let snapshot = read("tests/tests/snapshots/lazy_pull__pairs__table.snap");
    // After the header, which ends with the second of these lines.
    let table = snapshot.splitn(3, "---\n").nth(2).expect("the snapshot has a header");
    let page = read("docs/snapshotters.md");
    let shown =
        page.split_once("<!-- pairs -->\n").and_then(|(_, rest)| rest.split_once("<!-- /pairs -->\n"));
    let (shown, _) = shown.expect("the page has the markers");
    assert_eq!(shown.trim(), table.trim(), "docs/snapshotters.md");
}
