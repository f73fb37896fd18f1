//! A status as metrics, in the text format that the textfile collector of Prometheus' node exporter reads.
//!
//! There is a time of the last good bundle and no age: an age in a file stands still when runs stop, and that is the night
//! that matters. `time() - lifeboat_last_good_bundle_timestamp_seconds` grows.

use super::status::{Night, Result as Outcome, Status, Verdict};
use jiff::Timestamp;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;

type Labels = Vec<(&'static str, String)>;
type Number = Family<Labels, Gauge<f64, AtomicU64>>;

/// The metrics of a run.
pub fn metrics(status: &Status) -> String {
    let mut all = Metrics::default();
    let run = Gauge::<f64, AtomicU64>::default();
    run.set(seconds(status.ended));
    all.0.register(RUN.0, RUN.1, run);
    for (name, help, value) in OF_A_NIGHT {
        let metric = all.add(name, help);
        for night in &status.workspaces {
            if let Some(value) = value(night) {
                metric.get_or_create(&of(night)).set(value);
            }
        }
    }
    for (name, label, help, counts) in BY_LABEL {
        let metric = all.add(name, help);
        for night in &status.workspaces {
            for (word, count) in night.result.iter().flat_map(counts) {
                let labels = [of(night), vec![(*label, word.clone())]].concat();
                metric.get_or_create(&labels).set(float(*count));
            }
        }
    }
    all.text()
}

/// Each metric: name, labels, what it says.
pub fn described() -> Vec<(&'static str, String, &'static str)> {
    let nights = OF_A_NIGHT.iter().map(|(name, says, _)| (*name, "workspace".to_owned(), *says));
    let by_label = BY_LABEL.iter().map(|(name, label, says, _)| (*name, format!("workspace, {label}"), *says));
    std::iter::once((RUN.0, String::new(), RUN.1)).chain(nights).chain(by_label).collect()
}

const RUN: (&str, &str) = ("lifeboat_last_run_timestamp_seconds", "When the last run ended");

type Value = fn(&Night) -> Option<f64>;
type Counts = fn(&Outcome) -> &BTreeMap<String, u64>;

const BY_LABEL: &[(&str, &str, &str, Counts)] = &[
    ("lifeboat_backup_objects", "state", "Objects that were listed, by what became of them", |result| &result.objects),
    (
        "lifeboat_backup_requests_for",
        "purpose",
        "Requests by what they were for: listings, objects whose listing has no mark of a change, contents",
        |result| &result.asked,
    ),
];

const OF_A_NIGHT: &[(&str, &str, Value)] = &[
    (
        "lifeboat_last_good_bundle_timestamp_seconds",
        "When the export of the newest bundle began in which nothing is missing but what is accepted",
        |night| Some(seconds(night.last_good.as_ref()?.time)),
    ),
    ("lifeboat_backup_success", "1 if the last run made a bundle in which nothing is missing but what is accepted", |night| {
        Some(f64::from(u8::from(night.verdict == Verdict::Done)))
    }),
    ("lifeboat_backup_failed", "1 if the last run made no bundle", |night| {
        Some(f64::from(u8::from(night.verdict == Verdict::Failed)))
    }),
    ("lifeboat_backup_duration_seconds", "How long the workspace took in the last run", |night| Some(night.seconds)),
    ("lifeboat_backup_bytes", "Size of the bundle", |night| Some(float(night.result.as_ref()?.bytes))),
    ("lifeboat_backup_requests", "HTTP requests to the workspace", |night| Some(float(night.result.as_ref()?.requests))),
    ("lifeboat_backup_throttles", "How often the workspace asked for a pause", |night| {
        Some(float(night.result.as_ref()?.throttles))
    }),
    ("lifeboat_backup_accepted", "Objects that are missing or degraded, and accepted as that", |night| {
        Some(float(night.result.as_ref()?.accepted))
    }),
    ("lifeboat_backup_accepted_stale", "Entries of `accept` that meet nothing any more", |night| {
        Some(float(night.result.as_ref()?.stale().count() as u64))
    }),
    ("lifeboat_backup_retries", "Requests that were sent again", |night| Some(float(night.result.as_ref()?.retries))),
    ("lifeboat_backup_bundles_removed", "Bundles that retention removed", |night| Some(float(night.removed.len() as u64))),
];

#[derive(Default)]
struct Metrics(Registry);

impl Metrics {
    fn add(&mut self, name: &str, help: &str) -> Number {
        let number = Number::default();
        self.0.register(name, help, number.clone());
        number
    }

    fn text(&self) -> String {
        let mut text = String::new();
        // A `String` takes all that is written to it.
        let _ = encode(&mut text, &self.0);
        text
    }
}

fn of(night: &Night) -> Labels {
    vec![("workspace", night.name.clone())]
}

#[expect(clippy::cast_precision_loss, reason = "metrics are floats")]
fn float(count: u64) -> f64 {
    count as f64
}

fn seconds(time: Timestamp) -> f64 {
    time.as_duration().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::super::status::{Good, Result};
    use super::*;

    #[test]
    fn a_failed_night_keeps_the_time_of_the_last_good_bundle() {
        let result =
            Result { bytes: 7, objects: [("captured".to_owned(), 3), ("missing".to_owned(), 1)].into(), ..Result::default() };
        let night = |name: &str, verdict, result| Night {
            name: name.to_owned(),
            verdict,
            error: None,
            hint: None,
            seconds: 1.5,
            result,
            removed: vec![],
            last_good: Some(Good {
                time: Timestamp::from_second(60).unwrap(),
                bundles: vec![],
                objects: 1,
                content_id: String::new(),
            }),
        };
        let nights = vec![night("a", Verdict::Done, Some(result)), night("b\"\n", Verdict::Failed, None)];
        let status = Status::new("lifeboat/0", Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH, nights);
        let text = metrics(&status);
        for line in [
            "lifeboat_last_run_timestamp_seconds 0.0",
            "lifeboat_last_good_bundle_timestamp_seconds{workspace=\"a\"} 60.0",
            "lifeboat_last_good_bundle_timestamp_seconds{workspace=\"b\\\"\\n\"} 60.0",
            "lifeboat_backup_success{workspace=\"b\\\"\\n\"} 0.0",
            "lifeboat_backup_objects{workspace=\"a\",state=\"captured\"} 3.0",
            "lifeboat_backup_bytes{workspace=\"a\"} 7.0",
        ] {
            assert!(text.lines().any(|one| one == line), "{line}\n{text}");
        }
        assert_eq!(text.matches("lifeboat_backup_bytes{").count(), 1, "what is not known is not there");
    }
}
