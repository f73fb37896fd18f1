//! What an export made, for programs.

use super::{Performed, values_of};
use crate::cli::Outcome;
use crate::cli::targets::{Delivery, Landing};
use lifeboat::bundle::{Gap, KindLine, hex};
use lifeboat::export::{Accepted, Exported};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What an export made.
#[derive(Serialize, JsonSchema)]
pub struct Made {
    /// The bundle.
    bundle: PathBuf,
    /// Its size in bytes.
    bytes: u64,
    /// Objects in it.
    objects: u64,
    /// SHA-256 that is equal for equal workspace state.
    content_id: String,
    /// SHA-256 of the manifest: the bundle's identity.
    manifest_sha256: String,
    /// The key that signed it.
    signed_by: Option<String>,
    /// Whether it is encrypted.
    encrypted: bool,
    /// Whether nothing is missing or degraded, at any place.
    complete: bool,
    /// Whether an admin exported: to anybody else listings show less.
    caller_is_admin: bool,
    /// HTTP requests that were sent.
    requests: u64,
    /// The same by what they were for: `listings`, `unmarked` (an object whose listing has no mark of a change), `contents`.
    asked: BTreeMap<&'static str, u64>,
    /// What is missing or degraded, and accepted as that.
    accepted: Taken,
    /// What was carried over from an earlier bundle; null where everything was read.
    incremental: Option<Incremental>,
    /// The account of each kind.
    kinds: Vec<KindLine>,
    /// What is not in the bundle, and why.
    gaps: Vec<Gap>,
    /// What is less than it should be: kind, path, reason.
    degraded: Vec<(String, String, String)>,
    /// Values that were blanked.
    redacted: u64,
    /// Values of secrets; null where none were asked for.
    secret_values: Option<SecretValues>,
    /// What came of each place; null where it is one alone, and on disk.
    destinations: Option<Vec<Delivery>>,
}

/// What was carried over from an earlier bundle.
#[derive(Serialize, JsonSchema)]
struct Incremental {
    /// Objects that were carried over.
    carried: u64,
    /// Frames that were carried over as they stood.
    frames: u64,
    /// Bytes of these.
    bytes: u64,
    /// Objects that were read since nothing tells whether they changed.
    unmarked: u64,
}

/// What is missing or degraded, and accepted as that.
#[derive(Serialize, JsonSchema)]
struct Taken {
    /// How many objects.
    objects: u64,
    /// Each pattern that was given.
    patterns: Vec<TakenPattern>,
}

/// A pattern of `--accept`.
#[derive(Serialize, JsonSchema)]
struct TakenPattern {
    /// As it was written.
    pattern: String,
    /// How many missing or degraded objects it meets. None: it has become pointless.
    objects: u64,
}

impl Taken {
    fn of(exported: &Exported) -> Self {
        let one = |one: &Accepted| TakenPattern { pattern: one.pattern.clone(), objects: one.objects };
        Self { objects: exported.accepted, patterns: exported.accepts.iter().map(one).collect() }
    }
}

/// Values of secrets that were asked for.
#[derive(Serialize, JsonSchema)]
struct SecretValues {
    /// Those that are in the bundle.
    stored: u64,
    /// Those that could not be had, each of them a gap.
    not_had: u64,
}

impl Made {
    pub(super) fn of(performed: &Performed) -> Self {
        let Performed { exported, outcome, landing, sealed, .. } = performed;
        let summary = &exported.summary;
        let (frames, bytes, unmarked) = (summary.reused.frames, summary.reused.bytes, exported.unmarked);
        Self {
            bundle: summary.path.clone(),
            bytes: summary.bytes,
            objects: summary.members,
            content_id: hex(&summary.content_id),
            manifest_sha256: hex(&summary.manifest_sha256),
            signed_by: sealed.key.map(|key| key.to_string()),
            encrypted: sealed.readers.is_some(),
            complete: *outcome == Outcome::Done,
            caller_is_admin: exported.identity.is_admin,
            requests: exported.requests,
            asked: exported.purposes.iter().map(|(purpose, count)| (purpose.as_str(), *count)).collect(),
            accepted: Taken::of(exported),
            incremental: exported.carried.map(|carried| Incremental { carried, frames, bytes, unmarked }),
            kinds: exported.kinds.clone(),
            gaps: exported.gaps.clone(),
            degraded: exported.degraded.clone(),
            redacted: exported.redacted,
            secret_values: values_of(exported).map(|line| SecretValues { stored: line.captured, not_had: line.missing }),
            destinations: landing.as_ref().map(Landing::to_json),
        }
    }
}
