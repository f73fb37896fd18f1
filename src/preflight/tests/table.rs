//! The table: a mistake, its finding, and its fix.

use super::super::ask::{Caller, NodeInfo};
use super::super::*;
use super::{World, cluster};
use crate::audit::Unfit;
use crate::object::{Object, REDACTED, SourceId};
use crate::plan::tests::{With, acl, content, folder, hanging, object};
use crate::plan::{Todo, What};
use serde_json::{Value, json};
use std::collections::BTreeSet;

struct Case {
    name: &'static str,
    severity: Severity,
    check: Check,
    /// Words of the finding.
    words: &'static str,
    world: World,
    fix: fn(&mut World),
}

fn case(name: &'static str, severity: Severity, check: Check, words: &'static str, world: World, fix: fn(&mut World)) -> Case {
    Case { name, severity, check, words, world, fix }
}

fn with(mut world: World, change: impl FnOnce(&mut World)) -> World {
    change(&mut world);
    world
}

fn job(settings: Value) -> Object {
    let mut settings = settings;
    settings["name"] = json!("nightly");
    object("job", "1", json!({"settings": settings}))
}

fn task(task: Value) -> Object {
    let mut task = task;
    task["task_key"] = json!("t");
    job(json!({"tasks": [task]}))
}

fn policy(definition: &Value) -> Object {
    object("cluster_policy", "p", json!({"name": "small", "definition": definition.to_string()}))
}

/// A cluster under a policy.
fn under(definition: &Value, more: Value) -> World {
    let mut more = more;
    more["policy_id"] = json!("p");
    World::of(vec![policy(definition), cluster("c", more)])
}

fn pool(more: Value) -> Object {
    let mut pool = json!({"instance_pool_name": "general", "node_type_id": "Standard_D4ds_v5"});
    if let (Some(pool), Value::Object(more)) = (pool.as_object_mut(), more) {
        pool.extend(more);
    }
    object("instance_pool", "pool", pool)
}

fn repo(url: &str) -> Object {
    folder("repo", "/Repos/team/a")
        .with_document(json!({"path": "/Repos/team/a", "url": url, "provider": "gitHub", "branch": "main"}))
}

trait WithDocument {
    fn with_document(self, document: Value) -> Self;
}

impl WithDocument for Object {
    fn with_document(mut self, document: Value) -> Self {
        self.body = crate::object::Body::Json(document);
        self
    }
}

fn scope(name: &str) -> Object {
    object("secret_scope", name, json!({"name": name, "backend_type": "DATABRICKS"}))
}

fn secret() -> Object {
    let mut secret = hanging("secret", "s/k", ("secret_scope", "s"), json!({"key": "k"}));
    secret.key = "s/k".into();
    secret
}

use Severity::{Blocker, Note, Warning};

fn cases() -> Vec<Case> {
    let mut all = rules_and_caller();
    all.extend(features());
    all.extend(people());
    all.extend(machines());
    all.extend(room());
    all.extend(things());
    all.extend(nowhere());
    all.extend(names());
    all
}

