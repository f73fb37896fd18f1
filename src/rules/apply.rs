//! A rule set over a whole bundle: maps and moves first, then the rules in their order, and what keeps a restore inert last.
//!
//! What comes out is a bundle as if it had always been so: whatever referred to something that has another name or path now
//! refers to that. So planning needs to know nothing of rules.

use super::carry;
use super::diff::{diff, empty};
use super::format::{Activations, Conflicts, Rule};
use super::pick::Subject;
use super::place::keyed;
use super::project::{name_at, project, remove_stamp, unknown_settings};
use super::sanitize::{Body, Change, Redaction, Sanitized, is_built_in, remove_redacted, switch_off};
use super::set::{Entry, RuleSet};
use super::swap::Swaps;
use super::swapped::{self, Measured, Rewritten};
use super::{Act, Rules, acts};
use crate::kinds::Kind;
use crate::object::{Object, SourceId};
use crate::packed::{Meta, Packed};
use crate::pointer;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashMap};

/// What a rule set makes of a bundle.
#[derive(Debug, Default)]
pub struct Applied {
    /// What is restored.
    pub objects: Vec<Sanitized>,
    /// What a rule leaves out.
    pub left_out: Vec<LeftOut>,
    /// Rules and maps that nothing answered to.
    pub warnings: Vec<Remark>,
    /// Why these rules cannot be used on this bundle.
    pub problems: Vec<Remark>,
    /// How much each rule did, in the order of the rules.
    pub tally: Vec<Tally>,
}

/// An object that a rule leaves out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Which one.
    pub object: SourceId,
    /// What people call it.
    pub key: String,
    /// Why, naming the rule.
    pub reason: String,
}

/// Something to say about a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Remark {
    /// Name of the rule.
    pub rule: String,
    /// Its line in the file.
    pub line: Option<u64>,
    /// What there is to say.
    pub text: String,
}

impl std::fmt::Display for Remark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let line = self.line.map(|line| format!("line {line}: ")).unwrap_or_default();
        write!(f, "{line}rule \"{}\": {}", self.rule, self.text)
    }
}

/// How much a rule did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Tally {
    /// Name of the rule.
    pub rule: String,
    /// Its line in the file.
    pub line: Option<u64>,
    /// Objects that it is for.
    pub objects: u64,
    /// Fields that it changed.
    pub changes: u64,
}

/// Source code that maps and moves change, by object, under its id in the bundle.
#[derive(Clone, Debug, Default)]
pub struct Code {
    new: HashMap<SourceId, Measured>,
    used: BTreeSet<(String, String)>,
}

/// Maps and moves over source code: see [`RuleSet::rewriter`].
pub struct Rewriter {
    swaps: Swaps,
    inside: Vec<super::format::Code>,
}

impl Rewriter {
    /// Whether the source code of this kind is changed.
    pub fn rewrites(&self, kind: &str) -> bool {
        self.inside.iter().any(|code| code.kind() == kind && *code != super::format::Code::GlobalInitScript)
    }

    /// Source code with maps and moves carried out; nothing if that changes nothing. `format` is a notebook's.
    pub fn rewrite(&self, kind: &str, bytes: &[u8], format: Option<&str>) -> Option<Rewritten> {
        self.rewrites(kind).then(|| swapped::code(&self.swaps, bytes, format)).flatten()
    }

    /// What was changed, for [`RuleSet::apply`].
    pub fn code(&self, new: HashMap<SourceId, Measured>) -> Code {
        Code { new, used: self.swaps.used() }
    }
}

/// An object on its way through the rules.
pub(super) struct Work<'a> {
    pub object: &'a Object,
    /// Its id, key and meta data, as they are now.
    pub id: String,
    pub key: String,
    pub meta: Meta,
    /// The body of a document.
    pub body: Option<Packed>,
    content: Option<(u64, [u8; 32])>,
    pub changes: Vec<Change>,
    redactions: Vec<Redaction>,
    unknown: Vec<String>,
    /// Why it is left out.
    pub left_out: Option<String>,
    /// What becomes of what people changed in the target, if rules say so.
    conflicts: Option<Conflicts>,
}

impl RuleSet {
    /// What these rules make of the objects of a bundle.
    pub fn apply(&self, objects: &[Object], code: &Code) -> Applied {
        let mut run = Run::new(self, objects, code);
        let mut works: Vec<Work<'_>> = objects.iter().map(|object| run.one(object)).collect();
        let conflicts = carry::through(&mut works, &run.swaps);
        let conflicts: Vec<Remark> = conflicts.into_iter().map(|(rule, text)| run.remark(&rule, text)).collect();
        run.problems.extend(conflicts);
        run.finish(works)
    }

