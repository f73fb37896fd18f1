//! Places that are the same in two workspaces: elements of lists go by what they are called, not by where they stand.

use crate::object::{REDACTED, without_login};
use crate::pointer;
use serde_json::{Map, Value};

/// A pointer whose indexes are replaced by the keys of the elements that they lead to, where these have one.
pub(super) fn keyed(value: &Value, at: &str) -> String {
    let mut place = String::new();
    walk(value, &at.split('/').skip(1).collect::<Vec<_>>(), &mut |element, segment| {
        place.push('/');
        place.push_str(&element.and_then(key).map_or_else(|| segment.to_owned(), pointer::escape));
    });
    place
}

/// Visits each segment, with the element that it leads to where it is an index.
fn walk(value: &Value, segments: &[&str], visit: &mut dyn FnMut(Option<&Value>, &str)) {
    let Some((segment, rest)) = segments.split_first() else { return };
    let name = segment.replace("~1", "/").replace("~0", "~");
    match value {
        Value::Array(items) => {
            let element = segment.parse::<usize>().ok().and_then(|index| items.get(index));
            visit(element, segment);
            walk(element.unwrap_or(&Value::Null), rest, visit);
        }
        Value::String(text) if *segment == "#" => {
            visit(None, segment);
            walk(&serde_json::from_str(text).unwrap_or_default(), rest, visit);
        }
        _ => {
            visit(None, segment);
            walk(value.get(&name).unwrap_or(&Value::Null), rest, visit);
        }
    }
}

/// What an element of a list is called. A task names a cluster and an environment by their keys as well: its own counts.
fn key(element: &Value) -> Option<&str> {
    const KEYS: [&str; 4] = ["task_key", "job_cluster_key", "environment_key", "environment_variables_key"];
    KEYS.iter().find_map(|name| element.get(name)?.as_str())
}

/// The pointer of a place in this value; nothing if an element on the way is not there, or has no key to know it by.
fn exact(value: &Value, place: &str) -> Option<String> {
    let mut at = String::new();
    let mut here = value.clone();
    for segment in place.split('/').skip(1) {
        let name = segment.replace("~1", "/").replace("~0", "~");
        let next = match &here {
            Value::Array(items) => {
                let index = items.iter().position(|item| key(item) == Some(name.as_str()))?;
                at = format!("{at}/{index}");
                items[index].clone()
            }
            Value::String(text) if segment == "#" => {
                at.push_str("/#");
                serde_json::from_str(text).ok()?
            }
            other => {
                at = format!("{at}/{segment}");
                other.get(&name).cloned().unwrap_or_default()
            }
        };
        here = next;
    }
    Some(at)
}

/// Carries what stands at these places over from what is there to what replaces it: values of secrets, which only the
/// workspace knows. Answers the places where that could not be done.
pub(crate) fn carry<'a>(there: &Value, body: &mut Map<String, Value>, places: &'a [String]) -> Vec<&'a str> {
    let mut whole = Value::Object(std::mem::take(body));
    let lost = places.iter().filter(|place| carry_one(there, &mut whole, place).is_none()).map(String::as_str).collect();
    if let Value::Object(whole) = whole {
        *body = whole;
    }
    lost
}

fn carry_one(there: &Value, body: &mut Value, place: &str) -> Option<()> {
    let (_, value) = pointer::find(there, &exact(there, place)?).pop().filter(|(_, value)| !value.is_null())?;
    let at = exact(body, place)?;
    let wanted = pointer::find(body, &at).pop();
    let same = |wanted: &Value| *wanted == value || wanted.as_str().is_some_and(|wanted| is_without_login(wanted, &value));
    let holder = at.rsplit_once('/').map(|(holder, _)| holder)?;
    if wanted.is_some_and(|(_, wanted)| !same(&wanted)) || pointer::find(body, holder).is_empty() {
        return None;
    }
    pointer::set(body, &at, &value);
    pointer::find(body, &at).pop().filter(|(_, now)| *now == value).map(|_| ())
}