fn rules_and_caller() -> Vec<Case> {
    let plain = || World::of(vec![job(json!({}))]);
    let not_admin = |caller: Caller| move |world: &mut World| world.offer().caller = Ok(caller);
    let vault = object(
        "secret_scope",
        "kv",
        json!({"name": "kv", "backend_type": "AZURE_KEYVAULT", "keyvault_metadata": {"resource_id": "/v", "dns_name": "https://v/"}}),
    );
    vec![
        case(
            "a patch that fails",
            Blocker,
            Check::Rules,
            "rule \"x\"",
            with(plain(), |world| {
                world.rules = "rules:\n  - name: x\n    for: {kind: job}\n    patch: [{op: test, path: /name, value: other}]\n";
            }),
            |world| world.rules = "",
        ),
        case(
            "a map that finds nothing",
            Warning,
            Check::Rules,
            "node_type",
            with(plain(), |world| world.maps = "node_type: {none: Standard_D4ds_v5}\n"),
            |world| world.maps = "",
        ),
        case(
            "the source itself",
            Blocker,
            Check::Workspace,
            "this very workspace",
            with(plain(), |world| world.target_workspace = "100"),
            |world| world.allow_same_workspace = true,
        ),
        case(
            "rules on the originals",
            Blocker,
            Check::Workspace,
            "would change the originals",
            with(plain(), |world| {
                (world.target_workspace, world.allow_same_workspace) = ("100", true);
                world.rules = "rules:\n  - name: x\n    for: {kind: job}\n    set: {/tags/a: b}\n";
            }),
            |world| world.rules = "",
        ),
        case("no admin", Blocker, Check::Caller, "no admin", with(plain(), not_admin(Caller::default())), |world| {
            world.offer().caller = Ok(Caller { is_admin: true, ..Caller::default() });
        }),
        case(
            "no entitlement for clusters",
            Blocker,
            Check::Caller,
            "`allow-cluster-create`",
            with(World::of(vec![cluster("c", json!({}))]), not_admin(Caller::default())),
            |world| {
                let entitlements = BTreeSet::from(["allow-cluster-create".to_owned()]);
                world.offer().caller = Ok(Caller { is_admin: false, entitlements });
            },
        ),
        case(
            "what only an admin makes",
            Blocker,
            Check::Caller,
            "only an admin makes cluster policies",
            with(World::of(vec![policy(&json!({}))]), not_admin(Caller::default())),
            |world| world.rules = "rules:\n  - name: x\n    for: {kind: cluster_policy}\n    skip: true\n",
        ),
        case(
            "a vault without Entra ID",
            Blocker,
            Check::Secret,
            "needs a sign-in to Entra ID",
            with(World::of(vec![vault]), |world| world.without_entra = Some("a token is used".into())),
            |world| world.without_entra = None,
        ),
        case(
            "no Git credential",
            Warning,
            Check::Caller,
            "no Git credential for gitHub",
            with(World::of(vec![folder("directory", "/Repos/team"), repo("https://github.com/a/b")]), |world| {
                world.offer().git = Ok(BTreeSet::new());
            }),
            |world| world.offer().git = Ok(BTreeSet::from(["github".to_owned()])),
        ),
    ]
}

fn switch(world: World, name: &'static str, value: &'static str) -> World {
    with(world, |world| {
        if let Ok(switches) = &mut world.offer().switches {
            switches.insert(name.into(), value.into());
        }
    })
}

fn features() -> Vec<Case> {
    let repos = || World::of(vec![folder("directory", "/Repos/team"), repo("https://github.com/a/b")]);
    let off: fn(&mut World) = |world| world.offer().switches = Ok(BTreeMap::new());
    let permissions = || {
        let list = hanging(
            "permissions",
            "jobs/1",
            ("job", "1"),
            acl(&[("user_name", "me@x.com", "IS_OWNER"), ("group_name", "users", "CAN_VIEW")]),
        );
        let mut world = World::of(vec![job(json!({})), list]);
        world.target.push(object("group", "g", json!({"displayName": "users"})));
        world
    };
    vec![
        case(
            "a kind that is not offered",
            Blocker,
            Check::Feature,
            "does not offer jobs",
            with(World::of(vec![job(json!({}))]), |world| world.unavailable = vec!["job".into()]),
            |world| world.unavailable.clear(),
        ),
        case(
            "Git folders off",
            Blocker,
            Check::Feature,
            "Git folders are switched off",
            switch(repos(), "enableProjectTypeInWorkspace", "false"),
            off,
        ),
        case(
            "workspace files off",
            Blocker,
            Check::Feature,
            "workspace files are switched off",
            switch(World::of(vec![content("file", "/Shared/a.txt", b"a", &json!({}))]), "enableWorkspaceFilesystem", "false"),
            off,
        ),
        case(
            "an address that is not allowed",
            Blocker,
            Check::Feature,
            "allowed Git addresses",
            switch(switch(repos(), "enableProjectsAllowList", "true"), "projectsAllowList", "https://gitlab.example"),
            |world| {
                if let Ok(switches) = &mut world.offer().switches {
                    switches.insert("projectsAllowList".into(), "https://gitlab.example, https://github.com/a".into());
                }
            },
        ),
        case(
            "no permissions",
            Blocker,
            Check::Feature,
            "has no permissions",
            with(permissions(), |world| world.offer().permissions = Ok(false)),
            |world| world.offer().permissions = Ok(true),
        ),
    ]
}

