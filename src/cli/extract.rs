//! `lifeboat extract`

use super::Outcome;
use super::bundle::Bundle;
use super::export::Select;
use super::reveal::Reveal;
use super::verify::Damage;
use crate::ui::{Ui, words};
use clap::Args;
use lifeboat::audit::extract;
use lifeboat::bundle::MemberLine;
use schemars::JsonSchema;
use serde::Serialize;
use std::path::PathBuf;

/// Unpack objects into a folder.
#[derive(Debug, Args)]
pub struct Extract {
    #[command(flatten)]
    bundle: Bundle,
    /// The folder; made if it is not there, and nothing in it is overwritten
    #[arg(long, short = 'o', value_name = "DIR")]
    output: PathBuf,
    #[command(flatten)]
    select: Select,
    #[command(flatten)]
    reveal: Reveal,
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
}

impl Extract {
    pub fn run(self, ui: &mut Ui) -> anyhow::Result<Outcome> {
        let reader = self.bundle.open()?;
        let selection = self.select.selection()?;
        let asked = |member: &MemberLine| selection.wants(&member.kind, member.key.as_deref().unwrap_or(&member.path));
        let hidden = reader.manifest().members.iter().filter(|member| asked(member) && self.reveal.hides(member)).count();
        let wanted = |member: &MemberLine| asked(member) && !self.reveal.hides(member);
        let extracted = extract(&reader, &wanted, &self.output)?;
        let outcome = if extracted.damaged.is_empty() { Outcome::Done } else { Outcome::Findings };
        let outcome = self.select.settle(outcome, reader.manifest())?;
        ui.value(&Unpacked {
            files: extracted.files,
            bytes: extracted.bytes,
            secret_values_left_out: hidden as u64,
            damaged: extracted.damaged.iter().map(Damage::from).collect(),
        })?;
        for finding in &extracted.damaged {
            ui.line(format!("DAMAGED, left out: {finding}"))?;
        }
        if hidden > 0 {
            let count = words::count(hidden as u64, "secret value");
            ui.line(format!("{count} left out: `--reveal` writes them too, in clear"))?;
        }
        ui.line(format!(
            "{} in {}, {}",
            words::count(extracted.files, "file"),
            self.output.display(),
            words::size(extracted.bytes)
        ))?;
        Ok(outcome)
    }
}
