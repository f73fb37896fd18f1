//! What runs in the next 24 hours: as a picture, and as a table.

use super::html::{Column, Html, Live, Sort, count};
use super::names::Names;
use super::{Facts, day_and_time};
use crate::page::escaped;
use crate::risk::{HOURS, Schedule, Starter};
use jiff::{Timestamp, ToSpan};
use serde_json::Value;
use std::fmt::Write as _;
use std::io;

/// So many lines the picture has at most.
const LINES: usize = 40;

/// The picture, in pixels.
const NAMES: i64 = 250;
const HOUR: i64 = 28;
const LINE: i64 = 24;
const TOP: i64 = 34;

const COLUMNS: &[Column] = &[
    Column { title: "what", sort: Sort::Head, width: "" },
    Column { title: "state", sort: Sort::Word, width: "w0" },
    Column { title: "first start (UTC)", sort: Sort::Time, width: "w2" },
    Column { title: "starts", sort: Sort::Number, width: "w0" },
    Column { title: "when", sort: Sort::Text, width: "w2" },
    Column { title: "runs as", sort: Sort::Text, width: "w2" },
    Column { title: "time zone", sort: Sort::Detail, width: "" },
    Column { title: "first start (local)", sort: Sort::Detail, width: "" },
    Column { title: "all starts (UTC)", sort: Sort::Detail, width: "" },
];

pub(super) fn write(facts: &Facts<'_>, names: &Names<'_>, html: &mut Html<'_>) -> io::Result<()> {
    let schedules = &facts.risk.schedules;
    if schedules.is_empty() {
        return html.paragraph("Nothing in the bundle starts by itself.");
    }
    let from = facts.risk.at;
    html.paragraph(&format!(
        "What starts by itself in the {HOURS} hours from {} on, and what an outage in them would miss. Times that clocks pass over or repeat are those of the time zone's rules.",
        day_and_time(from)
    ))?;
    let mut on: Vec<&Schedule> =
        schedules.iter().filter(|one| !one.paused && (one.count > Some(0) || one.starter == Starter::Continuous)).collect();
    let first = |one: &Schedule| one.runs.first().map(|run| run.at);
    on.sort_by_key(|one| (first(one), &one.object));
    if !on.is_empty() {
        picture(&on, from, names, html)?;
    }
    let failing = schedules.iter().filter(|one| !one.paused && one.fails.is_some()).count();
    if failing > 0 {
        html.paragraph(&format!(
            "As things stand, {} would start and fail, since whoever is to run them is disabled or gone. ✕ marks them, and Risks has them under run_as.",
            count(failing, "schedule")
        ))?;
    }
    html.raw("<h3>Everything that starts by itself</h3>\n")?;
    let live = Live {
        id: "schedules",
        name: "schedules",
        caption: "Schedules, triggers and what always runs",
        columns: COLUMNS,
        count: schedules.len(),
    };
    let mut sorted: Vec<&Schedule> = schedules.iter().collect();
    sorted.sort_by_key(|one| (one.paused, first(one).is_none(), first(one), &one.object));
    html.live(&live, &|each| sorted.iter().try_for_each(|one| each(row(one, names))))
}

/// As whom it runs, and whether that fails.
fn runner(one: &Schedule, names: &Names<'_>) -> String {
    let name = one.run_as.as_deref().map(|name| names.person(name)).unwrap_or_default();
    one.fails.map_or_else(|| name.clone(), |why| format!("✕ {why}: {name}"))
}

fn row(one: &Schedule, names: &Names<'_>) -> Vec<Value> {
    let state = match (one.paused, one.fails.is_some()) {
        (true, _) => "paused",
        (_, true) => "on, fails",
        _ => "on",
    };
    let first = one.runs.first();
    let local = first.map(|run| run.local.replace('T', " "));
    let all: Vec<String> = one.runs.iter().map(|run| run.at.strftime("%d %b %H:%M").to_string()).collect();
    let text = |text: Option<&str>| text.map_or(Value::Null, Value::from);
    let zone = one.time_zone.as_deref();
    let when = match one.starter {
        Starter::Cron => format!("{} {}", one.when, zone.unwrap_or("UTC")),
        Starter::Continuous => "always".to_owned(),
        Starter::Periodic | Starter::Event => one.when.clone(),
    };
    vec![
        names.told(&one.object, Some(&one.id)).into(),
        state.into(),
        first.map_or(Value::Null, |run| run.at.as_millisecond().into()),
        one.count.map_or(Value::Null, Value::from),
        when.into(),
        runner(one, names).into(),
        text(zone),
        text(local.as_deref()),
        if all.is_empty() { Value::Null } else { all.join(", ").into() },
    ]
}

