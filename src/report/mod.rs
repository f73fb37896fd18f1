//! A bundle as one page for people: what is in it, whether it is complete and would restore, who may do what, what runs when, what
//! is risky, and how to check all of it by hand.
//!
//! Promises: one file that asks nothing of any network; a browser runs nothing in it but the script of ours, named by its digest;
//! whatever a name holds, it is text. The page is written as it is made, and no part of it is as large as the bundle has objects.

mod access;
mod changes;
mod complete;
mod contents;
mod depends;
mod evidence;
mod html;
mod names;
mod risks;
mod schedule;
mod secrets;
mod summary;
mod treemap;

use crate::access::{Access, Changes};
use crate::audit::Contents;
use crate::bundle::Reader;
use crate::diff::Diff;
use crate::page::{escaped, head};
use crate::relations::Relations;
use crate::{preflight, risk};
use html::Html;
use jiff::Timestamp;
use names::Names;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// Who made a bundle, as far as anybody asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It carries no signature.
    Unsigned,
    /// It carries signatures that name these keys; nobody checked them.
    Claimed(Vec<String>),
    /// A good signature of a key that is trusted, and what its signer said.
    Signed {
        /// The key.
        key: String,
        /// The trusted comment.
        comment: String,
    },
}

/// All that the page tells. What it is written from was verified: every stored byte of the bundle has its digest.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The bundle.
    pub reader: &'a Reader,
    /// What whoever asked calls it.
    pub name: &'a str,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// Who made it.
    pub origin: Origin,
    /// Its objects.
    pub contents: &'a Contents,
    /// What the offline half of a check says.
    pub restore: &'a preflight::Report,
    /// Who may do what.
    pub access: &'a Access,
    /// What refers to what.
    pub relations: &'a Relations,
    /// What changed since an older bundle, and what access was gained and lost, if there is one to compare with.
    pub changes: Option<(&'a Diff, &'a Changes)>,
    /// What else is risky, and what starts when.
    pub risk: &'a risk::Report,
    /// When the page is made.
    pub now: Timestamp,
    /// The program that makes it, as `lifeboat/0.1.0`.
    pub tool: &'a str,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Made {
    /// The page.
    pub report: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// Whether every object that was asked for and offered is in the bundle, whole.
    pub complete: bool,
    /// What blocks a restore, as far as the bundle alone shows.
    pub blockers: usize,
    /// Findings of each severity.
    pub findings: BTreeMap<risk::Severity, usize>,
}

/// One section of the page.
struct Section {
    id: &'static str,
    title: &'static str,
    /// How much is in it.
    count: fn(&Facts<'_>) -> Option<usize>,
    write: fn(&Facts<'_>, &Names<'_>, &mut Html<'_>) -> io::Result<()>,
}

const SECTIONS: &[Section] = &[
    Section { id: "contents", title: "Contents", count: |facts| Some(contents::count(facts)), write: contents::write },
    Section { id: "completeness", title: "Completeness", count: |facts| Some(complete::count(facts)), write: complete::write },
    Section { id: "access", title: "Access", count: |_| None, write: access::write },
    Section { id: "schedule", title: "Next 24 hours", count: |facts| Some(facts.risk.schedules.len()), write: schedule::write },
    Section { id: "dependencies", title: "Dependencies", count: |_| None, write: depends::write },
    Section { id: "secrets", title: "Secrets used", count: |facts| Some(secrets::count(facts)), write: secrets::write },
    Section { id: "risks", title: "Risks", count: |facts| Some(facts.risk.findings.len()), write: risks::write },
    Section { id: "changes", title: "Changes", count: changes::number, write: changes::write },
    Section { id: "sizes", title: "Sizes", count: |_| None, write: treemap::write },
    Section { id: "evidence", title: "Evidence", count: |_| None, write: evidence::write },
];

/// Writes the page. Errors: it cannot be written.
pub fn write(facts: &Facts<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut html = Html(out);
    let (title, names) = (summary::title(facts), Names::new(facts));
    html.raw(&head(&title, STYLE, SCRIPT))?;
    html.raw("<a class=\"skip\" href=\"#main\">Skip to the report</a>\n<div class=\"frame\">\n")?;
    navigation(facts, &mut html)?;
    html.raw("<main id=\"main\">\n<section aria-labelledby=\"summary-h\">\n")?;
    summary::write(facts, &mut html)?;
    for section in SECTIONS {
        html.section(section.id, section.title)?;
        (section.write)(facts, &names, &mut html)?;
    }
    html.raw("</section>\n")?;
    html.raw(&format!(
        "<footer><p>Made by {} on {}.</p></footer>\n</main></div>\n",
        escaped(facts.tool),
        day_and_time(facts.now)
    ))?;
    html.raw("<script>")?;
    html.raw(SCRIPT)?;
    html.raw("</script>\n</body></html>\n")
}

fn navigation(facts: &Facts<'_>, html: &mut Html<'_>) -> io::Result<()> {
    html.raw(
        "<nav aria-labelledby=\"nav-h\"><h2 id=\"nav-h\">In this report</h2><ul>\n<li><a href=\"#main\">Summary</a></li>\n",
    )?;
    for section in SECTIONS {
        let count = (section.count)(facts).map(|count| format!(" <span>{}</span>", html::thousands(count as u64)));
        html.raw(&format!("<li><a href=\"#{}\">{}{}</a></li>\n", section.id, section.title, count.unwrap_or_default()))?;
    }
    html.raw("</ul></nav>\n")
}

/// `26 November 2026, 14:00 UTC`.
fn day_and_time(at: Timestamp) -> String {
    at.strftime("%-d %B %Y, %H:%M UTC").to_string()
}

/// What people call a kind.
fn title_of(kind: &str) -> &str {
    crate::kinds::by_name(kind).map_or(kind, |kind| kind.title)
}

/// Some names, and how many more there are.
fn some(names: &[String], most: usize) -> String {
    let named = names.iter().take(most).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > most { format!("{named} and {} more", names.len() - most) } else { named }
}
