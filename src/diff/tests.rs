//! What must hold of every comparison, whatever the two sides are; and the cases that a person would ask about first.

use super::*;
use crate::object::{Body, Object, STAMP, SourceId, made};
use proptest::prelude::*;
use serde_json::json;
use std::collections::HashSet;

fn object(kind: &str, id: &str, key: &str, document: Value) -> Object {
    made::object(kind, id, key, document).packed()
}

fn with(mut object: Object, name: &str, value: Value) -> Object {
    object.meta.insert(name, value);
    object
}

#[expect(clippy::needless_pass_by_value, reason = "a value that is written where it is used")]
fn job(id: &str, name: &str, more: Value) -> Object {
    let mut settings = json!({ "name": name });
    settings.as_object_mut().expect("one").extend(more.as_object().expect("one").clone());
    object("job", id, name, json!({ "job_id": id, "created_time": name.len(), "settings": settings }))
}

fn notebook(path: &str, object_id: u64, digest: u8) -> Object {
    let body = Body::Stored { len: u64::from(digest), sha256: [digest; 32] };
    let meta = [("object_id", json!(object_id)), ("language", json!("PYTHON"))];
    let blank = Object { body, ..object("notebook", path, path, json!({})) };
    meta.into_iter().fold(blank, |object, (name, value)| with(object, name, value))
}

fn folder(path: &str, object_id: u64) -> Object {
    let document = json!({ "path": path, "object_id": object_id, "object_type": "DIRECTORY" });
    with(object("directory", path, path, document), "object_id", json!(object_id))
}

fn access(of: &Object, api_id: &str, entries: &[(&str, &str)]) -> Object {
    let entry = |(who, level): &(&str, &str)| json!({ "user_name": who, "all_permissions": [{ "permission_level": level }] });
    let document = json!({ "access_control_list": entries.iter().map(entry).collect::<Vec<_>>() });
    let id = format!("{}/{api_id}", of.kind.permissions.expect("it has permissions"));
    let key = format!("{}:{}", of.kind.name, of.key);
    with(object("permissions", &id, &key, document), "parent", json!({ "kind": of.kind.name, "id": of.id }))
}

fn side(workspace: &str, objects: Vec<Object>) -> Side {
    let party = Party { workspace_id: workspace.to_owned(), ..Party::default() };
    Side { party, caller: "ops@x".to_owned(), objects, gaps: vec![] }
}

fn same(before: Vec<Object>, after: Vec<Object>) -> Diff {
    diff(&side("1", before), &side("1", after), &Options::default())
}

/// What differs, one line each.
fn lines(diff: &Diff) -> Vec<String> {
    let one = |change: &Change| {
        let told = told(change);
        std::iter::once(format!("{} {} {}", told.sign, change.kind, told.head)).chain(told.lines).collect::<Vec<_>>().join("; ")
    };
    diff.changes.iter().map(one).collect()
}

#[test]
fn names_and_places_are_recognised() {
    let before = vec![
        job("1", "a", json!({})),
        job("2", "b", json!({})),
        job("3", "c", json!({})),
        folder("/x", 10),
        folder("/x/deep", 11),
        notebook("/x/deep/n", 20, 1),
        notebook("/x/m", 21, 2),
        notebook("/swap1", 22, 3),
        notebook("/swap2", 23, 4),
        notebook("/anew", 24, 5),
    ];
    let after = vec![
        job("1", "a2", json!({})),
        job("3", "c", json!({ "timeout_seconds": 5 })),
        job("4", "b", json!({})),
        folder("/y", 10),
        folder("/y/deep", 11),
        notebook("/y/deep/n", 20, 1),
        notebook("/m", 21, 2),
        notebook("/swap2", 22, 3),
        notebook("/swap1", 23, 4),
        notebook("/anew", 99, 5),
    ];
    let found = same(before, after);
    assert_eq!(
        lines(&found),
        [
            "> directory /x → /y; 2 objects moved along with it",
            "~ notebook /anew; replaced: deleted, and made anew under the same name",
            "> notebook /x/m → /m",
            "> notebook /swap1 → /swap2",
            "> notebook /swap2 → /swap1",
            "> job a → a2 (1)",
            "- job b (2); no schedule or trigger; no tasks",
            "+ job b (4); no schedule or trigger; no tasks",
            "~ job c (3); /settings/timeout_seconds: nothing → 5",
        ]
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .as_slice()
    );
    let counts = found.kinds["notebook"];
    assert_eq!((counts.equal, counts.moved, counts.renamed, counts.moved_along, counts.replaced), (1, 1, 2, 1, 1));
}