/// Lines of hours, with a mark for each start. The table under it says the same in words.
fn picture(on: &[&Schedule], from: Timestamp, names: &Names<'_>, html: &mut Html<'_>) -> io::Result<()> {
    let shown = &on[..on.len().min(LINES)];
    let lines = i64::try_from(shown.len()).unwrap_or_default();
    let (width, height) = (NAMES + HOURS * HOUR + 20, TOP + lines * LINE + 10);
    let starts: u64 = on.iter().filter_map(|one| one.count).sum();
    let mut svg = format!(
        "<figure><div class=\"scrolled\" tabindex=\"0\" role=\"group\" aria-label=\"timeline\"><svg width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"tl-t tl-d\">\
         <title id=\"tl-t\">Timeline of the next {HOURS} hours</title><desc id=\"tl-d\">{} of {}; the table below has the same in words.</desc>\n",
        count(usize::try_from(starts).unwrap_or(usize::MAX), "start"),
        count(on.len(), "schedule")
    );
    for line in (0..lines).step_by(2) {
        let _ = writeln!(svg, "<rect class=\"band\" x=\"0\" y=\"{}\" width=\"{width}\" height=\"{LINE}\"/>", TOP + line * LINE);
    }
    hours(from, height, &mut svg);
    for (schedule, line) in shown.iter().zip(0..) {
        let y = TOP + line * LINE;
        let name = names.told(&schedule.object, Some(&schedule.id));
        let name = name.split_once(':').map_or(name.as_str(), |(_, name)| name);
        let fails = schedule.fails.is_some();
        let (mark, class) = if fails { ("✕ ", " fails") } else { ("", "") };
        let _ = writeln!(
            svg,
            "<text x=\"10\" y=\"{}\" class=\"what{class}\"><title>{}</title>{mark}{}</text>",
            y + 16,
            escaped(name),
            escaped(&short(name))
        );
        if schedule.starter == Starter::Continuous {
            let _ = writeln!(
                svg,
                "<rect class=\"always\" x=\"{NAMES}\" y=\"{}\" width=\"{}\" height=\"8\" rx=\"4\"><title>always</title></rect>",
                y + 8,
                HOURS * HOUR
            );
        }
        for run in &schedule.runs {
            let minutes = run.at.duration_since(from).as_mins();
            let _ = writeln!(
                svg,
                "<circle class=\"run{class}\" cx=\"{}\" cy=\"{}\" r=\"4\"><title>{}</title></circle>",
                NAMES + minutes * HOUR / 60,
                y + 12,
                escaped(&run.local)
            );
        }
    }
    html.raw(&svg)?;
    html.raw("</svg></div>")?;
    let more = if on.len() > LINES { format!(" The first {LINES} of {} are drawn.", on.len()) } else { String::new() };
    html.raw(&format!("<figcaption>Hours in UTC. ✕: runs as somebody who is disabled or gone, so that the run fails.{more}</figcaption></figure>\n"))
}

fn hours(from: Timestamp, height: i64, svg: &mut String) {
    let next = from.as_second().div_euclid(3600) * 3600 + i64::from(from.as_second().rem_euclid(3600) > 0) * 3600;
    for hour in 0..=HOURS {
        let Ok(at) = Timestamp::from_second(next).and_then(|next| next.checked_add(hour.hours())) else { continue };
        let minutes = at.duration_since(from).as_mins();
        if minutes > HOURS * 60 {
            break;
        }
        let x = NAMES + minutes * HOUR / 60;
        let _ = writeln!(svg, "<line class=\"tick\" x1=\"{x}\" y1=\"{}\" x2=\"{x}\" y2=\"{}\"/>", TOP - 6, height - 10);
        let hour = at.strftime("%H").to_string();
        if at.as_second() % (3 * 3600) == 0 {
            let label = if hour == "00" { at.strftime("%-d %b").to_string() } else { format!("{hour}:00") };
            let _ =
                writeln!(svg, "<text class=\"soft small\" x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{label}</text>", TOP - 12);
        }
    }
}

fn short(name: &str) -> String {
    if name.chars().count() <= 34 { name.to_owned() } else { name.chars().take(32).chain("…".chars()).collect() }
}
