//! Effective access: against a model that knows nothing of it, and as a person asks.
#![expect(clippy::unwrap_used, reason = "helpers of tests: a surprise should stop the test")]

mod model;

use lifeboat::access::{Access, Right, Source};
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
        let counted: u64 = access.matrix().principals.iter().flat_map(|row| row.cells.values()).map(lifeboat::access::Cell::total).sum();
        prop_assert_eq!(counted, seen as u64);
        prop_assert!(access.against(&access).is_empty());
    }

    #[test]
    fn what_rights_come_from_says_the_same_as_every_object(drawn in drawn()) {
        let objects = drawn.made().0;
        let objects: Vec<&Object> = objects.iter().collect();
        let access = Access::new(&objects, admin_source());
        let rights = access.rights();
        for principal in access.principals().filter(|one| !access.principal(*one).admin) {
            let may = rights.about(principal, usize::MAX).rights.0;
            let mut needed = vec![false; may.len()];
            for id in access.objects() {
                let object = access.object(id);
                let is_on = |right: &Right| {
                    let below = format!("{}/", right.object.id);
                    right.object == object || right.object.kind == "directory" && object.id.starts_with(&below)
                };
                let strength = |right: &Right| scale(object.kind).iter().position(|level| *level == right.level);
                let best = (0..).zip(&may).filter(|(_, right)| is_on(right)).map(|(at, right)| (strength(right), at)).max();
                let level = best.map(|(_, at): (_, usize)| may[at].level);
                prop_assert_eq!(level, access.level(principal, id), "{:?} on {}: {:?}", access.principal(principal), object.id, may);
                best.into_iter().for_each(|(_, at)| needed[at] = true);
            }
            prop_assert!(!needed.contains(&false), "{:?} has more than needed: {:?}", access.principal(principal), may);
            let (some, left) = rights.about(principal, 2).rights;
            prop_assert_eq!((some.len() + left, &some[..]), (may.len(), &may[..some.len()]));
        }
    }
}

/// However many objects lie in a folder and however many people are in a group, a grant is one line.
#[test]
fn rights_are_as_many_as_grants() {
    let folder = object("directory", "/Shared", json!({ "object_id": 7 }), None);
    let grant = |from: Value| json!({ "access_control_list": [{ "group_name": "users", "all_permissions": [from] }] });
    let own = grant(json!({ "permission_level": "CAN_MANAGE" }));
    let listed =
        grant(json!({ "permission_level": "CAN_MANAGE", "inherited": true, "inherited_from_object": ["/directories/7"] }));
    let mut objects = vec![folder, object("permissions", "directories/7", own, Some(("directory", "/Shared")))];
    for number in 0..2_000 {
        let path = format!("/Shared/n{number}");
        objects.push(object("permissions", &format!("notebooks/{number}"), listed.clone(), Some(("notebook", &path))));
        objects.push(object("notebook", &path, json!({}), None));
    }
    objects.extend((0..300).map(|number| {
        let user = json!({ "id": number.to_string(), "userName": format!("user-{number}@x.com"), "active": true });
        object("user", &number.to_string(), user, None)
    }));
    let objects: Vec<&Object> = objects.iter().collect();
    let access = Access::new(&objects, admin_source());
    let rights = access.rights();
    assert_eq!(rights.count(), 1);
    let one = access.principals_named("user-299@x.com")[0];
    let may = rights.about(one, 60).rights.0;
    assert_eq!(may.len(), 1, "{may:?}");
    assert_eq!((may[0].object.id.as_str(), may[0].level, may[0].below["notebook"]), ("/Shared", "CAN_MANAGE", 2_000));
    assert_eq!(access.of_principal(one, None).objects.len(), 2_001);
}

mod asked {
    //! As a person asks it of a bundle of the sample.

    use crate::cli::{Stage, code, err, text};
    use serde_json::Value;
    use std::path::{Path, PathBuf};
    use std::process::Output;

    fn out(output: &Output) -> String {
        String::from_utf8(output.stdout.clone()).unwrap()
    }

