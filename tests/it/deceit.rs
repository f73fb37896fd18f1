//! Bundles that lie in one place each, and what a verification is to say of them.
//!
//! With `LIFEBOAT_KEEP_HOSTILE=FOLDER` they are written there too, for readers of other makes; `whole` in a name means that
//! nothing is wrong with it.

#![allow(clippy::unwrap_used, reason = "helpers of tests may unwrap as tests do")]

use crate::forge::{Forge, hex_sha, resum};
use lifeboat::audit::{Depth, verify_bytes};
use lifeboat::bundle::OpenError;
use serde_json::Value;

/// What a full verification says: the code of its first finding, or why it cannot look.
pub(crate) fn outcome(bytes: Vec<u8>) -> String {
    match verify_bytes(bytes, Depth::Full) {
        Ok(verdict) => verdict.findings.first().map_or("whole".to_owned(), |finding| finding.fault.code().to_owned()),
        Err(OpenError::NeedsVersion { .. }) => "needs-version".to_owned(),
        Err(OpenError::NotABundle(_)) => "not-a-bundle".to_owned(),
        Err(other) => panic!("{other:?}"),
    }
}

fn keep(what: &str, expected: &str, bytes: &[u8]) {
    if let Some(folder) = std::env::var_os("LIFEBOAT_KEEP_HOSTILE") {
        let name: String = what.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(80).collect();
        let digest = &hex_sha(what.as_bytes())[..6];
        std::fs::write(std::path::Path::new(&folder).join(format!("{expected}-{name}-{digest}.tar.zst")), bytes).unwrap();
    }
}

pub(crate) fn check(cases: Vec<(&str, &str, Forge)>) {
    let build = |what: &str, expected: &str, forge: &Forge| {
        let bytes = forge.build();
        keep(what, expected, &bytes);
        outcome(bytes)
    };
    let wrong: Vec<String> = cases
        .into_iter()
        .map(|(what, expected, forge)| (what, expected, build(what, expected, &forge)))
        .filter(|(_, expected, found)| expected != found)
        .map(|(what, expected, found)| format!("{what}: expected {expected}, found {found}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

pub(crate) fn forge() -> Forge {
    Forge::default()
}

pub(crate) fn head(edit: impl Fn(&mut Value) + 'static) -> Forge {
    Forge { head: Box::new(edit), ..forge() }
}

pub(crate) fn raw(edit: impl Fn(&mut Vec<Vec<u8>>) + 'static) -> Forge {
    Forge { raw: Box::new(edit), ..forge() }
}

pub(crate) fn stored(edit: impl Fn(&mut Vec<Vec<u8>>) + 'static) -> Forge {
    Forge { stored: Box::new(edit), ..forge() }
}

pub(crate) fn lines(edit: impl Fn(&mut Vec<Value>) + 'static) -> Forge {
    Forge { lines: Box::new(edit), ..forge() }
}

pub(crate) fn text(edit: impl Fn(&mut Vec<u8>) + 'static) -> Forge {
    Forge { text: Box::new(edit), ..forge() }
}

pub(crate) fn swap(from: &'static str, to: &'static str) -> Forge {
    text(move |text| {
        let old = String::from_utf8(text.clone()).unwrap();
        assert!(old.contains(from), "{from}");
        *text = old.replacen(from, to, 1).into_bytes();
    })
}

pub(crate) fn tags(edit: impl Fn(&mut Vec<(String, Vec<u8>)>) + 'static) -> Forge {
    Forge { tags: Box::new(edit), ..forge() }
}

pub(crate) fn tail(edit: impl Fn(&mut Vec<u8>) + 'static) -> Forge {
    Forge { tail: Box::new(edit), ..forge() }
}

pub(crate) fn trailer(edit: impl Fn(&mut [u8; 160]) + 'static) -> Forge {
    Forge { trailer: Box::new(edit), ..forge() }
}

pub(crate) fn file(edit: impl Fn(&mut Vec<u8>) + 'static) -> Forge {
    Forge { file: Box::new(edit), ..forge() }
}

/// Edits the header of the job's entry and sets its checksum anew.
pub(crate) fn tar_header(edit: impl Fn(&mut [u8]) + 'static) -> Forge {
    raw(move |raw| {
        edit(&mut raw[1][..512]);
        resum(&mut raw[1]);
    })
}

pub(crate) fn tar_type(kind: u8) -> Forge {
    tar_header(move |header| header[156] = kind)
}

/// Another name for notebook `/b`, in the manifest and in the archive.
pub(crate) fn named(name: &'static str) -> Forge {
    let mut forge = forge();
    name.clone_into(&mut forge.frames[1][1].name);
    forge
}

pub(crate) const JOB: usize = 6; // lines: header, three frames, members /a and /b, member 17, two kinds
