//! Words that nobody else may see: from a file, from the environment, or from a person at the terminal; never from the command
//! line, which everybody on a machine can read.

use crate::ui;
use anyhow::Context;
use secrecy::SecretString;
use std::path::Path;

/// A secret: the first line of the file, else what the variable holds, else what a person answers. Nothing where nobody can.
pub fn secret(file: Option<&Path>, variable: &str, question: &str) -> anyhow::Result<Option<SecretString>> {
    if let Some(given) = given(file, variable)? {
        return Ok(Some(given));
    }
    Ok(ui::secret(question))
}

/// The same without asking anybody.
pub fn given(file: Option<&Path>, variable: &str) -> anyhow::Result<Option<SecretString>> {
    if let Some(path) = file {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        return Ok(Some(text.lines().next().unwrap_or_default().to_owned().into()));
    }
    Ok(std::env::var(variable).ok().filter(|word| !word.is_empty()).map(Into::into))
}