    /// Carries maps and moves through source code.
    pub fn rewriter(&self) -> Rewriter {
        Rewriter { swaps: self.swaps(), inside: self.inside.clone() }
    }

    /// Maps and moves, ready to be carried out.
    pub(super) fn swaps(&self) -> Swaps {
        let each = |entry: &Entry| {
            let pairs = entry.rule.moves.0.iter();
            pairs.map(|(from, to)| (entry.name.clone(), from.clone(), to.clone())).collect::<Vec<_>>()
        };
        Swaps::new(&self.maps, &self.rules.iter().flat_map(each).collect::<Vec<_>>())
    }
}

struct Run<'a> {
    set: &'a RuleSet,
    swaps: Swaps,
    inert: Rules,
    holders: HashMap<(&'a str, &'a str), &'a Object>,
    code: &'a Code,
    tally: Vec<Tally>,
    problems: Vec<Remark>,
}

impl<'a> Run<'a> {
    fn new(set: &'a RuleSet, objects: &'a [Object], code: &'a Code) -> Self {
        let swaps = set.swaps();
        swaps.learn(&code.used);
        let tally = |entry: &Entry| Tally { rule: entry.name.clone(), line: entry.line, objects: 0, changes: 0 };
        Self {
            set,
            swaps,
            inert: Rules::standby(),
            holders: objects.iter().map(|object| ((object.kind.name, object.id.as_str()), object)).collect(),
            code,
            tally: set.rules.iter().map(tally).collect(),
            problems: Vec::new(),
        }
    }

