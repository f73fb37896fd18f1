//! Runtimes whose support has ended, and what never ends by itself.

use super::runtimes::{AS_OF, Support, support};
use super::{Check, Findings, Severity, own};
use crate::object::Object;
use crate::pointer;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::Value;

/// Days before the end of support from which on it is told.
const SOON: i32 = 180;

pub(super) fn document(object: &Object, document: &Value, at: Timestamp, findings: &mut Findings) {
    let today = TimeZone::UTC.to_datetime(at).date();
    pointer::each_text(document, &mut String::new(), &mut |at, text| {
        let runtime = at.ends_with("/spark_version") || at.ends_with("/effective_spark_version");
        let runtime = runtime || at.contains("spark_version/") || at.contains("/preloaded_spark_versions/");
        if runtime {
            judge(object, text, today, at, findings);
        }
    });
    always_on(object, document, findings);
}

fn judge(object: &Object, version: &str, today: Date, at: &str, findings: &mut Findings) {
    let hint = "move to a runtime with long-term support, and test what runs on it";
    let mut tell = |severity, text: String| findings.at(severity, Check::Runtime, text, hint, object, at);
    match support(version) {
        Some(Support::Until(end)) if end <= today => {
            tell(Severity::Medium, format!("support of the runtime {version} ended on {end}"));
        }
        Some(Support::Until(end)) if (end - today).get_days() <= SOON => {
            tell(Severity::Low, format!("support of the runtime {version} ends on {end}"));
        }
        Some(Support::Ended) => {
            tell(
                Severity::Medium,
                format!("support of the runtime {version} has ended; the publisher does not say when any more"),
            );
        }
        Some(Support::Removed) => {
            tell(Severity::High, format!("the runtime {version} was removed: no cluster starts with it"));
        }
        Some(Support::Unknown) => {
            tell(
                Severity::Low,
                format!("until when the runtime {version} is supported is not known here: it is newer than {AS_OF}"),
            );
        }
        Some(Support::Until(_)) | None => {}
    }
}

/// A zero says that it never ends (core reference §5; more §2).
fn always_on(object: &Object, document: &Value, findings: &mut Findings) {
    let (field, what) = match object.kind.name {
        "cluster" => ("autotermination_minutes", "cluster does not end"),
        "warehouse" => ("auto_stop_mins", "warehouse does not stop"),
        _ => return,
    };
    let minutes = document.get(field).map_or(Some(0), |minutes| minutes.as_i64().or_else(|| minutes.as_str()?.parse().ok()));
    if minutes == Some(0) {
        let text = format!("the {what} by itself when nobody uses it");
        let hint = format!("set `{field}`; a restore brings it back as it was");
        findings.add(Severity::Medium, Check::AlwaysOn, text, &hint, own(object), None);
    }
}
