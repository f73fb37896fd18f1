//! The map file: which object of the target stands for which object of the source, where names and stamps cannot tell.
//!
//! YAML, strict: an unknown kind, a key given twice or a value that is no text or number is refused, with its line.

use crate::kinds::{self, By};
use serde::{Deserialize, Deserializer};
use std::collections::{BTreeMap, BTreeSet};

/// What may be mapped besides objects: what the table knows to be bound to a cloud, a region or an account.
fn values() -> BTreeSet<&'static str> {
    let section = |by: By| if let By::Elsewhere(section) = by { Some(section) } else { None };
    kinds::all().iter().flat_map(|kind| kind.references()).filter_map(|(_, reference)| section(reference.by)).collect()
}

/// A map file: kind → source id or key → target id or key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Maps(BTreeMap<String, BTreeMap<String, String>>);

/// A map file that cannot be used; the message of the cause names the line.
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
        let map: BTreeMap<Section, BTreeMap<Word, Word>> =
            serde_saphyr::from_str_with_options(text, options).map_err(|error| MapsError(Box::new(error)))?;
        let words = |pairs: BTreeMap<Word, Word>| pairs.into_iter().map(|(from, to)| (from.0, to.0)).collect();
        Ok(Self(map.into_iter().map(|(section, pairs)| (section.0, words(pairs))).collect()))
    }

    /// What stands for this id or key of this kind.
    pub fn get(&self, kind: &str, id_or_key: &str) -> Option<&str> {
        self.0.get(kind)?.get(id_or_key).map(String::as_str)
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
        if kinds::by_name(&name).is_some() || values().contains(name.as_str()) {
            return Ok(Self(name));
        }
        let known: Vec<&str> = kinds::all().iter().map(|kind| kind.name).chain(values()).collect();
        Err(serde::de::Error::custom(format!("unknown kind \"{name}\", expected one of {}", known.join(", "))))
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
