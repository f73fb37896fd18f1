//! Damage at every place: each flipped bit, each truncation, each frame dropped, repeated, moved or added is noticed.
//!
//! `LIFEBOAT_FULL_SWEEP=1 cargo test --release --test it damage` flips every bit of every golden bundle and
//! cuts at every byte; without it, one bit of every byte of the small ones and a sample of the larger.

#![allow(clippy::unwrap_used, reason = "helpers of tests may unwrap as tests do")]

use crate::forge::{Forge, entry, resum, squeeze};
use crate::golden::{GOLDEN, fixtures, golden};
use crate::writer::{many, write};
use lifeboat::audit::{Depth, verify_bytes};
use lifeboat::bundle::{Limits, Manifest, OpenError, Options, Reader};

/// The codes of all findings; an error counts as what it says.
fn codes(bytes: Vec<u8>) -> Vec<String> {
    let quick = seen(bytes.clone(), Depth::Quick);
    assert_eq!(quick, seen(bytes, Depth::Standard), "a quick look finds what a longer one does");
    quick
}

fn seen(bytes: Vec<u8>, depth: Depth) -> Vec<String> {
    match verify_bytes(bytes, depth) {
        Ok(verdict) => verdict.findings.iter().map(|finding| finding.fault.code().to_owned()).collect(),
        Err(OpenError::NeedsVersion { .. }) => vec!["needs-version".to_owned()],
        Err(OpenError::NotABundle(_)) => vec!["not-a-bundle".to_owned()],
        Err(other) => panic!("{other:?}"),
    }
}

fn sweep(name: &str, bits: impl Iterator<Item = usize>) -> usize {
    let bytes = golden(name);
    let mut flips = 0;
    for bit in bits.take_while(|bit| bit / 8 < bytes.len()) {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(!codes(flipped).is_empty(), "{name}: bit {bit} of {} bytes flipped unnoticed", bytes.len());
        flips += 1;
    }
    flips
}

/// Every place of a small bundle, and every 61st of a larger one, unless all are asked for.
fn step(size: usize) -> usize {
    if size < 3000 || full() { 1 } else { 61 }
}

fn full() -> bool {
    std::env::var_os("LIFEBOAT_FULL_SWEEP").is_some()
}

#[test]
fn no_flipped_bit_stays_unnoticed() {
    for (name, ..) in GOLDEN {
        let size = golden(name).len();
        let flips =
            if full() { sweep(name, 0..) } else { sweep(name, (0..).step_by(step(size)).map(|byte| byte * 8 + byte % 8)) };
        assert_eq!(flips, if full() { 8 * size } else { size.div_ceil(step(size)) });
    }
}

#[test]
fn every_truncation_is_called_one() {
    for (name, ..) in GOLDEN {
        let bytes = golden(name);
        for len in (0..bytes.len()).step_by(step(bytes.len())).chain(bytes.len() - 200..bytes.len()) {
            let expected = if len < 4 { "not-a-bundle" } else { "truncated" };
            assert_eq!(codes(bytes[..len].to_vec()), [expected], "{name}: {len} of {} bytes", bytes.len());
        }
    }
}

#[test]
fn bytes_around_a_bundle_are_noticed() {
    let bytes = golden("small");
    for junk in [&b"\0"[..], b"junk", &[0; 512], b"\x28\xB5\x2F\xFD", &bytes[..], &vec![b'x'; 70_000]] {
        assert!(!codes([junk, &bytes].concat()).is_empty());
        assert!(!codes([&bytes, junk].concat()).is_empty() || junk == &bytes[..]);
    }
    assert_eq!(codes([&bytes[..], b"\0"].concat()), ["tiling"]);
    assert_eq!(codes([&bytes[..], &bytes[..]].concat()), ["tiling"], "two bundles are not one");
}

#[test]
fn frames_cannot_be_moved() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("b");
    write(&target, Options { mean_frame: 16 << 10, max_frame: 64 << 10, ..Options::default() }, &many(15)).unwrap();
    let bytes = std::fs::read(&target).unwrap();
    let manifest = Reader::open_source(Box::new(bytes.clone()), Limits::default()).unwrap().manifest().clone();
    let parts = parts(&bytes, &manifest);
    assert!(parts.len() > 12);
    let joined = |parts: &[&[u8]]| codes(parts.concat());
    assert_eq!(joined(&parts), Vec::<String>::new());
    let mut tried = 0;
    let mut noticed = |parts: &[&[u8]], what: &str, i: usize, j: usize| {
        tried += 1;
        assert!(!joined(parts).is_empty(), "part {i} {what} {j}");
    };
    let foreign: [&[u8]; 3] = [&squeeze(b""), &squeeze(&[0; 512]), b"\x50\x2A\x4D\x18\x04\0\0\0junk"];
    for i in 0..parts.len() {
        let mut dropped = parts.clone();
        dropped.remove(i);
        noticed(&dropped, "dropped", i, i);
        for j in (0..parts.len()).filter(|j| *j != i) {
            let (mut swapped, mut moved, mut replaced) = (parts.clone(), dropped.clone(), parts.clone());
            swapped.swap(i, j);
            moved.insert(j, parts[i]);
            replaced[j] = parts[i];
            noticed(&swapped, "swapped with", i, j);
            noticed(&moved, "moved to", i, j);
            noticed(&replaced, "put in the place of", i, j);
        }
        for j in 0..=parts.len() {
            let mut doubled = parts.clone();
            doubled.insert(j, parts[i]);
            noticed(&doubled, "repeated at", i, j);
        }
        for piece in foreign {
            let mut inserted = parts.clone();
            inserted.insert(i, piece);
            noticed(&inserted, "behind a foreign frame", i, i);
        }
    }
    assert_eq!(tried, parts.len() * (1 + 3 * (parts.len() - 1) + parts.len() + 1 + 3));
}

