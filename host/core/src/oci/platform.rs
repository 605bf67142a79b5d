mod format;

use serde::{Deserialize, Serialize};

/// Operating system, architecture and variant that an image is made for.
///
/// The grammar and the normal form are those of containerd's `platforms` library, 1.0.0-rc.5.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Platform {
    /// Operating system, a GOOS value.
    pub os: String,
    /// Architecture, a GOARCH value.
    pub architecture: String,
    /// Variant of the architecture; empty if there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub variant: String,
    /// Version of the operating system; empty if not stated.
    #[serde(default, rename = "os.version", skip_serializing_if = "String::is_empty")]
    pub os_version: String,
    /// Features of the operating system that the image requires.
    #[serde(default, rename = "os.features", skip_serializing_if = "Vec::is_empty")]
    pub os_features: Vec<String>,
}

/// Why a text is not a platform.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlatformError {
    /// There is a wildcard.
    #[error("platform `{text}` has a wildcard, which is not supported")]
    Wildcard {
        /// The text.
        text: String,
    },
    /// A part has characters that are not allowed.
    #[error("platform `{text}`: `{part}` is not a valid {role}")]
    Part {
        /// The text.
        text: String,
        /// The part.
        part: String,
        /// The role of the part.
        role: &'static str,
    },
    /// A single word is neither an operating system nor an architecture.
    #[error("platform `{text}` is neither a known operating system nor a known architecture")]
    Unknown {
        /// The text.
        text: String,
    },
    /// There are more than three parts.
    #[error("platform `{text}` has more parts than os, architecture and variant")]
    TooManyParts {
        /// The text.
        text: String,
    },
}

const KNOWN_OS: [&str; 16] = [
    "aix",
    "android",
    "darwin",
    "dragonfly",
    "freebsd",
    "hurd",
    "illumos",
    "ios",
    "js",
    "linux",
    "nacl",
    "netbsd",
    "openbsd",
    "plan9",
    "solaris",
    "windows",
];
const KNOWN_ARCHITECTURE: [&str; 24] = [
    "386",
    "amd64",
    "amd64p32",
    "arm",
    "armbe",
    "arm64",
    "arm64be",
    "ppc64",
    "ppc64le",
    "loong64",
    "mips",
    "mipsle",
    "mips64",
    "mips64le",
    "mips64p32",
    "mips64p32le",
    "ppc",
    "riscv",
    "riscv64",
    "s390",
    "s390x",
    "sparc",
    "sparc64",
    "wasm",
];

impl Platform {
    /// A platform of operating system and architecture.
    pub fn new(os: &str, architecture: &str, variant: &str) -> Self {
        Self {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.to_owned(),
            ..Self::default()
        }
    }

    /// Parses `os`, `architecture`, `os/architecture` or `os/architecture/variant`, where `os` may carry a version
    /// and features in parentheses: `os(version+feature+…)`. Missing parts come from `host`.
    ///
    /// # Errors
    ///
    /// Says which part is not valid.
    pub fn parse(text: &str, host: &Self) -> Result<Self, PlatformError> {
        if text.contains('*') {
            return Err(PlatformError::Wildcard { text: text.to_owned() });
        }
        let parts: Vec<&str> = text.split('/').collect();
        let fault =
            |part: &str, role| PlatformError::Part { text: text.to_owned(), part: part.to_owned(), role };
        let (os, os_version, os_features) =
            parse_os(parts[0]).ok_or_else(|| fault(parts[0], "operating system"))?;
        for (part, role) in parts[1..].iter().zip(["architecture", "variant", "part"]) {
            let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
            if part.is_empty() || !part.chars().all(valid) {
                return Err(fault(part, role));
            }
        }
        let stated = |architecture: &str, variant: &str| {
            let platform = Self {
                os: os.clone(),
                architecture: architecture.to_owned(),
                variant: variant.to_owned(),
                os_version: os_version.clone(),
                ..Self::default()
            };
            // Features stay in the order written. Only comparisons sort them.
            Self { os_features: os_features.clone(), ..platform.normalized(host) }
        };
        match parts[..] {
            [_] => {
                let by_os = stated("", "");
                if KNOWN_OS.contains(&by_os.os.as_str()) || by_os.os == "zos" {
                    let variant = match (host.architecture.as_str(), host.variant.as_str()) {
                        ("arm", "v7") => "",
                        ("arm", other) => other,
                        _ => "",
                    };
                    return Ok(Self {
                        architecture: host.architecture.clone(),
                        variant: variant.to_owned(),
                        ..by_os
                    });
                }
                if !os_version.is_empty() || !os_features.is_empty() {
                    return Err(PlatformError::Unknown { text: text.to_owned() });
                }
                let mut by_architecture = Self::new(&host.os, parts[0], "").normalized(host);
                if !KNOWN_ARCHITECTURE.contains(&by_architecture.architecture.as_str()) {
                    return Err(PlatformError::Unknown { text: text.to_owned() });
                }
                by_architecture.blank_default_arm();
                Ok(by_architecture)
            }
            [_, architecture] => {
                let mut platform = stated(architecture, "");
                platform.blank_default_arm();
                Ok(platform)
            }
            [_, architecture, variant] => {
                let mut platform = stated(architecture, variant);
                if platform.architecture == "arm64" && platform.variant.is_empty() {
                    platform.variant.push_str("v8");
                }
                Ok(platform)
            }
            _ => Err(PlatformError::TooManyParts { text: text.to_owned() }),
        }
    }

