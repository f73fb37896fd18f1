//! What could go wrong with a workspace as a bundle shows it: secrets in clear text, runtimes whose support has ended, what runs on
//! storage that no backup holds, what nobody owns, and what an outage of the next 24 hours would miss.
//!
//! Promises: pure, but for the texts of notebooks and files, which are asked for and never kept; the time is given and never
//! looked up; a secret is told by its place and its sort, and no part of it is ever repeated.

mod clear;
mod code;
mod compute;
mod owners;
mod quartz;
mod runtimes;
mod schedules;
mod storage;

pub use clear::holds_secret;
pub use runtimes::{AS_OF, Support, support};
pub use schedules::{HOURS, Run, Schedule, Starter};

use crate::access::Access;
use crate::kinds::{Shape, Tree};
use crate::object::{Object, SourceId};
use crate::preflight::{self, checks};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;
use std::sync::{Mutex, PoisonError};

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Somebody could do harm with it, or it would not run or not be restored as things stand.
    High,
    /// It costs, it will break, or a restore leaves work for people.
    Medium,
    /// Good to know.
    Low,
}

impl Severity {
    /// All of them, the heaviest first.
    pub const ALL: [Self; 3] = [Self::High, Self::Medium, Self::Low];

    /// `high`, `medium`, `low`.
    pub fn name(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }
}

checks! {
    ClearSecret "clear_secret" "No secret stands in clear text: in notebooks, files, init scripts, Spark settings, environment variables, parameters.";
    Runtime "runtime" "The publisher still supports the runtimes that are asked for.";
    InitScript "init_script" "No init script lies in DBFS, where new clusters do not run it.";
    Mount "mount" "Nothing goes through a mount, which no backup of a workspace brings back.";
    AlwaysOn "always_on" "Clusters and warehouses end by themselves when nobody uses them.";
    Owner "owner" "Whatever has an owner, a home or an entry of access belongs to somebody who is there and active.";
    RunAs "run_as" "Jobs and pipelines run as somebody who is there and active.";
    Schedule "schedule" "Schedules can be read, and keep their hour where clocks are changed.";
    Unread "unread" "Every notebook and file could be looked into.";
}

/// One finding: what is so, for which objects, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// How much it weighs.
    pub severity: Severity,
    /// What it is about: the word of a check of `risk`, or of `check`, whose offline half is looked at as well.
    pub check: &'static str,
    /// What is so.
    pub text: String,
    /// What to do; empty where there is nothing to do.
    pub hint: String,
    /// The objects that it concerns, `kind:name`, sorted; where several of the kind have that name, `kind:name [id]`.
    pub objects: Vec<String>,
    /// Where in them, sorted; empty where the whole object is meant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<Place>,
}

impl Finding {
    /// Everything that it concerns: each place, and each object of which the whole is meant.
    pub fn spots(&self) -> impl Iterator<Item = (&str, Option<&Place>)> {
        let placed: HashSet<&str> = self.places.iter().map(|place| place.object.as_str()).collect();
        let whole = self.objects.iter().filter(move |object| !placed.contains(object.as_str()));
        let places = self.places.iter().map(|place| (place.object.as_str(), Some(place)));
        places.chain(whole.map(|object| (object.as_str(), None)))
    }
}

/// A place in an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Place {
    /// The object, `kind:name`, as among the objects of the finding.
    pub object: String,
    /// What the workspace calls it: an id, or a path.
    pub id: String,
    /// The field of a document (JSON pointer, RFC 6901; `#` goes on inside of a text that is JSON).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// The cell of a notebook, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cell: Option<u64>,
    /// The line, from 1: of the file as `extract` writes it; in a Jupyter notebook, of the cell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
}

impl Place {
    /// Where in the object, for people.
    pub fn spot(&self) -> String {
        let cell = self.cell.map(|cell| format!("cell {cell}"));
        let line = self.line.map(|line| format!("line {line}"));
        [self.pointer.clone(), cell, line].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {}", self.object, self.spot())
    }
}

