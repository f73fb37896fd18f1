//! What a plan is made of: steps, what is done in each, and what waits for what.

use super::{Change, Difference};
use crate::object::SourceId;
use crate::redact::masked;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One step: an object, or the second half of one.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The object of the bundle.
    pub source: SourceId,
    /// What people call it.
    pub key: String,
    /// Its id in the bundle, if rules gave it another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// What is done.
    pub action: Action,
    /// Places in the body whose value is known only once another step is done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// What it hangs on, for attached documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<SourceId>,
    /// Steps that must succeed first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<usize>,
    /// Steps that must be over first, whatever came of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<usize>,
    /// What the rules changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// Yes-or-no marks that are set once the object is there, such as `pinned`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<String>,
    /// Whether it still has to be made inert: an import that died made it and did not come to that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub settle: bool,
    /// Places whose values the target alone knows, which an update that replaces everything carries over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keep: Vec<String>,
    /// What a reader of the report should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What it refers to and neither bundle nor target has: a workspace may refuse it for that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dead: Vec<String>,
    /// Fields in which what people did stays, with what the bundle wanted there.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub theirs: Map<String, Value>,
    /// Made only because something below it needs it; no object of the bundle.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub implied: bool,
    /// Not done because rules say so: nothing is missing for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unwanted: bool,
}

impl Step {
    /// A step that needs nothing and is needed by nothing.
    pub fn alone(source: SourceId, key: String, action: Action) -> Self {
        Self {
            source,
            key,
            origin: None,
            action,
            links: Vec::new(),
            parent: None,
            needs: Vec::new(),
            after: Vec::new(),
            changes: Vec::new(),
            marks: Vec::new(),
            keep: Vec::new(),
            settle: false,
            notes: Vec::new(),
            dead: Vec::new(),
            theirs: Map::new(),
            implied: false,
            unwanted: false,
        }
    }

    /// Shows no secret where it tells what changes: neither one of the target, nor one that a rule puts there.
    pub(super) fn mask(&mut self) {
        self.action.mask();
        self.changes.iter_mut().for_each(|change| hide(&change.at, &mut change.now));
    }

    /// The object as the bundle calls it.
    pub fn in_bundle(&self) -> SourceId {
        let id = self.origin.clone().unwrap_or_else(|| self.source.id.clone());
        SourceId { kind: self.source.kind.clone(), id }
    }
}

fn hide(at: &str, value: &mut Option<Value>) {
    *value = value.take().map(|value| masked(at, &value));
}

/// What is done with an object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Makes it.
    Create {
        /// Body of the create, under the document's field names.
        body: Map<String, Value>,
    },
    /// Brings an existing object to the wanted state.
    Update {
        /// Which one.
        target: Found,
        /// What is sent: everything, or for SCIM what is added.
        body: Map<String, Value>,
        /// Why.
        differences: Vec<Difference>,
    },
    /// Switches an existing object on or off, and leaves all else in it as it is.
    Switch {
        /// Which one.
        target: Found,
        /// Whether it is active afterwards.
        on: bool,
        /// What is sent: the fields that change, or everything where the API takes nothing less.
        body: Map<String, Value>,
        /// What changes.
        differences: Vec<Difference>,
    },
    /// The second half of what an earlier step made: what refers to things that did not exist yet.
    Complete {
        /// The object, if it was there before.
        target: Option<Found>,
        /// What is sent.
        body: Map<String, Value>,
    },
    /// Writes a document that hangs on another object.
    Attach {
        /// What it hangs on, if that was there before.
        parent: Option<Found>,
        /// The document.
        body: Map<String, Value>,
        /// Why, if the target had another one.
        differences: Vec<Difference>,
    },
    /// Makes a folder.
    Folder,
    /// Writes the bytes of a notebook or file, which stay in the bundle until then.
    Content {
        /// Whether another version is there.
        overwrite: bool,
        /// Length in bytes.
        len: u64,
        /// SHA-256 of the bytes, in hex.
        sha256: String,
        /// `SOURCE` or `JUPYTER`, for notebooks.
        format: Option<String>,
        /// `PYTHON`, `SCALA`, `SQL` or `R`, for notebooks.
        language: Option<String>,
    },
    /// A home folder: it comes with its user, and is only looked for.
    Home,
    /// Only marks are missing.
    Mark {
        /// Which object.
        target: Found,
    },
    /// The target has its equal, which an import did not make.
    Adopt {
        /// Which one.
        target: Found,
    },
    /// The target has it already.
    Unchanged {
        /// Which one.
        target: Option<Found>,
    },
    /// Deletes what an import made, and the bundle does not hold any more.
    Delete {
        /// Which one.
        target: Found,
        /// Why it may go.
        reason: String,
    },
    /// People changed it in the target, and rules say `ask`: a plan with a question in it is not carried out.
    Ask {
        /// What is done if the bundle wins.
        ours: Box<Action>,
        /// What is done if what people did stays.
        theirs: Box<Theirs>,
        /// What people did.
        question: String,
    },
    /// Not done.
    Skip {
        /// Why.
        reason: String,
    },
    /// Waits for a person.
    Wait {
        /// For what.
        reason: String,
    },
}

