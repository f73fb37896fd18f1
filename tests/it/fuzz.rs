//! Bundles with random damage below their digests: manifest lines, frames, tar headers, tail and trailer are changed, and all
//! that comes after is computed anew, so that the change reaches the parser behind the digest. Nothing may panic, and what is
//! called whole must be readable to its last byte.
//!
//! `LIFEBOAT_FUZZ_SECONDS=600 cargo test --release --test it fuzz -- --nocapture` looks for that long, from another seed each time.

#![allow(clippy::unwrap_used, reason = "helpers of tests may unwrap as tests do")]
#![allow(clippy::print_stdout, reason = "says how far it came")]

use crate::audit::all;
use crate::forge::{Forge, hex, object};
use lifeboat::audit::{Depth, Layout, extract, verify_bytes};
use lifeboat::bundle::{Limits, Reader};
use serde_json::json;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Tries without a given time.
const TRIES: u64 = 400;

/// Pieces that mean something in one of the formats.
const PIECES: [&[u8]; 36] = [
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\n",
    b"\r\n",
    b"\0",
    b"\xFF",
    b"-",
    b"0",
    b"9007199254740992",
    b"1e9",
    b"null",
    b"\"t\":\"gap\"",
    b"\"t\":\"x\",",
    b"\\u0000",
    b"\\ud800",
    b"../",
    b"//",
    b"%2F",
    b"CON",
    b"\xC3\xA9",
    b"e\xCC\x81",
    b"\x28\xB5\x2F\xFD",
    b"\x50\x2A\x4D\x18",
    b"ustar",
    b"7777777",
    b"12 path=a\n",
    b"LIFEBOAT",
    b"\"minor\":1",
    b"\"minor\":0",
    b"\"requires\":[\"x\"]",
];

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides.max(1)
    }

    /// One to four changes of some bytes.
    fn change(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.roll(4) {
            let at = self.roll(bytes.len() + 1);
            let end = (at + self.roll(12)).min(bytes.len());
            match self.roll(7) {
                0 if at < bytes.len() => bytes[at] ^= 1 << self.roll(8),
                1 => drop(bytes.drain(at..end)),
                2 => drop(bytes.splice(at..at, PIECES[self.roll(PIECES.len())].iter().copied())),
                3 => drop(bytes.splice(at..end, PIECES[self.roll(PIECES.len())].iter().copied())),
                4 => self.copy(bytes, at),
                5 => self.lines(bytes),
                _ => bytes.truncate(bytes.len() - self.roll(bytes.len().min(9))),
            }
        }
    }

    fn copy(&mut self, bytes: &mut Vec<u8>, at: usize) {
        let from = self.roll(bytes.len() + 1);
        let piece = bytes[from..(from + self.roll(600)).min(bytes.len())].to_vec();
        drop(bytes.splice(at..at, piece));
    }

    /// Lines change places, or one goes or comes twice.
    fn lines(&mut self, bytes: &mut Vec<u8>) {
        let mut lines: Vec<Vec<u8>> = bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        let (one, other) = (self.roll(lines.len()), self.roll(lines.len()));
        match self.roll(3) {
            _ if lines.is_empty() => {}
            0 => lines.swap(one, other),
            1 => drop(lines.remove(one)),
            _ => lines.insert(one, lines[other].clone()),
        }
        *bytes = lines.concat();
    }
}

