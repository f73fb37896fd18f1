//! Reads one object whole, also where its long lists go on in further pages.

use super::Workspace;
use super::error::ApiError;
use super::request::Request;
use serde_json::Value;
use std::collections::HashSet;

/// Pages after which an object counts as endless.
const MOST_PAGES: usize = 1000;

impl Workspace {
    /// One object with the `arrays` (RFC 6901) of all its pages, joined by `page_token` and `next_page_token` (core reference
    /// §10.1); one read where there are none. Errors: besides the calls', an answer that holds no object, and pages without end.
    pub async fn whole(&self, request: &Request, arrays: &[&str]) -> Result<Value, ApiError> {
        let mut document = an_object(request, self.call(request).await?)?;
        let mut next = take_token(&mut document);
        let mut tokens = HashSet::new();
        while let Some(token) = next.filter(|_| !arrays.is_empty()) {
            if !tokens.insert(token.clone()) || tokens.len() > MOST_PAGES {
                return Err(ApiError::protocol(request, "the object goes in circles: its pages have no end"));
            }
            let mut page = an_object(request, self.call(&request.clone().query("page_token", token)).await?)?;
            next = take_token(&mut page);
            arrays.iter().for_each(|array| append(&mut document, &mut page, array));
        }
        Ok(document)
    }
}

/// What one object is read as. An answer without a single field is none, and must not pass for it.
pub fn an_object(request: &Request, answer: Value) -> Result<Value, ApiError> {
    let is_one = answer.as_object().is_some_and(|fields| !fields.is_empty());
    if is_one { Ok(answer) } else { Err(ApiError::protocol(request, "the answer holds no object")) }
}

fn take_token(document: &mut Value) -> Option<String> {
    let token = document.as_object_mut()?.shift_remove("next_page_token")?;
    token.as_str().filter(|token| !token.is_empty()).map(str::to_owned)
}

fn append(document: &mut Value, page: &mut Value, array: &str) {
    let Some(more @ Value::Array(_)) = page.pointer_mut(array).map(Value::take) else { return };
    match (document.pointer_mut(array), more) {
        (Some(Value::Array(have)), Value::Array(more)) => have.extend(more),
        (None, more) => {
            let Some((holder, name)) = array.rsplit_once('/') else { return };
            let holder = document.pointer_mut(holder).and_then(Value::as_object_mut);
            holder.map(|holder| holder.insert(name.to_owned(), more));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pages_add_up_also_where_the_first_lacks_a_list() {
        let mut whole = json!({"settings": {"tasks": [1]}});
        let mut page = json!({"settings": {"tasks": [2], "parameters": [3]}});
        for array in ["/settings/tasks", "/settings/parameters", "/settings/none"] {
            append(&mut whole, &mut page, array);
        }
        assert_eq!(whole, json!({"settings": {"tasks": [1, 2], "parameters": [3]}}));
    }
}
