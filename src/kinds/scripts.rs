//! Global init scripts, which run on every cluster of a workspace. Core reference §9.1.

use super::spec::*;

pub(super) static GLOBAL_INIT_SCRIPT: Kind = Kind {
    name: "global_init_script",
    title: "global init scripts",
    shape: Shape::Collection(Collection {
        list: List { path: "/api/2.0/global-init-scripts", items: "scripts", paging: Paging::None },
        id: "/script_id",
        get: Some(Get { path: "/api/2.0/global-init-scripts/{id}", arrays: &[] }),
        create: Create {
            call: Call { method: "POST", path: "/api/2.0/global-init-scripts", body: "", idempotent: false },
            id: Some("/script_id"),
        },
        update: Update::Replace {
            call: Call { method: "PATCH", path: "/api/2.0/global-init-scripts/{id}", body: "", idempotent: true },
            id: None,
            under: None,
            part: None,
        },
        delete: Some(&Call { method: "DELETE", path: "/api/2.0/global-init-scripts/{id}", body: "", idempotent: true }),
        settle: None,
        marks: &[],
        leave: &[],
        built_in: None,
    }),
    key: Key { at: "/name", unique: false, fold: false },
    body: &[""],
    fields: &[Fields {
        at: &[""],
        fields: &[
            ("/name", Class::Sent),
            ("/script", Class::Sent),
            ("/position", Class::Sent),
            ("/enabled", Class::Activation("false")),
            ("/script_id", Class::ServerSet),
            ("/created_at", Class::ServerSet),
            ("/created_by", Class::ServerSet),
            ("/updated_at", Class::ServerSet),
            ("/updated_by", Class::ServerSet),
        ],
    }],
    refs: &[],
    after: &[],
    permissions: None,
    unordered: &[],
    defaults: &[Defaults { at: &[""], values: &[("/enabled", Some("false")), ("/position", None)] }],
    shaping: &[],
    stamp: None,
    lanes: 1,
    changed: Some("/updated_at"),
};
