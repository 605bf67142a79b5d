//! Rules for files: their names, their length, and words they may not contain.

use crate::Source;

const LONGEST: usize = 600;

/// Names that do not describe the contents. `mod` hides the name in the directory.
const EMPTY_NAMES: [&str; 8] = ["util", "utils", "helper", "helpers", "common", "misc", "shared", "mod"];

/// Marks of unfinished work, which belongs into the plan. Written in two parts, so that this file may contain them.
const MARKS: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// The faults of a file as a whole.
pub(crate) fn check(source: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    let lines = source.text.lines().count();
    if lines > LONGEST {
        faults.push(format!("{lines} lines, {LONGEST} are allowed"));
    }
    for part in source.path.with_extension("").iter().filter_map(|part| part.to_str()) {
        if EMPTY_NAMES.contains(&part) {
            faults.push(format!("`{part}` is no name"));
        }
    }
    for (number, line) in source.text.lines().enumerate() {
        let words = line.split(|letter: char| !letter.is_alphanumeric());
        for mark in words.filter(|word| MARKS.contains(word)) {
            faults.push(format!("line {}: `{mark}`", number + 1));
        }
    }
    faults
}

#[test]
fn a_short_file_with_a_good_name_passes() {
    assert_eq!(check(&Source::sample("host/pull/src/pull/resolve.rs", "fn f() {}\n")), [""; 0]);
}

#[test]
fn files_that_break_a_rule_are_found() {
    let cases = [
        ("host/pull/src/pull.rs", "\n".repeat(601), "601 lines, 600 are allowed"),
        ("host/pull/src/pull/utils.rs", String::new(), "`utils` is no name"),
        ("plugins/common/src/lib.rs", String::new(), "`common` is no name"),
        ("host/pull/src/pull/mod.rs", String::new(), "`mod` is no name"),
        ("tests/src/tree.rs", format!("\n// {}: later", MARKS[0]), &format!("line 2: `{}`", MARKS[0])),
    ];
    for (path, text, fault) in cases {
        assert_eq!(check(&Source::sample(path, &text)), [fault]);
    }
}
