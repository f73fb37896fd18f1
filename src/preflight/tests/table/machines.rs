//! Mistakes with machines: those that are not offered, and those that are too many.

use super::*;

pub(super) fn machines() -> Vec<Case> {
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

pub(super) fn room() -> Vec<Case> {
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
            |world| *world.offer() = super::super::offer(),
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
