//! Rules for the page about parity: every trap has an answer, and every test that it names exists.
//!
//! A trap is a table row whose first cell is its number and whose last cell is the answer. A test is named by its
//! file and function, such as `tests/tests/wit.rs::an_item_without_comment_or_version_is_found`.

/// The number of traps.
const TRAPS: usize = 63;

/// How an answer without a test starts.
const REASONS: [&str; 2] = ["cannot occur: ", "open: "];

/// The faults of the page. `read` returns a file of the repository.
pub(crate) fn check(page: &str, read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut faults = Vec::new();
    let mut seen = [0_usize; TRAPS];
    for row in page.lines().filter_map(cells) {
        let [number, .., answer] = row.as_slice() else { continue };
        let Ok(number) = number.parse::<usize>() else { continue };
        match number.checked_sub(1).and_then(|index| seen.get_mut(index)) {
            Some(times) => *times += 1,
            None => faults.push(format!("there is no trap {number}")),
        }
        if tests_in(answer).next().is_none() && !REASONS.iter().any(|reason| has_more(answer, reason)) {
            faults.push(format!("trap {number} has neither a test nor a reason"));
        }
    }
    for (index, times) in seen.into_iter().enumerate().filter(|(_, times)| *times != 1) {
        faults.push(format!("trap {} is there {times} times", index + 1));
    }
    for (path, function) in tests_in(page) {
        match read(path) {
            None => faults.push(format!("there is no `{path}`")),
            Some(source) if !has_function(&source, function) => {
                faults.push(format!("`{path}` has no `{function}`"));
            }
            Some(_) => {}
        }
    }
    faults
}

/// The cells of a table row.
fn cells(line: &str) -> Option<Vec<&str>> {
    let row = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    Some(row.split('|').map(str::trim).collect())
}

fn has_more(answer: &str, reason: &str) -> bool {
    answer.strip_prefix(reason).is_some_and(|more| !more.trim().is_empty())
}

/// The tests in a text: path and function.
fn tests_in(text: &str) -> impl Iterator<Item = (&str, &str)> {
    // Every second part is between backticks.
    let code = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    code.filter_map(|code| {
        code.find(".rs::").map(|end| (&code[..end + ".rs".len()], &code[end + ".rs::".len()..]))
    })
}

fn has_function(source: &str, function: &str) -> bool {
    let name = format!("fn {function}(");
    source.lines().any(|line| line.contains(&name))
}

fn page(alter: impl Fn(usize, &str) -> String) -> String {
    let rows = (1..=TRAPS).map(|number| alter(number, "`a.rs::holds`"));
    rows.collect::<Vec<_>>().join("\n")
}

fn faults(alter: impl Fn(usize, &str) -> String) -> Vec<String> {
    let read = |path: &str| (path == "a.rs").then(|| "#[test]\nasync fn holds() {}\n".to_owned());
    check(&page(alter), read)
}

#[test]
fn a_complete_page_passes() {
    let row = |number: usize, test: &str| match number {
        7 => "| 7 | a trap | cannot occur: there is no such thing |".to_owned(),
        8 => format!("| 8 | a trap | from the beginning, {test} |\n\n| option | same |"),
        _ => format!("| {number} | a trap | {test} |"),
    };
    assert_eq!(faults(row), [""; 0]);
}

#[test]
fn gaps_of_a_page_are_found() {
    let fifth = |row: &'static str| {
        faults(
            move |number, test| {
                if number == 5 { row.to_owned() } else { format!("| {number} | a trap | {test} |") }
            },
        )
    };
    assert_eq!(fifth("| five | a trap | `a.rs::holds` |"), ["trap 5 is there 0 times"]);
    assert_eq!(
        fifth("| 6 | a trap | `a.rs::holds` |"),
        ["trap 5 is there 0 times", "trap 6 is there 2 times"]
    );
    assert_eq!(fifth("| 64 | a | `a.rs::holds` |"), ["there is no trap 64", "trap 5 is there 0 times"]);
    assert_eq!(fifth("| 5 | a trap | of course |"), ["trap 5 has neither a test nor a reason"]);
    assert_eq!(fifth("| 5 | a trap | cannot occur: |"), ["trap 5 has neither a test nor a reason"]);
    assert_eq!(fifth("| 5 | a trap | `a.rs::hold` |"), ["`a.rs` has no `hold`"]);
    assert_eq!(fifth("| 5 | a trap | `b.rs::holds` |"), ["there is no `b.rs`"]);
}
