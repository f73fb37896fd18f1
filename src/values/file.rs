//! Values out of a file: a map of keys, or for a pattern of scopes a map of maps. A file that others can read is refused, as `ssh`
//! refuses such a key.

use super::{SecretValue, SourceError};
use crate::yaml;
use secrecy::zeroize::Zeroizing;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

/// No file of secrets is larger, in bytes.
const MOST: u64 = 64 << 20;

/// What a file holds.
#[derive(Clone, Debug)]
pub(super) struct Table {
    place: String,
    values: Arc<Values>,
}

#[derive(Debug)]
enum Values {
    OfOne(Keys),
    OfMany(BTreeMap<String, Keys>),
}

type Keys = BTreeMap<String, SecretValue>;

/// A text, or bytes that are none.
enum Leaf {
    Text(String),
    Bytes(String),
}

/// By hand, so that what else stands there is refused where it stands.
impl<'de> Deserialize<'de> for Leaf {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_any(LeafVisitor)
    }
}

struct LeafVisitor;

impl<'de> Visitor<'de> for LeafVisitor {
    type Value = Leaf;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a text or `{base64: …}`")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Leaf, E> {
        Ok(Leaf::Text(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Leaf, A::Error> {
        let wrong = || serde::de::Error::custom("expected `base64` alone");
        let (name, text) = map.next_entry::<String, String>()?.ok_or_else(wrong)?;
        match map.next_key::<String>()? {
            None if name == "base64" => Ok(Leaf::Bytes(text)),
            _ => Err(wrong()),
        }
    }
}

impl Table {
    /// Reads a file; `of_many` says that it holds several scopes.
    pub(super) fn read(path: &Path, of_many: bool) -> Result<Self, SourceError> {
        let failed = |source| SourceError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        if let Some(mode) = open_to_others(&file.metadata().map_err(failed)?) {
            return Err(SourceError::Open { path: path.to_owned(), mode });
        }
        let text = text(file).map_err(failed)?;
        let (read, wanted) = if of_many {
            (of_many_scopes(&text), "a map `{scope: {key: value}}` of texts")
        } else {
            (of_one_scope(&text), "a map `{key: value}` of texts")
        };
        let values = read.map_err(|line| SourceError::Content { path: path.to_owned(), wanted, line })?;
        Ok(Self { place: path.display().to_string(), values: Arc::new(values) })
    }

    pub(super) fn value(&self, scope: &str, key: &str) -> Result<SecretValue, String> {
        let keys = match &*self.values {
            Values::OfOne(keys) => keys,
            Values::OfMany(scopes) => named(scopes, scope).ok_or_else(|| format!("{} has no scope \"{scope}\"", self.place))?,
        };
        let value = named(keys, key).ok_or_else(|| format!("{} has no key \"{key}\" for it", self.place))?;
        Ok(SecretValue::from(value.bytes().to_vec()))
    }
}

/// By its very name, or else whatever its case: a workspace does not tell them apart.
fn named<'a, T>(map: &'a BTreeMap<String, T>, name: &str) -> Option<&'a T> {
    map.get(name).or_else(|| map.iter().find(|(other, _)| other.to_lowercase() == name.to_lowercase()).map(|(_, value)| value))
}

/// Errors: the line, if it is known.
fn of_one_scope(text: &str) -> Result<Values, Option<u64>> {
    keys(parse(text)?).map(Values::OfOne).ok_or(None)
}

fn of_many_scopes(text: &str) -> Result<Values, Option<u64>> {
    let all: BTreeMap<String, BTreeMap<String, Leaf>> = parse(text)?;
    let all = all.into_iter().map(|(scope, leaves)| Some((scope, keys(leaves)?)));
    all.collect::<Option<_>>().map(Values::OfMany).ok_or(None)
}

fn keys(leaves: BTreeMap<String, Leaf>) -> Option<Keys> {
    let value = |leaf| match leaf {
        Leaf::Text(text) => Some(SecretValue::from(text.into_bytes())),
        Leaf::Bytes(text) => SecretValue::decoded(&Zeroizing::new(text)),
    };
    leaves.into_iter().map(|(key, leaf)| Some((key, value(leaf)?))).collect()
}

fn text(file: File) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    let read = file.take(MOST + 1).read_to_string(&mut text)?;
    if read as u64 > MOST {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 64 MiB"));
    }
    Ok(text)
}

/// JSON is YAML but for a few escapes. Errors: the line, since what stands there may be a secret.
fn parse<T: Default + DeserializeOwned>(text: &str) -> Result<T, Option<u64>> {
    if text.trim_start().starts_with('{')
        && let Ok(read) = serde_json::from_str(text)
    {
        return Ok(read);
    }
    yaml::read(text).map_err(|error| Some(error.line).filter(|line| *line > 0))
}

/// The permissions of a file that somebody else may read: everybody, or a group where the file is ours. One that is not ours was
/// given to us by whoever owns it, as systems that hand out secrets do.
#[cfg(unix)]
fn open_to_others(file: &Metadata) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    let (mode, ours) = (file.mode() & 0o7777, file.uid() == rustix::process::geteuid().as_raw());
    let shut = if ours { 0o077 } else { 0o007 };
    (mode & shut != 0).then_some(mode)
}

#[cfg(not(unix))]
fn open_to_others(_: &Metadata) -> Option<u32> {
    None
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn read(text: &str, mode: u32, of_many: bool) -> Result<Table, SourceError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("values");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        Table::read(&path, of_many)
    }

    fn value(table: &Table, scope: &str, key: &str) -> Vec<u8> {
        table.value(scope, key).unwrap().bytes().to_vec()
    }

    #[test]
    fn yaml_and_json_are_read_with_texts_and_bytes() {
        for text in ["a: pass word\nB.c: {base64: AP8=}\n", r#"{"a": "pass word", "B.c": {"base64": "AP8="}}"#] {
            let table = read(text, 0o600, false).unwrap();
            assert_eq!((value(&table, "s", "a"), value(&table, "s", "b.C")), (b"pass word".to_vec(), vec![0, 255]));
            assert!(table.value("s", "d").unwrap_err().contains("has no key \"d\""));
        }
        let table = read("etl: {k: v}\nother: {}\n", 0o400, true).unwrap();
        assert_eq!(value(&table, "ETL", "k"), b"v");
        assert!(table.value("third", "k").unwrap_err().contains("has no scope \"third\""));
        assert_eq!(value(&read(r#"{"a": "\ud83d\ude00"}"#, 0o600, false).unwrap(), "s", "a"), "😀".as_bytes());
    }

    #[test]
    fn what_others_may_read_is_refused() {
        for mode in [0o604, 0o640, 0o660, 0o644, 0o620] {
            assert!(matches!(read("a: b", mode, false), Err(SourceError::Open { mode: found, .. }) if found == mode), "{mode:o}");
        }
    }

    #[test]
    fn what_is_no_map_of_texts_is_told_by_its_line_alone() {
        for text in [
            "canary",
            "a: x\nb: 4711\n",
            "- canary",
            "a: {base64: '*canary*'}",
            "{\"a\": \"canary\"",
            "a: [canary]",
            "a: {b: canary}",
        ] {
            let error = read(text, 0o600, false).unwrap_err();
            let told = format!("{error} {error:?}");
            assert!(matches!(error, SourceError::Content { .. }) && !told.contains("canary") && !told.contains("4711"), "{told}");
        }
        assert!(matches!(read("a: x\nb: 4711\n", 0o600, false), Err(SourceError::Content { line: Some(2), .. })));
    }
}
