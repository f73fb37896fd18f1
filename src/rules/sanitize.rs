//! One object made safe: projected, switched off, without what was blanked; with a record of each change.

use super::project::{project, remove_exactly, unknown_settings};
use super::{Act, Conflicts, Rule, Rules, place};
use crate::kinds::{Kind, Shape};
use crate::object::{self, Object, REDACTED, SourceId};
use crate::packed::{Meta, Packed};
use crate::pointer;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// An object that may be planned and sent. Only [`sanitize`] and [`super::RuleSet::apply`] make one.
#[derive(Clone, Debug)]
pub struct Sanitized {
    pub(super) kind: &'static Kind,
    pub(super) id: String,
    pub(super) key: String,
    pub(super) origin: Option<String>,
    pub(super) body: Body,
    pub(super) meta: Meta,
    pub(super) built_in: bool,
    pub(super) changes: Vec<Change>,
    pub(super) redactions: Vec<Redaction>,
    pub(super) unknown: Vec<String>,
    pub(super) conflicts: Option<Conflicts>,
}

/// What a sanitized object holds.
#[derive(Clone, Debug)]
pub enum Body {
    /// The body of a create, under the document's own field names.
    Json(Packed),
    /// Bytes that stay in the bundle until they are sent.
    Content {
        /// Length in bytes.
        len: u64,
        /// SHA-256 of the bytes.
        sha256: [u8; 32],
    },
}

impl Body {
    /// Whether it is bytes, and no document.
    pub fn is_content(&self) -> bool {
        matches!(self, Self::Content { .. })
    }
}

/// What a rule did, and what stood there before: `activate` puts it back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// Exact pointer below the body.
    pub at: String,
    /// What stood there; absent where nothing did.
    pub was: Option<Value>,
    /// What stands there now; absent where it was left out.
    pub now: Option<Value>,
    /// Name of the rule.
    pub rule: String,
    /// Why.
    pub reason: String,
    /// Whether it switched something off: then what a person switched on in the target since stays on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub activation: bool,
}

/// A secret that the bundle does not hold, so that a person must set it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redaction {
    /// What was left out: pointer below the body.
    pub at: String,
    /// The same with elements of lists by their keys instead of their positions, so that it names one place in two workspaces.
    pub place: String,
}

impl Sanitized {
    /// What it is.
    pub fn kind(&self) -> &'static Kind {
        self.kind
    }

    /// Its id in the workspace where it was read; the path for what has one, as rules moved it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its natural key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Its id in the bundle, if rules gave it another.
    pub fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }

    /// Kind and id.
    pub fn source(&self) -> SourceId {
        SourceId { kind: self.kind.name.to_owned(), id: self.id.clone() }
    }

    /// What it holds.
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// The body of a create, for what is a document.
    pub fn json(&self) -> Option<Map<String, Value>> {
        match &self.body {
            Body::Json(body) => Some(body.members()),
            Body::Content { .. } => None,
        }
    }

    /// What is known beside the body.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// Whether every workspace has it, so that it is matched and never made.
    pub fn built_in(&self) -> bool {
        self.built_in
    }

    /// What the rules changed.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// What was switched off.
    pub fn switched_off(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.activation)
    }

    /// Secrets that were left out.
    pub fn redactions(&self) -> &[Redaction] {
        &self.redactions
    }

    /// What becomes of what people changed in the target, if rules say so.
    pub fn conflicts(&self) -> Option<Conflicts> {
        self.conflicts
    }

    /// Settings that the table does not know, and that were left out.
    pub fn unknown(&self) -> &[String] {
        &self.unknown
    }
}

/// Makes one object safe to restore, by these rules alone.
pub fn sanitize(rules: &Rules, object: &Object) -> Sanitized {
    let mut changes = Vec::new();
    let (mut redactions, mut unknown) = (Vec::new(), Vec::new());
    let body = match (object.document(), object.body.digest()) {
        (_, Some((len, sha256))) => Body::Content { len, sha256 },
        (document, None) => {
            let document = document.unwrap_or_default();
            let mut body = Value::Object(project(object.kind, &document));
            unknown = unknown_settings(object.kind, &document);
            redactions = remove_redacted(&mut body);
            switch_off(rules, object.kind, &mut body, &mut changes);
            Body::Json(Packed::of(&body))
        }
    };
    let built_in = is_built_in(object);
    let (id, key, meta) = (object.id.clone(), object.key.clone(), object.meta.clone());
    Sanitized { kind: object.kind, id, key, origin: None, body, meta, built_in, changes, redactions, unknown, conflicts: None }
}