/// A field that was blanked when a bundle was made, since it held a secret in clear text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blanked {
    /// The object.
    pub object: SourceId,
    /// JSON pointer of the field.
    pub pointer: String,
    /// Why it was blanked.
    pub reason: String,
}

/// Shows a text of an object.
pub type Visit<'a> = dyn Fn(&Object, &[u8]) + Sync + 'a;

/// Where the bytes of notebooks and files come from.
pub trait Texts {
    /// Shows the bytes of each object, in any order and on any number of threads. Returns the objects whose bytes could not be
    /// had, with the reason. Errors: nothing more can be read.
    fn each(&self, objects: &[&Object], visit: &Visit<'_>) -> io::Result<Vec<(SourceId, String)>>;
}

/// All that is looked at.
pub struct Facts<'a> {
    /// The objects.
    pub objects: &'a [Object],
    /// Those of kinds that are only recorded.
    pub recorded: &'a [Object],
    /// Who may do what with them.
    pub access: &'a Access,
    /// What was blanked.
    pub blanked: &'a [Blanked],
    /// Their bytes.
    pub texts: &'a dyn Texts,
    /// The time for which support is judged, and from which on the next hours are looked at.
    pub at: Timestamp,
}

impl std::fmt::Debug for Facts<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Facts").field("objects", &self.objects.len()).field("at", &self.at).finish_non_exhaustive()
    }
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Report {
    /// The time for which support was judged, and from which on the next 24 hours were looked at.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// The day up to which the table of runtimes knows what the publisher said.
    pub runtimes_as_of: &'static str,
    /// How many findings of each severity.
    pub counts: BTreeMap<Severity, usize>,
    /// What was found, the heaviest first.
    pub findings: Vec<Finding>,
    /// Whatever starts by itself, and when it does in the 24 hours, sorted by name.
    pub schedules: Vec<Schedule>,
    /// What objects are called without the id that tells them from others of the name.
    #[serde(skip)]
    names: BTreeMap<String, String>,
}

impl Report {
    /// How many findings weigh so much.
    pub fn count(&self, severity: Severity) -> usize {
        self.counts.get(&severity).copied().unwrap_or_default()
    }

    /// Adds what the offline half of `lifeboat check` found.
    pub fn add_restore(&mut self, report: &preflight::Report) {
        let weight = |severity| match severity {
            preflight::Severity::Blocker => Severity::High,
            preflight::Severity::Warning => Severity::Medium,
            preflight::Severity::Note => Severity::Low,
        };
        self.findings.extend(report.findings.iter().map(|one| Finding {
            severity: weight(one.severity),
            check: one.check.name(),
            text: one.text.clone(),
            hint: one.hint.clone(),
            objects: one.objects.clone(),
            places: Vec::new(),
        }));
        self.settle();
    }

    /// Leaves only what concerns objects that are asked for, by kind and name.
    pub fn only(&mut self, wants: &dyn Fn(&str, &str) -> bool) {
        let names = std::mem::take(&mut self.names);
        let name = |object: &String| names.get(object).unwrap_or(object).clone();
        let wanted = |object: &String| name(object).split_once(':').is_some_and(|(kind, name)| wants(kind, name));
        for finding in &mut self.findings {
            finding.objects.retain(wanted);
            finding.places.retain(|place| wanted(&place.object));
        }
        self.findings.retain(|finding| !finding.objects.is_empty());
        self.schedules.retain(|schedule| wanted(&schedule.object));
        self.names = names;
        self.settle();
    }

    /// Leaves only the findings of these checks.
    pub fn only_of(&mut self, checks: &[String]) {
        self.findings.retain(|finding| checks.iter().any(|check| check == finding.check));
        self.settle();
    }

