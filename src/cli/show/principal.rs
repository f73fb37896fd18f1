//! A user, service principal or group: its groups, members, entitlements.

use crate::ui::Ui;
use serde_json::Value;

pub(super) fn tell(ui: &mut Ui, document: &Value) -> std::io::Result<bool> {
    for (label, name) in
        [("name", "displayName"), ("user", "userName"), ("application", "applicationId"), ("external id", "externalId")]
    {
        if let Some(text) = document.get(name).and_then(Value::as_str) {
            ui.line(format!("{label:<14} {text}"))?;
        }
    }
    if let Some(active) = document.get("active").and_then(Value::as_bool) {
        ui.line(format!("{:<14} {}", "active", if active { "yes" } else { "NO: disabled" }))?;
    }
    for (label, name) in [("entitlements", "entitlements"), ("roles", "roles")] {
        let all = listed(document, name, |one| one.get("value").and_then(Value::as_str).map(str::to_owned));
        if !all.is_empty() {
            ui.line(format!("{label:<14} {}", all.join(", ")))?;
        }
    }
    for (label, sort) in [("in groups", "direct"), ("through these", "indirect")] {
        let all = listed(document, "groups", |one| (sort_of(one) == sort).then(|| named(one)));
        if !all.is_empty() {
            ui.line(format!("{label:<14} {}", all.join(", ")))?;
        }
    }
    let members = document.get("members").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if !members.is_empty() {
        ui.line("")?;
        ui.table(&["member", "is a", "id"], members.iter().map(member))?;
    }
    Ok(true)
}

fn listed(document: &Value, name: &str, one: impl Fn(&Value) -> Option<String>) -> Vec<String> {
    document.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(one).collect()
}

/// SCIM says `direct` or `indirect`; what says nothing is direct (RFC 7643 §4.1.2).
fn sort_of(group: &Value) -> &str {
    group.get("type").and_then(Value::as_str).unwrap_or("direct")
}

fn named(one: &Value) -> String {
    one.get("display").or_else(|| one.get("value")).and_then(Value::as_str).unwrap_or("?").to_owned()
}

fn member(one: &Value) -> Vec<String> {
    let reference = one.get("$ref").and_then(Value::as_str).unwrap_or_default();
    let sort = match reference.split('/').next() {
        Some("Users") => "user",
        Some("Groups") => "group",
        Some("ServicePrincipals") => "service principal",
        _ => "",
    };
    vec![named(one), sort.to_owned(), one.get("value").and_then(Value::as_str).unwrap_or_default().to_owned()]
}