/// Switches off what starts, bills or notifies.
pub(super) fn switch_off(rules: &Rules, kind: &Kind, body: &mut Value, changes: &mut Vec<Change>) {
    rules.of(kind.name).for_each(|rule| apply(rule, body, changes));
}

/// Switches off what starts, bills or notifies, whatever rules said of it.
pub(crate) fn stop(kind: &Kind, body: &mut Value) -> Vec<Change> {
    let mut changes = Vec::new();
    switch_off(&Rules::standby(), kind, body, &mut changes);
    changes
}

/// The body of an object that a target has, in the form that [`super::equal`] compares: projected, without what was blanked.
pub fn comparable(object: &Object) -> Map<String, Value> {
    let mut body = Value::Object(object.document().map(|document| project(object.kind, &document)).unwrap_or_default());
    remove_redacted(&mut body);
    if let Value::Object(body) = body { body } else { Map::new() }
}

pub(super) fn is_built_in(object: &Object) -> bool {
    let Shape::Collection(collection) = &object.kind.shape else { return false };
    collection.built_in.is_some_and(|built_in| object.document().is_some_and(|document| built_in(&document)))
}

fn apply(rule: &Rule, body: &mut Value, changes: &mut Vec<Change>) {
    let note = |at: String, was: Option<Value>, now: Option<Value>| Change {
        at,
        was,
        now,
        rule: rule.name.clone(),
        reason: rule.reason.clone(),
        activation: true,
    };
    match &rule.act {
        Act::Remove => {
            let removed = pointer::remove(body, &rule.at);
            changes.extend(removed.into_iter().map(|(at, was)| note(at, Some(was), None)));
        }
        Act::SetWhereThere(now) => {
            let field = rule.at.rsplit('/').next().unwrap_or_default();
            set_everywhere(body, field, now, &mut String::new(), &mut |at, was| {
                changes.push(note(at, Some(was), Some(now.clone())));
            });
        }
        Act::Set(now) => set_each(body, &rule.at, now, &mut |at, was| changes.push(note(at, was, Some(now.clone())))),
    }
}

/// Sets a member of every object that `at` leads to, also where it is absent; tells of real changes.
fn set_each(body: &mut Value, at: &str, now: &Value, told: &mut dyn FnMut(String, Option<Value>)) {
    let Some((parent, field)) = at.rsplit_once('/') else { return };
    pointer::edit(body, parent, &mut |place, holder| {
        let Some(holder) = holder.as_object_mut() else { return false };
        let was = holder.insert(field.to_owned(), now.clone());
        let same = was.as_ref() == Some(now) || (was.is_none() && super::equal::blank(now));
        if !same {
            told(format!("{place}/{field}"), was);
        }
        true
    });
}

/// Sets a member of this name wherever one stands, at any depth; tells of real changes.
fn set_everywhere(value: &mut Value, field: &str, now: &Value, at: &mut String, told: &mut dyn FnMut(String, Value)) {
    let length = at.len();
    let mut below = |name: &str, value: &mut Value, told: &mut dyn FnMut(String, Value)| {
        at.push('/');
        at.push_str(&pointer::escape(name));
        if name == field && value.is_string() && value != now {
            told(at.clone(), std::mem::replace(value, now.clone()));
        }
        set_everywhere(value, field, now, at, told);
        at.truncate(length);
    };
    match value {
        Value::Object(members) => members.iter_mut().for_each(|(name, value)| below(name, value, told)),
        Value::Array(items) => items.iter_mut().enumerate().for_each(|(index, value)| below(&index.to_string(), value, told)),
        _ => {}
    }
}

/// A body that was kept somewhere, without what was blanked in it, ready to be compared.
pub(crate) fn without_blanks(body: Map<String, Value>) -> Map<String, Value> {
    let mut body = Value::Object(body);
    remove_redacted(&mut body);
    if let Value::Object(body) = body { body } else { Map::new() }
}

