use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Hash algorithm of a digest: those that the OCI image specification registers, and sha384, which containerd's
/// library accepts too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// SHA-256, which nearly every image uses.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    /// The name before the colon.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    /// Number of hexadecimal digits.
    pub fn hex_len(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha384 => 96,
            Self::Sha512 => 128,
        }
    }
}

/// Why a text is not a digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// The form is not `algorithm:hex`.
    #[error("`{text}` is not a digest of the form `algorithm:hex`")]
    Format {
        /// The text.
        text: String,
    },
    /// The algorithm is not supported, so the bytes could not be verified.
    #[error("digest algorithm `{algorithm}` is not supported, only sha256, sha384 and sha512 are")]
    UnsupportedAlgorithm {
        /// The name before the colon.
        algorithm: String,
    },
    /// The number of digits is wrong.
    #[error("digest `{text}` has {found} hexadecimal digits, {algorithm} has {expected}", algorithm = .algorithm.as_str())]
    Length {
        /// The text.
        text: String,
        /// Its algorithm.
        algorithm: Algorithm,
        /// Number of digits of the algorithm.
        expected: usize,
        /// Number of digits in the text.
        found: usize,
    },
    /// There are characters other than lower-case hexadecimal digits.
    #[error("digest `{text}` has characters other than lower-case hexadecimal digits")]
    Alphabet {
        /// The text.
        text: String,
    },
}

/// Algorithm and hexadecimal hash of a blob's exact bytes (OCI image specification, descriptors, "Digests").
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest {
    algorithm: Algorithm,
    text: Box<str>,
}

impl Digest {
    /// Parses `algorithm:hex`.
    ///
    /// # Errors
    /// Says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, DigestError> {
        let format = || DigestError::Format { text: text.chars().take(200).collect() };
        let (name, hex) = text.split_once(':').ok_or_else(format)?;
        let algorithm = match name {
            "sha256" => Algorithm::Sha256,
            "sha384" => Algorithm::Sha384,
            "sha512" => Algorithm::Sha512,
            "" => return Err(format()),
            other => {
                let algorithm = other.chars().take(64).collect();
                return Err(DigestError::UnsupportedAlgorithm { algorithm });
            }
        };
        if hex.len() != algorithm.hex_len() {
            return Err(DigestError::Length {
                text: text.chars().take(200).collect(),
                algorithm,
                expected: algorithm.hex_len(),
                found: hex.chars().count(),
            });
        }
        if !hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(DigestError::Alphabet { text: text.to_owned() });
        }
        Ok(Self { algorithm, text: text.into() })
    }

    /// Makes a digest from the output of a hash function.
    ///
    /// # Panics
    ///
    /// Panics if the number of bytes is not the algorithm's.
    pub fn from_hash(algorithm: Algorithm, hash: &[u8]) -> Self {
        use fmt::Write;
        assert_eq!(hash.len() * 2, algorithm.hex_len(), "a hash of another algorithm");
        let mut text = String::with_capacity(algorithm.as_str().len() + 1 + hash.len() * 2);
        text.push_str(algorithm.as_str());
        text.push(':');
        for byte in hash {
            let _ = write!(text, "{byte:02x}");
        }
        Self { algorithm, text: text.into() }
    }

    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The whole text, `algorithm:hex`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The hexadecimal digits.
    pub fn hex(&self) -> &str {
        &self.text[self.algorithm.as_str().len() + 1..]
    }

    /// The first 12 hexadecimal digits, for display.
    pub fn short(&self) -> &str {
        &self.hex()[..12]
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        Self::parse(text)
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// Digest of an uncompressed layer. It is another value than the digest of the layer's blob.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DiffId(Digest);

impl DiffId {
    /// Declares that a digest is one of an uncompressed layer.
    pub fn from_uncompressed(digest: Digest) -> Self {
        Self(digest)
    }

    /// The digest of the uncompressed layer.
    pub fn as_digest(&self) -> &Digest {
        &self.0
    }

    /// The whole text, `algorithm:hex`.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for DiffId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Identity of a stack of layers, from the bottom (OCI image specification, config, "Layer ChainID").
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChainId(Digest);

impl ChainId {
    /// The chain id of a single layer, which equals its diff id.
    pub fn bottom(diff_id: &DiffId) -> Self {
        Self(diff_id.0.clone())
    }

    /// The chain id of this stack with one more layer on top. Always sha256, as the specification demands.
    #[must_use]
    pub fn on_top(&self, diff_id: &DiffId) -> Self {
        use sha2::Digest as _;
        let mut hasher = sha2::Sha256::new();
        hasher.update(self.0.as_str());
        hasher.update(b" ");
        hasher.update(diff_id.as_str());
        Self(Digest::from_hash(Algorithm::Sha256, &hasher.finalize()))
    }

    /// The chain ids of every stack of `diff_ids`, from the bottom layer alone to the whole.
    pub fn stack(diff_ids: &[DiffId]) -> Vec<Self> {
        let mut chain: Vec<Self> = Vec::with_capacity(diff_ids.len());
        for diff_id in diff_ids {
            let next = match chain.last() {
                None => Self::bottom(diff_id),
                Some(below) => below.on_top(diff_id),
            };
            chain.push(next);
        }
        chain
    }

    /// The whole text, `algorithm:hex`.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_that_break_a_rule_are_refused() {
        let hex = "a".repeat(64);
        assert_eq!(Digest::parse(&format!("sha256:{hex}")).unwrap().hex(), hex);
        for (text, reason) in [
            ("", "not a digest"),
            ("sha256", "not a digest"),
            (":aa", "not a digest"),
            ("md5:d41d8cd98f00b204e9800998ecf8427e", "not supported"),
            ("sha256:abc", "has 3 hexadecimal digits, sha256 has 64"),
            (&format!("sha256:{}", "A".repeat(64)), "lower-case"),
            (&format!("sha512:{hex}"), "sha512 has 128"),
        ] {
            let error = Digest::parse(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn chain_ids_follow_the_specification() {
        // The values were computed with sha256sum over "<chain> <diff id>".
        let diff = |c: &str| DiffId(Digest::parse(&format!("sha256:{}", c.repeat(64))).unwrap());
        let stack = ChainId::stack(&[diff("a"), diff("b")]);
        assert_eq!(stack[0].as_str(), diff("a").as_str());
        assert_eq!(
            stack[1].as_str(),
            "sha256:ccd722928bd92476ba1745586fed6e45a102504185ad88cd89e01ff116fd146c"
        );
    }
}
