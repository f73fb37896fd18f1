//! Secrets in clear text: known by their shape, by the name that they stand under, or because they look like chance.
//!
//! Nothing of what is found leaves this file but its place and its sort.

use super::code::Piece;
use super::{Blanked, Check, Findings, Place, Severity, own};
use crate::object::{Object, REDACTED};
use crate::{pointer, redact, tokens};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use regex::Regex;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::LazyLock;

const HINT: &str = "revoke it, and read a new one from a secret scope: `dbutils.secrets.get`, `{{secrets/scope/key}}`";
const RANDOM_HINT: &str = "look whether it is a secret; if so, revoke it, and read a new one from a secret scope";
const NAMED: &str = "a value under the name of a secret";
const RANDOM: &str = "a text that looks like a random key";

/// Lines in which a name may say that its value is a secret.
static HINTED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i-u)passw|passphrase|secret|token|api[._-]?key|account[._-]?key|private[._-]?key|\bpat\b").ok()
});

/// A name, and a text in quotes that it is set to: `password = "…"`, `"password": "…"`, `option("password", "…")`.
static PAIR: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"([A-Za-z_][A-Za-z0-9_.-]*)["']?\s*(?::|=|:=|<-|->|=>|,)\s*[brfuBRFU]?["']([^"'\r\n]{6,400})["']"#).ok()
});

/// A variable of a shell, without quotes.
static EXPORT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"^\s*(?:export\s+)?([A-Z][A-Z0-9_]*)=([^\s"'$;&|(){}\[\]<>,.]{6,400})\s*(?:[;#].*)?$"#).ok());

/// A text in quotes of the letters of base64.
static QUOTED: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#"["']([A-Za-z0-9+/_-]{32,120}={0,2})["']"#).ok());

/// What was blanked on the way into the bundle stands in clear in the workspace.
pub(super) fn blanked(all: &[Blanked], names: &BTreeMap<(&str, &str), String>, findings: &mut Findings) {
    for one in all {
        let known = names.get(&(one.object.kind.as_str(), one.object.id.as_str()));
        let name = known.cloned().unwrap_or_else(|| one.object.to_string());
        let what = if one.reason == "secret" { NAMED } else { "a text with the shape of a token" };
        let text = format!("{what} stands in clear in the workspace; in the bundle it is blanked");
        let place =
            Place { object: name.clone(), id: one.object.id.clone(), pointer: Some(one.pointer.clone()), ..Place::default() };
        findings.add(Severity::High, Check::ClearSecret, text, HINT, (name, one.object.id.clone()), Some(place));
    }
}

/// What a document still holds, whoever wrote the bundle.
pub(super) fn document(object: &Object, document: &Value, findings: &mut Findings) {
    let mut shaped: Vec<String> = Vec::new();
    pointer::each_text(document, &mut String::new(), &mut |at, text| {
        if at == "/script" && object.kind.name == "global_init_script" {
            return script(object, text, findings);
        }
        let mut taken = BTreeMap::new();
        for (what, _) in tokens::places(text).into_iter().filter(|(_, place)| is_free_of(&mut taken, place)) {
            findings.at(Severity::High, Check::ClearSecret, stands(what), HINT, object, at);
            shaped.push(at.to_owned());
        }
        if is_free(at) && is_random(text) && shaped.last().is_none_or(|last| last != at) {
            findings.at(Severity::Medium, Check::ClearSecret, stands(RANDOM), RANDOM_HINT, object, at);
            shaped.push(at.to_owned());
        }
    });
    for (at, _) in redact::blank(object.kind, &mut document.clone()) {
        if !shaped.contains(&at) {
            findings.at(Severity::High, Check::ClearSecret, stands(NAMED), HINT, object, &at);
        }
    }
}

/// Fields into which people write what they like.
fn is_free(at: &str) -> bool {
    ["/spark_conf/", "/spark_env_vars/", "parameters/", "/variables/", "/configuration/"].iter().any(|part| at.contains(part))
}

/// The text of a global init script, which its document holds in base64.
fn script(object: &Object, text: &str, findings: &mut Findings) {
    let Ok(bytes) = STANDARD.decode(text) else { return };
    code(object, &super::code::read(&bytes), findings);
}

