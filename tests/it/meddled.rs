//! A target in which half of what an import made is gone, and people changed a third of the rest: the plan says so, object by
//! object and field by field, and carrying it out makes all equal again.
//!
//! What is deleted and what is changed follows from a number. What the plan must say follows from what the workspace shows
//! before and after, not from what the planner thinks. Two numbers, unless [`crate::sweep`] asks for more: of fifty.
#![expect(clippy::unwrap_used, reason = "helpers of tests: a surprise should stop the test")]

mod hands;

use crate::import::{Bundled, SOURCE, TARGET, apply, bundle_of, everything, options, prepare, start};
use crate::kills::{Calm, calm, left};
use crate::sweep;
use hands::Hands;
use lifeboat::import::{Item, Receipt, State};
use lifeboat::journal::Journal;
use lifeboat::kinds::{self, Shape};
use lifeboat::object::Object;
use lifeboat::plan::{Action, Plan, Step};
use lifeboat::restore;
use lifeboat::simulator::{Seed, Server};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use xxhash_rust::xxh64::xxh64;

/// Numbers that follow from a number.
struct Dice {
    seed: u64,
    thrown: u64,
}

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.thrown += 1;
        usize::try_from(xxh64(&self.thrown.to_le_bytes(), self.seed) % limit.max(1) as u64).unwrap()
    }

    /// So many of these, any.
    fn some<T>(&mut self, mut all: Vec<T>, count: usize) -> (Vec<T>, Vec<T>) {
        let taken = (0..count).map(|_| all.swap_remove(self.below(all.len()))).collect();
        (taken, all)
    }
}

/// An object as the plan calls it.
type Id = (String, String);

/// A place, what is wanted there, and what people put there. `"?"` stands for whatever the new object will be called.
type Field = (String, Value, Value);

/// What a plan writes: nothing but a word, or the fields too.
#[derive(Debug, Default, PartialEq)]
struct Expected {
    words: BTreeMap<Id, &'static str>,
    fields: BTreeMap<Id, Vec<Field>>,
}

/// What an import made here: object of the target, and what the plan calls it.
fn made(objects: &[Object], plan: &Plan, receipt: &Receipt) -> Vec<(Object, Id)> {
    let known = receipt.items.iter().filter(|item| item.target_id.is_some());
    let known: BTreeMap<(&str, &str), &Item> =
        known.map(|item| ((item.source.kind.as_str(), item.target_id.as_deref().unwrap()), item)).collect();
    let of = |kind: &str, id: &str| known.get(&(kind, id)).copied();
    let attached = |object: &Object| {
        let (kind, id) = object.meta.parent()?;
        let parent = &of(&kind, &id)?.source;
        let step = plan.steps.iter().find(|step| step.source.kind == object.kind.name && step.parent.as_ref() == Some(parent))?;
        matches!(step.action, Action::Attach { .. }).then(|| step.source.id.clone())
    };
    let made = |object: &Object| of(object.kind.name, &object.id).filter(|item| item.state == State::Created);
    let named = |object: &Object| {
        let id = attached(object).or_else(|| Some(made(object)?.source.id.clone()))?;
        Some((object.clone(), (object.kind.name.to_owned(), id)))
    };
    // Some files are seen only while something refers to them, so that nobody can tell how they were.
    let seen = |object: &&Object| match object.kind.name {
        "volume_file" => false,
        "dbfs_file" => object.id.starts_with("/FileStore/"),
        _ => true,
    };
    objects.iter().filter(seen).filter_map(named).collect()
}

fn hopeless(key: &str) -> bool {
    key.ends_with("on a cluster that is gone") || key.ends_with("kv-northwind")
}

/// What is there before anybody touches it, and what is made of it.
struct Meddled {
    gone: BTreeSet<Id>,
    gone_ids: BTreeSet<String>,
    changed: BTreeSet<Id>,
}

