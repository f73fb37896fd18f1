//! Effective access: against a model that knows nothing of it, and as a person asks.
#![expect(clippy::unwrap_used, reason = "helpers of tests: a surprise should stop the test")]

mod model;

use lifeboat::access::{Access, Source};
use lifeboat::kinds;
use lifeboat::object::{Body, Object};
use model::{World, follows};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The levels of each kind that is drawn, from weak to strong, written down once more.
fn scale(kind: &str) -> &'static [&'static str] {
    match kind {
        "cluster" => &["CAN_ATTACH_TO", "CAN_RESTART", "CAN_MANAGE"],
        "job" => &["CAN_VIEW", "CAN_MANAGE_RUN", "CAN_MANAGE", "IS_OWNER"],
        "secret_scope" => &["READ", "WRITE", "MANAGE"],
        _ => &["CAN_READ", "CAN_RUN", "CAN_EDIT", "CAN_MANAGE"],
    }
}

fn object(kind: &str, id: &str, document: Value, parent: Option<(&str, &str)>) -> Object {
    let mut meta = Map::new();
    if let Some((kind, id)) = parent {
        meta.insert("parent".into(), json!({ "kind": kind, "id": id }));
    }
    Object {
        kind: kinds::by_name(kind).unwrap(),
        id: id.to_owned(),
        key: id.to_owned(),
        body: Body::Json(document),
        meta: meta.into(),
        modified_at: None,
        degraded: None,
        redacted: Vec::new(),
    }
}

/// What is drawn: numbers that [`Drawn::made`] makes a workspace of.
#[derive(Clone, Debug)]
struct Drawn {
    groups: usize,
    people: usize,
    /// Who (groups first, then people), in which group, and whether the group says so, the member, or only the listing of all.
    members: Vec<(usize, usize, u8)>,
    /// For each object: what it is, where it lies, whether its document lists what it inherits, whether it has one.
    objects: Vec<(u8, usize, bool, bool)>,
    /// Who, on which object, how strong; and whether only the object's document tells of it, as inherited from the root.
    grants: Vec<(usize, usize, u8, bool)>,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let members = vec((0..12_usize, 0..6_usize, 0..3_u8), 0..14);
    let objects = vec((0..7_u8, 0..8_usize, any::<bool>(), prop::bool::weighted(0.9)), 0..12);
    let grants = vec((0..14_usize, 0..12_usize, 0..4_u8, prop::bool::weighted(0.2)), 0..14);
    (0..6_usize, 0..7_usize, members, objects, grants).prop_map(|(groups, people, members, objects, grants)| Drawn {
        groups,
        people,
        members,
        objects,
        grants,
    })
}

/// A principal as access lists name it.
fn name_of(index: usize, drawn: &Drawn) -> (&'static str, String) {
    let all = drawn.groups + drawn.people;
    match index % (all + 3) {
        n if n < drawn.groups => ("group", format!("group-{n}")),
        n if n < all && n % 3 == 0 => ("service_principal", format!("00000000-0000-0000-0000-{n:012}")),
        n if n < all => ("user", format!("user-{n}@x.com")),
        n if n == all => ("group", "users".to_owned()),
        n if n == all + 1 => ("group", "admins".to_owned()),
        _ => ("group", "account users".to_owned()),
    }
}

fn field(kind: &str) -> &'static str {
    match kind {
        "user" => "user_name",
        "group" => "group_name",
        _ => "service_principal_name",
    }
}

/// One object that was made.
#[derive(Clone)]
struct Thing {
    kind: &'static str,
    id: String,
    number: usize,
    parent: Option<usize>,
    lists: bool,
    has_document: bool,
}

impl Drawn {
    fn things(&self) -> Vec<Thing> {
        let mut things: Vec<Thing> = Vec::new();
        for (number, (sort, place, lists, has_document)) in self.objects.iter().enumerate() {
            let folders: Vec<usize> = (0..things.len()).filter(|at| things[*at].kind == "directory").collect();
            let kind = ["directory", "directory", "directory", "notebook", "job", "cluster", "secret_scope"][*sort as usize];
            let parent = folders.get(place % (folders.len() + 1)).copied().filter(|_| matches!(kind, "directory" | "notebook"));
            let around = parent.map(|at: usize| things[at].id.clone()).unwrap_or_default();
            let id = if matches!(kind, "directory" | "notebook") {
                format!("{around}/{kind}-{number}")
            } else {
                format!("{kind}-{number}")
            };
            things.push(Thing { kind, id, number, parent, lists: *lists, has_document: *has_document });
        }
        things
    }

    /// The workspace as objects, and as the model has it.
    fn made(&self) -> (Vec<Object>, World) {
        let (mut objects, mut world) = (Vec::new(), World::default());
        self.make_people(&mut objects, &mut world);
        let things = self.things();
        for thing in &things {
            world.objects.push((thing.id.clone(), thing.parent.map(|at| things[at].id.clone())));
            let manage = scale(thing.kind).iter().position(|level| *level == "CAN_MANAGE" || *level == "MANAGE").unwrap();
            world.everything.push((thing.id.clone(), u8::try_from(manage).unwrap()));
            objects.push(object(thing.kind, &thing.id, json!({ "object_id": 1000 + thing.number }), None));
            if thing.has_document {
                objects.push(self.document(thing, &things, &mut world));
            }
        }
        // Who asks brings objects in any order.
        objects.reverse();
        (objects, world)
    }

