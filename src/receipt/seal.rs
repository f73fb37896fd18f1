//! Seals: a digest that stands in the document which it is of. A checksum, no signature.

use crate::rules::canonical;
use crate::spool::hex;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The last line of a page begins so.
const LINE: &str = "<!-- sealed: SHA-256 of all above this line: ";

/// A document whose seal does not hold.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// It is no receipt.
    #[error("this is no receipt of lifeboat")]
    NoReceipt,
    /// It bears no seal.
    #[error("the receipt has no seal")]
    NoSeal,
    /// It was changed after it was sealed.
    #[error("the receipt was changed: its seal says {said}, and it is {actual}")]
    Broken {
        /// What the seal says.
        said: String,
        /// What it is.
        actual: String,
    },
    /// The same values in another form: somebody edited it.
    #[error("the receipt was written anew: it says the same, but is not byte by byte what was sealed")]
    Rewritten,
}

fn sha256(text: &str) -> String {
    hex(&Sha256::digest(text))
}

/// A record as JSON text, sealed: members sorted, no white space, a line feed at the end; the seal is over that same form
/// without the seal and without the line feed.
pub fn seal(record: &Value) -> String {
    let mut members = members(record);
    let digest = sha256(&joined(&members));
    members.insert("seal", canonical(&json!({ "sha256": digest })));
    joined(&members) + "\n"
}

/// What a record is sealed with.
pub(super) fn digest(record: &Value) -> String {
    sha256(&joined(&members(record)))
}

/// The members of a record as texts: it may be large, and is not copied.
fn members(record: &Value) -> BTreeMap<&str, String> {
    let members = record.as_object().into_iter().flatten();
    members.map(|(name, value)| (name.as_str(), canonical(value))).collect()
}

fn joined(members: &BTreeMap<&str, String>) -> String {
    let texts: Vec<String> = members.iter().map(|(name, text)| format!("{}:{text}", Value::from(*name))).collect();
    format!("{{{}}}", texts.join(","))
}

/// A page with its seal in a last line.
pub(super) fn seal_page(page: &str) -> String {
    format!("{page}{LINE}{} -->\n", sha256(page))
}

/// Whether a receipt, as JSON or as a page, is what was sealed. Answers the digest.
pub fn check(text: &str) -> Result<String, SealError> {
    if text.starts_with("<!DOCTYPE html>") { check_page(text) } else { check_record(text) }
}

fn check_page(text: &str) -> Result<String, SealError> {
    let at = text.rfind(LINE).ok_or(SealError::NoSeal)?;
    let said = text[at + LINE.len()..].strip_suffix(" -->\n").ok_or(SealError::NoSeal)?;
    compare(said, sha256(&text[..at]))
}

fn check_record(text: &str) -> Result<String, SealError> {
    let mut record: Value = serde_json::from_str(text).map_err(|_| SealError::NoReceipt)?;
    let whole = canonical(&record) + "\n";
    let members = record.as_object_mut().filter(|members| members.contains_key("lifeboat_receipt"));
    let seal = members.ok_or(SealError::NoReceipt)?.shift_remove("seal").ok_or(SealError::NoSeal)?;
    let said = seal.get("sha256").and_then(Value::as_str).ok_or(SealError::NoSeal)?;
    let digest = compare(said, sha256(&canonical(&record)))?;
    if whole == text { Ok(digest) } else { Err(SealError::Rewritten) }
}

fn compare(said: &str, actual: String) -> Result<String, SealError> {
    if said == actual { Ok(actual) } else { Err(SealError::Broken { said: said.to_owned(), actual }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_shows() {
        let sealed = seal(&json!({"lifeboat_receipt": 1, "b": [1, {"z": "ä", "a": null}], "a": 9_007_199_254_740_993_i64}));
        let digest = check(&sealed).expect("as it was sealed");
        assert!(sealed.contains(&digest) && sealed.starts_with("{\"a\":9007199254740993,\"b\":"));
        for changed in [sealed.replace('ä', "b"), sealed.replace("993", "992"), sealed.replace("null", "0")] {
            assert!(matches!(check(&changed), Err(SealError::Broken { .. })), "{changed}");
        }
        assert_eq!(check(&sealed.replace(":[1", ": [1")), Err(SealError::Rewritten));
        assert_eq!(check(&sealed.replace("{\"a\":9", "{\"a\":8,\"a\":9")), Err(SealError::Rewritten), "a member twice");
        assert_eq!(check("{}"), Err(SealError::NoReceipt));
        assert_eq!(check("{\"lifeboat_receipt\":1}\n"), Err(SealError::NoSeal));
    }

    #[test]
    fn a_page_is_sealed_as_well() {
        let page = seal_page("<!DOCTYPE html>\n<p>x</p>\n");
        assert!(check(&page).is_ok());
        assert!(matches!(check(&page.replace("x<", "y<")), Err(SealError::Broken { .. })));
        assert_eq!(check("<!DOCTYPE html>\n"), Err(SealError::NoSeal));
        assert!(check(&format!("{page}more")).is_err());
    }
}
