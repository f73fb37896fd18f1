//! What a person chose when a plan was made: with it, the same plan can be made again without asking.

use super::Step;
use crate::object::{PatternError, Selection};
use crate::rules::{BUILT_IN, Conflicts, Maps, MapsError, RuleSet, RulesError};
use crate::spool::hex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What a plan is made for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// Bring back what the bundle holds, inert.
    #[default]
    Restore,
    /// Switch on what was active when the bundle was made, and was left inert by a restore.
    Activate,
    /// Switch off whatever is active of what the bundle holds.
    Deactivate,
}

impl Goal {
    /// The command that has it: `import`, `activate`, `deactivate`.
    pub fn command(self) -> &'static str {
        match self {
            Self::Restore => "import",
            Self::Activate => "activate",
            Self::Deactivate => "deactivate",
        }
    }
}

/// How much may be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Prune {
    /// At most half of what imports made of a kind, or ten objects of it.
    Some,
    /// However much it is.
    All,
}

/// Which secrets get their values out of the bundle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecretValues {
    /// Those that the target does not have.
    #[default]
    New,
    /// Also those that it has, whatever their values are.
    All,
    /// None.
    None,
}

fn is_usual<T: Default + PartialEq>(choice: &T) -> bool {
    *choice == T::default()
}

/// A file that a plan was made with, as it was then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// Its name as it was given, or the name of a built-in set.
    pub name: String,
    /// SHA-256 of the text, in hex.
    pub sha256: String,
    /// What it said.
    pub text: String,
}

impl Text {
    /// A text under its name.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { name: name.into(), sha256: hex(&Sha256::digest(text.as_bytes())), text }
    }

    /// A built-in rule set; nothing if there is none of that name.
    pub fn built_in(name: &str) -> Option<Self> {
        BUILT_IN.iter().find(|(known, _)| *known == name).map(|(name, text)| Self::new(*name, *text))
    }
}

/// The choices that a plan was made with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Recipe {
    /// What it is for.
    pub goal: Goal,
    /// `--include`: only these objects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// `--exclude`: not these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// `--rules`: what changes on the way.
    pub rules: Text,
    /// `--map`: what stands for what, besides the rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map: Option<Text>,
    /// Whether missing users, groups and service principals are made.
    pub create_principals: bool,
    /// `--restore-admins`: whether members of the source's `admins` become members of the target's.
    pub restore_admins: bool,
    /// Whether what is made carries the tag that a later import recognises.
    pub stamp: bool,
    /// `--allow-same-workspace`: whether the target may be the workspace that the bundle comes from.
    pub allow_same_workspace: bool,
    /// `--reverse`: whether the bundle goes back to the workspace from which its own was restored.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reverse: bool,
    /// `--overwrite-secret-values`, `--no-secret-values`: which secrets get their values out of the bundle.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub secret_values: SecretValues,
    /// `--prune`: whether what an import made is deleted once the bundle does not hold it any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prune: Option<Prune>,
    /// `--conflicts`: what becomes of what people changed in the target, where the rules do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conflicts: Option<Conflicts>,
    /// `--ours`: objects for which the bundle wins, where there is a question.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ours: Vec<String>,
    /// `--theirs`: objects for which what people did stays, where there is a question.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub theirs: Vec<String>,
}

impl Default for Recipe {
    fn default() -> Self {
        let (name, text) = BUILT_IN[0];
        Self {
            goal: Goal::Restore,
            include: Vec::new(),
            exclude: Vec::new(),
            rules: Text::new(name, text),
            map: None,
            create_principals: true,
            restore_admins: false,
            stamp: true,
            allow_same_workspace: false,
            reverse: false,
            secret_values: SecretValues::New,
            prune: None,
            conflicts: None,
            ours: Vec::new(),
            theirs: Vec::new(),
        }
    }
}

/// Answers to the questions of a plan.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    ours: Option<Selection>,
    theirs: Option<Selection>,
    all: Option<Conflicts>,
}

impl Answers {
    /// What was said of this object. Where both sides were named, what people did stays.
    pub fn of(&self, step: &Step) -> Option<Conflicts> {
        let names = |selection: &Option<Selection>| {
            selection.as_ref().is_some_and(|selection| selection.wants(&step.source.kind, &step.key))
        };
        match (names(&self.ours), names(&self.theirs)) {
            (_, true) => Some(Conflicts::Theirs),
            (true, false) => Some(Conflicts::Ours),
            (false, false) => self.all,
        }
    }
}

/// Choices that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// A pattern of the selection.
    #[error("cannot tell which objects are asked for")]
    Pattern(#[from] PatternError),
    /// The rules.
    #[error("in {name}")]
    Rules {
        /// Name of the file.
        name: String,
        /// What is wrong there.
        source: RulesError,
    },
    /// The map file.
    #[error("in {name}")]
    Maps {
        /// Name of the file.
        name: String,
        /// What is wrong there.
        source: MapsError,
    },
}

impl Recipe {
    /// Which objects are asked for.
    pub fn selection(&self) -> Result<Selection, RecipeError> {
        Ok(Selection::new(&self.include, &self.exclude)?)
    }

    /// Answers to the questions of a plan.
    pub fn answers(&self) -> Result<Answers, RecipeError> {
        let picked = |patterns: &[String]| Ok::<_, RecipeError>((!patterns.is_empty()).then_some(Selection::new(patterns, &[])?));
        Ok(Answers { ours: picked(&self.ours)?, theirs: picked(&self.theirs)?, all: self.conflicts })
    }

    /// The rules, read. A built-in set counts as one only if this version has the same.
    pub fn rule_set(&self) -> Result<RuleSet, RecipeError> {
        let Text { name, text, .. } = &self.rules;
        let error = |source| RecipeError::Rules { name: name.clone(), source };
        if Text::built_in(name).is_some_and(|known| known.text == *text) {
            return Ok(RuleSet::built_in(name).map_err(error)?.unwrap_or_default());
        }
        RuleSet::parse(text).map_err(error)
    }

    /// The map file, read.
    pub fn maps(&self) -> Result<Maps, RecipeError> {
        let Some(Text { name, text, .. }) = &self.map else { return Ok(Maps::default()) };
        Maps::parse(text).map_err(|source| RecipeError::Maps { name: name.clone(), source })
    }
}
