//! The table's calls as requests: places filled in, names as the API wants them.

use super::{Hands, Ready};
use crate::api::{ApiError, ErrorKind, Method, Paging, Request, encode_segment};
use crate::kinds::{self, Call, Class, Kind, List};
use crate::pointer;
use serde_json::{Map, Value, json};

/// SCIM servers give fewer per page if they like.
const SCIM_PAGE: u32 = 1000;

/// A request for a call of the table. `values` fill the places in path, query and body template.
pub(super) fn request(kind: &'static Kind, call: &Call, values: &[(&str, &str)], body: Option<Value>) -> Request {
    let method = match call.method {
        "PUT" => Method::Put,
        "PATCH" => Method::Patch,
        "GET" => Method::Get,
        "DELETE" => Method::Delete,
        _ => Method::Post,
    };
    let mut request = with_query(Request::new(method, kind.name, ""), call.path, values);
    let template = serde_json::from_str::<Value>(call.body).ok().map(|body| filled(body, values));
    request.body = template.or(body);
    if call.idempotent {
        request = request.safe();
    }
    if request.path.contains("/scim/") { request.scim() } else { request }
}

/// Reads something by a path of the table.
pub(super) fn get(kind: &'static Kind, path: &str, values: &[(&str, &str)]) -> Request {
    with_query(Request::get(kind.name, ""), path, values)
}

fn with_query(mut request: Request, path: &str, values: &[(&str, &str)]) -> Request {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    request.path = fill(path, values, encode_segment);
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.fold(request, |request, (name, value)| request.query(name, fill(value, values, str::to_owned)))
}

fn fill(template: &str, values: &[(&str, &str)], encode: impl Fn(&str) -> String) -> String {
    values.iter().fold(template.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), &encode(value)))
}

/// A body template: its texts may be places.
fn filled(mut body: Value, values: &[(&str, &str)]) -> Value {
    for member in body.as_object_mut().into_iter().flat_map(Map::values_mut) {
        if let Value::String(text) = member {
            *text = fill(text, values, str::to_owned);
        }
    }
    body
}

/// A body under the names that a create and an update want.
pub(super) fn renamed(kind: &'static Kind, body: &Map<String, Value>) -> Map<String, Value> {
    let name = |name: &String| {
        let class = kind.sent().find(|(field, _)| field == name).map(|(_, class)| class);
        if let Some(Class::SentAs(other)) = class { other.to_owned() } else { name.clone() }
    };
    body.iter().map(|(field, value)| (name(field), value.clone())).collect()
}

/// Puts an id into a body, where the call wants it.
pub(super) fn put(body: &mut Value, at: &str, id: &Value) {
    pointer::set(body, at, id);
}

impl Hands<'_> {
    /// All items of a listing of the table.
    pub(super) async fn items(&self, kind: &'static Kind, list: &List) -> Result<Vec<Value>, ApiError> {
        let paging = match list.paging {
            kinds::Paging::None => Paging::None,
            kinds::Paging::Token(query, answer) => Paging::Token { query, answer },
            kinds::Paging::Scim => Paging::Scim { count: SCIM_PAGE },
        };
        let mut items = Vec::new();
        self.workspace.pages(&get(kind, list.path, &[]), paging, list.items, |item| items.push(item)).await?;
        Ok(items)
    }

    /// What the workspace says of a path; nothing if nothing is there.
    pub(super) async fn status(&self, ready: &Ready<'_>, path: &str) -> Result<Option<Value>, ApiError> {
        let request = Request::get(ready.kind.name, "/api/2.0/workspace/get-status").query("path", path);
        match self.workspace.call(&request).await {
            Ok(status) => Ok(Some(status)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Whether nobody knows what became of a write.
pub(super) fn is_ambiguous(error: &ApiError) -> bool {
    error.kind == ErrorKind::Ambiguous
}

/// One SCIM change (RFC 7644 §3.5.2): values of a list are only ever added.
pub(super) fn scim_patch(field: &str, values: &Value) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{ "op": "add", "path": field, "value": values }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::by_name;

    #[test]
    fn places_are_filled_and_encoded() {
        let kind = by_name("permissions").unwrap();
        let call = Call { method: "PUT", path: "/api/2.0/permissions/{type}/{parent}?a={parent}", body: "", idempotent: true };
        let request = request(kind, &call, &[("type", "jobs"), ("parent", "a/b")], Some(json!({})));
        assert_eq!((request.path.as_str(), request.query_value("a")), ("/api/2.0/permissions/jobs/a%2Fb", Some("a/b")));
        assert_eq!(request.repeat, crate::api::Repeat::Safe);
        let pin = Call { method: "POST", path: "/x", body: r#"{"cluster_id":"{id}"}"#, idempotent: true };
        let request = super::request(by_name("cluster").unwrap(), &pin, &[("id", "0\"1")], None);
        assert_eq!(request.body, Some(json!({"cluster_id": "0\"1"})));
    }

    #[test]
    fn scopes_are_sent_under_other_names() {
        let body = json!({"name": "s", "backend_type": "DATABRICKS"});
        let sent = renamed(by_name("secret_scope").unwrap(), body.as_object().unwrap());
        assert_eq!(Value::Object(sent), json!({"scope": "s", "scope_backend_type": "DATABRICKS"}));
    }
}
