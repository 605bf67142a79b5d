use crate::normal::Normal;
use crate::windows::Version;

/// Accepts the offers that suit one platform exactly: same operating system, architecture and variant, on
/// Windows a version that runs there, and no feature that the platform lacks.
pub(crate) struct Matcher {
    platform: Normal,
    /// Only where the operating system is Windows.
    version: Option<Version>,
}

/// Not counted among the features on Windows: images carry it, hosts do not list it.
const WIN32K: &str = "win32k";

impl Matcher {
    pub(crate) fn new(platform: Normal) -> Self {
        let version = (platform.os == "windows").then(|| Version::parse(&platform.os_version));
        Self { platform, version }
    }

    pub(crate) fn accepts(&self, offered: &Normal) -> bool {
        self.platform.os == offered.os
            && self.platform.architecture == offered.architecture
            && self.platform.variant == offered.variant
            && self.version.is_none_or(|version| version.runs(&offered.os_version))
            && offered.os_features.iter().all(|feature| self.has(feature))
    }

    fn has(&self, feature: &String) -> bool {
        (self.version.is_some() && feature == WIN32K) || self.platform.os_features.contains(feature)
    }
}
