//! `lifeboat show`: one object as people look at it, each shape by a renderer of its own; whole with `--raw` and `--json`.

mod acl;
mod brief;
mod job;
mod notebook;
mod principal;

use super::bundle::Bundle;
use super::reveal::Reveal;
use super::{Advised, Outcome};
use crate::ui::{Ui, words};
use base64::prelude::{BASE64_STANDARD, Engine};
use clap::Args;
use lifeboat::brief::inline;
use lifeboat::bundle::{MemberLine, Reader};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

/// So many objects of a like name are told.
const NEAR: usize = 5;

/// Kinds whose objects have another name for people than for programs.
const PEOPLE: [&str; 2] = ["service_principal", "user"];

/// One object of a bundle.
#[derive(Debug, Args)]
pub struct Show {
    #[command(flatten)]
    bundle: Bundle,
    /// A path or a name, or `kind:path`, `kind:id`, `kind:name`; of users and service principals also what people call them
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
        let mut found = find(&reader, &self.object);
        if found.is_empty() {
            found = by_display_name(&reader, &self.object)?;
        }
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
        body(ui, &Subject { reader: &reader, member }, &bytes)?;
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

/// Principals whom people call so. Their documents say it, and are read only where nothing has that path, id or name.
fn by_display_name<'a>(reader: &'a Reader, object: &str) -> anyhow::Result<Vec<&'a MemberLine>> {
    let narrowed = object.split_once(':').filter(|(kind, _)| PEOPLE.contains(kind));
    let (kind, name) = narrowed.map_or((None, object), |(kind, name)| (Some(kind), name));
    let is_one = |member: &&MemberLine| PEOPLE.contains(&&*member.kind) && kind.is_none_or(|kind| *member.kind == *kind);
    let mut found = Vec::new();
    for member in reader.manifest().in_place_order().filter(is_one) {
        let document = serde_json::from_slice::<Value>(&reader.read(member)?).ok();
        let display = document.as_ref().and_then(|one| one.get("displayName")?.as_str());
        if display.is_some_and(|display| display.eq_ignore_ascii_case(name)) {
            found.push(member);
        }
    }
    Ok(found)
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

/// What belongs to an object beside its own bytes is looked for in the bundle.
struct Subject<'a> {
    reader: &'a Reader,
    member: &'a MemberLine,
}

impl Subject<'_> {
    /// What people call the object of this kind with this id; the id, where the bundle does not hold it.
    fn name_of(&self, kind: &str, id: &str) -> String {
        let found = self.reader.find(kind, id);
        found.and_then(|member| member.key.as_deref()).map_or_else(|| id.to_owned(), |key| format!("{key} [{id}]"))
    }

    /// The document of an object, if there is one and it can be read.
    fn document(&self, member: &MemberLine) -> anyhow::Result<Option<Value>> {
        Ok(serde_json::from_slice(&self.reader.read(member)?).ok())
    }

    /// The permissions of this object, or the access list of a secret scope.
    fn permissions(&self) -> Option<&MemberLine> {
        ["permissions", "secret_acl"].iter().find_map(|kind| self.below(kind).first().copied())
    }

    /// The members of a kind that belong to this object, in the order of the manifest.
    fn below(&self, kind: &str) -> Vec<&MemberLine> {
        let is_parent = |member: &MemberLine| {
            let meta = member.meta();
            let text = |name: &str| meta.get("parent")?.get(name)?.as_str().map(str::to_owned);
            text("kind").as_deref() == Some(&self.member.kind) && text("id").as_deref() == Some(&self.member.path)
        };
        self.reader.manifest().members.iter().filter(|member| *member.kind == *kind && is_parent(member)).collect()
    }
}

/// The whole for programs; for people what they look for, as the shape of the object has it.
fn body(ui: &mut Ui, subject: &Subject<'_>, bytes: &[u8]) -> anyhow::Result<()> {
    let document = serde_json::from_slice::<Value>(bytes).ok();
    match (&document, std::str::from_utf8(bytes)) {
        (Some(document), _) => ui.value(&Shown::Document(document))?,
        (None, Ok(text)) => ui.value(&Shown::Text(text))?,
        (None, Err(_)) => ui.value(&Shown::Bytes { base64: BASE64_STANDARD.encode(bytes) })?,
    }
    let kind = &*subject.member.kind;
    let shown = match (kind, &document) {
        ("notebook", _) => notebook::tell(ui, subject.member, bytes)?,
        ("job", Some(document)) => job::tell(ui, subject, document)?,
        ("permissions" | "secret_acl", Some(document)) => acl::tell(ui, subject, document)?,
        ("user" | "service_principal" | "group", Some(document)) => principal::tell(ui, document)?,
        (_, Some(document)) => brief::tell(ui, subject, document)?,
        (_, None) => false,
    };
    if !shown {
        return Ok(whole(ui, document.as_ref(), bytes)?);
    }
    if let Some(member) = subject.permissions()
        && let Some(document) = subject.document(member)?
    {
        ui.line("")?;
        ui.line("who may:")?;
        if !acl::tell(ui, subject, &document)? {
            ui.line("nobody is named")?;
        }
    }
    if kind != "notebook" {
        ui.line("")?;
        ui.line("`--raw` and `--json` have the whole")?;
    }
    Ok(())
}

/// Documents are laid out; text is shown; for other bytes there is `--raw`.
fn whole(ui: &mut Ui, document: Option<&Value>, bytes: &[u8]) -> std::io::Result<()> {
    match (document, std::str::from_utf8(bytes)) {
        (Some(document), _) => ui.text(&format!("{document:#}")),
        // Behind a bar, so that no line of a document looks like one of ours.
        (None, Ok(text)) => text.lines().try_for_each(|line| ui.code("│ ", line)),
        (None, Err(_)) => ui.line("bytes that are no text: `--raw` writes them to a file or a pipe"),
    }
}
