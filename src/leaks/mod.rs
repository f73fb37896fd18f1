//! What of the source still stands in what a restore writes: ids of its objects, its address, storage and key vaults that no map
//! leads away from.
//!
//! Promises: pure; a finding holds an id, a host or a name, never the text around it; what stands by itself is found, and no
//! part of a longer word; short numbers count only where the text says that they name a job.

mod words;

use crate::kinds::{Kind, Shape};
use crate::object::{STAMP, SourceId};
use crate::pointer;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use words::{Word, places, words};

/// Characters that an id has, at least: shorter ones are words like any other.
const SHORTEST: usize = 8;

/// Digits from which on a number stands for nothing else.
const LONG_NUMBER: usize = 9;

/// Kinds whose ids are the same in every workspace, or that nobody writes down.
const NO_MARKS: &[&str] = &["policy_family", "git_credential"];

/// What the source is known by.
#[derive(Clone, Debug, Default)]
pub struct Marks {
    ids: HashMap<String, &'static str>,
    host: String,
    workspace: String,
    /// Storage and key vaults that the bundle names, and that no map leads away from.
    places: BTreeSet<(Sort, String)>,
}

/// One thing of the source in one object that was written, or will be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Leak {
    /// The object.
    #[serde(flatten)]
    pub object: SourceId,
    /// What people call it.
    pub key: String,
    /// Where it stands first: a pointer below the body, `/#` being what a text holds, or a line.
    pub at: String,
    /// How often it stands there.
    pub times: u64,
    /// What it is: `cluster id`, `workspace host`, `storage`, …
    pub what: String,
    /// The id, host or name.
    pub value: String,
    /// What can be done.
    pub hint: &'static str,
}

/// Sorts of marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Sort {
    Id(&'static str),
    Host,
    Workspace,
    Storage,
    Vault,
}

impl Sort {
    fn name(self) -> String {
        match self {
            Self::Id(kind) => format!("{kind} id"),
            Self::Host => "workspace host".to_owned(),
            Self::Workspace => "workspace id".to_owned(),
            Self::Storage => "storage".to_owned(),
            Self::Vault => "key vault".to_owned(),
        }
    }

    fn hint(self) -> &'static str {
        match self {
            Self::Id(_) => "if it means that object, map it in the rules (`text:`) or change the field by a rule",
            Self::Host | Self::Workspace => "map it in the rules (`host:`)",
            Self::Storage => "map it in the rules (`storage:`), to itself if the target uses the same",
            Self::Vault => {
                "map it in the rules (`key_vault:`, or `text:` where it stands in a text), to itself if the target uses the same"
            }
        }
    }
}

impl Leak {
    /// A line for people that is the same for all objects with this mark, and where it stands in this one.
    pub fn told(&self) -> (String, String) {
        let Self { object, key, at, what, value, hint, .. } = self;
        let name = if key.is_empty() { &object.id } else { key };
        (format!("the source's {what} {value} is in what is written: {hint}"), format!("{}:{name} at {at}", object.kind))
    }
}

impl Marks {
    /// The marks of a workspace itself: address and id.
    pub fn of_workspace(host: &str, workspace: &str) -> Self {
        let host = host.split("://").last().unwrap_or_default().split('/').next().unwrap_or_default();
        Self { host: host.to_ascii_lowercase(), workspace: workspace.to_owned(), ..Self::default() }
    }

    /// Adds an object by what the workspace calls it, unless that is a name or path.
    pub fn add(&mut self, kind: &'static Kind, id: &str) {
        let at = match &kind.shape {
            Shape::Collection(collection) => collection.id,
            Shape::Recorded(recorded) => recorded.id,
            Shape::Tree(_) | Shape::Attached(_) => return,
        };
        let long = id.len() >= SHORTEST && id.bytes().any(|byte| byte.is_ascii_digit());
        let counts = long || (kind.name == "job" && !id.is_empty());
        if at != kind.key.at && counts && !NO_MARKS.contains(&kind.name) {
            self.ids.insert(id.to_owned(), kind.name);
        }
    }

    /// Adds the number of something that has a path.
    pub fn add_number(&mut self, kind: &'static Kind, number: &str) {
        if number.len() >= LONG_NUMBER {
            self.ids.entry(number.to_owned()).or_insert(kind.name);
        }
    }

    /// Adds the storage and the vaults that a document names.
    pub fn add_places(&mut self, document: &Value) {
        pointer::each_text(document, &mut String::new(), &mut |_, text| {
            places(text, &mut |sort, name| {
                self.places.insert((sort, name));
            });
        });
    }