/// A bundle with lines of every sort, which are as they should be until one place is changed.
fn changed(seed: u64) -> Vec<u8> {
    let mut dice = Dice(seed);
    let place = dice.roll(9);
    let dice = Rc::new(RefCell::new(dice));
    let at = |wanted: usize| {
        let dice = dice.clone();
        move |bytes: &mut Vec<u8>| {
            if place == wanted {
                dice.borrow_mut().change(bytes);
            }
        }
    };
    let mut forge = Forge::default();
    forge.frames[0].push(object("job", "18", "18.json", "{}"));
    let states = json!({"captured": 4, "degraded": 0, "missing": 1, "excluded": 0, "unavailable": 0});
    let minor = u8::from(seed.is_multiple_of(5));
    forge.head = Box::new(move |head| (head["states"], head["minor"]) = (states.clone(), json!(minor)));
    forge.lines = Box::new(|lines| {
        let job = lines.iter().position(|line| line["t"] == "kind").unwrap();
        (lines[job]["missing"], lines[job]["listed"]) = (json!(1), json!(3));
        lines.insert(job, json!({"t": "gap", "state": "missing", "path": "9", "kind": "job", "reason": "x", "http": 403}));
        lines.push(json!({"t": "redacted", "path": "17", "kind": "job", "pointer": "/name", "reason": "secret"}));
    });
    let (text, tail, tag_raw, file) = (at(0), at(1), at(2), at(3));
    (forge.text, forge.tail, forge.tag_raw, forge.file) = (Box::new(text), Box::new(tail), Box::new(tag_raw), Box::new(file));
    let (raw, stored, manifest, end, trailer) = (at(4), at(5), at(6), at(7), at(8));
    let which = usize::try_from(seed / 7 % 3).unwrap();
    forge.raw = Box::new(move |frames| raw(&mut frames[which]));
    forge.stored = Box::new(move |frames| stored(&mut frames[which]));
    forge.sealed = Box::new(move |[first, second]| {
        manifest(first);
        end(second);
    });
    forge.trailer = Box::new(move |bytes| {
        bytes[150] = minor;
        let mut changed = bytes[..112].to_vec();
        trailer(&mut changed);
        changed.resize(112, 0);
        bytes[..112].copy_from_slice(&changed);
    });
    forge.build()
}

/// What becomes of it, in one word.
fn outcome(bytes: &[u8]) -> String {
    let verdict = match verify_bytes(bytes.to_vec(), Depth::Full) {
        Ok(verdict) => verdict,
        Err(refused) => return format!("{refused:?}").split([' ', '(', '{']).next().unwrap_or_default().to_owned(),
    };
    if let Ok(reader) = Reader::open_source(Box::new(bytes.to_vec()), Limits::default()) {
        let read = reader.manifest().members.iter().flat_map(|member| reader.read(member)).count();
        if verdict.is_whole() {
            let folder = tempfile::tempdir().unwrap();
            let extracted = extract(&reader, &all(&reader), Layout::Archive, folder.path()).unwrap();
            assert_eq!((read as u64, extracted.files), (reader.manifest().head.counts.members, read as u64));
            let tree = extract(&reader, &all(&reader), Layout::Tree, &folder.path().join("tree/of/it")).unwrap();
            assert_eq!((tree.placed.len(), tree.damaged.len()), (read, 0));
        }
    }
    verdict.findings.first().map_or("whole", |finding| finding.fault.code()).to_owned()
}

#[test]
fn nothing_panics_and_what_is_whole_is_readable() {
    let time = std::env::var("LIFEBOAT_FUZZ_SECONDS").ok().map(|text| Duration::from_secs(text.parse().unwrap()));
    let began = Instant::now();
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let first = if time.is_some() { clock << 20 } else { 1 };
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    for seed in first.. {
        if time.map_or(seed > TRIES, |time| began.elapsed() > time) {
            break;
        }
        let bytes = changed(seed);
        let came = std::panic::catch_unwind(|| outcome(&bytes));
        let came = came.unwrap_or_else(|_| panic!("seed {seed} of {} bytes: {}", bytes.len(), hex(&bytes)));
        if came == "whole" {
            keep(seed, &bytes);
        }
        *seen.entry(came).or_default() += 1;
    }
    println!("{} tries: {seen:?}", seen.values().sum::<u64>());
    assert!(seen.len() > 12, "too few sorts of findings: {seen:?}");
}

/// What is called whole is kept for readers of other makes, if a folder is told.
fn keep(seed: u64, bytes: &[u8]) {
    if let Some(folder) = std::env::var_os("LIFEBOAT_KEEP_HOSTILE") {
        std::fs::write(std::path::Path::new(&folder).join(format!("whole-fuzz-{seed}.tar.zst")), bytes).unwrap();
    }
}
