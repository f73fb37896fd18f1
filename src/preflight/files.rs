//! Libraries and init scripts outside of the workspace tree: in the bundle, in the target, or nowhere.

use super::specs::Written;
use super::{Check, Facts, Finding, Findings, Severity, unchecked};
use crate::kinds::{self, By, Place};
use crate::plan::{Action, name_of};
use crate::pointer;
use crate::rules::below_body;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Whoever needs a file, and whether it runs before anything else does.
#[derive(Debug, Default)]
pub(super) struct Needed {
    by: BTreeSet<String>,
    starts: bool,
}

/// Files of DBFS (`dbfs:/x`) and volumes that something refers to and the bundle does not bring.
pub(super) fn unknown(facts: &Facts<'_>) -> BTreeMap<String, Needed> {
    let mut needed: BTreeMap<String, Needed> = BTreeMap::new();
    let bundle = Bundle::of(facts);
    for written in &facts.written {
        for (at, path) in referred(written).into_iter().filter(|(_, path)| !bundle.brings(path)) {
            let one = needed.entry(path).or_default();
            one.by.insert(written.label());
            one.starts |= at.contains("init_scripts");
        }
    }
    needed
}

/// Paths that a body refers to, with their places.
fn referred(written: &Written<'_>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let files = ["dbfs_file", "volume_file"];
    let of_files = |reference: &&kinds::Ref| reference.by == By::Path && reference.to.iter().any(|to| files.contains(to));
    for (at, _) in written.kind.references().filter(|(_, reference)| of_files(reference)) {
        let Some(at) = below_body(written.kind, &at) else { continue };
        pointer::each(&written.body, &at, &mut |at, value| {
            for place in value.as_str().map(kinds::places).unwrap_or_default() {
                let path = match place {
                    Place::Dbfs(path) => format!("dbfs:{path}"),
                    Place::Volume(path) => path,
                    Place::Workspace(_) | Place::Elsewhere => continue,
                };
                found.extend((!path.contains('*')).then(|| (at.to_owned(), path)));
            }
        });
    }
    found
}

/// What files a bundle brings.
struct Bundle {
    paths: HashSet<String>,
}

impl Bundle {
    fn of(facts: &Facts<'_>) -> Self {
        let brings = |action: &Action| !matches!(action, Action::Skip { .. } | Action::Wait { .. });
        let files =
            facts.plan.steps.iter().filter(|step| brings(&step.action)).filter_map(|step| match step.source.kind.as_str() {
                "dbfs_file" => Some(format!("dbfs:{}", step.source.id)),
                "volume_file" => Some(step.source.id.clone()),
                _ => None,
            });
        let mut paths = HashSet::new();
        for file in files {
            let folders = std::iter::successors(Some(file.as_str()), |path| path.rsplit_once('/').map(|(folder, _)| folder));
            paths.extend(folders.map(str::to_owned));
        }
        Self { paths }
    }

    /// A file of the bundle, or a folder that it lies in.
    fn brings(&self, path: &str) -> bool {
        self.paths.contains(path.trim_end_matches('/'))
    }
}

pub(super) fn reachable(facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings = Findings::default();
    let mut untold = Vec::new();
    for (path, needed) in unknown(facts) {
        let there = facts.offer.map(|offer| offer.paths.get(&path).cloned().unwrap_or_else(|| Err("nobody asked".to_owned())));
        let text = match there {
            Some(Ok(true)) => continue,
            Some(Err(why)) => {
                untold.push(unchecked(&format!("whether {path} is there"), &why));
                continue;
            }
            Some(Ok(false)) => format!("{path} is neither in the bundle nor in the target"),
            None => format!("{path} is not in the bundle"),
        };
        let severity = if needed.starts { Severity::Blocker } else { Severity::Warning };
        let hint = match needed.starts {
            true => "no cluster starts without its init script: copy it there, or leave it out by a rule",
            false => "copy it there, export again with it, or leave it out by a rule",
        };
        needed.by.into_iter().for_each(|by| findings.add(severity, Check::File, &text, hint, Some(by)));
    }
    let mut found = findings.finish();
    found.extend(untold);
    found
}

/// Volumes that files would go into, with the files: an import makes files, and no volumes.
pub(super) fn volumes_needed(facts: &Facts<'_>) -> BTreeMap<String, Vec<String>> {
    let mut needed: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let Some(kind) = kinds::by_name("volume_file") else { return needed };
    let made = facts.plan.steps.iter().filter(|step| step.source.kind == kind.name && step.action.writes());
    for step in made {
        let volume: Vec<&str> = step.source.id.splitn(6, '/').take(5).collect();
        needed.entry(volume.join("/")).or_default().push(name_of(kind, &step.key, &step.source.id));
    }
    needed
}

pub(super) fn volumes(facts: &Facts<'_>) -> Vec<Finding> {
    let Some(offer) = facts.offer else { return Vec::new() };
    let mut findings = Findings::default();
    let mut untold = Vec::new();
    for (volume, files) in volumes_needed(facts) {
        match offer.paths.get(&volume) {
            Some(Ok(true)) => {}
            Some(Ok(false)) => {
                let text = format!("the target has no volume {volume}, into which files would go");
                let hint = "make it, or map its catalog or schema (`catalog:`, `schema:`)";
                files.into_iter().for_each(|file| findings.add(Severity::Blocker, Check::File, &text, hint, Some(file)));
            }
            Some(Err(why)) => untold.push(unchecked(&format!("whether the volume {volume} is there"), why)),
            None => untold.push(unchecked(&format!("whether the volume {volume} is there"), "nobody asked")),
        }
    }
    let mut found = findings.finish();
    found.extend(untold);
    found
}
