//! The fields of a line, by name: what is not there, or is not what the format says, is a fault.

use super::canon;
use super::finding::{Fault, Finding};
use super::manifest::{Counts, FrameLine, Gap, GapState, KindLine, Previous, Redacted, States};
use super::name;
use crate::spool::Sha;
use serde_json::{Map, Value};

/// The fields of one line, taken out one by one, so that what is left over is seen.
pub(crate) struct Fields(pub(crate) Map<String, Value>);

impl Fields {
    pub(crate) fn take(&mut self, key: &str) -> Result<Value, Finding> {
        self.0.swap_remove(key).ok_or_else(|| line_fault(format!("\"{key}\" is not there")))
    }

    pub(crate) fn wrong(key: &str) -> Finding {
        line_fault(format!("\"{key}\" has a value that is not allowed"))
    }

    pub(crate) fn text(&mut self, key: &str) -> Result<String, Finding> {
        match self.take(key)? {
            Value::String(text) => Ok(text),
            _ => Err(Self::wrong(key)),
        }
    }

    pub(crate) fn optional_text(&mut self, key: &str) -> Result<Option<String>, Finding> {
        self.0.contains_key(key).then(|| self.text(key)).transpose()
    }

    pub(crate) fn kind(&mut self) -> Result<String, Finding> {
        checked_kind(self.text("kind")?)
    }

    pub(crate) fn number(&mut self, key: &str) -> Result<u64, Finding> {
        self.take(key)?.as_u64().ok_or_else(|| Self::wrong(key))
    }

    pub(crate) fn small<T: TryFrom<u64>>(&mut self, key: &str) -> Result<T, Finding> {
        T::try_from(self.number(key)?).map_err(|_| Self::wrong(key))
    }

    pub(crate) fn map(&mut self, key: &str) -> Result<Map<String, Value>, Finding> {
        match self.take(key)? {
            Value::Object(map) => Ok(map),
            _ => Err(Self::wrong(key)),
        }
    }

    pub(crate) fn sha(&mut self, key: &str) -> Result<Sha, Finding> {
        let text = self.text(key)?;
        canon::unhex(text.as_bytes()).ok_or_else(|| Self::wrong(key))
    }

    pub(crate) fn time(&mut self, key: &str) -> Result<String, Finding> {
        let text = self.text(key)?;
        // Other spellings of a time, and seconds that other programs do not know, do not come back as they were.
        let exact = text.len() == 20 && text.parse::<jiff::Timestamp>().is_ok_and(|time| time.to_string() == text);
        if exact { Ok(text) } else { Err(Self::wrong(key)) }
    }

    pub(crate) fn texts(&mut self, key: &str) -> Result<Vec<String>, Finding> {
        serde_json::from_value(self.take(key)?).map_err(|_| Self::wrong(key))
    }

    pub(crate) fn degraded(&mut self) -> Result<Option<String>, Finding> {
        match self.optional_text("state")?.as_deref() {
            None => Ok(None),
            Some("degraded") => Ok(Some(self.text("reason")?)),
            Some(_) => Err(Self::wrong("state")),
        }
    }

    pub(crate) fn previous(&mut self, lenient: bool) -> Result<Option<Previous>, Finding> {
        if !self.0.contains_key("previous") {
            return Ok(None);
        }
        let mut inner = Fields(self.map("previous")?);
        let previous = Previous { manifest_sha256: inner.sha("manifest_sha256")?, created: inner.time("created")? };
        inner.done(lenient)?;
        Ok(Some(previous))
    }

    pub(crate) fn counts(&mut self, lenient: bool) -> Result<Counts, Finding> {
        let mut inner = Fields(self.map("counts")?);
        let counts = Counts { members: inner.number("members")?, frames: inner.number("frames")?, bytes: inner.number("bytes")? };
        inner.done(lenient)?;
        Ok(counts)
    }

    pub(crate) fn states(&mut self, lenient: bool) -> Result<States, Finding> {
        let mut inner = Fields(self.map("states")?);
        let states = States {
            captured: inner.number("captured")?,
            degraded: inner.number("degraded")?,
            missing: inner.number("missing")?,
            excluded: inner.number("excluded")?,
            unavailable: inner.number("unavailable")?,
        };
        inner.done(lenient)?;
        Ok(states)
    }

    /// A frame, and the index that it says it has.
    pub(crate) fn frame(&mut self) -> Result<(u64, FrameLine), Finding> {
        let index = self.number("i")?;
        let line = FrameLine {
            off: self.number("off")?,
            clen: self.number("clen")?,
            ulen: self.number("ulen")?,
            tar: self.number("tar")?,
            sha256: self.sha("sha256")?,
        };
        Ok((index, line))
    }

    pub(crate) fn gap(&mut self) -> Result<Gap, Finding> {
        let state = self.text("state")?;
        Ok(Gap {
            state: GapState::from_word(&state).ok_or_else(|| line_fault(format!("the state \"{state}\" is unknown")))?,
            path: self.text("path")?,
            kind: self.kind()?,
            reason: self.text("reason")?,
            http: self.0.contains_key("http").then(|| self.small("http")).transpose()?,
        })
    }

    pub(crate) fn kind_line(&mut self) -> Result<KindLine, Finding> {
        Ok(KindLine {
            kind: self.kind()?,
            listed: self.number("listed")?,
            captured: self.number("captured")?,
            degraded: self.number("degraded")?,
            missing: self.number("missing")?,
            excluded: self.number("excluded")?,
            unavailable: self.number("unavailable")?,
            requests: self.number("requests")?,
        })
    }

    pub(crate) fn redacted(&mut self) -> Result<Redacted, Finding> {
        Ok(Redacted {
            path: self.text("path")?,
            kind: self.kind()?,
            pointer: self.text("pointer")?,
            reason: self.text("reason")?,
        })
    }

    pub(crate) fn done(&self, lenient: bool) -> Result<(), Finding> {
        match self.0.keys().next() {
            Some(key) if !lenient => Err(line_fault(format!("the key \"{key}\" is unknown"))),
            _ => Ok(()),
        }
    }
}

/// A line that breaks a rule.
pub(crate) fn line_fault(detail: impl Into<String>) -> Finding {
    Finding::new(Fault::Line, detail)
}

/// A word that may be the name of a kind.
pub(crate) fn checked_kind(kind: String) -> Result<String, Finding> {
    if name::is_kind(&kind) { Ok(kind) } else { Err(line_fault(format!("{kind:?} cannot be the name of a kind"))) }
}
