//! Who there is: users, service principals and groups, and which groups each is in, however deep.

use crate::kinds;
use crate::object::Object;
use foldhash::{HashMap, HashSet};
use serde_json::Value;
use std::collections::VecDeque;

/// A principal by its number.
pub(super) type Who = u32;

/// Groups that everybody is in, listed or not (reference "more" §1.3).
const EVERYBODY: [&str; 2] = ["users", "account users"];

/// The group whose members may do everything (core reference §14 rule 2).
const ADMINS: &str = "admins";

/// Kinds of principals, in the order in which a bare name is looked for.
pub(super) const KINDS: [&str; 3] = ["user", "service_principal", "group"];

/// A user, a service principal or a group.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub kind: &'static str,
    pub id: String,
    /// By which access lists know it: user name, application id, group name.
    pub name: String,
    pub display: String,
    /// `false` where it is switched off.
    pub active: bool,
    /// `false` where only an access list or an object names it.
    pub there: bool,
    pub entitlements: Vec<String>,
    /// What else is given to it: instance profiles.
    pub roles: Vec<String>,
}

/// All principals.
#[derive(Debug, Default)]
pub(super) struct People {
    pub all: Vec<Person>,
    by_name: HashMap<(&'static str, String), Who>,
    by_id: HashMap<String, Who>,
    /// The groups that each is in directly.
    up: Vec<Vec<Who>>,
    /// Groups that the workspace lists for it, and that no group known here leads to.
    listed: Vec<Vec<Who>>,
    /// Who is in each directly, listed here or there.
    down: Vec<Vec<Who>>,
    pub everybody: Vec<Who>,
    pub admins: Option<Who>,
}

/// A principal, the groups that it is in, and how it came to each.
#[derive(Debug)]
pub(super) struct Closure {
    own: Who,
    /// Through which: group, the group or principal before it, and how many steps away the group is.
    before: HashMap<Who, (Who, u32)>,
}

impl Closure {
    pub(super) fn has(&self, who: Who) -> bool {
        who == self.own || self.before.contains_key(&who)
    }

    fn add(&mut self, group: Who, before: Who) -> bool {
        let new = !self.has(group);
        if new {
            self.before.insert(group, (before, self.steps(before) + 1));
        }
        new
    }

    /// The principal itself.
    pub(super) fn own(&self) -> Who {
        self.own
    }

    /// Groups on the way to a group, itself included; none to the principal itself.
    pub(super) fn steps(&self, to: Who) -> u32 {
        self.before.get(&to).map_or(0, |(_, steps)| *steps)
    }

    /// The groups on the way from the principal to this group, the nearest first and the group itself last.
    pub(super) fn way(&self, to: Who) -> Vec<Who> {
        let mut way: Vec<Who> = std::iter::successors(Some(to), |who| self.before.get(who).map(|(before, _)| *before)).collect();
        way.pop();
        way.reverse();
        way
    }

    /// The groups, the principal itself not.
    pub(super) fn groups(&self) -> impl Iterator<Item = Who> + '_ {
        self.before.keys().copied()
    }
}

impl People {
    pub(super) fn new(objects: &[&Object]) -> Self {
        let mut people = Self::default();
        let documents = || objects.iter().filter_map(|object| Some((kind_of(object)?, object.document()?)));
        for (kind, document) in documents() {
            people.add(read(kind, &document));
        }
        for name in EVERYBODY.iter().chain([&ADMINS]) {
            people.find_or_add("group", name);
        }
        people.everybody = EVERYBODY.iter().filter_map(|name| people.by_name("group", name)).collect();
        people.admins = people.by_name("group", ADMINS);
        let mut seen = HashSet::default();
        documents().for_each(|(_, document)| people.join(&document, &mut seen));
        people
    }

    /// Once everybody is known.
    pub(super) fn settle(&mut self) {
        self.down = vec![Vec::new(); self.all.len()];
        for (who, groups) in (0..).zip(self.up.iter().zip(&self.listed)) {
            groups.0.iter().chain(groups.1).for_each(|group| self.down[*group as usize].push(who));
        }
    }

    /// Whoever is one of these, or in one of them, however deep; ascending.
    pub(super) fn within(&self, these: impl Iterator<Item = Who>) -> Vec<Who> {
        let mut found = vec![false; self.all.len()];
        let mut open: Vec<Who> = these.collect();
        while let Some(one) = open.pop() {
            if !std::mem::replace(&mut found[one as usize], true) {
                open.extend(&self.down[one as usize]);
            }
        }
        let everybody = self.everybody.iter().any(|group| found[*group as usize]);
        let is_within = |who: &Who| found[*who as usize] || (everybody && self.all[*who as usize].kind != "group");
        (0..).zip(&self.all).map(|(who, _)| who).filter(is_within).collect()
    }

    fn add(&mut self, person: Person) -> Who {
        let who = Who::try_from(self.all.len()).unwrap_or(Who::MAX);
        self.by_name.entry((person.kind, folded(person.kind, &person.name))).or_insert(who);
        if !person.id.is_empty() {
            self.by_id.entry(person.id.clone()).or_insert(who);
        }
        self.all.push(person);
        self.up.push(Vec::new());
        self.listed.push(Vec::new());
        who
    }

    pub(super) fn by_name(&self, kind: &'static str, name: &str) -> Option<Who> {
        self.by_name.get(&(kind, folded(kind, name))).copied()
    }

