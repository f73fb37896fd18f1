//! The value of a secret in memory, and as a bundle holds it: `{"key", "value", "salt"}`, where `value` is what the Secrets API
//! calls so, in base64.
//!
//! A manifest has the length and the SHA-256 of each member, and lists, tickets and logs may repeat it. Of a short or guessable
//! value both would tell too much. So each document is filled up with salt: its length says nothing below a step of 256
//! characters, and its digest is another each time and cannot be guessed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use serde::Deserialize;
use std::fmt::Write;

/// The largest value that a workspace takes, in bytes: 128 KiB (core reference §12).
pub const LARGEST: usize = 128 << 10;

/// Documents are filled up to a multiple of so many characters.
const STEP: usize = 256;

/// Characters of salt at least: 32 bytes.
const SALT: usize = 64;

/// Bytes of a value. Wiped when they are let go of; nothing prints them.
pub struct SecretValue(SecretSlice<u8>);

impl std::fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretValue")
    }
}

impl From<Vec<u8>> for SecretValue {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl SecretValue {
    /// The value that base64 text holds; nothing if it is none.
    pub fn decoded(text: &str) -> Option<Self> {
        STANDARD.decode(text).ok().map(Self::from)
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        self.0.expose_secret()
    }

    fn encoded(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(self.bytes().len().div_ceil(3) * 4));
        STANDARD.encode_string(self.bytes(), &mut text);
        text
    }
}

/// What a bundle holds of a secret's value.
pub struct Opened {
    /// Name of the key in its scope.
    pub key: String,
    /// The value, in base64.
    pub value: SecretString,
}

impl Opened {
    /// Whether it is the value of the secret that a bundle says: `id` is `<scope>/<key>`.
    pub fn is_of(&self, scope: &str, id: &str) -> bool {
        id.strip_prefix(scope).and_then(|key| key.strip_prefix('/')) == Some(&self.key)
    }

    /// The value itself.
    pub fn decoded(&self) -> Option<SecretValue> {
        SecretValue::decoded(self.value.expose_secret())
    }
}

/// The document of a value. Errors: the system gives no random numbers.
pub fn seal(key: &str, value: &SecretValue) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let (value, name) = (value.encoded(), serde_json::Value::from(key).to_string());
    let salt = salt(value.len())?;
    let parts = ["{\"key\":", &name, ",\"value\":\"", &value, "\",\"salt\":\"", &salt, "\"}"];
    let mut document = Zeroizing::new(Vec::with_capacity(parts.iter().map(|part| part.len()).sum()));
    parts.iter().for_each(|part| document.extend_from_slice(part.as_bytes()));
    Ok(document)
}

/// What a document holds; nothing if it is not one of a value.
pub fn unseal(document: &[u8]) -> Option<Opened> {
    #[derive(Deserialize)]
    struct Form {
        key: String,
        value: String,
    }
    let Form { key, value } = serde_json::from_slice(document).ok()?;
    let opened = Opened { key, value: value.into() };
    opened.decoded().map(|_| opened)
}

/// Salt in hex, so much that it and the value come to a multiple of [`STEP`].
fn salt(value: usize) -> std::io::Result<String> {
    let fill = (value + SALT).next_multiple_of(STEP) - value;
    let mut bytes = vec![0; fill / 2];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    Ok(bytes.iter().fold(String::with_capacity(fill), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_and_their_documents_tell_neither_length_nor_content() {
        let document = |bytes: &[u8]| seal("k\"é", &SecretValue::from(bytes.to_vec())).unwrap();
        let lengths: Vec<usize> = (0..140).map(|len| document(&vec![b'x'; len]).len()).collect();
        assert_eq!(lengths.iter().collect::<std::collections::BTreeSet<_>>().len(), 1, "{lengths:?}");
        for bytes in [&b""[..], b"short", &[0, 255, 10, 13, 128], &vec![7; LARGEST]] {
            let opened = unseal(&document(bytes)).unwrap();
            assert_eq!((opened.key.as_str(), opened.decoded().unwrap().bytes()), ("k\"é", bytes));
            assert!(opened.is_of("s", "s/k\"é") && !opened.is_of("s/k", "s/k\"é") && !opened.is_of("s", "s/x/k\"é"));
        }
        assert_ne!(document(b"same"), document(b"same"));
    }

    #[test]
    fn what_is_no_document_of_a_value_gives_none() {
        for text in ["", "{}", "[]", r#"{"key":"k","value":"not base64!"}"#, r#"{"key":"k","value":7}"#, r#"{"value":"AA=="}"#] {
            assert!(unseal(text.as_bytes()).is_none(), "{text}");
        }
        assert!(unseal(br#"{"key":"k","value":"AA==","later":[1]}"#).is_some(), "later versions may say more");
    }

    #[test]
    fn nothing_prints_a_value() {
        assert_eq!(format!("{:?}", SecretValue::from(b"canary".to_vec())), "SecretValue");
    }
}
