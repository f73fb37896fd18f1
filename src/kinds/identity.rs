//! Identity by SCIM (RFC 7643, RFC 7644): users, groups, service principals, with their entitlements and roles.
//! Reference "more" §1.

use super::spec::*;
use serde_json::{Map, Value, json};

const BODY_DEFAULTS: &[(&str, Option<&str>)] =
    &[("/active", Some("true")), ("/name", None), ("/displayName", None), ("/entitlements", Some("[]")), ("/roles", Some("[]"))];

/// Entitlements and roles are lists of values; what came through a group (`indirect`) comes back through the group.
fn direct_only(body: &mut Map<String, Value>) {
    for field in ["entitlements", "roles"] {
        let direct = |entry: &&Value| entry.get("type").is_none_or(|kind| kind == "direct");
        let plain = |entry: &Value| entry.get("value").map(|value| json!({ "value": value }));
        let Some(list) = body.get(field).and_then(Value::as_array) else { continue };
        let kept: Vec<Value> = list.iter().filter(direct).filter_map(plain).collect();
        body.insert(field.into(), json!(kept));
    }
}

fn shape(body: &mut Map<String, Value>, schema: &str) {
    direct_only(body);
    body.insert("schemas".into(), json!([format!("urn:ietf:params:scim:schemas:core:2.0:{schema}")]));
}

fn shape_group(body: &mut Map<String, Value>) {
    shape(body, "Group");
    let members = body.get("members").and_then(Value::as_array).into_iter().flatten();
    let plain: Vec<Value> = members.filter_map(|member| member.get("value").map(|value| json!({ "value": value }))).collect();
    body.insert("members".into(), json!(plain));
}

const ROLE_REFS: &[Ref] = &[Ref { at: "/roles/*/value", to: &["instance_profile"], by: By::Key, gone: Gone::Silent }];

pub(super) static USER: Kind = Kind {
    name: "user",
    title: "users",
    shape: Shape::Collection(Collection {
        list: List {
            path: "/api/2.0/preview/scim/v2/Users?attributes=id,userName,displayName,name,active,externalId,entitlements,groups,roles,emails",
            items: "Resources",
            paging: Paging::Scim,
        },
        id: "/id",
        get: None,
        create: Create {
            call: Call { method: "POST", path: "/api/2.0/preview/scim/v2/Users", body: "", idempotent: false },
            id: Some("/id"),
        },
        update: Update::ScimPatch(Call {
            method: "PATCH",
            path: "/api/2.0/preview/scim/v2/Users/{id}",
            body: "",
            idempotent: true,
        }),
        delete: None,
        settle: None,
        marks: &[],
        leave: &[],
        built_in: None,
    }),
    key: Key { at: "/userName", unique: true, fold: true },
    body: &[""],
    fields: &[Fields {
        at: &[""],
        fields: &[
            ("/schemas", Class::WriteOnly),
            ("/userName", Class::FixedAtCreate),
            ("/displayName", Class::FixedAtCreate),
            ("/name", Class::FixedAtCreate),
            ("/active", Class::Sent),
            ("/entitlements", Class::Sent),
            ("/roles", Class::Sent),
            ("/id", Class::ServerSet),
            ("/meta", Class::ServerSet),
            ("/groups", Class::ServerSet),
            ("/emails", Class::ServerSet),
            ("/externalId", Class::ServerSet),
        ],
    }],
    refs: &[Refs { at: &[""], refs: ROLE_REFS }],
    after: &[],
    permissions: None,
    unordered: &[("/entitlements", "value"), ("/roles", "value")],
    defaults: &[Defaults { at: &[""], values: BODY_DEFAULTS }],
    shaping: &[Shaping {
        at: &[""],
        reason: "SCIM wants the schema, and direct values only",
        run: |_, body| shape(body, "User"),
    }],
    stamp: None,
    lanes: 4,
    changed: None,
};

