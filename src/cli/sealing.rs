//! How a bundle is sealed: who signs it, and who can read it.

use super::Advised;
use super::secret::secret;
use super::unlock::Unlock;
use crate::ui;
use anyhow::Context;
use clap::Args;
use lifeboat::crypt::Recipients;
use lifeboat::origin::{KeyError, Signer};
use secrecy::ExposeSecret;
use std::path::{Path, PathBuf};

/// Who signs, and who can read.
#[derive(Debug, Args)]
#[command(next_help_heading = "Signing and encryption")]
pub struct Sealing {
    /// Sign the bundle with this minisign secret key, as `minisign -G` makes it
    #[arg(long, value_name = "KEYFILE", env = "LIFEBOAT_SIGN")]
    sign: Option<PathBuf>,
    /// File with the password of that key; without it `LIFEBOAT_SIGN_PASSWORD`, or a question at the terminal
    #[arg(long, value_name = "FILE", requires = "sign")]
    sign_password_file: Option<PathBuf>,
    /// Encrypt the bundle for this age recipient or SSH public key, or those in a file; may be repeated
    #[arg(long, value_name = "KEY", env = "LIFEBOAT_RECIPIENT")]
    recipient: Vec<String>,
    /// Encrypt the bundle with a passphrase, from `--passphrase-file`, `LIFEBOAT_PASSPHRASE` or the terminal
    #[arg(long, conflicts_with = "recipient")]
    passphrase: bool,
}

impl Sealing {
    /// For whom the bundle is encrypted; nothing for everybody to read.
    pub fn recipients(&self, unlock: &Unlock) -> anyhow::Result<Option<Recipients>> {
        if self.passphrase {
            return Self::by_passphrase(unlock).map(Some);
        }
        let all = self.recipient.iter().map(|given| recipients(given)).collect::<anyhow::Result<Vec<_>>>()?;
        Ok(all.into_iter().reduce(Recipients::and))
    }

    fn by_passphrase(unlock: &Unlock) -> anyhow::Result<Recipients> {
        let given = unlock.passphrase_given()?;
        let (first, again) = match given {
            Some(given) => (Some(given), None),
            None => (ui::secret("Passphrase for the bundle: "), ui::secret("The same again: ")),
        };
        let advised = |what: &str, hint: &str| Advised { what: what.to_owned(), hint: hint.to_owned() };
        let hint = "give `--passphrase-file FILE`, or set `LIFEBOAT_PASSPHRASE`";
        let first = first.filter(|word| !word.expose_secret().is_empty());
        let first = first.ok_or_else(|| advised("there is no passphrase to encrypt the bundle with", hint))?;
        if again.is_some_and(|again| again.expose_secret() != first.expose_secret()) {
            return Err(advised("the two passphrases differ", "type the same twice").into());
        }
        Ok(Recipients::passphrase(first))
    }

    /// Whether somebody is named who can read it, and so everybody else cannot.
    pub fn encrypts(&self) -> bool {
        self.passphrase || !self.recipient.is_empty()
    }

    /// Whether a key is named.
    pub fn signs(&self) -> bool {
        self.sign.is_some()
    }

    /// The key, unlocked.
    pub fn signer(&self) -> anyhow::Result<Option<Signer>> {
        let Some(path) = &self.sign else { return Ok(None) };
        let doing = || format!("cannot sign with {}", path.display());
        let text = std::fs::read_to_string(path).with_context(doing)?;
        let (mut failed, question) = (None, format!("Password of {}: ", path.display()));
        let password = || match secret(self.sign_password_file.as_deref(), "LIFEBOAT_SIGN_PASSWORD", &question) {
            Ok(password) => password,
            Err(error) => {
                failed = Some(error);
                None
            }
        };
        let signer = Signer::read(&text, password);
        if let Some(error) = failed {
            return Err(error);
        }
        Ok(Some(signer.map_err(|error| advised(&error)).with_context(doing)?))
    }
}

fn recipients(given: &str) -> anyhow::Result<Recipients> {
    let text = match Path::new(given).is_file() {
        true => std::fs::read_to_string(given).with_context(|| format!("cannot read {given}"))?,
        false => given.to_owned(),
    };
    Recipients::parse(&text).map_err(|error| {
        let what = error.to_string();
        let hint =
            "give `age1…`, a line of an SSH public key, or a file of them; `age-keygen -y` shows the public half of an identity";
        Advised { what, hint: hint.to_owned() }.into()
    })
}

fn advised(error: &KeyError) -> anyhow::Error {
    let hint = match error {
        KeyError::NoPassword => {
            "give `--sign-password-file` or `LIFEBOAT_SIGN_PASSWORD`, or make a key for jobs with `minisign -GW`"
        }
        KeyError::Password => "check the password",
        KeyError::Secret | KeyError::Public => "name the secret key that `minisign -G` wrote, as minisign.key",
    };
    Advised { what: error.to_string(), hint: hint.to_owned() }.into()
}
