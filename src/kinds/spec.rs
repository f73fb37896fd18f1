//! What a kind is: the vocabulary of the table.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

/// One kind of workspace object: all that export, import, sanitizing, comparison and the documents know about it.
#[derive(Debug)]
pub struct Kind {
    /// Folder in the bundle, word on the command line.
    pub name: &'static str,
    /// What people call these objects, in the plural.
    pub title: &'static str,
    /// How the API offers it.
    pub shape: Shape,
    /// What stays the same in another workspace.
    pub key: Key,
    /// Where in the stored document the body of a create stands; the first that exists counts. `""` is the document.
    pub body: &'static [&'static str],
    /// Classes of fields, in groups: each group's pointers stand below each of its prefixes.
    pub fields: &'static [Fields],
    /// Where ids, names or paths of other objects stand. A `{{secrets/…}}` is looked for in every text.
    pub refs: &'static [Refs],
    /// Order that is no reference, with its reason.
    pub after: &'static [(&'static str, &'static str)],
    /// Object type at `/api/2.0/permissions/{type}/{id}`, where the kind has one.
    pub permissions: Option<&'static str>,
    /// Lists whose order means nothing: below the body, with the member that identifies an element (`""`: the element).
    pub unordered: &'static [(&'static str, &'static str)],
    /// Values that a server fills in by itself, in groups, below the body.
    pub defaults: &'static [Defaults],
    /// Rules for a create body that are more than a list of fields.
    pub shaping: &'static [Shaping],
    /// Where the API keeps the stamp (`lifeboat_source`), below the body: an object of tags.
    pub stamp: Option<&'static str>,
    /// How many writes of this kind may be under way at once.
    pub lanes: usize,
    /// Where a listed item says when the object was changed last, in milliseconds since 1970, so that what an earlier export read
    /// need not be read again. `None` where the listing is all there is to read, or has no mark of every change.
    pub changed: Option<&'static str>,
}

/// How the API offers a kind. Export and import match this exhaustively.
#[derive(Debug)]
pub enum Shape {
    /// JSON objects with a listing, a read and writes of their own.
    Collection(Collection),
    /// Bytes or folders at a path.
    Tree(Tree),
    /// A document that belongs to another object.
    Attached(Attached),
    /// Recorded, and resolved by name when others refer to it; not restored. The text says why.
    Recorded(Recorded),
}

/// A collection: list, read one, create, update.
#[derive(Debug)]
pub struct Collection {
    /// The listing.
    pub list: List,
    /// Pointer to the id in a listed item.
    pub id: &'static str,
    /// Reads one whole object; `None` where the listing is complete.
    pub get: Option<Get>,
    /// Makes one.
    pub create: Create,
    /// Brings one to the wanted state.
    pub update: Update,
    /// Deletes one; `None` where an import never deletes, whoever made it.
    pub delete: Option<&'static Call>,
    /// What follows each create at once, so that what was made is inert.
    pub settle: Option<&'static Settle>,
    /// Marks that only a second listing shows, kept in the object's `meta`.
    pub marks: &'static [Mark],
    /// Listed items that are no objects of their own.
    pub leave: &'static [Leave],
    /// Objects that every workspace has: never created, only matched.
    pub built_in: Option<fn(&Value) -> bool>,
}

/// A listing: `GET path`, the items under `items`.
#[derive(Debug)]
pub struct List {
    /// Path with query.
    pub path: &'static str,
    /// Member that holds the items; absent means none.
    pub items: &'static str,
    /// How pages follow one another.
    pub paging: Paging,
}

/// How pages follow one another (core reference, natural keys table; more, §0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paging {
    /// Everything in one answer.
    None,
    /// A token: name in the query, name in the answer. Absent or empty ends; an empty page with a token does not.
    Token(&'static str, &'static str),
    /// SCIM `startIndex` and `count`, RFC 7644 §3.4.2.4. Ends at a page without `Resources`.
    Scim,
}

/// Reads one object by id.
#[derive(Debug)]
pub struct Get {
    /// Path with query; `{id}` is the id.
    pub path: &'static str,
    /// Arrays that go on in further pages of the same read (`page_token`, `next_page_token`), as pointers.
    pub arrays: &'static [&'static str],
}

