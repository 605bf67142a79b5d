use crate::normal::Normal;
use crate::windows::Version;

/// Accepts the offers that suit one platform exactly: same operating system, architecture and variant, on
/// Windows a version that runs there, and no feature that the platform lacks.
pub(crate) struct Matcher {
    platform: Normal,
    /// Only where the operating system is Windows.
    version: Option<Version>,
}

impl Matcher {
    pub(crate) fn new(platform: Normal) -> Self {
        let version = (platform.os == "windows").then(|| Version::parse(&platform.os_version));
        Self { platform, version }
    }

    /// The offer is as [`Normal::of_offer`] made it.
    pub(crate) fn accepts(&self, offered: &Normal) -> bool {
        self.platform.os == offered.os
            && self.platform.architecture == offered.architecture
            && self.platform.variant == offered.variant
            && self.version.is_none_or(|version| version.runs(&offered.os_version))
            && offered.os_features.iter().all(|feature| self.platform.os_features.contains(feature))
    }
}
