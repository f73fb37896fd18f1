//! `lifeboat receipt`

use super::Outcome;
use crate::ui::Ui;
use anyhow::Context;
use clap::{Args, Subcommand};
use lifeboat::receipt;
use schemars::JsonSchema;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// The sealed records of imports: `receipts` in the state folder.
#[derive(Debug, Args)]
pub struct Receipt {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Was a receipt, JSON or page, changed since it was sealed? A seal is a checksum and no signature
    #[command(after_help = super::EXIT_CODES)]
    Verify {
        /// The receipts
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

impl Receipt {
    pub fn run(self, ui: &mut Ui) -> anyhow::Result<Outcome> {
        let Command::Verify { files } = self.command;
        let mut outcome = Outcome::Done;
        for file in &files {
            if !verify(ui, file)? {
                outcome = Outcome::Findings;
            }
        }
        Ok(outcome)
    }
}

/// A receipt that was looked at.
#[derive(Serialize, JsonSchema)]
pub struct Checked {
    /// The file.
    file: String,
    /// Whether it is as it was sealed.
    sealed: bool,
    /// The digest in its seal, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    /// Why not, if it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

fn verify(ui: &mut Ui, file: &Path) -> anyhow::Result<bool> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let sealed = receipt::check(&String::from_utf8_lossy(&bytes));
    let name = file.display();
    match &sealed {
        Ok(digest) => {
            let sha256 = Some(digest.clone());
            ui.value(&Checked { file: name.to_string(), sealed: true, sha256, reason: None })?;
            ui.line(format!("{name}: as it was sealed, SHA-256 {digest}"))?;
        }
        Err(error) => {
            let reason = Some(error.to_string());
            ui.value(&Checked { file: name.to_string(), sealed: false, sha256: None, reason })?;
            ui.line(format!("{name}: {error}"))?;
        }
    }
    Ok(sealed.is_ok())
}
