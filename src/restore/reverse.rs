//! The way back: a bundle of the workspace into which a restore went returns to where that came from.
//!
//! The id map of the restore, read backwards, says which object is whose original; what the restore and `deactivate` switched off
//! is as it was before, since nobody but us had said that it be off; rules go the other way round. All else is a restore like any
//! other, and [`crate::plan::Back`] keeps what nobody changed.

use super::ids::{self, Ids};
use super::prepared::{asked_for, under};
use super::{Goal, Options, Prepared, RestoreError, source_of};
use crate::api::{Identity, Workspace};
use crate::audit::{self, Contents};
use crate::berth;
use crate::bundle::Reader;
use crate::event::{Event, Observer};
use crate::journal::{self, Book, Off};
use crate::kinds::{self, Kind, Shape};
use crate::object::{Body, Object, Selection, SourceId, Wanted};
use crate::packed::Packed;
use crate::plan::{self, Back, Inventory, Matter, Plan, Source, Target, Todo, What};
use crate::pointer;
use crate::rules::{Code, RuleSet, Rules, sanitize};
use crate::spool::Spool;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// The way on which a restore went, known from its other end.
#[derive(Debug, Default)]
pub(super) struct Way {
    /// What the restore made, by object of the original.
    book: Book,
    /// The original of each object of the bundle.
    pub originals: Ids,
    /// What was switched off in the workspace of the bundle, by its own ids.
    off: Book,
}

impl Way {
    /// Finds it: by this machine's journals, else by the copy in the workspace that the bundle comes from, and by stamps.
    async fn find(
        options: &Options,
        contents: &Contents,
        source: &Source,
        target: &str,
        observer: &Arc<dyn Observer>,
    ) -> Result<Self, RestoreError> {
        let mut way = Self::remembered(options, source, target)?;
        if way.book.is_empty()
            && let Some(workspace) = &options.came_from
        {
            way.book = ids::copy(workspace, &source.workspace_id, target, observer).await?;
            way.off = switched_off(workspace, &source.workspace_id).await?;
        }
        way.originals = originals(&way.book);
        way.add_stamped(contents, target);
        if way.originals.is_empty() {
            return Err(RestoreError::NotFromHere { from: source.workspace_id.clone(), to: target.to_owned() });
        }
        Ok(way)
    }

    fn remembered(options: &Options, source: &Source, target: &str) -> Result<Self, RestoreError> {
        let Some(folder) = &options.journals else { return Ok(Self::default()) };
        let book = journal::book(folder, &source.workspace_id, target).map_err(RestoreError::Journal)?;
        let off = journal::switched_off(folder, &source.workspace_id).map_err(RestoreError::Journal)?;
        Ok(Self { book, off, originals: Ids::new() })
    }

    /// A stamp tells too, where the id map does not, and nothing else bears the same.
    fn add_stamped(&mut self, contents: &Contents, target: &str) {
        let mut claims: BTreeMap<SourceId, Vec<SourceId>> = BTreeMap::new();
        for object in &contents.objects {
            let id = object.stamp().and_then(|stamp| Some(stamp.strip_prefix(target)?.strip_prefix('/')?.to_owned()));
            if let Some(id) = id {
                claims.entry(SourceId { kind: object.kind.name.into(), id }).or_default().push(object.source());
            }
        }
        let known: HashSet<(String, String)> = self.originals.iter().map(|(one, id)| (one.kind.clone(), id.clone())).collect();
        for (original, claimants) in claims {
            if let [one] = claimants.as_slice()
                && !known.contains(&(original.kind.clone(), original.id.clone()))
            {
                self.originals.entry(one.clone()).or_insert(original.id);
            }
        }
    }

    /// Puts back what was switched off by us: what is off besides is off because somebody wanted it so.
    fn wake(&self, objects: &mut [Object]) {
        for object in objects {
            let Some(twin) = self.off.get(&object.source()) else { continue };
            let kind = object.kind;
            let Some(mut document) = object.document().map(Cow::into_owned) else { continue };
            twin.off.iter().for_each(|off| wake(kind, &mut document, off));
            object.body = Body::Packed(Packed::of(&document));
        }
    }

