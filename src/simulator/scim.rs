//! SCIM 2.0 (RFC 7644) as `/api/2.0/preview/scim/v2` speaks it: users, groups, service principals, and who is calling.

use super::call::{Answer, Call, Content, Fields, Problem, Reply};
use super::world::World;
use super::{scim_edit, scim_filter};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Kind {
    #[default]
    User,
    Group,
    ServicePrincipal,
}

/// A user, group or service principal.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Principal {
    pub(super) id: String,
    pub(super) kind: Kind,
    pub(super) user_name: String,
    pub(super) application_id: String,
    pub(super) display_name: String,
    pub(super) given_name: String,
    pub(super) family_name: String,
    pub(super) external_id: Option<String>,
    pub(super) active: bool,
    /// Direct ones only.
    pub(super) entitlements: Vec<String>,
    pub(super) roles: Vec<String>,
    /// Ids of a group's direct members.
    pub(super) members: Vec<String>,
}

impl Kind {
    fn of_noun(noun: &str) -> Option<Self> {
        match noun {
            "Users" => Some(Self::User),
            "Groups" => Some(Self::Group),
            "ServicePrincipals" => Some(Self::ServicePrincipal),
            _ => None,
        }
    }

    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::User => "Users",
            Self::Group => "Groups",
            Self::ServicePrincipal => "ServicePrincipals",
        }
    }

    fn schema(self) -> &'static str {
        match self {
            Self::User => "urn:ietf:params:scim:schemas:core:2.0:User",
            Self::Group => "urn:ietf:params:scim:schemas:core:2.0:Group",
            Self::ServicePrincipal => "urn:ietf:params:scim:schemas:core:2.0:ServicePrincipal",
        }
    }
}

impl Principal {
    pub(super) fn of(kind: Kind) -> Self {
        Self { kind, active: true, ..Self::default() }
    }

    pub(super) fn built_in(&self) -> bool {
        self.kind == Kind::Group && matches!(self.display_name.as_str(), "users" | "admins")
    }

    /// The name by which grants know it.
    pub(super) fn grant_name(&self) -> &str {
        match self.kind {
            Kind::User => &self.user_name,
            Kind::Group => &self.display_name,
            Kind::ServicePrincipal => &self.application_id,
        }
    }

    fn shown(&self) -> &str {
        if self.display_name.is_empty() { self.grant_name() } else { &self.display_name }
    }
}

pub(super) fn answer(world: &mut World, call: &Call, rest: &[&str]) -> Answer {
    let (noun, id) = match rest {
        ["Me"] if call.method == "GET" => return me(world, call),
        [noun] => (*noun, None),
        [noun, id] => (*noun, Some(*id)),
        _ => return Err(Problem::no_endpoint(call)),
    };
    let kind = Kind::of_noun(noun).ok_or_else(|| Problem::no_endpoint(call))?;
    match (call.method.as_str(), id) {
        ("GET", None) => list(world, call, kind),
        ("POST", None) => create(world, call, kind),
        ("GET", Some(id)) => {
            let principal = world.principal(kind, id)?;
            sent(200, selected(call, principal.rendered(&Parents::of(world), world)))
        }
        ("PUT", Some(id)) => scim_edit::put(world, call, kind, id),
        ("PATCH", Some(id)) => scim_edit::patch(world, call, kind, id),
        ("DELETE", Some(id)) => delete(world, kind, id),
        _ => Err(Problem::no_endpoint(call)),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "handlers end in it")]
pub(super) fn sent(status: u16, value: Map<String, Value>) -> Answer {
    Ok(Reply::new(status, Content::Scim(Value::Object(value))))
}

/// The calling identity; its groups tell whether it is an admin.
fn me(world: &World, call: &Call) -> Answer {
    let same = |one: &Principal| one.kind != Kind::Group && one.grant_name().eq_ignore_ascii_case(&call.caller);
    let missing = || Problem::scim(404, "", "Caller not found");
    let caller = world.principals.values().find(|one| same(one)).ok_or_else(missing)?;
    let mut shown = caller.rendered(&Parents::of(world), world);
    // A service principal that asks is told its application id as its user name.
    shown.entry("userName").or_insert(json!(caller.grant_name()));
    sent(200, selected(call, shown))
}

