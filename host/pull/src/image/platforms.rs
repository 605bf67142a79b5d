use std::fmt;

use dray_core::oci::Platform;

/// The wanted platforms of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Platforms {
    /// The best match for one platform.
    One(Platform),
    /// Every match for any of several platforms.
    Several(Vec<Platform>),
    /// Everything that the image offers.
    All {
        /// The platform of this machine, for a matcher with preferences.
        host: Platform,
        /// Whether entries of platform `unknown`, such as attestations, are included.
        attestations: bool,
    },
}

impl Platforms {
    /// Platforms as listed by the user, normalised, each once. `None` if there are none.
    pub fn listed(platforms: impl IntoIterator<Item = Platform>) -> Option<Self> {
        let mut distinct: Vec<Platform> = Vec::new();
        for platform in platforms {
            if !distinct.contains(&platform) {
                distinct.push(platform);
            }
        }
        match distinct.len() {
            0 => None,
            1 => distinct.pop().map(Self::One),
            _ => Some(Self::Several(distinct)),
        }
    }

    /// The wanted platforms for a matcher.
    pub fn wanted(&self) -> &[Platform] {
        match self {
            Self::One(platform) | Self::All { host: platform, .. } => std::slice::from_ref(platform),
            Self::Several(platforms) => platforms,
        }
    }

    /// Whether exactly one manifest is wanted.
    pub fn is_one(&self) -> bool {
        matches!(self, Self::One(_))
    }
}

impl fmt::Display for Platforms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(platform) => f.write_str(&platform.format_all()),
            Self::Several(platforms) => {
                for (index, platform) in platforms.iter().enumerate() {
                    write!(f, "{}{}", if index > 0 { ", " } else { "" }, platform.format_all())?;
                }
                Ok(())
            }
            Self::All { .. } => f.write_str("any platform"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_listed_twice_counts_once() {
        let amd64 = || Platform::new("linux", "amd64", "");
        let arm64 = || Platform::new("linux", "arm64", "");
        assert_eq!(Platforms::listed([]), None);
        assert_eq!(Platforms::listed([amd64(), amd64()]), Some(Platforms::One(amd64())));
        let several = Platforms::listed([arm64(), amd64(), arm64()]).unwrap();
        assert_eq!(several.to_string(), "linux/arm64, linux/amd64");
        assert_eq!(several.wanted(), [arm64(), amd64()]);
        assert!(!several.is_one());
    }
}