    fn ask(stage: &Stage, bundle: &Path, arguments: &[&str]) -> Output {
        stage.run(&stage.source, &[&["access", text(bundle)], arguments].concat())
    }

    fn json(stage: &Stage, bundle: &Path, arguments: &[&str]) -> Value {
        serde_json::from_str(&out(&ask(stage, bundle, &[arguments, &["--json"]].concat()))).unwrap()
    }

    async fn stage() -> (Stage, PathBuf) {
        let stage = Stage::set().await;
        let bundle = stage.bundle();
        (stage, bundle)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn each_way_to_an_object_is_told() {
        let (stage, bundle) = stage().await;
        let job = ask(&stage, &bundle, &["--object", "job:nightly settlement"]);
        code(&job, 0);
        let job = out(&job);
        for line in [
            "IS_OWNER       5b0f5e02-7c1d-4e8a-9a36-1f2f0c7a4d11 (sp-nightly-loader)\n               IS_OWNER, as its owner",
            "CAN_MANAGE     ada.lind@northwind.example (Ada Lind)\n               CAN_MANAGE via group data-engineers → nested in data-platform",
            "runs as 5b0f5e02-7c1d-4e8a-9a36-1f2f0c7a4d11 (sp-nightly-loader): whoever changes it acts in that name",
            "CAN_VIEW       georg.huber@northwind.example (Georg Huber)\n               CAN_VIEW via group analysts",
        ] {
            assert!(job.contains(line), "{line}\n{job}");
        }
        let notebook = out(&ask(&stage, &bundle, &["--object", "notebook:/Shared/Ingest/Smart meters/load_readings"]));
        assert!(notebook.contains("CAN_RUN via group analysts → inherited from /Shared/Ingest/Smart meters"), "{notebook}");
        let managers = json(&stage, &bundle, &["--object", "cluster:shared autoscale", "--can", "manage"]);
        let names: Vec<&str> =
            managers["holders"].as_array().unwrap().iter().map(|one| one["principal"]["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["admins", "hana.ito@northwind.example", "operator@northwind.example"]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_somebody_can_do_comes_with_groups_and_entitlements() {
        let (stage, bundle) = stage().await;
        let fatima = json(&stage, &bundle, &["--principal", "Fatima.Rahman@northwind.example"]);
        let group = |name: &str| fatima["groups"].as_array().unwrap().iter().find(|one| one["group"] == name).cloned();
        assert_eq!(group("Finanz & Controlling").unwrap()["through"], serde_json::json!(["analysts"]));
        let entitled = fatima["entitlements"].as_array().unwrap();
        assert!(
            entitled.contains(&serde_json::json!({ "name": "databricks-sql-access", "through": ["analysts"] })),
            "{entitled:?}"
        );
        assert_eq!(fatima["runs"][0]["name"], "sql checks");
        let bruno = json(&stage, &bundle, &["--principal", "bruno.sato@northwind.example", "--can", "edit"]);
        assert!(bruno["objects"].as_array().unwrap().iter().all(|one| one["can"].as_array().unwrap().contains(&"edit".into())));
        let as_loader = |one: &Value| one["runs_as"]["name"] == "5b0f5e02-7c1d-4e8a-9a36-1f2f0c7a4d11";
        assert!(bruno["acts_for"].as_array().unwrap().iter().any(as_loader), "{}", bruno["acts_for"]);
        let nobody = ask(&stage, &bundle, &["--principal", "nobody@x.com"]);
        code(&nobody, 1);
        assert!(err(&nobody).contains("names no user, service principal or group \"nobody@x.com\""));
        code(&ask(&stage, &bundle, &["--can", "edit"]), 2);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_nobody_answers_for_is_found() {
        let (stage, bundle) = stage().await;
        code(&ask(&stage, &bundle, &["--orphaned"]), 4);
        let found = json(&stage, &bundle, &["--orphaned"]);
        let found: Vec<(&str, &str)> = found["found"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| (one["sort"].as_str().unwrap(), one["object"]["name"].as_str().unwrap()))
            .collect();
        assert_eq!(
            found,
            [
                ("runs_as_disabled", "on a cluster that is gone"),
                ("no_owner", "nobody's job"),
                ("owner_disabled", "orphan of a policy"),
                ("owner_disabled", "on a cluster that is gone"),
                ("home_of_disabled", "/Users/emil.novak@northwind.example"),
            ]
        );
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_was_gained_and_lost_is_effective_access() {
        let (stage, before) = stage().await;
        code(&ask(&stage, &before, &["--against", text(&before)]), 0);
        let call = |method: &str, path: &str, body: Value| {
            let request = reqwest::Client::new().request(method.parse().unwrap(), format!("{}{path}", stage.source.url()));
            request.bearer_auth(stage.source.token()).json(&body).send()
        };
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Georg comes into a group that is nested in another, and loses nothing by a new entry that says less.
        let patch = serde_json::json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{ "op": "add", "path": "members", "value": [{ "value": "7100000000001259" }] }] });
        assert!(call("PATCH", "/api/2.0/preview/scim/v2/Groups/7100000000001629", patch).await.unwrap().status().is_success());
        let entry = serde_json::json!({ "access_control_list": [{ "user_name": "georg.huber@northwind.example", "permission_level": "CAN_VIEW" }] });
        assert!(call("PATCH", "/api/2.0/permissions/jobs/9007199254741993", entry).await.unwrap().status().is_success());
        let after = stage.path("after.tar.zst");
        // Times of exports are told by the second.
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
        code(&stage.run(&stage.source, &["export", "--unlimited", "-q", "-o", text(&after)]), 3);
        code(&ask(&stage, &before, &["--against", text(&after)]), 4);
        let changes = json(&stage, &before, &["--against", text(&after)]);
        let people = changes["principals"].as_array().unwrap();
        assert_eq!(people.len(), 1, "{people:?}");
        assert_eq!(people[0]["principal"], "georg.huber@northwind.example");
        assert!(people[0]["gained"].as_array().unwrap().contains(&"group data-platform".into()), "{people:?}");
        let of = |name: &str| {
            let all = changes["changes"].as_array().unwrap().iter();
            all.filter(|one| one["objects"].as_array().unwrap().iter().any(|object| object["name"] == name)).collect::<Vec<_>>()
        };
        let [job] = of("nightly settlement")[..] else { panic!("{changes}") };
        assert_eq!(job["gained"][0]["before"], "CAN_VIEW");
        assert_eq!(job["gained"][0]["after"], "CAN_MANAGE");
        assert_eq!(job["gained"][0]["way"], "CAN_MANAGE via group data-engineers → nested in data-platform");
        assert!(changes["changes"].as_array().unwrap().iter().all(|one| one["lost"] == serde_json::json!([])), "{changes}");
        let back = json(&stage, &after, &["--against", text(&before)]);
        assert_eq!(back, changes, "whichever was exported first stands before");
        assert!(changes["before"]["taken"].as_str().unwrap() < changes["after"]["taken"].as_str().unwrap());
        let told = out(&ask(&stage, &before, &["--against", text(&after)]));
        assert!(told.starts_with("before: workspace ") && told.contains("\nafter:  workspace "), "{told}");
        let only = |more: &[&str]| json(&stage, &before, &[&["--against", text(&after)], more].concat());
        let georg = only(&["--principal", "Georg.Huber@northwind.example", "--can", "manage"]);
        let names = |all: &Value| -> Vec<String> {
            let objects = all["changes"].as_array().unwrap().iter().flat_map(|one| one["objects"].as_array().unwrap());
            objects.map(|one| one["name"].as_str().unwrap().to_owned()).collect()
        };
        assert!(names(&georg).contains(&"nightly settlement".to_owned()) && georg["principals"] == serde_json::json!([]));
        assert!(names(&georg).len() < names(&changes).len(), "what he may only use is no gain of this sort");
        assert_eq!(names(&only(&["--object", "job:nightly settlement"])), ["nightly settlement"]);
        assert_eq!(names(&only(&["--principal", "hana.ito@northwind.example"])), Vec::<String>::new());
        code(&ask(&stage, &before, &["--against", text(&after), "--principal", "nobody@x.com"]), 1);
        code(&ask(&stage, &before, &["--against", text(&after), "--orphaned"]), 2);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_comes_with_a_folder_stands_together() {
        let (stage, bundle) = stage().await;
        let asked = ["--principal", "dilara.kaya@northwind.example", "--can", "edit"];
        let short = out(&ask(&stage, &bundle, &asked));
        for part in [
            "CAN_MANAGE via group users → inherited from /Shared\n    ",
            ", in /Shared (`--long` names them)\n",
            "IS_OWNER, as its owner\n    job on new readings [9007199254752123]\n",
            "can act as 5b0f5e02-7c1d-4e8a-9a36-1f2f0c7a4d11 (sp-nightly-loader) by changing job nightly settlement",
        ] {
            assert!(short.contains(part), "{part}\n{short}");
        }
        let long = out(&ask(&stage, &bundle, &[&asked[..], &["--long"]].concat()));
        let held = json(&stage, &bundle, &asked);
        let all = held["objects"].as_array().unwrap().len();
        assert_eq!(long.lines().filter(|line| line.starts_with("               ")).count(), all, "{long}");
        assert!(short.lines().count() * 3 < long.lines().count(), "{short}");
        // Whatever is counted or named adds up to all.
        let counted: usize =
            regex::Regex::new(r": ([0-9]+)[, ]").unwrap().captures_iter(&short).map(|one| one[1].parse::<usize>().unwrap()).sum();
        let named = short.lines().filter(|line| line.starts_with("    ") && !line.contains("`--long`")).count();
        assert_eq!(counted + named, all, "{short}");
        assert!(short.contains("note: personal access tokens"), "{short}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_was_not_read_is_not_nobody() {
        let (stage, _) = stage().await;
        let part = stage.path("part.tar.zst");
        let export = ["export", "--unlimited", "-q", "--exclude", "permissions", "--exclude", "user", "-o", text(&part)];
        code(&stage.run(&stage.source, &export), 3);
        let asked = ask(&stage, &part, &["--object", "job:nightly settlement"]);
        code(&asked, 3);
        let asked = out(&asked);
        for gap in [
            "no users were read (excluded: not asked for)",
            "the permissions of 25 jobs were not read",
            "its permissions are not in the bundle",
        ] {
            assert!(asked.contains(gap), "{asked}");
        }
        let orphaned = json(&stage, &part, &["--orphaned"]);
        assert!(orphaned["found"].as_array().unwrap().iter().all(|one| !one["sort"].as_str().unwrap().ends_with("missing")));
        assert!(orphaned["incomplete"]["gaps"].to_string().contains("nobody is called gone"));
    }
}

/// 100,000 objects, 1,000 principals: an answer that cost the product of both would not come.
#[test]
fn a_principal_of_a_thousand_is_answered_for_a_hundred_thousand_objects() {
    let mut objects: Vec<Object> = Vec::new();
    for number in 0..1000 {
        objects.push(object(
            "user",
            &format!("u{number}"),
            json!({ "id": format!("u{number}"), "userName": format!("user-{number}@x.com") }),
            None,
        ));
    }
    for number in 0..100 {
        let members: Vec<Value> =
            (0..20).map(|member| json!({ "value": format!("u{}", (number * 10 + member) % 1000) })).collect();
        objects.push(object(
            "group",
            &format!("g{number}"),
            json!({ "id": format!("g{number}"), "displayName": format!("group-{number}"), "members": members }),
            None,
        ));
    }
    for folder in 0..1000 {
        let path = format!("/F/{folder}");
        objects.push(object("directory", &path, json!({ "object_id": folder }), None));
        let list = json!({ "access_control_list": [{ "group_name": format!("group-{}", folder % 100), "all_permissions": [{ "permission_level": "CAN_RUN", "inherited": false }] }] });
        objects.push(object("permissions", &format!("directories/{folder}"), list, Some(("directory", &path))));
        for notebook in 0..99 {
            objects.push(object("notebook", &format!("{path}/{notebook}"), Value::Null, None));
        }
    }
    let objects: Vec<&Object> = objects.iter().collect();
    let access = Access::new(&objects, admin_source());
    let [who] = access.principals_named("user-15@x.com")[..] else { panic!() };
    let held = access.of_principal(who, None);
    assert_eq!(held.objects.len(), 2 * 10 * 100, "two groups, ten folders each, with what is in them");
    let matrix = access.matrix();
    assert_eq!(matrix.principals.iter().filter(|row| row.principal.kind == "user").count(), 1000);
}

/// Folders in folders, each of which grants something to one more person and lists nothing of what it inherits, and groups in groups,
/// each with an entitlement: whoever wrote this means harm.
#[test]
fn depth_makes_answers_long_and_not_endless() {
    const FOLDERS: usize = 1500;
    const GROUPS: usize = 300;
    let mut objects = Vec::new();
    for number in 0..FOLDERS {
        let path = "/f".repeat(number + 1);
        let entry = |field: &str, name: &str| json!({ field: name, "all_permissions": [{ "permission_level": "CAN_READ" }] });
        let list = [entry("user_name", &format!("p{number}")), entry("group_name", "g0")];
        objects.push(object(
            "user",
            &number.to_string(),
            json!({ "id": number.to_string(), "userName": format!("p{number}") }),
            None,
        ));
        objects.push(object(
            "permissions",
            &format!("directories/{number}"),
            json!({ "access_control_list": list }),
            Some(("directory", &path)),
        ));
        objects.push(object("directory", &path, json!({}), None));
    }
    for number in 0..GROUPS {
        let member = if number + 1 < GROUPS { format!("g{}", number + 1) } else { "0".to_owned() };
        let document = json!({ "id": format!("g{number}"), "displayName": format!("g{number}"), "members": [{ "value": member }], "entitlements": [{ "value": format!("e{number}") }] });
        objects.push(object("group", &format!("g{number}"), document, None));
    }
    let objects: Vec<&Object> = objects.iter().collect();
    let access = Access::new(&objects, admin_source());

    let matrix = access.matrix();
    // Of each folder, what every folder above grants to a person is not listed, and what the first above grants to the group neither.
    let disagreements = FOLDERS * (FOLDERS - 1) / 2 + (FOLDERS - 1);
    assert_eq!(matrix.disagreements.len() as u64 + matrix.more_disagreements, disagreements as u64);
    assert!(matrix.disagreements.len() <= 1000 && matrix.disagreements.is_sorted());
    let row = |name: &str| matrix.principals.iter().find(|row| row.principal.name == name).unwrap();
    assert_eq!((row("p0").cells["directory"].read, row("p1").cells["directory"].read), (FOLDERS as u64, FOLDERS as u64 - 1));
    assert_eq!((row("p0").entitlements.len(), row("p1").entitlements.len()), (GROUPS, 0));

    let last = access.objects_named(&"/f".repeat(FOLDERS))[0];
    let holders = access.of_object(last, None).holders;
    assert_eq!(holders.len(), FOLDERS + GROUPS + 1, "and the group of admins");
    let first = holders.iter().find(|holder| holder.principal.name == "p0").unwrap();
    assert_eq!(first.ways.len() as u64 + first.more_ways, FOLDERS as u64 + 1);
    assert_eq!((first.ways.len(), first.ways[0].groups.len()), (100, 0), "the shortest ways");
    assert_eq!(first.ways[1].groups.len(), GROUPS);

    let one = access.of_principal(access.principals_named("user:p0")[0], None);
    assert_eq!((one.objects.len(), one.entitlements.len(), one.groups.len()), (FOLDERS, GROUPS, GROUPS + 1));
    let through = &one.entitlements.iter().find(|one| one.name == "e0").unwrap().through;
    assert_eq!((through.first().unwrap().as_str(), through.last().unwrap().as_str()), ("g299", "g0"));
    assert!(access.against(&access).is_empty());
}
