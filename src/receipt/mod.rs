//! The record of an import, for whoever asks later: what was brought where by whom under which rules, how each object ended,
//! and what is left for people. JSON for programs, a page for people, both sealed.
//!
//! Promises: a record is there as soon as something may be written, and says how far the import came however it ended; it
//! holds no secret, since nothing that it is made of does; a seal is a checksum: it shows that a record was changed by
//! accident or in haste, not by somebody who seals it anew.

mod clock;
mod keep;
mod page;
mod seal;

pub use clock::Clock;
pub use keep::Keeper;
pub use page::page;
pub use seal::{SealError, check, seal};

use crate::import::{Receipt, Verified};
use crate::plan::Plan;
use crate::spool::hex;
use serde::Serialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

/// Version of the record.
pub const FORMAT: u32 = 1;

/// A text that the import was made with, known by its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Named {
    /// A file, or the name of a built-in set.
    pub name: String,
    /// SHA-256 of the text, in hex.
    pub sha256: String,
}

impl Named {
    /// Names a text.
    pub fn new(name: &str, text: &str) -> Self {
        Self { name: name.to_owned(), sha256: hex(&Sha256::digest(text)) }
    }
}

/// What is known of an import besides its receipt.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// `import`, `activate`, `deactivate`, `drill`.
    pub command: &'static str,
    /// What was carried out.
    pub plan: &'a Plan,
    /// The rules in force.
    pub rules: Named,
    /// The map file besides them.
    pub map: Option<Named>,
    /// When it began, in UTC.
    pub began: jiff::Timestamp,
    /// Stages with the time that each took.
    pub stages: Vec<(&'static str, Duration)>,
    /// Where intents and outcomes are, step by step.
    pub journal: Option<&'a Path>,
}

/// How an import ended.
#[derive(Clone, Debug)]
pub enum End<'a> {
    /// Not yet.
    UnderWay,
    /// By itself.
    Over(&'a Receipt),
    /// Before its time, for this reason; with what there is to say, if it began at all.
    Broken(Option<&'a Receipt>, String),
}

impl<'a> End<'a> {
    fn receipt(&self) -> Option<&'a Receipt> {
        match self {
            Self::UnderWay => None,
            Self::Over(receipt) => Some(receipt),
            Self::Broken(receipt, _) => *receipt,
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::UnderWay => "under way",
            Self::Over(receipt) if receipt.is_complete() => "complete",
            Self::Over(_) => "incomplete",
            Self::Broken(..) => "broken off",
        }
    }
}

/// The record as a value, not sealed yet.
pub fn record(facts: &Facts<'_>, end: &End<'_>) -> Value {
    let mut record = head(facts, end);
    if let Some(receipt) = end.receipt() {
        record.extend(body(receipt));
    }
    Value::Object(record)
}

fn head(facts: &Facts<'_>, end: &End<'_>) -> Map<String, Value> {
    let now = jiff::Timestamp::now();
    let ended = (!matches!(end, End::UnderWay)).then(|| utc(now));
    let reason = match end {
        End::UnderWay => Some("if no import is under way, this one died: the journal says how far it came".to_owned()),
        End::Over(_) => None,
        End::Broken(_, reason) => Some(reason.clone()),
    };
    let took = now.duration_since(facts.began).unsigned_abs();
    let stage = |(stage, time): &(&str, Duration)| json!({ "stage": stage, "milliseconds": milliseconds(*time) });
    let head = json!({
        "lifeboat_receipt": FORMAT,
        "version": concat!("lifeboat/", env!("CARGO_PKG_VERSION")),
        "command": facts.command,
        "state": end.word(),
        "reason": reason,
        "began": utc(facts.began),
        "ended": ended,
        "milliseconds": milliseconds(took),
        "stages": facts.stages.iter().map(stage).collect::<Vec<_>>(),
        "source": facts.plan.source,
        "target": facts.plan.target,
        "rules": facts.rules,
        "map": facts.map,
        "plan": { "sha256": digest_of(facts.plan), "steps": facts.plan.steps.len(), "writes": facts.plan.writes() },
        "journal": facts.journal.map(|journal| journal.display().to_string()),
    });
    if let Value::Object(head) = head { head } else { Map::new() }
}

fn body(receipt: &Receipt) -> Map<String, Value> {
    let not = receipt.unverified().filter(|(_, verified)| matches!(verified, Verified::Differs(_))).count();
    let unseen = receipt.unverified().count() - not;
    let verified = json!({ "as_meant": receipt.verified(), "differs": not, "not_seen": unseen });
    let mut body = Map::from_iter([("verified".to_owned(), verified)]);
    let parts = [
        ("counts", serde_json::to_value(&receipt.counts)),
        ("items", serde_json::to_value(&receipt.items)),
        ("leaks", serde_json::to_value(&receipt.leaks)),
        ("todos", serde_json::to_value(&receipt.todos)),
        ("requests", serde_json::to_value(&receipt.requests)),
    ];
    body.extend(parts.into_iter().map(|(name, part)| (name.to_owned(), part.unwrap_or_default())));
    body
}

/// A time to the second, in UTC (RFC 3339).
fn utc(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// SHA-256 of the plan as `-o FILE` saves it, so that the file can be told to be this one.
pub fn digest_of(plan: &Plan) -> String {
    let mut hasher = Hasher(Sha256::new());
    // Neither the plan nor the hasher can fail.
    let _ = serde_json::to_writer_pretty(&mut hasher, plan).map_err(io::Error::other).and_then(|()| hasher.write_all(b"\n"));
    hex(&hasher.0.finalize())
}

/// A digest of what is written to it.
struct Hasher(Sha256);

impl Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{FORMAT, Recipe, Source, Target};

    fn plan() -> Plan {
        let (source, target, made_with) = (Source::default(), Target::default(), Recipe::default());
        let (steps, todos, agreed, dangling) = (vec![], vec![], vec![], vec![]);
        Plan { format: FORMAT, source, target, made_with, steps, todos, agreed, dangling }
    }

    #[test]
    fn a_plan_is_known_by_the_file_that_it_is_saved_to() {
        let text = plan().to_json().expect("a plan is JSON") + "\n";
        assert_eq!(digest_of(&plan()), Named::new("x", &text).sha256);
    }

    #[test]
    fn a_record_is_there_before_anything_is_known() {
        let plan = plan();
        let facts = Facts {
            command: "import",
            plan: &plan,
            rules: Named::new("standby", "x"),
            map: None,
            began: jiff::Timestamp::now(),
            stages: vec![("plan", Duration::from_millis(7))],
            journal: Some(Path::new("/j")),
        };
        let record = record(&facts, &End::UnderWay);
        assert_eq!(
            (record["state"].as_str(), record["ended"].is_null(), record["journal"].as_str()),
            (Some("under way"), true, Some("/j"))
        );
        assert_eq!(record["stages"][0]["milliseconds"], 7);
    }
}