    /// What a plan needs to know of the target besides.
    pub(super) fn want(&self, wanted: &mut Wanted, contents: &Contents) {
        for (object, id) in &self.originals {
            kinds::by_name(&object.kind).into_iter().for_each(|kind| wanted.add_id(kind, id));
        }
        self.want_homes(wanted, contents);
        for (kind, id) in self.missing(contents) {
            match kind.shape {
                Shape::Tree(_) => wanted.add(kind, &id, &id),
                _ => wanted.add_id(kind, &id),
            }
        }
    }

    /// A home may be spelled otherwise there: what lies in it is looked for under its old name as well.
    fn want_homes(&self, wanted: &mut Wanted, contents: &Contents) {
        let owner = |path: &str| path.strip_prefix("/Users/").map(|rest| rest.split('/').next().unwrap_or(rest).to_owned());
        let renamed = self.book.iter().filter(|(object, _)| object.id.starts_with("/Users/"));
        let renamed =
            renamed.filter_map(|(object, twin)| Some((owner(&twin.to)?, owner(twin.origin.as_ref().unwrap_or(&object.id))?)));
        let names: BTreeMap<String, String> = renamed.filter(|(image, original)| image != original).collect();
        let directory = kinds::by_name("directory");
        for object in &contents.objects {
            let Some((image, original)) = owner(&object.id).and_then(|image| names.get_key_value(&image)) else { continue };
            let path = object.id.replacen(image.as_str(), original, 1);
            wanted.add(object.kind, &path, &path);
            directory.into_iter().for_each(|kind| wanted.add(kind, &path, &format!("/Users/{original}")));
        }
    }

    /// Originals whose image the bundle does not hold.
    fn missing<'a>(&'a self, contents: &Contents) -> impl Iterator<Item = (&'static Kind, String)> + use<'a> {
        let there: HashSet<SourceId> = contents.objects.iter().map(Object::source).collect();
        let gone = move |object: &SourceId, to: &str| !there.contains(&SourceId { kind: object.kind.clone(), id: to.into() });
        let missing = self.book.iter().filter(move |(object, twin)| gone(object, &twin.to));
        missing.filter_map(|(object, twin)| {
            let kind = kinds::by_name(&object.kind).filter(|kind| !matches!(kind.shape, Shape::Attached(_)))?;
            Some((kind, twin.origin.clone().unwrap_or_else(|| object.id.clone())))
        })
    }

    /// Refuses what would run on both sides, and tells what was deleted.
    pub(super) fn judge(
        &self,
        reader: &Reader,
        prepared: &Prepared,
        inventory: &Inventory,
        selection: &Selection,
        plan: &mut Plan,
    ) -> Result<(), RestoreError> {
        if plan.writes() > 0 {
            refuse_active(inventory)?;
        }
        plan.todos.extend(self.deleted(reader, &prepared.contents, inventory, selection));
        Ok(())
    }

    /// What was deleted where the bundle comes from, and is still there in the target: told, and left to a person.
    fn deleted(&self, reader: &Reader, contents: &Contents, inventory: &Inventory, selection: &Selection) -> Vec<Todo> {
        let there: HashMap<(&str, &str), &Object> =
            inventory.objects.iter().map(|object| ((object.kind.name, object.id.as_str()), object)).collect();
        let gaps = &reader.manifest().gaps;
        let mut names = BTreeSet::new();
        for (kind, id) in self.missing(contents) {
            let Some(object) = there.get(&(kind.name, id.as_str())) else { continue };
            let to =
                self.originals.iter().find(|(one, original)| one.kind == kind.name && **original == id).map(|(one, _)| &one.id);
            let path = to.unwrap_or(&id);
            let told = gaps.iter().any(|gap| is_about(&gap.path, path) && (gap.kind == kind.name || gap.path.ends_with("/**")));
            if !told && selection.wants(kind.name, &object.key) {
                names.insert(plan::name_of(kind, &object.key, &id));
            }
        }
        let text = "it was deleted where the bundle comes from, and is still here: delete it by hand if it should go";
        if names.is_empty() {
            Vec::new()
        } else {
            vec![Todo { what: What::Look, text: text.into(), objects: names.into_iter().collect() }]
        }
    }

    /// What rules of the restore make of the originals, as the workspace of the bundle has it.
    pub(super) fn back(
        &self,
        reader: &Reader,
        contents: &Contents,
        inventory: &Inventory,
        options: &Options,
    ) -> Result<Back, RestoreError> {
        let forward = &options.forward();
        let inverse = forward.inverse();
        let whole;
        let all = if options.selection.is_everything() && options.goal == Goal::Restore {
            contents
        } else {
            whole = audit::contents(reader, &Selection::default())?;
            &whole
        };
        let (recorded, objects): (Vec<Object>, Vec<Object>) =
            inventory.objects.iter().cloned().partition(|object| matches!(object.kind.shape, Shape::Recorded(_)));
        let restored = forward.apply(&objects, &Code::default()).objects;
        let images =
            self.originals.iter().map(|(object, id)| (SourceId { kind: object.kind.clone(), id: id.clone() }, object.id.clone()));
        let choices = plan::Options {
            back: Back { originals: images.collect(), gone_too: true, ..Back::default() },
            ..options.plan.clone()
        };
        let source = Source { workspace_id: inventory.target.workspace_id.clone(), ..Source::default() };
        let there = image(reader, all);
        let matter = Matter {
            objects: &restored,
            recorded: &recorded,
            inventory: &there,
            maps: forward.maps(),
            source: &source,
            options: &choices,
        };
        let mut bases = plan::bases(matter);
        let bodies: Vec<Object> =
            all.objects.iter().filter_map(|object| with_body(object, bases.remove(&object.source())?)).collect();
        let turned = inverse.rules.apply(&bodies, &Code::default()).objects;
        let bases = turned.iter().filter_map(|one| {
            let id = one.origin().unwrap_or(one.id()).to_owned();
            Some((SourceId { kind: one.kind().name.into(), id }, one.json()?))
        });
        let unclear = inverse.unclear.into_iter().map(|(section, to, _)| (section, to));
        let maker = there.target.user;
        Ok(Back { originals: self.originals.clone(), bases: bases.collect(), maker, gone_too: false, unclear: unclear.collect() })
    }
}