#[test]
fn what_is_not_known_is_neither_added_nor_removed() {
    let job_1 = job("1", "a", json!({}));
    let before =
        vec![job_1.clone(), access(&job_1, "1", &[("a@x", "CAN_RUN")]), notebook("/f/n", 20, 1), job("2", "b", json!({}))];
    let mut after = side("1", vec![job_1]);
    let gap = |state, kind: &str, path: &str| Gap { state, kind: kind.into(), path: path.into(), reason: "why".into() };
    after.gaps = vec![gap("missing", "permissions", "jobs/1"), gap("missing", "directory", "/f/**"), gap("excluded", "job", "2")];
    let found = diff(&side("1", before), &after, &Options::default());
    assert_eq!((lines(&found), found.is_empty(), found.is_certain()), (vec![], true, false));
    let told: Vec<_> = found.unknown.iter().map(|one| (one.kind.as_str(), one.state.as_str(), one.side)).collect();
    assert_eq!(
        told,
        [("job", "excluded", Which::After), ("notebook", "missing", Which::After), ("permissions", "missing", Which::After)]
    );
    assert_eq!((found.after.missing, found.after.excluded), (2, 1));
}

#[test]
fn who_had_access_is_told_with_what_is_gone_or_new() {
    let (old, new) = (job("1", "old", json!({})), job("2", "new", json!({})));
    let before = vec![old.clone(), access(&old, "1", &[("a@x", "CAN_RUN")])];
    let after = vec![new.clone(), access(&new, "2", &[("b@x", "IS_OWNER")])];
    let found = same(before, after);
    let what = "no schedule or trigger; no tasks";
    let told =
        [format!("+ job new (2); {what}; user b@x gained IS_OWNER"), format!("- job old (1); {what}; user a@x lost CAN_RUN")];
    assert_eq!(lines(&found), told);
    let counts = found.kinds["permissions"];
    assert_eq!((counts.added, counts.removed, counts.added_along, counts.removed_along), (0, 0, 1, 1));
}

#[test]
fn a_new_name_of_a_person_is_no_change_of_access() {
    let user = |name: &str| object("user", "7", name, json!({ "id": "7", "userName": name, "active": true }));
    let (of, group) = (job("1", "a", json!({})), |who: &str| {
        object("group", "8", "g", json!({ "id": "8", "displayName": "g", "members": [{ "value": "7", "display": who }] }))
    });
    let before = vec![user("ada@x"), of.clone(), access(&of, "1", &[("ada@x", "CAN_RUN")]), group("ada@x")];
    let after = vec![user("ada@y"), of.clone(), access(&of, "1", &[("Ada@y", "CAN_RUN")]), group("ada@y")];
    assert_eq!(lines(&same(before, after)), ["> user ada@x → ada@y (7)"]);
}

#[test]
fn less_than_it_should_be_is_said() {
    let mut poor = notebook("/n", 1, 1);
    poor.degraded = Some("no outputs".into());
    let found = same(vec![notebook("/n", 1, 1)], vec![poor.clone()]);
    assert!(found.is_empty() && found.unknown[0].state == "degraded" && found.unknown[0].side == Which::After);
    let found = same(vec![notebook("/n", 1, 2)], vec![poor]);
    assert_eq!(found.changes[0].degraded.as_ref().and_then(|one| one.after.clone()), Some("no outputs".into()));
}

#[test]
fn an_image_is_known_by_map_stamp_and_name_and_differs_as_imports_make_it() {
    let schedule = |status: &str| json!({ "quartz_cron_expression": "0", "pause_status": status });
    let task = |cluster: &str| json!([{ "task_key": "a", "existing_cluster_id": cluster }]);
    let cluster = |id: &str, tags: Value| {
        object("cluster", id, "etl", json!({ "cluster_id": id, "spec": { "cluster_name": "etl", "custom_tags": tags } }))
    };
    let before = vec![
        cluster("c1", json!({})),
        cluster("c2", json!({})),
        job("1", "n", json!({ "schedule": schedule("UNPAUSED"), "tasks": task("c2") })),
        job("2", "m", json!({ "tasks": task("c1") })),
        object("warehouse", "w", "bi", json!({ "id": "w", "name": "bi" })),
        job("3", "dead", json!({ "tasks": task("c9") })),
    ];
    let after = |cluster_of_job: &str| {
        vec![
            cluster("x2", json!({ STAMP: "1/c2" })),
            cluster("x1", json!({ STAMP: "1/c1" })),
            job("91", "n", json!({ "tags": { STAMP: "1/1" }, "schedule": schedule("PAUSED"), "tasks": task(cluster_of_job) })),
            job("92", "renamed by rules", json!({ "tasks": task("x1") })),
        ]
    };
    let ids = Ids::from([(SourceId { kind: "job".into(), id: "2".into() }, "92".to_owned())]);
    let options = Options { ids, ..Options::default() };
    let found = diff(&side("1", before.clone()), &side("2", after("x2")), &options);
    assert_eq!((found.link, lines(&found)), (Link::Restored, vec!["> job m (2) → renamed by rules (92)".to_owned()]));
    let expected: Vec<_> = found.expected.iter().map(|one| (one.kind.as_str(), one.expected)).collect();
    let why = |kind, why| (kind, Some(why));
    assert_eq!(expected, [why("warehouse", Expected::NotRestored), why("job", Expected::Gone), why("job", Expected::Inert)]);
    let wrong = diff(&side("1", before), &side("2", after("x1")), &options);
    assert!(
        lines(&wrong)[1].contains("/settings/tasks/a/existing_cluster_id: etl (c2 / x2) → etl (c1 / x1)"),
        "{:?}",
        lines(&wrong)
    );
}

