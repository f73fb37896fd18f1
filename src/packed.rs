//! JSON as compact text: for what is kept by the hundred thousand and looked at one by one, since a tree takes ten times as much.

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
    }
}
