//! Blanks secrets before anything is kept or shown: by the place where the table of kinds expects one, by the name under
//! which a value stands, and by shape wherever a known kind of token stands in a document, or in JSON inside its strings.
//!
//! A reference such as `{{secrets/scope/key}}` is no secret and stays. What was blanked is told by its pointer.

use crate::kinds::{Class, Kind};
use crate::object::REDACTED;
use crate::pointer;
use crate::tokens;
use serde_json::{Map, Value};

/// JSON may stand in a string of JSON, as in a policy; deeper than this nobody reads.
const DEEPEST: usize = 3;

/// Blanks every secret of a document, and says where and why.
pub(crate) fn blank(kind: &Kind, document: &mut Value) -> Vec<(String, &'static str)> {
    let mut blanked = Vec::new();
    for (at, class) in kind.fields() {
        if class == Class::Secret {
            pointer::edit(document, &at, &mut |place, value| blank_place(place, value, &mut blanked));
        }
    }
    let mut walk = Walk { blanked, ..Walk::default() };
    walk.value(document);
    walk.blanked
}

/// Blanks every secret of the body of a create.
pub(crate) fn blank_body(kind: &Kind, body: &mut Value) {
    let root = kind.body.first().copied().unwrap_or("");
    let names: Vec<&str> = root.split('/').skip(1).collect();
    let wrap = |inner: Value, name: &&str| Value::Object(Map::from_iter([((*name).to_owned(), inner)]));
    let mut document = names.iter().rev().fold(body.take(), wrap);
    blank(kind, &mut document);
    *body = document.pointer_mut(root).map(Value::take).unwrap_or_default();
}

/// The value at a place of a document, with its secrets blanked: by the names on the way to it, and by shape.
pub(crate) fn masked(at: &str, value: &Value) -> Value {
    let names: Vec<String> = at.split('/').skip(1).map(pointer::unescape).collect();
    let wrap = |inner: Value, name: &String| Value::Object(Map::from_iter([(name.clone(), inner)]));
    let mut document = names.iter().rev().fold(value.clone(), wrap);
    Walk::default().value(&mut document);
    // A name that is a token itself is blanked as well, and then there is nothing to show.
    document.pointer(at).cloned().unwrap_or_else(|| Value::from(REDACTED))
}

