//! Who made a bundle: minisign keys, and signatures over `manifest.jsonl`.
//!
//! A signature covers the manifest, and through its digests every other byte that is read of a bundle. The files are those of the
//! `minisign` tool; of its two sorts only the prehashed one is taken, which it has written by default since version 0.10.

use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use std::io::{Read, Seek};
use std::sync::Arc;

/// So many signatures of a bundle are compared with a key: each costs a reading of the manifest.
const MOST: usize = 16;

/// What tells keys apart, as `minisign` prints it: sixteen hex digits. Anybody may claim one; only a check proves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyId([u8; 8]);

impl KeyId {
    fn of(number: &[u8]) -> Self {
        let mut id = [0; 8];
        id.iter_mut().zip(number).for_each(|(to, from)| *to = *from);
        Self(id)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", u64::from_le_bytes(self.0))
    }
}

/// Why a key cannot be used. Nothing of a secret key is in it.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The text is no public key.
    #[error("this is no minisign public key: a line of 56 characters that begins with RW is expected")]
    Public,
    /// The text is no secret key.
    #[error("this is no minisign secret key")]
    Secret,
    /// The secret key is kept under a password, and there is none.
    #[error("the secret key is kept under a password")]
    NoPassword,
    /// The password is another, or the file was altered.
    #[error("the password is not that of the secret key, or the key file is damaged")]
    Password,
}

/// The public half of a key: with it signatures are checked.
#[derive(Clone, Debug)]
pub struct PublicKey(minisign::PublicKey);

impl PublicKey {
    /// All keys in a text: each line that is no comment is one, as in the files that `minisign -G` writes.
    /// Errors: a line is something else, or there is none.
    pub fn all(text: &str) -> Result<Vec<Self>, KeyError> {
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#') && !line.starts_with("untrusted comment:"));
        let one = |line: &str| minisign::PublicKey::from_base64(line).map(Self).map_err(|_| KeyError::Public);
        let keys = lines.map(one).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() { Err(KeyError::Public) } else { Ok(keys) }
    }

    /// What the key is called.
    pub fn id(&self) -> KeyId {
        KeyId::of(self.0.keynum())
    }
}

/// A key that signs. Its secret is never shown.
#[derive(Clone)]
pub struct Signer {
    secret: Arc<minisign::SecretKey>,
    public: PublicKey,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signer").field(&self.public.id().to_string()).finish()
    }
}

impl Signer {
    /// Reads a secret key as `minisign -G` writes it. The password is asked for only if the key is kept under one.
    pub fn read(text: &str, password: impl FnOnce() -> Option<SecretString>) -> Result<Self, KeyError> {
        let kept = minisign::SecretKeyBox::from_string(text).map_err(|_| KeyError::Secret)?;
        let bytes = key_bytes(text)?;
        let secret = match bytes.get(..4) {
            // Some versions of the tool write no checksum into a key without a password, so none is asked for.
            Some(b"Ed\0\0") => minisign::SecretKey::from_bytes(&bytes).map_err(|_| KeyError::Secret)?,
            Some(b"EdSc") => {
                let password = password().ok_or(KeyError::NoPassword)?.expose_secret().to_owned();
                kept.into_secret_key(Some(password)).map_err(|_| KeyError::Password)?
            }
            _ => return Err(KeyError::Secret),
        };
        let public = minisign::PublicKey::from_secret_key(&secret).map_err(|_| KeyError::Secret)?;
        let signer = Self { secret: Arc::new(secret), public: PublicKey(public) };
        // A key that was damaged does not fit its other half.
        signer.sign(std::io::empty(), "").map_err(|_| KeyError::Secret)?;
        Ok(signer)
    }

    /// The other half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The file that `minisign -V` checks. Errors: the text cannot be read, or there is no chance to be had from the system.
    pub(crate) fn sign(&self, text: impl Read, comment: &str) -> std::io::Result<Vec<u8>> {
        let untrusted = format!("signature from minisign secret key {}", self.public.id());
        let signed = minisign::sign(Some(&self.public.0), &self.secret, text, Some(comment), Some(&untrusted));
        Ok(signed.map_err(|cause| std::io::Error::other(cause.to_string()))?.to_bytes())
    }
}

/// What a key file holds. Its third and fourth byte name how it is kept under a password.
fn key_bytes(text: &str) -> Result<Vec<u8>, KeyError> {
    use base64::Engine;
    let line = text.lines().nth(1).unwrap_or_default().trim();
    base64::engine::general_purpose::STANDARD.decode(line).map_err(|_| KeyError::Secret)
}

/// A signature that was checked, and is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// Whose it is.
    pub key: KeyId,
    /// What the signer said, under the same signature.
    pub comment: String,
}

/// The key that a signature claims to be of; nothing if it is no signature.
pub fn claimed(signature: &[u8]) -> Option<KeyId> {
    parse(signature).map(|signature| KeyId::of(signature.keynum()))
}

fn parse(signature: &[u8]) -> Option<minisign::SignatureBox> {
    let text = std::str::from_utf8(signature).ok()?;
    // Four lines and nothing else: what follows would look signed.
    let whole = text.lines().count() == 4 && text.lines().nth(3).is_some_and(|line| line.len() == 88);
    minisign::SignatureBox::from_string(text).ok().filter(|signature| whole && signature.is_prehashed())
}

/// A signature that may be good: it claims to be of a key that is looked for.
pub(crate) struct Candidate<'a> {
    key: &'a PublicKey,
    signature: minisign::SignatureBox,
}

