//! Which objects a command is about, and which of these are not there.

use super::Outcome;
use crate::ui;
use clap::Args;
use lifeboat::bundle::Manifest;
use lifeboat::object::{Selection, Unmet};

/// Which objects are asked for.
#[derive(Debug, Args)]
pub struct Select {
    /// Only these: `kind` or `kind:glob` over paths and names; may be repeated
    #[arg(long, value_name = "KIND:GLOB")]
    pub include: Vec<String>,
    /// Not these: `kind` or `kind:glob` over paths and names; may be repeated
    #[arg(long, value_name = "KIND:GLOB")]
    pub exclude: Vec<String>,
}

impl Select {
    /// The patterns, read.
    pub fn selection(&self) -> anyhow::Result<Selection> {
        Ok(Selection::new(&self.include, &self.exclude)?)
    }

    /// Says which names were asked for and are not in the bundle, and what that makes of a command that is done.
    pub fn settle(&self, outcome: Outcome, manifest: &Manifest) -> anyhow::Result<Outcome> {
        Ok(settle(outcome, &self.unmet(manifest)?.into_texts()))
    }

    /// The names that were asked for and that a bundle does not have.
    pub fn unmet(&self, manifest: &Manifest) -> anyhow::Result<Unmet> {
        let mut unmet = self.selection()?.unmet();
        manifest.members.iter().for_each(|member| unmet.meet(&member.kind, member.key.as_deref().unwrap_or(&member.path)));
        manifest.gaps.iter().for_each(|gap| unmet.meet(&gap.kind, &gap.path));
        Ok(unmet)
    }
}

/// Says which names were met by nothing.
pub fn settle(outcome: Outcome, unmatched: &[String]) -> Outcome {
    for pattern in unmatched {
        ui::note(format!("warning: nothing in the bundle matches `--include {pattern}`"));
    }
    if unmatched.is_empty() || outcome != Outcome::Done { outcome } else { Outcome::Incomplete }
}
