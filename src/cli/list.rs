//! `lifeboat list`

use super::Outcome;
use super::bundle::Bundle;
use super::filters::Filters;
use super::trust::claims;
use crate::ui::{Ui, words};
use clap::Args;
use lifeboat::audit::{Filter, State};
use lifeboat::bundle::{Gap, GapState, KindLine, Manifest, MemberLine, Reader, hex};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::mem::ManuallyDrop;

/// So many gaps of one kind are told one by one; JSON has all.
const SHOWN: usize = 20;

/// What goes on below a line of an object stands under its name.
const BELOW: &str = "                                   ";

/// The reason of what a selection leaves out.
const NOT_ASKED_FOR: &str = "not asked for";

/// What is in a bundle, and what is not.
#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    bundle: Bundle,
    /// One line for each object instead of one for each kind, also for those that are not in it
    #[arg(long, short)]
    long: bool,
    /// Where secret values were blanked
    #[arg(long)]
    redacted: bool,
    #[command(flatten)]
    filters: Filters,
}

impl List {
    pub fn run(self, ui: &mut Ui) -> anyhow::Result<Outcome> {
        let one_by_one = self.long || !self.filters.is_everything()?;
        let reader = if one_by_one { self.bundle.open()? } else { self.bundle.open_lean()? };
        // The program ends right after: to free a hundred thousand lines one by one would only take time.
        let reader = ManuallyDrop::new(reader);
        if self.redacted {
            return redactions(ui, reader.manifest(), &self.filters.filter(&reader)?);
        }
        if one_by_one {
            let chosen = self.filters.chosen(&reader)?;
            ui.row(COLUMNS)?;
            objects(ui, &chosen.members)?;
            absent(ui, &chosen.gaps)?;
            return self.filters.settle(Outcome::Done, &reader);
        }
        kinds(ui, &reader, self.bundle.is_encrypted())?;
        Ok(Outcome::Done)
    }
}

fn objects(ui: &mut Ui, members: &[&MemberLine]) -> anyhow::Result<()> {
    for member in members {
        if ui.is_text() {
            let key = member.key.as_deref().unwrap_or(&member.path);
            let less = if member.degraded.is_some() { "  (degraded)" } else { "" };
            let text = format!("{:<22} {:>10}  {key}{}{less}", member.kind, words::size(member.size), id_of(member, key));
            ui.wrapped(BELOW, &text)?;
        } else {
            Line::of(member).tell(ui)?;
        }
    }
    Ok(())
}

/// What a listing showed and the bundle does not hold.
fn absent(ui: &mut Ui, gaps: &[&Gap]) -> anyhow::Result<()> {
    for gap in gaps {
        if ui.is_text() {
            let text = format!("{:<22} {:>10}  {}  ({}: {})", gap.kind, "-", gap.path, gap.state.as_str(), gap.reason);
            ui.wrapped(BELOW, &text)?;
        } else {
            Line::absent(gap).tell(ui)?;
        }
    }
    Ok(())
}

/// The id behind a name; a path is its own.
fn id_of(member: &MemberLine, key: &str) -> String {
    if *key == *member.path { String::new() } else { format!("  [{}]", member.path) }
}

fn redactions(ui: &mut Ui, manifest: &Manifest, filter: &Filter) -> anyhow::Result<Outcome> {
    ui.row(["kind", "path", "pointer", "reason"])?;
    for one in manifest.redacted.iter().filter(|one| filter.wants_by_name(manifest, &one.kind, &one.path)) {
        ui.value(one)?;
        ui.row([one.kind.as_str(), &one.path, &one.pointer, &one.reason])?;
        ui.wrapped("    ", &format!("{:<22} {}  {}  ({})", one.kind, one.path, one.pointer, one.reason))?;
    }
    Ok(Outcome::Done)
}

fn kinds(ui: &mut Ui, reader: &Reader, encrypted: bool) -> anyhow::Result<()> {
    let manifest = reader.manifest();
    let head = &manifest.head;
    let text = |name: &str| head.source.get(name).and_then(Value::as_str).unwrap_or("unknown");
    ui.value(&Summary::of(reader, encrypted))?;
    ui.wrapped("    ", &format!("workspace {} at {}", text("workspace_id"), text("host")))?;
    let admin = if head.source.get("caller_is_admin") == Some(&Value::Bool(true)) {
        "admin"
    } else {
        "NOT an admin: listings may be cut short"
    };
    ui.wrapped("    ", &format!("exported {} by {} ({admin}) with {}", head.created, text("caller"), head.tool))?;
    if encrypted {
        ui.line("encrypted")?;
    }
    for key in claims(reader) {
        ui.wrapped("    ", &format!("carries a signature that names key {key} (`lifeboat verify --signed-by` checks it)"))?;
    }
    if let Some(selection) = &head.selection {
        ui.wrapped("    ", &format!("asked for: {}", asked_for(selection)))?;
    }
    accounts(ui, &manifest.kinds)?;
    gaps(ui, &manifest.gaps)?;
    let hurt = manifest.members.iter().filter_map(|member| Some((&*member.kind, &*member.path, member.degraded.as_deref()?)));
    degraded(ui, hurt)?;
    let (bytes, stored) = (words::size(head.counts.bytes), words::size(reader.size()));
    let identity = hex(&manifest.sha256);
    ui.wrapped("    ", &format!("{} objects, {bytes}, {stored} stored; identity {identity}", head.counts.members))?;
    Ok(())
}