    fn blank_default_arm(&mut self) {
        if self.architecture == "arm" && self.variant == "v7" {
            self.variant.clear();
        }
    }

    /// The normal form: lower case, one name per architecture, no default variant.
    #[must_use]
    pub fn normalized(&self, host: &Self) -> Self {
        let os = match self.os.to_ascii_lowercase().as_str() {
            "" => host.os.clone(),
            "macos" => "darwin".to_owned(),
            other => other.to_owned(),
        };
        let architecture = self.architecture.to_ascii_lowercase();
        let variant = self.variant.to_ascii_lowercase();
        let (architecture, variant) = match (architecture.as_str(), variant.as_str()) {
            ("i386", _) => ("386", String::new()),
            ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64", String::new()),
            ("x86_64" | "x86-64" | "amd64", other) => ("amd64", other.to_owned()),
            ("aarch64" | "arm64", "8" | "v8" | "v8.0") => ("arm64", String::new()),
            ("aarch64" | "arm64", "9" | "9.0" | "v9.0") => ("arm64", "v9".to_owned()),
            ("aarch64" | "arm64", other) => ("arm64", other.to_owned()),
            ("armhf", _) | ("arm", "" | "7") => ("arm", "v7".to_owned()),
            ("armel", _) => ("arm", "v6".to_owned()),
            ("arm", digit @ ("5" | "6" | "8")) => ("arm", format!("v{digit}")),
            (other, variant) => (other, variant.to_owned()),
        };
        let mut os_features = self.os_features.clone();
        os_features.sort();
        os_features.dedup();
        Self {
            os,
            architecture: architecture.to_owned(),
            variant,
            os_version: self.os_version.clone(),
            os_features,
        }
    }

    /// Whether the platform is `unknown`, which marks entries that are not images, such as attestations.
    pub fn is_unknown(&self) -> bool {
        self.os == "unknown" || self.architecture == "unknown"
    }
}

/// Splits `os(version+feature+…)`. `None` if a character is not allowed at its position.
fn parse_os(part: &str) -> Option<(String, String, Vec<String>)> {
    let (os, details) = match part.split_once('(') {
        None => (part, None),
        Some((os, rest)) => (os, Some(rest.strip_suffix(')')?)),
    };
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if os.is_empty() || !os.chars().all(word) {
        return None;
    }
    let Some(details) = details else {
        return Some((os.to_owned(), String::new(), Vec::new()));
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '%' | '-');
    let mut items = details.split('+');
    let version = items.next().filter(|version| version.chars().all(allowed)).and_then(percent_decoded)?;
    let features = items.map(|feature| {
        let valid = !feature.is_empty() && feature.chars().all(allowed);
        valid.then(|| percent_decoded(feature)).flatten()
    });
    let mut features = features.collect::<Option<Vec<String>>>()?;
    features.retain(|feature| !feature.is_empty());
    Some((os.to_owned(), version, features))
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let value = digit(bytes.next()?)? * 16 + digit(bytes.next()?)?;
                decoded.push(u8::try_from(value).ok()?);
            }
            other => decoded.push(other),
        }
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amd64() -> Platform {
        Platform::new("linux", "amd64", "")
    }

    #[test]
    fn specifiers_are_completed_and_normalised() {
        for (text, expected) in [
            ("linux", "linux/amd64"),
            ("amd64", "linux/amd64"),
            ("x86_64", "linux/amd64"),
            ("linux/aarch64", "linux/arm64"),
            ("linux/arm64/v8", "linux/arm64/v8"),
            ("linux/arm64/v9.0", "linux/arm64/v9"),
            ("armhf", "linux/arm"),
            ("linux/armel", "linux/arm/v6"),
            ("linux/arm/7", "linux/arm/v7"),
            ("macOS/arm64", "darwin/arm64"),
            ("linux/amd64/v1", "linux/amd64"),
            ("linux/amd64/v3", "linux/amd64/v3"),
            ("something/else", "something/else"),
        ] {
            let platform = Platform::parse(text, &amd64()).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(platform.to_string(), expected, "{text}");
        }
    }

    #[test]
    fn os_versions_and_features_are_parsed() {
        let platform = Platform::parse("windows(10.0.17763+win32k)/amd64", &amd64()).unwrap();
        assert_eq!(platform.os_version, "10.0.17763");
        assert_eq!(platform.os_features, ["win32k"]);
        let platform = Platform::parse("linux(+b+a%2Bc)/amd64", &amd64()).unwrap();
        assert_eq!(platform.os_features, ["b", "a+c"]);
        assert_eq!(platform.format_all(), "linux(+a%2Bc+b)/amd64");
        assert_eq!(Platform::parse("windows()", &amd64()).unwrap().format_all(), "windows/amd64");
    }

    #[test]
    fn invalid_specifiers_are_refused() {
        for text in [
            "",
            "linux/*",
            "no-such-thing",
            "linux/amd64/v1/x",
            "linux//v8",
            "li nux",
            "linux(+)",
            "linux(a b)",
            "linux(%4)",
            "linux(+%zz)",
            "linux(%ff)",
            "amd64()",
            "amd64(1)",
            "a/b\u{7}",
        ] {
            assert!(Platform::parse(text, &amd64()).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_refused_or_has_a_stable_normal_form(text in "[a-z0-9/()+%_.-]{0,40}|\\PC{0,40}") {
            if let Ok(platform) = Platform::parse(&text, &amd64()) {
                proptest::prop_assert_eq!(platform.normalized(&amd64()).normalized(&amd64()), platform.normalized(&amd64()));
            }
        }
    }
}
