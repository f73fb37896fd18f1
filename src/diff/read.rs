//! Where sides come from: bundles, of which no more is read than differs, and live workspaces.

use super::known::Gap;
use super::pairs::is_same;
use super::{Diff, Options, Party, Side, diff, fill};
use crate::api::{ApiError, Workspace};
use crate::audit::{self, Contents};
use crate::bundle::{MemberLine, ReadError, Reader};
use crate::event::Observer;
use crate::object::{Body, Object, Selection, SourceId};
use crate::spool::{Blob, Spool, hex};
use crate::survey::{self, Found, Scope};
use serde_json::Value;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Compares two bundles, down to cells and lines. Errors: one of them cannot be read.
pub fn bundles(before: &Reader, after: &Reader, options: &Options) -> Result<Diff, ReadError> {
    let (one, other) = sides(before, after, &options.selection)?;
    let mut diff = diff(&one, &other, options);
    fill(&mut diff, &mut bytes_in(before), &mut bytes_in(after)).map_err(ReadError::Io)?;
    Ok(diff)
}

/// Both sides of a comparison of two bundles. In one workspace documents that are the same on both are left where they lie.
pub fn sides(before: &Reader, after: &Reader, selection: &Selection) -> Result<(Side, Side), ReadError> {
    let same = is_same(&party(before), &party(after));
    let wants = |member: &MemberLine| selection.wants(&member.kind, member.key.as_deref().unwrap_or(&member.path));
    let differs = |member: &MemberLine, there: &Reader| match there.find(&member.kind, &member.path) {
        Some(other) => other.sha256 != member.sha256 && (wants(member) || wants(other) || hangs(member)),
        None => wants(member) || hangs(member),
    };
    let one = of(before, audit::sketch(before, &|member| !same || differs(member, after))?);
    let other = of(after, audit::sketch(after, &|member| !same || differs(member, before))?);
    Ok((one, other))
}

/// Whether a member goes with another, which is what is asked for.
fn hangs(member: &MemberLine) -> bool {
    let kind = crate::kinds::by_name(&member.kind);
    kind.is_some_and(|kind| matches!(kind.shape, crate::kinds::Shape::Attached(_)))
}

/// A bundle as a side, with all documents: for a comparison with a live workspace.
pub fn side(reader: &Reader) -> Result<Side, ReadError> {
    Ok(of(reader, audit::sketch(reader, &|_| true)?))
}

fn party(reader: &Reader) -> Party {
    let manifest = reader.manifest();
    let text = |name: &str| manifest.head.source.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    Party {
        workspace_id: text("workspace_id"),
        host: text("host"),
        taken: manifest.head.created.clone(),
        bundle: Some(hex(&manifest.sha256)),
        ..Party::default()
    }
}

fn of(reader: &Reader, contents: Contents) -> Side {
    let manifest = reader.manifest();
    let caller = manifest.head.source.get("caller").and_then(Value::as_str).unwrap_or_default().to_owned();
    let gaps = manifest.gaps.iter().map(|gap| Gap {
        state: gap.state.as_str(),
        kind: gap.kind.clone(),
        path: gap.path.clone(),
        reason: gap.reason.clone(),
    });
    let unfit = contents.unfit.into_iter().map(|one| Gap {
        state: "unfit",
        kind: one.object.kind,
        path: one.object.id,
        reason: one.reason,
    });
    let mut gaps: Vec<Gap> = gaps.chain(unfit).collect();
    let mut objects = contents.objects;
    objects.extend(contents.recorded);
    // Values of secrets are nobody's to compare, and which of them were had says nothing of the workspace.
    objects.retain(|object| !object.kind.is_secret_value());
    gaps.retain(|gap| crate::kinds::by_name(&gap.kind).is_none_or(|kind| !kind.is_secret_value()));
    Side { party: party(reader), caller, objects, gaps }
}

/// The bytes of members of a bundle, for [`fill`].
pub fn bytes_in(reader: &Reader) -> impl FnMut(&SourceId) -> io::Result<Option<Vec<u8>>> + '_ {
    |source| {
        let shown = crate::kinds::by_name(&source.kind).is_some_and(|kind| !kind.is_secret_value());
        let Some(member) = reader.find(&source.kind, &source.id).filter(|_| shown) else { return Ok(None) };
        match reader.read(member) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(ReadError::Io(error) | ReadError::Output(error)) => Err(error),
            Err(error) => Err(io::Error::other(error)),
        }
    }
}

/// The bytes that a survey kept, for [`fill`].
pub fn bytes_of(side: &Side) -> impl FnMut(&SourceId) -> io::Result<Option<Vec<u8>>> + '_ {
    let kept = side.objects.iter().filter_map(|object| match &object.body {
        Body::Bytes(blob) => Some(((object.kind.name, object.id.as_str()), blob)),
        _ => None,
    });
    let kept: HashMap<(&str, &str), &Blob> = kept.collect();
    move |source| kept.get(&(source.kind.as_str(), source.id.as_str())).map(|blob| blob.bytes()).transpose()
}

/// A live workspace as a side. Only reads. Bytes are kept in temporary files for as long as the side lives.
///
/// Errors: as [`survey::read`].
pub async fn live(workspace: &Workspace, scope: &Scope, observer: &Arc<dyn Observer>) -> Result<Side, ApiError> {
    let identity = workspace.identity().await?;
    let taken = jiff::Timestamp::now().round(jiff::Unit::Second).unwrap_or_default().to_string();
    let spool = Spool::in_temp().map_err(|error| ApiError::local("the workspace", "cannot keep what came on disk", &error))?;
    let (sink, mut found) = mpsc::channel(64);
    let reading = survey::read(workspace, scope, &spool, observer, sink);
    let gathering = async {
        let mut side = Side::default();
        while let Some(one) = found.recv().await {
            match one {
                Found::Object(object) => side.objects.push(kept(*object)),
                Found::Gap(gap) => {
                    let (state, kind) = (gap.state.name(), gap.kind.to_owned());
                    side.gaps.push(Gap { state, kind, path: gap.path, reason: gap.reason });
                }
            }
        }
        side
    };
    let (listed, mut side) = tokio::join!(reading, gathering);
    listed?;
    side.caller = identity.user_name;
    let workspace_id = identity.workspace_id.unwrap_or_default();
    side.party = Party { workspace_id, host: workspace.host().to_owned(), taken, ..Party::default() };
    Ok(side)
}

/// Documents in little room; bytes stay on disk.
fn kept(object: Object) -> Object {
    if matches!(object.body, Body::Bytes(_)) { object } else { object.packed() }
}
