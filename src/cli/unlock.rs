//! What opens an encrypted bundle.

use super::Advised;
use super::secret::{given, secret};
use crate::ui;
use anyhow::Context;
use clap::Args;
use lifeboat::bundle::OpenError;
use lifeboat::crypt::{Ask, Keys, Locked, UnlockError};
use lifeboat::store::Source;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The variable that names an identity, or is one.
const IDENTITY: &str = "LIFEBOAT_IDENTITY";
/// The variable that holds the passphrase of a bundle.
const PASSPHRASE: &str = "LIFEBOAT_PASSPHRASE";

/// What opens an encrypted bundle.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Encrypted bundles")]
pub struct Unlock {
    /// Private key that opens it: a file of age identities or an SSH key; may be repeated. Without it `LIFEBOAT_IDENTITY`, which
    /// names a file or is the identity
    #[arg(long, value_name = "FILE")]
    identity: Vec<PathBuf>,
    /// File with its passphrase; without it `LIFEBOAT_PASSPHRASE`, or a question at the terminal
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl Unlock {
    /// The contents of an encrypted file; anything else as it is.
    pub fn unlock(&self, source: Arc<dyn Source>) -> anyhow::Result<Arc<dyn Source>> {
        let Some(locked) = Locked::look(source.clone()).map_err(advised)? else { return Ok(source) };
        let mut keys = Keys::default();
        if locked.by_passphrase() {
            if let Some(passphrase) = self.passphrase("Passphrase of the bundle: ")? {
                keys.add_passphrase(passphrase);
            }
        } else {
            self.identities(&mut keys)?;
        }
        locked.unlock(&keys).map_err(advised)
    }

    /// The same, where no key being given is no error: then nothing. Nobody is asked for a passphrase.
    pub fn if_there_is_a_key(&self, source: Arc<dyn Source>) -> anyhow::Result<Option<Arc<dyn Source>>> {
        let given = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_given = match Locked::look(source.clone()).map_err(advised)? {
            None => return Ok(Some(source)),
            Some(locked) if locked.by_passphrase() => self.passphrase_file.is_some() || given(PASSPHRASE),
            Some(_) => !self.identity.is_empty() || given(IDENTITY),
        };
        if is_given { self.unlock(source).map(Some) } else { Ok(None) }
    }

    /// The passphrase, wherever it comes from.
    pub fn passphrase(&self, question: &str) -> anyhow::Result<Option<secrecy::SecretString>> {
        secret(self.passphrase_file.as_deref(), PASSPHRASE, question)
    }

    /// The same without asking anybody.
    pub fn passphrase_given(&self) -> anyhow::Result<Option<secrecy::SecretString>> {
        given(self.passphrase_file.as_deref(), PASSPHRASE)
    }

    fn identities(&self, keys: &mut Keys) -> anyhow::Result<()> {
        let ask = || Ask::by(|_| ui::secret("Passphrase of the identity: "));
        for path in &self.identity {
            add(keys, path, &ask())?;
        }
        if !self.identity.is_empty() {
            return Ok(());
        }
        match std::env::var(IDENTITY).ok().filter(|given| !given.is_empty()) {
            Some(key) if key.contains("AGE-SECRET-KEY-") || key.starts_with("-----BEGIN") => {
                keys.add(key.as_bytes(), IDENTITY, ask()).with_context(|| format!("cannot use the identity in {IDENTITY}"))
            }
            Some(path) => add(keys, Path::new(&path), &ask()),
            None => Ok(()),
        }
    }
}

fn add(keys: &mut Keys, path: &Path, ask: &Ask) -> anyhow::Result<()> {
    if path.as_os_str().as_encoded_bytes().starts_with(b"AGE-SECRET-KEY-") {
        let what = "a secret key does not belong on the command line, where everybody on this machine can read it".to_owned();
        return Err(Advised { what, hint: format!("keep it in a file that `--identity` names, or in {IDENTITY}") }.into());
    }
    let doing = || format!("cannot use the identity {}", path.display());
    let text = std::fs::read(path).with_context(doing)?;
    keys.add(&text, &path.display().to_string(), ask.clone()).with_context(doing)
}

fn advised(error: UnlockError) -> anyhow::Error {
    let hint = match error {
        UnlockError::Io(error) => return OpenError::io(error).into(),
        UnlockError::Altered(_) => return OpenError::altered(error.to_string()).into(),
        UnlockError::NoKeys => "give `--identity FILE`, an age identity or SSH key, or set `LIFEBOAT_IDENTITY`",
        UnlockError::NoPassphrase => "give `--passphrase-file FILE`, or set `LIFEBOAT_PASSPHRASE`",
        UnlockError::NotForUs => "give the identity of one of those for whom it was encrypted",
        UnlockError::WrongPassphrase | UnlockError::LockedKey => "check the passphrase",
        UnlockError::TooMuchWork => "take it for damaged or hostile, or open it with `age -d`",
        UnlockError::Armored => "take the armor off: `age -d FILE | age -e …`, or decrypt it with `age -d`",
    };
    Advised { what: error.to_string(), hint: hint.to_owned() }.into()
}
