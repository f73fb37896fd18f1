//! What one principal can do.

use super::{AboutPrincipal, SHOWN, choose, doing, named, settled, shown};
use crate::cli::{Advised, Outcome};
use crate::ui::{Ui, words};
use lifeboat::access::{Access, Held, Origin, Principal, PrincipalAccess};
use lifeboat::kinds::{self, Capability};
use std::cmp::Reverse;
use std::collections::BTreeMap;

pub(super) fn of_principal(
    ui: &mut Ui,
    access: &Access,
    name: &str,
    able: Option<Capability>,
    long: bool,
) -> anyhow::Result<Outcome> {
    match access.principals_named(name).as_slice() {
        [] => Err(nobody(name)),
        [one] => told_principal(ui, &access.of_principal(*one, able), able, long),
        several => {
            let one_of: Vec<Principal> = several.iter().map(|one| access.principal(*one)).collect();
            choose(ui, name, one_of.iter().map(|one| (one.kind, &*one.name)))?;
            ui.value(&AboutPrincipal::OneOf { one_of })?;
            Ok(Outcome::Findings)
        }
    }
}

/// What to say of a principal whom no bundle names.
pub(super) fn nobody(name: &str) -> anyhow::Error {
    let hint = "`lifeboat access BUNDLE` shows everybody".to_owned();
    Advised { what: format!("the bundle names no user, service principal or group \"{name}\""), hint }.into()
}

fn told_principal(ui: &mut Ui, access: &PrincipalAccess, able: Option<Capability>, long: bool) -> anyhow::Result<Outcome> {
    ui.value(&AboutPrincipal::Access(access))?;
    ui.row(["kind", "id", "name", "level", "way"])?;
    for held in &access.objects {
        ui.row([held.object.kind, &held.object.id, &held.object.name, held.level, &held.way.text])?;
    }
    ui.wrapped("    ", &format!("{} {}", access.principal.kind, shown(&access.principal)))?;
    for group in &access.groups {
        ui.wrapped("    ", &format!("  in group {}{}", group.group, through(&group.through)))?;
    }
    for one in &access.entitlements {
        ui.wrapped("    ", &format!("  entitled to {}{}", one.name, through(&one.through)))?;
    }
    for runs in &access.runs {
        ui.wrapped("    ", &format!("  {} {} runs as them", runs.kind, named(runs)))?;
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
    match long {
        true => access.objects.iter().try_for_each(|held| one_by_one(ui, held))?,
        false => by_way(ui, &access.objects)?,
    }
    ui.line(format!("{} that they can {}", words::count(access.objects.len() as u64, "object"), doing(able, "").trim_end()))?;
    settled(ui, &access.incomplete, true)
}

fn through(groups: &[String]) -> String {
    if groups.is_empty() { String::new() } else { format!(", through {}", groups.join(" → ")) }
}

fn one_by_one(ui: &mut Ui, held: &Held) -> anyhow::Result<()> {
    ui.wrapped("                 ", &format!("{:<14} {} {}", held.level, held.object.kind, named(&held.object)))?;
    Ok(ui.wrapped("                 ", &format!("               {}", held.way.text))?)
}

/// What a way lets somebody do, whether it is one to many objects, and its words.
type Rank<'a> = (Reverse<Option<Capability>>, bool, &'a str);

/// Objects to which the same right leads, the strongest right first: what was granted object by object is named; what comes with a
/// folder, or with everything, is counted by kind.
fn by_way(ui: &mut Ui, objects: &[Held]) -> anyhow::Result<()> {
    let mut ways: BTreeMap<Rank<'_>, Vec<&Held>> = BTreeMap::new();
    for held in objects {
        let strongest = held.can.iter().max().copied();
        ways.entry((Reverse(strongest), is_wide(&held.way.origin), &held.way.text)).or_default().push(held);
    }
    for ((_, wide, way), held) in ways {
        ui.wrapped("      ", way)?;
        if wide && held.len() > SHOWN {
            ui.wrapped("      ", &format!("    {}{}", counted(&held), inside(&held)))?;
            continue;
        }
        held.iter().try_for_each(|one| ui.wrapped("      ", &format!("    {} {}", one.object.kind, named(&one.object))))?;
    }
    Ok(())
}

/// Whether a right is one to whatever lies somewhere, so that the names say less than the place.
fn is_wide(origin: &Origin) -> bool {
    matches!(origin, Origin::Inherited { .. } | Origin::Home { .. } | Origin::Admin)
}

fn counted(held: &[&Held]) -> String {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    held.iter().for_each(|one| *kinds.entry(one.object.kind).or_default() += 1);
    let title = |kind: &str| kinds::by_name(kind).map_or_else(|| kind.to_owned(), |kind| kind.title.to_owned());
    kinds.iter().map(|(kind, many)| format!("{}: {many}", title(kind))).collect::<Vec<_>>().join(", ")
}

fn inside(held: &[&Held]) -> String {
    match held.first().map(|one| &one.way.origin) {
        Some(Origin::Inherited { from } | Origin::Home { from }) if from.starts_with('/') => {
            format!(", in {from} (`--long` names them)")
        }
        _ => " (`--long` names them)".to_owned(),
    }
}
