use dray_plugin::platform::Platform;
use dray_plugin::testing;

use super::{Platforms, matches, rank};

fn runs(host: &str, image: &str) -> bool {
    matches(&format!("windows({host})/amd64"), &format!("windows({image})/amd64"))
}

#[test]
fn versions() {
    for (host, image, expected) in [
        // What is not stated is no obstacle.
        ("", "10.0.17763", true),
        ("10.0.17763", "", true),
        ("10.0", "10.0.17763", true),
        ("not.a.version", "10.0.17763", true),
        ("10.0.17763", "not.a.version", false),
        ("10.0.17763", "10.0", false),
        // Before Server 2022 the builds must be equal; what follows the build does not count.
        ("10.0.17763", "10.0.17763", true),
        ("10.0.17763.5696", "10.0.17763.1", true),
        ("10.0.17763", "10.0.14393", false),
        ("10.0.14393", "10.0.17763", false),
        ("10.0.20347", "10.0.17763", false),
        // Major and minor version must be equal.
        ("10.0.20348", "10.1.20348", false),
        ("11.0.20348", "10.0.20348", false),
        // Server 2022 and what comes before Server 2025.
        ("10.0.20348", "10.0.20348", true),
        ("10.0.20348", "10.0.17763", false),
        ("10.0.20348", "10.0.20349", false),
        ("10.0.22621", "10.0.20348", true),
        ("10.0.22621", "10.0.22000", true),
        ("10.0.22621", "10.0.26100", false),
        ("10.0.25398", "10.0.20348", true),
        // Server 2025 still runs images of Server 2022, and so does what comes after it.
        ("10.0.26100", "10.0.20348", true),
        ("10.0.26100", "10.0.26100", true),
        ("10.0.26100", "10.0.17763", false),
        ("10.0.26200", "10.0.20348", true),
        ("10.0.26200", "10.0.26100", true),
        ("10.0.26200", "10.0.26201", false),
    ] {
        assert_eq!(runs(host, image), expected, "{image} on {host}");
    }
}

#[test]
fn versions_count_on_windows_only() {
    assert!(matches("linux(5.10.0)/amd64", "linux(6.1.0)/amd64"));
    assert!(!matches("windows(10.0.17763)/amd64", "windows(10.0.14393)/amd64"));
    assert!(!matches("Windows(10.0.17763)/amd64", "WINDOWS(10.0.14393)/amd64"));
}

#[test]
fn win32k_is_no_feature_on_windows() {
    assert!(matches("windows/amd64", "windows(+win32k)/amd64"));
    assert!(!matches("windows/amd64", "windows(+win32k+other)/amd64"));
    assert!(!matches("linux/amd64", "linux(+win32k)/amd64"));
    assert!(!matches("windows/amd64", "windows(+win32k+win32k)/amd64"));
    assert!(matches("windows(+win32k)/amd64", "windows(+win32k+win32k)/amd64"));
}

#[test]
fn a_sign_makes_no_number() {
    for (wanted, offered, expected) in
        [("+10.0.17763", "10.0.14393", true), ("10.0.17763", "+10.0.17763", false)]
    {
        let windows = |version: &str| Platform {
            os_version: Some(version.to_owned()),
            ..testing::platform("windows/amd64")
        };
        let ranking = testing::rank::<Platforms>("{}", &[windows(wanted)], &[windows(offered)]);
        assert_eq!(ranking == Ok(vec![0]), expected, "{offered} on {wanted}");
    }
    assert!(runs("010.0.017763", "10.0.17763"));
}

#[test]
fn the_index_decides_between_versions_that_run() {
    let offered =
        ["windows(10.0.20348.1)/amd64", "windows(10.0.22000.1)/amd64", "windows(10.0.20348.9)/amd64"];
    assert_eq!(rank("only-strict", &["windows(10.0.22621)/amd64"], &offered), offered);
}
