//! `lifeboat access`

mod against;
mod held;

use super::Outcome;
use super::bundle::Bundle;
use super::whole::{Whole, unknown};
use crate::ui::{Form, Ui, words};
use clap::{ArgGroup, Args, ValueEnum};
use lifeboat::access::{Access, Cell, Disagreement, Incomplete, Matrix, ObjectAccess, Principal, PrincipalAccess, Row, Subject};
use lifeboat::bundle::Reader;
use lifeboat::kinds::Capability;
use schemars::JsonSchema;
use serde::Serialize;
use std::path::PathBuf;

/// So many objects or examples of one line are told; `--long` and JSON have all.
const SHOWN: usize = 5;

/// What somebody is able to do.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Able {
    Read,
    Run,
    Edit,
    Manage,
}

impl From<Able> for Capability {
    fn from(able: Able) -> Self {
        match able {
            Able::Read => Self::Read,
            Able::Run => Self::Run,
            Able::Edit => Self::Edit,
            Able::Manage => Self::Manage,
        }
    }
}

/// Who could do what: effective access, through groups, folders, ownership and admins.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("asked").args(["object", "principal", "against"]).multiple(true)))]
pub struct WhoCan {
    #[command(flatten)]
    bundle: Bundle,
    /// Who can do what with this object: a path or a name, or `kind:path`, `kind:id`, `kind:name`
    #[arg(long, value_name = "OBJECT", conflicts_with_all = ["principal", "orphaned"])]
    object: Option<String>,
    /// What this user, service principal or group can do: a name or an id, or `kind:name`
    #[arg(long, value_name = "NAME", conflicts_with = "orphaned")]
    principal: Option<String>,
    /// Only those who can do this; each kind's levels say what they let people do
    #[arg(long, value_enum, value_name = "read|run|edit|manage", hide_possible_values = true, requires = "asked")]
    can: Option<Able>,
    /// What belongs to nobody who could answer for it: owners who are switched off or gone, jobs that run as people who left
    #[arg(long, conflicts_with = "against")]
    orphaned: bool,
    /// What access was gained and lost between the bundle and this other one, in the order in which they were exported; of one
    /// principal or object, where one is named
    #[arg(long, value_name = "OTHER")]
    against: Option<PathBuf>,
    /// Every object by itself: by default, what comes from one folder or one right stands together, and long lists are cut
    #[arg(long, short)]
    long: bool,
}

/// Who can do what with an object; where several objects have that name, these (exit code 4).
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub enum AboutObject<'a> {
    /// The answer.
    Access(&'a ObjectAccess),
    /// Objects of that name.
    OneOf {
        /// Each of them.
        one_of: Vec<Subject>,
    },
}

/// What a principal can do; where several principals have that name, these (exit code 4).
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub enum AboutPrincipal<'a> {
    /// The answer.
    Access(&'a PrincipalAccess),
    /// Principals of that name.
    OneOf {
        /// Each of them.
        one_of: Vec<Principal>,
    },
}

impl WhoCan {
    pub fn run(self, ui: &mut Ui) -> anyhow::Result<Outcome> {
        let reader = self.bundle.open()?;
        let access = Whole::read(&reader)?.access(&reader);
        let able = self.can.map(Capability::from);
        if let Some(other) = &self.against {
            let other = self.bundle.another(other.clone()).open()?;
            return against::run(ui, &self, Night { reader: &reader, access: &access }, &other);
        }
        if let Some(object) = &self.object {
            return of_object(ui, &reader, &access, object, able);
        }
        if let Some(principal) = &self.principal {
            return held::of_principal(ui, &access, principal, able, self.long);
        }
        if self.orphaned {
            return orphaned(ui, &access);
        }
        matrix(ui, &access.matrix(), self.long)
    }
}

/// A bundle, and who can do what in it.
struct Night<'a> {
    reader: &'a Reader,
    access: &'a Access,
}

fn of_object(ui: &mut Ui, reader: &Reader, access: &Access, name: &str, able: Option<Capability>) -> anyhow::Result<Outcome> {
    match access.objects_named(name).as_slice() {
        [] => Err(unknown(reader, name)),
        [one] => told_object(ui, &access.of_object(*one, able), able),
        several => {
            let one_of: Vec<Subject> = several.iter().map(|one| access.object(*one)).collect();
            choose(ui, name, one_of.iter().map(|one| (one.kind, &*one.id)))?;
            ui.value(&AboutObject::OneOf { one_of })?;
            Ok(Outcome::Findings)
        }
    }
}

