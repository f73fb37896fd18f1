//! Steps for what has a path: folders, notebooks, files, Git folders, files in DBFS and volumes.

use super::conflict::SHA;
use super::fate::Fate;
use super::notes::{What, label};
use super::order::IMPLIED;
use super::refs::Resolved;
use super::{Action, Draft, Found, Planner, paths};
use crate::kinds::{self, Tree};
use crate::object::{Object, SourceId};
use crate::rules::{Body, Difference, Sanitized};
use crate::spool::hex;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

impl Planner<'_> {
    pub(super) fn draft_tree(&mut self, index: usize, tree: Tree) -> Draft {
        let object = self.bundle.objects[index];
        let mut draft = match self.fates[index].clone() {
            Fate::Never(reason) => {
                self.tell_lost(object, &reason);
                Draft::new(object, index, Action::Skip { reason })
            }
            Fate::There(there, _) => self.draft_there(index, tree, there),
            Fate::Coming => with_commit(object, Draft::new(object, index, made(object, tree))),
        };
        if !matches!(tree, Tree::Dbfs | Tree::Volume) {
            draft.step.key = self.place(object.key());
        }
        if draft.step.action.writes() || draft.step.action == Action::Home {
            self.hang_in_folder(object, tree, &mut draft);
        }
        draft
    }

    fn tell_lost(&mut self, object: &Sanitized, reason: &str) {
        let what = if reason.contains("is the home of") { What::Principal } else { What::Look };
        let what = if object.kind().name == "workspace_object" { What::NotRestored } else { what };
        self.todos.add(what, reason, label(object));
    }

    fn draft_there(&mut self, index: usize, tree: Tree, there: Found) -> Draft {
        let object = self.bundle.objects[index];
        let target = self.present.by_id(object.kind().name, &there.key);
        match (tree, target) {
            (Tree::Repo, Some(target)) => self.draft_repo(index, there, target),
            (Tree::Notebook | Tree::File | Tree::Dbfs | Tree::Volume, Some(target)) if !same_content(object, target) => {
                let mut draft = Draft::new(object, index, content(object, true));
                if let Some((_, actual)) = target.body.digest() {
                    self.respect_bytes(index, &there, actual, &mut draft);
                }
                draft
            }
            (Tree::Notebook | Tree::File | Tree::Dbfs | Tree::Volume, Some(_)) => {
                self.agree_on_bytes(index, &there);
                Draft::new(object, index, Action::Unchanged { target: Some(there) })
            }
            _ => Draft::new(object, index, Action::Unchanged { target: Some(there) }),
        }
    }

    /// Address and provider are fixed; the branch can be changed (core reference §13.1).
    fn draft_repo(&mut self, index: usize, there: Found, target: &Object) -> Draft {
        let object = self.bundle.objects[index];
        let (Some(wanted), Some(actual)) = (object.json(), target.document()) else {
            return Draft::new(object, index, Action::Unchanged { target: Some(there) });
        };
        if git_address(wanted.get("url")) != git_address(actual.get("url")) {
            let reason = "the target has a Git folder of another repository at this path".to_owned();
            self.todos.add(What::Look, reason.clone(), label(object));
            return Draft::new(object, index, Action::Skip { reason });
        }
        let (want, have) = (wanted.get("branch").cloned(), actual.get("branch").cloned());
        if have.is_none() && !self.options.back.bases.is_empty() {
            return Draft::new(object, index, Action::Unchanged { target: Some(there) })
                .note("at a tag or commit here, which a restore cannot choose: left as it is");
        }
        if want.is_none() || want == have {
            let body = Map::from_iter(want.map(|want| ("branch".to_owned(), want)));
            self.agree(index, &there.id, &body);
            return Draft::new(object, index, Action::Unchanged { target: Some(there) });
        }
        let branch = |branch: &Option<Value>| Map::from_iter(branch.clone().map(|branch| ("branch".to_owned(), branch)));
        let (body, actual) = (branch(&want), branch(&have));
        let differences = vec![Difference { at: "/branch".into(), want, have, fixed: false }];
        let peoples = self.peoples(index, &Resolved::default(), &differences, &actual, &there.id);
        let mut draft = Draft::new(object, index, Action::Update { target: there, body, differences });
        self.respect(index, &peoples, &actual, &mut draft);
        draft
    }

    fn agree_on_bytes(&mut self, index: usize, there: &Found) {
        if let Body::Content { sha256, .. } = self.bundle.objects[index].body() {
            let body = Map::from_iter([(SHA.to_owned(), json!(hex(sha256)))]);
            self.agree(index, &there.id, &body);
        }
    }

    /// What lies in a folder that is to be made waits for it.
    fn hang_in_folder(&self, object: &Sanitized, tree: Tree, draft: &mut Draft) {
        if matches!(tree, Tree::Dbfs | Tree::Volume) {
            return;
        }
        if let Some(owner) = paths::home_of(object.key()).filter(|_| tree == Tree::Directory) {
            draft.needs.extend(self.coming_principal(owner));
        }
        let folder = paths::parent(object.key()).and_then(|folder| self.bundle.by_id("directory", folder));
        draft.needs.extend(folder.filter(|folder| matches!(self.fates[*folder], Fate::Coming)));
    }

    fn coming_principal(&self, name: &str) -> Option<usize> {
        let principals = ["user", "service_principal"].into_iter().filter_map(kinds::by_name);
        let mut indexes = principals.flat_map(|kind| self.bundle.by_key(kind, name).iter().copied());
        indexes.find(|index| matches!(self.fates[*index], Fate::Coming))
    }

    /// Folders that the bundle does not hold, because only what is below was asked for.
    pub(super) fn add_implied_folders(&self, drafts: &mut Vec<Draft>) {
        let mut implied: BTreeMap<String, usize> = BTreeMap::new();
        for index in 0..drafts.len() {
            let tree = ["directory", "notebook", "file", "repo"].contains(&drafts[index].step.source.kind.as_str());
            if !tree || !drafts[index].step.action.writes() {
                continue;
            }
            let path = drafts[index].step.source.id.clone();
            let missing: Vec<&str> = paths::parents(&path).take_while(|folder| self.is_missing(folder)).collect();
            for folder in missing.iter().rev() {
                self.imply(folder, &mut implied, drafts);
            }
            let nearest = missing.first().and_then(|folder| implied.get(*folder));
            drafts[index].needs.extend(nearest.map(|draft| IMPLIED + draft));
        }
    }

    fn is_missing(&self, folder: &str) -> bool {
        let there =
            self.bundle.by_id("directory", folder).is_some() || self.present.by_id("directory", &self.place(folder)).is_some();
        !there && !paths::always_there(folder)
    }

    fn imply(&self, folder: &str, implied: &mut BTreeMap<String, usize>, drafts: &mut Vec<Draft>) {
        if implied.contains_key(folder) {
            return;
        }
        let above = paths::parent(folder);
        let needs =
            match (above.and_then(|above| implied.get(above)), above.and_then(|above| self.bundle.by_id("directory", above))) {
                (Some(draft), _) => Some(IMPLIED + draft),
                (None, Some(index)) => Some(index).filter(|index| matches!(self.fates[*index], Fate::Coming)),
                (None, None) => None,
            };
        let owner = paths::home_of(folder);
        let action = if owner.is_some() { Action::Home } else { Action::Folder };
        let mut draft = implied_draft(folder, self.place(folder), action);
        draft.needs = needs.into_iter().chain(owner.and_then(|owner| self.coming_principal(owner))).collect();
        implied.insert(folder.to_owned(), implied.len());
        drafts.push(draft);
    }
}

