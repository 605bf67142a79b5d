use super::matches;

/// Spellings of one platform.
const SAME: [&[&str]; 11] = [
    &["linux/amd64", "linux/amd64/v1", "Linux/AMD64", "linux/x86_64", "linux/x86-64", "linux/x86_64/V1"],
    &["linux/amd64/v3", "linux/x86_64/v3", "linux/AMD64/V3"],
    &["linux/386", "linux/i386", "linux/i386/anything"],
    &[
        "linux/arm64",
        "linux/arm64/v8",
        "linux/arm64/8",
        "linux/arm64/v8.0",
        "linux/aarch64",
        "linux/aarch64/v8",
    ],
    &["linux/arm64/v9", "linux/arm64/9", "linux/arm64/9.0", "linux/arm64/v9.0", "linux/aarch64/9"],
    &["linux/arm/v7", "linux/arm", "linux/arm/7", "linux/armhf", "linux/armhf/anything"],
    &["linux/arm/v6", "linux/arm/6", "linux/armel", "linux/armel/v7"],
    &["linux/arm/v5", "linux/arm/5"],
    &["linux/arm/v8", "linux/arm/8"],
    &["darwin/arm64", "macos/arm64", "macOS/aarch64"],
    &["linux/riscv64", "linux/RISCV64"],
];

#[test]
fn spellings_of_one_platform_match_on_either_side() {
    for spellings in SAME {
        for wanted in spellings {
            for offered in spellings {
                assert!(matches(wanted, offered), "{wanted} wanted, {offered} offered");
            }
        }
    }
}

#[test]
fn different_platforms_never_match() {
    for (place, spellings) in SAME.iter().enumerate() {
        for others in SAME.iter().skip(place + 1) {
            for one in *spellings {
                for other in *others {
                    assert!(!matches(one, other) && !matches(other, one), "{one} and {other}");
                }
            }
        }
    }
}

#[test]
fn what_is_not_the_default_variant_is_kept() {
    assert!(!matches("linux/amd64", "linux/amd64/v2"));
    assert!(!matches("linux/arm64", "linux/arm64/v8.1"));
    assert!(!matches("linux/arm64/v9", "linux/arm64/v9.1"));
    assert!(!matches("linux/arm/v7", "linux/arm/v7l"));
    assert!(!matches("linux/ppc64le", "linux/ppc64le/power9"));
    assert!(matches("linux/ppc64le/power9", "linux/ppc64le/power9"));
}