/// What was asked for, in words.
fn doing(able: Option<Capability>, with: &str) -> String {
    able.map_or_else(|| format!("do something with {with}"), |able| format!("{} {with}", able.name()))
}

fn choose<'a>(ui: &mut Ui, name: &str, found: impl ExactSizeIterator<Item = (&'static str, &'a str)>) -> std::io::Result<()> {
    ui.line(format!("{} are called \"{name}\":", words::count(found.len() as u64, "thing")))?;
    found.into_iter().try_for_each(|(kind, id)| ui.line(format!("  {kind}:{id}")))
}

fn told_object(ui: &mut Ui, access: &ObjectAccess, able: Option<Capability>) -> anyhow::Result<Outcome> {
    ui.value(&AboutObject::Access(access))?;
    ui.row(["principal kind", "principal", "level", "way"])?;
    for holder in &access.holders {
        holder.ways.iter().try_for_each(|way| ui.row([holder.principal.kind, &holder.principal.name, way.level, &way.text]))?;
    }
    ui.line(format!("{} {}", access.object.kind, named(&access.object)))?;
    if let Some(runs_as) = &access.runs_as {
        ui.wrapped("  ", &format!("runs as {}: whoever changes it acts in that name", shown(runs_as)))?;
    }
    for holder in &access.holders {
        ui.line(format!("{:<14} {}", holder.level, shown(&holder.principal)))?;
        for way in &holder.ways {
            ui.wrapped("                 ", &format!("               {}", way.text))?;
        }
        if holder.more_ways > 0 {
            ui.line(format!("               and in {}", words::count(holder.more_ways, "more way")))?;
        }
    }
    if !access.recorded {
        ui.line("its permissions are not in the bundle: only what is said elsewhere is known")?;
    }
    ui.line(format!("{} can {}", words::count(access.holders.len() as u64, "principal"), doing(able, "it")))?;
    settled(ui, &access.incomplete, access.recorded)
}

fn orphaned(ui: &mut Ui, access: &Access) -> anyhow::Result<Outcome> {
    let orphans = access.orphans();
    ui.value(&orphans)?;
    let rows = orphans.found.iter().map(|one| {
        let maker = if one.by_maker { " (its maker; the owner is not known)" } else { "" };
        let who = one.principal.as_deref().map(|who| format!("{who}{maker}")).unwrap_or_default();
        vec![one.sort.words().to_owned(), format!("{} {}", one.object.kind, named(&one.object)), who]
    });
    if !orphans.found.is_empty() || ui.form() == Form::Csv {
        ui.table(&["what", "object", "principal"], rows)?;
    }
    ui.line(format!("{} that nobody answers for", words::count(orphans.found.len() as u64, "thing")))?;
    let settled = settled(ui, &orphans.incomplete, true)?;
    Ok(if orphans.found.is_empty() { settled } else { Outcome::Findings })
}

fn matrix(ui: &mut Ui, matrix: &Matrix, long: bool) -> anyhow::Result<Outcome> {
    ui.value(matrix)?;
    if ui.form() == Form::Csv {
        return sheet(ui, matrix);
    }
    let columns: Vec<(&str, &[&str])> = COLUMNS.iter().copied().filter(|(_, kinds)| objects(matrix, kinds) > 0).collect();
    let title = |(name, kinds): &(&str, &[&str])| format!("{name} ({})", objects(matrix, kinds));
    let header: Vec<String> = std::iter::once("principal".to_owned()).chain(columns.iter().map(title)).collect();
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    ui.table(&header, matrix.principals.iter().map(|row| line(row, &columns)))?;
    ui.wrapped("", LEGEND)?;
    disagreements(ui, &matrix.disagreements, matrix.more_disagreements, long)?;
    settled(ui, &matrix.incomplete, true)
}

/// The matrix for spreadsheets: a line for each principal and kind.
fn sheet(ui: &mut Ui, matrix: &Matrix) -> anyhow::Result<Outcome> {
    ui.row(["principal kind", "principal", "display", "active", "admin", "kind", "read", "run", "edit", "manage"])?;
    for row in &matrix.principals {
        let one = &row.principal;
        let yes = |yes: bool| if yes { "yes" } else { "no" };
        for (kind, cell) in &row.cells {
            let many = [cell.read, cell.run, cell.edit, cell.manage].map(|many| many.to_string());
            let head = [one.kind, &one.name, one.display.as_deref().unwrap_or_default(), yes(one.active), yes(one.admin), kind];
            ui.row(head.into_iter().chain(many.iter().map(String::as_str)))?;
        }
    }
    settled(ui, &matrix.incomplete, true)
}