/// What is done if what people did in the target stays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Theirs {
    /// What is done.
    pub action: Action,
    /// As in a step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// As in a step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keep: Vec<String>,
    /// Fields in which what people did stays, with what the bundle wanted there.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub theirs: Map<String, Value>,
}

impl Theirs {
    pub(super) fn just(action: Action) -> Self {
        Self { action, links: Vec::new(), keep: Vec::new(), theirs: Map::new() }
    }

    pub(super) fn take(self, step: &mut Step) {
        // What is left out because people deleted it is missed by nobody.
        step.unwanted |= matches!(self.action, Action::Skip { .. });
        (step.action, step.links, step.keep, step.theirs) = (self.action, self.links, self.keep, self.theirs);
    }
}

/// An object in the target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Found {
    /// Its id, in the type that the API uses: text or integer, never a float.
    pub id: Value,
    /// Its natural key.
    pub key: String,
    /// The id that permissions use, for what has a path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_id: Option<Value>,
}

/// A place in a body that names another object of the bundle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Exact pointer below the body; until then the source's value stands there.
    pub at: String,
    /// The object.
    pub to: SourceId,
    /// Whether its natural key stands there, or its id.
    pub key: bool,
    /// What is done if that object does not come to be.
    pub unmet: Unmet,
}

/// What is done with a reference whose object did not come to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unmet {
    /// The step is not carried out.
    Stop,
    /// The value is sent as it is.
    Keep,
    /// The field is left out.
    Drop,
    /// What holds the field is left out.
    DropParent,
}

impl Action {
    /// Whether something is written to the target.
    pub fn writes(&self) -> bool {
        matches!(
            self,
            Self::Create { .. }
                | Self::Update { .. }
                | Self::Switch { .. }
                | Self::Complete { .. }
                | Self::Attach { .. }
                | Self::Folder
                | Self::Content { .. }
                | Self::Mark { .. }
                | Self::Delete { .. }
        )
    }

    /// The object of the target that it is about, if that was there before.
    pub fn target(&self) -> Option<&Found> {
        match self {
            Self::Update { target, .. } | Self::Switch { target, .. } | Self::Adopt { target } | Self::Mark { target } => {
                Some(target)
            }
            Self::Unchanged { target } | Self::Complete { target, .. } => target.as_ref(),
            _ => None,
        }
    }

    fn mask(&mut self) {
        match self {
            Self::Update { differences, .. } | Self::Switch { differences, .. } | Self::Attach { differences, .. } => {
                for one in differences {
                    hide(&one.at, &mut one.want);
                    hide(&one.at, &mut one.have);
                }
            }
            Self::Ask { ours, theirs, .. } => {
                ours.mask();
                theirs.action.mask();
            }
            _ => {}
        }
    }

    /// What it changes in an object that is there, field by field.
    pub fn differences(&self) -> &[Difference] {
        match self {
            Self::Update { differences, .. } | Self::Switch { differences, .. } | Self::Attach { differences, .. } => differences,
            Self::Ask { ours, .. } => ours.differences(),
            _ => &[],
        }
    }

    /// The word for a report: `create`, `update`, `unchanged`, …
    pub fn name(&self) -> &'static str {
        match self {
            Self::Create { .. } | Self::Folder | Self::Content { overwrite: false, .. } => "create",
            Self::Update { .. } | Self::Mark { .. } | Self::Content { overwrite: true, .. } => "update",
            Self::Switch { on: true, .. } => "activate",
            Self::Switch { on: false, .. } => "deactivate",
            Self::Complete { .. } => "complete",
            Self::Attach { .. } => "attach",
            Self::Home | Self::Unchanged { .. } => "unchanged",
            Self::Adopt { .. } => "adopt",
            Self::Delete { .. } => "delete",
            Self::Ask { .. } => "ask",
            Self::Skip { .. } => "skip",
            Self::Wait { .. } => "wait",
        }
    }
}
