//! `lifeboat receipt`

use super::Outcome;
use crate::ui::Ui;
use anyhow::Context;
use clap::{Args, Subcommand};
use lifeboat::receipt;
use serde_json::json;
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

fn verify(ui: &mut Ui, file: &Path) -> anyhow::Result<bool> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let sealed = receipt::check(&String::from_utf8_lossy(&bytes));
    let name = file.display();
    match &sealed {
        Ok(digest) => {
            ui.value(&json!({ "file": name.to_string(), "sealed": true, "sha256": digest }))?;
            ui.line(format!("{name}: as it was sealed, SHA-256 {digest}"))?;
        }
        Err(error) => {
            ui.value(&json!({ "file": name.to_string(), "sealed": false, "reason": error.to_string() }))?;
            ui.line(format!("{name}: {error}"))?;
        }
    }
    Ok(sealed.is_ok())
}
