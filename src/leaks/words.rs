//! Words in texts: what may be an id, a host, or the name of storage or of a vault.

use super::Sort;

/// A word of a text.
pub(super) enum Word<'a> {
    /// A whole run of letters, digits, dots and dashes, if it has dots: perhaps a host.
    Host(&'a str),
    /// A run without dots, or a part of one between dashes; and the text before it.
    Plain {
        /// The word.
        word: &'a str,
        /// What stands before it.
        before: &'a str,
    },
}

/// Shows every word of a text; where the visitor takes one, the parts of it are left out.
pub(super) fn words<'a>(text: &'a str, visit: &mut dyn FnMut(Word<'a>) -> bool) {
    for run in runs(text) {
        if !run.bytes().any(|byte| byte.is_ascii_digit()) && !run.contains('.') {
            continue;
        }
        if run.contains('.') && visit(Word::Host(run.trim_matches('.'))) {
            continue;
        }
        for part in run.split('.').filter(|part| part.bytes().any(|byte| byte.is_ascii_digit())) {
            in_part(text, part, visit);
        }
    }
}

fn in_part<'a>(text: &'a str, part: &'a str, visit: &mut dyn FnMut(Word<'a>) -> bool) {
    let before = |word: &str| &text[..word.as_ptr() as usize - text.as_ptr() as usize];
    if visit(Word::Plain { word: part, before: before(part) }) {
        return;
    }
    let ends: Vec<usize> =
        std::iter::once(0).chain(part.match_indices('-').map(|(at, _)| at + 1)).chain([part.len() + 1]).collect();
    // The longest first, so that an id counts before a part of it.
    for length in (1..ends.len() - 1).rev() {
        for start in 0..ends.len() - length {
            let word = &part[ends[start]..ends[start + length] - 1];
            if !word.is_empty() && visit(Word::Plain { word, before: before(word) }) {
                return;
            }
        }
    }
}

/// Runs of letters, digits, dots and dashes.
fn runs(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '-')).filter(|run| !run.is_empty())
}

/// Endings of the hosts of storage, behind the account's name.
const STORAGE: &[&str] = &[".dfs.core.", ".blob.core.", ".file.core.", ".queue.core.", ".table.core."];

/// Endings of the hosts of vaults, behind the vault's name.
const VAULTS: &[&str] = &[".vault.azure.net", ".vault.azure.cn", ".vault.usgovcloudapi.net", ".vault.microsoftazure.de"];

/// Schemes of addresses whose host is the name of a bucket.
const BUCKETS: &[&str] = &["s3://", "s3a://", "s3n://", "gs://", "oss://"];

/// Where resource ids name storage and vaults.
const RESOURCES: &[(&str, Sort)] = &[("/vaults/", Sort::Vault), ("/storageaccounts/", Sort::Storage)];

/// Shows every storage and vault that a text names, in lower case: a host, or a name.
pub(super) fn places(text: &str, visit: &mut dyn FnMut(Sort, String)) {
    if !text.contains(['.', '/']) {
        return;
    }
    let text = text.to_ascii_lowercase();
    for run in runs(&text).filter(|run| run.contains('.')) {
        for middle in STORAGE {
            if let Some((account, end)) = behind(run, middle) {
                visit(Sort::Storage, format!("{account}{middle}{end}"));
            }
        }
        for end in VAULTS.iter().filter(|end| run.ends_with(**end)) {
            visit(Sort::Vault, run[..run.len() - end.len()].rsplit('.').next().unwrap_or_default().to_owned());
        }
    }
    for scheme in BUCKETS {
        following(&text, scheme, |name| visit(Sort::Storage, name));
    }
    for (mark, sort) in RESOURCES {
        following(&text, mark, |name| visit(*sort, name));
    }
}

/// The label before a middle part, and the two labels after it: `windows.net`.
fn behind<'a>(run: &'a str, middle: &str) -> Option<(&'a str, String)> {
    let at = run.find(middle)?;
    let account = run[..at].rsplit('.').next().filter(|account| !account.is_empty())?;
    let end: Vec<&str> = run[at + middle.len()..].split('.').take(2).collect();
    Some((account, end.join(".")))
}

/// The names that follow a mark.
fn following(text: &str, mark: &str, mut visit: impl FnMut(String)) {
    for (at, _) in text.match_indices(mark) {
        let rest = &text[at + mark.len()..];
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c))).unwrap_or(rest.len());
        let name = rest[..end].trim_end_matches('.');
        let whole = mark.starts_with('/') || !text[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
        if whole && !name.is_empty() {
            visit(name.to_owned());
        }
    }
}
