//! JSON as compact text: for what is kept by the hundred thousand and looked at one by one, since a tree takes ten times as much.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// A JSON value, packed.
#[derive(Clone, Debug, PartialEq)]
pub struct Packed(Form);

#[derive(Clone, Debug, PartialEq)]
enum Form {
    Text(Box<str>),
    /// So deep that its text would not be read again.
    Tree(Box<Value>),
}

/// Levels that any reader of JSON takes: `serde_json` ends at 128.
const DEEPEST: usize = 100;

impl Packed {
    /// Packs a value.
    pub fn of(value: &Value) -> Self {
        Self(if is_flat(value, DEEPEST) { Form::Text(value.to_string().into()) } else { Form::Tree(Box::new(value.clone())) })
    }

    /// Packs a value that is text already, without making a tree of it. Errors: it is no JSON, as reading it into a value would say.
    pub fn read(text: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice::<Sound>(text)?;
        // What has line ends was not written compactly.
        match std::str::from_utf8(text).ok().filter(|text| !text.contains('\n')) {
            Some(text) => Ok(Self(Form::Text(text.into()))),
            None => Ok(Self::of(&serde_json::from_slice(text)?)),
        }
    }

    /// Whether it is an object.
    pub fn is_object(&self) -> bool {
        match &self.0 {
            Form::Text(text) => text.trim_start().starts_with('{'),
            Form::Tree(value) => value.is_object(),
        }
    }

    /// The value again, exactly as it was packed.
    pub fn value(&self) -> Value {
        match &self.0 {
            Form::Text(text) => serde_json::from_str(text).unwrap_or_default(),
            Form::Tree(value) => (**value).clone(),
        }
    }

    /// The members of an object; none of anything else.
    pub fn members(&self) -> Map<String, Value> {
        if let Value::Object(members) = self.value() { members } else { Map::new() }
    }
}

impl From<Map<String, Value>> for Packed {
    fn from(members: Map<String, Value>) -> Self {
        Self::of(&Value::Object(members))
    }
}

/// JSON that can be read into a value: the same texts and numbers are looked at, and nothing is kept.
struct Sound;

impl<'de> Deserialize<'de> for Sound {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Sound {
    type Value = Self;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        while members.next_entry::<Self, Self>()?.is_some() {}
        Ok(self)
    }
}

fn is_flat(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(items) => levels > 0 && items.iter().all(|item| is_flat(item, levels - 1)),
        Value::Object(members) => levels > 0 && members.values().all(|member| is_flat(member, levels - 1)),
        _ => true,
    }
}

/// What is known of an object beside its body, packed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Meta(Option<Packed>);

impl Meta {
    /// What compact JSON says, as the manifest of a bundle has it.
    pub(crate) fn of_text(text: &str) -> Self {
        Self((text != "{}").then(|| Packed(Form::Text(text.into()))))
    }

    /// All of it.
    pub fn members(&self) -> Map<String, Value> {
        self.0.as_ref().map(Packed::members).unwrap_or_default()
    }

    /// One member.
    pub fn get(&self, name: &str) -> Option<Value> {
        self.members().shift_remove(name)
    }

    /// A member that is a text.
    pub fn text(&self, name: &str) -> Option<String> {
        if let Some(Value::String(text)) = self.get(name) { Some(text) } else { None }
    }

    /// Whether a mark such as `pinned` is set.
    pub fn has(&self, mark: &str) -> bool {
        self.get(mark) == Some(Value::Bool(true))
    }

    /// What an attached object hangs on: kind and id.
    pub fn parent(&self) -> Option<(String, String)> {
        let parent = self.get("parent")?;
        let text = |name: &str| parent.get(name).and_then(Value::as_str).map(str::to_owned);
        Some((text("kind")?, text("id")?))
    }

    /// Puts a member in, in the place of one of that name.
    pub fn insert(&mut self, name: &str, value: Value) {
        let mut members = self.members();
        members.insert(name.to_owned(), value);
        *self = members.into();
    }
}

impl From<Map<String, Value>> for Meta {
    fn from(members: Map<String, Value>) -> Self {
        Self((!members.is_empty()).then(|| members.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn what_is_too_deep_for_a_text_comes_back_as_well() {
        for levels in [DEEPEST - 1, DEEPEST, DEEPEST + 1, 300] {
            let value = (0..levels).fold(json!(1), |inner, _| json!({ "a": [inner] }));
            assert!(Packed::of(&value).value() == value, "{levels}");
        }
    }

    #[test]
    fn a_text_that_no_reader_takes_is_not_packed() {
        let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        for text in [deep(126), deep(127), deep(128), deep(100_000), r#"{"a":1e999}"#.into(), r#"["\ud800"]"#.into()] {
            assert_eq!(Packed::read(text.as_bytes()).is_ok(), serde_json::from_str::<Value>(&text).is_ok(), "{text:.20}");
        }
        assert!(Packed::read(b"\"\xff\"").is_err() && Packed::read(b"").is_err() && Packed::read(b"{} x").is_err());
        let deep = Packed::read(deep(127).as_bytes()).unwrap();
        assert!(deep.value().is_array(), "it comes back");
    }

    #[test]
    fn a_member_goes_in_the_place_of_one_of_that_name() {
        let mut meta = Meta::default();
        meta.insert("parent", json!({"kind": "job", "id": "7"}));
        meta.insert("pinned", json!(true));
        meta.insert("parent", json!({"kind": "job", "id": "8"}));
        assert_eq!(meta.parent(), Some(("job".to_owned(), "8".to_owned())));
        assert!(meta.has("pinned") && !meta.has("parent") && meta.text("pinned").is_none());
        assert_eq!(meta.members().keys().collect::<Vec<_>>(), ["parent", "pinned"]);
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,9}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            let list = proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from);
            prop_oneof![
                list,
                proptest::collection::vec((".{0,5}", inner), 0..5).prop_map(|members| members.into_iter().collect())
            ]
        })
    }

    proptest! {
        #[test]
        fn values_come_back_exactly(value in any_value()) {
            let again = Packed::of(&value).value();
            prop_assert_eq!(again.to_string(), value.to_string());
            prop_assert_eq!(again, value);
        }

        #[test]
        fn a_text_is_packed_as_its_value_is(value in any_value(), indented in any::<bool>()) {
            let text = if indented { serde_json::to_vec_pretty(&value).unwrap() } else { value.to_string().into_bytes() };
            let packed = Packed::read(&text).unwrap();
            prop_assert_eq!(packed.is_object(), value.is_object());
            prop_assert_eq!(packed, Packed::of(&value));
        }

        #[test]
        fn a_text_is_packed_if_it_can_be_read(text in r#"[\[{]?[ \n]?("[a\\\\u0dD8"]{0,9}|-?[0-9]{1,3}(\.[0-9])?(e[0-9]{1,3})?|nul{1,2})[:,]?[1-3]?[ \n]?[}\]]?"#) {
            let (packed, value) = (Packed::read(text.as_bytes()), serde_json::from_str::<Value>(&text));
            prop_assert_eq!(packed.is_ok(), value.is_ok(), "{}", text);
            if let (Ok(packed), Ok(value)) = (packed, value) {
                prop_assert_eq!(packed.value(), value);
            }
        }
    }
}
