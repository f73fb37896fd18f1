//! Bundles that were written once and are read for ever. A new version of the format needs golden bundles here, in a folder of
//! its own; the old ones stay.
//!
//! `cargo test --test it golden::generate -- --ignored` writes those that are not there yet, and never changes one that is.

#![allow(clippy::unwrap_used, reason = "helpers of tests may unwrap as tests do")]

use crate::forge::hex;
use crate::writer::{Thing, head, member, text};
use lifeboat::audit::{Depth, verify_bytes};
use lifeboat::bundle::{Canonical, Gap, GapState, KindLine, Limits, Options, Previous, Reader, Redacted, Writer, tool};
use std::path::{Path, PathBuf};

type Golden = (&'static str, &'static str, fn(&Path));

/// Name, `content_id` (which no later version may change) and maker of each golden bundle of format 1.
pub(crate) const GOLDEN: [Golden; 4] = [
    ("empty", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", empty),
    ("small", "2c86ec61d34812d130f57ea123724aa5fe982f118b9bb3c73451bb06a05c2eff", small),
    ("names", "ae3115df64fcec39204b3c55f82997832f0d35b58751c59d81da763bd2bccfb5", names),
    ("big", "78d30875fe7bf4decb2d0f6722de286a44f77485f76fe3b0a7a48f3d31f5d54c", big),
];

pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/bundles")
}

pub(crate) fn golden(name: &str) -> Vec<u8> {
    std::fs::read(fixtures().join(format!("v1/{name}.tar.zst"))).unwrap()
}

fn begin(target: &Path) -> Writer {
    Writer::create(target, Options { threads: 2, ..Options::default() }).unwrap()
}

fn finish(writer: Writer) {
    writer.finish(lifeboat::bundle::Head { tool: "lifeboat/0.1.0 zstd/1.5.7".to_owned(), ..head() }).unwrap();
}

fn put(writer: &mut Writer, things: &[Thing]) {
    for thing in things {
        let member = member(writer, thing);
        writer.member(member).unwrap();
    }
}

fn empty(target: &Path) {
    finish(begin(target));
}

