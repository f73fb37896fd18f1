//! What is in the bundle: by kind, and one by one.

use super::html::{Column, Html, Live, Sort, size, thousands};
use super::names::Names;
use super::{Facts, title_of};
use serde_json::Value;
use std::collections::HashMap;
use std::io;

const COLUMNS: &[Column] = &[
    Column { title: "name", sort: Sort::Head, width: "" },
    Column { title: "kind", sort: Sort::Word, width: "w3" },
    Column { title: "state", sort: Sort::Word, width: "w1" },
    Column { title: "size", sort: Sort::Size, width: "w1" },
    Column { title: "changed (UTC)", sort: Sort::Time, width: "w3" },
    Column { title: "id", sort: Sort::Detail, width: "" },
    Column { title: "reason", sort: Sort::Detail, width: "" },
];

pub(super) fn count(facts: &Facts<'_>) -> usize {
    let manifest = facts.reader.manifest();
    manifest.members.len() + manifest.gaps.len()
}

pub(super) fn write(facts: &Facts<'_>, names: &Names<'_>, html: &mut Html<'_>) -> io::Result<()> {
    let manifest = facts.reader.manifest();
    let mut bytes: HashMap<&str, u64> = HashMap::new();
    manifest.members.iter().for_each(|member| *bytes.entry(&member.kind).or_default() += member.size);
    let header = ["kind", "=in commands", "#listed", "#captured", "#degraded", "#missing", "#excluded", "#unavailable", "#size"];
    let number = |number: u64| if number == 0 { "·".to_owned() } else { thousands(number) };
    let some = manifest.kinds.iter().filter(|line| line.listed > 0);
    let row = |line: &crate::bundle::KindLine| {
        vec![
            title_of(&line.kind).to_owned(),
            line.kind.clone(),
            number(line.listed),
            number(line.captured),
            number(line.degraded),
            number(line.missing),
            number(line.excluded),
            number(line.unavailable),
            size(bytes.get(line.kind.as_str()).copied().unwrap_or_default()),
        ]
    };
    html.table("Objects of each kind, by what became of them", &header, some.map(row))?;
    html.raw("<h3>Every object</h3>\n")?;
    let live = Live {
        id: "objects",
        name: "objects",
        caption: "Every object that the workspace listed, also those that are not in the bundle, with its state",
        columns: COLUMNS,
        count: count(facts),
    };
    html.live(&live, &|each| {
        for member in &manifest.members {
            let key = member.key.as_deref().unwrap_or(&member.path);
            let name = names.object(&member.kind, &member.path, key);
            let id = if *key == *member.path { Value::Null } else { Value::from(&*member.path) };
            let state = if member.degraded.is_some() { "degraded" } else { "captured" };
            let changed = member.modified_at().map_or(Value::Null, Value::from);
            let reason = member.degraded.as_deref().map_or(Value::Null, Value::from);
            each(vec![name.into(), title_of(&member.kind).into(), state.into(), member.size.into(), changed, id, reason])?;
        }
        manifest.gaps.iter().try_for_each(|gap| {
            let (name, kind, state) = (gap.path.as_str().into(), title_of(&gap.kind).into(), gap.state.as_str().into());
            each(vec![name, kind, state, Value::Null, Value::Null, Value::Null, gap.reason.as_str().into()])
        })
    })
}
