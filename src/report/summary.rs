//! What a manager reads in a minute.

use super::html::{Html, count, marked, size, thousands};
use super::{Facts, Origin, day_and_time};
use crate::page::escaped;
use crate::preflight::Severity as Weight;
use crate::risk::{Check, Place, Severity};
use jiff::{Timestamp, Unit};
use serde_json::Value;
use std::collections::HashSet;
use std::io;

/// Hours after which a nightly backup is late, and after which it is old.
const LATE: i64 = 26;
const OLD: i64 = 24 * 7;

/// How good something is; the page says so by a sign, a word and a colour.
#[derive(Clone, Copy)]
enum Mark {
    Good,
    Warn,
    Bad,
    Idle,
}

struct Card {
    mark: Mark,
    asks: &'static str,
    answer: String,
    why: String,
}

pub(super) fn title(facts: &Facts<'_>) -> String {
    format!(
        "Backup of {} on {}",
        workspace(facts),
        created(facts).map_or_else(String::new, |at| at.strftime("%-d %B %Y").to_string())
    )
}

fn source<'a>(facts: &'a Facts<'_>, name: &str) -> &'a str {
    facts.reader.manifest().head.source.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn workspace(facts: &Facts<'_>) -> String {
    let host = source(facts, "host").split("://").last().unwrap_or_default().trim_end_matches('/');
    if host.is_empty() { format!("workspace {}", source(facts, "workspace_id")) } else { host.to_owned() }
}

fn created(facts: &Facts<'_>) -> Option<Timestamp> {
    facts.reader.manifest().head.created.parse().ok()
}

pub(super) fn write(facts: &Facts<'_>, html: &mut Html<'_>) -> io::Result<()> {
    let head = &facts.reader.manifest().head;
    html.raw(&format!("<header><h1 id=\"summary-h\">{}</h1>\n", escaped(&title(facts))))?;
    let caller = source(facts, "caller");
    let by = if caller.is_empty() { String::new() } else { format!(" by {caller}") };
    html.raw(&format!(
        "<p>Workspace {}, exported on {}{} with {}. {} in the bundle, {}.</p></header>\n<ul class=\"cards\">\n",
        escaped(source(facts, "workspace_id")),
        escaped(&created(facts).map_or_else(|| head.created.clone(), day_and_time)),
        escaped(&by),
        escaped(head.tool.split(' ').next().unwrap_or_default()),
        count(usize::try_from(head.counts.members).unwrap_or(usize::MAX), "object"),
        size(facts.reader.size()),
    ))?;
    for card in cards(facts) {
        let (class, sign) = match card.mark {
            Mark::Good => ("good", "✓ "),
            Mark::Warn => ("warn", "! "),
            Mark::Bad => ("bad", "✕ "),
            Mark::Idle => ("idle", ""),
        };
        html.raw(&format!(
            "<li class=\"card {class}\"><b>{}</b> <strong>{sign}{}</strong> <em>{}</em></li>\n",
            escaped(card.asks),
            escaped(&card.answer),
            marked(&card.why)
        ))?;
    }
    html.raw("</ul>\n")
}

fn cards(facts: &Facts<'_>) -> Vec<Card> {
    vec![complete(facts), restorable(facts), age(facts), whole(facts), signed(facts), encrypted(facts), risky(facts), next(facts)]
}

fn card(mark: Mark, asks: &'static str, answer: impl Into<String>, why: impl Into<String>) -> Card {
    Card { mark, asks, answer: answer.into(), why: why.into() }
}

fn complete(facts: &Facts<'_>) -> Card {
    let states = facts.reader.manifest().head.states;
    let asks = "Complete?";
    let rest = [
        (states.degraded, "degraded"),
        (states.missing, "missing"),
        (states.excluded, "excluded"),
        (states.unavailable, "unavailable"),
    ];
    let rest = rest.iter().filter(|(count, _)| *count > 0).map(|(count, state)| format!(", {} {state}", thousands(*count)));
    let rest: String = rest.collect();
    let (whole, listed) = (thousands(states.captured), thousands(states.total()));
    let why = format!("{whole} of {listed} listed objects are captured, which means whole{rest}");
    match (states.missing, states.degraded) {
        (0, 0) => card(Mark::Good, asks, "Yes", why),
        (0, degraded) => card(Mark::Warn, asks, format!("{} degraded", thousands(degraded)), why),
        (missing, _) => card(Mark::Bad, asks, format!("No: {} missing", thousands(missing)), why),
    }
}

fn restorable(facts: &Facts<'_>) -> Card {
    let asks = "Restorable?";
    let (blockers, warnings) = (facts.restore.count(Weight::Blocker), facts.restore.count(Weight::Warning));
    let live = "judged from the bundle alone; `lifeboat check` also asks a target. A restore starts nothing: all comes paused and inert until `lifeboat activate`";
    match (blockers, warnings) {
        (0, 0) => card(Mark::Good, asks, "Yes", live),
        (0, warnings) => card(Mark::Warn, asks, format!("Yes, with {}", count(warnings, "warning")), live),
        (blockers, _) => card(Mark::Bad, asks, format!("Not all of it: {}", count(blockers, "blocker")), live),
    }
}

fn age(facts: &Facts<'_>) -> Card {
    let asks = "How old?";
    let Some(made) = created(facts) else { return card(Mark::Bad, asks, "Unknown", "the bundle's time cannot be read") };
    let hours = facts.now.since((Unit::Hour, made)).map_or(0, |span| i64::from(span.get_hours()));
    let (answer, mark) = match hours {
        ..0 => ("From the future".to_owned(), Mark::Bad),
        0 => ("Less than an hour".to_owned(), Mark::Good),
        1..=47 => (count(usize::try_from(hours).unwrap_or(0), "hour"), if hours > LATE { Mark::Warn } else { Mark::Good }),
        _ => (count(usize::try_from(hours / 24).unwrap_or(0), "day"), if hours > OLD { Mark::Bad } else { Mark::Warn }),
    };
    card(mark, asks, answer, format!("made on {}, when this report was made on {}", day_and_time(made), day_and_time(facts.now)))
}

fn whole(facts: &Facts<'_>) -> Card {
    let frames = facts.reader.manifest().frames.len();
    card(
        Mark::Good,
        "Unaltered?",
        "Yes",
        format!("every stored byte was hashed: {} and the manifest have their digests", count(frames, "frame")),
    )
}

fn signed(facts: &Facts<'_>) -> Card {
    let asks = "Signed?";
    match &facts.origin {
        Origin::Signed { key, comment } => card(Mark::Good, asks, "Yes, by a trusted key", format!("key {key}: {comment}")),
        Origin::Claimed(keys) => {
            card(Mark::Warn, asks, "Not checked", format!("it names key {}; `--signed-by` checks it", keys.join(", ")))
        }
        Origin::Unsigned => card(Mark::Warn, asks, "No", "unaltered means as it was written, not who wrote it"),
    }
}

fn encrypted(facts: &Facts<'_>) -> Card {
    let asks = "Encrypted?";
    if facts.encrypted {
        return card(Mark::Good, asks, "Yes", "only whoever holds a key reads it");
    }
    let clear = Clear::of(facts);
    if clear.here == 0 {
        let why = "anyone with the file can read all of it, code and names of people too; values of secret scopes are not in it, and no secret was found in clear text";
        return card(Mark::Warn, asks, "No", why);
    }
    let found = count(clear.here, "secret");
    let why = format!(
        "anyone with the file can read it, including {found} in clear text in notebooks, files and settings: Risks says where"
    );
    card(Mark::Bad, asks, format!("No, and {found} in it"), why)
}

/// Secrets in clear text, by places.
pub(super) struct Clear {
    /// What stands in the bundle, for whoever reads it.
    pub(super) here: usize,
    /// What was blanked on the way into it, and stands in the workspace.
    pub(super) blanked: usize,
}

impl Clear {
    pub(super) fn of(facts: &Facts<'_>) -> Self {
        let redacted = facts.reader.manifest().redacted.iter();
        let redacted: HashSet<(&str, &str, &str)> = redacted.map(|one| (&*one.kind, &*one.path, &*one.pointer)).collect();
        let is_blanked = |place: &&Place| {
            let kind = place.object.split(':').next().unwrap_or_default();
            place.pointer.as_deref().is_some_and(|at| redacted.contains(&(kind, &*place.id, at)))
        };
        let found = facts.risk.findings.iter().filter(|one| one.check == Check::ClearSecret.name());
        let places: Vec<&Place> = found.flat_map(|one| &one.places).collect();
        let blanked = places.iter().copied().filter(is_blanked).count();
        Self { here: places.len() - blanked, blanked }
    }
}

fn risky(facts: &Facts<'_>) -> Card {
    let asks = "Risks";
    let of = |severity| facts.risk.count(severity);
    let all = Severity::ALL.map(|severity| format!("{} {}", of(severity), severity.name())).join(", ");
    let why = match Clear::of(facts) {
        Clear { here: 0, blanked: 0 } => "no secret was found in clear text".to_owned(),
        Clear { here, blanked } => {
            format!("{} in clear text: {here} in the bundle, {blanked} blanked in it", count(here + blanked, "secret"))
        }
    };
    match (of(Severity::High), of(Severity::Medium)) {
        (0, 0) => card(Mark::Good, asks, all, why),
        (0, _) => card(Mark::Warn, asks, all, why),
        _ => card(Mark::Bad, asks, all, why),
    }
}

fn next(facts: &Facts<'_>) -> Card {
    let on: Vec<_> = facts.risk.schedules.iter().filter(|one| !one.paused).collect();
    let starts: u64 = on.iter().filter_map(|one| one.count).sum();
    let vague = on.iter().filter(|one| one.count.is_none()).count();
    let starts = usize::try_from(starts).unwrap_or(usize::MAX);
    let vague = (vague > 0).then(|| format!("; {vague} more start on an event, always, or at a time that nobody can tell"));
    let why = format!("an outage from {} on would miss them{}", day_and_time(facts.risk.at), vague.unwrap_or_default());
    card(Mark::Idle, "Next 24 hours", count(starts, "start"), why)
}