/// Makes one object.
#[derive(Debug)]
pub struct Create {
    /// The call; its body is the sanitized body.
    pub call: Call,
    /// Pointer to the new id in the answer; `None` where the natural key is the id.
    pub id: Option<&'static str>,
}

/// How an existing object is brought to the wanted state.
#[derive(Debug)]
pub enum Update {
    /// One call that replaces everything.
    Replace {
        /// The call.
        call: Call,
        /// Where the id stands in the body; `None` where it stands in the path.
        id: Option<&'static str>,
        /// Member that holds the new settings; `None` where they stand at the top.
        under: Option<&'static str>,
        /// The same for only some of the fields, where the API has such a call: the others stay as they are.
        part: Option<Call>,
    },
    /// SCIM PATCH (RFC 7644 §3.5.2): one operation per field that differs.
    ScimPatch(Call),
    /// Sends only the fields of class [`Class::Later`] and those that may change.
    Fields(Call),
    /// There is no update; the reason is shown.
    Never(&'static str),
}

/// A call: method and path; `{id}`, `{parent}` and `{type}` are filled in.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// `POST`, `PUT`, `PATCH`.
    pub method: &'static str,
    /// Path, with query where needed.
    pub path: &'static str,
    /// Body with placeholders for calls that send nothing else, as JSON text; empty for the object's own body.
    pub body: &'static str,
    /// Whether a second call does no harm.
    pub idempotent: bool,
}

/// A call that makes inert what a create set going.
#[derive(Debug)]
pub struct Settle {
    /// The call; `{id}` is the new id.
    pub call: Call,
    /// Whether a document shows that the create was never followed by this call, so that an import died in between.
    pub missed: fn(&Value) -> bool,
}

/// A yes or no that a second listing shows: a cluster is pinned.
#[derive(Debug)]
pub struct Mark {
    /// Name in `meta`.
    pub name: &'static str,
    /// The listing of those that are marked.
    pub list: List,
    /// Sets the mark.
    pub set: Call,
    /// Takes the mark away, without which the object cannot be deleted.
    pub clear: Call,
}

/// Listed items that are left out, and why.
#[derive(Debug)]
pub struct Leave {
    /// Whether this item is one.
    pub when: fn(&Value) -> bool,
    /// Why.
    pub reason: &'static str,
}

/// Places where bytes or folders live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tree {
    /// Workspace folder.
    Directory,
    /// Notebook.
    Notebook,
    /// Workspace file.
    File,
    /// Git folder.
    Repo,
    /// A workspace object of a type that has no other place.
    Other,
    /// File in DBFS.
    Dbfs,
    /// File in a Unity Catalog volume.
    Volume,
}

impl Tree {
    /// Values of `object_type` in a workspace listing.
    pub fn object_types(self) -> &'static [&'static str] {
        match self {
            Self::Directory => &["DIRECTORY"],
            Self::Notebook => &["NOTEBOOK"],
            Self::File => &["FILE"],
            Self::Repo => &["REPO"],
            Self::Other | Self::Dbfs | Self::Volume => &[],
        }
    }
}

/// A document that hangs on other objects.
#[derive(Debug)]
pub struct Attached {
    /// Kinds that it hangs on; empty: every kind that names a permissions type.
    pub to: &'static [&'static str],
    /// How it is read.
    pub read: Read,
    /// How it is written.
    pub write: Write,
}

