//! `lifeboat diff`

use super::bundle::Bundle;
use super::connect::Connect;
use super::private::Private;
use super::select::Select;
use super::shore::{self, Shore};
use super::signals::interruptible;
use super::whole::is_older;
use super::{Outcome, Refusal, block_on};
use crate::ui::{self, Form, Progress, Ui, words};
use anyhow::Context;
use clap::Args;
use lifeboat::bundle::Reader;
use lifeboat::diff::{self, Change, Ids, Link, Options, Party, Unknown, Which, told};
use lifeboat::event::{Event, Observer};
use lifeboat::kinds;
use lifeboat::object::Selection;
use lifeboat::survey::Scope;
use std::path::PathBuf;
use std::sync::Arc;

const NOTHING_WRITTEN: &str = "interrupted; nothing was written";

/// What a page of ours begins with.
const PAGE: &str = "<!DOCTYPE html>";

/// So many changes of a kind, lines of a change, and columns of a line are shown; `--long` and JSON have all.
const SHOWN: usize = 20;
const LINES: usize = 8;
const COLUMNS: usize = 80;

/// What the exit codes mean here.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  nothing differs
  1  failed, nothing was compared
  2  wrong usage
  3  nothing differs that is known, but one side does not know everything
  4  something differs
  5  refused: not safe";

/// What changed between two bundles, or between a bundle and a workspace as it is now. Reads, and writes nothing.
#[derive(Debug, Args)]
pub struct Diff {
    #[command(flatten)]
    bundle: Bundle,
    /// The bundle to compare it with, likewise; without it the workspace that `--profile` or the environment names
    #[arg(value_name = "OTHER", conflicts_with = "profile")]
    other: Option<PathBuf>,
    #[command(flatten)]
    connect: Connect,
    #[command(flatten)]
    select: Select,
    /// Show everything: by default long lists and lines are cut
    #[arg(long, short)]
    long: bool,
    /// Write a page for people: one file, which loads nothing and runs no script
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Between two workspaces: folder of the journals of imports, or an address in a store, as `import` takes it
    #[arg(long, value_name = "DIR", env = "LIFEBOAT_STATE")]
    state: Option<PathBuf>,
    /// Between two workspaces: profile of the one that was restored, to be asked what became of what if another machine did it
    #[arg(long, value_name = "NAME")]
    ids_from: Option<String>,
    /// Of a workspace: largest file of DBFS or a volume that is read, in MiB; larger ones are not known
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    max_file: u64,
}

impl Diff {
    pub fn run(self, ui: &mut Ui, quiet: bool) -> anyhow::Result<Outcome> {
        let progress = Arc::new(Progress::new(quiet));
        let selection = self.select.selection()?;
        let page = self.html.as_deref().map(|path| Private::create_over(path, PAGE)).transpose()?;
        let reader = self.bundle.open()?;
        let found = match &self.other {
            Some(path) => self.bundles(&reader, &self.bundle.another(path.clone()).open()?, selection, &progress),
            None => self.live(&reader, selection, &progress),
        };
        progress.end();
        let found = found?;
        if let Some(page) = page {
            page.write(diff::page(&found).trim_end())?;
        }
        ui.value(&found)?;
        if is_older(&found.after.taken, &found.before.taken) {
            ui::note("warning: the second is older than the first: what stands as added was there once, and is gone".to_owned());
        }
        match ui.form() {
            Form::Csv => sheet(ui, &found, self.long)?,
            _ => tell(ui, &found, self.long)?,
        }
        let outcome = match (found.is_empty(), found.is_certain()) {
            (true, true) => Outcome::Done,
            (true, false) => Outcome::Incomplete,
            _ => Outcome::Findings,
        };
        self.settle(outcome, &reader, &found)
    }

    fn bundles(
        &self,
        before: &Reader,
        after: &Reader,
        selection: Selection,
        progress: &Arc<Progress>,
    ) -> anyhow::Result<diff::Diff> {
        let ids = |reader: &Reader| lifeboat::restore::source_of(reader).workspace_id;
        let observer: Arc<dyn Observer> = progress.clone();
        let ids = block_on(self.ids((&ids(before), &ids(after)), &observer))?;
        progress.event(&Event::Stage("compare"));
        Ok(diff::bundles(before, after, &Options { selection, ids })?)
    }

