//! Texts of a platform, exactly as containerd's `platforms` library writes them.

use std::fmt;

use super::Platform;

impl Platform {
    /// `os(version+feature+…)/architecture/variant` with all parts, and each feature once, sorted.
    pub fn format_all(&self) -> String {
        if self.os.is_empty() {
            return UNKNOWN.to_owned();
        }
        let mut features: Vec<&str> = self.os_features.iter().map(String::as_str).collect();
        features.retain(|feature| !feature.is_empty());
        features.sort_unstable();
        features.dedup();
        let mut os = self.os.clone();
        if !self.os_version.is_empty() || !features.is_empty() {
            os.push('(');
            push_encoded(&mut os, &self.os_version);
            for feature in features {
                os.push('+');
                push_encoded(&mut os, feature);
            }
            os.push(')');
        }
        joined([&os, &self.architecture, &self.variant])
    }
}

/// `os/architecture/variant` without empty parts, and `unknown` without an operating system.
impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.os.is_empty() {
            return f.write_str(UNKNOWN);
        }
        f.write_str(&joined([&self.os, &self.architecture, &self.variant]))
    }
}

const UNKNOWN: &str = "unknown";

/// Writes a version or a feature, with special characters encoded.
fn push_encoded(text: &mut String, option: &str) {
    for character in option.chars() {
        match character {
            '%' => text.push_str("%25"),
            '+' => text.push_str("%2B"),
            '(' => text.push_str("%28"),
            ')' => text.push_str("%29"),
            '/' => text.push_str("%2F"),
            other => text.push(other),
        }
    }
}

/// Joins the parts as Go's `path.Join` does: empty parts are dropped, and `.` and `..` are resolved, because an
/// architecture may be named so.
fn joined(parts: [&str; 3]) -> String {
    let path = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
    let rooted = path.starts_with('/');
    let mut kept: Vec<&str> = Vec::new();
    for element in path.split('/') {
        match element {
            "" | "." => {}
            ".." if kept.last().is_some_and(|last| *last != "..") => drop(kept.pop()),
            ".." if rooted => {}
            other => kept.push(other),
        }
    }
    match (rooted, kept.join("/")) {
        (true, path) => format!("/{path}"),
        (false, path) if path.is_empty() => ".".to_owned(),
        (false, path) => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_features_are_encoded_and_sorted() {
        let windows = Platform {
            os_version: "10.0.17763".to_owned(),
            os_features: ["win32k", "a/b", "", "%(+)", "win32k"].map(str::to_owned).to_vec(),
            ..Platform::new("windows", "amd64", "v2")
        };
        assert_eq!(windows.format_all(), "windows(10.0.17763+%25%28%2B%29+a%2Fb+win32k)/amd64/v2");
        assert_eq!(windows.to_string(), "windows/amd64/v2");
        let featured = Platform { os_features: vec!["erofs".to_owned()], ..Platform::new("linux", "", "") };
        assert_eq!(featured.format_all(), "linux(+erofs)");
        let nameless = Platform { os_features: vec![String::new()], ..Platform::new("linux", "arm64", "") };
        assert_eq!(nameless.format_all(), "linux/arm64");
    }

    #[test]
    fn parts_are_joined_as_go_joins_paths() {
        for (platform, text) in [
            (Platform::new("", "amd64", "v2"), "unknown"),
            (Platform::new("linux", "", "v8"), "linux/v8"),
            (Platform::new("linux", ".", "v8"), "linux/v8"),
            (Platform::new("linux", "..", ""), "."),
            (Platform::new("linux", "..", ".."), ".."),
            (Platform::new("/a//b", "../../..", "c"), "/c"),
        ] {
            assert_eq!(platform.to_string(), text);
            assert_eq!(platform.format_all(), text);
        }
    }
}
