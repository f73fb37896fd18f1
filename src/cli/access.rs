//! `lifeboat access`

use super::bundle::Bundle;
use super::whole::{Whole, unknown};
use super::{Advised, Outcome};
use crate::ui::{Form, Ui, words};
use clap::{ArgGroup, Args, ValueEnum};
use lifeboat::access::{
    Access, Cell, Change, Changes, Disagreement, Incomplete, Matrix, ObjectAccess, Principal, PrincipalAccess, Row, Shift,
    Subject,
};
use lifeboat::bundle::Reader;
use lifeboat::kinds::Capability;
use schemars::JsonSchema;
use serde::Serialize;
use std::path::PathBuf;

/// So many objects or examples of one line are told; JSON has all.
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
#[command(group(ArgGroup::new("asked").args(["object", "principal"])))]
pub struct WhoCan {
    #[command(flatten)]
    bundle: Bundle,
    /// Who can do what with this object: a path or a name, or `kind:path`, `kind:id`, `kind:name`
    #[arg(long, value_name = "OBJECT", conflicts_with_all = ["principal", "orphaned", "against"])]
    object: Option<String>,
    /// What this user, service principal or group can do: a name or an id, or `kind:name`
    #[arg(long, value_name = "NAME", conflicts_with_all = ["orphaned", "against"])]
    principal: Option<String>,
    /// Only those who can do this; each kind's levels say what they let people do
    #[arg(long, value_enum, value_name = "read|run|edit|manage", hide_possible_values = true, requires = "asked")]
    can: Option<Able>,
    /// What belongs to nobody who could answer for it: owners who are switched off or gone, jobs that run as people who left
    #[arg(long, conflicts_with = "against")]
    orphaned: bool,
    /// What access was gained and lost between the bundle and this later one
    #[arg(long, value_name = "LATER")]
    against: Option<PathBuf>,
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
        if let Some(object) = &self.object {
            return of_object(ui, &reader, &access, object, able);
        }
        if let Some(principal) = &self.principal {
            return of_principal(ui, &access, principal, able);
        }
        if self.orphaned {
            return orphaned(ui, &access);
        }
        if let Some(later) = &self.against {
            let later = self.bundle.another(later.clone());
            let reader = later.open()?;
            return against(ui, &access.against(&Whole::read(&reader)?.access(&reader)));
        }
        matrix(ui, &access.matrix())
    }
}

fn of_object(ui: &mut Ui, reader: &Reader, access: &Access, name: &str, able: Option<Capability>) -> anyhow::Result<Outcome> {
    match access.objects_named(name).as_slice() {
        [] => Err(unknown(reader, name)),
        [one] => told_object(ui, &access.of_object(*one, able)),
        several => {
            let one_of: Vec<Subject> = several.iter().map(|one| access.object(*one)).collect();
            choose(ui, name, one_of.iter().map(|one| (one.kind, &*one.id)))?;
            ui.value(&AboutObject::OneOf { one_of })?;
            Ok(Outcome::Findings)
        }
    }
}

fn choose<'a>(ui: &mut Ui, name: &str, found: impl ExactSizeIterator<Item = (&'static str, &'a str)>) -> std::io::Result<()> {
    ui.line(format!("{} are called \"{name}\":", words::count(found.len() as u64, "thing")))?;
    found.into_iter().try_for_each(|(kind, id)| ui.line(format!("  {kind}:{id}")))
}

fn told_object(ui: &mut Ui, access: &ObjectAccess) -> anyhow::Result<Outcome> {
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
    ui.line(format!("{} can do something with it", words::count(access.holders.len() as u64, "principal")))?;
    settled(ui, &access.incomplete, access.recorded)
}

fn of_principal(ui: &mut Ui, access: &Access, name: &str, able: Option<Capability>) -> anyhow::Result<Outcome> {
    match access.principals_named(name).as_slice() {
        [] => {
            let hint = "`lifeboat access BUNDLE` shows everybody".to_owned();
            Err(Advised { what: format!("the bundle names no user, service principal or group \"{name}\""), hint }.into())
        }
        [one] => told_principal(ui, &access.of_principal(*one, able)),
        several => {
            let one_of: Vec<Principal> = several.iter().map(|one| access.principal(*one)).collect();
            choose(ui, name, one_of.iter().map(|one| (one.kind, &*one.name)))?;
            ui.value(&AboutPrincipal::OneOf { one_of })?;
            Ok(Outcome::Findings)
        }
    }
}

fn told_principal(ui: &mut Ui, access: &PrincipalAccess) -> anyhow::Result<Outcome> {
    ui.value(&AboutPrincipal::Access(access))?;
    ui.row(["kind", "id", "name", "level", "way"])?;
    for held in &access.objects {
        ui.row([held.object.kind, &held.object.id, &held.object.name, held.level, &held.way.text])?;
    }
    ui.line(format!("{} {}", access.principal.kind, shown(&access.principal)))?;
    for group in &access.groups {
        ui.wrapped("    ", &format!("  in group {}{}", group.group, through(&group.through)))?;
    }
    for one in &access.entitlements {
        ui.wrapped("    ", &format!("  entitled to {}{}", one.name, through(&one.through)))?;
    }
    for runs in &access.runs {
        ui.line(format!("  {} {} runs as them", runs.kind, named(runs)))?;
    }
    for one in &access.acts_for {
        let text = format!(
            "  can act as {} by changing {} {} ({})",
            shown(&one.runs_as),
            one.object.kind,
            named(&one.object),
            one.level
        );
        ui.wrapped("    ", &text)?;
    }
    for held in &access.objects {
        ui.line(format!("{:<14} {} {}", held.level, held.object.kind, named(&held.object)))?;
        ui.wrapped("                 ", &format!("               {}", held.way.text))?;
    }
    ui.line(format!("{} that they can do something with", words::count(access.objects.len() as u64, "object")))?;
    settled(ui, &access.incomplete, true)
}