    fn settle(&mut self) {
        let order = |one: &Finding| {
            let place = Check::ALL.iter().position(|check| check.name() == one.check).unwrap_or(usize::MAX);
            (one.severity, place, one.check)
        };
        self.findings.sort_by(|one, other| order(one).cmp(&order(other)).then_with(|| one.text.cmp(&other.text)));
        self.counts = BTreeMap::new();
        self.findings.iter().for_each(|one| *self.counts.entry(one.severity).or_default() += 1);
    }
}

/// Looks at everything. Errors: the texts cannot be read.
pub fn look(facts: &Facts<'_>) -> io::Result<Report> {
    let all: Vec<&Object> = facts.objects.iter().chain(facts.recorded).collect();
    let mut findings = documents(&all, facts.at);
    clear::blanked(facts.blanked, &names(&all), &mut findings);
    owners::look(facts.access, &mut findings);
    let mut schedules = schedules::look(&all, facts.at, &mut findings);
    owners::mark(facts.access, &mut schedules);
    findings.merge(texts(facts, &all)?);
    let mut names = Names::of(&all);
    let findings = findings.finish(&mut names);
    schedules.iter_mut().for_each(|one| one.object = names.one(&one.object, &one.id));
    let (counts, names) = (BTreeMap::new(), names.plain);
    let mut report = Report { at: facts.at, runtimes_as_of: AS_OF, counts, findings, schedules, names };
    report.settle();
    Ok(report)
}

/// Names that several objects of one kind have: they say nothing without the id.
struct Names {
    shared: HashSet<String>,
    /// Names with ids, and what they are without.
    plain: BTreeMap<String, String>,
}

impl Names {
    fn of(objects: &[&Object]) -> Self {
        let mut met = HashSet::new();
        let shared = objects.iter().map(|object| label(object)).filter(|label| !met.insert(label.clone()));
        Self { shared: shared.collect(), plain: BTreeMap::new() }
    }

    /// What tells an object from all others.
    fn one(&mut self, label: &str, id: &str) -> String {
        if !self.shared.contains(label) {
            return label.to_owned();
        }
        let whole = format!("{label} [{id}]");
        self.plain.insert(whole.clone(), label.to_owned());
        whole
    }
}

/// Names of what something was blanked in.
fn names<'a>(objects: &[&'a Object]) -> BTreeMap<(&'a str, &'a str), String> {
    objects.iter().map(|object| ((object.kind.name, object.id.as_str()), label(object))).collect()
}

/// `kind:name`.
fn label(object: &Object) -> String {
    format!("{}:{}", object.kind.name, if object.key.is_empty() { &object.id } else { &object.key })
}

