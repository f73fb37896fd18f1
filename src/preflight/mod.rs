//! Would this bundle restore here? Findings, before anything is written.
//!
//! Promises: nothing is written anywhere; every judgement is a pure function of what is known by then; what could not be looked at is a
//! finding of its own, never a pass. Matching, references and reasons are those of the plan that an import would make under
//! the same rules, so that a map or a rule that helps there makes the finding vanish here.

mod ask;
mod caller;
mod features;
mod files;
mod machines;
mod nearest;
mod people;
mod policies;
mod present;
mod quota;
mod references;
mod specs;
mod suggest;

#[cfg(test)]
mod tests;

use ask::Offer;
pub use suggest::snippet;

use crate::api::Workspace;
use crate::bundle::Reader;
use crate::event::{Event, Observer};
use crate::kinds::is_principal;
use crate::plan::{Inventory, Plan, Source, Target};
use crate::restore::{self, Met, Options, Prepared, RestoreError};
use schemars::JsonSchema;
use serde::Serialize;
use specs::Written;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Something would not come to be, or not run, as things stand; or the import would be refused.
    Blocker,
    /// It would be restored, but less than it was, over something else, or with work left for people.
    Warning,
    /// Good to know.
    Note,
}

impl Severity {
    /// `blocker`, `warning`, `note`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Blocker => "blocker",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// Sorts of findings, each with its word in reports and what is looked at.
macro_rules! checks {
    ($($name:ident $word:literal $says:literal;)*) => {
        /// What a finding is about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Check {$(#[doc = $says] $name,)*}

        impl Check {
            /// All checks, in the order in which they are told.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The word in reports.
            pub fn name(self) -> &'static str {
                match self {$(Self::$name => $word,)*}
            }

            /// What is looked at.
            pub fn says(self) -> &'static str {
                match self {$(Self::$name => $says,)*}
            }
        }
    };
}
pub(crate) use checks;

checks! {
    Rules "rules" "The rules fit the bundle, and each of them finds something.";
    Workspace "workspace" "The target is not the workspace that the bundle comes from.";
    Caller "caller" "The caller may do what the plan asks for: admin rights, entitlements, Git credentials.";
    Feature "feature" "What the bundle needs is switched on: kinds of objects, permissions, Git folders, workspace files.";
    Principal "principal" "Users, groups and service principals are there or can be made, and so are all that something names.";
    NodeType "node_type" "Node types are offered where the target lies.";
    SparkVersion "spark_version" "Runtimes are offered.";
    Zone "zone" "Zones are offered.";
    Policy "policy" "Clusters and job clusters keep to the policies that they will stand under.";
    Pool "pool" "Pools are large enough for what draws on them.";
    Quota "quota" "Cores and numbers of objects stay within the limits.";
    Secret "secret" "Secret scopes and keys are there; values that a person must set.";
    File "file" "Libraries and init scripts are in the bundle or in the target, and so are the volumes that files go into.";
    Reference "reference" "Whatever is referred to is in the bundle or in the target.";
    Leak "leak" "What is written names nothing of the source: its address, ids, storage, vaults.";
    Clash "clash" "No two things want one name or path.";
    Present "present" "What the target has already, and whether an import made it.";
    Elsewhere "elsewhere" "What no backup of a workspace holds: things of the account, storage, what a person must set again.";
    LeftOut "left_out" "What the bundle holds and an import does not bring back.";
    Unchecked "unchecked" "What could not be looked at.";
}

/// One finding: what is so, for which objects, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// How much it weighs.
    pub severity: Severity,
    /// What it is about.
    pub check: Check,
    /// What is so.
    pub text: String,
    /// What to do; empty where there is nothing to do.
    pub hint: String,
    /// The objects that it concerns, `kind:name`, sorted.
    pub objects: Vec<String>,
    /// Map entries that would help.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub maps: Vec<Entry>,
}

/// An entry of a map: what of the target may stand for what of the source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Entry {
    /// Section of the maps.
    pub section: &'static str,
    /// What the source says.
    pub from: String,
    /// What the target has.
    pub to: String,
    /// Why this one.
    pub why: String,
}

/// All that a judgement may look at.
#[derive(Debug)]
struct Facts<'a> {
    /// The bundle under its rules.
    prepared: &'a Prepared,
    /// What the target has; for the offline half, what a target would have that lacks nothing.
    met: &'a Met,
    /// What an import would do.
    plan: &'a Plan,
    /// Every body that it would write.
    written: Vec<Written<'a>>,
    /// What the target offers; nothing for the offline half.
    offer: Option<&'a Offer>,
    /// Whether the target may be the source.
    allow_same_workspace: bool,
}

impl<'a> Facts<'a> {
    /// Those of the offline half.
    fn of(prepared: &'a Prepared, met: &'a Met, plan: &'a Plan, options: &Options) -> Self {
        let allow_same_workspace = options.allow_same_workspace;
        Self { prepared, met, plan, written: specs::written(plan), offer: None, allow_same_workspace }
    }
}

/// What came of a check.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Report {
    /// Where the bundle comes from.
    pub source: Source,
    /// The target; nothing for the offline half.
    pub target: Option<Target>,
    /// How many findings of each severity.
    pub counts: BTreeMap<Severity, usize>,
    /// What was found, the heaviest first.
    pub findings: Vec<Finding>,
    /// Map entries that would help, each once.
    pub maps: Vec<Entry>,
}

impl Report {
    /// How many findings weigh so much.
    pub fn count(&self, severity: Severity) -> usize {
        self.counts.get(&severity).copied().unwrap_or_default()
    }

