//! The transport against a server that answers as told: well, badly, late, by halves, or not at all.

#![expect(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "helpers of tests: nobody else sees them, and a surprise should stop the test"
)]

mod addresses;
mod calls;
mod canary;
mod config;
pub(crate) mod mock;
mod pages;
mod repeats;
mod sign_in;
mod tls;
mod transfers;

use lifeboat::api::{ApiError, Config, Options, Workspace};
use lifeboat::event::{Event, Observer};
use mock::Mock;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Keeps every event as text.
#[derive(Default)]
pub struct Notes(Mutex<Vec<Event>>);

impl Observer for Notes {
    fn event(&self, event: &Event) {
        self.0.lock().expect("no listener panics").push(event.clone());
    }
}

impl Notes {
    /// How many events fulfil a condition.
    pub fn count(&self, condition: impl Fn(&Event) -> bool) -> usize {
        self.0.lock().expect("no listener panics").iter().filter(|event| condition(event)).count()
    }

    /// All of them as text.
    pub fn text(&self) -> String {
        format!("{:?}", self.0.lock().expect("no listener panics"))
    }
}

/// Options that lose no time.
pub fn hasty() -> Options {
    Options {
        pause: Duration::from_millis(2),
        longest_pause: Duration::from_secs(3),
        retry_budget: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(1),
        ..Options::default().lift_rates()
    }
}

/// A workspace with a plain token.
pub fn workspace(mock: &Mock) -> Workspace {
    opened(Config::with_host_and_token(&mock.url, "dapi-canary"), hasty()).0
}

/// A workspace, and what it says.
pub fn opened(config: Config, options: Options) -> (Workspace, Arc<Notes>) {
    let notes = Arc::new(Notes::default());
    (Workspace::new(config, options, notes.clone()).expect("a connection can be set up"), notes)
}

/// Everything that a person could get to read about an error.
pub fn all_texts(error: &ApiError) -> String {
    let mut texts = vec![format!("{error} {error:?} {:?}", error.hint())];
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        texts.push(format!("{error} {error:?}"));
        source = error.source();
    }
    texts.join(" ")
}
