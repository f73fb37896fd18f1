//! Values of secrets are shown only to who asks for just that: what is shown ends in terminals, tickets and logs.

use super::Refusal;
use super::show::Shown;
use crate::ui::Ui;
use anyhow::Context;
use clap::Args;
use lifeboat::bundle::{MemberLine, Reader};
use lifeboat::kinds;
use lifeboat::values::unseal;
use secrecy::ExposeSecret;
use secrecy::zeroize::Zeroizing;
use serde_json::{Value, json};
use std::io::Write;

/// Whether values of secrets are shown.
#[derive(Clone, Copy, Debug, Args)]
pub struct Reveal {
    /// Values of secrets too, in clear
    #[arg(long)]
    reveal: bool,
}

/// Whether a member is the value of a secret.
fn is_secret(member: &MemberLine) -> bool {
    kinds::by_name(&member.kind).is_some_and(kinds::Kind::is_secret_value)
}

impl Reveal {
    /// Whether a member is left out, since nobody asked for its like.
    pub fn hides(self, member: &MemberLine) -> bool {
        !self.reveal && is_secret(member)
    }

    /// Shows the value of a secret, or says how to see it. Answers whether the member is one. `raw` is for the very bytes.
    pub fn show(self, ui: &mut Ui, reader: &Reader, member: &MemberLine, raw: bool) -> anyhow::Result<bool> {
        match (is_secret(member), self.reveal, raw) {
            (false, _, _) => return Ok(false),
            (true, false, true) => return Err(Refusal::new("this is the value of a secret", "`--reveal` shows it").into()),
            (true, false, false) => {
                ui.value(&Shown::Document(&json!({ "kind": &*member.kind, "path": &*member.path, "value": null })))?;
                ui.line(format!("{} {}", member.kind, member.key.as_deref().unwrap_or(&member.path)))?;
                ui.line("the value is in the bundle, and not shown: `--reveal` shows it")?;
            }
            (true, true, raw) => reveal(ui, reader, member, raw)?,
        }
        Ok(true)
    }
}

fn reveal(ui: &mut Ui, reader: &Reader, member: &MemberLine, raw: bool) -> anyhow::Result<()> {
    let broken = "the bundle holds no value there that could be read";
    let document = Zeroizing::new(reader.read(member)?);
    let meta = member.meta();
    let scope = meta.get("parent").and_then(|parent| parent.get("id")).and_then(Value::as_str).unwrap_or_default();
    let opened = unseal(&document).filter(|opened| opened.is_of(scope, &member.path)).context(broken)?;
    let value = opened.decoded().context(broken)?;
    if raw {
        return Ok(ui.raw().write_all(value.bytes())?);
    }
    ui.value(&Shown::Document(&json!({ "key": opened.key, "value": opened.value.expose_secret() })))?;
    match std::str::from_utf8(value.bytes()) {
        Ok(text) => ui.text(text)?,
        Err(_) => ui.line(format!("{}  (base64: `--raw` writes its bytes)", opened.value.expose_secret()))?,
    }
    Ok(())
}
