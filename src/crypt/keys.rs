//! Whom a bundle is encrypted for, and who opens it.

use age::secrecy::{ExposeSecret, SecretString};
use age::{Callbacks, Identity, IdentityFile, Recipient, ssh};
use age_core::format::{FILE_KEY_BYTES, FileKey, Stanza};
use std::collections::HashSet;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// Work that a passphrase costs: 2 to this power rounds of scrypt, as `age` takes it. About a second, and 256 MiB.
const WORK: u8 = 18;
/// Work that is done at most for a passphrase, whatever a bundle asks for: 16 times as much.
const MOST_WORK: u8 = 22;

/// Why nobody can be written to by this name.
#[derive(Debug, thiserror::Error)]
pub enum RecipientError {
    /// It is no public key.
    #[error("\"{0}\" is no age recipient and no SSH public key")]
    Unknown(String),
    /// There are no recipients in it.
    #[error("no recipients are named")]
    Nobody,
    /// The secret half was given where the public one belongs.
    #[error("this is a secret key, and a bundle is encrypted for a public one")]
    Secret,
}

/// For whom a bundle is encrypted.
#[derive(Clone)]
pub struct Recipients(Vec<Arc<dyn Recipient + Send + Sync>>);

impl fmt::Debug for Recipients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recipients({})", self.0.len())
    }
}

impl Recipients {
    /// Reads public keys, one a line: of age (`age1…`) or SSH (`ssh-ed25519 …`, `ssh-rsa …`), as `age -R` takes them.
    pub fn parse(text: &str) -> Result<Self, RecipientError> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let recipients = lines.map(recipient).collect::<Result<Vec<_>, _>>()?;
        if recipients.is_empty() { Err(RecipientError::Nobody) } else { Ok(Self(recipients)) }
    }

    /// Whoever knows a passphrase.
    pub fn passphrase(passphrase: SecretString) -> Self {
        let mut recipient = age::scrypt::Recipient::new(passphrase);
        recipient.set_work_factor(WORK);
        Self(vec![Arc::new(recipient)])
    }

    /// These and those.
    #[must_use]
    pub fn and(mut self, more: Self) -> Self {
        self.0.extend(more.0);
        self
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Begins a file for all of them; answers the key of the file too, with which it can be read back.
    pub(super) fn encryptor(&self) -> io::Result<(age::Encryptor, Opener)> {
        let (Some(first), rest) = (self.0.first(), self.0.iter().skip(1)) else { return Err(io::ErrorKind::InvalidInput.into()) };
        let watch = Watch { inner: first.clone(), seen: Mutex::new(None) };
        let all = std::iter::once(&watch as &dyn Recipient).chain(rest.map(|one| &**one as &dyn Recipient));
        let encryptor = age::Encryptor::with_recipients(all).map_err(|cause| io::Error::other(cause.to_string()))?;
        let key = watch.seen.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok((encryptor, key.ok_or(io::ErrorKind::Other)?))
    }
}

fn recipient(line: &str) -> Result<Arc<dyn Recipient + Send + Sync>, RecipientError> {
    if line.starts_with("AGE-SECRET-KEY-") || line.starts_with("-----BEGIN") {
        return Err(RecipientError::Secret);
    }
    if let Ok(one) = line.parse::<age::x25519::Recipient>() {
        return Ok(Arc::new(one));
    }
    if let Ok(one) = line.parse::<ssh::Recipient>() {
        return Ok(Arc::new(one));
    }
    let short: String = line.chars().take(40).collect();
    Err(RecipientError::Unknown(short))
}

/// Hears the key of a file while it is wrapped for the first recipient.
struct Watch {
    inner: Arc<dyn Recipient + Send + Sync>,
    seen: Mutex<Option<Opener>>,
}

impl Recipient for Watch {
    fn wrap_file_key(&self, key: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), age::EncryptError> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(Opener::of(key));
        self.inner.wrap_file_key(key)
    }
}

/// The key of one file: opens that file again and no other. Wiped from memory when it is dropped.
pub(super) struct Opener(FileKey);

impl Opener {
    fn of(key: &FileKey) -> Self {
        let copy = |to: &mut [u8; FILE_KEY_BYTES]| to.copy_from_slice(key.expose_secret());
        Self(FileKey::init_with_mut(copy))
    }

    /// The same key.
    pub(super) fn again(&self) -> Self {
        Self::of(&self.0)
    }
}

impl Identity for Opener {
    fn unwrap_stanza(&self, _: &Stanza) -> Option<Result<FileKey, age::DecryptError>> {
        Some(Ok(self.again().0))
    }
}

