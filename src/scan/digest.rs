//! Digests of what a scan depends on, all by BLAKE3.

use std::fmt;
use std::str::FromStr;

use blake3::{Hash, HexError};
use serde::{Deserialize, Serialize};

/// A digest of a file's content: 64 hexadecimal digits as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(Hash);

impl From<[u8; 32]> for Digest {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes.into())
    }
}

impl From<Digest> for [u8; 32] {
    fn from(Digest(hash): Digest) -> Self {
        hash.into()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for Digest {
    type Error = HexError;

    fn try_from(text: String) -> Result<Self, HexError> {
        Hash::from_hex(text).map(Self)
    }
}

/// The first half of a digest, for what a folder has many of: 32 hexadecimal digits as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint(u128);

/// What is not the text of a fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not 32 hexadecimal digits")]
pub struct NoFingerprint;

impl Fingerprint {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        blake3::hash(bytes).into()
    }

    /// Its bytes.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }
}

impl From<Hash> for Fingerprint {
    fn from(hash: Hash) -> Self {
        let (half, _) = hash.as_bytes().split_first_chunk().expect("a hash has 32 bytes");
        Self(u128::from_be_bytes(*half))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for Fingerprint {
    type Err = NoFingerprint;

    fn from_str(text: &str) -> Result<Self, NoFingerprint> {
        let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u128::from_str_radix(text, 16).ok().filter(|_| is_hex);
        number.map(Self).ok_or(NoFingerprint)
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = NoFingerprint;

    fn try_from(text: String) -> Result<Self, NoFingerprint> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_the_first_half_of_the_digest_and_reads_back() {
        let [fingerprint, digest] =
            [Fingerprint::of(b"abc").to_string(), Digest(blake3::hash(b"abc")).to_string()];
        assert_eq!(digest, "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85");
        assert_eq!(fingerprint, digest[..32]);
        assert_eq!(fingerprint.parse(), Ok(Fingerprint::of(b"abc")));
        for text in
            ["", "+437b3ac38465133ffb63b75273a8db5", &digest, &fingerprint[1..], "é".repeat(16).as_str()]
        {
            assert_eq!(text.parse::<Fingerprint>(), Err(NoFingerprint), "{text}");
        }
    }
}