async fn meddle(target: &Server, made: &[(Object, Id)], dice: &mut Dice) -> Meddled {
    let hands = Hands::of(target);
    let (mut gone, mut gone_ids, mut changed) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for kind in kinds::all() {
        let own: Vec<&(Object, Id)> =
            made.iter().filter(|(object, _)| object.kind.name == kind.name && !hopeless(&object.key)).collect();
        let half = if hands::can_delete(kind) { own.len().div_ceil(2) } else { 0 };
        let (deleted, rest) = dice.some(own, half);
        for (object, id) in deleted {
            hands.delete(object).await;
            gone.insert(id.clone());
            // What is called by its name keeps it.
            let by_id = ["instance_pool", "cluster_policy", "cluster", "job"].contains(&kind.name);
            gone_ids.extend(by_id.then(|| object.id.clone()));
        }
        let rest: Vec<_> = rest.into_iter().filter(|(object, _)| !hangs_on_gone(object, made, &gone)).collect();
        let third = if hands::can_change(kind) { rest.len().div_ceil(3) } else { 0 };
        for (object, id) in dice.some(rest, third).0 {
            if hands.change(object, dice).await {
                changed.insert(id.clone());
            }
        }
    }
    Meddled { gone, gone_ids, changed }
}

/// What hangs on an object goes with it.
fn hangs_on_gone(object: &Object, made: &[(Object, Id)], gone: &BTreeSet<Id>) -> bool {
    let Some((kind, id)) = object.meta.parent() else { return false };
    made.iter().any(|(one, name)| one.kind.name == kind && one.id == id && gone.contains(name))
}

/// The body of a create as the workspace shows it, without the stamp, and texts of JSON read.
fn body(object: &Object) -> Value {
    let body = object.document().and_then(|document| object.kind.body_of(&document).cloned());
    let Some(mut body) = body else { return Value::Null };
    forget_machines(&mut body);
    if object.kind.name == "permissions" {
        return json!({ "access_control_list": grants(&body) });
    }
    if let Some(members) = body.as_object_mut() {
        members.retain(|name, _| object.kind.sent().any(|(sent, _)| sent == name));
        for name in ["definition", "policy_family_definition_overrides"] {
            let read = members.get(name).and_then(Value::as_str).and_then(|text| serde_json::from_str::<Value>(text).ok());
            read.map(|read| members.insert(name.into(), read));
        }
        for tags in ["tags", "custom_tags"] {
            members.get_mut(tags).and_then(Value::as_object_mut).map(|tags| tags.shift_remove("lifeboat_source"));
        }
    }
    body
}

/// A cluster in a pool has the machines of the pool, whatever it says: what a workspace shows of them comes from there.
fn forget_machines(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if members.contains_key("instance_pool_id") {
                members.retain(|name, _| name != "node_type_id" && name != "driver_node_type_id");
            }
            members.values_mut().for_each(forget_machines);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_machines),
        _ => {}
    }
}

/// Who has what, less what comes from above, in some order that is always the same.
fn grants(document: &Value) -> Vec<Value> {
    let mut found = Vec::new();
    for row in document["access_control_list"].as_array().into_iter().flatten() {
        let who = ["user_name", "group_name", "service_principal_name"].into_iter().find(|who| row[*who].is_string()).unwrap();
        let direct = row["all_permissions"].as_array().into_iter().flatten().filter(|one| one["inherited"] != true);
        found.extend(direct.map(|one| json!({ who: row[who], "permission_level": one["permission_level"] })));
    }
    found.sort_by_key(ToString::to_string);
    found
}

/// Whatever is called by an id that is gone.
fn forget(value: &mut Value, gone: &BTreeSet<String>) {
    match value {
        Value::Object(members) => members.values_mut().for_each(|member| forget(member, gone)),
        Value::Array(items) => items.iter_mut().for_each(|item| forget(item, gone)),
        Value::String(text) if gone.contains(text.as_str()) => *value = json!("?"),
        Value::Number(number) if gone.contains(&number.to_string()) => *value = json!("?"),
        _ => {}
    }
}

fn nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.values().all(nothing),
        Value::Bool(true) => false,
    }
}