/// A bundle that goes back, under its rules the other way round.
pub(super) async fn prepare(
    reader: &Reader,
    options: &Options,
    identity: &Identity,
    observer: &Arc<dyn Observer>,
) -> Result<(Prepared, Way), RestoreError> {
    let mut contents = asked_for(reader, options)?;
    let target = identity.workspace_id.as_deref().unwrap_or_default();
    let way = Way::find(options, &contents, &source_of(reader), target, observer).await?;
    let forward = options.forward();
    let rules = turned(&forward, observer)?;
    way.wake(&mut contents.objects);
    leave_scaffold(&mut contents.objects, &forward);
    Ok((under(reader, contents, rules)?, way))
}

/// Rules the other way round, with a word on what has no way back.
fn turned(rules: &RuleSet, observer: &Arc<dyn Observer>) -> Result<RuleSet, RestoreError> {
    let inverse = rules.inverse();
    if inverse.loses_code {
        return Err(RestoreError::NoWayBack);
    }
    for (section, to, from) in &inverse.unclear {
        let text = format!(
            "maps: {section}: {} all became \"{to}\": where nobody changed it, the original stays; elsewhere \"{to}\" is kept",
            from.join(", ")
        );
        observer.event(&Event::Warning(text));
    }
    Ok(inverse.rules)
}

/// Leaves out folders that moves alone had needed: nothing lies in them but what is moved back.
fn leave_scaffold(objects: &mut Vec<Object>, forward: &RuleSet) {
    let below = |path: &str, folder: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
    let places: Vec<&str> = forward.moves().map(|(_, to)| to).collect();
    let leads = |path: &str| places.iter().any(|to| below(to, path));
    let moved = |path: &str| places.iter().any(|to| path == *to || below(path, to));
    let tree = || objects.iter().filter(|object| matches!(object.kind.shape, Shape::Tree(_)));
    let needed = |path: &str| tree().any(|one| below(&one.id, path) && !moved(&one.id) && !leads(&one.id));
    let folders = tree().filter(|one| one.kind.name == "directory" && leads(&one.id) && !needed(&one.id));
    let gone: HashSet<String> = folders.map(|one| one.id.clone()).collect();
    let on = |object: &Object| object.meta.parent().is_some_and(|(kind, id)| kind == "directory" && gone.contains(&id));
    objects.retain(|object| !on(object) && (object.kind.name != "directory" || !gone.contains(&object.id)));
}

