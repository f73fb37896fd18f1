//! Which objects a rule is for.

use super::format::Pick;
use crate::kinds::Kind;
use crate::object::Object;
use serde_json::{Map, Value};

/// What is asked of an object. What hangs on another has the name, path and tags of that.
pub(super) struct Subject<'a> {
    pub kind: &'static Kind,
    /// The body of a create, as the source has it.
    pub body: &'a Value,
    /// The object itself, or what it hangs on.
    pub holder: &'a Object,
}

impl Subject<'_> {
    fn path(&self) -> Option<&str> {
        Some(self.holder.key.as_str()).filter(|key| key.starts_with('/'))
    }

    fn name(&self) -> &str {
        let key = self.holder.key.as_str();
        self.path().and_then(|path| path.rsplit_once('/')).map_or(key, |(_, name)| name)
    }

    fn tags(&self) -> Option<Map<String, Value>> {
        let at = self.holder.kind.stamp?;
        let document = self.holder.document()?;
        self.holder.kind.body_of(&document)?.pointer(at)?.as_object().cloned()
    }
}

impl Pick {
    pub(super) fn fits(&self, subject: &Subject<'_>) -> bool {
        let kind = self.kind.0.is_empty() || self.kind.0.iter().any(|kind| kind.0.name == subject.kind.name);
        kind && self.fits_name(subject)
            && self.fits_tags(subject)
            && self.query.as_ref().is_none_or(|query| !query.0.query(subject.body).is_empty())
            && !self.except.as_ref().is_some_and(|pick| pick.fits(subject))
    }

    fn fits_name(&self, subject: &Subject<'_>) -> bool {
        let name = self.name.0.is_empty() || self.name.0.iter().any(|glob| glob.fits(subject.name()));
        let below = |path: &str| self.path.0.iter().any(|glob| glob.covers(path));
        name && (self.path.0.is_empty() || subject.path().is_some_and(below))
    }

    fn fits_tags(&self, subject: &Subject<'_>) -> bool {
        self.tag.0.is_empty()
            || subject.tags().is_some_and(|tags| {
                let text =
                    |name: &str| tags.get(name).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
                self.tag.0.iter().all(|(name, glob)| text(name).is_some_and(|value| glob.fits(&value)))
            })
    }
}
