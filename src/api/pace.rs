//! Keeps every API family at a pace that the workspace can bear, so that a large export is throttled by us and not by it.
//!
//! Per family: a rate (governor), a gate on how many requests are in flight, and one instant before which nobody may
//! ask. The gate adapts: a 429 halves it, success widens it again by one per round. All workers share one [`Pacer`].
//!
//! A family that only fails, for several times the patience of one call, is lost: its calls are answered here, but for one now
//! and then that finds out whether it is back. Otherwise each of a hundred thousand objects would wait for itself.

use super::request::{Method, Request};
use governor::{DefaultDirectRateLimiter, Quota};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// APIs that share a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
#[expect(missing_docs, reason = "each is described where its limit stands, in `LIMITS`")]
pub enum Family {
    WorkspaceList,
    WorkspaceExport,
    WorkspaceImport,
    Dbfs,
    Scim,
    ScimWrite,
    Permissions,
    PermissionsWrite,
    Jobs,
    JobsWrite,
    Clusters,
    Secrets,
    Files,
    Sql,
    Other,
}

/// How fast one family may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// For which APIs.
    pub family: Family,
    /// The family's name in events.
    pub name: &'static str,
    /// Requests per minute in the long run; 0 lifts the rate.
    pub per_minute: u32,
    /// Requests in flight at most; the adaptive gate moves between 1 and this.
    pub in_flight: u32,
}

const fn limit(family: Family, name: &'static str, per_minute: u32, in_flight: u32) -> Limit {
    Limit { family, name, per_minute, in_flight }
}

/// The defaults, in the order of [`Family`]. "Published" is the resource limits page of docs.databricks.com; a bare 15/s is the
/// default throttle of the official Go SDK and Terraform provider, taken where nothing is published.
pub const LIMITS: [Limit; 15] = [
    limit(Family::WorkspaceList, "workspace list", 1800, 10), // no number published; ten listers as Terraform's exporter, 429s narrow it
    limit(Family::WorkspaceExport, "workspace export", 3600, 10), // published 60/s; ten notebook workers as Terraform
    limit(Family::WorkspaceImport, "workspace import", 1800, 10), // published 30/s; twenty at once overwhelmed the API (migrate#126)
    limit(Family::Dbfs, "dbfs", 1800, 4),                         // published 30/s; Terraform uses three workers
    limit(Family::Scim, "scim", 255, 4),                          // published 255/min, as ucx
    limit(Family::ScimWrite, "scim write", 60, 2),                // "lower for writes", unpublished; Terraform uses one worker
    limit(Family::Permissions, "permissions", 6000, 10),          // published 100/s; at 20 concurrent the API refuses (ucx#401)
    limit(Family::PermissionsWrite, "permissions write", 1800, 10), // published 30/s
    limit(Family::Jobs, "jobs", 3000, 10),                        // runs/get is published at 100/s, half of that for jobs
    limit(Family::JobsWrite, "jobs write", 1200, 5),              // published 20/s for create
    limit(Family::Clusters, "clusters", 900, 8),                  // 15/s
    limit(Family::Secrets, "secrets", 1100, 5),                   // published 1100/min
    limit(Family::Files, "files", 6000, 8),                       // about 10 concurrent and 100/s; the CLI copies with 8
    limit(Family::Sql, "sql", 900, 4),                            // 10 or more concurrent lists may bring a temporary ban
    limit(Family::Other, "other", 900, 8),                        // 15/s
];

impl Family {
    /// The family of a request, by method and path.
    pub fn of(request: &Request) -> Self {
        Self::of_call(request.method, &request.path)
    }

    fn of_call(method: Method, path: &str) -> Self {
        let rest = path.trim_start_matches("/api/");
        let call = rest.split_once('/').map_or(rest, |(_, call)| call);
        let call = call.strip_prefix("preview/").unwrap_or(call);
        let reads = method.reads();
        match call.split('/').next().unwrap_or_default() {
            "workspace" if call == "workspace/export" => Self::WorkspaceExport,
            "workspace" if reads => Self::WorkspaceList,
            "workspace-files" if reads => Self::WorkspaceExport,
            "workspace" | "workspace-files" => Self::WorkspaceImport,
            "dbfs" => Self::Dbfs,
            "scim" | "permissionassignments" if reads => Self::Scim,
            "scim" | "permissionassignments" => Self::ScimWrite,
            "permissions" if reads => Self::Permissions,
            "permissions" => Self::PermissionsWrite,
            "jobs" if reads => Self::Jobs,
            "jobs" => Self::JobsWrite,
            "clusters" | "libraries" | "instance-pools" | "policies" => Self::Clusters,
            "secrets" => Self::Secrets,
            "fs" => Self::Files,
            "sql" | "lakeview" => Self::Sql,
            _ => Self::Other,
        }
    }
}