fn through(groups: &[String]) -> String {
    if groups.is_empty() { String::new() } else { format!(", through {}", groups.join(" → ")) }
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

fn matrix(ui: &mut Ui, matrix: &Matrix) -> anyhow::Result<Outcome> {
    ui.value(matrix)?;
    if ui.form() == Form::Csv {
        return sheet(ui, matrix);
    }
    let columns: Vec<(&str, &[&str])> = COLUMNS.iter().copied().filter(|(_, kinds)| objects(matrix, kinds) > 0).collect();
    let title = |(name, kinds): &(&str, &[&str])| format!("{name} ({})", objects(matrix, kinds));
    let header: Vec<String> = std::iter::once("principal".to_owned()).chain(columns.iter().map(title)).collect();
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    ui.table(&header, matrix.principals.iter().map(|row| line(row, &columns)))?;
    ui.line("how many objects each can manage (m), edit (e), run or use (x), only read (r), each counted by the strongest;")?;
    ui.line("`--principal NAME` and `--object OBJECT` tell which, and how; JSON has all")?;
    disagreements(ui, &matrix.disagreements, matrix.more_disagreements)?;
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

fn disagreements(ui: &mut Ui, all: &[Disagreement], more: u64) -> anyhow::Result<()> {
    for one in all.iter().take(SHOWN) {
        let (object, level, who, folder) = (named(&one.object), one.level, &one.principal, &one.folder);
        let text = match one.only_in_folder {
            true => format!("{folder} grants {level} to {who}, and {object} in it does not list it; both are believed"),
            false => format!(
                "{object} lists {level} of {who} as inherited from {folder}, which grants no such thing; both are believed"
            ),
        };
        ui.wrapped("  ", &format!("disagreement: {text}"))?;
    }
    let more = all.len().saturating_sub(SHOWN) as u64 + more;
    if more > 0 {
        ui.line(format!("and {more} more disagreements between folders and what lies in them"))?;
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

fn against(ui: &mut Ui, changes: &Changes) -> anyhow::Result<Outcome> {
    ui.value(changes)?;
    for one in &changes.principals {
        ui.line(format!("{} {}", one.kind, one.principal))?;
        for (sign, marks) in [("+", &one.gained), ("-", &one.lost)] {
            if !marks.is_empty() {
                ui.wrapped("      ", &format!("    {sign} {}", marks.join(", ")))?;
            }
        }
    }
    ui.row(["kind", "id", "name", "principal", "before", "after", "way"])?;
    changes.changes.iter().try_for_each(|change| told_change(ui, change))?;
    let counts = [("only in the earlier bundle", &changes.only_before), ("only in the later one", &changes.only_after)];
    for (place, all) in counts.iter().filter(|(_, all)| !all.is_empty()) {
        ui.line(format!("{} {place}: not counted as gained or lost", words::count(all.len() as u64, "object")))?;
    }
    for (which, incomplete) in [("the earlier", &changes.incomplete_before), ("the later", &changes.incomplete_after)] {
        for gap in &incomplete.gaps {
            ui.wrapped("  ", &format!("incomplete: {which} bundle: {gap}"))?;
        }
    }
    let whole = changes.incomplete_before.gaps.is_empty() && changes.incomplete_after.gaps.is_empty();
    if changes.is_empty() {
        ui.line("nobody gained or lost access")?;
        return Ok(if whole { Outcome::Done } else { Outcome::Incomplete });
    }
    Ok(Outcome::Findings)
}

fn told_change(ui: &mut Ui, change: &Change) -> anyhow::Result<()> {
    let names: Vec<String> = change.objects.iter().take(SHOWN).map(named).collect();
    let more = change.objects.len() - names.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let kind = change.objects.first().map(|one| one.kind).unwrap_or_default();
    ui.wrapped("  ", &format!("{kind} {}{more}", names.join(", ")))?;
    for (sign, shifts) in [("+", &change.gained), ("-", &change.lost)] {
        for shift in shifts {
            told_shift(ui, sign, shift)?;
            let (before, after) = (shift.before.unwrap_or_default(), shift.after.unwrap_or_default());
            let row = |object: &Subject| {
                [object.kind, &object.id, &object.name, &shift.principal, before, after, &shift.way].map(str::to_owned)
            };
            change.objects.iter().try_for_each(|object| ui.row(row(object).iter().map(String::as_str)))?;
        }
    }
    Ok(())
}

fn told_shift(ui: &mut Ui, sign: &str, shift: &Shift) -> anyhow::Result<()> {
    let level = |level: Option<&'static str>| level.unwrap_or("nothing");
    let text = format!("    {sign} {}: {} → {} ({})", shift.principal, level(shift.before), level(shift.after), shift.way);
    Ok(ui.wrapped("        ", &text)?)
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