fn blank_place(place: &str, value: &mut Value, blanked: &mut Vec<(String, &'static str)>) -> bool {
    match value {
        Value::String(text) if keeps(text) => return false,
        Value::String(_) | Value::Number(_) => {}
        _ => return false,
    }
    *value = Value::from(REDACTED);
    blanked.push((place.to_owned(), "secret"));
    true
}

/// Nothing, what stands elsewhere, what was blanked already.
pub(crate) fn keeps(text: &str) -> bool {
    text.is_empty() || refers(text) || text == REDACTED
}

/// `{{secrets/…}}`, `{{job.parameters.…}}`, `${…}`: the value stands elsewhere.
fn refers(text: &str) -> bool {
    text.contains("{{secrets/")
        || (text.starts_with("{{") && text.ends_with("}}"))
        || (text.starts_with("${") && text.ends_with('}'))
}

/// Walks a document, and the JSON that stands in its strings.
#[derive(Default)]
struct Walk {
    at: String,
    /// How many strings of JSON are around.
    inside: usize,
    blanked: Vec<(String, &'static str)>,
}

impl Walk {
    fn value(&mut self, value: &mut Value) {
        match value {
            Value::String(text) => self.text(text),
            Value::Array(items) => {
                self.arguments(items);
                items.iter_mut().enumerate().for_each(|(index, item)| self.below(&index.to_string(), |walk| walk.value(item)));
            }
            Value::Object(members) => {
                self.named_pair(members);
                for (name, member) in members.iter_mut() {
                    let segment = pointer::escape(&tokens::without(name, REDACTED).unwrap_or_else(|| name.clone()));
                    let secret = is_secret_name(name);
                    self.below(&segment, |walk| if secret { walk.secret(member) } else { walk.value(member) });
                }
                blank_names(members, &self.at, &mut self.blanked);
            }
            _ => {}
        }
    }

    /// `--password`, `…`; `--password=…`: the arguments of a program name what they are.
    fn arguments(&mut self, items: &mut [Value]) {
        let mut named = false;
        for (index, item) in items.iter_mut().enumerate() {
            let Some(text) = item.as_str().map(str::to_owned) else { continue };
            let option = text.starts_with('-').then_some(text.as_str());
            let before = std::mem::replace(&mut named, option.is_some_and(is_secret_name));
            match text.split_once('=') {
                // A value may hold an equals sign, as padded base64 does, or begin with a dash.
                _ if before && !text.starts_with("--") => self.below(&index.to_string(), |walk| walk.place(item)),
                Some((name, value)) if is_secret_name(name) && !keeps(value) => {
                    *item = Value::from(format!("{name}={REDACTED}"));
                    self.blanked.push((format!("{}/{index}", self.at), "secret"));
                }
                _ => {}
            }
        }
    }

    fn text(&mut self, text: &mut String) {
        if self.inside < DEEPEST
            && text.starts_with(['{', '['])
            && let Ok(mut inner) = serde_json::from_str::<Value>(text)
        {
            let before = self.blanked.len();
            self.inside += 1;
            self.below("#", |walk| walk.value(&mut inner));
            self.inside -= 1;
            // Without a change the string keeps its bytes.
            if self.blanked.len() > before {
                *text = inner.to_string();
            }
        } else if let Some(clean) = tokens::without(text, REDACTED) {
            *text = clean;
            self.blanked.push((self.at.clone(), "looks like a token"));
        }
    }

    /// What stands under a name that says so; in a policy that is an attribute with values.
    fn secret(&mut self, value: &mut Value) {
        if blank_place(&self.at, value, &mut self.blanked) {
            return;
        }
        let Value::Object(attribute) = value else { return self.value(value) };
        for (name, member) in attribute.iter_mut() {
            self.below(&pointer::escape(name), |walk| match (name.as_str(), member) {
                ("value" | "defaultValue" | "default", member) => walk.place(member),
                ("values", Value::Array(items)) => items.iter_mut().enumerate().for_each(|(index, item)| {
                    walk.below(&index.to_string(), |walk| walk.place(item));
                }),
                (_, member) => walk.value(member),
            });
        }
    }

    fn place(&mut self, value: &mut Value) {
        blank_place(&self.at, value, &mut self.blanked);
    }

    /// `{"name": "db_password", "default": "…"}`: the name stands beside the value.
    fn named_pair(&mut self, members: &mut Map<String, Value>) {
        let name = members.get("name").or_else(|| members.get("key")).and_then(Value::as_str);
        if !name.is_some_and(is_secret_name) {
            return;
        }
        for value in ["value", "default"] {
            if let Some(member) = members.get_mut(value) {
                self.below(value, |walk| walk.place(member));
            }
        }
    }

    fn below(&mut self, segment: &str, then: impl FnOnce(&mut Self)) {
        let length = self.at.len();
        self.at.push('/');
        self.at.push_str(segment);
        then(self);
        self.at.truncate(length);
    }
}

/// Whether a name can only mean a credential, in whatever document it stands.
pub(crate) fn is_secret_name(name: &str) -> bool {
    const ENDS: [&str; 14] = [
        "password",
        "passwd",
        "passphrase",
        "clientsecret",
        "secretkey",
        "secretaccesskey",
        "privatekey",
        "accesstoken",
        "refreshtoken",
        "bearertoken",
        "authtoken",
        "sastoken",
        "apikey",
        "accountkey",
    ];
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    matches!(plain.as_str(), "token" | "pat") || ENDS.iter().any(|end| plain.ends_with(end))
}

/// A member may have a credential for its name, as a set of accepted tokens would.
fn blank_names(members: &mut Map<String, Value>, at: &str, blanked: &mut Vec<(String, &'static str)>) {
    if members.keys().all(|name| tokens::without(name, REDACTED).is_none()) {
        return;
    }
    for (name, value) in std::mem::take(members) {
        let clean = tokens::without(&name, REDACTED).unwrap_or(name);
        members.insert(clean, value);
    }
    blanked.push((at.to_owned(), "a name in it looks like a token"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds;
    use serde_json::json;

    #[test]
    fn a_named_argument_may_hold_an_equals_sign_or_begin_with_a_dash() {
        for value in ["Zm9vYmFyYmF6=", "Zm9vYmFyYm==", "p=ss", "-x9", "plain"] {
            let mut walk = Walk::default();
            let mut task = json!({"parameters": ["--db-password", value, "--verbose", "a=b"]});
            walk.value(&mut task);
            assert_eq!(task, json!({"parameters": ["--db-password", REDACTED, "--verbose", "a=b"]}), "{value}");
        }
    }

    #[test]
    fn secrets_are_blanked_where_the_table_expects_them() {
        let kind = kinds::by_name("cluster").expect("there is one");
        let mut cluster = json!({
            "spark_conf": {"fs.azure.account.key.x.dfs": "CANARY-1", "my.secret.name": "{{secrets/a/b}}"},
            "spec": {"docker_image": {"basic_auth": {"username": "u", "password": "CANARY-2"}}, "spark_env_vars": {"GIT_TOKEN": "CANARY-3", "KEYVAULT": "kv"}},
        });
        let blanked = blank(kind, &mut cluster);
        assert!(!cluster.to_string().contains("CANARY"), "{cluster}");
        assert_eq!(blanked.len(), 3);
        assert_eq!(cluster["spark_conf"]["my.secret.name"], "{{secrets/a/b}}");
        assert_eq!(cluster["spec"]["spark_env_vars"]["KEYVAULT"], "kv");
    }

    #[test]
    fn tokens_are_known_by_their_shape() {
        let kind = kinds::by_name("job").expect("there is one");
        let token = format!("dapi{}", "0123456789abcdef".repeat(2));
        let mut job = json!({"settings": {"git_source": {"git_url": "https://me:hunter2@git.example.com/x"}, "parameters": [{"default": format!("--token {token}")}]}});
        assert_eq!(blank(kind, &mut job).len(), 2);
        assert!(!job.to_string().contains("hunter2") && !job.to_string().contains(&token), "{job}");
        assert_eq!(job["settings"]["parameters"][0]["default"], format!("--token {REDACTED}"));
    }

    #[test]
    fn names_and_numbers_may_be_secret_too() {
        let kind = kinds::by_name("cluster").expect("there is one");
        let token = format!("dapi{}", "0123456789abcdef".repeat(2));
        let mut cluster = json!({"spark_conf": {&token: {"deep": [&token]}, "a.password": 123_456}, "cluster_name": "x"});
        let blanked = blank(kind, &mut cluster);
        let all = format!("{cluster} {blanked:?}");
        assert!(!all.contains(&token) && !all.contains("123456"), "{all}");
        assert_eq!(blanked.len(), 3, "{blanked:?}");
    }

    #[test]
    fn a_name_that_says_secret_counts_wherever_it_stands() {
        let kind = kinds::by_name("job").expect("there is one");
        let mut job = json!({"settings": {
            "parameters": [{"name": "DB_Password", "default": "CANARY"}, {"name": "city", "default": "Oslo"}],
            "tasks": [{"hologram_task": {"clientSecret": "CANARY", "apiKey": 1234, "token_count": "7"}},
                {"notebook_task": {"base_parameters": {"sas-token": "CANARY", "access_token": "{{secrets/a/b}}", "x_password": "{{job.parameters.p}}"}}}],
        }});
        assert_eq!(blank(kind, &mut job).len(), 4, "{job}");
        assert!(!job.to_string().contains("CANARY") && !job.to_string().contains("1234"), "{job}");
        for kept in ["Oslo", "\"7\"", "{{secrets/a/b}}", "{{job.parameters.p}}"] {
            assert!(job.to_string().contains(kept), "{kept}: {job}");
        }
    }

    #[test]
    fn arguments_say_what_they_are() {
        let kind = kinds::by_name("job").expect("there is one");
        let plain = json!(["--token", "--password={{secrets/a/b}}", "--count", "7", "a=b", "--api-key", "{{secrets/a/b}}"]);
        let mut job = json!({"settings": {"tasks": [
            {"spark_python_task": {"parameters": ["--user", "ada", "--db-password", "CANARY", "--api-key=CANARY", "spark.x.password=CANARY"]}},
            {"python_wheel_task": {"parameters": plain, "named_parameters": {"token": "CANARY", "tokens": "3"}}}]}});
        assert_eq!(blank(kind, &mut job).len(), 4, "{job}");
        assert!(!job.to_string().contains("CANARY") && job.to_string().contains("\"tokens\":\"3\""), "{job}");
        assert_eq!(job.pointer("/settings/tasks/1/python_wheel_task/parameters"), Some(&plain));
    }

    #[test]
    fn a_key_in_a_policy_or_under_a_long_name_is_one() {
        let conf = "spark.hadoop.fs.azure.account.key.lake.dfs.core.windows.net";
        let policy = json!({format!("spark_conf.{conf}"): {"type": "allowlist", "values": ["CANARY"], "defaultValue": "CANARY"},
            "azure_attributes.log_analytics_info.log_analytics_primary_key": {"type": "fixed", "value": "CANARY"}});
        let mut policy = json!({"definition": policy.to_string()});
        assert_eq!(blank(kinds::by_name("cluster_policy").expect("there is one"), &mut policy).len(), 3, "{policy}");
        let mut cluster = json!({"spark_conf": {conf: "CANARY"}});
        assert_eq!(blank(kinds::by_name("cluster").expect("there is one"), &mut cluster).len(), 1, "{cluster}");
        assert!(!format!("{policy}{cluster}").contains("CANARY"));
    }

    #[test]
    fn json_in_strings_is_read_and_keeps_its_bytes_without_a_secret() {
        let kind = kinds::by_name("cluster_policy").expect("there is one");
        let definition = json!({
            "spark_conf.Javax.Jdo.Option.ConnectionPassword": {"type": "fixed", "value": "CANARY"},
            "spark_env_vars.X_API_KEY": {"type": "allowlist", "values": ["CANARY", "CANARY"], "defaultValue": "CANARY"},
        });
        let mut policy = json!({"definition": definition.to_string(), "overrides": "{ \"a\" : 1 }"});
        let blanked = blank(kind, &mut policy);
        assert!(!policy.to_string().contains("CANARY"), "{policy}");
        assert_eq!((blanked.len(), &policy["overrides"]), (4, &json!("{ \"a\" : 1 }")));
    }
}
