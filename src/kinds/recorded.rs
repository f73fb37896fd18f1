//! Kinds that others refer to and that this version records but does not restore: an import finds them in the target by
//! name. Reference "more" §2, §9.4; core §11, §13.2.

use super::spec::*;

const NOT_YET: &str = "recorded so that references resolve by name; this version does not restore it";

macro_rules! recorded {
    ($name:literal, $title:literal, list: $path:literal, $items:literal, $paging:expr, id: $id:literal, key: $key:literal, reason: $reason:expr) => {
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
            refs: &[],
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

const TOKEN: Paging = Paging::Token("page_token", "next_page_token");

pub(super) static WAREHOUSE: Kind = recorded!("warehouse", "SQL warehouses", list: "/api/2.0/sql/warehouses", "warehouses", TOKEN, id: "/id", key: "/name", reason: NOT_YET);
pub(super) static QUERY: Kind = recorded!("query", "SQL queries", list: "/api/2.0/sql/queries?page_size=100", "results", TOKEN, id: "/id", key: "/display_name", reason: NOT_YET);
pub(super) static ALERT: Kind = recorded!("alert", "SQL alerts", list: "/api/2.0/sql/alerts?page_size=100", "results", TOKEN, id: "/id", key: "/display_name", reason: NOT_YET);
pub(super) static DASHBOARD: Kind = recorded!("dashboard", "dashboards", list: "/api/2.0/lakeview/dashboards?page_size=100", "dashboards", TOKEN, id: "/dashboard_id", key: "/display_name", reason: NOT_YET);
pub(super) static PIPELINE: Kind = recorded!("pipeline", "pipelines", list: "/api/2.0/pipelines?max_results=100", "statuses", TOKEN, id: "/pipeline_id", key: "/name", reason: NOT_YET);
pub(super) static NOTIFICATION_DESTINATION: Kind = recorded!("notification_destination", "notification destinations", list: "/api/2.0/notification-destinations?page_size=100", "results", TOKEN, id: "/id", key: "/display_name", reason: NOT_YET);
pub(super) static GIT_CREDENTIAL: Kind = recorded!("git_credential", "Git credentials of the exporter", list: "/api/2.0/git-credentials", "credentials", Paging::None, id: "/credential_id", key: "/git_provider", reason: "its token cannot be read; each person signs in to Git anew");
