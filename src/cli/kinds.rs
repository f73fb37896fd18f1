//! `lifeboat kinds`: the support matrix, from the table itself.

use super::Outcome;
use crate::ui::Ui;
use clap::Args;
use lifeboat::kinds::{self, Attached, Kind, Shape, Tree, Write};
use serde_json::json;

/// Which kinds of objects are backed up and restored.
#[derive(Debug, Args)]
pub struct Kinds {
    /// As a Markdown table, for documents
    #[arg(long)]
    markdown: bool,
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
        ui.value(&json!({
            "kind": kind.name, "title": kind.title, "restored": kind.restorable(), "note": restored(kind),
            "permissions": kind.permissions, "body": kind.body, "create": create(kind),
            "fields": kind.fields().map(|(at, class)| json!({ "at": at, "class": class })).collect::<Vec<_>>(),
            "references": kind.references().map(|(at, one)| json!({
                "at": at, "to": one.to, "by": one.by, "gone": one.gone,
            })).collect::<Vec<_>>(),
        }))?;
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
        Shape::Attached(Attached { write: Write::Never { todo }, .. }) => format!("no: {todo}"),
        _ => "yes".into(),
    }
}
