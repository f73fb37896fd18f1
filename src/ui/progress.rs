//! What a long command is doing: a line that moves on a terminal, now and then a plain line in a log.

use super::log;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lifeboat::calm;
use lifeboat::event::{Event, Observer};
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A log gets a line at most so often.
const QUIET: Duration = Duration::from_secs(10);

/// Listens to the library and shows what it says on stderr.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    live: bool,
    quiet: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    stage: &'static str,
    settled: u64,
    troubled: u64,
    said: Instant,
}

impl Progress {
    /// Shows progress, unless `quiet`.
    pub fn new(quiet: bool) -> Self {
        let live = !quiet
            && !log::is_json()
            && std::io::stderr().is_terminal()
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let bar =
            if live { ProgressBar::new_spinner() } else { ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()) };
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}") {
            bar.set_style(style);
        }
        let state = Mutex::new(State { stage: "", settled: 0, troubled: 0, said: Instant::now() });
        let progress = Self { bar, live, quiet, state };
        progress.tick();
        progress
    }

    fn tick(&self) {
        if self.live {
            self.bar.enable_steady_tick(Duration::from_millis(120));
        }
    }

    /// Takes the moving line away.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }

    fn say(&self, text: &str) {
        let text = calm::line(text).into_owned();
        if self.live {
            self.bar.println(text);
        } else {
            // Nobody is left to tell when stderr is gone.
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }

    fn settled(&self, object: &str, state: &'static str) {
        let mut now = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        now.settled += 1;
        now.troubled += u64::from(matches!(state, "missing" | "degraded" | "failed"));
        let text = format!("{}: {} objects, {} with trouble", now.stage, now.settled, now.troubled);
        if self.live {
            self.bar.set_message(format!("{text} · {}", calm::line(object)));
        } else if !self.quiet && now.said.elapsed() > QUIET {
            now.said = Instant::now();
            drop(now);
            self.say(&text);
        }
    }

    fn stage(&self, stage: &'static str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = State { stage, settled: 0, troubled: 0, said: Instant::now() };
        if self.bar.is_finished() {
            // It was taken away for a plan or a question, and the work goes on.
            self.bar.reset();
            self.tick();
        }
        self.bar.set_message(stage);
    }
}

impl Observer for Progress {
    fn event(&self, event: &Event) {
        if log::is_json() {
            if !self.quiet || matches!(event, Event::Warning(_)) {
                log::log(event);
            }
            return;
        }
        match event {
            Event::Stage(stage) => self.stage(stage),
            Event::Settled { object, state, .. } => self.settled(object, state),
            Event::Warning(text) => self.say(&format!("warning: {text}")),
            _ if self.quiet => {}
            Event::Throttled { family, wait } if wait.as_secs() > 0 => {
                self.say(&format!("the workspace asks for a pause: {family} rests for {} s", wait.as_secs()));
            }
            Event::Retried { call, cause, wait } => self.say(&format!("again in {:.1} s: {call}: {cause}", wait.as_secs_f64())),
            _ => {}
        }
    }
}
