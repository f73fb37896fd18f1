//! What goes through DBFS and its mounts: init scripts that new clusters do not run, and storage that no backup of a workspace
//! brings back.

use super::code::Piece;
use super::{Check, Findings, Severity, own};
use crate::object::Object;
use crate::pointer;
use memchr::memmem;
use serde_json::Value;

const MOUNT_HINT: &str =
    "a backup of a workspace holds no mount: write down its source, or use a volume; mount it again before these run";

pub(super) fn document(object: &Object, document: &Value, findings: &mut Findings) {
    pointer::each_text(document, &mut String::new(), &mut |at, text| {
        if at.contains("init_scripts") && in_dbfs(at, text) {
            let text = "an init script lies in DBFS, from where new clusters do not run any";
            let hint = "move it to a volume or to workspace files";
            findings.at(Severity::High, Check::InitScript, text, hint, object, at);
        }
        if object.kind.name != "dbfs_file" {
            mounts(text, &mut |name, _| {
                findings.at(Severity::Medium, Check::Mount, used(name), MOUNT_HINT, object, at);
            });
        }
    });
}

fn in_dbfs(at: &str, text: &str) -> bool {
    text.starts_with("dbfs:/") && !text.starts_with("dbfs:/Volumes/") || at.contains("/dbfs/destination") && text.starts_with('/')
}

pub(super) fn code(object: &Object, code: &[Piece<'_>], findings: &mut Findings) {
    for piece in code {
        let mut spot = piece.spots(object);
        for at in memmem::find_iter(piece.text.as_bytes(), b"fs.mount(") {
            let text = "storage is mounted by code";
            findings.add(Severity::Medium, Check::Mount, text, MOUNT_HINT, own(object), Some(spot(at)));
        }
        mounts(&piece.text, &mut |name, at| {
            findings.add(Severity::Medium, Check::Mount, used(name), MOUNT_HINT, own(object), Some(spot(at)));
        });
    }
}

fn used(name: &str) -> String {
    format!("the mount /mnt/{name} is used")
}

/// Names behind `/mnt/`, where that begins a path, and where they begin.
fn mounts(text: &str, visit: &mut dyn FnMut(&str, usize)) {
    for at in memmem::find_iter(text.as_bytes(), b"/mnt/") {
        let rest = &text[at + "/mnt/".len()..];
        let end = rest.find(|c: char| !(c.is_alphanumeric() || "._-".contains(c))).unwrap_or(rest.len());
        let name = rest[..end].trim_end_matches('.');
        let before = &text[..at];
        let begins = !before.ends_with(|c: char| c.is_alphanumeric() || "._-/".contains(c)) || before.ends_with("/dbfs");
        if begins && !name.is_empty() {
            visit(name, at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_known_by_the_path_that_they_begin() {
        let text = "a('/mnt/raw/x') b(\"dbfs:/mnt/cu-rated.\") c(/dbfs/mnt/old) d(/home/mnt/no) e(/mnt/) /mnt/f";
        let mut found = Vec::new();
        mounts(text, &mut |name, _| found.push(name.to_owned()));
        assert_eq!(found, ["raw", "cu-rated", "old", "f"]);
    }

    #[test]
    fn scripts_in_volumes_and_in_the_workspace_are_not_in_dbfs() {
        assert!(
            in_dbfs("/init_scripts/0/dbfs/destination", "dbfs:/x.sh") && in_dbfs("/init_scripts/0/dbfs/destination", "/x.sh")
        );
        assert!(!in_dbfs("/init_scripts/0/volumes/destination", "/Volumes/a/b/c.sh"));
        assert!(!in_dbfs("/init_scripts/0/volumes/destination", "dbfs:/Volumes/a/b/c.sh"));
    }
}
