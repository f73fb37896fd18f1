//! `lifeboat kinds`: the support matrix, from the table itself.

use super::Outcome;
use crate::ui::Ui;
use clap::Args;
use lifeboat::kinds::{self, Attached, Kind, Shape, Tree, Write};
use lifeboat::kinds::{By, Class, Gone};
use schemars::JsonSchema;
use serde::Serialize;

/// Which kinds of objects are backed up and restored.
#[derive(Debug, Args)]
pub struct Kinds {
    /// As a Markdown table, for documents
    #[arg(long)]
    markdown: bool,
}

/// A kind of object: whether it is restored, and what is known of its fields.
#[derive(Serialize, JsonSchema)]
pub struct KindRow {
    /// Name of the kind.
    kind: &'static str,
    /// What people call such objects.
    title: &'static str,
    /// Whether an import restores them.
    restored: bool,
    /// `yes`, or why not.
    note: String,
    /// The kind's name in the API of permissions, where it has some.
    permissions: Option<&'static str>,
    /// Where in the stored document the body of a create stands: the first of these pointers that is there; `""` is the whole.
    body: &'static [&'static str],
    /// The call that makes one.
    create: Option<String>,
    /// Fields, and what each is.
    fields: Vec<Field>,
    /// Fields that name other objects.
    references: Vec<Reference>,
}

/// A field of a kind.
#[derive(Serialize, JsonSchema)]
struct Field {
    /// Pointer below the body; `*` stands for each member or element.
    at: String,
    /// What it is, which decides who touches it.
    class: Class,
}

/// A field that names another object.
#[derive(Serialize, JsonSchema)]
struct Reference {
    /// Pointer below the body.
    at: String,
    /// Kinds that it may name.
    to: &'static [&'static str],
    /// What the value is.
    by: By,
    /// What a restore does when nothing in the target answers to it.
    gone: Gone,
}

impl KindRow {
    fn of(kind: &'static Kind) -> Self {
        Self {
            kind: kind.name,
            title: kind.title,
            restored: kind.restorable(),
            note: restored(kind),
            permissions: kind.permissions,
            body: kind.body,
            create: create(kind),
            fields: kind.fields().map(|(at, class)| Field { at, class }).collect(),
            references: kind.references().map(|(at, one)| Reference { at, to: one.to, by: one.by, gone: one.gone }).collect(),
        }
    }
}

impl Kinds {
    pub fn run(&self, ui: &mut Ui) -> anyhow::Result<Outcome> {
        if self.markdown { markdown(ui) } else { matrix(ui) }
    }
}

fn markdown(ui: &mut Ui) -> anyhow::Result<Outcome> {
    ui.line("| kind | objects | permissions | restored |")?;
    ui.line("|---|---|---|---|")?;
    for kind in kinds::all() {
        ui.line(format!("| `{}` | {} | {} | {} |", kind.name, kind.title, permissions(kind), restored(kind)))?;
    }
    Ok(Outcome::Done)
}

fn matrix(ui: &mut Ui) -> anyhow::Result<Outcome> {
    for kind in kinds::all() {
        ui.value(&KindRow::of(kind))?;
    }
    let row = |kind: &&Kind| vec![kind.name.into(), kind.title.into(), permissions(kind), restored(kind)];
    ui.table(&["kind", "objects", "permissions", "restored"], kinds::all().iter().map(row))?;
    Ok(Outcome::Done)
}

fn create(kind: &Kind) -> Option<String> {
    let Shape::Collection(collection) = &kind.shape else { return None };
    let call = collection.create.call;
    Some(format!("{} {}", call.method, call.path))
}

fn permissions(kind: &Kind) -> String {
    kind.permissions.map_or_else(|| "–".to_owned(), |_| "yes".to_owned())
}

/// Yes, or why not.
pub fn restored(kind: &Kind) -> String {
    match &kind.shape {
        Shape::Recorded(recorded) => format!("no: {}", recorded.reason),
        Shape::Tree(Tree::Other) => "no: the API gives no export; what its listing says is kept".into(),
        Shape::Attached(Attached { write: Write::ByValue { todo, .. }, .. }) => format!("with its value; without one: {todo}"),
        Shape::Attached(Attached { write: Write::Value { .. }, .. }) => "yes, where the secret is not there yet".into(),
        _ => "yes".into(),
    }
}
