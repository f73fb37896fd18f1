//! `lifeboat show`

use super::Outcome;
use crate::ui::{Ui, words};
use clap::Args;
use lifeboat::bundle::{MemberLine, Reader};
use serde_json::{Value, json};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;

/// One object of a bundle.
#[derive(Debug, Args)]
pub struct Show {
    /// The bundle
    bundle: PathBuf,
    /// A path or a name, or `kind:path`, `kind:id`, `kind:name`
    object: String,
    /// The stored bytes as they are
    #[arg(long)]
    raw: bool,
}

impl Show {
    pub fn run(self, ui: &mut Ui) -> anyhow::Result<Outcome> {
        let reader = super::open(&self.bundle)?;
        let found = find(&reader, &self.object);
        let [member] = found.as_slice() else { return several(ui, &self.object, &found) };
        if self.raw {
            reader.copy(member, ui.raw())?;
            return Ok(Outcome::Done);
        }
        let bytes = reader.read(member)?;
        head(ui, member)?;
        body(ui, &bytes)
    }
}

/// Members with this path, id or name; a kind before a colon narrows it.
fn find<'a>(reader: &'a Reader, object: &str) -> Vec<&'a MemberLine> {
    let named = |member: &&MemberLine, name: &str| *member.path == *name || member.key.as_deref() == Some(name);
    let all = || reader.manifest().members.iter();
    let by_kind = object.split_once(':').filter(|(kind, _)| lifeboat::kinds::by_name(kind).is_some());
    match by_kind {
        Some((kind, name)) => all().filter(|member| *member.kind == *kind && named(member, name)).collect(),
        None => all().filter(|member| named(member, object)).collect(),
    }
}

fn several(ui: &mut Ui, object: &str, found: &[&MemberLine]) -> anyhow::Result<Outcome> {
    if found.is_empty() {
        anyhow::bail!("the bundle holds no object \"{object}\" (`lifeboat list --long` shows all)");
    }
    ui.line(format!("{} are called \"{object}\":", words::count(found.len() as u64, "object")))?;
    for member in found {
        ui.value(&json!({ "kind": &*member.kind, "path": &*member.path }))?;
        ui.line(format!("  {}:{}", member.kind, member.path))?;
    }
    Ok(Outcome::Findings)
}

fn head(ui: &mut Ui, member: &MemberLine) -> anyhow::Result<()> {
    let name = member.key.as_deref().unwrap_or(&member.path);
    ui.line(format!("{} {name}", member.kind))?;
    ui.line(format!("id {}, {}, sha256 {}", member.path, words::size(member.size), lifeboat::bundle::hex(&member.sha256)))?;
    if let Some(reason) = &member.degraded {
        ui.line(format!("DEGRADED: {reason}"))?;
    }
    Ok(ui.line("")?)
}

/// Documents are laid out; text is shown; other bytes go to a file or a pipe, not to a terminal.
fn body(ui: &mut Ui, bytes: &[u8]) -> anyhow::Result<Outcome> {
    if let Ok(document) = serde_json::from_slice::<Value>(bytes) {
        ui.value(&document)?;
        ui.line(serde_json::to_string_pretty(&document)?)?;
        return Ok(Outcome::Done);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => {
            ui.value(&text)?;
            ui.line(text)?;
        }
        Err(_) if std::io::stdout().is_terminal() => {
            ui.line("bytes that are no text: `--raw` writes them to a file or a pipe")?;
        }
        Err(_) => ui.raw().write_all(bytes)?,
    }
    Ok(Outcome::Done)
}