    /// The principal of this name, whatever it is; one that nobody lists is missing.
    pub(super) fn find_or_add(&mut self, kind: &'static str, name: &str) -> Who {
        self.by_name(kind, name).unwrap_or_else(|| self.add(missing(kind, name)))
    }

    /// The same where the kind is not told.
    pub(super) fn anybody(&mut self, name: &str) -> Who {
        let kind = if kinds::looks_like_uuid(name) { "service_principal" } else { "user" };
        KINDS.iter().find_map(|kind| self.by_name(kind, name)).unwrap_or_else(|| self.add(missing(kind, name)))
    }

    /// Those that a person may mean: by name, display name or id; a kind before a colon narrows it.
    pub(super) fn named(&self, text: &str) -> Vec<Who> {
        let narrowed = text.split_once(':').filter(|(kind, _)| KINDS.contains(kind));
        let (kind, text) = narrowed.map_or((None, text), |(kind, text)| (Some(kind), text));
        let all = || (0..).zip(&self.all).filter(|(_, one)| kind.is_none_or(|kind| one.kind == kind));
        let by_name: Vec<Who> =
            all().filter(|(_, one)| folded(one.kind, &one.name) == folded(one.kind, text)).map(|(who, _)| who).collect();
        if !by_name.is_empty() {
            return by_name;
        }
        all().filter(|(_, one)| one.id == text || one.display.eq_ignore_ascii_case(text)).map(|(who, _)| who).collect()
    }

    /// Who is in a group stands with the group; which groups somebody is in, with them: either may be all that was read.
    fn join(&mut self, document: &Value, seen: &mut HashSet<(Who, Who, bool)>) {
        let Some(own) = document.get("id").and_then(Value::as_str).and_then(|id| self.by_id.get(id).copied()) else { return };
        for member in list(document, "members") {
            let member = member.get("value").and_then(Value::as_str).and_then(|id| self.by_id.get(id).copied());
            if let Some(member) = member.filter(|member| seen.insert((*member, own, true))) {
                self.up[member as usize].push(own);
            }
        }
        for group in list(document, "groups") {
            let named = group.get("display").and_then(Value::as_str);
            let known = group.get("value").and_then(Value::as_str).and_then(|id| self.by_id.get(id).copied());
            let Some(known) = known.or_else(|| Some(self.find_or_add("group", named?))) else { continue };
            let direct = group.get("type").is_none_or(|kind| kind == "direct");
            let groups = if direct { &mut self.up } else { &mut self.listed };
            if seen.insert((own, known, direct)) {
                groups[own as usize].push(known);
            }
        }
    }

    /// All groups that a principal is in. A circle of groups ends where it began.
    pub(super) fn closure(&self, who: Who) -> Closure {
        let mut closure = Closure { own: who, before: HashMap::default() };
        let mut open = VecDeque::from([who]);
        self.climb(&mut closure, &mut open);
        if self.all[who as usize].kind != "group" {
            self.enter(who, &self.everybody, &mut closure, &mut open);
        }
        self.enter_listed(who, &mut closure, &mut open);
        closure
    }

    /// Groups that nothing else leads to come last, so that a way through the groups between is told where it is known.
    fn enter_listed(&self, who: Who, closure: &mut Closure, open: &mut VecDeque<Who>) {
        loop {
            let is_open = |one: &Who| self.listed[*one as usize].iter().any(|group| !closure.has(*group));
            let mut next: Vec<Who> = std::iter::once(who).chain(closure.groups()).filter(is_open).collect();
            if next.is_empty() {
                return;
            }
            next.sort_unstable();
            next.into_iter().for_each(|one| self.enter(one, &self.listed[one as usize], closure, open));
        }
    }

    fn enter(&self, who: Who, groups: &[Who], closure: &mut Closure, open: &mut VecDeque<Who>) {
        open.extend(groups.iter().filter(|group| closure.add(**group, who)));
        self.climb(closure, open);
    }

    fn climb(&self, closure: &mut Closure, open: &mut VecDeque<Who>) {
        while let Some(one) = open.pop_front() {
            for group in &self.up[one as usize] {
                if closure.add(*group, one) {
                    open.push_back(*group);
                }
            }
        }
    }
}

/// Names of users and service principals are the same in letters of either case.
pub(super) fn folded(kind: &str, name: &str) -> String {
    if kind == "group" { name.to_owned() } else { name.to_lowercase() }
}

fn kind_of(object: &Object) -> Option<&'static str> {
    KINDS.iter().find(|kind| **kind == object.kind.name).copied()
}

fn missing(kind: &'static str, name: &str) -> Person {
    let (id, display, active) = (String::new(), String::new(), true);
    let (entitlements, roles) = (Vec::new(), Vec::new());
    Person { kind, id, name: name.to_owned(), display, active, there: false, entitlements, roles }
}

fn read(kind: &'static str, document: &Value) -> Person {
    let text = |field: &str| document.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let name = match kind {
        "user" => "userName",
        "service_principal" => "applicationId",
        _ => "displayName",
    };
    let direct = |entry: &&Value| entry.get("type").is_none_or(|kind| kind == "direct");
    let values = |field: &str| {
        let values = list(document, field).iter().filter(direct).filter_map(|entry| entry.get("value")?.as_str());
        values.map(str::to_owned).collect()
    };
    Person {
        kind,
        id: text("id"),
        name: text(name),
        display: text("displayName"),
        active: document.get("active") != Some(&Value::Bool(false)),
        there: true,
        entitlements: values("entitlements"),
        roles: values("roles"),
    }
}

pub(super) fn list<'a>(document: &'a Value, field: &str) -> &'a [Value] {
    document.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
