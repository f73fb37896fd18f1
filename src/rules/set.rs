//! A rule set: a file that was read, on top of the built-in set that it extends.

use super::check;
use super::format::{Activations, Code, Conflicts, Extends, File, Rule};
use super::maps::Maps;
use crate::yaml::{self, YamlError};
use schemars::schema_for;
use serde::Serialize;
use serde_json::Value;

/// Rules in force, ready to be applied. The default is `standby`.
#[derive(Clone, Debug)]
pub struct RuleSet {
    pub(super) activations: Activations,
    pub(super) conflicts: Option<Conflicts>,
    pub(super) may_keep: bool,
    pub(super) stamp: bool,
    pub(super) maps: Maps,
    pub(super) inside: Vec<Code>,
    pub(super) rules: Vec<Entry>,
}

/// A rule with its place.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// As reports name it: built-in rules with their set.
    pub name: String,
    /// Line in the file; nothing for built-in rules.
    pub line: Option<u64>,
    pub rule: Rule,
}

/// A rule file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("line {line}, column {column}: {text}")]
pub struct RulesError {
    /// Line, from 1.
    pub line: u64,
    /// Column, from 1.
    pub column: u64,
    /// What is wrong there, and what is allowed.
    pub text: String,
}

/// Names of the built-in sets, the default first, and what they are written as.
pub const BUILT_IN: &[(&str, &str)] = &[
    ("standby", include_str!("sets/standby.yaml")),
    ("clone", include_str!("sets/clone.yaml")),
    ("audit-sandbox", include_str!("sets/audit-sandbox.yaml")),
];

impl Default for RuleSet {
    fn default() -> Self {
        Self {
            activations: Activations::Pause,
            conflicts: None,
            may_keep: false,
            stamp: true,
            maps: Maps::default(),
            inside: vec![],
            rules: vec![],
        }
    }
}

impl RuleSet {
    /// Reads the text of a rule file. Errors: see [`RulesError`].
    pub fn parse(text: &str) -> Result<Self, RulesError> {
        let file = read(text)?;
        let base = match file.extends {
            Extends::Standby => Self::default(),
            Extends::Clone => Self { may_keep: true, ..Self::default() },
            Extends::AuditSandbox => Self::built_in("audit-sandbox")?.unwrap_or_default(),
        };
        base.extended(file)
    }

    /// A built-in set, by name.
    pub fn built_in(name: &str) -> Result<Option<Self>, RulesError> {
        let Some((name, text)) = BUILT_IN.iter().find(|(known, _)| *known == name) else { return Ok(None) };
        let base = Self { may_keep: *name == "clone", ..Self::default() };
        let mut set = base.extended(read(text)?)?;
        for entry in &mut set.rules {
            entry.name = format!("{name}:{}", entry.rule.name);
            entry.line = None;
        }
        Ok(Some(set))
    }

    fn extended(mut self, file: File) -> Result<Self, RulesError> {
        check::file(&self, &file)?;
        self.activations = file.activations.unwrap_or(self.activations);
        self.conflicts = file.conflicts.or(self.conflicts);
        self.maps = self.maps.with(&file.maps);
        self.inside.extend(file.inside);
        self.stamp &= file.stamp;
        self.rules.extend(file.rules.into_iter().map(|rule| {
            let (line, rule) = (Some(rule.defined.line()), rule.value);
            Entry { name: rule.name.clone(), line, rule }
        }));
        Ok(self)
    }

    /// These rules with more maps, which count where both say something.
    #[must_use]
    pub fn with_maps(mut self, maps: &Maps) -> Self {
        self.maps = self.maps.with(maps);
        self
    }

    /// What stands for what.
    pub fn maps(&self) -> &Maps {
        &self.maps
    }

    /// What is moved, and where it goes.
    pub fn moves(&self) -> impl Iterator<Item = (&str, &str)> {
        self.rules.iter().flat_map(|entry| entry.rule.moves.0.iter()).map(|(from, to)| (from.as_str(), to.as_str()))
    }

    /// Whether these rules let something run.
    pub fn may_run(&self) -> bool {
        let keeps = |entry: &Entry| entry.rule.activations == Some(Activations::Keep);
        self.activations == Activations::Keep || self.rules.iter().any(keeps)
    }

    /// Whether these rules do what `standby` does, and nothing else.
    pub fn is_standby(&self) -> bool {
        let changes = !self.rules.is_empty() || self.maps.all().next().is_some();
        self.activations == Activations::Pause && !changes
    }

    /// What becomes of what people changed in the target, where no rule says otherwise.
    pub fn conflicts(&self) -> Option<Conflicts> {
        self.conflicts
    }

    /// Whether what is made carries the stamp.
    pub fn stamp(&self) -> bool {
        self.stamp
    }

    /// The JSON Schema of the rule file, for editors.
    pub fn schema() -> Value {
        schema_for!(File).to_value()
    }
}

fn read(text: &str) -> Result<File, RulesError> {
    yaml::read(text).map_err(|YamlError { line, column, text }| RulesError { line, column, text })
}