/// Refuses while something is active in the target: it would run on both sides.
fn refuse_active(inventory: &Inventory) -> Result<(), RestoreError> {
    let rules = Rules::standby();
    let switches = inventory.objects.iter().filter(|object| plan::has_switches(object.kind));
    let active: Vec<String> = switches
        .filter(|object| !sanitize(&rules, object).changes().is_empty())
        .map(|object| plan::name_of(object.kind, &object.key, &object.id))
        .collect();
    if active.is_empty() { Ok(()) } else { Err(RestoreError::StillActive { objects: active }) }
}

/// What earlier imports in the other direction say: objects of the target that those of the bundle came from.
pub(super) fn forward(options: &Options, source: &Source, target: &str) -> Result<Ids, RestoreError> {
    let Some(folder) = options.journals.as_ref().filter(|_| source.workspace_id != target) else { return Ok(Ids::new()) };
    journal::book(folder, &source.workspace_id, target).map(|book| originals(&book)).map_err(RestoreError::Journal)
}

/// An id map read backwards. What stands for several originals stands for none; what has a path goes by that.
fn originals(book: &Book) -> Ids {
    let mut all: BTreeMap<SourceId, BTreeSet<String>> = BTreeMap::new();
    for (object, twin) in book {
        let lasting = kinds::by_name(&object.kind).is_some_and(|kind| matches!(kind.shape, Shape::Collection(_)));
        if lasting {
            let image = SourceId { kind: object.kind.clone(), id: twin.to.clone() };
            all.entry(image).or_default().insert(twin.origin.clone().unwrap_or_else(|| object.id.clone()));
        }
    }
    all.into_iter().filter(|(_, ids)| ids.len() == 1).filter_map(|(image, ids)| Some((image, ids.into_iter().next()?))).collect()
}

async fn switched_off(workspace: &Workspace, target: &str) -> Result<Book, RestoreError> {
    let spool = Spool::in_temp()?;
    Ok(berth::switched_off(workspace, &spool, target).await?)
}

fn wake(kind: &Kind, document: &mut Value, off: &Off) {
    let root =
        kind.body.iter().find(|root| document.pointer(root).is_some_and(|body| !body.is_null())).copied().unwrap_or_default();
    let at = format!("{root}{}", off.at);
    if document.pointer(&at) != off.now.as_ref() {
        return;
    }
    match &off.was {
        Some(was) => drop(pointer::set(document, &at, was)),
        None => drop(pointer::remove(document, &at)),
    }
}

/// Whether a gap, which may be a folder or a whole kind, is about this.
fn is_about(gap: &str, path: &str) -> bool {
    gap == "*" || gap == path || gap.strip_suffix("**").is_some_and(|folder| path.starts_with(folder))
}

/// The bundle as an inventory of the workspace that it comes from.
fn image(reader: &Reader, contents: &Contents) -> Inventory {
    let text = |name: &str| reader.manifest().head.source.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let target = Target { host: text("host"), workspace_id: text("workspace_id"), user: text("caller"), is_admin: true };
    let objects = contents.objects.iter().chain(&contents.recorded).cloned().collect();
    Inventory { target, objects, ..Inventory::default() }
}

/// An object with another body.
fn with_body(object: &Object, body: serde_json::Map<String, Value>) -> Option<Object> {
    let mut document = object.document()?.into_owned();
    let root = object.kind.body.iter().find(|root| document.pointer(root).is_some_and(|body| !body.is_null()))?;
    match *root {
        "" => {
            let own = document.as_object()?.keys().filter(|name| object.kind.sent().any(|(field, _)| field == name.as_str()));
            let own: Vec<String> = own.cloned().collect();
            let members = document.as_object_mut()?;
            own.iter().for_each(|name| drop(members.shift_remove(name)));
            members.extend(body);
        }
        root => *document.pointer_mut(root)? = Value::Object(body),
    }
    Some(Object { body: Body::Packed(Packed::of(&document)), redacted: Vec::new(), ..object.clone() })
}