fn people() -> Vec<Case> {
    let named = || {
        let list = acl(&[("user_name", "me@x.com", "IS_OWNER"), ("user_name", "Ada@old.example", "CAN_VIEW")]);
        let mut world = World::of(vec![job(json!({})), hanging("permissions", "jobs/1", ("job", "1"), list)]);
        world.target.push(object("user", "7", json!({"userName": "ada@new.example"})));
        world
    };
    let user = || World::of(vec![object("user", "1", json!({"userName": "ada@x.com"}))]);
    let group = |sort: &str| object("group", "1", json!({"displayName": "analysts", "meta": {"resourceType": sort}}));
    vec![
        case("somebody who is nowhere", Warning, Check::Principal, "\"Ada@old.example\"", named(), |world| {
            world.maps = "user: {Ada@old.example: ada@new.example}\n";
        }),
        case(
            "somebody who is not to be made",
            Warning,
            Check::Principal,
            "principals are not to be created",
            with(user(), |world| world.options.create_principals = false),
            |world| world.options.create_principals = true,
        ),
        case("somebody who would be made", Note, Check::Principal, "users would be made", user(), |world| {
            world.target.push(object("user", "7", json!({"userName": "ADA@x.com"})));
        }),
        case("a group of the account", Warning, Check::Principal, "hold no grants", World::of(vec![group("Group")]), |world| {
            world.bundle =
                vec![object("group", "1", json!({"displayName": "analysts", "meta": {"resourceType": "WorkspaceGroup"}}))];
        }),
    ]
}

fn machines() -> Vec<Case> {
    let one = |more: Value| World::of(vec![cluster("c", more)]);
    let allow = json!({"node_type_id": {"type": "allowlist", "values": ["Standard_DS3_v2", "Standard_D4ds_v5"]}});
    vec![
        case(
            "a node type that is not offered",
            Blocker,
            Check::NodeType,
            "\"Standard_DS3_v2\" is not offered",
            one(json!({"node_type_id": "Standard_DS3_v2"})),
            |world| world.maps = "node_type: {Standard_DS3_v2: Standard_D4ds_v5}\n",
        ),
        case(
            "a node type that cannot be had",
            Blocker,
            Check::NodeType,
            "NotEnabledOnSubscription",
            with(one(json!({})), |world| {
                if let Some(machine) = world.offer().machines.as_mut().ok().and_then(|all| all.first_mut()) {
                    machine.node_info =
                        Some(NodeInfo { status: vec!["NotEnabledOnSubscription".into()], available_core_quota: Some(100.0) });
                }
            }),
            |world| world.maps = "node_type: {Standard_D4ds_v5: Standard_D8ds_v5}\n",
        ),
        case(
            "a policy that names one",
            Warning,
            Check::NodeType,
            "\"Standard_DS3_v2\" is not offered",
            World::of(vec![policy(&allow)]),
            |world| world.maps = "node_type: {Standard_DS3_v2: Standard_D8ds_v5}\n",
        ),
        case(
            "a runtime that is not offered",
            Blocker,
            Check::SparkVersion,
            "\"14.3.x-scala2.12\" is not offered",
            one(json!({"spark_version": "14.3.x-scala2.12"})),
            |world| world.maps = "spark_version: {14.3.x-scala2.12: 15.4.x-scala2.12}\n",
        ),
        case(
            "a zone that is not here",
            Blocker,
            Check::Zone,
            "\"us-west-2a\" is not here",
            one(json!({"aws_attributes": {"zone_id": "us-west-2a"}})),
            |world| world.maps = "zone: {us-west-2a: auto}\n",
        ),
    ]
}

