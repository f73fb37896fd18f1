//! Maps: what of the target stands for what of the source, where names and stamps cannot tell.
//!
//! YAML, strict: an unknown section, a key given twice or a value that is no text or number is refused, with its line. A section
//! is a kind (objects, by id or key), or a sort of values that are bound to a cloud or region.

use super::words;
use crate::kinds::{self, By};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Sections of words that are found inside texts, and what they are: the table of kinds knows no single field for them.
pub(super) const TEXTS: &[(&str, &str)] = &[
    ("catalog", "catalogs"),
    ("schema", "schemas, as `catalog.schema`"),
    ("docker_registry", "container registries"),
    ("storage", "storage: an address, the beginning of one, or a host"),
    ("git_host", "Git hosts"),
    ("package_mirror", "package mirrors"),
    ("host", "workspace hosts and ids"),
    ("text", "any other words"),
];

/// Fields that hold a catalog, or a name that begins with one.
pub(super) const CATALOGS: &[&str] = &["catalog", "catalog_name", "table_names", "table_name", "full_name", "warehouse_catalog"];

/// What may be mapped besides objects and words: what the table knows to be bound to a cloud, a region or an account.
fn values() -> BTreeSet<&'static str> {
    let section = |by: By| if let By::Elsewhere(section) = by { Some(section) } else { None };
    kinds::all().iter().flat_map(|kind| kind.references()).filter_map(|(_, reference)| section(reference.by)).collect()
}

/// Whether a section holds values or words, and no objects.
pub(super) fn is_of_values(section: &str) -> bool {
    kinds::by_name(section).is_none()
}

/// Whether what a section maps may stand in source code.
pub(super) fn in_code(section: &str) -> bool {
    TEXTS.iter().any(|(name, _)| *name == section) || NAMED_IN_TEXTS.contains(&section)
}

/// Kinds whose objects are named inside texts by a word that means nothing else: an address, an application id.
pub(super) const NAMED_IN_TEXTS: &[&str] = &["user", "service_principal"];

/// Maps: section → source id, key or value → what stands for it in the target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Maps(BTreeMap<String, BTreeMap<String, String>>);

/// Maps that cannot be used; the message of the cause names the line.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the map file")]
pub struct MapsError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl Maps {
    /// Reads the text of a map file; an empty text is an empty map. Errors: see [`MapsError`].
    pub fn parse(text: &str) -> Result<Self, MapsError> {
        if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
            return Ok(Self::default());
        }
        let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
        serde_saphyr::from_str_with_options(text, options).map_err(|error| MapsError(Box::new(error)))
    }

    /// These maps and others, which count where both say something.
    #[must_use]
    pub fn with(mut self, others: &Self) -> Self {
        for (section, from, to) in others.all() {
            self.0.entry(section.to_owned()).or_default().insert(from.to_owned(), to.to_owned());
        }
        self
    }

    /// These pairs: section, source, target.
    pub(super) fn of<'a>(pairs: impl Iterator<Item = (&'a str, &'a str, &'a str)>) -> Self {
        let mut maps = Self::default();
        for (section, from, to) in pairs {
            maps.0.entry(section.to_owned()).or_default().insert(from.to_owned(), to.to_owned());
        }
        maps
    }

    /// One section; empty if there is none.
    pub(super) fn section(&self, name: &str) -> impl Iterator<Item = (&str, &str)> {
        self.0.get(name).into_iter().flatten().map(|(from, to)| (from.as_str(), to.as_str()))
    }

    /// What stands for this id or key of this kind.
    pub fn get(&self, kind: &str, id_or_key: &str) -> Option<&str> {
        self.0.get(kind)?.get(id_or_key).map(String::as_str)
    }

    /// Whether something is mapped to this.
    pub fn leads_to(&self, section: &str, target: &str) -> bool {
        self.section(section).any(|(_, to)| to == target)
    }

    /// Whether an address lies in storage that something is mapped to.
    pub fn reach(&self, address: &str) -> bool {
        let address = address.trim_end_matches([':', '/']);
        self.section("storage").any(|(_, to)| address.contains(to) || to.contains(address))
    }

    /// Every mapping: kind, source, target.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.0.iter().flat_map(|(kind, pairs)| each(kind, pairs))
    }
}

fn each<'a>(kind: &'a str, pairs: &'a BTreeMap<String, String>) -> Vec<(&'a str, &'a str, &'a str)> {
    pairs.iter().map(|(from, to)| (kind, from.as_str(), to.as_str())).collect()
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Section(String);

impl<'de> Deserialize<'de> for Section {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        if sections().any(|known| known == name) {
            return Ok(Self(name));
        }
        Err(words::unknown("section", &name, sections()))
    }
}

fn sections() -> impl Iterator<Item = &'static str> {
    values().into_iter().chain(TEXTS.iter().map(|(name, _)| *name)).chain(kinds::all().iter().map(|kind| kind.name))
}

impl<'de> Deserialize<'de> for Maps {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let map = BTreeMap::<Section, BTreeMap<Word, Word>>::deserialize(deserializer)?;
        let words = |pairs: BTreeMap<Word, Word>| pairs.into_iter().map(|(from, to)| (from.0, to.0)).collect();
        Ok(Self(map.into_iter().map(|(section, pairs)| (section.0, words(pairs))).collect()))
    }
}

impl JsonSchema for Maps {
    fn schema_name() -> Cow<'static, str> {
        "Maps".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let pairs = |is: String| serde_json::json!({"type": "object", "description": is, "additionalProperties": {"type": ["string", "integer"]}});
        let values =
            values().into_iter().map(|name| (name.to_owned(), pairs(format!("each {}, by id or name", name.replace('_', " ")))));
        let texts = TEXTS.iter().map(|(name, is)| ((*name).to_owned(), pairs(format!("{is}; also inside texts"))));
        let kinds = kinds::all().iter().map(|kind| (kind.name.to_owned(), pairs(format!("{}, by id or name", kind.title))));
        let properties: serde_json::Map<String, serde_json::Value> = values.chain(texts).chain(kinds).collect();
        json_schema!({"type": "object", "properties": properties, "additionalProperties": false})
    }
}

/// A text or an integer, as text: job ids need no quotes.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Word(String);

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_names_are_mapped() {
        let maps = Maps::parse(
            "# people\nuser:\n  Ada@old.com: ada@new.com\njob:\n  9007199254740993: 12\nnode_type: {Standard_DS3_v2: m5.large}\n",
        );
        let maps = maps.expect("good");
        assert_eq!(maps.get("user", "Ada@old.com"), Some("ada@new.com"));
        assert_eq!(maps.get("job", "9007199254740993"), Some("12"), "no digit is lost");
        assert_eq!(maps.get("node_type", "Standard_DS3_v2"), Some("m5.large"));
        assert_eq!(maps.all().count(), 3);
        assert_eq!(Maps::parse("# nothing\n").expect("empty"), Maps::default());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, said, line) in [
            ("user:\n  a: b\njobz:\n  1: 2\n", "jobz", "3"),
            ("user:\n  a: b\n  a: c\n", "a", "3"),
            ("user:\n  a: [b]\n", "", "2"),
        ] {
            let error = Maps::parse(text).expect_err(text);
            let cause = std::error::Error::source(&error).expect("a cause").to_string();
            assert!(cause.contains(said) && cause.contains(line), "{text}: {cause}");
        }
    }
}
