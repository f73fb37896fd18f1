//! A plan in a file: JSON with a version, and a digest by which a change by hand is noticed.
//!
//! The digest is no signature: it tells a slip, not an enemy, who could as well write another plan. What keeps a plan for one
//! bundle and one workspace is that both are compared before it is carried out.

use super::{Plan, Recipe, Source, Step, Target, Todo};
use crate::spool::hex;
use schemars::{JsonSchema, Schema, SchemaGenerator, schema_for};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::io;

/// Version of the saved form of a plan.
pub const FORMAT: u32 = 2;

/// A saved plan: what a restore will do to one workspace with one bundle, and why.
#[derive(Deserialize, JsonSchema)]
#[schemars(title = "Lifeboat plan", rename = "Plan")]
#[serde(deny_unknown_fields)]
struct File {
    /// Version of this form: 2. A plan of another version is refused.
    format: u32,
    /// SHA-256, in hex, of all the rest as compact JSON: a plan that was changed by hand is refused.
    digest: String,
    /// Which bundle.
    source: Source,
    /// Which workspace: a plan for one is never carried out on another.
    target: Target,
    /// The choices that it was made with: they need not be given again.
    made_with: Recipe,
    /// The steps; each comes after those that it needs.
    steps: Vec<Step>,
    /// What a person has to do, known before anything is written.
    todos: Vec<Todo>,
}

/// What is written, and without the digest, what the digest is of.
#[derive(Serialize)]
struct Written<'a> {
    format: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    source: &'a Source,
    target: &'a Target,
    made_with: &'a Recipe,
    steps: &'a [Step],
    todos: &'a [Todo],
}

/// A saved plan that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// It is no plan.
    #[error("cannot read the plan")]
    Unreadable(#[source] serde_json::Error),
    /// Another version wrote it.
    #[error("the plan has format {0}, and this version reads format {FORMAT}")]
    Version(u64),
    /// It is not what was saved.
    #[error("the plan was changed after it was made: its digest does not fit")]
    Edited,
}

impl Plan {
    /// Reads a saved plan. Errors: it is no plan, of another version, or was changed by hand.
    pub fn from_json(text: &str) -> Result<Self, PlanError> {
        #[derive(Deserialize)]
        struct Version {
            #[serde(default)]
            format: u64,
        }
        let Version { format } = serde_json::from_str(text).map_err(PlanError::Unreadable)?;
        if format != u64::from(FORMAT) {
            return Err(PlanError::Version(format));
        }
        let file: File = serde_json::from_str(text).map_err(PlanError::Unreadable)?;
        let File { format, source, target, made_with, steps, todos, digest } = file;
        let plan = Self { format, source, target, made_with, steps, todos, agreed: vec![], dangling: vec![] };
        if plan.digest().map_err(PlanError::Unreadable)? == digest { Ok(plan) } else { Err(PlanError::Edited) }
    }

    /// The plan as JSON text, for a file.
    pub fn to_json(&self) -> Result<String, PlanError> {
        serde_json::to_string_pretty(self).map_err(PlanError::Unreadable)
    }

    /// The JSON Schema of a saved plan.
    pub fn schema() -> Value {
        schema_for!(File).to_value()
    }

    fn digest(&self) -> Result<String, serde_json::Error> {
        let mut hasher = Hasher(Sha256::new());
        serde_json::to_writer(&mut hasher, &self.written(None))?;
        Ok(hex(&hasher.0.finalize()))
    }

    fn written(&self, digest: Option<String>) -> Written<'_> {
        let Self { format, source, target, made_with, steps, todos, .. } = self;
        Written { format: *format, digest, source, target, made_with, steps, todos }
    }
}

impl JsonSchema for Plan {
    fn schema_name() -> Cow<'static, str> {
        File::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        File::json_schema(generator)
    }
}

impl Serialize for Plan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let digest = self.digest().map_err(serde::ser::Error::custom)?;
        self.written(Some(digest)).serialize(serializer)
    }
}

struct Hasher(Sha256);

impl io::Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