fn room() -> Vec<Case> {
    let fixed = json!({"autotermination_minutes": {"type": "fixed", "value": 30}});
    let pooled = |most: i64| {
        let draws = cluster("c", json!({"node_type_id": null, "instance_pool_id": "pool", "num_workers": 9}));
        World::of(vec![pool(json!({"max_capacity": most})), draws])
    };
    let stopped = || {
        let mut world = pooled(20);
        world.target.push(object(
            "instance_pool",
            "there",
            json!({"instance_pool_name": "other", "state": "STOPPED", "node_type_id": "Standard_D4ds_v5"}),
        ));
        world.maps = "instance_pool: {pool: there}\n";
        world
    };
    let pinned = |count: usize| {
        let one = |number: usize| cluster(&format!("c{number}"), json!({})).with(&json!({"pinned": true}));
        World::of((0..count).map(one).collect())
    };
    let secrets = |count: usize| {
        let one = |number: usize| {
            let mut one = hanging("secret", &format!("s/{number}"), ("secret_scope", "s"), json!({"key": number.to_string()}));
            one.key = format!("s/{number}");
            one
        };
        World::of(std::iter::once(scope("s")).chain((0..count).map(one)).collect())
    };
    vec![
        case(
            "a policy that is not kept",
            Blocker,
            Check::Policy,
            "fixes `autotermination_minutes` to 30, and it is 60",
            under(&fixed, json!({})),
            |world| {
                world.rules = "rules:\n  - name: x\n    for: {kind: cluster}\n    set: {/autotermination_minutes: 30}\n";
            },
        ),
        case(
            "a policy of the target that is not kept",
            Blocker,
            Check::Policy,
            "\"theirs\" forbids",
            with(under(&json!({}), json!({"spark_conf": {"a": "b"}})), |world| {
                let definition = json!({"spark_conf.a": {"type": "forbidden"}}).to_string();
                world.target.push(object("cluster_policy", "there", json!({"name": "theirs", "definition": definition})));
                world.maps = "cluster_policy: {p: there}\n";
            }),
            |world| world.maps = "",
        ),
        case("a pool that is too small", Warning, Check::Pool, "holds 5 machines at most, and up to 10", pooled(5), |world| {
            world.rules = "rules:\n  - name: x\n    for: {kind: cluster}\n    clamp: {/num_workers: {max: 4}}\n";
        }),
        case("a pool that is stopped", Warning, Check::Pool, "is STOPPED", stopped(), |world| world.maps = ""),
        case(
            "more cores than are left",
            Warning,
            Check::Quota,
            "up to 124 cores",
            World::of(vec![cluster("c", json!({"num_workers": 30}))]),
            |world| world.rules = "rules:\n  - name: x\n    for: {kind: cluster}\n    clamp: {/num_workers: {max: 20}}\n",
        ),
        case(
            "a quota that is not told",
            Note,
            Check::Quota,
            "takes up to 8",
            with(World::of(vec![cluster("c", json!({}))]), |world| {
                world.offer().machines.as_mut().ok().into_iter().flatten().for_each(|one| one.node_info = None);
            }),
            |world| *world.offer() = super::offer(),
        ),
        case(
            "more jobs than a workspace holds",
            Blocker,
            Check::Quota,
            "10000 at most",
            with(World::of(vec![job(json!({}))]), |world| world.listed.extend([("job", 10_000)])),
            |world| world.listed.clear(),
        ),
        case("more pins than a workspace has", Warning, Check::Quota, "101 clusters would be pinned", pinned(101), |world| {
            world.bundle.pop();
        }),
        case("more secrets than a scope takes", Blocker, Check::Quota, "1001 secrets", secrets(1001), |world| {
            world.bundle.pop();
        }),
    ]
}

