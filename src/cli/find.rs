//! `lifeboat find`

use super::bundle::Bundle;
use super::filters::Filters;
use super::{Misuse, Outcome};
use crate::ui::{self, Paint, Ui};
use clap::Args;
use lifeboat::audit::{self, Chosen, Count, Hit, How, Located, Pattern};
use lifeboat::bundle::{Finding, ReadError, Reader};
use serde_json_path::JsonPath;
use std::fmt::Write;

/// What the exit codes mean here.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  found
  1  failed: the bundle cannot be read
  2  wrong usage
  3  found nothing
  4  a part of the bundle is damaged, and was not searched
  5  refused: not safe (a bundle that nobody trusted signed)";

/// Where a text stands in a bundle: notebooks, files, and everything else as JSON.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub struct Find {
    #[command(flatten)]
    bundle: Bundle,
    /// A regular expression; letters match whatever their case unless one of them is a capital
    #[arg(required_unless_present = "jsonpath")]
    pattern: Option<String>,
    /// Letters match whatever their case
    #[arg(long, short, conflicts_with = "case_sensitive")]
    ignore_case: bool,
    /// Letters match in their case alone
    #[arg(long, short = 's')]
    case_sensitive: bool,
    /// Only whole words
    #[arg(long, short)]
    word_regexp: bool,
    /// The pattern is a text, no regular expression
    #[arg(long, short = 'F')]
    fixed_strings: bool,
    /// Name the objects alone, each once
    #[arg(long, short = 'l', conflicts_with = "count")]
    list: bool,
    /// Count the lines of each object
    #[arg(long, short)]
    count: bool,
    /// So many lines before and after each
    #[arg(long, short = 'C', value_name = "N", default_value_t = 0, hide_default_value = true)]
    context: usize,
    /// So many lines before each
    #[arg(long, short = 'B', value_name = "N")]
    before: Option<usize>,
    /// So many lines after each
    #[arg(long, short = 'A', value_name = "N")]
    after: Option<usize>,
    /// Values at this `JSONPath` (RFC 9535) of the documents, as `$.settings.tasks[*].notebook_task`; with a pattern, those in which it stands
    #[arg(long, value_name = "JSONPATH", conflicts_with_all = ["list", "count", "context", "before", "after"])]
    jsonpath: Option<String>,
    #[command(flatten)]
    filters: Filters,
}

/// What a search came to.
#[derive(Default)]
struct Search {
    found: u64,
    damaged: Vec<Finding>,
    /// What ended it.
    error: Option<anyhow::Error>,
}

impl Find {
    pub fn run(self, ui: &mut Ui) -> anyhow::Result<Outcome> {
        let pattern = self.pattern()?;
        let path = self
            .jsonpath
            .as_deref()
            .map(|text| JsonPath::parse(text).map_err(|error| Misuse(format!("cannot read the JSONPath \"{text}\": {error}"))));
        let path = path.transpose()?;
        let reader = self.bundle.open()?;
        let chosen = self.filters.chosen(&reader)?;
        let mut search = Search::default();
        match (&path, &pattern) {
            (Some(path), pattern) => search.values(ui, &reader, &chosen, path, pattern.as_ref())?,
            (None, Some(pattern)) if self.list || self.count => search.counts(ui, &reader, &chosen, pattern, self.count)?,
            (None, Some(pattern)) => search.hits(ui, &reader, &chosen, pattern)?,
            (None, None) => {}
        }
        let outcome = search.end()?;
        self.filters.settle(outcome, &reader)
    }

    fn pattern(&self) -> anyhow::Result<Option<Pattern>> {
        let how = How {
            any_case: self.ignore_case,
            exact: self.case_sensitive,
            word: self.word_regexp,
            fixed: self.fixed_strings,
            before: self.before.unwrap_or(self.context),
            after: self.after.unwrap_or(self.context),
        };
        let read = |text: &String| {
            Pattern::new(text, how).map_err(|error| Misuse(format!("cannot read the pattern \"{text}\": {error}")))
        };
        Ok(self.pattern.as_ref().map(read).transpose()?)
    }
}

impl Search {
    fn hits(&mut self, ui: &mut Ui, reader: &Reader, chosen: &Chosen<'_>, pattern: &Pattern) -> anyhow::Result<()> {
        ui.row(["kind", "path", "key", "line", "cell", "pointer", "text"])?;
        let Self { found, damaged, error } = self;
        let mut told = Ok(());
        let mut take = |hit: Hit| {
            told = tell(ui, &hit, *found == 0);
            *found += 1;
            told.is_ok()
        };
        audit::find(reader, chosen, pattern, &mut take, &mut |fault| note(fault, damaged, error));
        Ok(told?)
    }