pub(super) static SERVICE_PRINCIPAL: Kind = Kind {
    name: "service_principal",
    title: "service principals",
    shape: Shape::Collection(Collection {
        list: List { path: "/api/2.0/preview/scim/v2/ServicePrincipals", items: "Resources", paging: Paging::Scim },
        id: "/id",
        get: None,
        create: Create {
            call: Call { method: "POST", path: "/api/2.0/preview/scim/v2/ServicePrincipals", body: "", idempotent: false },
            id: Some("/id"),
        },
        update: Update::ScimPatch(Call {
            method: "PATCH",
            path: "/api/2.0/preview/scim/v2/ServicePrincipals/{id}",
            body: "",
            idempotent: true,
        }),
        delete: None,
        settle: None,
        marks: &[],
        leave: &[],
        built_in: None,
    }),
    key: Key { at: "/applicationId", unique: true, fold: true },
    body: &[""],
    fields: &[Fields {
        at: &[""],
        fields: &[
            ("/schemas", Class::WriteOnly),
            ("/applicationId", Class::FixedAtCreate),
            ("/displayName", Class::FixedAtCreate),
            ("/active", Class::Sent),
            ("/entitlements", Class::Sent),
            ("/roles", Class::Sent),
            ("/id", Class::ServerSet),
            ("/meta", Class::ServerSet),
            ("/groups", Class::ServerSet),
            ("/externalId", Class::ServerSet),
        ],
    }],
    refs: &[Refs { at: &[""], refs: ROLE_REFS }],
    after: &[],
    permissions: None,
    unordered: &[("/entitlements", "value"), ("/roles", "value")],
    defaults: &[Defaults { at: &[""], values: BODY_DEFAULTS }],
    shaping: &[Shaping {
        at: &[""],
        reason: "SCIM wants the schema, and direct values only",
        run: |_, body| shape(body, "ServicePrincipal"),
    }],
    stamp: None,
    lanes: 4,
    changed: None,
};

/// The kinds of whom something may belong to: people, programs, and groups of them.
pub const PRINCIPALS: [&str; 3] = ["user", "service_principal", "group"];

/// Whether things of this kind are such.
pub fn is_principal(kind: &str) -> bool {
    PRINCIPALS.contains(&kind)
}

/// Whether a group is one of those of which every user, group and service principal is a member, so that the workspace itself says
/// who is in it (reference "more" §1).
pub fn is_everybody(name: &str) -> bool {
    matches!(name, "users" | "account users")
}

fn everyone_or_admins(group: &Value) -> bool {
    group.get("displayName").and_then(Value::as_str).is_some_and(|name| name == "admins" || is_everybody(name))
}

pub(super) static GROUP: Kind = Kind {
    name: "group",
    title: "groups",
    shape: Shape::Collection(Collection {
        list: List {
            path: "/api/2.0/preview/scim/v2/Groups?attributes=id,displayName,externalId,meta",
            items: "Resources",
            paging: Paging::Scim,
        },
        id: "/id",
        get: Some(Get { path: "/api/2.0/preview/scim/v2/Groups/{id}", arrays: &[] }),
        create: Create {
            call: Call { method: "POST", path: "/api/2.0/preview/scim/v2/Groups", body: "", idempotent: false },
            id: Some("/id"),
        },
        update: Update::ScimPatch(Call {
            method: "PATCH",
            path: "/api/2.0/preview/scim/v2/Groups/{id}",
            body: "",
            idempotent: true,
        }),
        delete: Some(&Call { method: "DELETE", path: "/api/2.0/preview/scim/v2/Groups/{id}", body: "", idempotent: true }),
        settle: None,
        marks: &[],
        leave: &[],
        built_in: Some(everyone_or_admins),
    }),
    key: Key { at: "/displayName", unique: true, fold: false },
    body: &[""],
    fields: &[Fields {
        at: &[""],
        fields: &[
            ("/schemas", Class::WriteOnly),
            ("/displayName", Class::FixedAtCreate),
            ("/entitlements", Class::Sent),
            ("/roles", Class::Sent),
            ("/members", Class::Later),
            ("/members/*/display", Class::ServerSet),
            ("/members/*/$ref", Class::ServerSet),
            ("/id", Class::ServerSet),
            ("/meta", Class::ServerSet),
            ("/groups", Class::ServerSet),
            ("/externalId", Class::ServerSet),
        ],
    }],
    refs: &[
        Refs { at: &[""], refs: ROLE_REFS },
        Refs {
            at: &[""],
            refs: &[Ref {
                at: "/members/*/value",
                to: &["user", "group", "service_principal"],
                by: By::Id,
                gone: Gone::DropParent,
            }],
        },
    ],
    after: &[],
    permissions: None,
    unordered: &[("/entitlements", "value"), ("/roles", "value"), ("/members", "value")],
    defaults: &[Defaults {
        at: &[""],
        values: &[("/entitlements", Some("[]")), ("/roles", Some("[]")), ("/members", Some("[]"))],
    }],
    shaping: &[Shaping {
        at: &[""],
        reason: "SCIM wants the schema, direct values, and members by id only",
        run: |_, body| shape_group(body),
    }],
    stamp: None,
    lanes: 4,
    changed: None,
};
