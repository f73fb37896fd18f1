//! Knows credentials by their shape, wherever they stand: in a document, in a name, in what a workspace says of an error.
//!
//! A shape is taken up only if it means a credential and nothing else; what is secret by its place is the table of kinds' business.
//! A reference such as `{{secrets/scope/key}}` is no credential and stays.

use regex::{Captures, Regex, RegexSet};
use std::ops::Range;
use std::sync::LazyLock;

/// What a shape is of, and the shape with what stands around it: the first group, where there is one, is the credential.
/// Sources: the publishers' own descriptions, as secret scanners use them.
const SHAPES: &[(&str, &str)] = &[
    // Databricks: personal, OAuth secret, and the other families of one form.
    ("a Databricks token", r"\bd(?:api|ose|kea|sap|sas|oui)[0-9a-f]{32}(?:-\d{1,2})?\b"),
    // JSON web tokens.
    ("a JSON web token", r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    // Git hosts.
    ("a GitHub token", r"\bgh[pousr]_[A-Za-z0-9]{36,}\b"),
    ("a GitHub token", r"\bgithub_pat_[A-Za-z0-9_]{40,}\b"),
    ("a GitLab token", r"\bglpat-[A-Za-z0-9_-]{20,}"),
    // Azure: account keys and shared access signatures, client secrets.
    ("the key of a storage account", r"AccountKey=([A-Za-z0-9+/]{40,}={0,2})"),
    ("a shared access key", r"SharedAccessKey=([A-Za-z0-9+/]{40,}={0,2})"),
    ("the key of a storage account", r"(?:^|[^A-Za-z0-9+/=])([A-Za-z0-9+/]{86}==)(?:$|[^A-Za-z0-9+/=])"),
    ("a shared access signature", r"[?&]sig=([A-Za-z0-9%+/]{40,}={0,2})"),
    ("a client secret of Entra ID", r"\b[A-Za-z0-9_~.-]{3}8Q~[A-Za-z0-9_~.-]{31,34}"),
    // A password, or nothing but a token, before the host of an address.
    ("a password in an address", r"://[^/\s:@'\x22]*:([^/\s\[{'\x22][^/\s'\x22]*)@"),
    ("a token in an address", r"://([A-Za-z0-9_-]{40,})@"),
    // Connection strings.
    ("a password in a connection string", r"(?i)[;?&](?:password|pwd)=([^;&\s\[{$<'\x22][^;&\s'\x22]*)"),
    // Webhooks whose address is all that it takes to use them; chat and other services.
    ("the address of a Slack webhook", r"https://hooks\.slack\.com/(?:services|workflows|triggers)/([A-Za-z0-9/_+-]{20,})"),
    ("the address of a Teams webhook", r"\.webhook\.office\.com/webhookb2/([A-Za-z0-9@/_-]{40,})"),
    ("a Slack token", r"\bxox[abeoprs]-[A-Za-z0-9-]{20,}"),
    ("a Google API key", r"\bAIza[0-9A-Za-z_-]{35}\b"),
    ("an npm token", r"\bnpm_[A-Za-z0-9]{36}\b"),
    ("a PyPI token", r"\bpypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,}"),
    ("an authorization header", r"(?i)\bauthorization['\x22]?\s*[:=]\s*['\x22]?(?:bearer|basic)\s+([A-Za-z0-9._~+/-]{8,}=*)"),
    ("a private key", r"(?s)-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----(.{40,}?)-----END"),
];

static ANY: LazyLock<RegexSet> =
    LazyLock::new(|| RegexSet::new(SHAPES.iter().map(|(_, shape)| shape)).unwrap_or_else(|_| RegexSet::empty()));
static EACH: LazyLock<Vec<Regex>> = LazyLock::new(|| SHAPES.iter().filter_map(|(_, shape)| Regex::new(shape).ok()).collect());

/// The text with `mark` in the place of each credential; nothing if there is none.
pub fn without(text: &str, mark: &str) -> Option<String> {
    // Shorter than any credential.
    if text.len() < 8 {
        return None;
    }
    let found = ANY.matches(text);
    let shapes = EACH.iter().enumerate().filter(|(index, _)| found.matched(*index)).map(|(_, shape)| shape);
    let clean =
        shapes.fold(text.to_owned(), |text, shape| shape.replace_all(&text, |found: &Captures<'_>| blank(found, mark)).into());
    (clean != text).then_some(clean)
}

/// What credentials stand in a text, and where, in bytes: the name of each shape and its place, never the credential.
pub(crate) fn places(text: &str) -> Vec<(&'static str, Range<usize>)> {
    let mut places = Vec::new();
    for index in &ANY.matches(text) {
        let (Some(shape), Some((what, _))) = (EACH.get(index), SHAPES.get(index)) else { continue };
        let inner = |found: Captures<'_>| found.get(1).or_else(|| found.get(0)).map(|found| found.range());
        places.extend(shape.captures_iter(text).filter_map(inner).map(|place| (*what, place)));
    }
    places
}

/// What was found, less the credential in it.
fn blank(found: &Captures<'_>, mark: &str) -> String {
    let (Some(whole), Some(inner)) = (found.get(0), found.get(1)) else { return mark.to_owned() };
    let text = whole.as_str();
    let (from, to) = (inner.start() - whole.start(), inner.end() - whole.start());
    format!("{}{mark}{}", &text[..from], &text[to..])
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: &str = "[gone]";

    #[test]
    fn every_shape_is_a_valid_expression() {
        assert_eq!((EACH.len(), ANY.len()), (SHAPES.len(), SHAPES.len()));
    }

    #[test]
    fn credentials_go_and_what_stands_around_them_stays() {
        let hex = "0123456789abcdef".repeat(2);
        let long = "aB3dE6gH9".repeat(12);
        let (key, text) = (format!("{}==", &long[..86]), long.as_str());
        let cases = [
            (format!("--token dapi{hex} -v"), "--token [gone] -v".to_owned()),
            (format!("dapi{hex}-2"), MARK.into()),
            (format!("key {key}!"), "key [gone]!".into()),
            (key.clone(), MARK.into()),
            ("https://me:hunter2@git.example.com/x".into(), "https://me:[gone]@git.example.com/x".into()),
            ("https://me:p@ss:w@git.example.com/x".into(), "https://me:[gone]@git.example.com/x".into()),
            ("redis://:hunter2@cache:6379".into(), "redis://:[gone]@cache:6379".into()),
            (format!("https://{}@dev.azure.com/x", &text[..52]), "https://[gone]@dev.azure.com/x".into()),
            ("jdbc:sqlserver://h;user=a;Password=hunter2;x=1".into(), "jdbc:sqlserver://h;user=a;Password=[gone];x=1".into()),
            (format!("https://hooks.slack.com/services/T0/B0/{}", &text[..24]), "https://hooks.slack.com/services/[gone]".into()),
            ("{'Authorization': 'Bearer abcdefgh12345'}".into(), "{'Authorization': 'Bearer [gone]'}".into()),
            (
                format!("-----BEGIN RSA PRIVATE KEY-----\n{text}\n-----END"),
                "-----BEGIN RSA PRIVATE KEY-----[gone]-----END".into(),
            ),
            (format!("a.8Q~{}", &text[..34]), format!("a.8Q~{}", &text[..34])),
            (format!("abc8Q~{}", &text[..34]), MARK.into()),
        ];
        for (text, clean) in cases {
            let found = without(&text, MARK).unwrap_or_else(|| text.clone());
            assert_eq!(found, clean);
            assert_eq!(without(&found, MARK), None, "what was cleaned stays: {found}");
        }
    }

    #[test]
    fn what_is_no_credential_stays() {
        let script = format!("{}+{}==", "aB3dE6gH9".repeat(20), &"aB3dE6gH9".repeat(12)[..86]);
        let plain = [
            script.as_str(),
            "https://northwind@dev.azure.com/northwind/x",
            "https://me:{{secrets/a/b}}@host/x",
            "jdbc:x://h;password={{secrets/a/b}}",
            "?password=$PASSWORD",
            "https://example.com:8443/a@b",
            r#"{"host":"https://h:1","mail":"a@b"}"#,
            "",
        ];
        for text in plain {
            assert_eq!(without(text, MARK), None);
        }
    }
}
