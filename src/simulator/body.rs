//! The bytes of a notebook or file: in memory, made anew at each reading, or waiting in a folder.

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::path::Path;

#[derive(Clone, Debug)]
pub(super) enum Body {
    /// In memory.
    Here(Bytes),
    /// Made by the generator from a number, so that a hundred thousand notebooks cost nothing.
    Generated(u64),
    /// In the folder of a saved workspace, under its SHA-256; only between reading the state and [`Body::load`].
    Stored(String),
}

impl Default for Body {
    fn default() -> Self {
        Self::Here(Bytes::new())
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Here(bytes.into())
    }
}

impl Body {
    pub(super) fn bytes(&self) -> Bytes {
        match self {
            Self::Here(bytes) => bytes.clone(),
            Self::Generated(number) => super::generated::notebook(*number).into(),
            Self::Stored(_) => Bytes::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes().len()
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }

    /// Writes the bytes into a folder of blobs, unless they are there already.
    pub(super) fn save(&self, folder: &Path) -> std::io::Result<()> {
        let Self::Here(bytes) = self else { return Ok(()) };
        let place = folder.join(hex(bytes));
        if place.exists() { Ok(()) } else { std::fs::write(place, bytes) }
    }

    /// Fetches the bytes from a folder of blobs.
    pub(super) fn load(&mut self, folder: &Path) -> std::io::Result<()> {
        if let Self::Stored(sha256) = self {
            *self = Self::Here(std::fs::read(folder.join(sha256))?.into());
        }
        Ok(())
    }
}

impl Serialize for Body {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Here(bytes) => serializer.serialize_str(&hex(bytes)),
            Self::Generated(number) => serializer.serialize_str(&format!("generated:{number}")),
            Self::Stored(sha256) => serializer.serialize_str(sha256),
        }
    }
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.strip_prefix("generated:").map(str::parse) {
            Some(Ok(number)) => Ok(Self::Generated(number)),
            Some(Err(cause)) => Err(serde::de::Error::custom(cause)),
            None => Ok(Self::Stored(text)),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
