//! Is a member of a bundle something that could be restored? A bundle may be whole and signed, and yet hold nonsense: what makes
//! no sense is left out by itself, with a reason, and never stops the rest.

use crate::bundle::MemberLine;
use crate::kinds::{Kind, Shape, Tree};
use crate::packed::Packed;
use serde_json::Value;

/// Bytes of one document at most: it is held in memory. Four times what an export takes.
const LARGEST: u64 = 256 << 20;

/// Whether the names of a member could be those of its kind: a path leads from the root down, and never back up.
pub(super) fn names(kind: &Kind, member: &MemberLine) -> Result<(), &'static str> {
    let key = member.key.as_deref().unwrap_or(&member.path);
    if key.is_empty() || member.path.is_empty() {
        return Err("it has no name");
    }
    if key.contains('\0') {
        return Err("its name holds a NUL");
    }
    let Shape::Tree(tree) = kind.shape else { return Ok(()) };
    if key != &*member.path {
        return Err("its name is not its path");
    }
    if !is_path(key) {
        return Err("its path is none that a workspace has");
    }
    match tree {
        Tree::Volume if !key.starts_with("/Volumes/") => Err("its path is not that of a volume"),
        _ => Ok(()),
    }
}

fn is_path(path: &str) -> bool {
    path == "/" || path.strip_prefix('/').is_some_and(|rest| !rest.split('/').any(|part| matches!(part, "" | "." | "..")))
}

/// Whether a document may be read at all.
pub(super) fn size(member: &MemberLine) -> Result<(), String> {
    if member.size <= LARGEST { Ok(()) } else { Err(format!("its document has {} bytes, more than any", member.size)) }
}

/// The document of a member, or what is wrong with it.
pub(super) fn document(kind: &Kind, member: &MemberLine, bytes: &[u8]) -> Result<Packed, String> {
    let document = Packed::read(bytes).map_err(|error| format!("its document is not JSON: {error}"))?;
    if !document.is_object() {
        return Err("its document is not an object".to_owned());
    }
    let holds_settings = kind.body.iter().any(|at| !at.is_empty());
    if holds_settings && kind.body_of(&document.value()).is_some_and(|body| !body.is_object()) {
        return Err("its settings are not an object".to_owned());
    }
    parent(kind, member)?;
    Ok(document)
}

/// What hangs on something must say on what, and that must be something on which it can hang.
pub(super) fn parent(kind: &Kind, member: &MemberLine) -> Result<(), &'static str> {
    let Shape::Attached(attached) = &kind.shape else { return Ok(()) };
    let meta = member.meta();
    let text = |at: &str| meta.get("parent").and_then(|parent| parent.get(at)).and_then(Value::as_str);
    let (Some(on), Some(id)) = (text("kind"), text("id")) else { return Err("it does not say what it hangs on") };
    let Some(on) = crate::kinds::by_name(on) else { return Err("it hangs on something of an unknown kind") };
    if !attached.to.is_empty() {
        return if attached.to.contains(&on.name) { Ok(()) } else { Err("it hangs on something of the wrong kind") };
    }
    let Some(object_type) = on.permissions else { return Err("it hangs on something that has no permissions") };
    let named = member.path.split_once('/');
    // What has a path is named by another id in its permissions.
    let fits = |(named_type, named_id): (&str, &str)| named_type == object_type && (named_id == id || id.starts_with('/'));
    if named.is_some_and(fits) { Ok(()) } else { Err("its name and what it says to hang on are two things") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_down() {
        for good in ["/", "/a", "/Users/a@b.c/x y", "/a/...", "/a/\u{1b}[0m"] {
            assert!(is_path(good), "{good:?}");
        }
        for bad in ["", "a", "//", "/a/", "/a//b", "/..", "/a/../b", "/a/.", "./a"] {
            assert!(!is_path(bad), "{bad:?}");
        }
    }
}