#[test]
fn a_selection_says_what_is_looked_at() {
    let of = job("1", "a", json!({}));
    let before = vec![of.clone(), access(&of, "1", &[]), job("2", "b", json!({})), notebook("/n", 1, 1)];
    let after = vec![of.clone(), access(&of, "1", &[("a@x", "CAN_RUN")]), notebook("/n", 1, 2)];
    let chosen = |include: &str| {
        let selection = Selection::new(&[include.to_owned()], &[]).expect("good");
        lines(&diff(&side("1", before.clone()), &side("1", after.clone()), &Options { selection, ..Options::default() }))
    };
    assert_eq!(chosen("job:a"), ["~ permissions job:a (jobs/1); user a@x gained CAN_RUN"]);
    assert_eq!(chosen("job:b"), ["- job b (2); no schedule or trigger; no tasks"]);
}

/// The same with the sides exchanged.
fn mirrored(mut diff: Diff) -> Diff {
    use std::mem::swap;
    swap(&mut diff.before, &mut diff.after);
    for counts in diff.kinds.values_mut() {
        swap(&mut counts.before, &mut counts.after);
        swap(&mut counts.added, &mut counts.removed);
        swap(&mut counts.added_along, &mut counts.removed_along);
    }
    for change in diff.changes.iter_mut().chain(&mut diff.expected) {
        swap(&mut change.before, &mut change.after);
        change.what = match change.what {
            What::Added => What::Removed,
            What::Removed => What::Added,
            What::Changed => What::Changed,
        };
        change.fields.iter_mut().for_each(|field| swap(&mut field.before, &mut field.after));
        change.access.iter_mut().for_each(|one| swap(&mut one.gained, &mut one.lost));
        change.members.iter_mut().for_each(|one| swap(&mut one.gained, &mut one.lost));
        change.content.iter_mut().for_each(|one| swap(&mut one.before, &mut one.after));
        change.degraded.iter_mut().for_each(|one| swap(&mut one.before, &mut one.after));
    }
    for one in &mut diff.unknown {
        one.side = if one.side == Which::Before { Which::After } else { Which::Before };
    }
    diff.unknown.sort();
    diff
}

