//! What starts by itself, and what an outage of the next 24 hours would miss.

use super::quartz::Cron;
use super::{Check, Findings, Severity, label};
use crate::object::Object;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use std::fmt::Write as _;

/// Hours that are looked at.
pub const HOURS: i64 = 24;

/// So many runs of one schedule are told one by one; all are counted.
const TOLD: usize = 100;

/// What starts something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Starter {
    /// A cron expression of Quartz.
    Cron,
    /// Every so many hours, days or weeks; from when on, the workspace does not say.
    Periodic,
    /// It always runs.
    Continuous,
    /// A file arrives, a table changes, a model is made.
    Event,
}

impl Starter {
    /// The word in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cron => "cron",
            Self::Periodic => "periodic",
            Self::Continuous => "continuous",
            Self::Event => "event",
        }
    }
}

/// One thing that starts by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Schedule {
    /// What starts, `kind:name`; where several of the kind have that name, `kind:name [id]`.
    pub object: String,
    /// What the workspace calls it.
    pub id: String,
    /// Where its document says so (JSON pointer).
    pub pointer: String,
    /// What starts it.
    pub starter: Starter,
    /// The expression, the interval, or what is waited for.
    pub when: String,
    /// The time zone of a cron expression.
    pub time_zone: Option<String>,
    /// Whether it is paused: then it does not start.
    pub paused: bool,
    /// As whom it runs, where that is known.
    pub run_as: Option<String>,
    /// Why its runs fail as things stand: whoever they run as is `disabled`, or `gone`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fails: Option<&'static str>,
    /// How many times it starts in the 24 hours; nothing where nobody can say.
    pub count: Option<u64>,
    /// The first hundred of them.
    pub runs: Vec<Run>,
    /// Local times that do not come, since clocks are put forward.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<String>,
    /// Local times that come twice, since clocks are put back, and count once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub doubled: Vec<String>,
}

/// One start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Run {
    /// When, in UTC.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// The same in the time zone of the schedule.
    pub local: String,
}

pub(super) fn look(objects: &[&Object], at: Timestamp, findings: &mut Findings) -> Vec<Schedule> {
    let mut schedules = Vec::new();
    for object in objects.iter().filter(|one| matches!(one.kind.name, "job" | "alert" | "dashboard" | "pipeline" | "query")) {
        let Some(document) = object.document() else { continue };
        let run_as = runs_as(&document);
        let found = schedules.len();
        walk(object, &document, &mut String::new(), at, &mut schedules, findings);
        schedules[found..].iter_mut().for_each(|one| one.run_as.clone_from(&run_as));
    }
    schedules.sort_by(|one, other| (&one.object, &one.id, &one.pointer).cmp(&(&other.object, &other.id, &other.pointer)));
    schedules
}

/// Looks for starters wherever they stand: in the settings of a job, in its list of triggers, in an alert.
fn walk(object: &Object, value: &Value, at: &mut String, now: Timestamp, out: &mut Vec<Schedule>, findings: &mut Findings) {
    let length = at.len();
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let _ = write!(at, "/{index}");
                walk(object, item, at, now, out, findings);
                at.truncate(length);
            }
        }
        Value::Object(members) => {
            for (name, member) in members.iter().filter(|(_, member)| member.is_object() || member.is_array()) {
                let _ = write!(at, "/{}", crate::pointer::escape(name));
                match starter(object, name, member, at) {
                    Some(mut schedule) => {
                        // In a list of triggers the pause stands beside.
                        schedule.paused |= is_paused(value);
                        if schedule.starter == Starter::Cron {
                            runs(object, &mut schedule, now, findings);
                        }
                        out.push(schedule);
                    }
                    None => walk(object, member, at, now, out, findings),
                }
                at.truncate(length);
            }
        }
        _ => {}
    }
}

/// As whom a job runs: what it says, or else what the workspace makes of it (core reference §10.5).
fn runs_as(job: &Value) -> Option<String> {
    let said = ["user_name", "service_principal_name", "group_name"]
        .iter()
        .find_map(|field| job.pointer("/settings/run_as")?.get(field));
    let name = said.or_else(|| job.get("run_as_user_name"))?.as_str()?;
    (!name.is_empty()).then(|| name.to_owned())
}