/// The gates of one workspace.
pub(super) struct Pacer {
    gates: Vec<Gate>,
    host: Option<DefaultDirectRateLimiter>,
    all: Arc<Semaphore>,
}

struct Gate {
    limit: Limit,
    rate: Option<DefaultDirectRateLimiter>,
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    width: f64,
    in_flight: u32,
    not_before: Option<Instant>,
    outage: Option<Outage>,
}

/// Nothing but failures, from the first to the last.
struct Outage {
    first: Instant,
    last: Instant,
    asked: Option<Instant>,
}

/// Leave to have one request in flight; give it back by dropping it.
pub(super) struct Permit<'a> {
    gate: &'a Gate,
    all: Option<OwnedSemaphorePermit>,
}

impl Pacer {
    /// Gates for all families. `per_second` caps the whole host, as `rate_limit` of the configuration asks.
    pub(super) fn new(limits: &[Limit; 15], max_in_flight: usize, per_second: Option<u32>) -> Self {
        let host = per_second.and_then(NonZeroU32::new).map(|rate| limiter(Quota::per_second(rate), rate));
        Self { gates: limits.iter().map(Gate::new).collect(), host, all: Arc::new(Semaphore::new(max_in_flight.max(1))) }
    }

    /// Waits until the family, the host and the limit on all requests allow one more.
    pub(super) async fn enter(&self, family: Family) -> Permit<'_> {
        let gate = &self.gates[family as usize];
        gate.enter().await;
        let mut permit = Permit { gate, all: None };
        if let Some(rate) = &gate.rate {
            rate.until_ready().await;
        }
        if let Some(rate) = &self.host {
            rate.until_ready().await;
        }
        permit.all = self.all.clone().acquire_owned().await.ok();
        permit
    }

    /// A 429: nobody asks this family before `wait` is over, and fewer may ask at once. Says whether this is news: of
    /// a volley of 429s only the first narrows the gate.
    pub(super) fn throttled(&self, family: Family, wait: Duration) -> bool {
        let gate = &self.gates[family as usize];
        let (now, mut state) = (Instant::now(), gate.state());
        let resting = state.not_before.is_some_and(|until| until > now);
        if !resting {
            state.width = (state.width / 2.0).max(1.0);
        }
        state.not_before = state.not_before.max(Some(now + wait));
        !resting
    }

    /// What became of one try: `failed` if it says that the workspace, or the way to it, is in trouble. `patience` is that of one
    /// call; failures further apart than that are two troubles.
    pub(super) fn tried(&self, family: Family, failed: bool, patience: Duration) {
        let (now, mut state) = (Instant::now(), self.gates[family as usize].state());
        state.outage = failed.then(|| match state.outage.take() {
            Some(outage) if now - outage.last <= patience => Outage { last: now, ..outage },
            _ => Outage { first: now, last: now, asked: None },
        });
    }

    /// Whether the family has failed for three times `patience`, and does so still.
    pub(super) fn is_lost(&self, family: Family, patience: Duration) -> bool {
        let state = self.gates[family as usize].state();
        state
            .outage
            .as_ref()
            .is_some_and(|outage| outage.last - outage.first >= 3 * patience && outage.last.elapsed() <= patience)
    }

    /// Whether a call to a lost family should be made all the same: one, after each tenth of `patience`.
    pub(super) fn may_look(&self, family: Family, patience: Duration) -> bool {
        let mut state = self.gates[family as usize].state();
        let Some(outage) = &mut state.outage else { return true };
        let due = outage.asked.is_none_or(|asked| asked.elapsed() >= patience / 10);
        outage.asked = if due { Some(Instant::now()) } else { outage.asked };
        due
    }

    /// The family's name for events.
    pub(super) fn name(&self, family: Family) -> &'static str {
        self.gates[family as usize].limit.name
    }

    /// A success: the gate widens by one per round of requests.
    pub(super) fn succeeded(&self, family: Family) {
        let gate = &self.gates[family as usize];
        let mut state = gate.state();
        state.width = (state.width + 1.0 / state.width).min(f64::from(gate.limit.in_flight.max(1)));
        drop(state);
        gate.changed.notify_waiters();
    }
}

