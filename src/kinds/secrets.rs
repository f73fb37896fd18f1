//! Secret scopes, the names of their keys, their ACLs, and the values where a source for them is given. Core reference §12.

use super::spec::*;
use serde_json::{Value, json};

pub(super) static SECRET_SCOPE: Kind = Kind {
    name: "secret_scope",
    title: "secret scopes",
    shape: Shape::Collection(Collection {
        list: List { path: "/api/2.0/secrets/scopes/list", items: "scopes", paging: Paging::None },
        id: "/name",
        get: None,
        create: Create {
            call: Call { method: "POST", path: "/api/2.0/secrets/scopes/create", body: "", idempotent: false },
            id: None,
        },
        update: Update::Never("the backend of a scope cannot change"),
        delete: None,
        settle: None,
        marks: &[],
        leave: &[],
        built_in: None,
    }),
    key: Key { at: "/name", unique: true, fold: true },
    body: &[""],
    fields: &[Fields {
        at: &[""],
        fields: &[
            ("/name", Class::SentAs("scope")),
            ("/backend_type", Class::SentAs("scope_backend_type")),
            ("/keyvault_metadata", Class::SentAs("backend_azure_keyvault")),
        ],
    }],
    refs: &[Refs {
        at: &["/keyvault_metadata"],
        refs: &[
            Ref { at: "/resource_id", to: &[], by: By::Elsewhere("key_vault"), gone: Gone::Silent },
            Ref { at: "/dns_name", to: &[], by: By::Elsewhere("key_vault"), gone: Gone::Silent },
        ],
    }],
    after: &[],
    permissions: None,
    unordered: &[],
    defaults: &[Defaults { at: &[""], values: &[("/backend_type", Some("\"DATABRICKS\""))] }],
    shaping: &[],
    stamp: None,
    lanes: 4,
    changed: None,
};

pub(super) static SECRET: Kind = Kind {
    name: "secret",
    title: "secret keys",
    shape: Shape::Attached(Attached {
        to: &["secret_scope"],
        read: Read::EachItems { path: "/api/2.0/secrets/list?scope={parent}", items: "secrets", id: "/key" },
        write: Write::ByValue { value: "secret_value", todo: "set the value of this secret" },
    }),
    key: Key { at: "", unique: true, fold: true },
    body: &[""],
    fields: &[Fields { at: &[""], fields: &[("/key", Class::Sent), ("/last_updated_timestamp", Class::ServerSet)] }],
    refs: &[],
    after: &[],
    permissions: None,
    unordered: &[],
    defaults: &[],
    shaping: &[],
    stamp: None,
    lanes: 1,
    changed: None,
};

pub(super) static SECRET_VALUE: Kind = Kind {
    name: "secret_value",
    title: "values of secrets",
    shape: Shape::Attached(Attached {
        to: &["secret_scope"],
        read: Read::Given {
            of: "secret",
            path: "/api/2.0/secrets/get?scope={parent}&key={key}",
            elsewhere: |scope| {
                (scope["backend_type"] == "AZURE_KEYVAULT")
                    .then_some("it lives in the key vault, and is not the workspace's to keep")
            },
        },
        write: Write::Value {
            call: Call { method: "POST", path: "/api/2.0/secrets/put", body: "", idempotent: true },
            parent: "/scope",
        },
    }),
    key: Key { at: "", unique: true, fold: true },
    body: &[],
    fields: &[],
    refs: &[],
    after: &[],
    permissions: None,
    unordered: &[],
    defaults: &[],
    shaping: &[],
    stamp: None,
    lanes: 4,
    changed: None,
};

pub(super) static SECRET_ACL: Kind = Kind {
    name: "secret_acl",
    title: "ACLs of secret scopes",
    shape: Shape::Attached(Attached {
        to: &["secret_scope"],
        read: Read::Each("/api/2.0/secrets/acls/list?scope={parent}"),
        write: Write::Entries {
            at: "/items",
            call: Call { method: "POST", path: "/api/2.0/secrets/acls/put", body: "", idempotent: true },
            parent: "/scope",
        },
    }),
    key: Key { at: "", unique: true, fold: true },
    body: &[""],
    fields: &[Fields { at: &[""], fields: &[("/items", Class::Sent)] }],
    refs: &[Refs {
        at: &[""],
        refs: &[Ref {
            at: "/items/*/principal",
            to: &["user", "service_principal", "group"],
            by: By::Key,
            gone: Gone::DropParent,
        }],
    }],
    after: &[("group", "an entry for an unknown principal is refused")],
    permissions: None,
    unordered: &[("/items", "principal")],
    defaults: &[],
    shaping: &[Shaping {
        at: &[""],
        reason: "some answers call the list `acls`",
        run: |document: &Value, body| {
            let acls = document.get("items").or_else(|| document.get("acls")).cloned();
            body.insert("items".into(), acls.unwrap_or_else(|| json!([])));
        },
    }],
    stamp: None,
    lanes: 4,
    changed: None,
};