    fn live(&self, reader: &Reader, selection: Selection, progress: &Arc<Progress>) -> anyhow::Result<diff::Diff> {
        let observer: Arc<dyn Observer> = progress.clone();
        let scope = Scope {
            selection: selection.clone(),
            max_file: self.max_file << 20,
            workers: self.connect.workers(),
            ..Scope::default()
        };
        let (after, ids) = block_on(async {
            let workspace = self.connect.workspace(observer.clone()).await?;
            observer.event(&Event::Stage("inventory"));
            let side = interruptible(NOTHING_WRITTEN, diff::live(&workspace, &scope, &observer)).await??;
            let (one, other) = (lifeboat::restore::source_of(reader).workspace_id, side.party.workspace_id.clone());
            let mut ids = self.ids((&one, &other), &observer).await?;
            if ids.is_empty() && one != other {
                ids = diff::in_workspace(&workspace, &other, &one, &other).await.unwrap_or_else(|error| {
                    observer.event(&Event::Warning(format!("cannot read what imports left in the workspace: {error}")));
                    Ids::new()
                });
            }
            Ok((side, ids))
        })?;
        progress.event(&Event::Stage("compare"));
        let before = diff::side(reader)?;
        let mut found = diff::diff(&before, &after, &Options { selection, ids });
        diff::fill(&mut found, &mut diff::bytes_in(reader), &mut diff::bytes_of(&after)).context("cannot read what differs")?;
        Ok(found)
    }

    /// What imports know of the two workspaces: from the journals, or from the workspace that was named.
    async fn ids(&self, (one, other): (&str, &str), observer: &Arc<dyn Observer>) -> anyhow::Result<Ids> {
        if one == other {
            return Ok(Ids::new());
        }
        let shore = interruptible(NOTHING_WRITTEN, Shore::fetch(self.state.as_deref())).await??;
        let folder = shore::path(shore.as_ref(), self.state.as_deref()).ok();
        let known = folder.map(|folder| diff::remembered(&folder, one, other)).transpose();
        let known = known.context("cannot read the journals of imports")?.unwrap_or_default();
        let Some(profile) = self.ids_from.as_ref().filter(|_| known.is_empty()) else { return Ok(known) };
        let workspace = self.connect.other(profile, observer.clone()).await?;
        let here = interruptible(NOTHING_WRITTEN, workspace.identity()).await??.workspace_id.unwrap_or_default();
        if here != one && here != other {
            let text = format!("the profile \"{profile}\" is of workspace {here}, and these are of {one} and {other}");
            return Err(Refusal::new(text, "name the profile of the workspace that was restored").into());
        }
        Ok(interruptible(NOTHING_WRITTEN, diff::in_workspace(&workspace, &here, one, other)).await??)
    }

    /// Says which names were asked for and stand on neither side.
    fn settle(&self, outcome: Outcome, reader: &Reader, found: &diff::Diff) -> anyhow::Result<Outcome> {
        let mut unmet = self.select.unmet(reader.manifest())?;
        for change in &found.changes {
            change.after.iter().for_each(|named| unmet.meet(&change.kind, &named.name));
        }
        let unmet = unmet.into_texts();
        for pattern in &unmet {
            ui::note(format!("warning: nothing on either side matches `--include {pattern}`"));
        }
        Ok(if !unmet.is_empty() && outcome == Outcome::Done { Outcome::Incomplete } else { outcome })
    }
}

fn tell(ui: &mut Ui, found: &diff::Diff, long: bool) -> anyhow::Result<()> {
    ui.wrapped("    ", &format!("before: {}", party(&found.before)))?;
    ui.wrapped("    ", &format!("after:  {}", party(&found.after)))?;
    if found.link == Link::Apart {
        ui.line("two workspaces, and no id map of an import: objects go by name and path")?;
    }
    section(ui, &found.changes, long)?;
    if long && !found.expected.is_empty() {
        ui.line("as an import leaves them, and no difference:")?;
        section(ui, &found.expected, long)?;
    }
    found.unknown.iter().try_for_each(|one| unknown(ui, one, long))?;
    for (name, party) in [("before", &found.before), ("after", &found.after)] {
        if party.missing > 0 {
            let what = words::count(party.missing, "object");
            ui.line(format!("not known: {what} that could not be read {name}: `lifeboat list` shows which"))?;
        }
    }
    let said = summary(found);
    Ok(said.iter().filter(|line| !line.is_empty()).try_for_each(|line| ui.wrapped("    ", line))?)
}

/// The changes for spreadsheets, a line each; with `--long`, also what is as an import leaves it.
fn sheet(ui: &mut Ui, found: &diff::Diff, long: bool) -> anyhow::Result<()> {
    ui.row(["kind", "change", "id before", "name before", "id after", "name after", "what"])?;
    let expected = found.expected.iter().filter(|_| long).map(|change| (change, "as an import leaves it"));
    for (change, word) in found.changes.iter().map(|change| (change, way(change))).chain(expected) {
        let id = |side: &'_ Option<diff::Named>| side.as_ref().map(|one| one.id.clone()).unwrap_or_default();
        let name = |side: &'_ Option<diff::Named>| side.as_ref().map(|one| one.name.clone()).unwrap_or_default();
        let (before, after) = (&change.before, &change.after);
        let cells = [id(before), name(before), id(after), name(after), told(change).lines.join("\n")];
        ui.row([change.kind.as_str(), word].into_iter().chain(cells.iter().map(String::as_str)))?;
    }
    for one in &found.unknown {
        let (before, after) = if one.side == Which::Before { ("not known before", "") } else { ("", "not known after") };
        let what = format!("{}: {}", one.state, one.reason);
        for object in &one.objects {
            let names = if before.is_empty() { ["", object, "", ""] } else { ["", "", "", object.as_str()] };
            ui.row([one.kind.as_str(), if before.is_empty() { after } else { before }].into_iter().chain(names).chain([&*what]))?;
        }
    }
    Ok(())
}

