//! The bundle before this one, as far as its contents may be carried over.

use crate::api::Identity;
use crate::bundle::{self, MemberLine, Reader};
use crate::kinds::Kind;
use crate::survey::{Earlier, Known};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// What was changed so shortly before the earlier export began, by the workspace's clock, is read again. The clocks of a
/// workspace and of this machine may differ by as much.
const DOUBTFUL: Duration = Duration::from_mins(5);

/// Name in the head's `source` of the time of the last export that read everything.
const READ_ALL: &str = "read_all_at";

/// The bundle before this one.
#[derive(Clone, Debug)]
pub struct Since {
    /// The bundle. The caller has looked at all of it, and trusts who made it.
    pub bundle: Arc<Reader>,
    /// After so much time everything is read again, whatever the listings say; never, if there is none.
    pub full_every: Option<Duration>,
}

impl Since {
    /// Why nothing may be carried over from the bundle, if so.
    pub(super) fn unfit(&self, identity: &Identity, host: &str, now: jiff::Timestamp) -> Option<String> {
        let head = &self.bundle.manifest().head;
        if !self.is_of(identity, host) {
            return Some("the earlier bundle is of another workspace".to_owned());
        }
        if head.tool != bundle::tool() {
            return Some(format!("the earlier bundle was written by another version, {}", head.tool));
        }
        let (Some(created), Some(full)) = (self.created(), self.read_all_at()) else {
            return Some("the earlier bundle does not say when it was made".to_owned());
        };
        if created > now || full > created {
            return Some("the earlier bundle was made later than now, by this machine's clock".to_owned());
        }
        let age = now.duration_since(full);
        let due = self.full_every.filter(|every| age.unsigned_abs() >= *every)?;
        Some(format!("everything was read last at {full}, and it is to be read every {} s", due.as_secs()))
    }

    /// Whether the bundle is of this workspace.
    pub(super) fn is_of(&self, identity: &Identity, host: &str) -> bool {
        let source = &self.bundle.manifest().head.source;
        let said = |name: &str| source.get(name).and_then(Value::as_str);
        identity.workspace_id.is_some() && said("workspace_id") == identity.workspace_id.as_deref() && said("host") == Some(host)
    }

    /// How the next bundle names this one.
    pub(super) fn previous(&self) -> bundle::Previous {
        let manifest = self.bundle.manifest();
        bundle::Previous { manifest_sha256: manifest.sha256, created: manifest.head.created.clone() }
    }

    /// What goes into the next head's `source`.
    pub(super) fn read_all(&self) -> Option<(String, Value)> {
        Some((READ_ALL.to_owned(), json!(self.read_all_at()?.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())))
    }

    fn created(&self) -> Option<jiff::Timestamp> {
        self.bundle.manifest().head.created.parse().ok()
    }

    /// When everything was read last: a bundle that carries nothing over says only when it was made.
    fn read_all_at(&self) -> Option<jiff::Timestamp> {
        match self.bundle.manifest().head.source.get(READ_ALL) {
            Some(said) => said.as_str()?.parse().ok(),
            None => self.created(),
        }
    }
}

/// A bundle, asked by a survey.
#[derive(Debug)]
pub(super) struct Before {
    bundle: Arc<Reader>,
    seen_until: u64,
    origin: Value,
    blanked: HashSet<(String, String)>,
}

impl Before {
    pub(super) fn of(since: &Since) -> Self {
        let manifest = since.bundle.manifest();
        let seen = since.created().map_or(0, jiff::Timestamp::as_millisecond);
        let doubtful = u64::try_from(DOUBTFUL.as_millis()).unwrap_or(u64::MAX);
        Self {
            seen_until: u64::try_from(seen).unwrap_or_default().saturating_sub(doubtful),
            origin: json!({ "bundle": bundle::hex(&manifest.sha256), "created": manifest.head.created }),
            blanked: manifest.redacted.iter().map(|line| (line.kind.clone(), line.path.clone())).collect(),
            bundle: since.bundle.clone(),
        }
    }

    /// An object that is whole. One in which something was blanked is not: what was blanked cannot be compared.
    fn whole(&self, kind: &Kind, id: &str) -> Option<&MemberLine> {
        let blanked = || self.blanked.contains(&(kind.name.to_owned(), id.to_owned()));
        self.bundle.find(kind.name, id).filter(|member| member.degraded.is_none() && !blanked())
    }
}

impl Earlier for Before {
    fn find(&self, kind: &Kind, id: &str) -> Option<Known> {
        let member = self.whole(kind, id)?;
        let meta = member.meta();
        let origin = meta.get(crate::survey::CARRIED).unwrap_or(&self.origin).clone();
        Some(Known { modified_at: member.modified_at(), meta, len: member.size, sha256: member.sha256, origin })
    }

    fn document(&self, kind: &Kind, id: &str) -> Option<Value> {
        serde_json::from_slice(&self.bundle.read(self.whole(kind, id)?).ok()?).ok()
    }

    fn seen_until(&self) -> u64 {
        self.seen_until
    }
}
