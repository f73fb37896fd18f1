//! SCIM filters: `eq`, `ne`, `co`, `sw` on simple attributes, joined by `and` and `or`.

use super::call::Problem;
use serde_json::{Map, Value};

/// Alternatives of tests that must all hold.
#[derive(Debug)]
pub(super) struct Filter(Vec<Vec<Test>>);

#[derive(Debug)]
struct Test {
    attribute: Vec<String>,
    operator: String,
    value: String,
}

pub(super) fn parse(text: &str) -> Result<Filter, Problem> {
    let wrong = || Problem::scim(400, "invalidFilter", format!("Given filter operator is not supported: {text}"));
    let mut words = words(text).ok_or_else(wrong)?.into_iter();
    let mut any = vec![Vec::new()];
    while let (Some(attribute), Some(operator), Some(value)) = (words.next(), words.next(), words.next()) {
        let operator = operator.to_ascii_lowercase();
        if !matches!(operator.as_str(), "eq" | "ne" | "co" | "sw") {
            return Err(wrong());
        }
        let check = Test { attribute: attribute.split('.').map(str::to_owned).collect(), operator, value: value.to_lowercase() };
        if let Some(all) = any.last_mut() {
            all.push(check);
        }
        match words.next().map(|word| word.to_ascii_lowercase()).as_deref() {
            None => return Ok(Filter(any)),
            Some("and") => {}
            Some("or") => any.push(Vec::new()),
            Some(_) => return Err(wrong()),
        }
    }
    Err(wrong())
}

/// Splits at spaces; a text in double quotes is one word, in which `\"` is a quote.
fn words(text: &str) -> Option<Vec<String>> {
    let (mut words, mut letters) = (Vec::new(), text.chars().peekable());
    while let Some(letter) = letters.next() {
        match letter {
            ' ' => {}
            '"' => {
                let mut word = String::new();
                loop {
                    match letters.next()? {
                        '"' => break,
                        '\\' => word.push(letters.next()?),
                        other => word.push(other),
                    }
                }
                words.push(word);
            }
            first => {
                let mut word = String::from(first);
                while let Some(next) = letters.next_if(|next| *next != ' ') {
                    word.push(next);
                }
                words.push(word);
            }
        }
    }
    Some(words)
}

impl Filter {
    pub(super) fn fits(&self, one: &Map<String, Value>) -> bool {
        self.0.iter().any(|all| all.iter().all(|test| test.fits(one)))
    }
}

impl Test {
    fn fits(&self, one: &Map<String, Value>) -> bool {
        let values = values(one, &self.attribute);
        match self.operator.as_str() {
            "eq" => values.contains(&self.value),
            "ne" => !values.contains(&self.value),
            "co" => values.iter().any(|value| value.contains(&self.value)),
            _ => values.iter().any(|value| value.starts_with(&self.value)),
        }
    }
}

/// The texts that an attribute holds, in lower case: SCIM compares names without regard to case.
fn values(one: &Map<String, Value>, attribute: &[String]) -> Vec<String> {
    let Some((first, rest)) = attribute.split_first() else { return Vec::new() };
    let found = one.iter().find(|(key, _)| key.eq_ignore_ascii_case(first)).map(|(_, value)| value);
    let texts = |value: &Value| match value {
        Value::String(text) => vec![text.to_lowercase()],
        Value::Object(object) => values(object, rest),
        Value::Null | Value::Array(_) => Vec::new(),
        other => vec![other.to_string()],
    };
    match found {
        Some(Value::Array(list)) => list.iter().flat_map(texts).collect(),
        Some(value) => texts(value),
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fits(filter: &str) -> bool {
        let one = json!({ "userName": "Ada@x", "active": true, "emails": [{ "value": "Ada@x" }], "displayName": "say \"hi\"" });
        parse(filter).unwrap().fits(one.as_object().unwrap())
    }

    #[test]
    fn filters_are_understood() {
        assert!(fits(r#"userName eq "ada@X""#));
        assert!(fits(r#"emails.value co "da@" and active eq true"#));
        assert!(fits(r#"userName eq "nobody" or userName sw "ada""#));
        assert!(fits(r#"displayName eq "say \"hi\"""#));
        assert!(!fits(r#"userName ne "ada@x""#));
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for filter in ["", "userName", r#"userName gt "a""#, r#"userName eq "a" xor active eq true"#, r#"userName eq "a"#] {
            assert!(parse(filter).is_err(), "{filter}");
        }
    }
}
