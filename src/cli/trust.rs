//! Whose bundles are taken.

use super::Refusal;
use anyhow::Context;
use clap::Args;
use lifeboat::bundle::Reader;
use lifeboat::event::{Event, Observer};
use lifeboat::origin::{KeyId, PublicKey, Signed, claimed};
use std::path::Path;

/// Whose bundles are taken.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Trust")]
pub struct Trust {
    /// Take only a bundle signed with one of these minisign public keys: the key itself, or a file of keys; may be repeated
    #[arg(long, value_name = "KEY", env = "LIFEBOAT_SIGNED_BY")]
    signed_by: Vec<String>,
}

impl Trust {
    /// The keys that are trusted; nothing if nobody asks who signed.
    pub fn keys(&self) -> anyhow::Result<Option<Vec<PublicKey>>> {
        let keys = self.signed_by.iter().map(|given| read(given)).collect::<anyhow::Result<Vec<_>>>()?.concat();
        Ok((!self.signed_by.is_empty()).then_some(keys))
    }

    /// Refuses a bundle that nobody of those who are trusted has signed.
    pub fn demand(&self, reader: &Reader) -> anyhow::Result<Option<Signed>> {
        let Some(keys) = self.keys()? else { return Ok(None) };
        let signed = reader.signed_by(&keys)?;
        Ok(Some(signed.ok_or_else(|| Refusal::new(unsigned(reader), "use a bundle of a signer whom you trust, or another key"))?))
    }

    /// The same, with a warning where nobody asks who signed.
    pub fn demand_or_warn(&self, reader: &Reader, observer: &dyn Observer) -> anyhow::Result<()> {
        if self.demand(reader)?.is_none() {
            let who = match claims(reader).as_slice() {
                [] => "the bundle is not signed: nothing tells who made it".to_owned(),
                keys => format!("nobody checked the bundle's signature by {}: `--signed-by` does", list(keys)),
            };
            observer.event(&Event::Warning(who));
        }
        Ok(())
    }
}

/// What is wrong with a bundle that nobody trusted has signed.
pub fn unsigned(reader: &Reader) -> String {
    match claims(reader).as_slice() {
        [] => "the bundle is not signed, and a signature is demanded".to_owned(),
        keys => format!("the bundle has no good signature of a trusted key; it carries one that names {}", list(keys)),
    }
}

/// The keys that a bundle's signatures name, whether they are good or not.
pub fn claims(reader: &Reader) -> Vec<KeyId> {
    reader.signatures().iter().filter_map(|signature| claimed(&signature.text)).collect()
}

fn list(keys: &[KeyId]) -> String {
    keys.iter().map(|key| format!("key {key}")).collect::<Vec<_>>().join(", ")
}

fn read(given: &str) -> anyhow::Result<Vec<PublicKey>> {
    // A key is no path that anybody has: 56 letters that begin with RW.
    let text = match Path::new(given).is_file() {
        true => std::fs::read_to_string(given).with_context(|| format!("cannot read {given}"))?,
        false => given.to_owned(),
    };
    PublicKey::all(&text).with_context(|| format!("cannot use `--signed-by {given}`"))
}