/// Takes out every value that was blanked, and what makes no sense without it. An address keeps all but its login: without
/// the address, packages and code would come from elsewhere.
pub(super) fn remove_redacted(body: &mut Value) -> Vec<Redaction> {
    let mut found = Blanked::default();
    found.look(body, &mut String::new());
    let mut gone: Vec<String> = found.whole.iter().map(|at| whole(at).to_owned()).collect();
    gone.sort();
    gone.dedup();
    let mut told: Vec<String> = gone.iter().cloned().chain(found.mended).collect();
    told.sort();
    let told = told.into_iter().map(|at| Redaction { place: place::keyed(body, &at), at }).collect();
    remove_exactly(body, gone);
    told
}

/// Half of a login is refused, and so is a policy's attribute without its value: the whole goes.
fn whole(at: &str) -> &str {
    let Some((parent, _)) = at.rsplit_once('/') else { return at };
    let inside_text = at.split('/').any(|segment| segment == "#");
    // One value of an attribute's list: without it the attribute would allow something else.
    if let Some(attribute) = parent.strip_suffix("/values").filter(|_| inside_text) {
        return attribute;
    }
    if inside_text || parent.ends_with("/basic_auth") { parent } else { at }
}

/// Where something was blanked.
#[derive(Default)]
struct Blanked {
    /// The value is of no use.
    whole: Vec<String>,
    /// The value lost a login, and is of use.
    mended: Vec<String>,
}

impl Blanked {
    fn look(&mut self, value: &mut Value, at: &mut String) {
        match value {
            Value::Object(members) => {
                members.iter_mut().for_each(|(name, value)| self.below(&pointer::escape(name), value, at));
            }
            Value::Array(items) => {
                items.iter_mut().enumerate().for_each(|(index, item)| self.below(&index.to_string(), item, at));
            }
            Value::String(text) if text.contains(REDACTED) => self.text(text, at),
            _ => {}
        }
    }

