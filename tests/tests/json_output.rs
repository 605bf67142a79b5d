//! JSON on standard output and standard error has no character that a terminal would interpret or hide.

use dray_tests::command::{Dray, Run};
use dray_tests::guests::{Guest, Info};
use serde_json::Value;

/// A control character of each range, one that reverses the reading direction, and an invisible one.
const ODD: &str = "a\u{1b}b\u{7f}c\u{85}d\u{9b}e\u{202e}f\u{2066}g\u{200b}h\u{feff}i\u{e0061}";
/// The same, escaped.
const SHOWN: &str = r"a\u001bb\u007fc\u0085d\u009be\u202ef\u2066g\u200bh\ufeffi\udb40\udc61";

/// Fails unless the text is JSON without such a character, one value per line or one in all.
fn harmless(text: &str, run: &Run) -> Vec<Value> {
    let odd: Vec<char> = ODD.chars().filter(|letter| !letter.is_ascii_alphabetic()).collect();
    let found = text.chars().find(|letter| odd.contains(letter) || (letter.is_control() && *letter != '\n'));
    assert_eq!(found, None, "{run}");
    assert!(text.contains(SHOWN), "{run}");
    serde_json::Deserializer::from_str(text).into_iter::<Value>().map(Result::unwrap).collect()
}

#[test]
fn answers_about_names_and_platforms_are_escaped() {
    for command in [["reference"].as_slice(), &["platform", "parse"]] {
        let run = Dray::new().args(command).run(["--format", "json", "--", ODD, ODD]);
        assert_eq!(run.status.code(), Some(2), "{run}");
        let answers = harmless(&run.stdout, &run);
        assert_eq!(answers.iter().map(|answer| answer["input"].as_str()).collect::<Vec<_>>(), [Some(ODD); 2]);
        assert_eq!(run.stdout.lines().count(), 2, "{run}");
    }
}

#[test]
fn odd_names_in_a_plugin_are_escaped() {
    let dray = Dray::new();
    let schema = format!("{{\"title\": \"{}\"}}", ODD.replace('\u{1b}', "\\u001b"));
    let name = format!("{ODD}.wasm");
    Guest::platform().info(&Info { config_schema: schema, ..Info::default() }).write(dray.directory(), &name);
    let run = dray.run(["plugin", "inspect", "--describe", "--format", "json", &name]).success();
    let [inspected] = harmless(&run.stdout, &run).try_into().unwrap();
    assert_eq!(inspected["name"], name);
    assert_eq!(inspected["description"]["config_schema"]["title"], ODD);
}

#[test]
fn errors() {
    let missing = format!("./{ODD}.wasm");
    let run = Dray::new().run(["plugin", "inspect", "--format", "json", &missing]);
    assert_eq!(run.status.code(), Some(2), "{run}");
    let [failure] = harmless(&run.stderr, &run).try_into().unwrap();
    assert_eq!(failure["error"]["message"], format!("cannot read plugin `{missing}`"));
    assert_eq!(run.stderr.lines().count(), 1, "{run}");
}