    fn make_people(&self, objects: &mut Vec<Object>, world: &mut World) {
        let all = self.groups + self.people;
        let mut documents: BTreeMap<usize, Value> = BTreeMap::new();
        for index in (0..all).chain([all, all + 1]) {
            let (kind, name) = name_of(index, self);
            let named = match kind {
                "user" => json!({ "id": index.to_string(), "userName": name.to_uppercase() }),
                "group" => json!({ "id": index.to_string(), "displayName": name, "members": [] }),
                _ => json!({ "id": index.to_string(), "applicationId": name }),
            };
            (if kind == "group" { &mut world.groups } else { &mut world.people }).push(name);
            documents.insert(index, named);
        }
        for (member, group, told) in &self.members {
            // The last of the groups that can be drawn is `admins`.
            let group = if *group >= self.groups { all + 1 } else { *group };
            let Some(member) = Some(*member % (all + 1)).filter(|member| *member < all) else { continue };
            let (name, of) = (name_of(member, self).1, name_of(group, self).1);
            match told {
                0 => documents.get_mut(&group).unwrap()["members"]
                    .as_array_mut()
                    .unwrap()
                    .push(json!({ "value": member.to_string() })),
                told => {
                    let entry = json!({ "value": group.to_string(), "display": of, "type": if *told == 1 { "direct" } else { "indirect" } });
                    let document = documents.get_mut(&member).unwrap().as_object_mut().unwrap();
                    document.entry("groups").or_insert(json!([])).as_array_mut().unwrap().push(entry);
                }
            }
            world.members.push((name, of));
        }
        objects.extend(
            documents.into_iter().map(|(index, document)| object(name_of(index, self).0, &index.to_string(), document, None)),
        );
    }

    fn grants_on(&self, number: usize) -> impl Iterator<Item = (&'static str, String, u8, bool)> + '_ {
        let on = self.grants.iter().filter(move |(_, on, _, _)| *on == number);
        on.map(|(who, _, strength, root)| {
            let (kind, name) = name_of(*who, self);
            (kind, name, *strength, *root)
        })
    }

    fn document(&self, thing: &Thing, things: &[Thing], world: &mut World) -> Object {
        let levels = scale(thing.kind);
        let level = |strength: u8| strength.min(u8::try_from(levels.len() - 1).unwrap());
        let mut entries = Vec::new();
        for (kind, name, strength, root) in self.grants_on(thing.number) {
            world.grants.push((name.clone(), thing.id.clone(), level(strength)));
            let word = levels[level(strength) as usize];
            entries.push(match (thing.kind, root) {
                ("secret_scope", _) => json!({ "principal": name, "permission": word }),
                (_, true) => json!({ field(kind): name, "all_permissions": [{ "permission_level": word, "inherited": true, "inherited_from_object": ["/directories/0"] }] }),
                (_, false) => json!({ field(kind): name.to_uppercase().to_lowercase(), "all_permissions": [{ "permission_level": word, "inherited": false }] }),
            });
        }
        let mut above = thing.parent.filter(|_| thing.lists);
        while let Some(at) = above {
            let folder = &things[at];
            for (kind, name, strength, root) in self.grants_on(folder.number).filter(|_| folder.has_document) {
                let from = if root { "/directories/0".to_owned() } else { format!("/directories/{}", 1000 + folder.number) };
                entries
                    .push(json!({ field(kind): name, "all_permissions": [{ "permission_level": levels[level(strength) as usize],
                    "inherited": true, "inherited_from_object": [from] }] }));
            }
            above = folder.parent;
        }
        let (kind, list) =
            if thing.kind == "secret_scope" { ("secret_acl", "items") } else { ("permissions", "access_control_list") };
        object(kind, &format!("{}/{}", thing.kind, thing.number), json!({ list: entries }), Some((thing.kind, &thing.id)))
    }
}

fn admin_source() -> Source {
    Source { caller: Some("root".into()), caller_is_admin: Some(true), ..Source::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn access_is_what_follows_from_the_rules(drawn in drawn()) {
        let (objects, world) = drawn.made();
        let objects: Vec<&Object> = objects.iter().collect();
        let access = Access::new(&objects, admin_source());
        let mut wanted: BTreeMap<(String, String), u8> = BTreeMap::new();
        for (who, on, strength) in follows(&world) {
            let best = wanted.entry((who, on)).or_default();
            *best = strength.max(*best);
        }
        let mut seen = 0;
        for principal in access.principals() {
            let name = access.principal(principal).name.to_lowercase();
            let held = access.of_principal(principal, None);
            for id in access.objects() {
                let object = access.object(id);
                let strength = wanted.get(&(name.clone(), object.id.clone()));
                let level = strength.map(|strength| scale(object.kind)[*strength as usize]);
                prop_assert_eq!(access.level(principal, id), level, "{} on {}", name, object.id);
                let told = held.objects.iter().find(|one| one.object == object);
                prop_assert_eq!(told.map(|one| (one.level, one.way.level)), level.map(|level| (level, level)));
                seen += usize::from(level.is_some());
            }
        }
        let named = |name: &str| access.principals().any(|one| access.principal(one).name.to_lowercase() == name);
        prop_assert_eq!(seen, wanted.keys().filter(|(who, _)| named(who)).count());
        for id in access.objects() {
            let of_object = access.of_object(id, None);
            for holder in &of_object.holders {
                prop_assert_eq!(holder.ways.first().map(|way| way.level), Some(holder.level));
            }
            let all = access.principals().filter(|one| access.level(*one, id).is_some()).count();
            prop_assert_eq!(of_object.holders.len(), all);
        }
        let counted: u64 = access.matrix().principals.iter().flat_map(|row| row.cells.values()).map(|cell| cell.total()).sum();
        prop_assert_eq!(counted, seen as u64);
        prop_assert!(access.against(&access).is_empty());
    }
}