impl Gate {
    fn new(limit: &Limit) -> Self {
        let burst = NonZeroU32::new(limit.in_flight).unwrap_or(NonZeroU32::MIN);
        let rate = NonZeroU32::new(limit.per_minute).map(|rate| limiter(Quota::per_minute(rate), burst));
        let state = State { width: f64::from(limit.in_flight.max(1)), in_flight: 0, not_before: None, outage: None };
        Self { limit: *limit, rate, state: Mutex::new(state), changed: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn enter(&self) {
        loop {
            let changed = self.changed.notified();
            match self.try_enter() {
                Entry::In => return,
                Entry::Full => changed.await,
                Entry::Resting(until) => tokio::time::sleep_until(until).await,
            }
        }
    }

    fn try_enter(&self) -> Entry {
        let mut state = self.state();
        if let Some(until) = state.not_before.filter(|until| *until > Instant::now()) {
            return Entry::Resting(until);
        }
        if f64::from(state.in_flight) + 1.0 > state.width {
            return Entry::Full;
        }
        state.in_flight += 1;
        Entry::In
    }
}

enum Entry {
    In,
    Full,
    Resting(Instant),
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.all = None;
        self.gate.state().in_flight -= 1;
        self.gate.changed.notify_waiters();
    }
}

fn limiter(quota: Quota, burst: NonZeroU32) -> DefaultDirectRateLimiter {
    DefaultDirectRateLimiter::direct(quota.allow_burst(burst))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn the_table_stands_in_the_order_of_the_families() {
        for (index, limit) in LIMITS.iter().enumerate() {
            assert_eq!(limit.family as usize, index, "{limit:?}");
            assert!(limit.in_flight > 0, "{limit:?}");
        }
    }

    #[test]
    fn every_call_finds_its_family() {
        let cases = [
            (Method::Get, "/api/2.0/workspace/list", Family::WorkspaceList),
            (Method::Get, "/api/2.0/workspace/export", Family::WorkspaceExport),
            (Method::Get, "/api/2.0/workspace-files/Shared/x", Family::WorkspaceExport),
            (Method::Post, "/api/2.0/workspace/import", Family::WorkspaceImport),
            (Method::Get, "/api/2.0/preview/scim/v2/Users", Family::Scim),
            (Method::Patch, "/api/2.0/preview/scim/v2/Groups/1", Family::ScimWrite),
            (Method::Get, "/api/2.0/permissions/jobs/1", Family::Permissions),
            (Method::Put, "/api/2.0/permissions/jobs/1", Family::PermissionsWrite),
            (Method::Get, "/api/2.2/jobs/get", Family::Jobs),
            (Method::Post, "/api/2.2/jobs/create", Family::JobsWrite),
            (Method::Get, "/api/2.1/clusters/get", Family::Clusters),
            (Method::Get, "/api/2.0/fs/files/Volumes/a/b/c/d", Family::Files),
            (Method::Get, "/api/2.0/preview/sql/queries", Family::Sql),
            (Method::Get, "/api/2.0/serving-endpoints", Family::Other),
        ];
        for (method, path, family) in cases {
            assert_eq!(Family::of_call(method, path), family, "{method} {path}");
        }
    }

    fn lifted(in_flight: u32) -> [Limit; 15] {
        LIMITS.map(|limit| Limit { per_minute: 0, in_flight, ..limit })
    }

    #[tokio::test]
    async fn never_more_in_flight_than_the_gate_is_wide() {
        let pacer = Arc::new(Pacer::new(&lifted(3), 100, None));
        let (now, peak) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let (pacer, now, peak) = (pacer.clone(), now.clone(), peak.clone());
                tokio::spawn(async move {
                    let _permit = pacer.enter(Family::Other).await;
                    peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(2)).await;
                    now.fetch_sub(1, Ordering::SeqCst);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(peak.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn a_volley_of_429s_halves_once_and_success_recovers() {
        let pacer = Pacer::new(&lifted(8), 100, None);
        let width = || pacer.gates[Family::Jobs as usize].state().width;
        assert!(pacer.throttled(Family::Jobs, Duration::from_millis(30)));
        assert!(!pacer.throttled(Family::Jobs, Duration::from_millis(30)));
        assert!((width() - 4.0).abs() < 1e-9);
        let start = Instant::now();
        drop(pacer.enter(Family::Jobs).await);
        assert!(start.elapsed() >= Duration::from_millis(25), "the family rests");
        for _ in 0..1000 {
            pacer.succeeded(Family::Jobs);
        }
        assert!((width() - 8.0).abs() < 1e-9, "recovers, never beyond its limit");
    }

    #[tokio::test]
    async fn the_rate_holds_after_its_burst() {
        let mut limits = lifted(1);
        limits[Family::Scim as usize].per_minute = 1200;
        let pacer = Pacer::new(&limits, 100, None);
        let start = Instant::now();
        for _ in 0..5 {
            drop(pacer.enter(Family::Scim).await);
        }
        assert!(start.elapsed() >= Duration::from_millis(180), "20/s: four intervals of 50 ms, took {:?}", start.elapsed());
    }
}
