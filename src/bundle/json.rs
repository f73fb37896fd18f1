//! JSON that has one meaning only (I-JSON, RFC 7493): no duplicate keys, no number that another program would round, and no
//! depth that could hurt a parser.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// Deepest nesting; the line's own object is the first level.
pub(crate) const MAX_DEPTH: usize = 16;
/// Longest line in bytes, without its line feed.
pub(crate) const MAX_LINE: usize = 1 << 20;
/// The largest integer that every JSON program keeps exactly: 2^53 - 1.
pub(crate) const MAX_INTEGER: u64 = (1 << 53) - 1;

/// Reads one line that must be one object.
pub(crate) fn parse_line(line: &[u8]) -> Result<Map<String, Value>, String> {
    if line.len() > MAX_LINE {
        return Err(format!("a line of {} bytes is longer than allowed", line.len()));
    }
    if line.first() != Some(&b'{') || line.last() != Some(&b'}') {
        return Err("it is not one JSON object".to_owned());
    }
    let mut deserializer = serde_json::Deserializer::from_slice(line);
    let value = Strict { depth: 0 }.deserialize(&mut deserializer).map_err(|cause| cause.to_string())?;
    deserializer.end().map_err(|cause| cause.to_string())?;
    match value {
        Value::Object(map) => Ok(map),
        _ => Err("it is not one JSON object".to_owned()),
    }
}

/// Makes a value fit for a line: keys sorted, numbers that are not exact integers turned into strings. An error if it is too deep.
pub(crate) fn tame(value: Value, depth: usize) -> Result<Value, String> {
    if depth > MAX_DEPTH && matches!(value, Value::Array(_) | Value::Object(_)) {
        return Err(format!("it is nested deeper than {MAX_DEPTH} levels"));
    }
    Ok(match value {
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(n), _) if n <= MAX_INTEGER => Value::Number(number),
            (None, Some(n)) if n.unsigned_abs() <= MAX_INTEGER => Value::Number(number),
            _ => Value::String(number.to_string()),
        },
        Value::Array(items) => Value::Array(items.into_iter().map(|item| tame(item, depth + 1)).collect::<Result<_, _>>()?),
        Value::Object(map) => Value::Object(tame_map(map, depth)?),
        other => other,
    })
}

/// [`tame`] for an object that stands at `depth`.
pub(crate) fn tame_map(map: Map<String, Value>, depth: usize) -> Result<Map<String, Value>, String> {
    if depth > MAX_DEPTH {
        return Err(format!("it is nested deeper than {MAX_DEPTH} levels"));
    }
    let mut pairs: Vec<(String, Value)> = map.into_iter().collect();
    pairs.sort_by(|a, b| a.0.cmp(&b.0));
    pairs.into_iter().map(|(key, value)| Ok((key, tame(value, depth + 1)?))).collect()
}

struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: Error>(&self) -> Result<usize, E> {
        if self.depth >= MAX_DEPTH {
            return Err(E::custom(format_args!("nested deeper than {MAX_DEPTH} levels")));
        }
        Ok(self.depth + 1)
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("strict JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        if value > MAX_INTEGER {
            return Err(E::custom(format_args!("the number {value} is not exact everywhere")));
        }
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        if value.unsigned_abs() > MAX_INTEGER {
            return Err(E::custom(format_args!("the number {value} is not exact everywhere")));
        }
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Err(E::custom(format_args!("the number {value} is no integer")))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let depth = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(Strict { depth })? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let depth = self.deeper()?;
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            let value = access.next_value_seed(Strict { depth })?;
            if map.contains_key(&key) {
                return Err(A::Error::custom(format_args!("the key \"{key}\" stands twice")));
            }
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_has_more_than_one_meaning() {
        let nested = |n: usize| format!("{{\"a\":{}{}}}", "[".repeat(n), "]".repeat(n));
        let good = [r#"{"a":1,"b":[{"c":null}]}"#.to_owned(), format!("{{\"n\":{MAX_INTEGER}}}"), nested(MAX_DEPTH - 1)];
        for line in good {
            assert!(parse_line(line.as_bytes()).is_ok(), "{line}");
        }
        let bad = [
            r#"{"a":1,"a":1}"#,
            r#"{"x":{"a":1,"\u0061":1}}"#,
            r#"{"n":9007199254740992}"#,
            r#"{"n":-9007199254740992}"#,
            r#"{"n":1.0}"#,
            r#"{"n":1e3}"#,
            r#"{"n":123456789012345678901234567890}"#,
            r#"{"a":1} "#,
            r#"{"a":1}{"b":1}"#,
            "[1]",
            "",
            "{\"a\":\"\u{0}\"}",
            r#"{"a":NaN}"#,
        ];
        for line in bad.into_iter().map(str::to_owned).chain([nested(MAX_DEPTH), nested(100_000)]) {
            assert!(parse_line(line.as_bytes()).is_err(), "{}", &line[..line.len().min(60)]);
        }
        assert!(parse_line(b"{\"a\":\"\xff\"}").is_err());
    }

    #[test]
    fn what_is_tamed_is_readable() {
        let wild = serde_json::json!({"z": 18_446_744_073_709_551_615_u64, "a": {"f": 1.5, "n": -9_007_199_254_740_992_i64}, "m": [1, 2.0]});
        let tamed = tame(wild, 1).unwrap().to_string();
        assert_eq!(tamed, r#"{"a":{"f":"1.5","n":"-9007199254740992"},"m":[1,"2.0"],"z":"18446744073709551615"}"#);
        assert!(parse_line(tamed.as_bytes()).is_ok());
    }
}