/// The selection as it stood on the command line.
fn asked_for(selection: &Value) -> String {
    let flags = |flag: &'static str| {
        let patterns = selection.get(flag).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        patterns.iter().filter_map(Value::as_str).map(move |pattern| format!("--{flag} '{pattern}'"))
    };
    flags("include").chain(flags("exclude")).collect::<Vec<_>>().join(" ")
}

/// What became of the objects of each kind.
pub fn accounts(ui: &mut Ui, lines: &[KindLine]) -> anyhow::Result<()> {
    let header = ["kind", "listed", "captured", "degraded", "missing", "excluded", "unavailable"];
    let mut lines: Vec<&KindLine> = lines.iter().collect();
    lines.sort_unstable_by_key(|line| &line.kind);
    Ok(ui.table(&header, lines.into_iter().map(row))?)
}

fn row(line: &KindLine) -> Vec<String> {
    let numbers = [line.listed, line.captured, line.degraded, line.missing, line.excluded, line.unavailable];
    std::iter::once(line.kind.clone()).chain(numbers.iter().map(u64::to_string)).collect()
}

/// What is not in a bundle, by state and kind. What a person left out by choice is counted, not told one by one.
pub fn gaps(ui: &mut Ui, gaps: &[Gap]) -> anyhow::Result<()> {
    let (chosen, gaps): (Vec<&Gap>, Vec<&Gap>) = gaps.iter().partition(|gap| gap.reason == NOT_ASKED_FOR);
    left_out(ui, &chosen)?;
    for (state, word) in
        [(GapState::Missing, "MISSING"), (GapState::Unavailable, "unavailable"), (GapState::Excluded, "excluded")]
    {
        let mut by_kind: BTreeMap<&str, Vec<&Gap>> = BTreeMap::new();
        gaps.iter().filter(|gap| gap.state == state).for_each(|&gap| by_kind.entry(&gap.kind).or_default().push(gap));
        for (kind, gaps) in by_kind {
            some(ui, word, kind, gaps.iter().map(|gap| (gap.path.as_str(), gap.reason.as_str())), gaps.len())?;
        }
    }
    Ok(())
}

/// A kind of which nothing was asked for was not listed, and has one gap by the name of `*`.
fn left_out(ui: &mut Ui, gaps: &[&Gap]) -> anyhow::Result<()> {
    let mut by_kind: BTreeMap<&str, usize> = BTreeMap::new();
    let mut whole: Vec<&str> = gaps.iter().filter(|gap| gap.path == "*").map(|gap| gap.kind.as_str()).collect();
    gaps.iter().filter(|gap| gap.path != "*").for_each(|gap| *by_kind.entry(&gap.kind).or_default() += 1);
    whole.sort_unstable();
    if !by_kind.is_empty() {
        let counts: Vec<String> = by_kind.iter().map(|(kind, number)| format!("{number} {kind}")).collect();
        ui.wrapped("    ", &format!("{NOT_ASKED_FOR}: {} (`--json` has all)", counts.join(", ")))?;
    }
    if !whole.is_empty() {
        ui.wrapped("    ", &format!("{NOT_ASKED_FOR}, and counted as one: all of {}", whole.join(", ")))?;
    }
    Ok(())
}

/// What is in a bundle, but less than it should be.
pub fn degraded<'a>(ui: &mut Ui, hurt: impl Iterator<Item = (&'a str, &'a str, &'a str)>) -> anyhow::Result<()> {
    let mut by_kind: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    hurt.for_each(|(kind, path, reason)| by_kind.entry(kind).or_default().push((path, reason)));
    for (kind, mut hurt) in by_kind {
        hurt.sort_unstable();
        let number = hurt.len();
        some(ui, "DEGRADED", kind, hurt.into_iter(), number)?;
    }
    Ok(())
}

