//! Very many objects: memory stays flat. Only where the system tells a process how much it took.
//!
//! `for test in fit_into compared_in; do cargo test --release --test it $test -- --ignored --nocapture; done`: each in a process of its
//! own, since the system keeps one highest mark for all that a process does.

#![allow(clippy::unwrap_used, reason = "helpers of tests may unwrap as tests do")]

use crate::writer::{head, member, text};
use lifeboat::audit::{Depth, verify};
use lifeboat::bundle::{Options, Reader, Writer};
use std::time::Instant;

/// The most memory that this process had, in MiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "takes a minute, and must run alone"]
#[expect(clippy::print_stderr, reason = "its figures are for a person")]
fn one_hundred_thousand_objects_fit_into_150_mib() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("b.tar.zst");
    let (before, begun) = (peak(), Instant::now());
    let mut writer = Writer::create(&target, Options::default()).unwrap();
    for i in 0..100_000_u64 {
        let path = format!("/Users/user{}@example.org/project {}/notebook number {i}", i % 977, i % 31);
        let mut object = member(&writer, &("notebook", path, ".notebook.py", text(i, usize::try_from(i % 1500).unwrap())));
        let meta = serde_json::json!({"object_id": 4_011_234_567_890_000 + i, "language": "PYTHON", "format": "SOURCE", "created_at": 1_690_000_000_000 + i});
        object.meta = meta.as_object().unwrap().clone();
        writer.member(object).unwrap();
    }
    let (taken, collected) = (begun.elapsed(), peak());
    let summary = writer.finish(head()).unwrap();
    let (finished, written) = (begun.elapsed(), peak());
    assert_eq!(summary.members, 100_000);
    let opened = Instant::now();
    let reader = Reader::open(&target).unwrap();
    let opened = opened.elapsed();
    drop(reader);
    let checked = Instant::now();
    assert!(verify(&target, Depth::Full, &lifeboat::event::Silent).unwrap().is_whole());
    eprintln!(
        "{} bytes; took {taken:?}, wrote {finished:?}, opened {opened:?}, full check {:?}",
        summary.bytes,
        checked.elapsed()
    );
    eprintln!("peak MiB: before {before}, collected {collected}, written {written}, checked {}", peak());
    assert!(peak() < 150, "{} MiB", peak());
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "takes a minute, and must run alone"]
#[expect(clippy::print_stderr, reason = "its figures are for a person")]
fn one_hundred_thousand_objects_a_side_are_compared_in_400_mib() {
    let folder = tempfile::tempdir().unwrap();
    let night = |name: &str, changed: u64| {
        let target = folder.path().join(name);
        let mut writer = Writer::create(&target, Options::default()).unwrap();
        for i in 0..100_000_u64 {
            let seed = if i % 1000 == 0 { i + changed } else { i };
            let thing = if i % 2 == 0 {
                (
                    "notebook",
                    format!("/Users/user{}@example.org/project {}/notebook number {i}", i % 977, i % 31),
                    ".notebook.py",
                    text(seed, 300),
                )
            } else {
                let body = serde_json::json!({ "job_id": i, "settings": { "name": format!("job {i}"), "timeout_seconds": if i % 1001 == 0 { changed } else { 0 }, "tasks": [{ "task_key": "a", "description": "x".repeat(300) }] } });
                ("job", i.to_string(), ".json", body.to_string().into_bytes())
            };
            let mut object = member(&writer, &thing);
            object.meta = serde_json::json!({"object_id": (4_011_234_567_890_000 + i).to_string(), "language": "PYTHON", "format": "SOURCE"}).as_object().unwrap().clone();
            writer.member(object).unwrap();
        }
        writer.finish(head()).unwrap();
        Reader::open(&target).unwrap()
    };
    let (first, second) = (night("a.tar.zst", 0), night("b.tar.zst", 7));
    let (written, began) = (peak(), Instant::now());
    let found = lifeboat::diff::bundles(&first, &second, &lifeboat::diff::Options::default()).unwrap();
    eprintln!("compared in {:?}; peak MiB: written {written}, compared {}", began.elapsed(), peak());
    assert_eq!(found.kinds["notebook"].changed, 100);
    assert_eq!(found.kinds["job"].changed, (0..100_000).filter(|i| i % 2 == 1 && i % 1001 == 0).count() as u64);
    assert!(peak() < 400, "{} MiB", peak());
}
