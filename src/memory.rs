//! What an import wrote to each object last: what two sides have in common is what tells which of them changed since.
//!
//! Holds no secret: whoever makes a [`Wrote`] blanks the body first.

use crate::object::SourceId;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::Arc;

/// What was written to one object.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Wrote {
    /// The object of the bundle.
    pub object: SourceId,
    /// What the target calls it; for what hangs on another object, what the target calls that.
    pub to: String,
    /// The body, or the digest of bytes under `sha256`. Kept as text, since most of it is never looked at.
    pub body: Box<RawValue>,
}

impl Wrote {
    /// Errors: none that a JSON value could cause.
    pub fn new(object: SourceId, to: String, body: &Map<String, Value>) -> Result<Self, serde_json::Error> {
        Ok(Self { object, to, body: serde_json::value::to_raw_value(body)? })
    }
}

/// What was written last, object by object. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<HashMap<SourceId, (String, Box<RawValue>)>>);

impl Memory {
    /// Learns what was written; the last word counts.
    pub fn learn(&mut self, wrote: Wrote) {
        Arc::make_mut(&mut self.0).insert(wrote.object, (wrote.to, wrote.body));
    }

    /// Forgets an object.
    pub fn forget(&mut self, object: &SourceId) {
        Arc::make_mut(&mut self.0).remove(object);
    }

    /// The text of what was written to this object of the target, if anything was.
    pub fn text(&self, object: &SourceId, to: &str) -> Option<&str> {
        self.0.get(object).filter(|(known, _)| known == to).map(|(_, body)| body.get())
    }

    /// What was written to this object of the target, if anything was.
    pub fn body(&self, object: &SourceId, to: &str) -> Option<Map<String, Value>> {
        serde_json::from_str(self.text(object, to)?).ok()
    }

    /// How many objects it knows.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it knows nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Everything, in no order.
    pub fn all(&self) -> impl Iterator<Item = Wrote> + '_ {
        self.0.iter().map(|(object, (to, body))| Wrote { object: object.clone(), to: to.clone(), body: body.clone() })
    }
}