/// How an attached document is read.
#[derive(Debug)]
pub enum Read {
    /// One call for each parent; the answer is the document. `{parent}` and `{type}` are filled in.
    Each(&'static str),
    /// One call for each parent; each item is an object of its own, its id below the parent's.
    EachItems {
        /// Path; `{parent}` is filled in.
        path: &'static str,
        /// Member with the items.
        items: &'static str,
        /// Pointer to what tells the items apart.
        id: &'static str,
    },
    /// One listing for all parents.
    Together {
        /// The listing.
        list: List,
        /// Pointer to the parent's id in an item.
        parent: &'static str,
    },
    /// A value that a workspace does not give out by itself, for each object of another kind that hangs on the same parent. It is
    /// read only where a person names a source for it, stored only in encrypted bundles, and shown to nobody unasked.
    Given {
        /// The kind of what it is the value of.
        of: &'static str,
        /// Path that a workspace may answer; `{parent}` and `{key}` are filled in.
        path: &'static str,
        /// Why it is not in the workspace, by the parent's document, if so.
        elsewhere: fn(&Value) -> Option<&'static str>,
    },
}

/// How an attached document is written.
#[derive(Debug)]
pub enum Write {
    /// One call with the whole document.
    Whole {
        /// The call.
        call: Call,
        /// Where the parent's id stands in the body, if not in the path.
        parent: Option<&'static str>,
    },
    /// One call for each entry.
    Entries {
        /// Pointer to the entries.
        at: &'static str,
        /// The call; the entry is its body.
        call: Call,
        /// Where the parent's id stands in the body.
        parent: &'static str,
    },
    /// It comes to be with its value; without one, a person is told to set it.
    ByValue {
        /// The kind that holds the value, under the same id.
        value: &'static str,
        /// What the person does.
        todo: &'static str,
    },
    /// The value of something that hangs on the same parent: it stays in the bundle until it is sent.
    Value {
        /// The call: `key`, `bytes_value` and the parent's id are its body.
        call: Call,
        /// Where the parent's id stands in the body.
        parent: &'static str,
    },
}

/// Recorded, not restored.
#[derive(Debug)]
pub struct Recorded {
    /// The listing.
    pub list: List,
    /// Pointer to the id in an item.
    pub id: &'static str,
    /// Why it is not restored.
    pub reason: &'static str,
}

/// The natural key of a kind.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Pointer in the document; empty for kinds whose path is the key.
    pub at: &'static str,
    /// Whether the API keeps two objects from having the same one.
    pub unique: bool,
    /// Whether letters compare without case.
    pub fold: bool,
}

/// Fields of a group stand below each prefix.
#[derive(Debug)]
pub struct Fields {
    /// Prefixes.
    pub at: &'static [&'static str],
    /// Pointer below the prefix, and class.
    pub fields: &'static [(&'static str, Class)],
}

/// What a field is, which decides who touches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Sent on create and update, and compared.
    Sent,
    /// Sent under another name.
    SentAs(&'static str),
    /// Sent only on create: a difference later is reported, not written.
    FixedAtCreate,
    /// Sent after the create, once everything that it refers to exists.
    Later,
    /// Set by the server; never sent, compared or counted.
    ServerSet,
    /// Set by the server and different every night: left out of the bundle's `content_id` as well.
    Volatile,
    /// Accepted but never shown again.
    WriteOnly,
    /// Blanked before anything is stored.
    Secret,
    /// Tied to a cloud, region or tenant: a restore elsewhere may need a map.
    EnvironmentBound,
    /// Starts, bills or notifies: a restore sets this JSON text instead; empty text means the field is left out.
    Activation(&'static str),
}

/// Values that a server fills in by itself stand below each prefix.
#[derive(Debug)]
pub struct Defaults {
    /// Prefixes below the body.
    pub at: &'static [&'static str],
    /// Pointer below the prefix, and JSON text; `None` where any value may appear when none was sent.
    pub values: &'static [(&'static str, Option<&'static str>)],
}

/// References of a group stand below each prefix.
#[derive(Debug)]
pub struct Refs {
    /// Prefixes.
    pub at: &'static [&'static str],
    /// References below the prefix.
    pub refs: &'static [Ref],
}

/// One place where another object is referred to.
#[derive(Clone, Copy, Debug)]
pub struct Ref {
    /// Pointer below the prefix.
    pub at: &'static str,
    /// Kinds that it may refer to.
    pub to: &'static [&'static str],
    /// What the value is.
    pub by: By,
    /// What a restore does when nothing in the target answers to it.
    pub gone: Gone,
}

/// What a referring value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The id that the server gave.
    Id,
    /// The natural key: a user name, application id, group or scope name.
    Key,
    /// A path in the workspace, DBFS or a volume.
    Path,
    /// The name or id of something that is not carried: the map file's section of this name may say what stands for it.
    Elsewhere(&'static str),
}

