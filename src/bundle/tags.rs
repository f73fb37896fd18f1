//! The files around the payload that make a bundle a bag (RFC 8493), so that `sha256sum` and `BagIt` tools can check it in
//! twenty years. They follow from the manifest and are never used to decide anything.

use super::manifest::HeadLine;
use super::name::ROOT;
use crate::spool::{Sha, hex};
use sha2::{Digest, Sha256};

/// First member of a bundle: the manifest's first line.
pub(crate) const HEAD_NAME: &str = "bundle/bundle.json";
/// Largest first frame in bytes, before compression.
pub(crate) const MAX_HEAD_FRAME: u64 = 64 << 10;
/// Where this program puts a signature.
pub(crate) const SIGNATURE: &str = "bundle/manifest.jsonl.minisig";
/// `bagit.txt`.
pub(crate) const BAGIT: &str = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";
/// Members of the manifest frame in their order, without `bundle/`.
pub(crate) const MANIFEST_FRAME: [&str; 5] =
    ["bagit.txt", "bag-info.txt", "manifest-sha256.txt", "manifest.jsonl", "tagmanifest-sha256.txt"];
/// Largest small tag file that a reader takes into memory.
pub(crate) const MAX_TAG_FILE: u64 = 64 << 10;

/// `bag-info.txt`.
pub(crate) fn bag_info(head: &HeadLine) -> String {
    let date = head.created.get(..10).unwrap_or_default();
    let (agent, bytes, members) = (&head.tool, head.counts.bytes, head.counts.members);
    format!("Bag-Software-Agent: {agent}\nBagging-Date: {date}\nPayload-Oxum: {bytes}.{members}\n")
}

/// One line of `manifest-sha256.txt` or `tagmanifest-sha256.txt`.
pub(crate) fn sum_line(sha: &Sha, name: &str) -> String {
    format!("{}  {name}\n", hex(sha))
}

/// `tagmanifest-sha256.txt`.
pub(crate) fn tagmanifest(head: &HeadLine, head_sha: &Sha, payload_sha: &Sha, manifest_sha: &Sha) -> String {
    let of = |text: &str| -> Sha { Sha256::digest(text.as_bytes()).into() };
    [
        sum_line(&of(&bag_info(head)), "bag-info.txt"),
        sum_line(&of(BAGIT), "bagit.txt"),
        sum_line(head_sha, "bundle.json"),
        sum_line(payload_sha, "manifest-sha256.txt"),
        sum_line(manifest_sha, "manifest.jsonl"),
    ]
    .concat()
}

/// Whether a tar name is one that a signature in the tail may have: `bundle/manifest.jsonl[.<id>].minisig`.
pub(crate) fn is_signature(name: &str) -> bool {
    let middle = name.strip_prefix(ROOT).and_then(|n| n.strip_prefix("manifest.jsonl")).and_then(|n| n.strip_suffix(".minisig"));
    let is_id =
        |id: &str| (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    middle.is_some_and(|middle| middle.is_empty() || middle.strip_prefix('.').is_some_and(is_id))
}
