//! `lifeboat extract`

use super::Outcome;
use super::bundle::Bundle;
use super::export::Select;
use super::verify::finding_json;
use crate::ui::{Ui, words};
use clap::Args;
use lifeboat::audit::extract;
use lifeboat::bundle::MemberLine;
use serde_json::json;
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
}

impl Extract {
    pub fn run(self, ui: &mut Ui) -> anyhow::Result<Outcome> {
        let reader = self.bundle.open()?;
        let selection = self.select.selection()?;
        let wanted = |member: &MemberLine| selection.wants(&member.kind, member.key.as_deref().unwrap_or(&member.path));
        let extracted = extract(&reader, &wanted, &self.output)?;
        let outcome = if extracted.damaged.is_empty() { Outcome::Done } else { Outcome::Findings };
        let outcome = self.select.settle(outcome, reader.manifest())?;
        ui.value(&json!({
            "files": extracted.files,
            "bytes": extracted.bytes,
            "damaged": extracted.damaged.iter().map(finding_json).collect::<Vec<_>>(),
        }))?;
        for finding in &extracted.damaged {
            ui.line(format!("DAMAGED, left out: {finding}"))?;
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
