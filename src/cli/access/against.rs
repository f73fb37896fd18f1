//! What access was gained and lost between two nights.

use super::held::nobody;
use super::{Night, SHOWN, WhoCan, named};
use crate::cli::Outcome;
use crate::cli::whole::{Whole, is_older, unknown};
use crate::ui::{Ui, words};
use lifeboat::access::{Access, Change, Changes, Narrow, Shift, Standing, Subject, Taken};
use lifeboat::bundle::Reader;
use lifeboat::kinds::Capability;

/// Whichever was exported first stands before.
pub(super) fn run(ui: &mut Ui, asked: &WhoCan, one: Night<'_>, other: &Reader) -> anyhow::Result<Outcome> {
    let access = Whole::read(other)?.access(other);
    let other = Night { reader: other, access: &access };
    let time = |night: &Night<'_>| night.reader.manifest().head.created.clone();
    let (before, after) = if is_older(&time(&other), &time(&one)) { (other, one) } else { (one, other) };
    let narrow = narrow(asked, &before, &after)?;
    let mut changes = before.access.against(after.access);
    changes.only(&narrow);
    told(ui, &changes, asked.long)
}

/// What is asked about, by its name in either night.
fn narrow(asked: &WhoCan, before: &Night<'_>, after: &Night<'_>) -> anyhow::Result<Narrow> {
    let both = [before.access, after.access];
    let mut narrow = Narrow::to(asked.can.map(Capability::from));
    if let Some(name) = &asked.principal {
        let found =
            |access: &Access| access.principals_named(name).into_iter().map(|one| access.principal(one)).collect::<Vec<_>>();
        let found: Vec<_> = both.into_iter().flat_map(found).collect();
        if found.is_empty() {
            return Err(nobody(name));
        }
        narrow = found.iter().fold(narrow, Narrow::principal);
    }
    if let Some(name) = &asked.object {
        let found = |access: &Access| access.objects_named(name).into_iter().map(|one| access.object(one)).collect::<Vec<_>>();
        let found: Vec<_> = both.into_iter().flat_map(found).collect();
        if found.is_empty() {
            return Err(unknown(after.reader, name));
        }
        narrow = found.into_iter().fold(narrow, Narrow::object);
    }
    Ok(narrow)
}

fn taken(one: &Taken) -> String {
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "unknown".to_owned());
    let bundle = one.bundle.as_ref().map(|digest| format!(", bundle {}…", digest.chars().take(12).collect::<String>()));
    format!("workspace {}, {}{}", text(&one.workspace_id), text(&one.taken), bundle.unwrap_or_default())
}

fn told(ui: &mut Ui, changes: &Changes, long: bool) -> anyhow::Result<Outcome> {
    ui.value(changes)?;
    ui.wrapped("    ", &format!("before: {}", taken(&changes.before)))?;
    ui.wrapped("    ", &format!("after:  {}", taken(&changes.after)))?;
    changes.principals.iter().try_for_each(|one| standing(ui, one))?;
    ui.row(["kind", "id", "name", "principal", "before", "after", "way"])?;
    changes.changes.iter().try_for_each(|change| told_change(ui, change, long))?;
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

/// What became of somebody: what a word says for itself first, then what they came into or out of.
fn standing(ui: &mut Ui, one: &Standing) -> anyhow::Result<()> {
    ui.line(format!("{} {}", one.kind, one.principal))?;
    let is_new = one.gained.iter().any(|mark| mark == "listed");
    let is_gone = one.lost.iter().any(|mark| mark == "listed");
    let words = |mark: &str, gained: bool| match (mark, gained) {
        ("listed", true) => Some("is new"),
        ("listed", false) => Some("is gone"),
        ("active", true) => Some("was enabled").filter(|_| !is_new),
        ("active", false) => Some("was disabled").filter(|_| !is_gone),
        ("admin", true) => Some("became an admin"),
        ("admin", false) => Some("is no admin any more"),
        _ => None,
    };
    let (gained, lost) = (one.gained.iter().map(|mark| (mark, true)), one.lost.iter().map(|mark| (mark, false)));
    for said in gained.chain(lost).filter_map(|(mark, gained)| words(mark, gained)) {
        ui.line(format!("    {said}"))?;
    }
    for (sign, marks) in [("+", &one.gained), ("-", &one.lost)] {
        let plain: Vec<&str> =
            marks.iter().map(String::as_str).filter(|mark| !["listed", "active", "admin"].contains(mark)).collect();
        if !plain.is_empty() {
            ui.wrapped("      ", &format!("    {sign} {}", plain.join(", ")))?;
        }
    }
    Ok(())
}

fn told_change(ui: &mut Ui, change: &Change, long: bool) -> anyhow::Result<()> {
    let shown = if long { change.objects.len() } else { SHOWN };
    let names: Vec<String> = change.objects.iter().take(shown).map(named).collect();
    let more = change.objects.len() - names.len();
    let more = if more > 0 { format!(" and {more} more (`--long` names them)") } else { String::new() };
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