fn is_paused(value: &Value) -> bool {
    value.get("pause_status").is_some_and(|status| status == "PAUSED")
}

fn starter(object: &Object, name: &str, value: &Value, at: &str) -> Option<Schedule> {
    let text = |field: &str| value.get(field).and_then(Value::as_str);
    let expression = text("quartz_cron_expression").or_else(|| text("quartz_cron_schedule"));
    let (starter, when) = match name {
        _ if expression.is_some() => (Starter::Cron, expression?.to_owned()),
        "periodic" => {
            let (interval, unit) = (value.get("interval")?, text("unit").unwrap_or_default().to_lowercase());
            let one = unit.strip_suffix('s').filter(|_| *interval == 1);
            (Starter::Periodic, one.map_or_else(|| format!("every {interval} {unit}"), |one| format!("every {one}")))
        }
        "continuous" => (Starter::Continuous, "always".to_owned()),
        "file_arrival" => (Starter::Event, format!("files arrive in {}", text("url").unwrap_or("a place"))),
        "table" | "table_update" => {
            let names = value.get("table_names").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
            (Starter::Event, format!("a table changes: {}", names.collect::<Vec<_>>().join(", ")))
        }
        "model" => (Starter::Event, "a model changes".to_owned()),
        _ => return None,
    };
    Some(Schedule {
        object: label(object),
        id: object.id.clone(),
        pointer: at.to_owned(),
        starter,
        when,
        time_zone: text("timezone_id").map(str::to_owned),
        paused: is_paused(value),
        run_as: None,
        fails: None,
        count: None,
        runs: Vec::new(),
        skipped: Vec::new(),
        doubled: Vec::new(),
    })
}

fn runs(object: &Object, schedule: &mut Schedule, now: Timestamp, findings: &mut Findings) {
    let mut wrong =
        |severity, text: String, hint: &str| findings.at(severity, Check::Schedule, text, hint, object, &schedule.pointer);
    let name = schedule.time_zone.clone().unwrap_or_else(|| "UTC".to_owned());
    let (cron, zone) = match (Cron::parse(&schedule.when), TimeZone::get(&name)) {
        (Ok(cron), Ok(zone)) => (cron, zone),
        (Err(why), _) => {
            let text = format!("the cron expression \"{}\" cannot be read: {why}", schedule.when);
            return wrong(Severity::Medium, text, "look when it is to run, and write it anew");
        }
        (_, Err(_)) => {
            return wrong(Severity::Medium, format!("the time zone \"{name}\" is not known"), "name a zone of the IANA database");
        }
    };
    let times = cron.between(&zone, now, now.saturating_add(HOURS.hours()).unwrap_or(Timestamp::MAX), TOLD);
    let told = |times: &[jiff::civil::DateTime]| times.iter().map(ToString::to_string).collect();
    (schedule.skipped, schedule.doubled) = (told(&times.skipped), told(&times.doubled));
    let odd = schedule.skipped.len() + schedule.doubled.len();
    if !schedule.paused && odd > 0 {
        let text = format!("clocks change in {name} in these 24 hours, and runs are left out or come once for twice");
        wrong(Severity::Low, text, "a schedule in UTC keeps its hours");
    }
    if schedule.paused {
        schedule.count = Some(0);
        return;
    }
    let local = |at: Timestamp| zone.to_datetime(at).strftime("%Y-%m-%dT%H:%M:%S").to_string() + &offset(&zone, at);
    schedule.count = Some(times.count);
    schedule.runs = times.first.into_iter().map(|at| Run { at, local: local(at) }).collect();
}

fn offset(zone: &TimeZone, at: Timestamp) -> String {
    let seconds = zone.to_offset(at).seconds();
    let (sign, minutes) = (if seconds < 0 { '-' } else { '+' }, seconds.abs() / 60);
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}
