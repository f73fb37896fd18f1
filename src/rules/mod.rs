//! Sanitizing: what makes an object safe to restore, said as rules that a person can read.
//!
//! Promises: everything here is pure; only this module makes a [`Sanitized`] object, and only sanitized objects can be
//! planned and sent; every change is recorded with its reason and with what stood there before.
//!
//! The rules in force follow from the table of kinds: each field that starts, bills or notifies becomes one [`Rule`].

mod acts;
mod apply;
mod carry;
mod check;
mod diff;
mod equal;
mod format;
mod inverse;
mod maps;
mod pick;
pub(crate) mod place;
mod project;
mod sanitize;
mod set;
mod swap;
mod swapped;
mod words;

#[cfg(test)]
mod file_tests;

pub use apply::{Applied, Code, LeftOut, Remark, Rewriter, Tally};

pub use equal::{Difference, equal};
pub(crate) use equal::{blank, canonical, equal_under};
pub use format::Conflicts;
pub use inverse::Inverse;
pub use maps::{Maps, MapsError};
pub(crate) use project::remove_exactly;
pub(crate) use project::remove_stamp;
pub use project::{below_body, project};
pub use sanitize::{Body, Change, Redaction, Sanitized, comparable, sanitize};
pub(crate) use sanitize::{stop, without_blanks};
pub use set::{BUILT_IN, RuleSet, RulesError};
pub use swapped::{LARGEST_CODE, Measured, Rewritten};

use crate::kinds::{self, Class, Kind};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use std::fmt;

/// The rules in force, in the order of the table of kinds.
#[derive(Clone, Debug, Serialize)]
pub struct Rules {
    rules: Vec<Rule>,
}

/// One rule: at this place of this kind, do that.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Rule {
    /// Name for reports: `standby:job/schedule/pause_status`.
    pub name: String,
    /// Name of the kind.
    pub kind: &'static str,
    /// Pointer below the body of a create ([`crate::pointer`]).
    pub at: String,
    /// What is done there.
    pub act: Act,
    /// Why, as a sentence for people.
    pub reason: String,
}

/// What a rule does to a field.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// The field gets this value, also where it is absent, since an absent `pause_status` means running.
    Set(Value),
    /// The field gets this value wherever it stands: `**` in the pointer is any depth.
    SetWhereThere(Value),
    /// The field is left out.
    Remove,
}

impl Rules {
    /// The rules that keep a restore inert: one for each field of class [`Class::Activation`].
    pub fn standby() -> Self {
        Self { rules: kinds::all().iter().flat_map(|kind| standby_of(kind)).chain([any_pause_status()]).collect() }
    }

    /// The rules for one kind.
    pub fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Rule> + 'a {
        self.rules.iter().filter(move |rule| rule.kind == kind)
    }

    /// All rules.
    pub fn all(&self) -> &[Rule] {
        &self.rules
    }
}

/// Whatever else may start a job one day says so in a field of this name: it is paused wherever it stands.
fn any_pause_status() -> Rule {
    Rule {
        name: "standby:job/**/pause_status".to_owned(),
        kind: "job",
        at: "/**/pause_status".to_owned(),
        act: Act::SetWhereThere(Value::from("PAUSED")),
        reason: "a status in a place that this version does not know may start runs as well".to_owned(),
    }
}

fn standby_of(kind: &'static Kind) -> Vec<Rule> {
    let rule = |(at, class): (String, Class)| {
        let Class::Activation(inert) = class else { return None };
        let at = below_body(kind, &at)?;
        // The table writes JSON text; empty text, the only one that does not parse, means that the field is left out.
        let act = serde_json::from_str(inert).map_or(Act::Remove, Act::Set);
        Some(Rule { name: format!("standby:{}{at}", kind.name), kind: kind.name, reason: reason(&at), at, act })
    };
    kind.fields().filter_map(rule).collect()
}

fn reason(at: &str) -> String {
    let last = at.rsplit('/').next().unwrap_or(at);
    match last {
        "pause_status" => "an absent or unpaused status starts runs at once".to_owned(),
        "min_idle_instances" => "idle instances are started and billed as soon as the pool exists".to_owned(),
        "enabled" => "a global init script runs on every cluster start of the workspace".to_owned(),
        "auto_enforcement_config" => "the server would edit clusters and jobs in the background".to_owned(),
        other => format!("`{other}` starts, bills or notifies"),
    }
}

impl fmt::Display for Rules {
    /// One rule a line: `job  /schedule/pause_status  = "PAUSED"  # reason`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |text: fn(&Rule) -> usize| self.rules.iter().map(text).max().unwrap_or(0);
        let (kinds, places) = (width(|rule| rule.kind.len()), width(|rule| rule.at.len()));
        for rule in &self.rules {
            let act = rule.act.to_string();
            writeln!(f, "{:kinds$}  {:places$}  {act:<10}  # {}", rule.kind, rule.at, rule.reason)?;
        }
        Ok(())
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set(value) | Self::SetWhereThere(value) => write!(f, "= {value}"),
            Self::Remove => f.write_str("removed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_activation_of_the_table_is_a_rule() {
        let rules = Rules::standby();
        let job: Vec<&str> = rules.of("job").map(|rule| rule.at.as_str()).collect();
        assert!(job.contains(&"/schedule/pause_status") && job.contains(&"/triggers/*/pause_status"), "{job:?}");
        let pool: Vec<_> = rules.of("instance_pool").map(|rule| rule.act.clone()).collect();
        assert_eq!(pool, [Act::Set(json!(0))]);
        let policy: Vec<_> = rules.of("cluster_policy").map(|rule| rule.act.clone()).collect();
        assert_eq!(policy, [Act::Remove]);
        let classes =
            kinds::all().iter().flat_map(|kind| kind.fields()).filter(|(_, class)| matches!(class, Class::Activation(_)));
        assert_eq!(rules.all().len(), 1 + classes.count());
    }

    #[test]
    fn the_text_has_one_line_for_each_rule() {
        let rules = Rules::standby();
        let text = rules.to_string();
        assert_eq!(text.lines().count(), rules.all().len());
        assert!(text.lines().any(|line| line.contains("/schedule/pause_status") && line.contains("= \"PAUSED\"")), "{text}");
    }
}
