//! Which object of the target an object of the bundle is: by map file, id, journal, stamp, natural key, or not at all.

use super::bodies::as_active_as;
use super::fate::{Fate, How, at_path};
use super::index::found;
use super::notes::What;
use super::{Found, Planner, paths};
use crate::kinds::{self, Collection, Kind, Shape, Tree, Update, is_principal};
use crate::object::Object;
use crate::rules::{Sanitized, comparable, equal};
use serde_json::{Map, Value, json};

impl Planner<'_> {
    /// Decides the fate of every object, first by what is certain, then by equality where names may repeat.
    pub(super) fn match_all(&mut self) {
        for index in 0..self.bundle.objects.len() {
            let fate = self.match_one(self.bundle.objects[index]);
            self.fates.push(fate);
        }
        // A job that was recognised may be what another one needs to be equal: until nothing is found any more.
        while self.adopt_equals() {}
        self.hold_back_unread();
        self.leave_deleted();
        self.hold_back_refused();
    }

    /// Where names may repeat, something that could not be read may be the very object: better none than two.
    fn hold_back_unread(&mut self) {
        for index in 0..self.bundle.objects.len() {
            let object = self.bundle.objects[index];
            let kind = object.kind();
            let unread = self.inventory.unread.iter().find(|(unread, _)| unread == kind.name);
            let open = matches!((&self.fates[index], &kind.shape), (Fate::Coming, Shape::Collection(_))) && !kind.key.unique;
            if let Some((_, id)) = unread.filter(|_| open) {
                let reason = format!("could not read all {} of the target (\"{id}\"), and it may be one of them", kind.title);
                self.fates[index] = Fate::Never(reason);
            }
        }
    }

    fn match_one(&mut self, object: &Sanitized) -> Fate {
        let kind = object.kind();
        if self.inventory.unavailable.iter().any(|name| name == kind.name) {
            return Fate::Never(format!("the target does not offer {}", kind.title));
        }
        match &kind.shape {
            Shape::Collection(collection) => self.match_collection(object, collection),
            Shape::Tree(tree) => self.match_tree(object, *tree),
            Shape::Attached(_) => Fate::Coming,
            Shape::Recorded(recorded) => Fate::Never(recorded.reason.to_owned()),
        }
    }

    fn match_collection(&mut self, object: &Sanitized, collection: &Collection) -> Fate {
        if let Some(mapped) = self.mapped(object) {
            return mapped;
        }
        if self.is_unclear(object) {
            return Fate::Never("it stands for several objects of the target, which keep their own".into());
        }
        if let Some(ours) = self.ours(object) {
            return ours;
        }
        let same_key = if object.kind().key.unique { self.present.by_key(object.kind(), object.key()) } else { Vec::new() };
        match same_key.first() {
            Some(one) => Fate::There(found(one), How::Key),
            None if object.built_in() => Fate::Never("built in at the source, and the target has none of that name".into()),
            None if !self.options.create_principals && is_principal(object.kind().name) => {
                Fate::Never("not in the target, and principals are not to be created".into())
            }
            None if matches!(collection.update, Update::Never(_)) || !object.key().is_empty() => Fate::Coming,
            None => Fate::Never("it has no name".into()),
        }
    }

    fn mapped(&self, object: &Sanitized) -> Option<Fate> {
        let kind = object.kind();
        let to = self.maps.get(kind.name, object.id()).or_else(|| self.maps.get(kind.name, object.key()))?;
        let there = self.present.by_id(kind.name, to).or_else(|| self.present.by_key(kind, to).first().copied());
        Some(match there {
            Some(there) => Fate::There(found(there), How::Mapped),
            None if is_principal(kind.name) => Fate::Never(format!("the map names \"{to}\", which the target does not have")),
            None => Fate::There(Found { id: typed(kind, to), key: to.to_owned(), object_id: None }, How::Mapped),
        })
    }

    /// The same object, or one that an earlier import made.
    fn ours(&mut self, object: &Sanitized) -> Option<Fate> {
        let kind = object.kind();
        if let Some(one) = self.same_id(object) {
            return Some(Fate::There(found(one), How::Ours));
        }
        if let Some(one) = self.original(object).map(found).or_else(|| self.gone_original(object)) {
            return Some(Fate::There(one, How::Ours));
        }
        let stamped = self.present.by_stamp(kind.name, object.id());
        let of_that_name: Vec<&Object> = stamped.iter().copied().filter(|one| one.key == object.key()).collect();
        match (stamped.as_slice(), of_that_name.as_slice()) {
            ([], _) => self.journalled(object).map(|one| Fate::There(found(one), How::Ours)),
            ([one], _) | (_, [one]) => Some(Fate::There(found(one), How::Ours)),
            _ => Some(self.one_of_many(object, &stamped)),
        }
    }

    /// Several objects bear the mark of the same one. The journal may know which of them an import made.
    fn one_of_many(&mut self, object: &Sanitized, stamped: &[&Object]) -> Fate {
        let made = self.remembered(object).filter(|made| stamped.iter().any(|one| one.id == made.id));
        if let Some(one) = made.map(found) {
            return Fate::There(one, How::Ours);
        }
        let text = "several objects of the target carry the mark of the same source object: name one in the map file";
        self.todos.add(What::Ambiguous, text, object.source().to_string());
        Fate::Never(format!("ambiguous: {} objects of the target carry its mark", stamped.len()))
    }

    /// What a journal of this machine says was made of an object, if it is still there; else what the target's own copy says.
    fn remembered(&self, object: &Sanitized) -> Option<&Object> {
        let (source, kind) = (object.source(), object.kind().name);
        match self.options.known.get(&source) {
            Some(id) => self.present.by_id(kind, id),
            None => {
                self.options.told.get(&source).and_then(|id| self.present.by_id(kind, id)).filter(|one| bears_out(object, one))
            }
        }
    }

    /// What a journal of this machine remembers counts last: another workspace may have used the same ids. An object that
    /// bears the mark of another one is never taken, and where marks are usual, an unmarked one only under the same name.
    fn journalled(&self, object: &Sanitized) -> Option<&Object> {
        let kind = object.kind();
        let one = self.remembered(object)?;
        (one.stamp().is_none() && (kind.stamp.is_none() || one.key == object.key())).then_some(one)
    }

    /// In the same workspace an id says enough, but for what an earlier import made of another object of this bundle: a
    /// workspace that lost everything may count from the beginning again.
    fn same_id(&self, object: &Sanitized) -> Option<&Object> {
        let kind = object.kind().name;
        let one = self.same_workspace.then(|| self.present.by_id(kind, object.id())).flatten()?;
        let marked = super::index::stamped(one, &self.source.workspace_id).filter(|id| *id != object.id());
        marked.is_none_or(|id| self.bundle.by_id(kind, &id).is_none()).then_some(one)
    }

    /// Where names may repeat: exactly one of that name on both sides, and equal. Answers whether one was found.
    fn adopt_equals(&mut self) -> bool {
        let mut more = false;
        for index in 0..self.bundle.objects.len() {
            let object = self.bundle.objects[index];
            let open = matches!(self.fates[index], Fate::Coming) && matches!(object.kind().shape, Shape::Collection(_));
            if open && !object.kind().key.unique {
                let one = self.only_namesake(object).filter(|one| self.is_equal(index, one)).map(found);
                if let Some(one) = one {
                    self.fates[index] = Fate::There(one, How::Equal);
                    more = true;
                }
            }
        }
        more
    }

    fn only_namesake(&self, object: &Sanitized) -> Option<&Object> {
        let here = self.bundle.by_key(object.kind(), object.key()).len() == 1;
        match self.namesakes(object).as_slice() {
            [one] if here => Some(one),
            _ => None,
        }
    }

    /// Objects of that name that no import of this source made.
    pub(super) fn namesakes(&self, object: &Sanitized) -> Vec<&Object> {
        let mut there = self.present.by_key(object.kind(), object.key());
        there.retain(|one| super::index::stamped(one, &self.source.workspace_id).is_none());
        there
    }

    fn is_equal(&self, index: usize, there: &Object) -> bool {
        let object = self.bundle.objects[index];
        let wanted = self.resolve(index);
        let actual = comparable(there);
        let body = as_active_as(&wanted.body, wanted.off.iter().chain(&wanted.stopped), &actual);
        wanted.links.is_empty() && self.differences(object.kind(), &body, &actual).is_empty()
    }

    fn match_tree(&self, object: &Sanitized, tree: Tree) -> Fate {
        let place = self.place(object.key());
        let path = place.as_str();
        if kinds::is_own(path) && !matches!(tree, Tree::Dbfs | Tree::Volume) {
            return Fate::Never("imports keep what is their own in this folder, and write nothing else there".into());
        }
        if let Some(one) = self.present.by_id(object.kind().name, path) {
            return Fate::There(found(one), How::Key);
        }
        match tree {
            Tree::Other => Fate::Never("objects of this type have no import".into()),
            Tree::Dbfs | Tree::Volume => Fate::Coming,
            Tree::Directory if paths::always_there(path) => Fate::There(at_path(path), How::Key),
            Tree::Directory if paths::too_deep_in_repos(path) => {
                Fate::Never("the inside of `/Repos` belongs to Git folders".into())
            }
            Tree::Directory | Tree::Notebook | Tree::File | Tree::Repo => self.match_new_in_tree(object),
        }
    }

    fn match_new_in_tree(&self, object: &Sanitized) -> Fate {
        let path = object.key();
        let others = ["directory", "notebook", "file", "repo", "workspace_object"];
        let place = self.place(path);
        if let Some(other) = others.into_iter().find_map(|kind| self.present.by_id(kind, &place)) {
            return Fate::Never(format!("the target has something else at this path: {}", other.kind.name));
        }
        let way = std::iter::once(path).chain(paths::parents(path));
        way.into_iter().find_map(|folder| self.blocked(folder, path)).map_or(Fate::Coming, Fate::Never)
    }

    /// Why nothing can be made at or below this folder.
    fn blocked(&self, folder: &str, path: &str) -> Option<String> {
        if folder != path && self.bundle.by_id("repo", folder).is_some() {
            return Some(format!("it belongs to the Git folder {folder}"));
        }
        let in_bundle = self.bundle.by_id("directory", folder).filter(|_| folder != path);
        if let Some(Fate::Never(reason)) = in_bundle.and_then(|index| self.fates.get(index)) {
            return Some(reason.clone());
        }
        let owner = paths::home_of(folder)?;
        let there = self.present.by_id("directory", &self.place(folder)).is_some() || self.principal_will_be(owner);
        (!there).then(|| format!("{folder} is the home of \"{owner}\", who is not in the target"))
    }

    /// Whether a user or service principal of this name is in the target, or will be.
    fn principal_will_be(&self, name: &str) -> bool {
        ["user", "service_principal"].into_iter().filter_map(kinds::by_name).any(|kind| {
            let coming =
                self.bundle.by_key(kind, name).iter().any(|index| !matches!(self.fates.get(*index), Some(Fate::Never(_)) | None));
            coming || !self.present.by_key(kind, name).is_empty()
        })
    }
}