/// The places at which two bodies differ; an index of a list is told as `*`, since lists may be sorted.
fn differences(was: &Value, is: &Value, at: &str, found: &mut Vec<Field>) {
    match (was, is) {
        _ if was == is || (nothing(was) && nothing(is)) => {}
        (Value::Object(before), Value::Object(after)) if !nothing(was) && !nothing(is) => {
            let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            for name in names {
                let member = |side: &serde_json::Map<String, Value>| side.get(name).cloned().unwrap_or_default();
                differences(
                    &member(before),
                    &member(after),
                    &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")),
                    found,
                );
            }
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            for (before, after) in before.iter().zip(after) {
                differences(before, after, &format!("{at}/*"), found);
            }
        }
        _ => found.push((at.to_owned(), some(was), some(is))),
    }
}

/// Who stands first in a list of permissions, or of addresses, means nothing.
fn in_order(value: &Value) -> Value {
    let loose = |one: &Value| one["permission_level"].is_string() || one.is_string();
    let Some(mut entries) = value.as_array().filter(|list| list.iter().all(loose)).cloned() else { return value.clone() };
    entries.sort_by_key(ToString::to_string);
    Value::Array(entries)
}

fn some(value: &Value) -> Value {
    if nothing(value) { Value::Null } else { in_order(value) }
}

fn expected(before: &[(Object, Id)], after: &[Object], meddled: &Meddled) -> Expected {
    let mut expected = Expected::default();
    for (object, id) in before.iter().filter(|(object, _)| !hopeless(&object.key)) {
        if meddled.gone.contains(id) {
            expected.words.insert(id.clone(), "create");
        } else if hangs_on_gone(object, before, &meddled.gone) {
            expected.words.insert(id.clone(), "attach");
        } else {
            let same = |one: &&Object| one.kind.name == object.kind.name && one.id == object.id;
            let now = after.iter().find(same).unwrap_or_else(|| panic!("{id:?} went with something else"));
            changes(object, now, id, meddled, &mut expected);
        }
    }
    expected
}

/// What became of an object that is still there.
fn changes(was: &Object, is: &Object, id: &Id, meddled: &Meddled, expected: &mut Expected) {
    let word = if matches!(was.kind.shape, Shape::Attached(_)) { "attach" } else { "update" };
    if was.kind.body.is_empty() || was.document().is_none() {
        if was.body.digest() != is.body.digest() {
            expected.words.insert(id.clone(), word);
        }
        return;
    }
    let (mut wanted, mut found) = (body(was), Vec::new());
    forget(&mut wanted, &meddled.gone_ids);
    differences(&wanted, &body(is), "", &mut found);
    if !found.is_empty() {
        expected.words.insert(id.clone(), word);
        found.sort_by(|one, other| one.0.cmp(&other.0));
        expected.fields.insert(id.clone(), found);
    }
}

/// What the plan writes, in the same form.
fn planned(plan: &Plan) -> Expected {
    let mut found = Expected::default();
    for step in plan.steps.iter().filter(|step| step.action.writes() && !step.implied && !hopeless(&step.key)) {
        let id = (step.source.kind.clone(), step.source.id.clone());
        let fields = fields(step);
        if !fields.is_empty() {
            found.fields.insert(id.clone(), fields);
        }
        let word = step.action.name();
        // Members are what completes a group.
        let word = if word == "complete" { "update" } else { word };
        found.words.entry(id).or_insert(word);
    }
    found
}

fn fields(step: &Step) -> Vec<Field> {
    let differences = match &step.action {
        Action::Update { differences, .. } | Action::Attach { differences, .. } => differences,
        Action::Complete { target: Some(_), body } => {
            return body.keys().map(|name| (format!("/{name}"), Value::Null, Value::Null)).collect();
        }
        _ => return Vec::new(),
    };
    let starred =
        |at: &str| at.split('/').map(|part| if part.parse::<usize>().is_ok() { "*" } else { part }).collect::<Vec<_>>().join("/");
    let value = |value: &Option<Value>| value.as_ref().map_or(Value::Null, some);
    let mut fields: Vec<Field> = differences.iter().map(|one| (starred(&one.at), value(&one.want), value(&one.have))).collect();
    fields.sort_by(|one, other| one.0.cmp(&other.0));
    fields
}