fn things() -> Vec<Case> {
    let library = || World::of(vec![task(json!({"libraries": [{"jar": "dbfs:/a.jar"}]}))]);
    let script = || World::of(vec![cluster("c", json!({"init_scripts": [{"volumes": {"destination": "/Volumes/c/s/v/a.sh"}}]}))]);
    let absent = |path: &'static str| move |world: &mut World| drop(world.offer().paths.insert(path.into(), Ok(false)));
    let volume = || World::of(vec![content("volume_file", "/Volumes/c/s/v/a.sh", b"a", &json!({}))]);
    vec![
        case(
            "a value that a person must set",
            Warning,
            Check::Secret,
            "set the value",
            World::of(vec![scope("s"), secret()]),
            |world| {
                world.target.extend([scope("s"), secret()]);
            },
        ),
        case(
            "a secret that nobody has",
            Warning,
            Check::Secret,
            "secret \"s/k\"",
            World::of(vec![cluster("c", json!({"spark_conf": {"a": "{{secrets/s/k}}"}}))]),
            |world| world.target.extend([scope("s"), secret()]),
        ),
        case(
            "a library that is nowhere",
            Warning,
            Check::File,
            "dbfs:/a.jar is neither",
            with(library(), absent("dbfs:/a.jar")),
            |world| {
                world.offer().paths.insert("dbfs:/a.jar".into(), Ok(true));
            },
        ),
        case(
            "an init script that is nowhere",
            Blocker,
            Check::File,
            "/Volumes/c/s/v/a.sh is neither",
            with(script(), |world| {
                absent("/Volumes/c/s/v/a.sh")(world);
                world.offer().paths.insert("/Volumes/c/s/v".into(), Ok(true));
            }),
            |world| world.bundle.push(content("volume_file", "/Volumes/c/s/v/a.sh", b"a", &json!({}))),
        ),
        case(
            "a volume that is not there",
            Blocker,
            Check::File,
            "no volume /Volumes/c/s/v",
            with(volume(), absent("/Volumes/c/s/v")),
            |world| {
                world.offer().paths.insert("/Volumes/c/s/v".into(), Ok(true));
            },
        ),
    ]
}

fn nowhere() -> Vec<Case> {
    let blanked = cluster("c", json!({"spark_conf": {"my.secret": REDACTED}}));
    vec![
        case(
            "a warehouse that is nowhere",
            Blocker,
            Check::Reference,
            "warehouse \"w\"",
            World::of(vec![task(json!({"sql_task": {"warehouse_id": "w"}}))]),
            |world| world.maps = "warehouse: {w: there}\n",
        ),
        case(
            "a policy that is nowhere",
            Warning,
            Check::Reference,
            "cluster policy \"gone\"",
            World::of(vec![cluster("c", json!({"policy_id": "gone"}))]),
            |world| world.rules = "rules:\n  - name: x\n    for: {kind: cluster}\n    drop: [/policy_id]\n",
        ),
        case(
            "a notebook that is nowhere",
            Warning,
            Check::Reference,
            "notebook \"/Shared/n\"",
            World::of(vec![task(json!({"notebook_task": {"notebook_path": "/Shared/n"}}))]),
            |world| world.target.push(content("notebook", "/Shared/n", b"n", &json!({}))),
        ),
        case(
            "a connection of the account",
            Note,
            Check::Elsewhere,
            "the connection \"powerbi\"",
            World::of(vec![task(json!({"power_bi_task": {"connection_resource_name": "powerbi"}}))]),
            |world| world.maps = "connection: {powerbi: powerbi-west}\n",
        ),
        case("a field that was blanked", Warning, Check::Elsewhere, "my.secret", World::of(vec![blanked]), |world| {
            world.rules = "rules:\n  - name: x\n    for: {kind: cluster}\n    set: {/spark_conf/my.secret: \"x\"}\n";
        }),
        case(
            "something of the source",
            Warning,
            Check::Leak,
            "the source's storage",
            with(World::of(vec![]), |world| {
                let text = "the source's storage lake.example is in what is written: map it".into();
                world.todos = vec![Todo { what: What::Leak, text, objects: vec!["job:a at /tags".into()] }];
            }),
            |world| world.todos.clear(),
        ),
        case(
            "what makes no sense",
            Warning,
            Check::LeftOut,
            "no such kind",
            with(World::of(vec![]), |world| {
                let object = SourceId { kind: "hologram".into(), id: "1".into() };
                world.unfit = vec![Unfit { object, key: "h".into(), reason: "this version knows no such kind".into() }];
            }),
            |world| world.unfit.clear(),
        ),
        case(
            "what is only recorded",
            Note,
            Check::LeftOut,
            "SQL warehouses",
            with(World::of(vec![]), |world| world.recorded = vec![object("warehouse", "w", json!({"name": "reporting"}))]),
            |world| world.target.push(object("warehouse", "there", json!({"name": "reporting"}))),
        ),
        case(
            "what could not be read",
            Warning,
            Check::Unchecked,
            "instance pools of the target",
            with(World::of(vec![]), |world| world.unread = vec![("instance_pool".into(), "*".into())]),
            |world| world.unread.clear(),
        ),
    ]
}

