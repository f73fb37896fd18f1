//! What people look for first in an object, a line for each field. Kinds that have no such fields are shown whole.

use super::{Subject, inline};
use crate::ui::Ui;
use lifeboat::brief;
use serde_json::Value;

pub(super) fn tell(ui: &mut Ui, subject: &Subject<'_>, document: &Value) -> std::io::Result<bool> {
    let Some(fields) = brief::fields(&subject.member.kind, document) else { return Ok(false) };
    for one in &fields {
        field(ui, subject, one.label, one.value, one.to)?;
    }
    let scope = format!("{}/", subject.member.path);
    for (index, key) in subject.below("secret").iter().enumerate() {
        line(ui, if index == 0 { "keys" } else { "" }, key.path.strip_prefix(&scope).unwrap_or(&key.path))?;
    }
    Ok(!fields.is_empty())
}

fn line(ui: &mut Ui, label: &str, text: &str) -> std::io::Result<()> {
    ui.line(format!("{label:<18} {text}"))
}

/// Lists and objects take a line for each of their parts; JSON in a text is laid out.
fn field(ui: &mut Ui, subject: &Subject<'_>, label: &str, value: &Value, kind: Option<&str>) -> std::io::Result<()> {
    let parts: Vec<String> = match value {
        Value::Array(all) => all.iter().map(inline).collect(),
        Value::Object(members) => members.iter().map(|(name, one)| format!("{name} = {}", inline(one))).collect(),
        Value::String(text) if text.starts_with('{') => {
            let laid_out = serde_json::from_str::<Value>(text).map_or_else(|_| text.clone(), |inner| format!("{inner:#}"));
            laid_out.lines().map(str::to_owned).collect()
        }
        Value::String(id) => vec![kind.map_or_else(|| id.clone(), |kind| subject.name_of(kind, id))],
        other => vec![inline(other)],
    };
    for (index, part) in parts.iter().enumerate() {
        line(ui, if index == 0 { label } else { "" }, part)?;
    }
    Ok(())
}
