/// Version of Windows: major, minor and build. All zero if it is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Version {
    major: u8,
    minor: u8,
    build: u16,
}

/// Builds of the long-term releases since the binary interface became stable, ascending: Server 2022, 2025.
const LONG_TERM: [u16; 2] = [20_348, 26_100];

impl Version {
    /// Reads `major.minor.build`, with or without more after it.
    pub(crate) fn parse(text: &str) -> Self {
        Self::parts(text).unwrap_or_default()
    }

    fn parts(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        Some(Self {
            major: number(parts.next()?)?,
            minor: number(parts.next()?)?,
            build: number(parts.next()?)?,
        })
    }

    /// Whether a machine of this version runs an image of that one. What is not stated is no obstacle.
    pub(crate) fn runs(self, image: &str) -> bool {
        if self == Self::default() || image.is_empty() {
            return true;
        }
        let image = Self::parse(image);
        if (self.major, self.minor) != (image.major, image.minor) {
            return false;
        }
        self.oldest_build() <= image.build && image.build <= self.build
    }

    /// The oldest build that runs here. Before Server 2022 it is the very same build, since then that of the
    /// long-term release before the current one.
    fn oldest_build(self) -> u16 {
        match LONG_TERM.iter().rposition(|&build| build <= self.build) {
            None => self.build,
            Some(current) => LONG_TERM[current.saturating_sub(1)],
        }
    }
}

/// Digits only, where Rust's own parser takes a sign as well.
fn number<N: std::str::FromStr>(digits: &str) -> Option<N> {
    digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}
