//! Mistakes with what objects need, and with what they are called.

use super::*;

pub(super) fn things() -> Vec<Case> {
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

pub(super) fn nowhere() -> Vec<Case> {
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

pub(super) fn names() -> Vec<Case> {
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
