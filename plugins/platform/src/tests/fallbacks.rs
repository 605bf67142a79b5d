use super::rank;

/// Everything that a table below can name, in an order that is never the answer.
const OFFERED: [&str; 30] = [
    "linux/arm/v5",
    "linux/386",
    "linux/amd64",
    "linux/arm64",
    "linux/amd64/v2",
    "linux/arm/v6",
    "linux/amd64/v3",
    "linux/amd64/v4",
    "linux/arm64/v8.1",
    "linux/arm64/v8.2",
    "linux/arm64/v8.3",
    "linux/arm64/v8.4",
    "linux/arm64/v8.5",
    "linux/arm64/v8.6",
    "linux/arm64/v8.7",
    "linux/arm64/v8.8",
    "linux/arm64/v8.9",
    "linux/arm64/v9",
    "linux/arm64/v9.1",
    "linux/arm64/v9.2",
    "linux/arm64/v9.3",
    "linux/arm64/v9.4",
    "linux/arm64/v9.5",
    "linux/arm64/v9.6",
    "linux/arm64/v9.7",
    "linux/arm64/v9.8",
    "linux/arm/v7",
    "linux/arm/v8",
    "linux/s390x",
    "windows/amd64",
];

fn assert_only(wanted: &str, expected: &str) {
    let expected: Vec<String> = expected.split_whitespace().map(|rest| format!("linux/{rest}")).collect();
    assert_eq!(rank("only", &[wanted], &OFFERED), expected, "{wanted}");
}

#[test]
fn amd64_counts_down_and_ends_at_386() {
    assert_only("linux/amd64/v4", "amd64/v4 amd64/v3 amd64/v2 amd64 386");
    assert_only("linux/amd64/v3", "amd64/v3 amd64/v2 amd64 386");
    assert_only("linux/amd64/v2", "amd64/v2 amd64 386");
    assert_only("linux/amd64/v1", "amd64 386");
    assert_only("linux/amd64", "amd64 386");
}

#[test]
fn arm_counts_down_to_five() {
    assert_only("linux/arm/v8", "arm/v8 arm/v7 arm/v6 arm/v5");
    assert_only("linux/arm/v7", "arm/v7 arm/v6 arm/v5");
    assert_only("linux/arm", "arm/v7 arm/v6 arm/v5");
    assert_only("linux/arm/v6", "arm/v6 arm/v5");
    assert_only("linux/arm/v5", "arm/v5");
    assert_only("linux/arm/v4", "");
}

#[test]
fn arm64_version_8_counts_down_and_goes_on_with_arm() {
    let arm = "arm/v8 arm/v7 arm/v6 arm/v5";
    assert_only("linux/arm64", &format!("arm64 {arm}"));
    assert_only("linux/arm64/v8", &format!("arm64 {arm}"));
    assert_only("linux/arm64/v8.1", &format!("arm64/v8.1 arm64 {arm}"));
    assert_only("linux/arm64/v8.3", &format!("arm64/v8.3 arm64/v8.2 arm64/v8.1 arm64 {arm}"));
    assert_only(
        "linux/arm64/v8.9",
        &format!(
            "arm64/v8.9 arm64/v8.8 arm64/v8.7 arm64/v8.6 arm64/v8.5 arm64/v8.4 arm64/v8.3 arm64/v8.2 \
             arm64/v8.1 arm64 {arm}"
        ),
    );
}

#[test]
fn arm64_version_9_goes_on_with_the_version_8_that_it_came_from() {
    let from_5 = "arm64/v8.5 arm64/v8.4 arm64/v8.3 arm64/v8.2 arm64/v8.1 arm64 arm/v8 arm/v7 arm/v6 arm/v5";
    let from_9 = format!("arm64/v8.9 arm64/v8.8 arm64/v8.7 arm64/v8.6 {from_5}");
    assert_only("linux/arm64/v9", &format!("arm64/v9 {from_5}"));
    assert_only("linux/arm64/v9.1", &format!("arm64/v9.1 arm64/v9 arm64/v8.6 {from_5}"));
    assert_only(
        "linux/arm64/v9.4",
        &format!("arm64/v9.4 arm64/v9.3 arm64/v9.2 arm64/v9.1 arm64/v9 {from_9}"),
    );
    assert_only(
        "linux/arm64/v9.7",
        &format!(
            "arm64/v9.7 arm64/v9.6 arm64/v9.5 arm64/v9.4 arm64/v9.3 arm64/v9.2 arm64/v9.1 arm64/v9 {from_9}"
        ),
    );
}

#[test]
fn arm64_variants_that_are_not_listed_match_nothing() {
    for variant in ["v9.8", "v8.10", "v10", "v7", "v8.1.1", "v8.", "v8.x", "8.1", "v9.+1", "unknown"] {
        let wanted = format!("linux/arm64/{variant}");
        assert_eq!(rank("only", &[&wanted], &OFFERED), Vec::<&str>::new(), "{variant}");
        assert_eq!(rank("only", &[&wanted], &[wanted.as_str()]), Vec::<&str>::new(), "{variant}");
        assert_eq!(rank("only-strict", &[&wanted], &[wanted.as_str()]), [&wanted], "{variant}");
    }
}

#[test]
fn other_architectures_have_no_fallback() {
    assert_only("linux/s390x", "s390x");
    assert_only("linux/386", "386");
    assert_only("linux/riscv64", "");
}

#[test]
fn the_operating_system_stays_the_same() {
    assert_eq!(rank("only", &["windows/amd64"], &OFFERED), ["windows/amd64"]);
}

#[test]
fn several_wanted_platforms_are_tried_one_fallback_vector_after_the_other() {
    assert_eq!(
        rank("only", &["linux/arm/v6", "linux/amd64"], &OFFERED),
        ["linux/arm/v6", "linux/arm/v5", "linux/amd64", "linux/386"]
    );
    assert_eq!(
        rank("only", &["linux/amd64", "linux/386"], &["linux/386", "linux/amd64"]),
        ["linux/amd64", "linux/386"]
    );
}

#[test]
fn a_large_version_costs_nothing_and_counts_down_all_the_same() {
    assert_only("linux/amd64/v4000000000", "amd64/v4 amd64/v3 amd64/v2 amd64 386");
    assert_only("linux/arm/v9223372036854775807", "arm/v8 arm/v7 arm/v6 arm/v5");
    assert_only("linux/amd64/v9223372036854775808", "386");
    assert_only("linux/amd64/v-4", "386");
    let offered = ["linux/arm/v4", "linux/arm/v09", "linux/arm/9", "linux/arm/v300", "linux/arm/v10"];
    assert_eq!(rank("only", &["linux/arm/v400"], &offered), ["linux/arm/v300", "linux/arm/v10"]);
}

#[test]
fn strict_matchers_have_no_fallback() {
    for matcher in ["only-strict", "ordered", "any"] {
        assert_eq!(rank(matcher, &["linux/amd64"], &OFFERED), ["linux/amd64"]);
        assert_eq!(rank(matcher, &["linux/amd64/v3"], &OFFERED), ["linux/amd64/v3"]);
        assert_eq!(rank(matcher, &["linux/arm/v7"], &OFFERED), ["linux/arm/v7"]);
        assert_eq!(rank(matcher, &["linux/arm64/v9.1"], &OFFERED), ["linux/arm64/v9.1"]);
    }
}