/// The frames, the manifest, the tail and the trailer of a bundle.
fn parts<'a>(bytes: &'a [u8], manifest: &Manifest) -> Vec<&'a [u8]> {
    let place = |number: u64| usize::try_from(number).unwrap();
    let trailer = bytes.len() - 160;
    let number = |at: usize| place(u64::from_le_bytes(bytes[trailer + at..trailer + at + 8].try_into().unwrap()));
    let begins = manifest.frames.iter().map(|frame| place(frame.off));
    let cuts: Vec<usize> = begins.chain([number(8), number(32), trailer, bytes.len()]).collect();
    cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

#[test]
fn a_damaged_frame_names_all_of_its_objects_and_no_other() {
    let bytes = golden("big");
    let manifest = Reader::open_source(Box::new(bytes.clone()), Limits::default()).unwrap().manifest().clone();
    for (index, frame) in manifest.frames.iter().enumerate() {
        let mut hurt = bytes.clone();
        hurt[usize::try_from(frame.off + frame.clen / 2).unwrap()] ^= 0x10;
        for depth in [Depth::Quick, Depth::Standard, Depth::Full] {
            let verdict = verify_bytes(hurt.clone(), depth).unwrap();
            assert_eq!(verdict.findings.len(), 1, "{:?}", verdict.findings);
            let finding = &verdict.findings[0];
            assert_eq!((finding.fault.code(), &finding.objects), ("frame", &manifest.objects_in(index)));
            assert_eq!(finding.objects.is_empty(), index == 0);
        }
        let reader = Reader::open_source(Box::new(hurt), Limits::default()).unwrap();
        for member in &reader.manifest().members {
            assert_eq!(reader.read(member).is_err(), manifest.objects_in(index).contains(&member.object()), "{}", member.path);
        }
    }
    let numbers = manifest.find("dbfs", "/FileStore/numbers.csv").unwrap();
    let frames = (0..manifest.frames.len()).filter(|index| manifest.objects_in(*index).contains(&numbers.object()));
    assert!(frames.count() > 1, "a big member lies in several frames");
}

/// Name, code and maker of each damaged bundle that lies in `fixtures/bundles/damaged`, for readers of other makes too.
type Damaged = (&'static str, &'static str, fn() -> Vec<u8>);

const DAMAGED: [Damaged; 10] = [
    ("truncated", "truncated", || golden("small")[..2000].to_vec()),
    ("truncated-between-frames", "truncated", || golden("small")[..without_tail("small")].to_vec()),
    ("flipped", "frame", || {
        let mut bytes = golden("small");
        bytes[500] ^= 1;
        bytes
    }),
    ("flipped-trailer", "trailer", || {
        let mut bytes = golden("small");
        let at = bytes.len() - 100;
        bytes[at] ^= 1;
        bytes
    }),
    ("appended", "tiling", || [golden("small"), golden("empty")].concat()),
    ("another-body", "body", || Forge { raw: Box::new(|raw| raw[1][512] ^= 1), ..Forge::default() }.build()),
    ("symlink", "tar-type", || {
        let raw = |raw: &mut Vec<Vec<u8>>| {
            raw[1][156] = b'2';
            raw[1][157..168].copy_from_slice(b"/etc/passwd");
            resum(&mut raw[1]);
        };
        Forge { raw: Box::new(raw), ..Forge::default() }.build()
    }),
    ("hidden-entry", "placement", || {
        Forge { raw: Box::new(|raw| raw[1].extend(entry("bundle/x", b"x", 0))), ..Forge::default() }.build()
    }),
    ("traversal", "name", || {
        let mut forge = Forge::default();
        "data/notebook/../../../../tmp/x".clone_into(&mut forge.frames[1][1].name);
        forge.build()
    }),
    ("colliding-names", "collision", || {
        let mut forge = Forge::default();
        "data/notebook/A.notebook.py".clone_into(&mut forge.frames[1][1].name);
        forge.build()
    }),
];

fn without_tail(name: &str) -> usize {
    let reader = Reader::open_source(Box::new(golden(name)), Limits::default()).unwrap();
    reader.manifest().frames.last().map(|frame| usize::try_from(frame.off + frame.clen).unwrap()).unwrap()
}

#[test]
fn damaged_bundles_are_called_what_they_are() {
    let folder = fixtures().join("damaged");
    for (name, code, _) in DAMAGED {
        let bytes = std::fs::read(folder.join(format!("{name}.tar.zst"))).unwrap();
        let verdict = verify_bytes(bytes, Depth::Full).unwrap();
        assert_eq!(verdict.findings.first().map(|finding| finding.fault.code()), Some(code), "{name}");
    }
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), DAMAGED.len());
}

#[test]
#[ignore = "writes the damaged bundles that are not there yet"]
fn generate() {
    std::fs::create_dir_all(fixtures().join("damaged")).unwrap();
    for (name, _, make) in DAMAGED {
        let target = fixtures().join(format!("damaged/{name}.tar.zst"));
        if !target.exists() {
            std::fs::write(target, make()).unwrap();
        }
    }
}