/// What one document shows. Lists of access, folders and people hold no text of anybody's.
fn documents(objects: &[&Object], at: Timestamp) -> Findings {
    const NO_TEXT: &[&str] = &["permissions", "secret_acl", "directory", "user", "group", "service_principal"];
    let wanted: Vec<&Object> = objects.iter().copied().filter(|one| !NO_TEXT.contains(&one.kind.name)).collect();
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    let chunk = wanted.len().div_ceil(threads).max(64);
    let found = Mutex::new(Findings::default());
    std::thread::scope(|scope| {
        for part in wanted.chunks(chunk) {
            let found = &found;
            scope.spawn(move || {
                let mut own = Findings::default();
                for (object, document) in part.iter().filter_map(|one| Some((one, one.document()?))) {
                    clear::document(object, &document, &mut own);
                    compute::document(object, &document, at, &mut own);
                    storage::document(object, &document, &mut own);
                }
                found.lock().unwrap_or_else(PoisonError::into_inner).merge(own);
            });
        }
    });
    found.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Longer texts are data, and not written by anybody.
const LONGEST: u64 = 16 << 20;

/// What notebooks and files hold.
fn texts(facts: &Facts<'_>, all: &[&Object]) -> io::Result<Findings> {
    let found = Mutex::new(Findings::default());
    let add = |own: Findings| found.lock().unwrap_or_else(PoisonError::into_inner).merge(own);
    let holds_text =
        |object: &&Object| matches!(object.kind.shape, Shape::Tree(Tree::Notebook | Tree::File | Tree::Dbfs | Tree::Volume));
    let (wanted, long): (Vec<&Object>, Vec<&Object>) =
        all.iter().copied().filter(holds_text).partition(|one| one.body.digest().is_some_and(|(len, _)| len <= LONGEST));
    let unread = facts.texts.each(&wanted, &|object, bytes| {
        let code = code::read(bytes);
        let mut own = Findings::default();
        clear::code(object, &code, &mut own);
        storage::code(object, &code, &mut own);
        if !own.0.is_empty() {
            add(own);
        }
    })?;
    let mut findings = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    let hint = "look into it by hand: `lifeboat extract`";
    for object in long {
        let text = format!("it is longer than {} MiB, and was not looked into", LONGEST >> 20);
        findings.add(Severity::Low, Check::Unread, text, hint, own(object), None);
    }
    for (object, why) in unread {
        findings.add(
            Severity::Medium,
            Check::Unread,
            format!("it could not be looked into: {why}"),
            hint,
            (object.to_string(), object.id),
            None,
        );
    }
    Ok(findings)
}

/// Findings under way: one for each text, with all the objects and places that it concerns.
#[derive(Debug, Default)]
struct Findings(BTreeMap<(Severity, Check, String), Gathered>);

#[derive(Debug, Default)]
struct Gathered {
    hint: String,
    /// Labels and ids.
    objects: BTreeSet<(String, String)>,
    places: BTreeSet<Place>,
}

impl Findings {
    fn add(
        &mut self,
        severity: Severity,
        check: Check,
        text: impl Into<String>,
        hint: &str,
        object: (String, String),
        place: Option<Place>,
    ) {
        let gathered = self.0.entry((severity, check, text.into())).or_default();
        gathered.hint.clear();
        gathered.hint.push_str(hint);
        gathered.objects.insert(object);
        gathered.places.extend(place);
    }

    /// The same at a field of a document.
    fn at(&mut self, severity: Severity, check: Check, text: impl Into<String>, hint: &str, object: &Object, pointer: &str) {
        let place = Place { pointer: Some(pointer.to_owned()), ..place(object) };
        self.add(severity, check, text, hint, own(object), Some(place));
    }

    fn merge(&mut self, other: Self) {
        for (key, found) in other.0 {
            let gathered = self.0.entry(key).or_default();
            gathered.hint = found.hint;
            gathered.objects.extend(found.objects);
            gathered.places.extend(found.places);
        }
    }

    fn finish(self, names: &mut Names) -> Vec<Finding> {
        let one = |((severity, check, text), found): ((Severity, Check, String), Gathered)| {
            let mut objects: Vec<String> = found.objects.iter().map(|(label, id)| names.one(label, id)).collect();
            objects.dedup();
            let mut places = told_once(&found.places);
            places.iter_mut().for_each(|place| place.object = names.one(&place.object, &place.id));
            Finding { severity, check: check.name(), text, hint: found.hint, objects, places }
        };
        self.0.into_iter().map(one).collect()
    }
}

/// Without what a workspace repeats: a cluster shows what was asked for (`spec`) beside what it has.
fn told_once(places: &BTreeSet<Place>) -> Vec<Place> {
    let repeats = |place: &&Place| {
        let shown = place
            .pointer
            .as_deref()
            .and_then(|at| at.strip_prefix("/spec").or_else(|| (at == "/effective_spark_version").then_some("/spark_version")));
        shown.is_some_and(|at| places.contains(&Place { pointer: Some(at.to_owned()), ..(*place).clone() }))
    };
    places.iter().filter(|place| !repeats(place)).cloned().collect()
}

/// What an object is called, and its id.
fn own(object: &Object) -> (String, String) {
    (label(object), object.id.clone())
}

fn place(object: &Object) -> Place {
    Place { object: label(object), id: object.id.clone(), ..Place::default() }
}

#[cfg(test)]
mod tests;