/// Where the plan says something else than what happened.
fn disagreements(expected: &Expected, planned: &Expected) -> Vec<String> {
    let ids: BTreeSet<&Id> = expected.words.keys().chain(planned.words.keys()).collect();
    let mut wrong = Vec::new();
    for id in ids {
        let (want, have) = (expected.words.get(id), planned.words.get(id));
        if want != have {
            wrong.push(format!(
                "{id:?}: happened {want:?} {:?}, planned {have:?} {:?}",
                expected.fields.get(id),
                planned.fields.get(id)
            ));
        } else if !same(&id.0, expected.fields.get(id), planned.fields.get(id)) {
            wrong.push(format!("{id:?}: happened {:#?}, planned {:#?}", expected.fields.get(id), planned.fields.get(id)));
        }
    }
    wrong
}

/// Where a workspace fills in something of its own, nobody may have asked for what it shows.
const SERVERS_OWN: [(&str, &str); 1] = [("instance_pool", "/idle_instance_autotermination_minutes")];

/// To people a plan gives what they lack, so that there is no more to compare than which field it is.
fn same(kind: &str, happened: Option<&Vec<Field>>, planned: Option<&Vec<Field>>) -> bool {
    let (happened, planned) = (happened.map_or(&[][..], Vec::as_slice), planned.map_or(&[][..], Vec::as_slice));
    let people = ["user", "group", "service_principal"].contains(&kind);
    let open = |value: &Value| value.to_string().contains("\"?\"");
    let default = |other: &Field| other.1.is_null() && SERVERS_OWN.contains(&(kind, &other.0));
    let alike = |one: &Field, other: &Field| one.2 == other.2 && (open(&one.1) || default(other) || one.1 == other.1);
    let pair = |(one, other): (&Field, &Field)| one.0 == other.0 && (people || alike(one, other));
    happened.len() == planned.len() && happened.iter().zip(planned).all(pair)
}

/// Everything that is wrong with the way back from what one number makes of a target.
async fn round(calm: &Calm, bundled: &Bundled, seed: u64) -> Vec<String> {
    let (target, state) = (start(Seed::Prepared, TARGET).await, tempfile::tempdir().unwrap());
    let options = restore::Options { journals: Some(state.path().to_owned()), ..options() };
    let plan = prepare(bundled, &target, &options).await;
    let mut journal = Journal::open(state.path(), TARGET, SOURCE, &plan.source.digest).unwrap();
    let receipt = apply(bundled, &plan, &target, &mut journal).await;
    // A second look, since what is stopped takes a moment.
    everything(&target).await;
    let before = made(&everything(&target).await, &plan, &receipt);
    let mut dice = Dice { seed, thrown: 0 };
    let meddled = meddle(&target, &before, &mut dice).await;
    let expected = expected(&before, &everything(&target).await, &meddled);
    let (updates, fields) = (expected.words.values().filter(|word| **word != "create").count(), expected.fields.len());
    assert!(
        meddled.gone.len() > 50 && meddled.changed.len() > 20 && updates > 20 && fields > 15,
        "{} {} {updates} {fields}",
        meddled.gone.len(),
        meddled.changed.len(),
    );
    let again = prepare(bundled, &target, &options).await;
    let mut wrong = disagreements(&expected, &planned(&again));
    apply(bundled, &again, &target, &mut journal).await;
    wrong.extend(left(&calm.source, &target).await.faults(&calm.left));
    let rest = planned(&prepare(bundled, &target, &options).await);
    wrong.extend(rest.words.iter().map(|one| format!("written once more: {one:?} {:?}", rest.fields.get(one.0))));
    wrong
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_for_a_target_that_people_changed_is_right_field_by_field() {
    let bundled = Arc::new(bundle_of(Seed::Sample).await);
    let calm = Arc::new(calm(&bundled).await);
    sweep::run(0..sweep::count(2, 50), |seed| {
        let (calm, bundled) = (calm.clone(), bundled.clone());
        async move { round(&calm, &bundled, seed).await }
    })
    .await;
}