fn implied_draft(folder: &str, place: String, action: Action) -> Draft {
    let source = SourceId { kind: "directory".into(), id: folder.to_owned() };
    let notes = vec!["only what lies below it is in the bundle".into()];
    let step = super::Step { notes, implied: true, ..super::Step::alone(source, place, action) };
    Draft { step, object: None, needs: BTreeSet::new(), after: BTreeSet::new(), second: None }
}

/// The API cannot make a Git folder at a commit (core reference §13.1): which one it was is told.
fn with_commit(object: &Sanitized, mut draft: Draft) -> Draft {
    if let Some(commit) = object.meta().text("head_commit_id") {
        draft.step.notes.push(format!("at commit {commit} at the source; it comes back at the head of its branch"));
    }
    draft
}

fn made(object: &Sanitized, tree: Tree) -> Action {
    match tree {
        Tree::Directory if paths::home_of(object.key()).is_some() => Action::Home,
        Tree::Directory => Action::Folder,
        Tree::Repo => Action::Create { body: object.json().unwrap_or_default() },
        Tree::Notebook | Tree::File | Tree::Dbfs | Tree::Volume | Tree::Other => content(object, false),
    }
}

fn content(object: &Sanitized, overwrite: bool) -> Action {
    let (len, sha256) = if let Body::Content { len, sha256 } = object.body() { (*len, hex(sha256)) } else { (0, String::new()) };
    let meta = object.meta();
    Action::Content { overwrite, len, sha256, format: meta.text("format"), language: meta.text("language") }
}

/// Same bytes; for a notebook also in the same language and format, since an export compares only to its like.
fn same_content(object: &Sanitized, target: &Object) -> bool {
    let Body::Content { len, sha256 } = object.body() else { return true };
    let same = |name: &str| object.meta().get(name) == target.meta.get(name);
    let alike = object.kind().name != "notebook" || (same("format") && same("language"));
    alike && target.body.digest() == Some((*len, *sha256))
}

/// An address with and without `.git` is one (core reference §13.1).
pub(super) fn git_address(url: Option<&Value>) -> String {
    let url = url.and_then(Value::as_str).unwrap_or_default().trim_end_matches('/');
    url.strip_suffix(".git").unwrap_or(url).to_lowercase()
}