    /// Whether everything could be looked at.
    pub fn is_whole(&self) -> bool {
        self.findings.iter().all(|one| one.check != Check::Unchecked)
    }
}

/// Looks at a bundle, and at the target if there is one. Sends no request that writes.
pub async fn run(
    reader: &Reader,
    workspace: Option<&Workspace>,
    options: &Options,
    observer: &Arc<dyn Observer>,
) -> Result<Report, RestoreError> {
    let Some(workspace) = workspace else { return offline(reader, options) };
    let prepared = prepared(reader, options)?;
    let identity = workspace.identity().await?;
    let met = prepared.meet(workspace, &identity, options, observer).await?;
    let mut plan = prepared.decide(&met, options);
    restore::tell_leaks(reader, &prepared, options, &mut plan)?;
    observer.event(&Event::Stage("check"));
    let facts = Facts::of(&prepared, &met, &plan, options);
    let offer = ask::ask(workspace, &identity, &ask::needs(&facts)).await?;
    Ok(judge(&Facts { offer: Some(&offer), ..facts }))
}

/// The offline half: what the bundle alone shows.
pub fn offline(reader: &Reader, options: &Options) -> Result<Report, RestoreError> {
    let prepared = prepared(reader, options)?;
    let met = ideal(&prepared);
    let plan = prepared.decide(&met, options);
    Ok(judge(&Facts::of(&prepared, &met, &plan, options)))
}

/// A bundle under its rules. Of what it holds, only what somebody looks at once the rules have made of it what they make: there may
/// be very much else.
fn prepared(reader: &Reader, options: &Options) -> Result<Prepared, RestoreError> {
    let mut prepared = restore::prepare(reader, options)?;
    let built_in: HashSet<_> =
        prepared.applied.objects.iter().filter(|object| object.built_in()).map(crate::rules::Sanitized::source).collect();
    prepared.contents.objects.retain(|object| is_principal(object.kind.name) || built_in.contains(&object.source()));
    prepared.contents.objects.shrink_to_fit();
    Ok(prepared)
}

/// A target that has all that an import cannot bring: what is only recorded, and what every workspace has.
fn ideal(prepared: &Prepared) -> Met {
    let built_in: BTreeSet<_> =
        prepared.applied.objects.iter().filter(|object| object.built_in()).map(crate::rules::Sanitized::source).collect();
    let built_in = prepared.contents.objects.iter().filter(|object| built_in.contains(&object.source()));
    let objects = prepared.contents.recorded.iter().chain(built_in).cloned().collect();
    let target = Target { is_admin: true, ..Target::default() };
    Met { inventory: Inventory { target, objects, ..Inventory::default() }, ..Met::default() }
}

/// Each looks at one thing.
const JUDGES: &[fn(&Facts<'_>) -> Vec<Finding>] = &[
    references::rules,
    caller::workspace,
    caller::rights,
    caller::git,
    features::kinds,
    features::switches,
    features::permissions,
    people::missing,
    people::account_groups,
    machines::node_types,
    machines::runtimes,
    machines::zones,
    policies::kept,
    quota::pools,
    quota::cores,
    quota::numbers,
    files::reachable,
    files::volumes,
    references::dangling,
    references::todos,
    references::left_out,
    present::twins,
    present::skipped,
    present::overwritten,
    present::summary,
    present::unread,
];

/// Judges: pure.
fn judge(facts: &Facts<'_>) -> Report {
    let found = JUDGES.iter().flat_map(|judge| judge(facts));
    let mut findings: Vec<Finding> = found.collect();
    findings.iter_mut().for_each(|one| {
        one.objects.sort();
        one.objects.dedup();
    });
    findings.sort_by(|one, other| (one.severity, one.check, &one.text).cmp(&(other.severity, other.check, &other.text)));
    findings.dedup();
    let mut counts = BTreeMap::new();
    findings.iter().for_each(|one| *counts.entry(one.severity).or_default() += 1);
    let maps = suggest::entries(&findings);
    let target = facts.offer.map(|_| facts.plan.target.clone());
    Report { source: facts.prepared.source.clone(), target, counts, findings, maps }
}

/// Findings under way: one for each text, with all the objects that it concerns.
#[derive(Default)]
struct Findings(BTreeMap<(Severity, Check, String), Finding>);

impl Findings {
    /// Adds an object to the finding of this text.
    fn add(&mut self, severity: Severity, check: Check, text: impl Into<String>, hint: &str, object: Option<String>) {
        let text = text.into();
        let new = || Finding { severity, check, text: text.clone(), hint: hint.to_owned(), objects: vec![], maps: vec![] };
        self.0.entry((severity, check, text.clone())).or_insert_with(new).objects.extend(object);
    }

    /// Adds a map entry to the finding of this text.
    fn map(&mut self, severity: Severity, check: Check, text: &str, entry: Option<Entry>) {
        if let Some(finding) = self.0.get_mut(&(severity, check, text.to_owned())) {
            finding.maps.extend(entry.filter(|entry| !finding.maps.contains(entry)));
        }
    }

    fn finish(self) -> Vec<Finding> {
        self.0.into_values().collect()
    }
}

/// A finding that something could not be looked at.
fn unchecked(what: &str, why: &str) -> Finding {
    let text = format!("could not check {what}: {why}");
    let hint = "look by hand, or run this again with the rights for it".to_owned();
    Finding { severity: Severity::Warning, check: Check::Unchecked, text, hint, objects: Vec::new(), maps: Vec::new() }
}
