//! YAML that people write, read strictly: an error names its line, and nothing is guessed.

use serde::de::DeserializeOwned;

/// A text that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {text}")]
pub struct YamlError {
    /// Line, from 1.
    pub line: u64,
    /// Column, from 1.
    pub column: u64,
    /// What is wrong there.
    pub text: String,
}

/// Reads a text; one of nothing but comments is what `T` is by default.
pub fn read<T: Default + DeserializeOwned>(text: &str) -> Result<T, YamlError> {
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(T::default());
    }
    let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| told(&error))
}

/// The sentence of the reader, without the place that it may name: that stands in front.
fn told(error: &serde_saphyr::Error) -> YamlError {
    let (line, column) = error.location().map_or((1, 1), |at| (at.line(), at.column()));
    let text = error.to_string();
    let text = text.strip_suffix(&format!(" at line {line}, column {column}")).unwrap_or(&text);
    let text = text.split(", set DuplicateKeyPolicy").next().unwrap_or(text);
    YamlError { line, column, text: text.to_owned() }
}
