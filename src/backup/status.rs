//! What came of a nightly run, and what is known of the last good bundle of each workspace, which a failed night must not forget.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of the status file.
const FORMAT: u32 = 1;

/// How something ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Done, and nothing is missing but what is accepted.
    Done,
    /// There is a bundle, and something is missing, degraded or undelivered.
    Incomplete,
    /// There is none.
    Failed,
}

/// The status file: the last run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// Version of this format.
    pub version: u32,
    /// Which program wrote it.
    pub tool: String,
    /// When the run began, in UTC.
    pub began: Timestamp,
    /// When it ended, in UTC.
    pub ended: Timestamp,
    /// The worst of its workspaces.
    pub verdict: Verdict,
    /// Each workspace, in the order of the configuration.
    pub workspaces: Vec<Night>,
}

/// One workspace in one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Night {
    /// Its name in the configuration.
    pub name: String,
    /// How it ended.
    pub verdict: Verdict,
    /// What went wrong, in a sentence.
    pub error: Option<String>,
    /// What helps.
    pub hint: Option<String>,
    /// Seconds that it took.
    pub seconds: f64,
    /// What was made, if something was.
    pub result: Option<Result>,
    /// Bundles that retention removed.
    pub removed: Vec<String>,
    /// The newest good bundle, of this run or an earlier one.
    pub last_good: Option<Good>,
}

/// What an export made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Result {
    /// Where the bundle stands now.
    pub bundles: Vec<String>,
    /// Size of the bundle.
    pub bytes: u64,
    /// Objects by state: `captured`, `degraded`, `missing`, `excluded`, `unavailable`.
    pub objects: BTreeMap<String, u64>,
    /// How many objects are missing or degraded, and accepted as that.
    pub accepted: u64,
    /// The same for each entry of `accept`; an object may meet several.
    pub accepts: Vec<Accepted>,
    /// HTTP requests to the workspace.
    pub requests: u64,
    /// The same by what they were for: `listings`, `unmarked` (an object whose listing has no mark of a change), `contents`.
    pub asked: BTreeMap<String, u64>,
    /// How many objects were carried over from an earlier bundle; nothing if everything was read.
    pub carried: Option<u64>,
    /// How often the workspace asked us to slow down.
    pub throttles: u64,
    /// How often a request was sent again.
    pub retries: u64,
    /// Equal for equal workspace state.
    pub content_id: String,
    /// The bundle's identity.
    pub manifest_sha256: String,
}

/// An entry of `accept`, and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Accepted {
    /// What it accepts.
    pub what: String,
    /// Why.
    pub why: Option<String>,
    /// How many missing or degraded objects it meets. None: it has become pointless.
    pub objects: u64,
}

/// A bundle in which nothing is missing but what is accepted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Good {
    /// When its run began.
    pub time: Timestamp,
    /// Where it was put.
    pub bundles: Vec<String>,
    /// Objects in it.
    pub objects: u64,
    /// Equal for equal workspace state.
    pub content_id: String,
}

impl Status {
    /// The status of a run from those of its workspaces.
    pub fn new(tool: &str, began: Timestamp, ended: Timestamp, workspaces: Vec<Night>) -> Self {
        let verdict = workspaces.iter().map(|night| night.verdict).max().unwrap_or(Verdict::Done);
        Self { version: FORMAT, tool: tool.to_owned(), began, ended, verdict, workspaces }
    }

    /// Reads the file of an earlier run. Nothing if it is of another version or no status at all: it is only for comparison.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|status: &Self| status.version == FORMAT)
    }

    /// The last good bundle of a workspace.
    pub fn last_good(&self, name: &str) -> Option<&Good> {
        self.workspaces.iter().find(|night| night.name == name)?.last_good.as_ref()
    }
}

impl Result {
    /// Objects whose contents are in the bundle.
    pub fn stored(&self) -> u64 {
        ["captured", "degraded"].iter().filter_map(|state| self.objects.get(*state)).sum()
    }

    /// Entries of `accept` that meet nothing any more.
    pub fn stale(&self) -> impl Iterator<Item = &Accepted> {
        self.accepts.iter().filter(|one| one.objects == 0)
    }

    /// Says if the workspace shrank below the floor, which is a percentage of what the last good bundle held.
    pub fn shrank(&self, last: Option<&Good>, floor: u64) -> Option<String> {
        let last = last?;
        let least = last.objects.saturating_mul(floor) / 100;
        (self.stored() < least).then(|| {
            format!("only {} objects are left of the {} in the last good bundle, of {}", self.stored(), last.objects, last.time)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn night(name: &str, verdict: Verdict) -> Night {
        Night {
            name: name.to_owned(),
            verdict,
            error: None,
            hint: None,
            seconds: 1.5,
            result: None,
            removed: vec![],
            last_good: Some(Good { time: Timestamp::UNIX_EPOCH, bundles: vec![], objects: 100, content_id: "c".to_owned() }),
        }
    }

    #[test]
    fn a_status_is_read_back_and_is_as_bad_as_its_worst() {
        let nights = vec![night("a", Verdict::Done), night("b", Verdict::Failed), night("c", Verdict::Incomplete)];
        let status = Status::new("lifeboat/0", Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH, nights);
        assert_eq!(status.verdict, Verdict::Failed);
        let text = serde_json::to_string(&status).unwrap();
        assert_eq!(Status::parse(&text), Some(status.clone()));
        assert_eq!(status.last_good("b").map(|good| good.objects), Some(100));
        assert_eq!((status.last_good("d"), Status::parse(&text.replace("\"version\":1", "\"version\":2"))), (None, None));
    }

    #[test]
    fn a_workspace_that_shrank_is_told() {
        let objects = |captured| Result { objects: [("captured".to_owned(), captured)].into(), ..Result::default() };
        let last = Good { time: Timestamp::UNIX_EPOCH, bundles: vec![], objects: 100, content_id: String::new() };
        assert_eq!(objects(80).shrank(Some(&last), 80), None);
        assert_eq!(objects(0).shrank(None, 80), None);
        assert_eq!(objects(0).shrank(Some(&last), 0), None);
        let told = "only 79 objects are left of the 100 in the last good bundle, of 1970-01-01T00:00:00Z";
        assert_eq!(objects(79).shrank(Some(&last), 80).as_deref(), Some(told));
    }
}
