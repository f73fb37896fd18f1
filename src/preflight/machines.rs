//! Node types, runtimes and zones: offered here, or which is nearest.

use super::ask::{Answer, Machine, Offer, Runtime, Zones};
use super::specs::elsewhere;
use super::{Check, Entry, Facts, Finding, Findings, Severity, nearest, unchecked};
use crate::kinds::Kind;

/// What is nearest, and why.
type Nearest = Option<(String, String)>;

/// A sort of value that a region offers or not.
struct Sort<'a, T> {
    /// Section of the maps.
    section: &'static str,
    check: Check,
    what: &'static str,
    offered: &'a Answer<T>,
    /// Why a value cannot be had, if it cannot.
    lacks: &'a dyn Fn(&T, &str) -> Option<String>,
    nearest: &'a dyn Fn(&T, &str) -> Nearest,
}

pub(super) fn node_types(facts: &Facts<'_>) -> Vec<Finding> {
    let lacks = |all: &Vec<Machine>, name: &str| match all.iter().find(|one| one.node_type_id == name) {
        None => Some("is not offered".to_owned()),
        Some(one) => one.missing().map(|why| format!("is shown, but cannot be had ({why})")),
    };
    let nearest = |all: &Vec<Machine>, name: &str| nearest::machine(name, all).map(|(one, why)| (one.node_type_id.clone(), why));
    look(facts, |offer| Sort {
        section: "node_type",
        check: Check::NodeType,
        what: "node types",
        offered: &offer.machines,
        lacks: &lacks,
        nearest: &nearest,
    })
}

pub(super) fn runtimes(facts: &Facts<'_>) -> Vec<Finding> {
    let lacks = |all: &Vec<Runtime>, key: &str| {
        // What a policy lets the workspace choose, and images of one's own.
        let open = key.starts_with("auto:") || key.starts_with("custom:");
        (!open && !all.iter().any(|one| one.key == key)).then(|| "is not offered".to_owned())
    };
    let nearest = |all: &Vec<Runtime>, key: &str| nearest::runtime(key, all).map(|(one, why)| (one.key.clone(), why));
    look(facts, |offer| Sort {
        section: "spark_version",
        check: Check::SparkVersion,
        what: "runtimes",
        offered: &offer.runtimes,
        lacks: &lacks,
        nearest: &nearest,
    })
}

pub(super) fn zones(facts: &Facts<'_>) -> Vec<Finding> {
    let lacks = |zones: &Zones, name: &str| {
        // `auto` and `HA` mean something everywhere.
        let open = ["auto", "ha"].iter().any(|word| name.eq_ignore_ascii_case(word));
        (!open && !zones.zones.iter().any(|one| one == name)).then(|| "is not here".to_owned())
    };
    let nearest = |_: &Zones, _: &str| Some(("auto".to_owned(), "the workspace chooses".to_owned()));
    look(facts, |offer| Sort {
        section: "zone",
        check: Check::Zone,
        what: "zones",
        offered: &offer.zones,
        lacks: &lacks,
        nearest: &nearest,
    })
}

fn look<'a, T: 'a>(facts: &Facts<'a>, sort: impl Fn(&'a Offer) -> Sort<'a, T>) -> Vec<Finding> {
    let Some(offer) = facts.offer else { return Vec::new() };
    let sort = sort(offer);
    let mut findings = Findings::default();
    let mut any = false;
    for written in &facts.written {
        for (_, value) in elsewhere(written, sort.section) {
            any = true;
            let Ok(all) = sort.offered else { continue };
            let Some(why) = (sort.lacks)(all, &value) else { continue };
            let text = format!("{} \"{value}\" {why}", sort.section.replace('_', " "));
            let nearest = (sort.nearest)(all, &value).filter(|(to, _)| *to != value);
            let hint = match &nearest {
                Some((to, _)) => format!("map it: `{}: {{{value}: {to}}}` is the nearest", sort.section),
                None => format!("map it to one that is offered (`{}:`)", sort.section),
            };
            let severity = severity(written.kind);
            findings.add(severity, sort.check, &text, &hint, Some(written.label()));
            let entry = |(to, why)| Entry { section: sort.section, from: value.clone(), to, why };
            findings.map(severity, sort.check, &text, nearest.map(entry));
        }
    }
    let mut found = findings.finish();
    if let (true, Err(why)) = (any, sort.offered) {
        found.push(unchecked(sort.what, why));
    }
    found
}

/// A policy may name more than there is; what starts machines may not.
fn severity(kind: &Kind) -> Severity {
    if kind.name == "cluster_policy" { Severity::Warning } else { Severity::Blocker }
}
