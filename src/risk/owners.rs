//! Jobs that nobody owns, or somebody who left; jobs that run as somebody who left.

use super::{Check, Findings, Severity, label};
use crate::object::Object;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};

/// Fields of an entry of a list of access that name somebody.
const NAMED_BY: &[&str] = &["user_name", "group_name", "service_principal_name"];

/// Who is there, by the kind and the name by which lists of access know them, in lower case; and whether they are active.
struct People {
    active: HashMap<(&'static str, String), bool>,
    kinds: BTreeSet<&'static str>,
}

impl People {
    fn of(objects: &[&Object]) -> Self {
        let mut people = Self { active: HashMap::new(), kinds: BTreeSet::new() };
        for object in objects.iter().filter(|one| matches!(one.kind.name, "user" | "group" | "service_principal")) {
            let active = object.document().is_none_or(|document| document.get("active") != Some(&Value::Bool(false)));
            people.active.insert((object.kind.name, object.key.to_lowercase()), active);
            people.kinds.insert(object.kind.name);
        }
        people
    }

    /// What is wrong with somebody; nothing if nothing is, or if nobody of the kind is in the bundle.
    fn wrong_with(&self, field: &str, name: &str) -> Option<&'static str> {
        let kind = self.kinds.get(field.strip_suffix("_name").filter(|kind| *kind != "user_name").unwrap_or(field))?;
        match self.active.get(&(*kind, name.to_lowercase())) {
            Some(true) => None,
            Some(false) => Some("is disabled"),
            None => Some("is not in the workspace"),
        }
    }
}

pub(super) fn look(objects: &[&Object], findings: &mut Findings) {
    let people = People::of(objects);
    let jobs: HashMap<&str, &Object> =
        objects.iter().filter(|one| one.kind.name == "job").map(|job| (job.id.as_str(), *job)).collect();
    let lists = objects.iter().filter(|one| one.kind.name == "permissions");
    let mut owned: Vec<(&Object, Option<(String, String)>)> = lists
        .filter_map(|list| {
            let (kind, id) = list.meta.parent()?;
            let job = jobs.get(id.as_str()).filter(|_| kind == "job")?;
            Some((*job, owner(list.document()?.as_ref())))
        })
        .collect();
    owned.sort_by_key(|(job, _)| job.id.as_str());
    for (job, owner) in owned {
        let hint = "give it an owner who is there: a service principal, rather than a person";
        match owner {
            None => findings.add(Severity::Medium, Check::Owner, "the job has no owner", hint, label(job), None),
            Some((field, name)) => {
                if let Some(wrong) = people.wrong_with(&field, &name) {
                    findings.add(Severity::High, Check::Owner, format!("the owner {name} {wrong}"), hint, label(job), None);
                }
            }
        }
    }
    for job in jobs.values() {
        if let Some((field, name)) = job.document().and_then(|document| runs_as(&document)) {
            if let Some(wrong) = people.wrong_with(field, &name) {
                let hint = "let it run as a service principal; as things stand, its runs fail";
                findings.add(Severity::High, Check::RunAs, format!("runs as {name}, who {wrong}"), hint, label(job), None);
            }
        }
    }
}

/// Who owns what a list of access is of.
fn owner(list: &Value) -> Option<(String, String)> {
    let entries = list.get("access_control_list")?.as_array()?;
    let owns = |entry: &&Value| {
        let direct = entry.get("all_permissions").and_then(Value::as_array).into_iter().flatten();
        let plain = entry.get("permission_level");
        direct.filter_map(|one| one.get("permission_level")).chain(plain).any(|level| level == "IS_OWNER")
    };
    let entry = entries.iter().find(owns)?;
    NAMED_BY.iter().find_map(|field| Some(((*field).to_owned(), entry.get(*field)?.as_str()?.to_owned())))
}

/// As whom a job runs: what it says, or else what the workspace makes of it (core reference §10.5).
pub(super) fn runs_as(job: &Value) -> Option<(&'static str, String)> {
    let said = job.pointer("/settings/run_as");
    let explicit = said.and_then(|said| NAMED_BY.iter().find_map(|field| Some((*field, said.get(*field)?.as_str()?.to_owned()))));
    explicit.or_else(|| {
        let name = job.get("run_as_user_name")?.as_str().filter(|name| !name.is_empty())?;
        Some((if name.contains('@') { "user_name" } else { "service_principal_name" }, name.to_owned()))
    })
}