    fn one(&mut self, object: &'a Object) -> Work<'a> {
        let (mut work, body) = begin(object, self.code);
        let is_document = body.is_some();
        let mut body = body.unwrap_or_default();
        let rules = self.rules_for(object, &body);
        work.changes.extend(swapped::body(&self.swaps, object.kind, &mut body));
        work.changes.extend(swapped::script(&self.swaps, &self.set.inside, object.kind, &mut body));
        let activations = rules.iter().rev().find_map(|at| self.set.rules[*at].rule.activations).unwrap_or(self.set.activations);
        work.conflicts = rules.iter().rev().find_map(|at| self.set.rules[*at].rule.conflicts).or(self.set.conflicts);
        // A map that gives an address another host does not give it a login.
        let swapped = work.changes.len();
        for at in rules {
            self.obey(at, &mut work, &mut body, activations);
        }
        if is_document {
            remove_stamp(object.kind, &mut body);
            self.switch_off(activations, object.kind, &mut body, &mut work.changes);
            work.redactions = self.still_blank(std::mem::take(&mut work.redactions), &body, &work.changes[swapped..]);
            work.body = Some(Packed::of(&body));
        }
        work
    }

    /// The rules that an object is for, by their places: decided by what the source says, whatever rules made of it since.
    fn rules_for(&self, object: &'a Object, body: &Value) -> Vec<usize> {
        let parent = object.meta.parent();
        let holder = parent.and_then(|(kind, id)| self.holders.get(&(kind.as_str(), id.as_str())).copied()).unwrap_or(object);
        let subject = Subject { kind: object.kind, body, holder };
        let fits = |rule: &Rule| rule.moves.0.is_empty() && rule.pick.as_ref().is_none_or(|pick| pick.fits(&subject));
        (0..self.set.rules.len()).filter(|at| fits(&self.set.rules[*at].rule)).collect()
    }

    fn obey(&mut self, at: usize, work: &mut Work<'_>, body: &mut Value, activations: Activations) {
        let entry = &self.set.rules[at];
        self.tally[at].objects += 1;
        if entry.rule.skip {
            work.left_out.get_or_insert_with(|| said_by(entry, "left out"));
        }
        if !work.object.body.is_document() {
            return;
        }
        let before = body.clone();
        let done = acts::run(&entry.rule, work.object.kind, is_built_in(work.object), body);
        let wrong = done.err().or_else(|| unfit(work.object.kind, body)).or_else(|| {
            let lively = activations != Activations::Keep;
            lively.then(|| self.awoken(work.object.kind, &before, body)).flatten()
        });
        if let Some(text) = wrong {
            let text = format!("{}:{}: {text}", work.object.kind.name, work.object.key);
            self.problems.push(Remark { rule: entry.name.clone(), line: entry.line, text });
        }
        let changes: Vec<Change> = diff(&before, body).into_iter().map(|field| changed(entry, field)).collect();
        self.tally[at].changes += changes.len() as u64;
        work.changes.extend(changes);
    }

    /// A place that would start something, and did not before.
    fn awoken(&self, kind: &'static Kind, before: &Value, after: &Value) -> Option<String> {
        let awake = |body: &Value| -> BTreeSet<String> {
            let mut changes = Vec::new();
            switch_off(&self.inert, kind, &mut body.clone(), &mut changes);
            changes.into_iter().map(|change| change.at).collect()
        };
        let before = awake(before);
        let new = awake(after).into_iter().find(|at| !before.contains(at))?;
        Some(format!(
            "this would switch on `{new}`: `activate` does that after an import, or `activations: keep` on top of `extends: clone`"
        ))
    }

    fn switch_off(&self, activations: Activations, kind: &'static Kind, body: &mut Value, changes: &mut Vec<Change>) {
        if activations == Activations::Keep {
            return;
        }
        if activations == Activations::Strip {
            strip(&self.inert, kind, body, changes);
        }
        switch_off(&self.inert, kind, body, changes);
    }

    /// What is blank no longer needs a person if one of these changes filled it, or took away what it stood in.
    fn still_blank(&self, redactions: Vec<Redaction>, body: &Value, changes: &[Change]) -> Vec<Redaction> {
        let name = |text: String| self.swaps.text(&text, super::swap::Place::Name).map_or(text, |(new, _)| new);
        let named = |one: Redaction| Redaction { at: name(one.at), place: name(one.place) };
        let needed = |one: &Redaction| !is_homeless(one, body) && !changes.iter().any(|change| fills(change, &one.at));
        redactions.into_iter().map(named).filter(needed).collect()
    }

    fn remark(&self, rule: &str, text: String) -> Remark {
        let line = self.set.rules.iter().find(|entry| entry.name == rule).and_then(|entry| entry.line);
        Remark { rule: rule.to_owned(), line, text }
    }

    fn finish(mut self, works: Vec<Work<'a>>) -> Applied {
        let warnings = self.warnings();
        self.count_moves(&works);
        let mut applied = Applied { warnings, problems: self.problems, tally: self.tally, ..Applied::default() };
        for work in works {
            match work.left_out {
                Some(reason) => {
                    applied.left_out.push(LeftOut { object: work.object.source(), key: work.object.key.clone(), reason });
                }
                None => applied.objects.push(done(work)),
            }
        }
        applied
    }

    /// Moves are carried out on all objects at once: what they did is seen in the end.
    fn count_moves(&mut self, works: &[Work<'a>]) {
        for (entry, tally) in self.set.rules.iter().zip(&mut self.tally).filter(|(entry, _)| !entry.rule.moves.0.is_empty()) {
            let made = |work: &Work<'_>| work.changes.iter().filter(|change| change.rule == entry.name).count() as u64;
            tally.objects = works.iter().filter(|work| made(work) > 0).count() as u64;
            tally.changes = works.iter().map(made).sum();
        }
    }

    fn warnings(&self) -> Vec<Remark> {
        let idle = |entry: &&Entry| match entry.rule.moves.0.is_empty() {
            true => self.tally.iter().any(|tally| tally.rule == entry.name && tally.objects == 0),
            false => !self.swaps.moved_something(&entry.name),
        };
        let rules = self.set.rules.iter().filter(|entry| entry.line.is_some()).filter(idle);
        let rules = rules.map(|entry| Remark { rule: entry.name.clone(), line: entry.line, text: "it matched nothing".into() });
        let maps = self.swaps.unused(&self.set.maps).into_iter().map(|(section, from)| Remark {
            rule: format!("maps:{section}"),
            line: None,
            text: format!("\"{from}\" matched nothing"),
        });
        rules.chain(maps).collect()
    }
}

fn begin<'a>(object: &'a Object, code: &Code) -> (Work<'a>, Option<Value>) {
    let (mut body, mut content, mut changes, mut redactions, mut unknown) = (None, None, Vec::new(), Vec::new(), Vec::new());
    match object.document() {
        Some(document) => {
            let mut projected = Value::Object(project(object.kind, &document));
            redactions = remove_redacted(&mut projected);
            unknown = unknown_settings(object.kind, &document);
            body = Some(projected);
        }
        None => content = object.body.digest(),
    }
    if let Some(new) = code.new.get(&object.source()) {
        content = Some(new.content);
        changes.clone_from(&new.changes);
    }
    let (id, key, meta) = (object.id.clone(), object.key.clone(), object.meta.clone());
    let work = Work { object, id, key, meta, body: None, content, changes, redactions, unknown, left_out: None, conflicts: None };
    (work, body)
}

/// Whether what held a blank is gone. An element of a list that no key tells from others may only have moved.
fn is_homeless(one: &Redaction, body: &Value) -> bool {
    let Some(((at, _), (home, _))) = one.at.rsplit_once('/').zip(one.place.rsplit_once('/')) else { return false };
    let is_index = |segment: &str| segment.parse::<usize>().is_ok();
    let mut there = home.split('/').any(is_index);
    let anywhere: Vec<&str> = at.split('/').map(|segment| if is_index(segment) { "*" } else { segment }).collect();
    pointer::each(body, &anywhere.join("/"), &mut |at, _| there |= keyed(body, at) == home);
    !there
}

/// Whether a rule's change put something where a blank was, or left out what it stood in. Blank elements of lists were taken
/// out, so that another may stand at their index: only what changes the list itself is about them.
fn fills(change: &Change, at: &str) -> bool {
    let Some(rest) = at.strip_prefix(change.at.as_str()).filter(|rest| rest.is_empty() || rest.starts_with('/')) else {
        return false;
    };
    let is_element = at.rsplit('/').next().is_some_and(|last| last.parse::<usize>().is_ok());
    match &change.now {
        now if empty(now.as_ref()) => !(rest.is_empty() && is_element),
        Some(Value::Array(now)) if !rest.is_empty() => {
            let was = change.was.as_ref().and_then(Value::as_array);
            is_element && rest.matches('/').count() == 1 && now.iter().any(|item| !was.is_some_and(|was| was.contains(item)))
        }
        Some(now @ Value::Object(_)) => now.pointer(rest).is_some(),
        _ => !(rest.is_empty() && is_element),
    }
}

fn done(work: Work<'_>) -> Sanitized {
    let body = match (work.body, work.content) {
        (Some(body), _) => Body::Json(body),
        (_, Some((len, sha256))) => Body::Content { len, sha256 },
        (_, None) => Body::Json(Map::new().into()),
    };
    let origin = (work.id != work.object.id).then(|| work.object.id.clone());
    Sanitized {
        kind: work.object.kind,
        id: work.id,
        key: work.key,
        origin,
        body,
        meta: work.meta,
        built_in: is_built_in(work.object),
        changes: work.changes,
        redactions: work.redactions,
        unknown: work.unknown,
        conflicts: work.conflicts,
    }
}

fn said_by(entry: &Entry, what: &str) -> String {
    let why = entry.rule.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    format!("{what} by rule \"{}\"{why}", entry.name)
}

fn changed(entry: &Entry, (at, was, now): super::diff::Field) -> Change {
    let line = || entry.line.map_or_else(|| "a built-in rule".to_owned(), |line| format!("line {line} of the rules"));
    Change { at, was, now, rule: entry.name.clone(), reason: entry.rule.why.clone().unwrap_or_else(line), activation: false }
}

/// Why a body can be sent no more after a rule.
fn unfit(kind: &'static Kind, body: &Value) -> Option<String> {
    let Value::Object(members) = body else { return Some("this leaves no object".into()) };
    let strange = members.keys().find(|name| !kind.sent().any(|(field, _)| field == name.as_str()));
    if let Some(name) = strange {
        return Some(format!("{} have no field `/{}`", kind.title, pointer::escape(name)));
    }
    let at = name_at(kind)?;
    let nameless = body.pointer(&at).is_none_or(|name| name.as_str().is_none_or(str::is_empty));
    nameless.then(|| format!("this leaves it without a name at `{at}`"))
}

/// Takes out what holds a status that starts something.
fn strip(inert: &Rules, kind: &'static Kind, body: &mut Value, changes: &mut Vec<Change>) {
    let starters = inert.of(kind.name).filter(|rule| matches!(rule.act, Act::Set(_)));
    for rule in starters {
        let Some(holder) = rule.at.strip_suffix("/pause_status") else { continue };
        let holder = holder.strip_suffix("/*").unwrap_or(holder);
        let reason = "starts, bills or notifies";
        changes.extend(pointer::remove(body, holder).into_iter().map(|(at, was)| Change {
            at,
            // What was paused at the source is nothing that `activate` puts back.
            activation: !was.to_string().contains("\"PAUSED\"") || was.to_string().contains("\"UNPAUSED\""),
            was: Some(was),
            now: None,
            rule: "activations:strip".into(),
            reason: reason.into(),
        }));
    }
}