const LEGEND: &str = "how many objects each can manage (m), edit (e), run or use (x), only read (r), each counted by the strongest; \
    `--principal NAME` and `--object OBJECT` tell which, and how; JSON has all";

/// The columns of the matrix, and the kinds that each counts.
const COLUMNS: &[(&str, &[&str])] = &[
    ("tree", &["directory", "notebook", "file", "repo"]),
    ("jobs", &["job"]),
    ("clusters", &["cluster"]),
    ("policies", &["cluster_policy"]),
    ("pools", &["instance_pool"]),
    ("profiles", &["instance_profile"]),
    ("scopes", &["secret_scope"]),
];

fn objects(matrix: &Matrix, kinds: &[&str]) -> u64 {
    kinds.iter().filter_map(|kind| matrix.objects.get(kind)).sum()
}

fn line(row: &Row, columns: &[(&str, &[&str])]) -> Vec<String> {
    let cells = columns.iter().map(|(_, kinds)| {
        let mut sum = Cell::default();
        kinds.iter().filter_map(|kind| row.cells.get(kind)).for_each(|cell| sum.add(cell));
        if sum.total() == 0 { "0".to_owned() } else { cell(&sum) }
    });
    std::iter::once(short(&row.principal)).chain(cells).collect()
}

/// A principal in a narrow column: a service principal by the name that people gave it.
fn short(one: &Principal) -> String {
    let name = one.display.as_ref().filter(|_| one.kind == "service_principal").unwrap_or(&one.name);
    let marks = [(one.kind == "group", "group"), (one.admin, "admin"), (!one.active, "disabled"), (!one.there, "not there")];
    let marks: Vec<&str> = marks.iter().filter(|(set, _)| *set).map(|(_, mark)| *mark).collect();
    if marks.is_empty() { name.clone() } else { format!("{name} ({})", marks.join(", ")) }
}

fn cell(cell: &Cell) -> String {
    let parts = [(cell.manage, "m"), (cell.edit, "e"), (cell.run, "x"), (cell.read, "r")];
    parts.iter().filter(|(many, _)| *many > 0).map(|(many, sign)| format!("{many}{sign}")).collect::<Vec<_>>().join(" ")
}

/// So many are told of, and so many more there are.
fn disagreements(ui: &mut Ui, all: &[Disagreement], more: u64, long: bool) -> anyhow::Result<()> {
    let shown = if long { all.len() } else { SHOWN.min(all.len()) };
    for one in all.iter().take(shown) {
        let (object, level, who, folder) = (named(&one.object), one.level, &one.principal, &one.folder);
        let text = match one.only_in_folder {
            true => format!("{folder} grants {level} to {who}, and {object} in it does not list it; both are believed"),
            false => format!(
                "{object} lists {level} of {who} as inherited from {folder}, which grants no such thing; both are believed"
            ),
        };
        ui.wrapped("  ", &format!("disagreement: {text}"))?;
    }
    let hidden = (all.len() - shown) as u64 + more;
    if hidden > 0 {
        let hint = if long { "" } else { ": `--long` shows more" };
        ui.wrapped("  ", &format!("and {hidden} more disagreements between folders and what lies in them{hint}"))?;
    }
    Ok(())
}

/// Says what an answer lacks. An object whose permissions no bundle holds is answered for in part only.
fn settled(ui: &mut Ui, incomplete: &Incomplete, recorded: bool) -> anyhow::Result<Outcome> {
    for gap in &incomplete.gaps {
        ui.wrapped("  ", &format!("incomplete: {gap}"))?;
    }
    for beyond in &incomplete.beyond {
        ui.wrapped("  ", &format!("note: {beyond}"))?;
    }
    Ok(if incomplete.gaps.is_empty() && recorded { Outcome::Done } else { Outcome::Incomplete })
}

fn named(object: &Subject) -> String {
    if object.id == object.name { object.name.clone() } else { format!("{} [{}]", object.name, object.id) }
}

fn shown(one: &Principal) -> String {
    let mut marks = Vec::new();
    marks.extend(one.display.as_deref());
    marks.extend(one.admin.then_some("admin"));
    marks.extend((!one.active).then_some("disabled"));
    marks.extend((!one.there).then_some("not there"));
    if marks.is_empty() { one.name.clone() } else { format!("{} ({})", one.name, marks.join(", ")) }
}