    /// Forgets what the target calls something by: the same id may stand for its own.
    pub fn forget(&mut self, id: &str) {
        self.ids.remove(id);
    }

    /// Forgets storage and vaults that a map leads to: they are the target's.
    pub fn forget_mapped<'a>(&mut self, targets: impl Iterator<Item = &'a str>) {
        let targets: Vec<String> = targets.map(str::to_ascii_lowercase).collect();
        let account = |name: &str, target: &str| name.strip_prefix(target).is_some_and(|rest| rest.starts_with('.'));
        let leads = |name: &str| targets.iter().any(|target| target.contains(name) || account(name, target));
        self.places.retain(|(_, name)| !leads(name));
    }

    /// What of the source stands in a body; `link` says of a place that what stands there is replaced before it is sent.
    pub fn in_body(
        &self,
        kind: &Kind,
        object: &SourceId,
        key: &str,
        body: &Map<String, Value>,
        link: &dyn Fn(&str) -> bool,
    ) -> Vec<Leak> {
        let mut found = Finds::default();
        for (name, member) in body {
            let mut at = format!("/{}", pointer::escape(name));
            let script = member.as_str().filter(|_| kind.name == "global_init_script" && name == "script");
            if let Some(code) = script.and_then(|script| STANDARD.decode(script).ok()) {
                self.in_lines(&code, "/script ", &mut found);
                continue;
            }
            self.in_text(name, &at, &mut found);
            pointer::each_text(member, &mut at, &mut |at, text| {
                if !link(at) && !at.ends_with(&format!("/{STAMP}")) {
                    self.in_text(text, at, &mut found);
                }
            });
        }
        found.leaks(object, key)
    }

    /// What of the source stands in source code or any other text; nothing in other bytes.
    pub fn in_code(&self, object: &SourceId, key: &str, code: &[u8]) -> Vec<Leak> {
        let mut found = Finds::default();
        self.in_lines(code, "", &mut found);
        found.leaks(object, key)
    }

    fn in_lines(&self, code: &[u8], before: &str, found: &mut Finds) {
        let Ok(text) = std::str::from_utf8(code) else { return };
        for (number, line) in text.lines().enumerate() {
            self.in_text(line, &format!("{before}line {}", number + 1), found);
        }
    }

    fn in_text(&self, text: &str, at: &str, found: &mut Finds) {
        places(text, &mut |sort, name| {
            let mark = (sort, name);
            if self.places.contains(&mark) {
                found.add(mark.0, mark.1, at);
            }
        });
        words(text, &mut |word| match word {
            Word::Host(host) => {
                let ours = !self.host.is_empty() && host.eq_ignore_ascii_case(&self.host);
                if ours {
                    found.add(Sort::Host, host.to_ascii_lowercase(), at);
                }
                ours
            }
            Word::Plain { word, before } => {
                let mark = self.mark(word, before);
                mark.into_iter().for_each(|sort| found.add(sort, word.to_owned(), at));
                mark.is_some()
            }
        });
    }

    fn mark(&self, word: &str, before: &str) -> Option<Sort> {
        let number = word.bytes().all(|byte| byte.is_ascii_digit());
        let short = number && word.len() < LONG_NUMBER;
        if word == self.workspace && (!short || before.ends_with("o=")) {
            return Some(Sort::Workspace);
        }
        let kind = self.ids.get(word)?;
        let names_a_job = || ["job/", "jobs/", "job_id=", "jobId="].iter().any(|words| before.ends_with(words));
        (!short || (*kind == "job" && names_a_job())).then_some(Sort::Id(kind))
    }
}

/// What stands in one object.
#[derive(Default)]
struct Finds(BTreeMap<(Sort, String), (String, u64)>);

impl Finds {
    fn add(&mut self, sort: Sort, value: String, at: &str) {
        let (_, times) = self.0.entry((sort, value)).or_insert_with(|| (at.to_owned(), 0));
        *times += 1;
    }

