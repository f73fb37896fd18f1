//! What starts or bills by itself, and since when: jobs that a schedule, trigger or continuous run starts, pools that keep idle
//! instances, and global init scripts that are enabled.

use super::call::{Call, Fields};
use super::world::World;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::time::SystemTime;

/// Something that was switched on or off.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Activation {
    /// When, by this machine's clock, so that workspaces in one process compare.
    pub at: SystemTime,
    /// `job`, `instance_pool` or `global_init_script`.
    pub kind: &'static str,
    /// Its id.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Whether it was switched on.
    pub on: bool,
}

/// What is active now, and what was before.
#[derive(Debug, Default)]
pub(super) struct Activity {
    active: BTreeSet<(&'static str, String)>,
    pub(super) log: Vec<Activation>,
}

const TRIGGERS: [&str; 3] = ["schedule", "trigger", "continuous"];

/// An absent status means that it runs (Jobs API, `pause_status`).
fn runs(holder: &Value) -> bool {
    holder.is_object() && holder.get("pause_status").is_none_or(|status| status != "PAUSED")
}

fn job_is_active(settings: &Map<String, Value>) -> bool {
    TRIGGERS.iter().any(|name| settings.get(*name).is_some_and(runs)) || settings.list("triggers").iter().any(runs)
}

impl World {
    /// Looks at everything once, when a workspace begins.
    pub(super) fn begin_activity(&mut self) {
        self.activity = Activity::default();
        self.jobs.keys().copied().collect::<Vec<_>>().into_iter().for_each(|id| self.watch_job(id));
        self.watch_others();
    }

    /// Looks at what a call may have changed.
    pub(super) fn watch(&mut self, call: &Call) {
        if call.path.contains("/jobs/") {
            let named = call.json().ok().and_then(|body| body.int("job_id"));
            let newest = self.jobs.keys().next_back().copied();
            named.or(newest).into_iter().for_each(|id| self.watch_job(id));
        } else if call.path.contains("/instance-pools/") || call.path.contains("/global-init-scripts") {
            self.watch_others();
        }
    }

    fn watch_job(&mut self, id: i64) {
        let job = self.jobs.get(&id);
        let name = job.and_then(|job| job.settings.text("name")).unwrap_or_default().to_owned();
        let active = job.is_some_and(|job| job_is_active(&job.settings));
        self.settle(("job", id.to_string()), name, active);
    }

    fn watch_others(&mut self) {
        let idle = |pool: &Map<String, Value>| pool.int("min_idle_instances").unwrap_or(0) > 0;
        let text = |body: &Map<String, Value>, field: &str| body.text(field).unwrap_or_default().to_owned();
        let pools =
            self.pools.iter().map(|(id, pool)| (("instance_pool", id.clone()), text(pool, "instance_pool_name"), idle(pool)));
        let scripts = self
            .scripts
            .iter()
            .map(|one| (("global_init_script", text(one, "script_id")), text(one, "name"), one.yes("enabled")));
        let now: Vec<_> = pools.chain(scripts).collect();
        let gone: Vec<_> = self
            .activity
            .active
            .iter()
            .filter(|one| one.0 != "job" && !now.iter().any(|(key, ..)| key == *one))
            .cloned()
            .collect();
        gone.into_iter().for_each(|key| self.settle(key, String::new(), false));
        now.into_iter().for_each(|(key, name, active)| self.settle(key, name, active));
    }

    fn settle(&mut self, key: (&'static str, String), name: String, on: bool) {
        let changed = if on { self.activity.active.insert(key.clone()) } else { self.activity.active.remove(&key) };
        if changed {
            self.activity.log.push(Activation { at: SystemTime::now(), kind: key.0, id: key.1, name, on });
        }
    }
}
