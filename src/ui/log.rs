//! What is said beside the result, on stderr: lines for people, or JSON lines for whoever collects logs.

use clap::ValueEnum;
use lifeboat::calm;
use lifeboat::event::Event;
use serde_json::{Value, json};
use std::fmt::Display;
use std::io::{self, Write};
use std::sync::OnceLock;

/// How it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people, with a moving line on a terminal.
    #[default]
    Text,
    /// One JSON object a line: `time`, `level`, `event`, and what belongs to it.
    Json,
}

static FORMAT: OnceLock<LogFormat> = OnceLock::new();

/// Decides once for the whole program.
pub fn log_as(format: LogFormat) {
    let _ = FORMAT.set(format);
}

/// Whether logs are for programs.
pub fn is_json() -> bool {
    FORMAT.get() == Some(&LogFormat::Json)
}

/// A line beside the result.
pub fn note(text: impl Display) {
    let text = text.to_string();
    if is_json() {
        let (level, message) = level_of(&text);
        return write(level, "note", json!({ "message": message }));
    }
    // Nobody is left to tell when stderr is gone.
    let _ = writeln!(io::stderr(), "{}", calm::line(&text));
}

/// What ended the program, and what helps; `json` where the answer on stdout would have been JSON.
pub fn complain(text: &str, hint: Option<&str>, exit_code: u8, json: bool) {
    if is_json() {
        return write("error", "failed", json!({ "message": text, "hint": hint, "exit_code": exit_code }));
    }
    if json {
        return line(&json!({ "error": text, "hint": hint, "exit_code": exit_code }));
    }
    note(format!("error: {text}"));
    if let Some(hint) = hint {
        note(format!("hint: {hint}"));
    }
}

/// An event as a line, if it is worth one: an object that came through whole is not.
pub fn log(event: &Event) {
    let trouble = |state: &str| matches!(state, "missing" | "degraded" | "failed" | "unavailable" | "pending");
    match event {
        Event::Stage(stage) => write("info", "stage", json!({ "stage": stage })),
        Event::Listed { kind, count } => write("info", "listed", json!({ "kind": kind, "count": count })),
        Event::Settled { kind, object, state, reason } if trouble(state) => {
            write("warning", "settled", json!({ "kind": kind, "object": object, "state": state, "reason": reason }));
        }
        Event::Throttled { family, wait } => {
            write("info", "throttled", json!({ "family": family, "seconds": wait.as_secs_f64() }));
        }
        Event::Retried { call, cause, wait } => {
            write("info", "retried", json!({ "call": call, "cause": cause, "seconds": wait.as_secs_f64() }));
        }
        Event::Warning(text) => write("warning", "note", json!({ "message": text })),
        _ => {}
    }
}

/// Lines for people begin with their level; what says none is a piece of information.
fn level_of(text: &str) -> (&'static str, &str) {
    let levels = [("warning", "warning: "), ("error", "error: "), ("info", "hint: ")];
    let found = levels.into_iter().find_map(|(level, prefix)| Some((level, text.strip_prefix(prefix)?)));
    found.unwrap_or(("info", text))
}

fn write(level: &str, event: &str, rest: Value) {
    let mut line = json!({ "time": jiff::Timestamp::now().strftime("%FT%T%.3fZ").to_string(), "level": level, "event": event });
    if let (Value::Object(line), Value::Object(rest)) = (&mut line, rest) {
        line.extend(rest);
    }
    self::line(&line);
}

fn line(value: &Value) {
    // A value is always JSON, and nobody is left to tell when stderr is gone.
    let _ = calm::json(value).map(|text| writeln!(io::stderr(), "{text}"));
}