/// What became of an object, in a word.
fn way(change: &Change) -> &'static str {
    match told(change).sign {
        '+' => "added",
        '-' => "removed",
        '>' if change.moved => "moved",
        '>' => "renamed",
        _ if change.replaced => "replaced",
        _ => "changed",
    }
}

fn party(party: &Party) -> String {
    let bundle = party.bundle.as_ref().map_or("live".to_owned(), |digest| format!("bundle {}…", &digest[..12.min(digest.len())]));
    let (id, host, taken) = (&party.workspace_id, &party.host, &party.taken);
    format!("workspace {id} at {host}, {taken}, {bundle}, {}", words::count(party.objects, "object"))
}

/// Changes by kind, in the order in which kinds are listed everywhere.
fn section(ui: &mut Ui, changes: &[Change], long: bool) -> anyhow::Result<()> {
    for of_kind in changes.chunk_by(|one, other| one.kind == other.kind) {
        let kind = of_kind.first().map(|change| change.kind.as_str()).unwrap_or_default();
        ui.line(kinds::by_name(kind).map_or(kind, |kind| kind.title))?;
        let shown = if long { of_kind.len() } else { SHOWN };
        of_kind.iter().take(shown).try_for_each(|change| one(ui, change, long))?;
        more(ui, "  ", of_kind.len(), shown)?;
    }
    Ok(())
}

fn one(ui: &mut Ui, change: &Change, long: bool) -> anyhow::Result<()> {
    let told = told(change);
    ui.line(cut(format!("  {} {}", told.sign, told.head), long))?;
    let shown = if long { told.lines.len() } else { LINES };
    for line in told.lines.iter().take(shown) {
        match change.brief.as_ref() == Some(line) {
            // What something new is, is worth more than one line.
            true => ui.wrapped("        ", &format!("      {line}"))?,
            false => ui.code("", &cut(format!("      {line}"), long))?,
        }
    }
    more(ui, "      ", told.lines.len(), shown)
}

fn more(ui: &mut Ui, indent: &str, all: usize, shown: usize) -> anyhow::Result<()> {
    if all > shown {
        ui.line(format!("{indent}and {} more: `--long` shows all", all - shown))?;
    }
    Ok(())
}

fn cut(line: String, long: bool) -> String {
    if long || line.chars().count() <= COLUMNS {
        return line;
    }
    line.chars().take(COLUMNS - 1).chain(['…']).collect()
}

fn unknown(ui: &mut Ui, one: &Unknown, long: bool) -> anyhow::Result<()> {
    let side = if one.side == Which::Before { "before" } else { "after" };
    let title = kinds::by_name(&one.kind).map_or(one.kind.as_str(), |kind| kind.title);
    ui.line(cut(format!("not known {side}: {} of {title}, {}: {}", one.objects.len(), one.state, one.reason), long))?;
    if long {
        one.objects.iter().try_for_each(|object| ui.line(format!("  ? {object}")))?;
    }
    Ok(())
}

/// The verdict and its numbers, as the library counts them.
fn summary(found: &diff::Diff) -> [String; 2] {
    let total = found.total();
    let list = |counts: &[(u64, &str)]| {
        let some = counts.iter().filter(|(count, _)| *count > 0);
        some.map(|(count, word)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
    };
    let ways = list(&[
        (total.added, "added"),
        (total.removed, "removed"),
        (total.changed, "changed"),
        (total.renamed, "renamed"),
        (total.moved, "moved"),
        (total.replaced, "replaced"),
    ]);
    let besides = list(&[
        (total.added_along + total.removed_along, "that hang on what was added or removed"),
        (total.moved_along, "moved along with a folder"),
        (total.expected, "as an import leaves them"),
        (total.unknown, "not known"),
        (total.equal, "equal"),
    ]);
    let twice = if total.overlap() { " (what differs in several ways counts under each)" } else { "" };
    let verdict = match total.differ {
        0 => "nothing differs".to_owned(),
        1 => format!("1 object differs: {ways}{twice}"),
        many => format!("{many} objects differ: {ways}{twice}"),
    };
    [verdict, if besides.is_empty() { String::new() } else { format!("besides: {besides}") }]
}