fn some<'a>(
    ui: &mut Ui,
    word: &str,
    kind: &str,
    all: impl Iterator<Item = (&'a str, &'a str)>,
    number: usize,
) -> anyhow::Result<()> {
    for (path, reason) in all.take(SHOWN) {
        ui.wrapped("    ", &format!("{word} {kind} {path}: {reason}"))?;
    }
    if number > SHOWN {
        ui.line(format!("{word} {kind}: and {} more (`--json` has all)", number - SHOWN))?;
    }
    Ok(())
}

/// One object that a listing showed, in the bundle or not.
#[derive(Serialize, JsonSchema)]
pub struct Line<'a> {
    /// Name of the kind.
    kind: &'a str,
    /// True object path, or source id.
    path: &'a str,
    /// What people call it: its name where it has an id, else its path.
    key: &'a str,
    /// `captured`, `degraded`, or of what is not in the bundle: `missing`, `excluded`, `unavailable`.
    state: &'static str,
    /// Why it is not `captured`.
    reason: Option<&'a str>,
    /// Size in bytes; absent where it is not in the bundle.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    /// SHA-256; absent where it is not in the bundle.
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    /// Name in the archive, without `bundle/`; absent where it is not in the bundle.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    /// What else is known: ids, language, format, `modified_at` in milliseconds since 1970; absent where it is not in the bundle.
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<Map<String, Value>>,
    /// HTTP status of the answer by which it could not be read, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    http: Option<u16>,
}

/// The columns of a listing for spreadsheets.
const COLUMNS: [&str; 8] = ["kind", "path", "key", "state", "reason", "size", "sha256", "modified_at"];

impl<'a> Line<'a> {
    fn of(member: &'a MemberLine) -> Self {
        Self {
            kind: &member.kind,
            path: &member.path,
            key: member.key.as_deref().unwrap_or(&member.path),
            state: State::of(member).as_str(),
            reason: member.degraded.as_deref(),
            size: Some(member.size),
            sha256: Some(hex(&member.sha256)),
            name: Some(&member.name),
            meta: Some(member.meta()),
            http: None,
        }
    }

    fn absent(gap: &'a Gap) -> Self {
        let (state, reason, http) = (gap.state.as_str(), Some(gap.reason.as_str()), gap.http);
        Self {
            kind: &gap.kind,
            path: &gap.path,
            key: &gap.path,
            state,
            reason,
            size: None,
            sha256: None,
            name: None,
            meta: None,
            http,
        }
    }

    fn tell(&self, ui: &mut Ui) -> std::io::Result<()> {
        ui.value(self)?;
        let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
        let size = number(self.size);
        let time = self.meta.as_ref().and_then(|meta| meta.get("modified_at")?.as_i64());
        let time = time.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok()).map(|time| time.to_string());
        let (reason, sha256) = (self.reason.unwrap_or_default(), self.sha256.as_deref().unwrap_or_default());
        ui.row([self.kind, self.path, self.key, self.state, reason, &size, sha256, time.as_deref().unwrap_or_default()])
    }
}

/// What a bundle says of itself, and what became of the objects of each kind.
#[derive(Serialize, JsonSchema)]
pub struct Summary<'a> {
    /// When the export began, RFC 3339 in UTC.
    created: &'a str,
    /// Which program wrote the bundle.
    tool: &'a str,
    /// The workspace: `cloud`, `workspace_id`, `host`, `region`, `caller`, `caller_is_admin`, as far as known.
    source: &'a Map<String, Value>,
    /// What was asked for; null where that was everything.
    selection: Option<&'a Value>,
    /// SHA-256 that is equal for equal workspace state.
    content_id: String,
    /// SHA-256 of the manifest: the bundle's identity.
    manifest_sha256: String,
    /// Size of the file in bytes.
    bytes: u64,
    /// The account of each kind.
    kinds: &'a [KindLine],
    /// What is not in the bundle, and why.
    gaps: &'a [Gap],
    /// Values that were blanked.
    redacted: usize,
    /// Whether the file is encrypted.
    encrypted: bool,
    /// Keys that its signatures name; this does not say that they are good.
    signature_keys: Vec<String>,
}

impl<'a> Summary<'a> {
    fn of(reader: &'a Reader, encrypted: bool) -> Self {
        let manifest = reader.manifest();
        let head = &manifest.head;
        Self {
            created: &head.created,
            tool: &head.tool,
            source: &head.source,
            selection: head.selection.as_ref(),
            content_id: hex(&head.content_id),
            manifest_sha256: hex(&manifest.sha256),
            bytes: reader.size(),
            kinds: &manifest.kinds,
            gaps: &manifest.gaps,
            redacted: manifest.redacted.len(),
            encrypted,
            signature_keys: claims(reader).iter().map(ToString::to_string).collect(),
        }
    }
}