/// Asks a person for a passphrase; nothing where nobody can answer.
#[derive(Clone)]
pub struct Ask(Arc<Answer>);

type Answer = dyn Fn(&str) -> Option<SecretString> + Send + Sync;

impl Ask {
    /// Asks by this function.
    pub fn by(ask: impl Fn(&str) -> Option<SecretString> + Send + Sync + 'static) -> Self {
        Self(Arc::new(ask))
    }
}

impl Callbacks for Ask {
    fn display_message(&self, _: &str) {}

    fn confirm(&self, _: &str, _: &str, _: Option<&str>) -> Option<bool> {
        None
    }

    fn request_public_string(&self, _: &str) -> Option<String> {
        None
    }

    fn request_passphrase(&self, description: &str) -> Option<SecretString> {
        (self.0)(description)
    }
}

/// What opens bundles: identities of age, SSH keys, a passphrase.
#[derive(Default)]
pub struct Keys(Vec<Box<dyn Identity + Send + Sync>>);

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.0.len())
    }
}

impl Keys {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds what a file of keys holds: identities as `age-keygen` writes them, also under a passphrase, or an SSH private key.
    /// Errors: the file holds something else; nothing of it is in the error.
    pub fn add(&mut self, text: &[u8], name: &str, ask: Ask) -> io::Result<()> {
        let wrong = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
        if text.starts_with(b"-----BEGIN AGE") {
            return Err(wrong("it is armored: `age -d` or `age-keygen` write it without".to_owned()));
        }
        if text.starts_with(b"-----BEGIN") {
            let key = ssh::Identity::from_buffer(text, Some(name.to_owned()))?;
            if let ssh::Identity::Unsupported(_) = key {
                return Err(wrong("it is an SSH key of a sort that age does not take: use ssh-ed25519 or ssh-rsa".to_owned()));
            }
            self.0.push(Box::new(key.with_callbacks(ask)));
            return Ok(());
        }
        if text.starts_with(b"age-encryption.org/") {
            return self.add_locked(text, name, ask);
        }
        let identities = IdentityFile::from_buffer(text)?.into_identities().map_err(|cause| wrong(cause.to_string()))?;
        self.extend(identities)
    }

    fn add_locked(&mut self, text: &[u8], name: &str, ask: Ask) -> io::Result<()> {
        let wrong = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why);
        let locked = age::Decryptor::new(text).map_err(|_| wrong("it is a damaged age file"))?;
        let locked = age::encrypted::EncryptedIdentity::new(locked, ask, Some(MOST_WORK));
        let locked = locked.ok_or_else(|| wrong("it is an age file without a passphrase"))?;
        let file = locked.decrypt(Some(name)).map_err(|_| wrong("its passphrase is missing or wrong"))?;
        self.extend(file.into_identities().map_err(|_| wrong("what it holds are no identities"))?)
    }

    fn extend(&mut self, identities: Vec<Box<dyn Identity + Send + Sync>>) -> io::Result<()> {
        if identities.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "no identities are in it"));
        }
        self.0.extend(identities);
        Ok(())
    }

    /// Adds a passphrase.
    pub fn add_passphrase(&mut self, passphrase: SecretString) {
        let mut identity = age::scrypt::Identity::new(passphrase);
        identity.set_max_work_factor(MOST_WORK);
        self.0.push(Box::new(identity));
    }

    /// Finds the key of a file among what its head offers.
    pub(super) fn catch(&self) -> Catch<'_> {
        Catch { keys: self, caught: Mutex::new(None) }
    }
}

/// Keys that keep what they opened, so that it is worked out once: a passphrase costs a second.
pub(super) struct Catch<'a> {
    keys: &'a Keys,
    caught: Mutex<Option<Opener>>,
}

impl Catch<'_> {
    pub(super) fn caught(self) -> Option<Opener> {
        self.caught.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Identity for Catch<'_> {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, age::DecryptError>> {
        self.keys.0.iter().find_map(|one| one.unwrap_stanza(stanza))
    }

    fn unwrap_stanzas(&self, stanzas: &[Stanza]) -> Option<Result<FileKey, age::DecryptError>> {
        let answers = self.keys.0.iter().filter_map(|one| one.unwrap_stanzas(stanzas));
        // One that does not fit must not hide the next that does.
        let mut refused = None;
        for answer in answers {
            match answer {
                Ok(key) => {
                    *self.caught.lock().unwrap_or_else(PoisonError::into_inner) = Some(Opener::of(&key));
                    return Some(Ok(key));
                }
                Err(error) => refused = Some(Err(error)),
            }
        }
        refused
    }
}
