//! The small words of a rule file: kinds, patterns, places. Each is checked where it is read, so that an error names its line.

use crate::kinds::{self, Kind};
use globset::{GlobBuilder, GlobMatcher};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json_path::JsonPath;
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// Something that nobody knows, and what is known instead.
pub(super) fn unknown<E: de::Error>(what: &str, name: &str, known: impl Iterator<Item = &'static str>) -> E {
    E::custom(format!("unknown {what} \"{name}\", expected one of {}", known.collect::<Vec<_>>().join(", ")))
}

/// A kind, by name.
#[derive(Clone, Copy, Debug)]
pub(super) struct KindName(pub &'static Kind);

impl<'de> Deserialize<'de> for KindName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        kinds::by_name(&name).map(Self).ok_or_else(|| unknown("kind", &name, kinds::all().iter().map(|kind| kind.name)))
    }
}

impl JsonSchema for KindName {
    fn schema_name() -> Cow<'static, str> {
        "Kind".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<&str> = kinds::all().iter().map(|kind| kind.name).collect();
        json_schema!({"type": "string", "enum": names})
    }
}

/// One, or a list.
#[derive(Clone, Debug)]
pub(super) struct Many<T>(pub Vec<T>);

impl<T> Default for Many<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Many<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrMany(PhantomData))
    }
}

struct OneOrMany<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOrMany<T> {
    type Value = Many<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a list of texts")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        T::deserialize(de::value::StrDeserializer::new(text)).map(|one| Many(vec![one]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some(one) = list.next_element()? {
            all.push(one);
        }
        Ok(Many(all))
    }
}

impl<T: JsonSchema> JsonSchema for Many<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMore{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({"anyOf": [one, {"type": "array", "items": one}]})
    }
}

/// A pattern over a name: `*` is any text.
#[derive(Clone, Debug)]
pub(super) struct NameGlob(GlobMatcher);

/// A pattern over a path: `*` stays within a segment, `**` does not; a folder covers what is below.
#[derive(Clone, Debug)]
pub(super) struct PathGlob(GlobMatcher);

impl NameGlob {
    pub(super) fn fits(&self, name: &str) -> bool {
        self.0.is_match(name)
    }
}

impl PathGlob {
    pub(super) fn covers(&self, path: &str) -> bool {
        std::iter::successors(Some(path), |path| {
            path.rsplit_once('/').map(|(parent, _)| parent).filter(|parent| !parent.is_empty())
        })
        .any(|path| self.0.is_match(path))
    }
}

fn glob<E: de::Error>(text: &str, within_segments: bool) -> Result<GlobMatcher, E> {
    let glob = GlobBuilder::new(text).literal_separator(within_segments).build();
    glob.map(|glob| glob.compile_matcher())
        .map_err(|error| E::custom(format!("cannot read the pattern \"{text}\": {}", error.kind())))
}

impl<'de> Deserialize<'de> for NameGlob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        glob(&String::deserialize(deserializer)?, false).map(Self)
    }
}

impl<'de> Deserialize<'de> for PathGlob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if !text.starts_with(['/', '*']) {
            return Err(de::Error::custom(format!("a path begins with `/`: \"{text}\"")));
        }
        glob(&text, true).map(Self)
    }
}

/// A `JSONPath` (RFC 9535).
#[derive(Clone, Debug)]
pub(super) struct Query(pub JsonPath);

impl<'de> Deserialize<'de> for Query {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        query(&String::deserialize(deserializer)?)
    }
}

fn query<E: de::Error>(text: &str) -> Result<Query, E> {
    JsonPath::parse(text).map(Query).map_err(|error| E::custom(format!("cannot read the JSONPath `{text}`: {error}")))
}

/// A place below the body of an object: a pointer (RFC 6901 with `*` and `#`), or a `JSONPath`.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Pointer(String),
    Query(Query),
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.chars().next() {
            Some('$') => query(&text).map(Self::Query),
            Some('/') if text.len() > 1 && !text.ends_with('/') => Ok(Self::Pointer(text)),
            _ => Err(de::Error::custom(format!(
                "expected a pointer such as `/tags/team`, or a JSONPath such as `$..tags`, not `{text}`"
            ))),
        }
    }
}

/// Members of a mapping in the order of the file.
#[derive(Clone, Debug)]
pub(super) struct Pairs<K, V>(pub Vec<(K, V)>);

impl<K, V> Default for Pairs<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, K: Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for Pairs<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InOrder(PhantomData))
    }
}

struct InOrder<K, V>(PhantomData<(K, V)>);

impl<'de, K: Deserialize<'de>, V: Deserialize<'de>> Visitor<'de> for InOrder<K, V> {
    type Value = Pairs<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Pairs(pairs))
    }
}

impl<K, V: JsonSchema> JsonSchema for Pairs<K, V> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}ByPlace", V::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<V>();
        json_schema!({"type": "object", "additionalProperties": value, "minProperties": 1})
    }
}

macro_rules! text_schema {
    ($($name:ident: $shown:literal, $pattern:literal;)*) => {$(
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                $shown.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "pattern": $pattern})
            }
        }
    )*};
}

text_schema! {
    NameGlob: "NamePattern", "^.+$";
    PathGlob: "PathPattern", "^[/*]";
    Query: "JsonPath", "^\\$";
    Place: "Place", "^(/.|\\$)";
}

/// A value of any sort, `null` included.
pub(super) fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}