/// The signatures that claim to be of one of these keys, as many as are worth a look.
pub(crate) fn candidates<'a>(signatures: impl Iterator<Item = &'a [u8]>, keys: &'a [PublicKey]) -> Vec<Candidate<'a>> {
    let ours = |signature: minisign::SignatureBox| {
        let keys = keys.iter().filter(|key| key.0.keynum() == signature.keynum());
        keys.map(|key| Candidate { key, signature: signature.clone() }).collect::<Vec<_>>()
    };
    signatures.filter_map(parse).flat_map(ours).take(MOST).collect()
}

impl Candidate<'_> {
    /// What the signature says, if it is good for this text.
    pub(crate) fn check(&self, text: impl Read + Seek) -> Option<Signed> {
        minisign::verify(&self.key.0, &self.signature, text, true, false, false).ok()?;
        Some(Signed { key: self.key.id(), comment: self.signature.trusted_comment().unwrap_or_default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn signer() -> Signer {
        let pair = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
        Signer::read(&String::from(pair.sk.to_box(None).unwrap()), || None).unwrap()
    }

    fn good(signature: &[u8], signer: &Signer, text: &[u8]) -> Option<Signed> {
        let keys = [signer.public().clone()];
        candidates([signature].into_iter(), &keys).iter().find_map(|candidate| candidate.check(Cursor::new(text)))
    }

    #[test]
    fn a_signature_is_good_for_its_key_and_its_text_alone() {
        let (ours, other) = (signer(), signer());
        let signature = ours.sign(&b"text"[..], "a bundle").unwrap();
        assert_eq!(good(&signature, &ours, b"text"), Some(Signed { key: ours.public().id(), comment: "a bundle".to_owned() }));
        assert_eq!(claimed(&signature), Some(ours.public().id()));
        assert_eq!((good(&signature, &other, b"text"), good(&signature, &ours, b"texT")), (None, None));
    }

    #[test]
    fn no_changed_bit_of_a_signature_is_taken() {
        let ours = signer();
        let signature = ours.sign(&b"text"[..], "a bundle").unwrap();
        let behind = signature.iter().position(|byte| *byte == b'\n').unwrap();
        for (at, bit) in (behind..signature.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut changed = signature.clone();
            changed[at] ^= 1 << bit;
            let said = good(&changed, &ours, b"text");
            // White space at the end of a line is no part of what is signed; then what is said stays the same.
            assert!(said.is_none_or(|said| said.comment == "a bundle"), "byte {at}, bit {bit}");
        }
    }

    #[test]
    fn what_is_not_signed_cannot_stand_beside_what_is() {
        let ours = signer();
        let text = String::from_utf8(ours.sign(&b"text"[..], "a bundle").unwrap()).unwrap();
        let claimed_otherwise = text.replace("trusted comment: a bundle", "trusted comment: another");
        let of_another = {
            let second = String::from_utf8(ours.sign(&b"second"[..], "second").unwrap()).unwrap();
            let lines: Vec<&str> = text.lines().take(2).chain(second.lines().skip(2)).collect();
            lines.join("\n")
        };
        let longer = format!("{text}trusted comment: and more\n");
        let legacy = text.replacen("RU", "RW", 1);
        for hostile in [claimed_otherwise, of_another, longer, legacy, String::new(), "untrusted comment: x\n".to_owned()] {
            assert_eq!(good(hostile.as_bytes(), &ours, b"text"), None, "{hostile}");
        }
    }

    #[test]
    fn many_signatures_cost_no_more_than_some() {
        let ours = signer();
        let wrong = ours.sign(&b"other"[..], "x").unwrap();
        let keys = [ours.public().clone()];
        assert_eq!(candidates(std::iter::repeat_n(wrong.as_slice(), 1000), &keys).len(), MOST);
    }

    #[test]
    fn a_damaged_key_does_not_sign() {
        use base64::Engine;
        let pair = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
        let mut bytes = pair.sk.to_bytes();
        bytes[70] ^= 1;
        let text = format!("untrusted comment: x\n{}\n", base64::engine::general_purpose::STANDARD.encode(bytes));
        for nonsense in [&text, "", "untrusted comment: x\nRWQ=\n", "x"] {
            assert!(matches!(Signer::read(nonsense, || None), Err(KeyError::Secret)), "{nonsense}");
        }
    }

    #[test]
    fn a_password_is_wanted_only_where_there_is_one() {
        let pair = minisign::KeyPair::generate_encrypted_keypair(Some("open sesame".to_owned())).unwrap();
        let text = String::from(pair.sk.to_box(None).unwrap());
        let read = |password: &str| Signer::read(&text, || Some(password.to_owned().into()));
        assert!(matches!(Signer::read(&text, || None), Err(KeyError::NoPassword)));
        assert!(matches!(read("wrong"), Err(KeyError::Password)));
        assert_eq!(read("open sesame").unwrap().public().0.to_base64(), pair.pk.to_base64());
        assert!(!format!("{:?}", read("open sesame").unwrap()).contains("sesame"));
    }

    #[test]
    fn files_of_keys_may_hold_several() {
        let (one, two) = (signer(), signer());
        let file = |key: &Signer| String::from(key.public().0.to_box().unwrap());
        let both = format!("# the platform team\n{}\n{}", file(&one), file(&two));
        let ids: Vec<KeyId> = PublicKey::all(&both).unwrap().iter().map(PublicKey::id).collect();
        assert_eq!(ids, [one.public().id(), two.public().id()]);
        for nonsense in ["", "# nothing", "untrusted comment: x\n", "RWx", "minisign.pub"] {
            assert!(PublicKey::all(nonsense).is_err(), "{nonsense}");
        }
    }
}
