//! How we talk to a workspace: patience, pace and TLS. Every number has a default with a reason.

use super::pace::{LIMITS, Limit};
use std::path::PathBuf;
use std::time::Duration;

/// Settings of a connection. `Options::default()` suits a production workspace.
#[derive(Clone, Debug)]
pub struct Options {
    /// Requests in flight at most, over all families. Default 16: hidden limits begin at 20 concurrent requests.
    pub max_in_flight: usize,
    /// Extra certificate authorities, a PEM file, on top of the system's: for a proxy that inspects TLS.
    pub ca_bundle: Option<PathBuf>,
    /// Speaks HTTP/1.1 only: some proxies reset large HTTP/2 uploads.
    pub http1_only: bool,
    /// First words of the user agent, `product/version`.
    pub user_agent: String,
    /// Pace per API family.
    pub limits: [Limit; 15],
    /// Time that one call may spend on requests and pauses before it gives up. Default 300 s, as the official SDKs.
    pub retry_budget: Duration,
    /// First pause before a repeat, doubled each time. Default 1 s.
    pub pause: Duration,
    /// Longest single pause, a `Retry-After` included. Default 120 s.
    pub longest_pause: Duration,
    /// Without a byte for so long, a connection counts as dead. Default 60 s, as the official SDKs.
    pub idle_timeout: Duration,
    /// Time to connect, TLS included. Default 20 s.
    pub connect_timeout: Duration,
    /// Bytes of one JSON answer at most, unpacked: it is held in memory. Default 64 MiB; the largest that the API documents are
    /// exports of 10 MB.
    pub largest_answer: usize,
    /// Bytes a second that a body must bring in the mean, once the idle timeout is over: a trickle would never end. Default
    /// 1 KiB/s.
    pub slowest: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_in_flight: 16,
            ca_bundle: None,
            http1_only: false,
            user_agent: concat!("lifeboat/", env!("CARGO_PKG_VERSION")).to_owned(),
            limits: LIMITS,
            retry_budget: Duration::from_mins(5),
            pause: Duration::from_secs(1),
            longest_pause: Duration::from_mins(2),
            idle_timeout: Duration::from_mins(1),
            connect_timeout: Duration::from_secs(20),
            largest_answer: 64 << 20,
            slowest: 1 << 10,
        }
    }
}

impl Options {
    /// Lifts every family's rate, and keeps the gates: for an embedded workspace, which has no limits of its own.
    #[must_use]
    pub fn lift_rates(mut self) -> Self {
        for limit in &mut self.limits {
            limit.per_minute = 0;
        }
        self
    }
}
