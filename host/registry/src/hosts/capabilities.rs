use std::fmt;

/// A kind of request that a server may receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// Blobs and manifests by digest.
    Pull,
    /// Tags, which are resolved to a descriptor.
    Resolve,
    /// Uploads of images.
    Push,
    /// The referrers of a manifest.
    Referrers,
}

impl Capability {
    const ALL: [Self; 4] = [Self::Pull, Self::Resolve, Self::Push, Self::Referrers];

    /// The word in `hosts.toml`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Resolve => "resolve",
            Self::Push => "push",
            Self::Referrers => "referrers",
        }
    }

    /// Parses the word, in upper or lower case.
    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|capability| text.eq_ignore_ascii_case(capability.as_str()))
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// The kinds of requests that a server may receive. By default all.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Capabilities(u8);

impl Capabilities {
    /// Whether the server may receive this kind of request.
    pub fn has(self, capability: Capability) -> bool {
        self.0 & capability.bit() != 0
    }

    /// The capabilities, always in the same order.
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        Capability::ALL.into_iter().filter(move |&capability| self.has(capability))
    }
}

impl Default for Capabilities {
    fn default() -> Self {
        Capability::ALL.into_iter().collect()
    }
}

impl FromIterator<Capability> for Capabilities {
    fn from_iter<T: IntoIterator<Item = Capability>>(capabilities: T) -> Self {
        Self(capabilities.into_iter().fold(0, |bits, capability| bits | capability.bit()))
    }
}

impl fmt::Debug for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
