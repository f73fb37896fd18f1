//! Mistakes that show in what the target is, and in who asks it.

use super::*;

pub(super) fn rules_and_caller() -> Vec<Case> {
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

pub(super) fn features() -> Vec<Case> {
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

pub(super) fn people() -> Vec<Case> {
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
