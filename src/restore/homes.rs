//! Homes follow their users: `/Users/Ada@X.com` of the source is `/Users/ada@x.com` in a target that names her so.
//!
//! A workspace makes the home with the user, under the name that it gives the user: in lower case for new users
//! (reference "more" §1.1), as it stands for one who is there, or another one altogether by the map file. What lies in the
//! home, and every path that leads there, moves along.

use super::Contents;
use crate::kinds::By;
use crate::object::{Body, Object, SourceId};
use crate::plan::Maps;
use crate::pointer;
use serde_json::{Value, json};
use std::collections::HashMap;

/// Homes that have another name in the target.
#[derive(Debug, Default)]
pub(super) struct Homes {
    /// Path of a home at the source, without case, to its path in the target.
    moved: HashMap<String, (String, String)>,
}

impl Homes {
    /// Looks at every user of the bundle: by the map file, by who is in the target, or by what a new user will be called.
    pub(super) fn of(objects: &[Object], target: &[Object], maps: &Maps) -> Self {
        let there: HashMap<String, &str> = users(target).map(|user| (user.key.to_lowercase(), user.key.as_str())).collect();
        let name = |user: &Object| {
            let lower = user.key.to_lowercase();
            let mapped = maps.get("user", &user.key).or_else(|| maps.get("user", &user.id)).map(str::to_owned);
            mapped.or_else(|| there.get(&lower).map(|name| (*name).to_owned())).unwrap_or(lower)
        };
        let pairs = users(objects).map(|user| (home(&user.key), home(&name(user)))).filter(|(from, to)| from != to);
        Self { moved: pairs.map(|(from, to)| (from.to_lowercase(), (from, to))).collect() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.moved.is_empty()
    }

    /// Moves every object that lies in such a home, and every path that leads there. Answers where each came from.
    pub(super) fn move_all(&self, contents: &mut Contents) -> HashMap<SourceId, SourceId> {
        let mut origins = HashMap::new();
        for object in &mut contents.objects {
            self.move_object(object, &mut origins);
        }
        origins
    }

    fn move_object(&self, object: &mut Object, origins: &mut HashMap<SourceId, SourceId>) {
        let before = object.source();
        if let Some(path) = self.moved(&object.id).filter(|_| object.kind.key.at.is_empty()) {
            object.key.clone_from(&path);
            object.id = path;
            origins.insert(object.source(), before);
        }
        if let Some(parent) = object.meta.get_mut("parent").and_then(|parent| parent.get_mut("id")) {
            self.move_value(parent);
        }
        let Body::Json(document) = &mut object.body else { return };
        for (at, _) in object.kind.references().filter(|(_, reference)| reference.by == By::Path) {
            pointer::edit(document, &at, &mut |_, value| self.move_value(value));
        }
        if object.kind.name == "repo" {
            pointer::edit(document, "/path", &mut |_, value| self.move_value(value));
        }
    }

    fn move_value(&self, value: &mut Value) -> bool {
        let moved = value.as_str().and_then(|text| self.moved(text));
        moved.map(|path| *value = json!(path)).is_some()
    }

    /// The path in the target, where it is another one. The alias `/Workspace` and the `-r` of requirement files stay.
    fn moved(&self, text: &str) -> Option<String> {
        let path = text.trim_start_matches("-r ");
        let path = path.strip_prefix("/Workspace").filter(|rest| rest.starts_with('/')).unwrap_or(path);
        let before = &text[..text.len() - path.len()];
        let owner = path.strip_prefix("/Users/")?.split('/').next()?;
        let (from, to) = self.moved.get(&home(owner).to_lowercase())?;
        Some(format!("{before}{to}{}", &path[from.len()..]))
    }
}

fn users(objects: &[Object]) -> impl Iterator<Item = &Object> {
    objects.iter().filter(|object| object.kind.name == "user")
}

fn home(name: &str) -> String {
    format!("/Users/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds;
    use serde_json::Map;

    fn object(kind: &str, id: &str, document: Value) -> Object {
        let kind = kinds::by_name(kind).expect("known");
        let key =
            document.pointer(kind.key.at).and_then(Value::as_str).filter(|_| !kind.key.at.is_empty()).unwrap_or(id).to_owned();
        Object {
            kind,
            id: id.into(),
            key,
            body: Body::Json(document),
            meta: Map::new(),
            modified_at: None,
            degraded: None,
            redacted: vec![],
        }
    }

    fn user(name: &str) -> Object {
        object("user", "1", json!({ "userName": name }))
    }

    #[test]
    fn what_lies_in_a_home_moves_with_its_user() {
        let job = json!({"settings": {"tasks": [{"notebook_task": {"notebook_path": "/Workspace/Users/Ada@X.com/etl"}}]}});
        let objects = vec![user("Ada@X.com"), object("directory", "/Users/Ada@X.com/deep", json!({})), object("job", "7", job)];
        let mut contents = Contents { objects, ..Contents::default() };
        let homes = Homes::of(&contents.objects, &[], &Maps::default());
        let origins = homes.move_all(&mut contents);
        assert_eq!(contents.objects[1].id, "/Users/ada@x.com/deep");
        assert_eq!(origins[&contents.objects[1].source()].id, "/Users/Ada@X.com/deep");
        let path = contents.objects[2].document().and_then(|job| job.pointer("/settings/tasks/0/notebook_task/notebook_path"));
        assert_eq!(path, Some(&json!("/Workspace/Users/ada@x.com/etl")));
    }

    #[test]
    fn a_user_who_is_there_keeps_the_name_that_the_target_has() {
        let homes = Homes::of(&[user("ada@x.com")], &[user("ADA@x.com")], &Maps::default());
        assert_eq!(homes.moved("/Users/ada@x.com/a"), Some("/Users/ADA@x.com/a".into()));
        assert!(Homes::of(&[user("ada@x.com")], &[], &Maps::default()).is_empty());
    }

    #[test]
    fn the_map_file_decides_first() {
        let maps = Maps::parse("user:\n  ada@x.com: ada@new.org\n").expect("a good map");
        let homes = Homes::of(&[user("ada@x.com")], &[], &maps);
        assert_eq!(homes.moved("/Users/ada@x.com"), Some("/Users/ada@new.org".into()));
        assert_eq!(homes.moved("/Users/bob@x.com"), None);
    }
}
