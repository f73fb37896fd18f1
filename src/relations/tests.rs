//! Which relations are found between the objects of one set, and which are not.

use super::*;
use crate::object::Object;
use crate::object::made::object;
use serde_json::{Map, Value, json};

fn attached(kind: &str, id: &str, parent: (&str, &str), document: Value) -> Object {
    let meta = Map::from_iter([("parent".to_owned(), json!({ "kind": parent.0, "id": parent.1 }))]);
    Object { meta: meta.into(), ..object(kind, id, id, document) }
}

fn related(objects: &[Object], absent: Vec<Absent>, code: &[(&str, &str)]) -> Relations {
    let mut builder = Builder::new(&objects.iter().collect::<Vec<_>>(), absent);
    code.iter().for_each(|(id, text)| builder.code("notebook", id, &mentions(text.as_bytes())));
    builder.finish(true)
}

/// Edges as `relation kind:id place`.
fn edges(relations: &Relations, kind: &str, id: &str) -> Vec<String> {
    let told = |edge: &Edge| {
        let to = relations.node(edge.to);
        let places: Vec<String> = edge.at.iter().map(ToString::to_string).collect();
        let missing = if to.is_missing() { "?" } else { "" };
        format!("{} {missing}{}:{} {}", edge.relation.words(), to.kind, to.id, places.join(",")).trim_end().to_owned()
    };
    relations.from(relations.by_id(kind, id).unwrap()).iter().map(told).collect()
}

#[test]
fn a_job_leads_to_all_that_it_names() {
    let job = json!({ "job_id": 7, "run_as_user_name": "Ada@x.com", "settings": {
        "git_source": { "git_url": "https://git.example/a" },
        "job_clusters": [{ "new_cluster": { "policy_id": "P", "instance_pool_id": "gone", "spark_conf": { "k": "{{secrets/S/k}}" } } }],
        "tasks": [
            { "existing_cluster_id": "c", "notebook_task": { "notebook_path": "/Workspace/A/n" } },
            { "libraries": [{ "jar": "abfss://c@acc.dfs.core.windows.net/x.jar" }, { "pypi": { "package": "numpy" } }] },
            { "for_each_task": { "task": { "run_job_task": { "job_id": 7 } } } },
        ],
    }});
    let objects = [
        object("job", "7", "nightly", job),
        object("cluster", "c", "etl", json!({})),
        object("cluster_policy", "P", "small", json!({})),
        object("notebook", "/A/n", "/A/n", Value::Null),
        object("user", "1", "ada@x.com", json!({})),
        object("secret_scope", "s", "s", json!({})),
        attached("secret", "s/k", ("secret_scope", "s"), json!({ "key": "k" })),
    ];
    let relations = related(&objects, Vec::new(), &[]);
    assert_eq!(
        edges(&relations, "job", "7"),
        [
            "runs job:7 /settings/tasks/2/for_each_task/task/run_job_task/job_id",
            "runs notebook:/A/n /settings/tasks/0/notebook_task/notebook_path",
            "uses cluster:c /settings/tasks/0/existing_cluster_id",
            "uses cluster_policy:P /settings/job_clusters/0/new_cluster/policy_id",
            "uses ?instance_pool:gone /settings/job_clusters/0/new_cluster/instance_pool_id",
            "runs as user:1 /run_as_user_name",
            "installs package:numpy /settings/tasks/1/libraries/1/pypi/package",
            "reads secret secret:s/k /settings/job_clusters/0/new_cluster/spark_conf/k",
            "needs storage:abfss://c@acc.dfs.core.windows.net /settings/tasks/1/libraries/0/jar",
            "needs git_repository:https://git.example/a /settings/git_source/git_url",
        ]
    );
    assert_eq!(edges(&relations, "secret", "s/k"), ["part of secret_scope:s"]);
}

#[test]
fn code_leads_to_notebooks_from_where_it_stands() {
    let names = ["/A/b/n", "/A/c", "/A/b/d"];
    let mut objects: Vec<Object> = names.iter().map(|name| object("notebook", name, name, Value::Null)).collect();
    objects.push(object("directory", "/A/b", "/A/b", json!({})));
    objects.push(object("repo", "/Repos/x/y", "/Repos/x/y", json!({})));
    let code = "%run ../c\n%run ./d\n%run d.py\n%run /Workspace/A/c\n%run /Repos/x/y/deep/z\n%run ../../../none\nx = dbutils.notebook.run(p, 1)";
    let relations = related(&objects, Vec::new(), &[("/A/b/n", code)]);
    assert_eq!(
        edges(&relations, "notebook", "/A/b/n"),
        [
            "includes notebook:/A/c line 1,line 4",
            "includes notebook:/A/b/d line 2,line 3",
            "includes repo:/Repos/x/y line 5",
            "includes ?notebook:/none line 6",
            "lies in directory:/A/b",
        ]
    );
    assert_eq!(relations.computed().iter().map(|one| one.line).collect::<Vec<_>>(), [7]);
}

#[test]
fn what_is_not_there_says_why() {
    let tasks = json!({ "settings": { "tasks": [
        { "notebook_task": { "notebook_path": "/Users/a/Trash/x" } }, { "notebook_task": { "notebook_path": "/B" } },
        { "existing_cluster_id": "c" }, { "run_job_task": { "job_id": 9 } }] } });
    let absent = |kind: &str, path: &str, state: &str, reason: &str| Absent {
        kind: kind.into(),
        path: path.into(),
        state: state.into(),
        reason: reason.into(),
    };
    let absent = vec![
        absent("directory", "/Users/a/Trash/**", "excluded", "a user's trash"),
        absent("notebook", "/B", "missing", "answered 403"),
        absent("cluster", "*", "excluded", "not asked for"),
    ];
    let relations = related(&[object("job", "7", "j", tasks)], absent, &[]);
    let why: Vec<(&str, &NodeState)> = relations.nodes().iter().skip(1).map(|node| (&*node.id, &node.state)).collect();
    let missing = |text: &str| NodeState::Missing(text.into());
    assert_eq!(
        why,
        [
            ("c", &missing("no all-purpose clusters were read (excluded: not asked for)")),
            ("/Users/a/Trash/x", &missing("excluded: a user's trash")),
            ("/B", &missing("missing: answered 403")),
            ("9", &missing("not there")),
        ]
    );
}

#[test]
fn an_access_list_grants_what_stands_on_the_object_only() {
    let list = json!({ "access_control_list": [
        { "user_name": "a", "all_permissions": [{ "permission_level": "IS_OWNER", "inherited": false }] },
        { "group_name": "g", "all_permissions": [{ "permission_level": "CAN_VIEW" }] },
        { "group_name": "admins", "all_permissions": [{ "permission_level": "CAN_MANAGE", "inherited": true }] }] });
    let objects = [
        object("job", "7", "j", json!({})),
        attached("permissions", "jobs/7", ("job", "7"), list),
        object("group", "2", "g", json!({ "members": [{ "value": "1" }] })),
        object("user", "1", "a", json!({})),
    ];
    let relations = related(&objects, Vec::new(), &[]);
    assert_eq!(
        edges(&relations, "job", "7"),
        [
            "owned by user:1 permissions/access_control_list/0/user_name",
            "grants group:2 permissions/access_control_list/1/group_name"
        ]
    );
    assert_eq!(edges(&relations, "group", "2"), ["has member user:1 /members/0/value"]);
    let user = relations.by_id("user", "1").unwrap();
    assert_eq!(relations.to(user).count(), 2);
}
