//! Paths with places to fill in, as the table of kinds holds them: `/api/2.0/permissions/{type}/{parent}?x={id}`.

use crate::api::{Request, encode_segment};

/// A `GET` for the filled path; values are percent-encoded in the path, and taken as they are in the query.
pub(crate) fn get(label: &'static str, template: &str, values: &[(&str, &str)]) -> Request {
    let (path, query) = template.split_once('?').unwrap_or((template, ""));
    let request = Request::get(label, fill(path, values, encode_segment));
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .fold(request, |request, (name, value)| request.query(name, fill(value, values, str::to_owned)))
}

fn fill(template: &str, values: &[(&str, &str)], encode: impl Fn(&str) -> String) -> String {
    values.iter().fold(template.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), &encode(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_encoded_where_they_stand() {
        let request = get("secret", "/api/x/{id}?scope={id}&a=b", &[("id", "a/b c")]);
        assert_eq!(request.path, "/api/x/a%2Fb%20c");
        assert_eq!((request.query_value("scope"), request.query_value("a")), (Some("a/b c"), Some("b")));
    }
}