    fn leaks(self, object: &SourceId, key: &str) -> Vec<Leak> {
        let leak = |((sort, value), (at, times)): ((Sort, String), (String, u64))| Leak {
            object: object.clone(),
            key: key.to_owned(),
            at,
            times,
            what: sort.name(),
            value,
            hint: sort.hint(),
        };
        self.0.into_iter().map(leak).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::by_name;
    use serde_json::json;

    const CLUSTER: &str = "0612-090001-abcd1111";

    fn marks() -> Marks {
        let mut marks = Marks::of_workspace("https://adb-1000000000000001.1.azuredatabricks.net", "1000000000000001");
        let ids = [("cluster", CLUSTER), ("job", "9007199254741993"), ("job", "42"), ("policy_family", "job-cluster-1")];
        ids.into_iter().for_each(|(kind, id)| marks.add(by_name(kind).expect("known"), id));
        marks.add_places(&json!({"a": "abfss://raw@lake.dfs.core.windows.net/x", "b": "https://kv-one.vault.azure.net/",
            "c": {"fs.azure.account.key.second.blob.core.windows.net": 1}, "d": "s3://bucket-1/x"}));
        marks
    }

    fn found(marks: &Marks, body: &Value) -> Vec<(String, String, String)> {
        let (kind, object) = (by_name("job").expect("known"), SourceId { kind: "job".into(), id: "1".into() });
        let leaks = marks.in_body(kind, &object, "j", body.as_object().expect("an object"), &|at| at == "/linked");
        leaks.into_iter().map(|leak| (leak.at, leak.what, leak.value)).collect()
    }

    #[test]
    fn what_stands_by_itself_is_found_wherever_it_stands() {
        let leaks = found(
            &marks(),
            &json!({"a": format!("see {CLUSTER}, please"), "b": {"c": ["x/0612-090001-abcd1111.json", "not 0612-090001-abcd11112"]},
            "d": "{\"pool\": {\"value\": \"0612-090001-abcd1111\"}}", "n": 9_007_199_254_741_993_i64, "linked": CLUSTER,
            "u": "https://adb-1000000000000001.1.azuredatabricks.net/?o=1000000000000001#job/42/run", "t": "42 times 421"}),
        );
        let has = |at: &str, what: &str, value: &str| leaks.contains(&(at.to_owned(), what.to_owned(), value.to_owned()));
        assert!(has("/a", "cluster id", CLUSTER) && has("/n", "job id", "9007199254741993"), "{leaks:?}");
        assert!(has("/u", "job id", "42") && has("/u", "workspace id", "1000000000000001"), "{leaks:?}");
        assert!(has("/u", "workspace host", "adb-1000000000000001.1.azuredatabricks.net"), "{leaks:?}");
        assert_eq!(leaks.len(), 5, "each once for an object, and no part of a word: {leaks:?}");
    }

    #[test]
    fn a_stamp_and_what_is_replaced_are_no_leaks() {
        let body = json!({"linked": CLUSTER, "tags": {STAMP: "1000000000000001/9007199254741993"}, "x": "job-cluster-1"});
        assert_eq!(found(&marks(), &body), []);
    }

    #[test]
    fn storage_and_vaults_count_until_a_map_leads_there() {
        let body = json!({"p": "wasbs://c@SECOND.blob.core.windows.net/y", "conf": {"spark.x.lake.dfs.core.windows.net.y": "1"},
            "v": "/subscriptions/1/resourceGroups/r/providers/Microsoft.KeyVault/vaults/kv-one", "s": "s3a://bucket-1", "o": "s3://other"});
        let leaks = found(&marks(), &body);
        let values: BTreeSet<&str> = leaks.iter().map(|(_, _, value)| value.as_str()).collect();
        let all = ["bucket-1", "kv-one", "lake.dfs.core.windows.net", "second.blob.core.windows.net"];
        assert_eq!(values, BTreeSet::from(all));
        let mut marks = marks();
        marks.forget_mapped(["https://second.blob.core.windows.net", "kv-one", "lake.dfs.core.windows.net"].into_iter());
        assert_eq!(found(&marks, &body).len(), 1);
    }

    #[test]
    fn code_is_told_by_its_lines() {
        let object = SourceId { kind: "notebook".into(), id: "/a".into() };
        let code = format!("# x\nspark.read('{CLUSTER}')\n# {CLUSTER}\n");
        let leaks = marks().in_code(&object, "/a", code.as_bytes());
        assert_eq!((leaks.len(), leaks[0].at.as_str(), leaks[0].times), (1, "line 2", 2));
        assert!(marks().in_code(&object, "/a", &[0xff, 0xfe]).is_empty());
        let script = json!({"script": STANDARD.encode(&code)});
        let kind = by_name("global_init_script").expect("known");
        let leaks = marks().in_body(kind, &object, "s", script.as_object().expect("an object"), &|_| false);
        assert_eq!(leaks[0].at, "/script line 2");
    }
}