    fn counts(&mut self, ui: &mut Ui, reader: &Reader, chosen: &Chosen<'_>, pattern: &Pattern, with: bool) -> anyhow::Result<()> {
        ui.row(["kind", "path", "key", "count"])?;
        let Self { found, damaged, error } = self;
        let mut told = Ok(());
        let mut take = |one: Count| {
            *found += 1;
            told = tell_count(ui, &one, with);
            told.is_ok()
        };
        audit::count(reader, chosen, pattern, &mut take, &mut |fault| note(fault, damaged, error));
        Ok(told?)
    }

    fn values(
        &mut self,
        ui: &mut Ui,
        reader: &Reader,
        chosen: &Chosen<'_>,
        path: &JsonPath,
        pattern: Option<&Pattern>,
    ) -> anyhow::Result<()> {
        ui.row(["kind", "path", "key", "pointer", "value"])?;
        let Self { found, damaged, error } = self;
        let mut told = Ok(());
        let mut take = |one: Located| {
            *found += 1;
            told = tell_value(ui, &one);
            told.is_ok()
        };
        audit::query(reader, chosen, path, pattern, &mut take, &mut |fault| note(fault, damaged, error));
        Ok(told?)
    }

    fn end(self) -> anyhow::Result<Outcome> {
        if let Some(error) = self.error {
            return Err(error);
        }
        for finding in &self.damaged {
            ui::note(format!("warning: not searched, since it is damaged: {finding}"));
        }
        Ok(match (self.damaged.is_empty(), self.found) {
            (false, _) => Outcome::Findings,
            (true, 0) => Outcome::Incomplete,
            (true, _) => Outcome::Done,
        })
    }
}

/// Damage ends only the search in what is hurt, anything else all of it.
fn note(fault: ReadError, damaged: &mut Vec<Finding>, error: &mut Option<anyhow::Error>) -> bool {
    if let ReadError::Damaged(finding) = fault {
        damaged.push(*finding);
        return true;
    }
    *error = Some(anyhow::Error::from(fault).context("the search did not come to its end"));
    false
}

/// `notebook:/Shared/x:cell 3:12: text`. Lines around it stand behind a dash, and what does not follow on is set apart, as `grep` does.
fn tell(ui: &mut Ui, hit: &Hit, is_first: bool) -> std::io::Result<()> {
    ui.value(hit)?;
    let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
    let (line, cell) = (number(hit.line), number(hit.cell));
    let pointer = hit.pointer.as_deref().unwrap_or_default();
    ui.row([hit.kind.as_str(), &hit.path, &hit.key, &line, &cell, pointer, &hit.text])?;
    let place = place(hit);
    if !(hit.before.is_empty() && hit.after.is_empty()) {
        if !is_first {
            ui.line("--")?;
        }
        for text in &hit.before {
            ui.code(&format!("{place}- "), text)?;
        }
    }
    if hit.binary {
        ui.painted(&[(Paint::Place, &place), (Paint::Plain, " matches, in bytes that are no text")])?;
    } else {
        let mut parts = vec![(Paint::Place, place.as_str()), (Paint::Plain, " ")];
        let mut from = 0;
        for (begin, end) in hit.matches.iter().filter(|(begin, end)| begin < end) {
            parts.push((Paint::Plain, &hit.text[from..*begin]));
            parts.push((Paint::Found, &hit.text[*begin..*end]));
            from = *end;
        }
        parts.push((Paint::Plain, &hit.text[from..]));
        ui.painted(&parts)?;
    }
    hit.after.iter().try_for_each(|text| ui.code(&format!("{place}- "), text))
}

fn place(hit: &Hit) -> String {
    let mut place = object(&hit.kind, &hit.path, &hit.key);
    if let Some(cell) = hit.cell {
        let _ = write!(place, "cell {cell}:");
    }
    if let Some(line) = hit.line {
        let _ = write!(place, "{line}:");
    }
    if let Some(pointer) = &hit.pointer {
        let _ = write!(place, "{pointer}:");
    }
    place
}

/// `kind:path:`, and the name behind an id.
fn object(kind: &str, path: &str, key: &str) -> String {
    if path == key { format!("{kind}:{path}:") } else { format!("{kind}:{path} ({key}):") }
}

fn tell_count(ui: &mut Ui, one: &Count, with: bool) -> std::io::Result<()> {
    ui.value(one)?;
    let count = one.count.to_string();
    ui.row([one.kind.as_str(), &one.path, &one.key, &count])?;
    let object = object(&one.kind, &one.path, &one.key);
    if with {
        return ui.painted(&[(Paint::Place, &object), (Paint::Plain, &count)]);
    }
    ui.painted(&[(Paint::Place, object.trim_end_matches(':'))])
}

fn tell_value(ui: &mut Ui, one: &Located) -> std::io::Result<()> {
    ui.value(one)?;
    let value = one.value.as_str().map_or_else(|| one.value.to_string(), str::to_owned);
    ui.row([one.kind.as_str(), &one.path, &one.key, &one.pointer, &value])?;
    let place = format!("{}{}:", object(&one.kind, &one.path, &one.key), one.pointer);
    ui.painted(&[(Paint::Place, &place), (Paint::Plain, " "), (Paint::Plain, &value)])
}