fn small(target: &Path) {
    let mut writer = begin(target);
    let notebook = |path: &str, body: &str| ("notebook", path.to_owned(), ".notebook.py", body.as_bytes().to_vec());
    put(
        &mut writer,
        &[notebook("/Users/a@b.c/etl", "print(1)\n"), notebook("/Users/a@b.c/report", "# Databricks notebook source\n")],
    );
    let mut job = member(&writer, &("job", "17".to_owned(), ".json", br#"{"job_id":17,"settings":{"name":"nightly"}}"#.to_vec()));
    (job.key, job.canonical) = (Some("nightly".to_owned()), Some(Canonical { size: 2, sha256: [7; 32] }));
    writer.member(job).unwrap();
    let mut cluster = member(&writer, &("cluster", "0101-120000-abc".to_owned(), ".json", br#"{"cluster_name":"etl"}"#.to_vec()));
    cluster.degraded = Some("libraries: 403 PERMISSION_DENIED".to_owned());
    writer.member(cluster).unwrap();
    let gap = |state, path: &str, reason: &str, http| Gap {
        state,
        kind: "job".to_owned(),
        path: path.to_owned(),
        reason: reason.to_owned(),
        http,
    };
    writer.gap(gap(GapState::Missing, "18", "PERMISSION_DENIED", Some(403))).unwrap();
    writer.gap(gap(GapState::Excluded, "19", "not selected", None)).unwrap();
    let (path, kind, pointer) =
        ("0101-120000-abc".to_owned(), "cluster".to_owned(), "/docker_image/basic_auth/password".to_owned());
    writer.redacted(Redacted { path, kind, pointer, reason: "secret".to_owned() }).unwrap();
    writer.kind(&KindLine { kind: "job".to_owned(), listed: 3, requests: 4, ..KindLine::default() });
    writer.kind(&KindLine { kind: "pipeline".to_owned(), requests: 1, ..KindLine::default() });
    let previous = Previous { manifest_sha256: [9; 32], created: "2026-08-21T02:00:00Z".to_owned() };
    let tool = "lifeboat/0.1.0 zstd/1.5.7".to_owned();
    writer
        .finish(lifeboat::bundle::Head {
            tool,
            previous: Some(previous),
            selection: Some(serde_json::json!({"kinds": ["job"]})),
            ..head()
        })
        .unwrap();
}

fn names(target: &Path) {
    let mut writer = begin(target);
    let long = format!("/Shared/{}", "a folder with a long name/".repeat(30));
    let too_long = format!("/Shared/{}/{}", "y".repeat(300), "d/".repeat(80));
    let odd = [
        "/Users/zoë@example.org/Übung 1",
        "/Users/zoe\u{308}@example.org/Übung 1",
        "/名前/ノート",
        "/CON/aux",
        "/../../etc/passwd",
        "/a:b*c?\"d\"<e>|f\\g",
        "/100%/%41",
        "/trailing dot./trailing space ",
        "/line\nfeed\ttab\u{7f}",
        "/Case",
        "/case",
        "/CASE",
        "/Straße",
        "/STRASSE",
        "/file",
        "/file.notebook.py/inside",
        "/double//slash",
        "/~tilde",
        "/\u{202e}right to left",
        "/👩‍👩‍👧‍👦",
        &long,
        &too_long,
    ];
    for path in odd {
        put(&mut writer, &[("notebook", path.to_owned(), ".notebook.py", format!("# {path:?}\n").into_bytes())]);
    }
    finish(writer);
}

fn big(target: &Path) {
    let mut writer = begin(target);
    let numbers = (0..1_200_000).map(|i| (i % 1000).to_string()).collect::<Vec<_>>().join(",") + ",";
    put(
        &mut writer,
        &[
            ("dbfs", "/FileStore/numbers.csv".to_owned(), ".file", numbers.into_bytes()),
            ("dbfs", "/FileStore/zeros".to_owned(), ".file", vec![0; (4 << 20) - 512]),
            ("dbfs", "/FileStore/zeros and one".to_owned(), ".file", vec![0; (4 << 20) - 511]),
            ("dbfs", "/init.sh".to_owned(), ".file", b"#!/bin/sh\n".to_vec()),
        ],
    );
    let notebooks: Vec<Thing> = (0..12)
        .map(|i| ("notebook", format!("/Repos/r/n{i}"), ".notebook.py", [&b"x"[..], &text(1, 9000)].concat().repeat(20)))
        .collect();
    put(&mut writer, &notebooks);
    finish(writer);
}

#[test]
fn old_bundles_open_for_ever() {
    for (name, content_id, _) in GOLDEN {
        let bytes = golden(name);
        let verdict = verify_bytes(bytes.clone(), Depth::Full).unwrap();
        assert_eq!(verdict.findings, [], "{name}");
        let found = hex(&verdict.head.unwrap().content_id);
        assert_eq!(found, content_id, "{name}");
        let reader = Reader::open_source(Box::new(bytes), Limits::default()).unwrap();
        for member in &reader.manifest().members {
            assert_eq!(reader.read(member).unwrap().len() as u64, member.size, "{name}: {}", member.path);
        }
    }
}

#[test]
fn the_same_objects_still_give_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    for (name, content_id, make) in GOLDEN {
        let target = folder.path().join(name);
        make(&target);
        let (made, kept) = (std::fs::read(&target).unwrap(), golden(name));
        let id = Reader::open(&target).unwrap().manifest().head.content_id;
        assert_eq!(hex(&id), content_id, "{name}");
        // Another libzstd may pack in other bytes; what is packed must still be the same.
        if tool().ends_with("zstd/1.5.7") {
            assert!(made == kept, "{name}: the bytes differ");
        }
        assert_eq!(bodies(made), bodies(kept), "{name}");
    }
}

fn bodies(bundle: Vec<u8>) -> Vec<(String, Vec<u8>)> {
    let reader = Reader::open_source(Box::new(bundle), Limits::default()).unwrap();
    reader.manifest().members.iter().map(|member| (member.name.to_string(), reader.read(member).unwrap())).collect()
}

#[test]
fn every_golden_bundle_is_listed() {
    let list = |folder: PathBuf| {
        let mut names: Vec<String> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(
        list(fixtures()),
        ["damaged", "v1"],
        "a new version of the format needs a list of its golden bundles in this file"
    );
    let mut known: Vec<String> = GOLDEN.iter().map(|(name, ..)| format!("{name}.tar.zst")).collect();
    known.sort();
    assert_eq!(list(fixtures().join("v1")), known);
}

#[test]
fn odd_names_keep_their_true_paths() {
    let reader = Reader::open_source(Box::new(golden("names")), Limits::default()).unwrap();
    let name = |path: &str| reader.find("notebook", path).unwrap().name.to_string();
    assert_eq!(name("/CASE"), "data/notebook/CASE.notebook.py");
    assert!(name("/case").starts_with("data/notebook/case.notebook.py~"));
    assert!(name("/file").starts_with("data/notebook/file.notebook.py~"), "{}", name("/file"));
    assert_eq!(name("/file.notebook.py/inside"), "data/notebook/file.notebook.py/inside.notebook.py");
    assert_eq!(name("/../../etc/passwd"), "data/notebook/.%2E/.%2E/etc/passwd.notebook.py");
    assert_eq!(name("/double//slash"), "data/notebook/double/%2F/slash.notebook.py");
    let (zoe, zoe_too) = (name("/Users/zoë@example.org/Übung 1"), name("/Users/zoe\u{308}@example.org/Übung 1"));
    assert!(zoe.contains('~') != zoe_too.contains('~'));
}

#[test]
#[ignore = "writes the golden bundles that are not there yet"]
fn generate() {
    for (name, _, make) in GOLDEN {
        let target = fixtures().join(format!("v1/{name}.tar.zst"));
        if !target.exists() {
            make(&target);
        }
        let reader = Reader::open(&target).unwrap();
        let id = hex(&reader.manifest().head.content_id);
        assert_eq!(GOLDEN.iter().find(|golden| golden.0 == name).unwrap().1, id, "put this content_id into the list");
    }
}
