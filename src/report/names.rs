//! What the page calls things, so that a reader can tell them apart and find them again: a name that several have goes with the id,
//! and the id of a service principal with the name that people gave it.

use super::Facts;
use crate::access::Subject;
use crate::relations::Node;
use std::collections::{HashMap, HashSet};

/// The names of one bundle.
pub(super) struct Names<'a> {
    /// Kind and name of what has several ids.
    shared: HashMap<(&'a str, &'a str), Vec<&'a str>>,
    /// What users and service principals are called, by the name under which the workspace knows them.
    people: HashMap<String, String>,
}

impl<'a> Names<'a> {
    pub(super) fn new(facts: &Facts<'a>) -> Self {
        let named = || {
            let members = facts.reader.manifest().members.iter();
            members
                .filter_map(|member| Some((&*member.kind, member.key.as_deref()?, &*member.path)))
                .filter(|(_, key, id)| key != id)
        };
        let (mut met, mut several) = (HashSet::new(), HashSet::new());
        several.extend(named().map(|(kind, key, _)| (kind, key)).filter(|name| !met.insert(*name)));
        let mut shared: HashMap<_, Vec<_>> = HashMap::new();
        named().filter(|(kind, key, _)| several.contains(&(*kind, *key))).for_each(|(kind, key, id)| {
            shared.entry((kind, key)).or_default().push(id);
        });
        let people = facts.access.principals().map(|id| facts.access.principal(id)).filter(|one| one.kind != "group");
        let people = people.map(|one| (one.name.to_lowercase(), one.label())).collect();
        Self { shared, people }
    }

    /// An object.
    pub(super) fn object(&self, kind: &str, id: &str, name: &str) -> String {
        match name {
            "" => self.person(id),
            name if self.shared.contains_key(&(kind, name)) => format!("{name} [{id}]"),
            name => self.person(name),
        }
    }

    pub(super) fn subject(&self, subject: &Subject) -> String {
        self.object(subject.kind, &subject.id, &subject.name)
    }

    /// `kind:name`, as commands take it.
    pub(super) fn node(&self, node: &Node) -> String {
        format!("{}:{}", node.kind, self.object(node.kind, &node.id, &node.key))
    }

    /// `kind:name` as others wrote it, with its id; where that is not known and several have the name, with the ids of all.
    pub(super) fn told(&self, object: &str, id: Option<&str>) -> String {
        let Some((kind, name)) = object.split_once(':') else { return object.to_owned() };
        match (self.shared.get(&(kind, name)), id) {
            (None, _) => format!("{kind}:{}", self.person(name)),
            (Some(_), Some(id)) => format!("{kind}:{name} [{id}]"),
            (Some(ids), None) => format!("{kind}:{name} [{} have this name: {}]", ids.len(), ids.join(", ")),
        }
    }

    /// A sentence of others, in which service principals stand by their ids.
    pub(super) fn sentence(&self, text: &str) -> String {
        let labels = self.people.iter().filter(|(id, label)| label.len() > id.len() && text.contains(id.as_str()));
        labels.fold(text.to_owned(), |text, (id, label)| text.replace(id.as_str(), label))
    }

    /// A user, group or service principal, by the name under which the workspace knows it.
    pub(super) fn person(&self, name: &str) -> String {
        self.people.get(&name.to_lowercase()).cloned().unwrap_or_else(|| name.to_owned())
    }
}