fn list(world: &World, call: &Call, kind: Kind) -> Answer {
    let filter = call.query("filter").map(scim_filter::parse).transpose()?;
    let parents = Parents::of(world);
    let of_kind = world.principals.values().filter(|one| one.kind == kind);
    let all =
        of_kind.map(|one| one.rendered(&parents, world)).filter(|one| filter.as_ref().is_none_or(|filter| filter.fits(one)));
    let mut all: Vec<_> = all.collect();
    if let Some(by) = call.query("sortBy") {
        all.sort_by_key(|one| one.get(by).map(ToString::to_string));
        if call.query("sortOrder") == Some("descending") {
            all.reverse();
        }
    }
    let first = usize::try_from(call.number("startIndex")?.unwrap_or(1).max(1)).unwrap_or(1);
    let size = world.page(call.number("count")?, 100, 10_000);
    let total = all.len();
    let left: Vec<_> = all.into_iter().skip(first - 1).collect();
    // A page that is not the last shows one entry less than it could: a short page does not mean the end.
    let shown = if left.len() > size && size > 1 { size - 1 } else { size };
    let page: Vec<_> = left.into_iter().take(shown).map(|one| Value::Object(selected(call, one))).collect();
    let mut answer = Map::new();
    answer.insert("totalResults".into(), json!(total));
    answer.insert("startIndex".into(), json!(first));
    answer.insert("itemsPerPage".into(), json!(page.len()));
    answer.insert("schemas".into(), json!(["urn:ietf:params:scim:api:messages:2.0:ListResponse"]));
    if !page.is_empty() {
        answer.insert("Resources".into(), Value::Array(page));
    }
    sent(200, answer)
}

fn create(world: &mut World, call: &Call, kind: Kind) -> Answer {
    let body = call.json()?;
    let mut principal = Principal::of(kind);
    match kind {
        Kind::User => principal.user_name = required(&body, "userName")?.to_lowercase(),
        Kind::Group => required(&body, "displayName")?.clone_into(&mut principal.display_name),
        Kind::ServicePrincipal => principal.application_id = application_id(world, &body)?,
    }
    scim_edit::overlay(world, &mut principal, &body)?;
    refuse_twin(world, &principal)?;
    let id = world.add_principal(principal);
    let principal = world.principal(kind, &id)?;
    sent(201, principal.rendered(&Parents::of(world), world))
}

fn required<'a>(body: &'a Map<String, Value>, name: &str) -> Result<&'a str, Problem> {
    body.text(name).ok_or_else(|| Problem::scim(400, "invalidValue", format!("Missing required attribute: {name}")))
}

/// Entra ID brings its own application id; otherwise the service makes one.
fn application_id(world: &mut World, body: &Map<String, Value>) -> Result<String, Problem> {
    match body.text("applicationId").filter(|_| world.keep_application_ids) {
        Some(id) if id.len() == 36 => Ok(id.to_owned()),
        Some(id) => Err(Problem::scim(400, "invalidValue", format!("Invalid application ID {id}"))),
        None if body.contains_key("displayName") => Ok(world.uuid()),
        None => Err(Problem::scim(400, "invalidValue", "Missing required attribute: displayName")),
    }
}

fn refuse_twin(world: &World, new: &Principal) -> Result<(), Problem> {
    let same = |old: &&Principal| old.kind == new.kind && old.grant_name().eq_ignore_ascii_case(new.grant_name());
    let Some(old) = world.principals.values().find(same) else { return Ok(()) };
    let message = match old.kind {
        Kind::User => format!("User with username {} already exists.", old.user_name),
        Kind::Group => format!("Group with name {} already exists.", old.display_name),
        Kind::ServicePrincipal => format!("Service principal with application ID {} already exists.", old.application_id),
    };
    Err(Problem::scim(409, "uniqueness", message))
}

fn delete(world: &mut World, kind: Kind, id: &str) -> Answer {
    if world.principal(kind, id)?.built_in() {
        return Err(Problem::scim(403, "", "Cannot delete a built-in group"));
    }
    world.principals.remove(id);
    for group in world.principals.values_mut() {
        group.members.retain(|member| member != id);
    }
    Reply::status(204)
}

/// Applies `attributes` and `excludedAttributes`; `id` and `schemas` always stay.
fn selected(call: &Call, mut one: Map<String, Value>) -> Map<String, Value> {
    let names =
        |query: &str| call.query(query).map(|text| text.split(',').map(|name| name.trim().to_lowercase()).collect::<Vec<_>>());
    let holds = |list: &[String], key: &str| list.iter().any(|name| name.split('.').next() == Some(key.to_lowercase().as_str()));
    if let Some(wanted) = names("attributes") {
        one.retain(|key, _| key == "id" || key == "schemas" || holds(&wanted, key));
    }
    if let Some(unwanted) = names("excludedAttributes") {
        one.retain(|key, _| key == "id" || key == "schemas" || !holds(&unwanted, key));
    }
    one
}

/// The groups in which each principal is a direct member.
pub(super) struct Parents(BTreeMap<String, Vec<String>>);

