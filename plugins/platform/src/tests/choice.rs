use dray_plugin::{Error, testing};

use super::{Platforms, matches, rank};

#[test]
fn the_default_is_strict() {
    let wanted = [testing::platform("linux/amd64")];
    let offered = ["linux/386", "linux/amd64"].map(testing::platform);
    assert_eq!(testing::rank::<Platforms>("{}", &wanted, &offered), Ok(vec![1]));
}

#[test]
fn lists_are_tried_in_the_order_wanted() {
    let offered = ["linux/arm64", "linux/amd64", "linux/s390x", "linux/arm64/v8"];
    for matcher in ["only-strict", "ordered"] {
        assert_eq!(
            rank(matcher, &["linux/amd64", "linux/arm64"], &offered),
            ["linux/amd64", "linux/arm64", "linux/arm64/v8"],
            "{matcher}"
        );
    }
}

#[test]
fn any_prefers_no_wanted_platform() {
    let offered = ["linux/arm64", "linux/s390x", "linux/amd64"];
    assert_eq!(rank("any", &["linux/amd64", "linux/arm64"], &offered), ["linux/arm64", "linux/amd64"]);
}

#[test]
fn any_still_takes_more_features_first() {
    assert_eq!(
        rank("any", &["linux/arm64", "linux(+a)/amd64"], &["linux/amd64", "linux/arm64", "linux(+a)/amd64"]),
        ["linux(+a)/amd64", "linux/amd64", "linux/arm64"]
    );
}

#[test]
fn all_takes_everything_as_it_comes() {
    let offered = ["unknown/unknown", "linux/arm64", "linux/amd64", "/"];
    assert_eq!(rank("all", &["linux/amd64"], &offered), offered);
}

#[test]
fn equal_offers_stay_in_the_order_of_the_index() {
    let offered = ["linux/x86_64", "linux/amd64", "linux/amd64/v1"];
    for matcher in ["only-strict", "only", "ordered", "any"] {
        assert_eq!(rank(matcher, &["linux/amd64"], &offered), offered, "{matcher}");
    }
}

#[test]
fn nothing_that_matches_is_an_answer() {
    assert_eq!(rank("only", &["linux/amd64"], &["linux/arm64"]), Vec::<&str>::new());
    assert_eq!(rank("all", &["linux/amd64"], &[]), Vec::<&str>::new());
}

#[test]
fn attestations_match_only_all() {
    for matcher in ["only-strict", "only", "ordered", "any"] {
        assert_eq!(rank(matcher, &["linux/amd64"], &["unknown/unknown"]), Vec::<&str>::new(), "{matcher}");
    }
}

#[test]
fn offered_features_must_be_among_the_wanted_ones() {
    for (wanted, offered, expected) in [
        ("linux/amd64", "linux(+erofs)/amd64", false),
        ("linux(+erofs)/amd64", "linux(+erofs)/amd64", true),
        ("linux(+erofs)/amd64", "linux/amd64", true),
        ("linux(+b+a)/amd64", "linux(+a+b)/amd64", true),
        ("linux(+a+b+c)/amd64", "linux(+c+a)/amd64", true),
        ("linux(+a+c)/amd64", "linux(+a+b)/amd64", false),
        ("linux(+a)/amd64", "linux(+a+a)/amd64", true),
        ("linux(+a)/amd64", "linux(+a+b)/amd64", false),
    ] {
        assert_eq!(matches(wanted, offered), expected, "{wanted} wanted, {offered} offered");
    }
}

#[test]
fn more_features_are_better_within_one_wanted_platform() {
    assert_eq!(
        rank(
            "only",
            &["linux(+a+b)/amd64"],
            &["linux/386", "linux/amd64", "linux(+a)/amd64", "linux(+a+b)/amd64"]
        ),
        ["linux(+a+b)/amd64", "linux(+a)/amd64", "linux/amd64", "linux/386"]
    );
    assert_eq!(
        rank("ordered", &["linux/arm64", "linux(+a)/amd64"], &["linux(+a)/amd64", "linux/arm64"]),
        ["linux/arm64", "linux(+a)/amd64"]
    );
}

#[test]
fn a_platform_without_operating_system() {
    let amd64 = [testing::platform("linux/amd64")];
    let nameless = [testing::platform("/amd64")];
    for matcher in ["only-strict", "only", "ordered", "any", "all"] {
        let config = format!(r#"{{"matcher": "{matcher}"}}"#);
        let error = testing::rank::<Platforms>(&config, &nameless, &amd64).unwrap_err();
        assert!(matches!(&error, Error::Unsupported(detail) if detail.code == "no-os"), "{error:?}");
    }
    assert_eq!(testing::rank::<Platforms>("{}", &amd64, &nameless), Ok(vec![]));
}

#[test]
fn configurations() {
    for accepted in ["{}", r#"{"matcher": "only"}"#, r#"{"matcher": "all"}"#] {
        testing::check_config::<Platforms>(accepted).unwrap();
    }
    for refused in [r#"{"matcher": "Only"}"#, r#"{"matcher": 1}"#, r#"{"matchers": "only"}"#, "[]", "null"] {
        let error = testing::check_config::<Platforms>(refused).unwrap_err();
        assert!(matches!(error, Error::InvalidConfig(_)), "{refused}: {error:?}");
    }
    let error = testing::check_config::<Platforms>(r#"{"matcher": "strict"}"#).unwrap_err();
    assert!(error.detail().message.contains("`only-strict`"), "{error:?}");
}