/// Whether a text is the other one, but for a login in an address.
fn is_without_login(wanted: &str, value: &Value) -> bool {
    let Some((scheme, rest)) = value.as_str().and_then(|text| text.split_once("://")) else { return false };
    let blanked = rest.split_once('@').map(|(_, host)| format!("{scheme}://{REDACTED}@{host}"));
    blanked.and_then(|text| without_login(&text)).as_deref() == Some(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn carried(there: &Value, body: &Value, places: &[&str]) -> (Value, usize) {
        let mut body = body.as_object().cloned().expect("an object");
        let places: Vec<String> = places.iter().map(|&place| place.to_owned()).collect();
        let lost = carry(there, &mut body, &places).len();
        (Value::Object(body), lost)
    }

    #[test]
    fn elements_go_by_their_keys() {
        let there = json!({"job_clusters": [{"job_cluster_key": "a/b", "new_cluster": {"spark_env_vars": {"T": "1"}}}]});
        let place = keyed(&there, "/job_clusters/0/new_cluster/spark_env_vars/T");
        assert_eq!(place, "/job_clusters/a~1b/new_cluster/spark_env_vars/T");
        let body = json!({"job_clusters": [{"job_cluster_key": "z"}, {"job_cluster_key": "a/b", "new_cluster": {"spark_env_vars": {}}}]});
        let (body, lost) = carried(&there, &body, &[&place]);
        assert_eq!(body["job_clusters"][1]["new_cluster"]["spark_env_vars"], json!({"T": "1"}));
        assert_eq!((body["job_clusters"][0].clone(), lost), (json!({"job_cluster_key": "z"}), 0));
    }

    #[test]
    fn a_task_goes_by_its_own_key() {
        let there = json!({"tasks": [{"job_cluster_key": "main", "task_key": "a", "x": {"s": 1}}, {"job_cluster_key": "main", "task_key": "b", "x": {"s": 2}}]});
        let places = ["/tasks/0/x/s", "/tasks/1/x/s"].map(|at| keyed(&there, at));
        assert_eq!(places, ["/tasks/a/x/s", "/tasks/b/x/s"]);
        let body = json!({"tasks": [{"task_key": "b", "x": {}}, {"task_key": "a", "x": {}}]});
        let (body, lost) = carried(&there, &body, &places.each_ref().map(String::as_str));
        assert_eq!((&body["tasks"][0]["x"], &body["tasks"][1]["x"], lost), (&json!({"s": 2}), &json!({"s": 1}), 0));
    }

    #[test]
    fn what_the_source_gave_up_is_not_built_anew() {
        let there = json!({"job_clusters": [{"job_cluster_key": "m", "new_cluster": {"e": {"T": 1}}}], "docker_image": {"basic_auth": {}}, "definition": "{\"x\":1}"});
        let places = ["/job_clusters/m/new_cluster/e/T", "/docker_image/basic_auth", "/definition/#/x"];
        assert_eq!(carried(&there, &json!({"name": "n"}), &places), (json!({"name": "n"}), 3));
    }

    #[test]
    fn what_cannot_be_placed_is_told() {
        let there = json!({"list": ["s"], "tasks": [{"task_key": "a", "x": "s"}], "null": null});
        let (body, lost) = carried(&there, &json!({"tasks": [], "list": []}), &["/list/0", "/tasks/a/x", "/null", "/absent"]);
        assert_eq!((body, lost), (json!({"tasks": [], "list": []}), 4));
    }

    #[test]
    fn attributes_inside_a_text_and_logins_of_addresses() {
        let attribute = json!({"type": "fixed", "value": "s"});
        let there = json!({"definition": json!({"spark_conf.x.secret": attribute}).to_string(), "url": "https://me:pw@h/x", "other": "https://me:pw@h/x"});
        let body = json!({"definition": json!({"y": 1}).to_string(), "url": "https://h/x", "other": "https://elsewhere/x"});
        let (body, lost) = carried(&there, &body, &["/definition/#/spark_conf.x.secret", "/url", "/other"]);
        let definition: Value = serde_json::from_str(body["definition"].as_str().expect("a text")).expect("JSON");
        assert_eq!(definition, json!({"y": 1, "spark_conf.x.secret": attribute}));
        assert_eq!(
            (body["url"].as_str(), body["other"].as_str(), lost),
            (Some("https://me:pw@h/x"), Some("https://elsewhere/x"), 1)
        );
    }
}
