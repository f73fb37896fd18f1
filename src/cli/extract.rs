//! `lifeboat extract`

use super::Outcome;
use super::bundle::Bundle;
use super::filters::Filters;
use super::reveal::Reveal;
use super::verify::Damage;
use crate::ui::{Ui, words};
use clap::{Args, ValueEnum};
use lifeboat::audit::{self, Placed, extract};
use schemars::JsonSchema;
use serde::Serialize;
use std::path::PathBuf;

/// So many files with another name are told one by one; JSON and CSV have all.
const SHOWN: usize = 20;

/// Unpack objects into a folder.
#[derive(Debug, Args)]
pub struct Extract {
    #[command(flatten)]
    bundle: Bundle,
    /// The folder; made if it is not there, and nothing in it is overwritten
    #[arg(long, short = 'o', value_name = "DIR")]
    output: PathBuf,
    /// In a tree as people know it, with paths of the workspace and names, or as the bundle has them, by kind and id
    #[arg(long, value_enum, default_value_t, value_name = "HOW")]
    layout: Layout,
    #[command(flatten)]
    filters: Filters,
    #[command(flatten)]
    reveal: Reveal,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Layout {
    /// `Workspace/Users/…/load.py`, `job/nightly.json`
    #[default]
    Tree,
    /// `notebook/Users/…/load.notebook.py`, `job/123.json`
    Archive,
}

/// What was unpacked.
#[derive(Serialize, JsonSchema)]
pub struct Unpacked {
    /// Files that were written whole.
    files: u64,
    /// Their bytes.
    bytes: u64,
    /// Values of secrets that were left out, since nobody asked for them.
    secret_values_left_out: u64,
    /// Objects that are damaged in the bundle, and left out.
    damaged: Vec<Damage>,
    /// Where each object lies now, by file.
    placed: Vec<Placed>,
}

impl Extract {
    pub fn run(self, ui: &mut Ui) -> anyhow::Result<Outcome> {
        let reader = self.bundle.open()?;
        let mut members = self.filters.chosen(&reader)?.members;
        let all = members.len();
        members.retain(|member| !self.reveal.hides(member));
        let hidden = (all - members.len()) as u64;
        let layout = match self.layout {
            Layout::Tree => audit::Layout::Tree,
            Layout::Archive => audit::Layout::Archive,
        };
        let extracted = extract(&reader, &members, layout, &self.output)?;
        let outcome = if extracted.damaged.is_empty() { Outcome::Done } else { Outcome::Findings };
        let outcome = self.filters.settle(outcome, &reader)?;
        for finding in &extracted.damaged {
            ui.line(format!("DAMAGED, left out: {finding}"))?;
        }
        if hidden > 0 {
            let count = words::count(hidden, "secret value");
            ui.line(format!("{count} left out: `--reveal` writes them too, in clear"))?;
        }
        tell(ui, &extracted.placed)?;
        ui.line(format!(
            "{} in {}, {}",
            words::count(extracted.files, "file"),
            self.output.display(),
            words::size(extracted.bytes)
        ))?;
        ui.value(&Unpacked {
            files: extracted.files,
            bytes: extracted.bytes,
            secret_values_left_out: hidden,
            damaged: extracted.damaged.iter().map(Damage::from).collect(),
            placed: extracted.placed,
        })?;
        Ok(outcome)
    }
}

/// What is called otherwise than in the workspace; for spreadsheets, everything.
fn tell(ui: &mut Ui, placed: &[Placed]) -> anyhow::Result<()> {
    ui.row(["kind", "path", "file", "bytes", "renamed"])?;
    for one in placed {
        let renamed = if one.renamed { "yes" } else { "no" };
        ui.row([one.kind.as_str(), &one.path, &one.file, &one.bytes.to_string(), renamed])?;
    }
    let renamed: Vec<&Placed> = placed.iter().filter(|one| one.renamed).collect();
    for one in renamed.iter().take(SHOWN) {
        ui.line(format!("renamed: {} {} is {}", one.kind, one.path, one.file))?;
    }
    if renamed.len() > SHOWN {
        ui.line(format!("renamed: and {} more (`--json` and `--csv` have all)", renamed.len() - SHOWN))?;
    }
    Ok(())
}
