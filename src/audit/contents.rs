//! What a bundle holds that could be restored, and what of it makes no sense.

use super::check;
use crate::bundle::{MemberLine, ReadError, Reader};
use crate::kinds::{self, Kind, Shape, Tree};
use crate::object::{Absent, Body, Object, Selection, SourceId};
use crate::packed::Meta;
use std::collections::HashSet;

/// All objects of a bundle that are asked for, and the objects of kinds that are only recorded.
#[derive(Debug, Default)]
pub struct Contents {
    /// What is restored; a plan lets go of it once rules have made of it what they make.
    pub objects: Vec<Object>,
    /// What only serves to resolve references.
    pub recorded: Vec<Object>,
    /// Members that cannot be restored, since this version does not know their kind, or they make no sense.
    pub unfit: Vec<Unfit>,
}

/// A member of a bundle that is whole and yet nothing that could be restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// Kind and path, as the manifest has them.
    pub object: SourceId,
    /// What people call it.
    pub key: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Contents {
    fn add(&mut self, member: &MemberLine, looked_at: Result<Object, String>) {
        match looked_at {
            Ok(object) if matches!(object.kind.shape, Shape::Recorded(_)) => self.recorded.push(object),
            Ok(object) => self.objects.push(object),
            Err(reason) => self.unfit.push(unfit(member, reason)),
        }
    }
}

/// Reads the objects of a bundle. Bytes stay there; documents come along.
pub fn contents(reader: &Reader, selection: &Selection) -> Result<Contents, ReadError> {
    let mut contents = sketch(reader, &|_| true)?;
    contents.unfit.retain(|one| selection.wants(&one.object.kind, &one.key));
    select(&mut contents.objects, selection);
    Ok(contents)
}

/// The same of everything, where documents for which `read` answers no stay in the bundle as bytes do, known by their digest: for
/// whoever compares. Documents are read on all processors.
pub fn sketch(reader: &Reader, read: &dyn Fn(&MemberLine) -> bool) -> Result<Contents, ReadError> {
    let mut contents = Contents::default();
    let mut members = reader.manifest().in_place_order();
    let wanted = |member: &MemberLine| read(member) && is_read(member);
    // What needs no bytes comes between what does, in the order of the archive.
    let mut rest = |contents: &mut Contents, until: Option<&MemberLine>| {
        let is_next = |member: &&MemberLine| until.is_none_or(|until| !std::ptr::eq(*member, until));
        let others = members.by_ref().take_while(is_next).filter(|member| !wanted(member));
        others.for_each(|member| contents.add(member, known(member, read(member))));
    };
    let look = |member: &MemberLine, bytes: &[u8]| known(member, false).and_then(|object| with_document(object, member, bytes));
    super::bodies(
        reader,
        &wanted,
        &look,
        &mut |member, looked_at| {
            rest(&mut contents, Some(member));
            contents.add(member, looked_at);
        },
        &mut |_, error| Err(error),
    )?;
    rest(&mut contents, None);
    Ok(contents)
}

/// Reads the objects one by one, and holds none where everything is asked for.
pub fn each(reader: &Reader, selection: &Selection, act: &mut dyn FnMut(&Object)) -> Result<(), ReadError> {
    if selection.is_everything() {
        let mut members = reader.manifest().in_place_order();
        return members.try_for_each(|member| restorable(reader, member).map(|one| one.iter().for_each(&mut *act)));
    }
    let contents = contents(reader, selection)?;
    contents.objects.iter().chain(&contents.recorded).for_each(act);
    Ok(())
}

/// What listings showed and the bundle does not hold.
pub fn absent(reader: &Reader) -> Vec<Absent> {
    let gaps = reader.manifest().gaps.iter();
    gaps.map(|gap| Absent {
        kind: gap.kind.clone(),
        path: gap.path.clone(),
        state: gap.state.as_str().to_owned(),
        reason: gap.reason.clone(),
    })
    .collect()
}

/// What hangs on an object goes with it.
fn select(objects: &mut Vec<Object>, selection: &Selection) {
    if selection.is_everything() {
        return;
    }
    let own = |object: &Object| selection.wants(object.kind.name, &object.key);
    let chosen: HashSet<(String, String)> = objects
        .iter()
        .filter(|object| object.meta.parent().is_none() && own(object))
        .map(|object| (object.kind.name.to_owned(), object.id.clone()))
        .collect();
    objects.retain(|object| match object.meta.parent() {
        Some(parent) => selection.wants_attached(object.kind.name) && chosen.contains(&parent),
        None => own(object),
    });
}

fn unfit(member: &MemberLine, reason: String) -> Unfit {
    let object = SourceId { kind: member.kind.to_string(), id: member.path.to_string() };
    Unfit { object, key: member.key.as_deref().unwrap_or(&member.path).to_owned(), reason }
}

/// The object that a member holds, or why it holds none. Errors: the bundle cannot be read.
fn restorable(reader: &Reader, member: &MemberLine) -> Result<Result<Object, String>, ReadError> {
    let known = known(member, true);
    if !is_read(member) {
        return Ok(known);
    }
    let bytes = reader.read(member)?;
    Ok(known.and_then(|object| with_document(object, member, &bytes)))
}

/// Whether a member is a document that may be read, for all that the manifest says.
fn is_read(member: &MemberLine) -> bool {
    let is_document = |kind: &Kind| !holds_bytes(kind) && !kind.is_secret_value();
    named(member).is_ok_and(is_document) && check::size(member).is_ok()
}

/// What the manifest says of a member, or why it holds nothing that could be restored; `whole` is whether that is all that is looked at.
fn known(member: &MemberLine, whole: bool) -> Result<Object, String> {
    let object = stored(named(member)?, member);
    match whole {
        true if object.kind.is_secret_value() => check::parent(object.kind, member)?,
        true if !holds_bytes(object.kind) => check::size(member)?,
        _ => {}
    }
    Ok(object)
}

fn with_document(object: Object, member: &MemberLine, bytes: &[u8]) -> Result<Object, String> {
    let document = check::document(object.kind, member, bytes)?;
    Ok(Object { body: Body::Packed(document), ..object })
}

/// The kind of a member whose names could be those of one.
fn named(member: &MemberLine) -> Result<&'static Kind, String> {
    let kind = kinds::by_name(&member.kind).ok_or("this version knows no such kind")?;
    check::names(kind, member)?;
    Ok(kind)
}

/// Whether the objects of a kind are bytes, and no documents.
fn holds_bytes(kind: &Kind) -> bool {
    matches!(kind.shape, Shape::Tree(Tree::Notebook | Tree::File | Tree::Dbfs | Tree::Volume))
}

/// An object as its manifest line tells of it.
fn stored(kind: &'static Kind, member: &MemberLine) -> Object {
    let body = if kind.is_secret_value() { Body::Withheld } else { Body::Stored { len: member.size, sha256: member.sha256 } };
    Object {
        kind,
        id: member.path.to_string(),
        key: member.key.as_deref().unwrap_or(&member.path).to_owned(),
        body,
        meta: Meta::of_text(member.meta_text()),
        modified_at: member.modified_at(),
        degraded: member.degraded.as_deref().map(str::to_owned),
        redacted: Vec::new(),
    }
}
