//! Kinds that others refer to and that this version records but does not restore: an import finds them in the target by
//! name. Reference "more" §2, §9.4; core §11, §13.2.

use super::spec::*;

const NOT_YET: &str = "recorded so that references resolve by name; this version does not restore it";

macro_rules! recorded {
    ($name:literal, $title:literal, list: $path:literal, $items:literal, $paging:expr, id: $id:literal, key: $key:literal, refs: $refs:expr, reason: $reason:expr) => {
        Kind {
            name: $name,
            title: $title,
            shape: Shape::Recorded(Recorded {
                list: List { path: $path, items: $items, paging: $paging },
                id: $id,
                reason: $reason,
            }),
            key: Key { at: $key, unique: false, fold: false },
            body: &[""],
            fields: RUNNING,
            refs: $refs,
            after: &[],
            permissions: None,
            unordered: &[],
            defaults: &[],
            shaping: &[],
            stamp: None,
            lanes: 1,
            changed: None,
        }
    };
}

/// What such objects are doing at the moment says nothing about what they are.
const RUNNING: &[Fields] = &[Fields {
    at: &[""],
    fields: &[
        ("/state", Class::Volatile),
        ("/health", Class::Volatile),
        ("/num_clusters", Class::Volatile),
        ("/num_active_sessions", Class::Volatile),
        ("/latest_updates", Class::Volatile),
        ("/trigger_time", Class::Volatile),
        ("/config/*/password", Class::Secret),
        ("/config/*/url", Class::Secret),
        ("/config/*/*token*", Class::Secret),
        ("/config/*/*key*", Class::Secret),
    ],
}];

/// What queries and dashboards run on, and where they lie (reference "more" §2.2, §2.5).
const QUERY_REFS: &[Refs] = &[Refs {
    at: &[""],
    refs: &[
        Ref { at: "/warehouse_id", to: &["warehouse"], by: By::Id, gone: Gone::Keep },
        Ref { at: "/parent_path", to: &["directory", "repo"], by: By::Path, gone: Gone::Keep },
    ],
}];

/// The same for alerts, of which the older kind looks at a query (reference "more" §2.4).
const ALERT_REFS: &[Refs] = &[
    Refs { at: &[""], refs: &[Ref { at: "/query_id", to: &["query"], by: By::Id, gone: Gone::Keep }] },
    Refs {
        at: &[""],
        refs: &[
            Ref { at: "/warehouse_id", to: &["warehouse"], by: By::Id, gone: Gone::Keep },
            Ref { at: "/parent_path", to: &["directory", "repo"], by: By::Path, gone: Gone::Keep },
        ],
    },
];

/// What a pipeline runs, where a listing shows its specification (core reference §11).
const PIPELINE_REFS: &[Refs] = &[
    Refs {
        at: &["/spec/libraries/*"],
        refs: &[
            Ref { at: "/notebook/path", to: &["notebook"], by: By::Path, gone: Gone::Keep },
            Ref { at: "/file/path", to: &["file"], by: By::Path, gone: Gone::Keep },
        ],
    },
    Refs {
        at: &["/spec/clusters/*"],
        refs: &[
            Ref { at: "/policy_id", to: &["cluster_policy"], by: By::Id, gone: Gone::Keep },
            Ref { at: "/instance_pool_id", to: &["instance_pool"], by: By::Id, gone: Gone::Keep },
            Ref { at: "/driver_instance_pool_id", to: &["instance_pool"], by: By::Id, gone: Gone::Keep },
        ],
    },
];

const TOKEN: Paging = Paging::Token("page_token", "next_page_token");

pub(super) static WAREHOUSE: Kind = recorded!("warehouse", "SQL warehouses", list: "/api/2.0/sql/warehouses", "warehouses", TOKEN, id: "/id", key: "/name", refs: &[], reason: NOT_YET);
pub(super) static QUERY: Kind = recorded!("query", "SQL queries", list: "/api/2.0/sql/queries?page_size=100", "results", TOKEN, id: "/id", key: "/display_name", refs: QUERY_REFS, reason: NOT_YET);
pub(super) static ALERT: Kind = recorded!("alert", "SQL alerts", list: "/api/2.0/sql/alerts?page_size=100", "results", TOKEN, id: "/id", key: "/display_name", refs: ALERT_REFS, reason: NOT_YET);
pub(super) static DASHBOARD: Kind = recorded!("dashboard", "dashboards", list: "/api/2.0/lakeview/dashboards?page_size=100", "dashboards", TOKEN, id: "/dashboard_id", key: "/display_name", refs: QUERY_REFS, reason: NOT_YET);
pub(super) static PIPELINE: Kind = recorded!("pipeline", "pipelines", list: "/api/2.0/pipelines?max_results=100", "statuses", TOKEN, id: "/pipeline_id", key: "/name", refs: PIPELINE_REFS, reason: NOT_YET);
pub(super) static NOTIFICATION_DESTINATION: Kind = recorded!("notification_destination", "notification destinations", list: "/api/2.0/notification-destinations?page_size=100", "results", TOKEN, id: "/id", key: "/display_name", refs: &[], reason: NOT_YET);
pub(super) static GIT_CREDENTIAL: Kind = recorded!("git_credential", "Git credentials of the exporter", list: "/api/2.0/git-credentials", "credentials", Paging::None, id: "/credential_id", key: "/git_provider", refs: &[], reason: "its token cannot be read; each person signs in to Git anew");
