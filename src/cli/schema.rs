//! `lifeboat schema`: what programs may rely on. One table of every answer in JSON.

use super::{Advised, Outcome};
use crate::ui::Ui;
use clap::Args;
use lifeboat::backup::Status;
use lifeboat::plan::Plan;
use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema as JsonSchemaValue};
use serde::Serialize;
use serde_json::Value;

/// An answer of a command under `--json`.
struct Answer {
    /// The command as it is called, with the options on which the answer depends.
    command: &'static str,
    /// One value in all, or one on each line.
    lines: Lines,
    /// Its JSON Schema.
    schema: fn() -> JsonSchemaValue,
}

/// How many values a command prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Lines {
    /// One value.
    One,
    /// Any number of values, one on each line.
    Many,
}

/// One answer a line: command, how many values, type of the value.
macro_rules! answers {
    ($($command:literal $lines:ident $answer:ty;)*) => {
        const ANSWERS: &[Answer] = &[$(Answer { command: $command, lines: Lines::$lines, schema: schema_of::<$answer> },)*];
    };
}

answers! {
    "access" One lifeboat::access::Matrix;
    "access --against" One lifeboat::access::Changes;
    "access --object" One super::access::AboutObject<'_>;
    "access --orphaned" One lifeboat::access::Orphans;
    "access --principal" One super::access::AboutPrincipal<'_>;
    "activate" One super::apply::Done;
    "activate --plan-only" One Plan;
    "backup" One Status;
    "backup --dry-run" Many super::backup::Intended<'_>;
    "bundles" One super::bundles::Found;
    "bundles --newest" One super::bundles::FoundBundle;
    "check" One super::check::Told<'_>;
    "copy" One super::copy::Copied;
    "deactivate" One super::apply::Done;
    "deactivate --plan-only" One Plan;
    "diff" One lifeboat::diff::Diff;
    "drill" One super::drill::Drilled<'_>;
    "export" One super::export::Made;
    "extract" One super::extract::Unpacked;
    "find" Many lifeboat::audit::Hit;
    "find --count" Many lifeboat::audit::Count;
    "find --jsonpath" Many lifeboat::audit::Located;
    "find --list" Many lifeboat::audit::Count;
    "graph" One super::graph::Walked<'_>;
    "graph --broken" One lifeboat::graph::BrokenReferences;
    "graph --orphans" One lifeboat::graph::Orphans;
    "import" One super::apply::Done;
    "import --plan-only" One Plan;
    "kinds" Many super::kinds::KindRow;
    "list" One super::list::Summary<'_>;
    "list --long" Many super::list::Line<'_>;
    "list --redacted" Many lifeboat::bundle::Redacted;
    "prune" One super::prune::Pruned;
    "receipt verify" Many super::sealed::Checked;
    "report" One lifeboat::report::Made;
    "risk" One lifeboat::risk::Report;
    "rules show" Many super::rules::Shown<'_>;
    "rules test" Many super::rules::Tried<'_>;
    "schema" Many Entry;
    "show" Many super::show::Shown<'_>;
    "simulate" Many super::simulate::Served;
    "verify" One super::verify::Seen;
}

/// An answer that has a schema.
#[derive(Serialize, JsonSchema)]
struct Entry {
    /// The command as it is called, with the options on which the answer depends.
    command: &'static str,
    /// Whether it prints one value, or one on each line.
    lines: Lines,
    /// What a value says.
    says: String,
}

impl Answer {
    fn entry(&self) -> Entry {
        let schema = (self.schema)();
        let says = schema.get("description").and_then(Value::as_str).unwrap_or_default();
        let says = says.split("\n\n").next().unwrap_or_default().replace('\n', " ");
        Entry { command: self.command, lines: self.lines, says }
    }

    /// The schema under the name of the command.
    fn document(&self) -> JsonSchemaValue {
        let mut schema = (self.schema)();
        schema.insert("title".to_owned(), format!("lifeboat {} --json", self.command).into());
        schema
    }
}

/// The JSON Schemas of all answers.
#[derive(Debug, Args)]
pub struct Schema {
    /// The command whose answer is asked for, as `list`, `list --long`; without it, all that have one
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

impl Schema {
    pub fn run(&self, ui: &mut Ui) -> anyhow::Result<Outcome> {
        if self.command.is_empty() {
            return all(ui);
        }
        let command = self.command.join(" ");
        let Some(answer) = ANSWERS.iter().find(|answer| answer.command == command) else {
            let hint = "`lifeboat schema` names all".to_owned();
            return Err(Advised { what: format!("there is no answer of `lifeboat {command}` in JSON"), hint }.into());
        };
        let schema = serde_json::to_string_pretty(&answer.document())?;
        std::io::Write::write_all(ui.raw(), format!("{schema}\n").as_bytes())?;
        Ok(Outcome::Done)
    }
}

fn all(ui: &mut Ui) -> anyhow::Result<Outcome> {
    let entries: Vec<Entry> = ANSWERS.iter().map(Answer::entry).collect();
    entries.iter().try_for_each(|entry| ui.value(entry))?;
    let lines = |lines| if lines == Lines::One { "one value" } else { "one a line" };
    let row = |one: Entry| vec![one.command.to_owned(), lines(one.lines).to_owned(), one.says];
    ui.table(&["command", "prints", "what a value says"], entries.into_iter().map(row))?;
    Ok(Outcome::Done)
}

/// Schema of what is written, draft 2020-12. Programs must let pass what they do not know, so nothing forbids members.
fn schema_of<T: JsonSchema>() -> JsonSchemaValue {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut schema = settings.with_transform(Open).into_generator().into_root_schema_for::<T>();
    Open.transform(&mut schema);
    schema
}

/// Takes `additionalProperties: false` out.
#[derive(Clone, Debug)]
struct Open;

impl Transform for Open {
    fn transform(&mut self, schema: &mut JsonSchemaValue) {
        if schema.get("additionalProperties") == Some(&Value::Bool(false)) {
            schema.remove("additionalProperties");
        }
        transform_subschemas(self, schema);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_come_in_order_and_once() {
        assert!(ANSWERS.is_sorted_by(|a, b| a.command < b.command));
    }

    #[test]
    fn every_value_and_member_is_explained() {
        for answer in ANSWERS {
            assert!(!answer.entry().says.is_empty(), "`{}` says nothing", answer.command);
            unexplained(answer.document().as_value(), answer.command);
        }
    }

    fn unexplained(schema: &Value, at: &str) {
        let Value::Object(members) = schema else { return };
        let properties = members.get("properties").and_then(Value::as_object);
        // A word that stands before what belongs to it is explained as a whole.
        let is_word = properties.is_some_and(|all| all.len() == 1) && members.contains_key("description");
        for (name, member) in properties.into_iter().flatten() {
            let is_explained = is_word || ["description", "$ref", "const"].iter().any(|word| member.get(word).is_some());
            assert!(is_explained, "{at}: nothing explains `{name}`");
        }
        members.iter().for_each(|(name, inner)| match inner {
            Value::Array(all) => all.iter().for_each(|one| unexplained(one, &format!("{at}/{name}"))),
            one => unexplained(one, &format!("{at}/{name}")),
        });
    }
}
