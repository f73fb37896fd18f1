//! All that one workspace holds, its clock and its numbers.

use super::Options;
use super::activity::Activity;
use super::body::Body;
use super::paths::Paths;
use super::scim::{Kind, Principal};
use super::tree::Tree;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use xxhash_rust::xxh64::xxh64;

/// 2^53 + 1: ids start beyond what a double holds exactly, as job ids do in the wild.
const FIRST_ID: u64 = 9_007_199_254_740_993;
/// 2026-11-18T11:06:40Z in milliseconds: the clock starts here and moves a second at each change.
const FIRST_TIME: i64 = 1_795_000_000_000;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct World {
    pub(super) workspace_id: String,
    /// User name of the admin behind every personal access token.
    pub(super) admin: String,
    pub(super) page_cap: usize,
    pub(super) keep_application_ids: bool,
    /// Whether values of secrets may be read from outside of notebooks.
    #[serde(skip)]
    pub(super) readable_secrets: bool,
    #[serde(skip)]
    pub(super) region: super::Region,
    counter: u64,
    pub(super) clock: i64,
    pub(super) tree: Tree,
    pub(super) principals: BTreeMap<String, Principal>,
    pub(super) dbfs: Paths<File>,
    pub(super) handles: BTreeMap<i64, (String, Body)>,
    pub(super) volumes: Paths<File>,
    pub(super) clusters: BTreeMap<String, Cluster>,
    pub(super) libraries: BTreeMap<String, Vec<Value>>,
    pub(super) pools: BTreeMap<String, Map<String, Value>>,
    pub(super) policies: BTreeMap<String, Map<String, Value>>,
    pub(super) profiles: BTreeMap<String, Value>,
    /// Global init scripts by position.
    pub(super) scripts: Vec<Map<String, Value>>,
    pub(super) jobs: BTreeMap<i64, Job>,
    pub(super) scopes: BTreeMap<String, Scope>,
    pub(super) repos: BTreeMap<i64, Map<String, Value>>,
    pub(super) git_credentials: Vec<Value>,
    /// Direct grants by object, `/jobs/12`.
    pub(super) grants: BTreeMap<String, Vec<Grant>>,
    /// Switches that were set.
    pub(super) conf: BTreeMap<String, String>,
    /// What this workspace only shows: lists by their path under `/api/2.0/`.
    pub(super) shown: BTreeMap<String, Vec<Value>>,
    #[serde(skip)]
    pub(super) activity: Activity,
}

/// A file or folder of DBFS or of a volume.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct File {
    pub(super) folder: bool,
    pub(super) body: Body,
    pub(super) modified: i64,
}

/// A cluster: what was asked for, and what the backend knows of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Cluster {
    pub(super) spec: Map<String, Value>,
    pub(super) state: String,
    pub(super) source: String,
    pub(super) creator: String,
    pub(super) pinned_by: Option<String>,
    pub(super) started: i64,
    pub(super) restarted: Option<i64>,
    pub(super) terminated: Option<i64>,
    /// How many more looks until the next state.
    pub(super) looks: u32,
    /// The `idempotency_token` of its creation.
    pub(super) token: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Job {
    pub(super) creator: String,
    pub(super) created: i64,
    pub(super) settings: Map<String, Value>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Scope {
    /// As spelled at creation; the key of the map is in lower case.
    pub(super) name: String,
    pub(super) vault: Option<Value>,
    /// Key to value (base64) and time of the last change.
    pub(super) secrets: BTreeMap<String, (String, i64)>,
    pub(super) acls: BTreeMap<String, String>,
}

/// A direct grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Grant {
    /// `user_name`, `group_name` or `service_principal_name`.
    pub(super) field: String,
    pub(super) who: String,
    pub(super) level: String,
}

impl World {
    /// A workspace on its first day.
    pub(super) fn new(options: &Options) -> Self {
        let mut world = Self { clock: FIRST_TIME, ..Self::default() };
        world.configure(options);
        for folder in ["/Users", "/Shared", "/Repos"] {
            world.make_folder(folder);
        }
        for name in ["users", "admins"] {
            world.add_principal(Principal { display_name: name.to_owned(), ..Principal::of(Kind::Group) });
        }
        world.entitle("users", &["workspace-access", "databricks-sql-access"]);
        world.entitle("admins", &["allow-cluster-create", "allow-instance-pool-create"]);
        world.add_caller();
        super::policies::add_defaults(&mut world);
        world
    }

    /// What belongs to the run, not to the state.
    pub(super) fn configure(&mut self, options: &Options) {
        self.workspace_id.clone_from(&options.workspace_id);
        self.admin.clone_from(&options.caller);
        self.page_cap = options.page_cap;
        self.keep_application_ids = options.keep_application_ids;
        self.region = options.region;
        self.readable_secrets = options.readable_secrets;
    }

    /// Makes sure that the caller exists and is an admin.
    pub(super) fn add_caller(&mut self) {
        let caller = self.admin.clone();
        let id = match self.user(&caller) {
            Some(user) => user.id.clone(),
            None => self.add_principal(Principal {
                user_name: caller,
                display_name: "Workspace Operator".to_owned(),
                given_name: "Workspace".to_owned(),
                family_name: "Operator".to_owned(),
                active: true,
                ..Principal::of(Kind::User)
            }),
        };
        if let Some(admins) = self.group_mut("admins").filter(|admins| !admins.members.contains(&id)) {
            admins.members.push(id);
        }
    }