/// What a restore does with a reference that leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Gone {
    /// Sends it as it is, and reports it.
    Keep,
    /// Does not send the object at all, and reports it: every workspace refuses one that names what is not there.
    Needed,
    /// Leaves the field out, and reports it.
    Drop,
    /// Leaves out what holds the field (an entry of a list, an object), and reports it.
    DropParent,
    /// Sends it as it is: such a value need not refer to anything, or says where it leads in any workspace.
    Silent,
}

/// A rule for a create body that is more than a list of fields.
#[derive(Debug)]
pub struct Shaping {
    /// Prefixes of the bodies that it shapes, below the body; `""` is the body.
    pub at: &'static [&'static str],
    /// Why it is needed.
    pub reason: &'static str,
    /// The rule: whole stored document, body to change.
    pub run: fn(&Value, &mut Map<String, Value>),
}

impl Kind {
    /// Every field with its full pointer.
    pub fn fields(&self) -> impl Iterator<Item = (String, Class)> + '_ {
        let pairs = |group: &'static Fields| group.at.iter().flat_map(|at| group.fields.iter().map(move |field| (*at, field)));
        self.fields.iter().flat_map(pairs).map(|(at, (field, class))| (format!("{at}{field}"), *class))
    }

    /// Every reference with its full pointer.
    pub fn references(&self) -> impl Iterator<Item = (String, &'static Ref)> + '_ {
        let pairs = |group: &'static Refs| group.at.iter().flat_map(|at| group.refs.iter().map(move |one| (*at, one)));
        self.refs.iter().flat_map(pairs).map(|(at, one)| (format!("{at}{}", one.at), one))
    }

    /// Every default with its full pointer below the body.
    pub fn server_defaults(&self) -> impl Iterator<Item = (String, Option<&'static str>)> + '_ {
        let pairs = |group: &'static Defaults| group.at.iter().flat_map(|at| group.values.iter().map(move |value| (*at, value)));
        self.defaults.iter().flat_map(pairs).map(|(at, (field, value))| (format!("{at}{field}"), *value))
    }

    /// The fields of a create body, by name, with their class: the allow-list.
    pub fn sent(&self) -> impl Iterator<Item = (&'static str, Class)> + '_ {
        let root = self.body.first().copied().unwrap_or("");
        let here = self.fields.iter().filter(move |group| group.at.contains(&root));
        here.flat_map(|group| group.fields).filter_map(|(field, class)| sendable(field, *class))
    }

    /// Whether each object is read by a call of its own, and no listing says whether it changed since.
    pub fn is_read_unmarked(&self) -> bool {
        let read = match &self.shape {
            Shape::Collection(collection) => collection.get.is_some(),
            Shape::Tree(tree) => matches!(tree, Tree::Repo | Tree::Volume),
            Shape::Attached(attached) => matches!(attached.read, Read::Each(_)),
            Shape::Recorded(_) => false,
        };
        read && self.changed.is_none()
    }

    /// Whether an import can bring it back.
    pub fn restorable(&self) -> bool {
        match &self.shape {
            Shape::Collection(_) => true,
            Shape::Tree(tree) => *tree != Tree::Other,
            Shape::Attached(attached) => !matches!(attached.write, Write::ByValue { .. }),
            Shape::Recorded(_) => false,
        }
    }

    /// Whether its objects are values of secrets, whose bytes nobody is shown who does not ask for just that.
    pub fn is_secret_value(&self) -> bool {
        matches!(&self.shape, Shape::Attached(attached) if matches!(attached.read, Read::Given { .. }))
    }

    /// The body of a create inside a stored document.
    pub fn body_of<'a>(&self, document: &'a Value) -> Option<&'a Value> {
        self.body.iter().find_map(|at| document.pointer(at).filter(|body| !body.is_null()))
    }
}

fn sendable(field: &'static str, class: Class) -> Option<(&'static str, Class)> {
    let name = field.strip_prefix('/').filter(|name| !name.contains('/'))?;
    let sent = matches!(
        class,
        Class::Sent
            | Class::SentAs(_)
            | Class::FixedAtCreate
            | Class::Later
            | Class::WriteOnly
            | Class::EnvironmentBound
            | Class::Activation(_)
    );
    sent.then_some((name, class))
}
