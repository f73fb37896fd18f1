//! What a person has to do, gathered so that one line names all the objects that it concerns.

use crate::kinds::Kind;
use crate::rules::Sanitized;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Something that a restore cannot do by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Todo {
    /// Sort of work.
    pub what: What,
    /// What to do, as a sentence.
    pub text: String,
    /// The objects that it concerns, `kind:name`, sorted.
    pub objects: Vec<String>,
}

/// Sorts of work that a restore leaves to people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Create or assign a user, group or service principal.
    Principal,
    /// Name an owner.
    Owner,
    /// Set the value of a secret.
    SecretValue,
    /// Set a field that was blanked at export.
    RedactedField,
    /// Sign in to Git.
    GitToken,
    /// A reference leads nowhere.
    DeadReference,
    /// Say which of several objects is meant.
    Ambiguous,
    /// Look at an object that Lifeboat did not make, or cannot change.
    Look,
    /// Bring it back by other means.
    NotRestored,
    /// Raise a limit, or wait.
    Quota,
    /// Something of the source stands in what is written.
    Leak,
}

/// Todos under way.
#[derive(Debug, Default)]
pub(crate) struct Todos {
    lines: BTreeMap<(What, String), BTreeSet<String>>,
}

impl Todos {
    /// Adds an object to the line of this text.
    pub(crate) fn add(&mut self, what: What, text: impl Into<String>, object: impl Into<String>) {
        self.lines.entry((what, text.into())).or_default().insert(object.into());
    }

    /// Puts these lines in the place of all of their sort: text and object.
    pub(crate) fn replace(&mut self, what: What, lines: impl Iterator<Item = (String, String)>) {
        self.lines.retain(|(other, _), _| *other != what);
        lines.for_each(|(text, object)| self.add(what, text, object));
    }

    /// All lines, sorted.
    pub(crate) fn finish(&mut self) -> Vec<Todo> {
        let lines = std::mem::take(&mut self.lines);
        lines.into_iter().map(|((what, text), objects)| Todo { what, text, objects: objects.into_iter().collect() }).collect()
    }

    /// Goes on from what was planned.
    pub(crate) fn with(todos: &[Todo]) -> Self {
        let line = |todo: &Todo| ((todo.what, todo.text.clone()), todo.objects.iter().cloned().collect());
        Self { lines: todos.iter().map(line).collect() }
    }
}

/// `kind:name`, as todos name objects.
pub(super) fn label(object: &Sanitized) -> String {
    name_of(object.kind(), object.key(), object.id())
}

/// `kind:name`, with the id where names may repeat.
pub(crate) fn name_of(kind: &Kind, key: &str, id: &str) -> String {
    match (key.is_empty(), kind.key.unique || key == id) {
        (true, _) => format!("{}:{id}", kind.name),
        (false, true) => format!("{}:{key}", kind.name),
        (false, false) => format!("{}:{key} ({id})", kind.name),
    }
}