fn names() -> Vec<Case> {
    let theirs =
        |definition: &Value| object("cluster_policy", "there", json!({"name": "small", "definition": definition.to_string()}));
    let mine = json!({"num_workers": {"type": "range", "maxValue": 8}});
    let two = |other: &str| {
        World::of(vec![policy(&json!({})), object("cluster_policy", "q", json!({"name": other, "definition": "{}"}))])
    };
    vec![
        case("two of one name", Blocker, Check::Clash, "2 objects of the bundle want to be", two("small"), |world| {
            world.bundle = two_names();
        }),
        case(
            "a path that is taken",
            Blocker,
            Check::Clash,
            "something else at this path",
            with(World::of(vec![content("notebook", "/Shared/n", b"n", &json!({}))]), |world| {
                world.target.push(content("file", "/Shared/n", b"f", &json!({})));
            }),
            |world| world.rules = "rules:\n  - name: x\n    move: {/Shared/n: /Shared/m}\n",
        ),
        case(
            "a home without its owner",
            Blocker,
            Check::Reference,
            "is the home of \"ada@x.com\"",
            World::of(vec![content("notebook", "/Users/ada@x.com/n", b"n", &json!({}))]),
            |world| world.bundle.push(object("user", "1", json!({"userName": "ada@x.com"}))),
        ),
        case(
            "a job of that name",
            Warning,
            Check::Clash,
            "a job of that name exists",
            with(World::of(vec![job(json!({"max_concurrent_runs": 3}))]), |world| {
                world.target.push(object("job", "5", json!({"settings": {"name": "nightly"}})));
            }),
            |world| world.maps = "job: {1: 5}\n",
        ),
        case(
            "something that is not ours",
            Warning,
            Check::Present,
            "no import is known to have made them",
            with(World::of(vec![policy(&mine)]), |world| world.target.push(theirs(&json!({})))),
            |world| {
                let source = SourceId { kind: "cluster_policy".into(), id: "p".into() };
                world.known.insert(source, "there".into());
            },
        ),
    ]
}

fn two_names() -> Vec<Object> {
    vec![policy(&json!({})), object("cluster_policy", "q", json!({"name": "large", "definition": "{}"}))]
}

#[test]
fn every_mistake_is_found_and_its_fix_makes_the_finding_vanish() {
    for mut case in cases() {
        let name = case.name;
        let is = |one: &&Finding| (one.severity, one.check) == (case.severity, case.check) && one.text.contains(case.words);
        let before = case.world.report().findings;
        assert_eq!(before.iter().filter(is).count(), 1, "{name}: {before:#?}");
        (case.fix)(&mut case.world);
        let after = case.world.report().findings;
        assert_eq!(after.iter().filter(is).count(), 0, "{name}, mended: {after:#?}");
        // The mistake is found by its own check alone: what else is told is told with and without it.
        let weighs = |one: &&Finding| one.severity != Note && !is(one);
        let same =
            |one: &Finding, other: &Finding| (one.severity, one.check, &one.text) == (other.severity, other.check, &other.text);
        let others: Vec<_> = before.iter().filter(weighs).filter(|one| !after.iter().any(|other| same(one, other))).collect();
        assert!(others.is_empty(), "{name} is found twice: {others:#?}");
    }
}

#[test]
fn every_check_has_its_mistake() {
    let tried: BTreeSet<Check> = cases().iter().map(|case| case.check).collect();
    assert_eq!(tried, Check::ALL.iter().copied().collect());
}
