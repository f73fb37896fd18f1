//! What belongs to, or runs as, somebody who left.

use super::{Check, Findings, Schedule, Severity};
use crate::access::{Access, Orphan, OrphanSort};
use std::collections::HashMap;

const OWNER: &str = "give it an owner who is there: a service principal, rather than a person";
const RUN_AS: &str = "let it run as a service principal; as things stand, its runs fail";
const HOME: &str = "see whether something in it is still needed, and give it to somebody else";
const GRANT: &str = "take the entry out of the list of access";

pub(super) fn look(access: &Access, findings: &mut Findings) {
    for Orphan { sort, object, principal, by_maker } in access.orphans().found {
        let who = principal.unwrap_or_default();
        let name = format!("{}:{}", object.kind, if object.name.is_empty() { &object.id } else { &object.name });
        let heavy = if object.kind == "job" { Severity::High } else { Severity::Medium };
        let owned = |what: &str| match by_maker {
            true => (Severity::Low, format!("it was made by {who}, who {what}; who owns it now is not known")),
            false => (heavy, format!("the owner {who} {what}")),
        };
        let (check, (severity, text), hint) = match sort {
            OrphanSort::RunsAsDisabled => (Check::RunAs, (Severity::High, format!("runs as {who}, who is disabled")), RUN_AS),
            OrphanSort::RunsAsMissing => (Check::RunAs, (Severity::High, format!("runs as {who}, who is gone")), RUN_AS),
            OrphanSort::NoOwner => (Check::Owner, (Severity::Medium, "it has no owner".to_owned()), OWNER),
            OrphanSort::OwnerDisabled => (Check::Owner, owned("is disabled"), OWNER),
            OrphanSort::OwnerMissing => (Check::Owner, owned("is gone"), OWNER),
            OrphanSort::HomeOfDisabled => {
                (Check::Owner, (Severity::Low, format!("it is the home of {who}, who is disabled")), HOME)
            }
            OrphanSort::HomeOfMissing => (Check::Owner, (Severity::Low, format!("it is the home of {who}, who is gone")), HOME),
            OrphanSort::GrantedToMissing => {
                (Check::Owner, (Severity::Low, format!("it grants something to {who}, who is gone")), GRANT)
            }
        };
        findings.add(severity, check, text, hint, (name, object.id), None);
    }
}

/// Notes of each schedule why its runs fail.
pub(super) fn mark(access: &Access, schedules: &mut [Schedule]) {
    let word = |one: &Orphan| match one.sort {
        OrphanSort::RunsAsDisabled => Some("disabled"),
        OrphanSort::RunsAsMissing => Some("gone"),
        _ => None,
    };
    let found = access.orphans().found.into_iter();
    let unfit: HashMap<String, &str> =
        found.filter_map(|one| Some((one.principal.as_ref()?.to_lowercase(), word(&one)?))).collect();
    for one in schedules {
        one.fails = one.run_as.as_ref().and_then(|name| unfit.get(&name.to_lowercase()).copied());
    }
}