    fn entitle(&mut self, group: &str, rights: &[&str]) {
        if let Some(group) = self.group_mut(group) {
            group.entitlements = rights.iter().map(|right| (*right).to_owned()).collect();
        }
    }

    /// The next moment, in milliseconds.
    pub(super) fn now(&mut self) -> i64 {
        self.clock += 1000;
        self.clock
    }

    /// A new number above 2^53, different in each workspace.
    pub(super) fn number(&mut self) -> i64 {
        self.counter += 1;
        let own = xxh64(self.workspace_id.as_bytes(), 0) % 1_000_000;
        i64::try_from(FIRST_ID + own * 1_000_000_000 + self.counter * 17).unwrap_or(i64::MAX)
    }

    /// A new id of 16 hexadecimal digits.
    pub(super) fn hex(&mut self) -> String {
        self.counter += 1;
        format!("{:016x}", xxh64(self.workspace_id.as_bytes(), self.counter))
    }

    /// A new id in the form of a UUID.
    pub(super) fn uuid(&mut self) -> String {
        let (one, two) = (self.hex(), self.hex());
        format!("{}-{}-4{}-a{}-{}", &one[..8], &one[8..12], &one[13..16], &two[1..4], &two[4..16])
    }

    /// A new id in the form of cluster and pool ids: `1118-110640-3f2a9c41`.
    pub(super) fn dated(&mut self) -> String {
        let second = self.counter % 86_400;
        let clock = format!("{:02}{:02}{:02}", second / 3600, second / 60 % 60, second % 60);
        format!("1118-{clock}-{}", &self.hex()[..8])
    }

    /// How many entries a page shows.
    pub(super) fn page(&self, asked: Option<i64>, usual: usize, most: usize) -> usize {
        let asked = asked.and_then(|count| usize::try_from(count).ok()).filter(|count| *count > 0).unwrap_or(usual);
        let cap = if self.page_cap == 0 { most } else { self.page_cap.min(most) };
        asked.min(cap)
    }

    pub(super) fn save_bodies(&self, blobs: &Path) -> io::Result<()> {
        for (_, node) in self.tree.iter() {
            node.body.save(blobs)?;
        }
        for (_, file) in self.dbfs.iter().chain(self.volumes.iter()) {
            file.body.save(blobs)?;
        }
        self.handles.values().try_for_each(|(_, body)| body.save(blobs))
    }

    pub(super) fn load_bodies(&mut self, blobs: &Path) -> io::Result<()> {
        for body in self.tree.bodies_mut() {
            body.load(blobs)?;
        }
        for file in self.dbfs.values_mut().chain(self.volumes.values_mut()) {
            file.body.load(blobs)?;
        }
        self.handles.values_mut().try_for_each(|(_, body)| body.load(blobs))
    }
}

/// Lays the second object over the first.
pub(super) fn merge(into: &mut Map<String, Value>, more: Value) {
    if let Value::Object(more) = more {
        into.extend(more);
    }
}

/// Cuts one page out of a list: the entries, and the token of the next page. Between the first and the second page stands
/// an empty one that carries a token, since clients must not take emptiness for the end.
pub(super) fn page_of(
    items: &[Value],
    token: Option<&str>,
    size: usize,
) -> Result<(Vec<Value>, Option<String>), super::call::Problem> {
    let wrong = || super::call::Problem::invalid("Invalid page token");
    let (empty, start) = match token {
        None => (false, 0),
        Some(token) => {
            let (kind, start) = token.split_once('-').ok_or_else(wrong)?;
            (kind == "gap", start.parse::<usize>().map_err(|_| wrong())?)
        }
    };
    if empty {
        return Ok((Vec::new(), Some(format!("from-{start}"))));
    }
    let end = (start + size).min(items.len());
    let page = items.get(start..end).ok_or_else(wrong)?.to_vec();
    let kind = if start == 0 { "gap" } else { "from" };
    Ok((page, (end < items.len()).then(|| format!("{kind}-{end}"))))
}

/// The object of one page of a list; keys without content are left out.
pub(super) fn page_reply(key: &str, page: (Vec<Value>, Option<String>)) -> Map<String, Value> {
    let mut object = Map::new();
    if !page.0.is_empty() {
        object.insert(key.to_owned(), Value::Array(page.0));
    }
    if let Some(token) = page.1 {
        object.insert("next_page_token".to_owned(), json!(token));
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_add_up_to_the_list_with_one_gap() {
        let items: Vec<Value> = (0..7).map(|number| json!(number)).collect();
        let (mut seen, mut pages, mut token) = (Vec::new(), Vec::new(), None::<String>);
        loop {
            let (page, next) = page_of(&items, token.as_deref(), 3).unwrap();
            pages.push(page.len());
            seen.extend(page);
            token = next;
            if token.is_none() {
                break;
            }
        }
        assert_eq!(seen, items);
        assert_eq!(pages, [3, 0, 3, 1]);
        assert!(page_of(&items, Some("from-99"), 3).is_err());
    }

    #[test]
    fn ids_are_large_and_differ_between_workspaces() {
        let world = |id: &str| World { workspace_id: id.to_owned(), ..World::default() };
        let (mut one, mut two) = (world("1"), world("2"));
        assert!(one.number() > 1 << 53);
        assert_ne!(one.number(), two.number());
        assert_ne!(one.hex(), two.hex());
        assert_eq!(one.uuid().len(), 36);
    }
}
