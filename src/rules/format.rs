//! The rule file as it is written: YAML, strict. These types are also where the JSON Schema and the reference come from.

use super::maps::Maps;
use super::words::{KindName, Many, NameGlob, Pairs, PathGlob, Place, Query, present};
use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use serde_saphyr::Spanned;

/// What changes on the way from a bundle into a workspace.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(title = "Lifeboat rules", rename = "Rules")]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    /// The built-in set that this file adds to: its maps and rules come first.
    pub extends: Extends,
    /// What becomes of everything that starts, bills or notifies, where no rule says otherwise.
    pub activations: Option<Activations>,
    /// What becomes of what people changed in the target, where no rule says otherwise: `ours`, unless `--conflicts` says another.
    pub conflicts: Option<Conflicts>,
    /// What of the target stands for what of the source: section, source, target. Kinds name objects, by id or name; the other
    /// sections name values, also where they stand inside texts and policy definitions.
    pub maps: Maps,
    /// In whose source code maps and moves are carried out as well.
    pub inside: Vec<Code>,
    /// Whether what is made carries the tag `lifeboat_source`, by which a later import recognises it.
    pub stamp: bool,
    /// The rules, carried out in this order, on top of maps and moves.
    #[schemars(with = "Vec<Rule>")]
    pub rules: Vec<Spanned<Rule>>,
}

impl Default for File {
    fn default() -> Self {
        Self {
            extends: Extends::default(),
            activations: None,
            conflicts: None,
            maps: Maps::default(),
            inside: Vec::new(),
            stamp: true,
            rules: Vec::new(),
        }
    }
}

/// A built-in set, or nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Extends {
    /// All that starts, bills or notifies is off. Nothing can switch it on but `activate`.
    #[default]
    Standby,
    /// As it was: off as in `standby`, but rules may say `activations: keep`.
    Clone,
    /// For looking at: nobody's access, nothing that starts, and nothing that leads outside.
    AuditSandbox,
}

/// What becomes of schedules, triggers, idle instances and the like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Activations {
    /// Switched off and remembered, so that `activate` can switch them on again.
    Pause,
    /// Left out: no schedule, no trigger, no continuous run.
    Strip,
    /// As they were at the source, running if they ran. Only on top of `extends: clone`.
    Keep,
}

/// What becomes of what people changed in the target since an import wrote it last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Conflicts {
    /// The bundle wins.
    #[default]
    Ours,
    /// What people changed stays, and what they deleted stays away.
    Theirs,
    /// A person is asked, and without an answer nothing is applied.
    Ask,
}

/// Kinds that hold source code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Code {
    /// The source of notebooks.
    Notebook,
    /// Workspace files that are text, of at most 10 MiB.
    File,
    /// Global init scripts.
    GlobalInitScript,
}

impl Code {
    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Notebook => "notebook",
            Self::File => "file",
            Self::GlobalInitScript => "global_init_script",
        }
    }
}

/// One rule: for these objects, do that. What it does is done in the order in which it is listed here.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    /// Name for reports; no two rules have the same.
    pub name: String,
    /// Why, as a sentence for whoever reads the report.
    #[serde(default)]
    pub why: Option<String>,
    /// Which objects; without it, all.
    #[serde(default, rename = "for")]
    pub pick: Option<Pick>,
    /// Leaves the object out, with all that hangs on it.
    #[serde(default)]
    pub skip: bool,
    /// Keeps only these places, and the name.
    #[serde(default)]
    pub keep: Vec<Place>,
    /// Leaves out what stands at these places.
    #[serde(default)]
    pub drop: Vec<Place>,
    /// Leaves out every text that holds an address such as `https://…`, with what makes no sense without it.
    #[serde(default)]
    pub drop_urls: bool,
    /// Puts a value at a place. What holds the place must be there, tags excepted; a `JSONPath` only leads to what is there itself.
    #[serde(default)]
    #[schemars(with = "Map<String, Value>")]
    pub set: Pairs<Place, Value>,
    /// A merge patch (RFC 7396): members are put in, `null` takes out.
    #[serde(default)]
    pub merge: Option<Map<String, Value>>,
    /// A JSON Patch (RFC 6902). If an operation fails, the import is refused.
    #[serde(default)]
    pub patch: Vec<Operation>,
    /// Brings numbers that are there into a range.
    #[serde(default)]
    pub clamp: Pairs<Place, Clamp>,
    /// Another name. What refers to the object by name follows.
    #[serde(default)]
    pub rename: Option<Rename>,
    /// Moves everything below a path: from, to. Holds for every object, so there is no `for`; whatever names such a path follows.
    /// Paths lie in the workspace, in `dbfs:/` or in `/Volumes/`.
    #[serde(default, rename = "move")]
    #[schemars(with = "std::collections::BTreeMap<String, String>")]
    pub moves: Pairs<String, String>,
    /// What becomes of all that starts, bills or notifies.
    #[serde(default)]
    pub activations: Option<Activations>,
    /// What becomes of what people changed in the target.
    #[serde(default)]
    pub conflicts: Option<Conflicts>,
}

/// Which objects a rule is for: those that fit everything that is said here.
///
/// What hangs on an object (permissions, libraries) has the name, path and tags of that object.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Pick {
    /// Their kind.
    pub kind: Many<KindName>,
    /// Their name, or the last part of their path; `*` is any text.
    pub name: Many<NameGlob>,
    /// Their path; `*` stays within a segment, `**` does not, and a folder covers what is below.
    pub path: Many<PathGlob>,
    /// Tags that they have: name, and a pattern for the value.
    #[schemars(with = "std::collections::BTreeMap<String, NameGlob>")]
    pub tag: Pairs<String, NameGlob>,
    /// A `JSONPath` (RFC 9535) into the body of a create, as the source has it, that finds something. `$[?$.a > 1]` asks for a
    /// value at the top.
    #[serde(rename = "where")]
    pub query: Option<Query>,
    /// But not those that fit this.
    pub except: Option<Box<Pick>>,
}

/// One operation of a JSON Patch.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Operation {
    /// What is done.
    pub op: Op,
    /// Where: a JSON pointer.
    pub path: String,
    /// For `move` and `copy`: from where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// For `add`, `replace` and `test`: the value.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

/// Operations of RFC 6902.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Op {
    Add,
    Remove,
    Replace,
    Move,
    Copy,
    Test,
}

/// A range of whole numbers.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Clamp {
    /// Not less than this.
    #[serde(default)]
    pub min: Option<i64>,
    /// Not more than this.
    #[serde(default)]
    pub max: Option<i64>,
}

/// Another name.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rename {
    /// Only names that fit this regular expression.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub pattern: Option<Pattern>,
    /// The new name; `{name}` is the old one, `$1` what the first group of the pattern found, `${1}` before a letter, digit or `_`.
    pub to: String,
}

/// A regular expression that was read.
#[derive(Clone, Debug)]
pub(super) struct Pattern(pub Regex);

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = |error: regex::Error| {
            let text = error.to_string();
            serde::de::Error::custom(format!(
                "cannot read the pattern: {}",
                text.lines().last().unwrap_or_default().trim_start_matches("error: ")
            ))
        };
        Regex::new(&text).map(Self).map_err(wrong)
    }
}