/// Whether what anybody may have written of an object can be believed: only of what looks like it. A person or group is
/// never known by that, since rights hang on them; a program whose id is another one by what it is called.
fn bears_out(object: &Sanitized, there: &Object) -> bool {
    if object.kind().name == "service_principal" {
        let (here, there) = (object.json().unwrap_or_default(), there.document().unwrap_or_default());
        let here = here.get("displayName").and_then(Value::as_str).filter(|here| !here.is_empty());
        return here.is_some_and(|here| there.get("displayName").is_some_and(|there| there == here));
    }
    if is_principal(object.kind().name) {
        return false;
    }
    there.key == object.key() || object.json().is_some_and(|body| differs_in_name_only(object.kind(), &body, &comparable(there)))
}

fn differs_in_name_only(kind: &'static Kind, wanted: &Map<String, Value>, actual: &Map<String, Value>) -> bool {
    let field = kind.key.at.rsplit('/').next().unwrap_or_default();
    let nameless = |body: &Map<String, Value>| body.iter().filter(|(name, _)| *name != field).map(pair).collect::<Map<_, _>>();
    !field.is_empty() && equal(kind, &nameless(wanted), &nameless(actual)).is_empty()
}

fn pair((name, value): (&String, &Value)) -> (String, Value) {
    (name.clone(), value.clone())
}

/// An id in the type that its kind has: job ids are integers (core reference §0.3).
pub(super) fn typed(kind: &Kind, id: &str) -> Value {
    let number = || id.parse::<i64>().ok().map(Value::from);
    (kind.name == "job").then(number).flatten().unwrap_or_else(|| json!(id))
}