/// What source code holds.
pub(super) fn code(object: &Object, code: &[Piece<'_>], findings: &mut Findings) {
    for piece in code {
        let mut spot = piece.spots(object);
        for (what, severity, at) in in_text(&piece.text) {
            let hint = if severity == Severity::High { HINT } else { RANDOM_HINT };
            findings.add(severity, Check::ClearSecret, stands(what), hint, own(object), Some(spot(at)));
        }
    }
}

/// Whether a text holds what looks like a secret in clear text.
pub fn holds_secret(text: &str) -> bool {
    !in_text(text).is_empty()
}

fn stands(what: &str) -> String {
    format!("{what} stands in clear text")
}

/// Every secret of a text: what it is, how sure that is, and where it begins.
fn in_text(text: &str) -> Vec<(&'static str, Severity, usize)> {
    let mut found: Vec<(&'static str, Severity, Range<usize>)> =
        tokens::places(text).into_iter().map(|(what, at)| (what, Severity::High, at)).collect();
    for line in hinted(text) {
        let written = &text[line.clone()];
        for shape in [&*PAIR, &*EXPORT].into_iter().flatten() {
            for pair in shape.captures_iter(written) {
                let (Some(name), Some(value)) = (pair.get(1), pair.get(2)) else { continue };
                if is_secret_name(name.as_str()) && is_secret_value(value.as_str()) {
                    found.push((NAMED, Severity::High, line.start + value.start()..line.start + value.end()));
                }
            }
        }
    }
    let quoted = QUOTED.iter().flat_map(|shape| shape.captures_iter(text)).filter_map(|found| found.get(1));
    found.extend(quoted.filter(|one| is_random(one.as_str())).map(|one| (RANDOM, Severity::Medium, one.range())));
    let mut taken = BTreeMap::new();
    found.retain(|(_, _, at)| is_free_of(&mut taken, at));
    found.sort_by_key(|(_, _, at)| at.start);
    found.into_iter().map(|(what, severity, at)| (what, severity, at.start)).collect()
}

/// Takes a range, unless a part of it was taken.
fn is_free_of(taken: &mut BTreeMap<usize, usize>, at: &Range<usize>) -> bool {
    // Those that are taken lie apart: only the last that begins before the end can reach into it.
    let free = taken.range(..at.end).next_back().is_none_or(|(_, end)| *end <= at.start);
    taken.extend(free.then_some((at.start, at.end)));
    free
}

/// Lines that say that something in them is a secret, each once.
fn hinted(text: &str) -> Vec<Range<usize>> {
    let mut lines: Vec<Range<usize>> = Vec::new();
    for hint in HINTED.iter().flat_map(|shape| shape.find_iter(text)) {
        if lines.last().is_some_and(|line| hint.start() < line.end) {
            continue;
        }
        let start = memchr::memrchr(b'\n', &text.as_bytes()[..hint.start()]).map_or(0, |at| at + 1);
        let end = memchr::memchr(b'\n', &text.as_bytes()[hint.end()..]).map_or(text.len(), |at| hint.end() + at);
        lines.push(start..end);
    }
    lines
}

fn is_secret_name(name: &str) -> bool {
    // `fs.azure.account.key.<account>.dfs.core.windows.net`: the name goes on behind what says so.
    redact::is_secret_name(name) || name.contains("azure.account.key.") || name.to_ascii_lowercase().ends_with("secret")
}

/// Whether a value can be a secret, and not the name of one, a place from where it comes, or a word for people.
fn is_secret_value(value: &str) -> bool {
    let has = |sort: fn(&char) -> bool| value.chars().any(|c| sort(&c));
    let is_reference =
        redact::keeps(value) || value.contains(REDACTED) || value.contains("://") || value.contains(['{', '<', '$', '%']);
    let spaced = has(|c| c.is_whitespace());
    let digits = has(char::is_ascii_digit);
    let letters = has(char::is_ascii_alphabetic);
    let signs = has(|c| c.is_ascii_punctuation() && !"-_./:,".contains(*c));
    let is_constant = value.contains('_') && value.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    let is_name = value.contains(['-', '_', '.', '/']) && value.split(['-', '_', '.', '/']).all(is_word_or_number);
    let is_word = is_constant || is_name && !signs;
    letters && (digits || signs) && !(is_reference || spaced || is_word)
}

/// `db`, `prod2`, `2024`: parts of names that people make up.
fn is_word_or_number(part: &str) -> bool {
    let letters = part.trim_end_matches(|c: char| c.is_ascii_digit());
    part.len() <= 12
        && (letters.is_empty()
            || letters.chars().all(|c| c.is_ascii_lowercase())
            || letters.chars().all(|c| c.is_ascii_uppercase()))
}

/// Whether a text has the look of chance: letters of both cases and digits, and so many different ones that no word is like it.
fn is_random(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let letters = body.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/_-".contains(&byte));
    let has = |sort: fn(&u8) -> bool| body.bytes().any(|byte| sort(&byte));
    let mixed = has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_digit);
    let least = if body.len() < 40 { 4.25 } else { 4.5 };
    (32..=120).contains(&body.len()) && letters && mixed && !is_name_of_parts(body) && entropy(body) >= least
}

/// Names and paths of words: `northwind-meters-Prod2/Raw_2024`.
fn is_name_of_parts(text: &str) -> bool {
    let parts = text.split(['-', '_', '/', '+']);
    parts.clone().count() > 2 && parts.filter(|part| part.chars().any(|c| c.is_ascii_digit())).count() <= 1
}

/// Shannon's entropy in bits for each letter.
fn entropy(text: &str) -> f64 {
    let mut counts = [0_u32; 256];
    text.bytes().for_each(|byte| counts[usize::from(byte)] += 1);
    let all = f64::from(u32::try_from(text.len()).unwrap_or(u32::MAX));
    counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count) / all).map(|part| -part * part.log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&'static str> {
        in_text(text).into_iter().map(|(what, ..)| what).collect()
    }

    #[test]
    fn secrets_are_known_by_shape_name_and_chance() {
        let token = format!("dapi{}", "0123456789abcdef".repeat(2));
        let random = "kJ8sQ2vXz0LmN4pRt6WyB1cD3fGh5jKa9TqE";
        let cases = [
            (format!("t = \"{token}\""), "a Databricks token"),
            ("password = \"hunter2!\"".to_owned(), NAMED),
            ("PASSWORD <- 'hunter2!'".to_owned(), NAMED),
            ("spark.read.option(\"password\", \"Tr0ub4dor&3\")".to_owned(), NAMED),
            ("{'client_secret': 'abc123XYZ'}".to_owned(), NAMED),
            ("spark.conf.set(\"fs.azure.account.key.lake.dfs.core.windows.net\", \"c0ffee42babe\")".to_owned(), NAMED),
            ("x\nexport DB_PASSWORD=hunter22\ny".to_owned(), NAMED),
            (format!("blob = '{random}'"), RANDOM),
        ];
        for (text, what) in cases {
            assert_eq!(found(&text), [what], "{text}");
        }
    }

    #[test]
    fn what_is_no_secret_is_left_alone() {
        for plain in [
            "password = dbutils.secrets.get(\"platform\", \"db-password\")",
            "password = \"{{secrets/platform/db-password}}\"",
            "password_key = \"db-password-2\"",
            "secret = \"prod-lake-secret\"",
            "token = \"refresh_token\"",
            "API_KEY = \"MY_API_KEY_2\"",
            "token=get_token()",
            "print('enter the password: \"word word 1\"')",
            "sha = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'",
            "id = '5b0f5e02-7c1d-4e8a-9a36-1f2f0c7a4d11'",
            "path = '/Users/ada.lind@northwind.example/Projects/Energy2026/Readings'",
            "url = 'https://example.com/api?token=none'",
            "password = f\"{user}1234567\"",
            "tokens = \"abc123abc\"",
            "-- COMMAND ----------",
        ] {
            assert_eq!(found(plain), [] as [&str; 0], "{plain}");
        }
    }
}
