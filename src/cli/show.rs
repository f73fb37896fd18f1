//! `lifeboat show`

use super::bundle::Bundle;
use super::reveal::Reveal;
use super::{Advised, Outcome};
use crate::ui::{Ui, words};
use base64::prelude::{BASE64_STANDARD, Engine};
use clap::Args;
use lifeboat::bundle::{MemberLine, Reader};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

/// So many objects of a like name are told.
const NEAR: usize = 5;

/// One object of a bundle.
#[derive(Debug, Args)]
pub struct Show {
    #[command(flatten)]
    bundle: Bundle,
    /// A path or a name, or `kind:path`, `kind:id`, `kind:name`
    object: String,
    /// The stored bytes as they are; of a secret its value
    #[arg(long)]
    raw: bool,
    #[command(flatten)]
    reveal: Reveal,
}

/// One object, whole, as it is stored; or, where several have that name, a line for each of them.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Shown<'a> {
    /// A document.
    Document(#[schemars(with = "Map<String, Value>")] &'a Value),
    /// The text of a notebook or file.
    Text(&'a str),
    /// Bytes that are no text.
    Bytes {
        /// In base64.
        base64: String,
    },
    /// An object of that name (exit code 4).
    OneOf {
        /// Name of the kind.
        kind: &'a str,
        /// Path or id.
        path: &'a str,
    },
}

impl Show {
    pub fn run(self, ui: &mut Ui) -> anyhow::Result<Outcome> {
        let reader = self.bundle.open()?;
        let found = find(&reader, &self.object);
        let member = match found.as_slice() {
            [] => return Err(absent(&reader, &self.object)),
            [member] => member,
            several => return choose(ui, &self.object, several),
        };
        if self.reveal.show(ui, &reader, member, self.raw)? {
            return Ok(Outcome::Done);
        }
        if self.raw {
            reader.copy(member, ui.raw())?;
            return Ok(Outcome::Done);
        }
        let bytes = reader.read(member)?;
        head(ui, member)?;
        body(ui, &bytes)?;
        Ok(Outcome::Done)
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

/// Advice names what comes near: a name is seldom remembered whole.
fn absent(reader: &Reader, object: &str) -> anyhow::Error {
    let kind = object.split_once(':').filter(|(kind, _)| lifeboat::kinds::by_name(kind).is_some());
    let (kind, part) = kind.map_or((None, object), |(kind, part)| (Some(kind), part));
    if let Some(gap) = reader.manifest().gaps.iter().find(|gap| gap.path == part && kind.is_none_or(|kind| gap.kind == kind)) {
        return anyhow::anyhow!("{} \"{part}\" is {} in the bundle: {}", gap.kind, gap.state.as_str(), gap.reason);
    }
    let part = part.to_lowercase();
    let name = |member: &MemberLine| member.key.as_deref().unwrap_or(&member.path).to_owned();
    let near = reader.manifest().members.iter().filter(|member| {
        kind.map_or(&*member.kind != "permissions", |kind| &*member.kind == kind) && name(member).to_lowercase().contains(&part)
    });
    let near: Vec<String> = near.take(NEAR).map(|member| format!("\"{}:{}\"", member.kind, name(member))).collect();
    let all = "`lifeboat list --long` shows all";
    let hint = if near.is_empty() { all.to_owned() } else { format!("there are {}; {all}", near.join(", ")) };
    Advised { what: format!("the bundle holds no object \"{object}\""), hint }.into()
}

fn choose(ui: &mut Ui, object: &str, found: &[&MemberLine]) -> anyhow::Result<Outcome> {
    ui.line(format!("{} are called \"{object}\":", words::count(found.len() as u64, "object")))?;
    for member in found {
        ui.value(&Shown::OneOf { kind: &member.kind, path: &member.path })?;
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

/// Documents are laid out; text is shown; for other bytes there is `--raw`, and base64 for programs.
fn body(ui: &mut Ui, bytes: &[u8]) -> std::io::Result<()> {
    if let Ok(document) = serde_json::from_slice::<Value>(bytes) {
        ui.value(&Shown::Document(&document))?;
        return ui.text(&format!("{document:#}"));
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        ui.value(&Shown::Text(text))?;
        return ui.text(text);
    }
    ui.value(&Shown::Bytes { base64: BASE64_STANDARD.encode(bytes) })?;
    ui.line("bytes that are no text: `--raw` writes them to a file or a pipe")
}