impl Parents {
    pub(super) fn of(world: &World) -> Self {
        let mut parents = BTreeMap::<_, Vec<_>>::new();
        for group in world.principals.values() {
            for member in &group.members {
                parents.entry(member.clone()).or_default().push(group.id.clone());
            }
        }
        Self(parents)
    }

    fn direct(&self, id: &str) -> &[String] {
        self.0.get(id).map_or(&[], Vec::as_slice)
    }

    /// All groups above, direct ones included; a circle ends where it began.
    fn all(&self, id: &str) -> BTreeSet<String> {
        let (mut found, mut open) = (BTreeSet::new(), self.direct(id).to_vec());
        while let Some(next) = open.pop() {
            if found.insert(next.clone()) {
                open.extend_from_slice(self.direct(&next));
            }
        }
        found
    }
}

impl Principal {
    fn rendered(&self, parents: &Parents, world: &World) -> Map<String, Value> {
        let mut one = Map::new();
        let mut put = |key: &str, value: Value| one.insert(key.to_owned(), value);
        put("schemas", json!([self.kind.schema()]));
        put("id", json!(self.id));
        match self.kind {
            Kind::User => {
                put("userName", json!(self.user_name));
                put("emails", json!([{ "type": "work", "value": self.user_name, "primary": true }]));
                put("name", json!({ "givenName": self.given_name, "familyName": self.family_name }));
            }
            Kind::ServicePrincipal => {
                put("applicationId", json!(self.application_id));
            }
            Kind::Group => {
                put("meta", json!({ "resourceType": "WorkspaceGroup" }));
            }
        }
        put("displayName", json!(self.shown()));
        if self.kind != Kind::Group {
            put("active", json!(self.active));
        }
        if let Some(external) = &self.external_id {
            put("externalId", json!(external));
        }
        let values = |list: &[String]| Value::Array(list.iter().map(|value| json!({ "value": value })).collect());
        for (key, list) in [("entitlements", values(&self.entitlements)), ("roles", values(&self.roles))] {
            if list != json!([]) {
                put(key, list);
            }
        }
        let groups = self.groups(parents, world);
        if !groups.is_empty() {
            put("groups", Value::Array(groups));
        }
        let members: Vec<_> = self.members.iter().filter_map(|id| world.principals.get(id)).map(reference).collect();
        if !members.is_empty() {
            put("members", Value::Array(members));
        }
        put("undocumented_origin", json!("workspace"));
        one
    }

    fn groups(&self, parents: &Parents, world: &World) -> Vec<Value> {
        let direct = parents.direct(&self.id);
        let above = parents.all(&self.id).into_iter().filter_map(|id| world.principals.get(&id));
        let with_type = |group: &Principal| {
            let mut value = reference(group);
            value["type"] = json!(if direct.contains(&group.id) { "direct" } else { "indirect" });
            value
        };
        above.map(with_type).collect()
    }
}

fn reference(one: &Principal) -> Value {
    json!({ "value": one.id, "display": one.shown(), "$ref": format!("{}/{}", one.kind.noun(), one.id) })
}

impl World {
    pub(super) fn principal(&self, kind: Kind, id: &str) -> Result<&Principal, Problem> {
        let missing = || Problem::scim(404, "", format!("{} with id {id} not found.", kind.noun().trim_end_matches('s')));
        self.principals.get(id).filter(|one| one.kind == kind).ok_or_else(missing)
    }

    pub(super) fn user(&self, name: &str) -> Option<&Principal> {
        self.principals.values().find(|one| one.kind == Kind::User && one.user_name.eq_ignore_ascii_case(name))
    }

    pub(super) fn group_mut(&mut self, name: &str) -> Option<&mut Principal> {
        self.principals.values_mut().find(|one| one.kind == Kind::Group && one.display_name == name)
    }

    /// The principal that a grant names; user names and application ids in any case.
    pub(super) fn granted(&self, field: &str, who: &str) -> Option<&Principal> {
        self.principals.values().find(|one| match field {
            "user_name" => one.kind == Kind::User && one.user_name.eq_ignore_ascii_case(who),
            "group_name" => one.kind == Kind::Group && one.display_name == who,
            _ => one.kind == Kind::ServicePrincipal && one.application_id.eq_ignore_ascii_case(who),
        })
    }

    /// Adds a principal, its home, and its place in the group of all users.
    pub(super) fn add_principal(&mut self, mut one: Principal) -> String {
        if one.id.is_empty() {
            one.id = self.number().to_string();
        }
        let id = one.id.clone();
        if one.kind != Kind::Group {
            let home = format!("/Users/{}", one.grant_name());
            self.make_folder(&home);
            if let Some(users) = self.group_mut("users").filter(|users| !users.members.contains(&id)) {
                users.members.push(id.clone());
            }
        }
        self.principals.insert(id.clone(), one);
        id
    }
}
