//! Do clusters keep to the policies that they will stand under? (core reference §7)

use super::specs::{Planned, Spec, specs};
use super::{Check, Facts, Finding, Findings, Severity};
use regex::Regex;
use serde_json::{Map, Value, json};

const HINT: &str =
    "change the specification or the policy by a rule, or map the policy to one that allows it (`cluster_policy:`)";

/// What came of one rule of a policy.
enum Kept {
    Yes,
    No(String),
    /// Nothing can be said before it runs.
    Unknown(String),
}

pub(super) fn kept(facts: &Facts<'_>) -> Vec<Finding> {
    let planned = Planned::of(facts, &["cluster_policy"]);
    let mut findings = Findings::default();
    for spec in specs(facts) {
        let Some(id) = spec.text("policy_id") else { continue };
        // A policy that is nowhere is a reference that leads nowhere.
        let Some(policy) = planned.get("cluster_policy", id) else { continue };
        let name = policy.get("name").and_then(Value::as_str).unwrap_or(id);
        let Some(rules) = planned.definition(policy) else {
            let text = format!("could not check what keeps to the policy \"{name}\": its definition cannot be read");
            findings.add(Severity::Warning, Check::Unchecked, text, "look at the policy by hand", Some(spec.place()));
            continue;
        };
        judge(&spec, name, &rules, &mut findings);
    }
    findings.finish()
}

fn judge(spec: &Spec, name: &str, rules: &Map<String, Value>, findings: &mut Findings) {
    for (path, rule) in rules {
        match rule_kept(spec, path, rule) {
            Kept::Yes => {}
            Kept::No(why) => {
                let text = format!("the policy \"{name}\" {why}");
                findings.add(Severity::Blocker, Check::Policy, text, HINT, Some(spec.place()));
            }
            Kept::Unknown(why) => {
                let text = format!("could not check a rule of the policy \"{name}\": {why}");
                findings.add(Severity::Note, Check::Policy, text, "look at it by hand", Some(spec.place()));
            }
        }
    }
}

fn rule_kept(spec: &Spec, path: &str, rule: &Value) -> Kept {
    let sort = rule.get("type").and_then(Value::as_str).unwrap_or_default();
    if path == "dbus_per_hour" {
        return Kept::Unknown("`dbus_per_hour` is known only to the workspace".to_owned());
    }
    let values = values(spec, path);
    if values.is_empty() {
        return absent(spec, path, sort, rule);
    }
    let verdicts = values.iter().map(|value| one(path, sort, rule, value));
    verdicts.reduce(|first, next| if matches!(first, Kept::Yes) { next } else { first }).unwrap_or(Kept::Yes)
}

/// A policy that limits an attribute asks for it, unless it is optional or a value is filled in.
fn absent(spec: &Spec, path: &str, sort: &str, rule: &Value) -> Kept {
    let limits = matches!(sort, "allowlist" | "blocklist" | "regex" | "range");
    let optional = rule.get("isOptional") == Some(&json!(true));
    let filled = spec.body.get("apply_policy_default_values") == Some(&json!(true)) && rule.get("defaultValue").is_some();
    // What belongs to a pool is not asked of a cluster that draws on one, and lists may be empty.
    let pooled = spec.text("instance_pool_id").is_some() && path.contains("node_type_id");
    if !limits || optional || filled || pooled || path.contains('*') || path.split('.').any(|part| part.parse::<usize>().is_ok())
    {
        return Kept::Yes;
    }
    Kept::Unknown(format!("it limits `{path}`, of which nothing is said"))
}

fn one(path: &str, sort: &str, rule: &Value, value: &Value) -> Kept {
    let list = || rule.get("values").and_then(Value::as_array).is_some_and(|all| all.iter().any(|one| same(one, value)));
    let number = |name: &str| rule.get(name).and_then(Value::as_f64);
    let no = |why: String| Kept::No(why);
    match sort {
        "fixed" if !rule.get("value").is_some_and(|fixed| same(fixed, value)) => {
            no(format!("fixes `{path}` to {}, and it is {value}", rule.get("value").unwrap_or(&Value::Null)))
        }
        "forbidden" => no(format!("forbids `{path}`")),
        "allowlist" if !list() => no(format!("does not allow {value} for `{path}`")),
        "blocklist" if list() => no(format!("forbids {value} for `{path}`")),
        "range" => {
            let Some(have) = value.as_f64().or_else(|| value.as_str()?.parse().ok()) else { return Kept::Yes };
            let within = number("minValue").is_none_or(|low| have >= low) && number("maxValue").is_none_or(|high| have <= high);
            if within { Kept::Yes } else { no(format!("has {value} for `{path}` out of its range")) }
        }
        "regex" => by_pattern(path, rule, value),
        "fixed" | "allowlist" | "blocklist" | "unlimited" => Kept::Yes,
        other => Kept::Unknown(format!("`{path}` has a rule of the sort \"{other}\"")),
    }
}

/// Patterns are those of Java, and must fit as a whole.
fn by_pattern(path: &str, rule: &Value, value: &Value) -> Kept {
    let pattern = rule.get("pattern").and_then(Value::as_str).unwrap_or_default();
    let text = plain(value);
    match Regex::new(&format!("^(?:{pattern})$")) {
        Err(_) => Kept::Unknown(format!("the pattern of `{path}` cannot be read")),
        Ok(fits) if fits.is_match(&text) => Kept::Yes,
        Ok(_) => Kept::No(format!("has a pattern for `{path}` that {value} does not fit")),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Values compare as texts: definitions write numbers and truth as either.
fn same(one: &Value, other: &Value) -> bool {
    let number = |value: &Value| value.as_f64().or_else(|| value.as_str()?.parse::<f64>().ok());
    match (number(one), number(other)) {
        (Some(one), Some(other)) => (one - other).abs() < 1e-9,
        _ => plain(one) == plain(other),
    }
}

/// Fields whose members are named freely, so that the rest of a path is one name.
const FREE: &[&str] = &["spark_conf", "spark_env_vars", "custom_tags"];

/// The values that a path of a policy stands for in a specification.
fn values(spec: &Spec, path: &str) -> Vec<Value> {
    if path == "cluster_type" {
        return vec![json!(if spec.kind.name == "job" { "job" } else { "all-purpose" })];
    }
    if let Some(rest) = path.strip_prefix("cluster_log_conf.") {
        return log_conf(spec, rest).into_iter().collect();
    }
    let root = Value::Object(spec.body.clone());
    let free = FREE.iter().find_map(|field| Some((*field, path.strip_prefix(field)?.strip_prefix('.')?)));
    if let Some((field, name)) = free {
        return root.get(field).and_then(|members| members.get(name)).cloned().into_iter().collect();
    }
    path.split('.').fold(vec![root], |holders, part| holders.iter().flat_map(|holder| members(holder, part)).collect())
}

fn members(holder: &Value, part: &str) -> Vec<Value> {
    match holder {
        Value::Array(items) if part == "*" => items.clone(),
        Value::Array(items) => part.parse::<usize>().ok().and_then(|at| items.get(at)).cloned().into_iter().collect(),
        _ => holder.get(part).filter(|value| !value.is_null()).cloned().into_iter().collect(),
    }
}

/// `cluster_log_conf.type` is the sort of storage, `.path` the destination in it.
fn log_conf(spec: &Spec, part: &str) -> Option<Value> {
    let (sort, place) = spec.body.get("cluster_log_conf")?.as_object()?.iter().next()?;
    match part {
        "type" => Some(json!(sort.to_uppercase())),
        "path" => place.get("destination").cloned(),
        other => place.get(other).cloned(),
    }
}