    fn text(&mut self, text: &mut String, at: &mut String) {
        if let Ok(mut inner @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str::<Value>(text) {
            let before = self.mended.len();
            self.below("#", &mut inner, at);
            if self.mended.len() > before {
                *text = inner.to_string();
            }
            return;
        }
        match object::without_login(text) {
            Some(clean) => {
                *text = clean;
                self.mended.push(at.clone());
            }
            None => self.whole.push(at.clone()),
        }
    }

    fn below(&mut self, segment: &str, value: &mut Value, at: &mut String) {
        let length = at.len();
        at.push('/');
        at.push_str(segment);
        self.look(value, at);
        at.truncate(length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::made;
    use serde_json::json;

    fn object(kind: &str, document: Value) -> Object {
        made::object(kind, "1", "k", document)
    }

    fn clean(kind: &str, document: Value) -> Sanitized {
        sanitize(&Rules::standby(), &object(kind, document))
    }

    #[test]
    fn a_status_in_an_unheard_of_place_is_paused_as_well() {
        let settings = json!({"name": "x", "triggers": [{"pause_status": "UNPAUSED", "schedule": {"pause_status": "UNPAUSED"}}]});
        let job = object("job", json!({"job_id": 1, "settings": settings}));
        let clean = sanitize(&Rules::standby(), &job);
        let body = Value::Object(clean.json().unwrap_or_default());
        assert_eq!(body.pointer("/triggers/0/schedule/pause_status"), Some(&json!("PAUSED")));
        assert_eq!(clean.changes().len(), 2, "{:?}", clean.changes());
    }

    #[test]
    fn whatever_starts_a_job_is_paused_and_remembered() {
        let job = clean(
            "job",
            json!({"settings": {"name": "j", "schedule": {"quartz_cron_expression": "x"}, "continuous": {"pause_status": "PAUSED"},
                "trigger": {"file_arrival": {}, "pause_status": "UNPAUSED"},
                "triggers": [{"schedule": {"quartz_cron_expression": "y"}}, {"table_update": {}, "pause_status": "UNPAUSED"}]}}),
        );
        let body = Value::Object(job.json().expect("a document"));
        for at in ["/schedule", "/continuous", "/trigger", "/triggers/0", "/triggers/1"] {
            assert_eq!(body.pointer(&format!("{at}/pause_status")), Some(&json!("PAUSED")), "{at}");
        }
        let was: Vec<_> = job.changes().iter().map(|change| (change.at.as_str(), change.was.clone())).collect();
        let below = body.pointer("/triggers/0/schedule/pause_status");
        assert_eq!(below, None, "below `triggers` only the entry has a status");
        assert_eq!(was.len(), 4, "what was paused already is no change: {was:?}");
        assert!(
            was.contains(&("/trigger/pause_status", Some(json!("UNPAUSED")))) && was.contains(&("/schedule/pause_status", None))
        );
    }

    #[test]
    fn pools_idle_scripts_and_enforcement_are_off() {
        let pool = clean("instance_pool", json!({"instance_pool_name": "p", "min_idle_instances": 4}));
        assert_eq!(pool.json().and_then(|body| body.get("min_idle_instances").cloned()), Some(json!(0)));
        assert_eq!(pool.changes()[0].was, Some(json!(4)));
        assert!(clean("global_init_script", json!({"name": "s"})).changes().is_empty(), "off already");
        let policy = clean("cluster_policy", json!({"name": "p", "auto_enforcement_config": {"enforce_mode": "X"}}));
        assert!(policy.json().is_some_and(|body| !body.contains_key("auto_enforcement_config")));
        assert_eq!(policy.changes()[0].now, None);
    }

    #[test]
    fn what_was_blanked_is_left_out_and_told() {
        let cluster = clean(
            "cluster",
            json!({"spec": {"cluster_name": "c", "docker_image": {"url": "u", "basic_auth": {"username": "x", "password": REDACTED}},
                "spark_conf": {"a": "b", "fs.azure.account.key.x": REDACTED}}}),
        );
        let body = cluster.json().expect("a document");
        assert_eq!(body["docker_image"], json!({"url": "u"}), "half a login is no use");
        assert_eq!(body["spark_conf"], json!({"a": "b"}));
        let at: Vec<_> = cluster.redactions().iter().map(|one| one.at.as_str()).collect();
        assert_eq!(at, ["/docker_image/basic_auth", "/spark_conf/fs.azure.account.key.x"]);
    }

    #[test]
    fn an_address_keeps_all_but_its_login() {
        let index = format!("https://me:{REDACTED}@pypi.example.com/simple");
        let job = clean(
            "job",
            json!({"settings": {"name": "j", "git_source": {"git_url": format!("https://{REDACTED}@dev.azure.com/x"), "git_provider": "azureDevOpsServices"},
                "environments": [{"environment_key": "e", "spec": {"dependencies": [format!("--index-url {index}"), format!("--token {REDACTED} {index}")]}}],
                "tasks": [{"task_key": "a", "libraries": [{"pypi": {"package": "x", "repo": index}}]}]}}),
        );
        let body = Value::Object(job.json().expect("a document"));
        assert_eq!(body.pointer("/git_source/git_url"), Some(&json!("https://dev.azure.com/x")));
        assert_eq!(body.pointer("/tasks/0/libraries/0/pypi/repo"), Some(&json!("https://pypi.example.com/simple")));
        assert_eq!(
            body.pointer("/environments/0/spec/dependencies"),
            Some(&json!(["--index-url https://pypi.example.com/simple"]))
        );
        assert_eq!(job.redactions().len(), 4, "{:?}", job.redactions());
    }

    #[test]
    fn a_blanked_attribute_of_a_policy_goes_whole() {
        let definition =
            json!({"spark_conf.my.secret": {"type": "fixed", "value": REDACTED}, "x": {"type": "fixed", "value": 1}});
        let policy = clean("cluster_policy", json!({"name": "p", "definition": definition.to_string()}));
        let body = policy.json().expect("a document");
        assert_eq!(body["definition"], json!(r#"{"x":{"type":"fixed","value":1}}"#));
        assert_eq!(policy.redactions()[0].at, "/definition/#/spark_conf.my.secret");
    }

    #[test]
    fn no_trace_of_a_blanked_value_is_left() {
        let job = clean(
            "job",
            json!({"settings": {"name": "j", "tasks": [{"task_key": "a", "new_cluster": {"spark_env_vars": {"A_TOKEN": REDACTED}}},
            {"task_key": "b", "params": [REDACTED, "x", REDACTED]}]}}),
        );
        let text = Value::Object(job.json().expect("a document")).to_string();
        assert!(!text.contains(REDACTED) && text.contains("\"x\""), "{text}");
        assert_eq!(job.redactions().len(), 3);
    }
}