/// Objects of a small workspace, with few ids and names so that two of them meet.
fn any_objects() -> impl Strategy<Value = Vec<Object>> {
    let task = (0..3u8, 0..3u8, 0..3u8).prop_map(|(key, cluster, retries)| {
        json!({ "task_key": format!("t{key}"), "existing_cluster_id": format!("c{cluster}"), "max_retries": retries })
    });
    let settings = (proptest::collection::vec(task, 0..3), 0..2u8, proptest::option::of("[ab]{1,2}"));
    let job = (0..5u8, "[ab]", settings, proptest::collection::vec(("[ab]@x", "CAN_(RUN|VIEW)"), 0..3)).prop_map(
        |(id, name, (tasks, retries, text), entries)| {
            let one = job(&id.to_string(), &name, json!({ "tasks": tasks, "timeout_seconds": retries, "description": text }));
            let entries: Vec<(&str, &str)> = entries.iter().map(|(who, level)| (who.as_str(), level.as_str())).collect();
            let of = access(&one, &id.to_string(), &entries);
            vec![one, of]
        },
    );
    let cluster = (0..3u8, "[ab]", 0..3u8).prop_map(|(id, name, workers)| {
        let spec = json!({ "cluster_name": name, "num_workers": workers });
        vec![object("cluster", &format!("c{id}"), &name, json!({ "cluster_id": format!("c{id}"), "spec": spec, "state": name }))]
    });
    let tree = (0..6u64, "/[ab](/[cd])?(/[ef])?", 1..4u8, any::<bool>())
        .prop_map(|(id, path, digest, is_folder)| vec![if is_folder { folder(&path, id) } else { notebook(&path, id, digest) }]);
    let group = (0..3u8, "[gh]", proptest::collection::vec(0..4u8, 0..3)).prop_map(|(id, name, members)| {
        let members: Vec<Value> = members.iter().map(|id| json!({ "value": format!("u{id}") })).collect();
        vec![object(
            "group",
            &format!("g{id}"),
            &name,
            json!({ "id": format!("g{id}"), "displayName": name, "members": members }),
        )]
    });
    let user = (0..4u8, "[ab]@x").prop_map(|(id, name)| {
        vec![object("user", &format!("u{id}"), &name, json!({ "id": format!("u{id}"), "userName": name }))]
    });
    let file = (0..3u8, 1..3u8).prop_map(|(name, digest)| {
        let path = format!("/F/{name}");
        let body = Body::Stored { len: 1, sha256: [digest; 32] };
        vec![Object { body, ..object("dbfs_file", &path, &path, json!({})) }]
    });
    proptest::collection::vec(prop_oneof![job, cluster, tree, group, user, file], 0..14).prop_map(|all| {
        let (mut ids, mut names, mut numbers) = (HashSet::new(), HashSet::new(), HashSet::new());
        let mut kept = Vec::new();
        for bunch in all {
            let one = &bunch[0];
            let place = if one.id.starts_with('/') { "a path" } else { one.kind.name };
            let number = one.meta.get("object_id").map(|id| id.to_string());
            let free = ids.insert((place, one.id.clone()))
                && (!one.kind.key.unique || names.insert((place, one.key.clone())))
                && number.is_none_or(|number| numbers.insert(number));
            if free {
                kept.extend(bunch);
            }
        }
        kept
    })
}

fn any_side() -> impl Strategy<Value = Side> {
    let gaps = [
        ("missing", "job", "1"),
        ("excluded", "directory", "/a/**"),
        ("unavailable", "permissions", "jobs/*"),
        ("missing", "cluster", "*"),
    ];
    let gap = proptest::sample::select(gaps.to_vec());
    (any_objects(), proptest::collection::vec(gap, 0..2)).prop_map(|(objects, gaps)| {
        let mut one = side("1", objects);
        let gap = |(state, kind, path): (&'static str, &str, &str)| Gap {
            state,
            kind: kind.into(),
            path: path.into(),
            reason: "r".into(),
        };
        one.gaps = gaps.into_iter().map(gap).collect();
        one
    })
}

proptest! {
    #[test]
    fn nothing_differs_from_itself(one in any_side()) {
        let found = diff(&one, &one, &Options::default());
        prop_assert!(found.is_empty() && found.expected.is_empty(), "{:?}", lines(&found));
        prop_assert!(found.kinds.values().all(|counts| counts.equal == counts.before && counts.before == counts.after));
    }

    #[test]
    fn whoever_is_first_the_same_is_told(one in any_side(), other in any_side(), apart in any::<bool>()) {
        let mut other = other;
        if apart {
            other.party.workspace_id = "2".into();
        }
        let found = diff(&one, &other, &Options::default());
        let back = mirrored(diff(&other, &one, &Options::default()));
        prop_assert_eq!(lines(&found), lines(&back));
        prop_assert_eq!(&found.kinds, &back.kinds);
        prop_assert_eq!(&found.unknown, &back.unknown);
        prop_assert_eq!(&found.changes, &back.changes);
    }

    #[test]
    fn every_object_is_accounted_for(one in any_side(), other in any_side()) {
        let found = diff(&one, &other, &Options::default());
        for (kind, counts) in &found.kinds {
            let told = |what: What| found.changes.iter().filter(|change| &change.kind == kind && change.what == what).count() as u64;
            prop_assert_eq!((told(What::Added), told(What::Removed)), (counts.added, counts.removed), "{}: {:?}", kind, counts);
            prop_assert_eq!(told(What::Added) + told(What::Removed) + told(What::Changed), counts.differ);
            let shared = counts.before.min(counts.after);
            prop_assert!(counts.equal <= shared + counts.moved_along && counts.removed <= counts.before && counts.added <= counts.after, "{kind}: {counts:?}");
        }
        prop_assert_eq!(found.total().differ, found.changes.len() as u64);
    }
}
