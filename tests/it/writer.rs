//! Round trips through the writer: what goes in comes out, whatever the order, the threads and the trouble on the way.

#![allow(clippy::unwrap_used, reason = "helpers of tests may unwrap as tests do")]

use lifeboat::audit::{Depth, verify};
use lifeboat::bundle::{self, Gap, GapState, Head, KindLine, Member, Options, Reader, Redacted, Summary, WriteError, Writer};
use lifeboat::event::Silent;
use lifeboat::store::{Disk, Source, Staged, Store};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A head that depends on nothing but this function.
pub(crate) fn head() -> Head {
    let source = serde_json::json!({"cloud": "azure", "workspace_id": "1234567890123456", "caller_is_admin": true});
    Head {
        created: "2026-08-22T02:00:00Z".parse().unwrap(),
        tool: "test/1.0.0".to_owned(),
        source: source.as_object().unwrap().clone(),
        selection: None,
        previous: None,
        requires: Vec::new(),
    }
}

/// One object of a test: kind, path, extension of its name, body.
pub(crate) type Thing = (&'static str, String, &'static str, Vec<u8>);

pub(crate) fn member(writer: &Writer, (kind, path, extension, body): &Thing) -> Member {
    Member {
        kind: (*kind).to_owned(),
        path: path.clone(),
        key: None,
        name: format!("{}{extension}", path.trim_start_matches('/')),
        modified_at: Some(1_700_000_000_000 + body.len() as u64),
        meta: serde_json::Map::from_iter([("object_id".to_owned(), serde_json::json!(body.len()))]),
        degraded: None,
        body: writer.spool().keep(body).unwrap(),
        canonical: None,
    }
}

pub(crate) fn write(target: &Path, options: Options, things: &[Thing]) -> Result<Summary, WriteError> {
    let mut writer = Writer::create(target, options)?;
    for thing in things {
        let member = member(&writer, thing);
        writer.member(member)?;
    }
    writer.finish(head())
}

/// Text that compresses like code and never repeats exactly.
pub(crate) fn text(seed: u64, len: usize) -> Vec<u8> {
    let words =
        ["spark", "table", "select", "from", "df", "= ", "(", ")", "\n", "notebook", "widgets", ".get", "join", "path", "  "];
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut text = Vec::with_capacity(len + 16);
    while text.len() < len {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.extend_from_slice(words[(state >> 33) as usize % words.len()].as_bytes());
        text.extend_from_slice(format!("{:x}", state >> 56).as_bytes());
    }
    text.truncate(len);
    text
}

pub(crate) fn many(count: u64) -> Vec<Thing> {
    let notebook = |i| {
        (
            "notebook",
            format!("/Users/u{}@x.org/dir{}/nb {i}", i % 17, i % 5),
            ".notebook.py",
            text(i, (i * 977 % 20_000) as usize),
        )
    };
    let job = |i| ("job", format!("{}", i * 31), ".json", format!("{{\"job_id\":{}}}", i * 31).into_bytes());
    (0..count).flat_map(|i| [notebook(i), job(i)]).collect()
}

fn shuffled(mut things: Vec<Thing>, seed: u64) -> Vec<Thing> {
    let mut state = seed | 1;
    for i in (1..things.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        things.swap(i, (state >> 33) as usize % (i + 1));
    }
    things
}

#[test]
fn what_goes_in_comes_out() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("b.tar.zst");
    let mut things = many(300);
    things.push(("dbfs", "/FileStore/big".to_owned(), ".file", text(9, 9 << 20)));
    things.push(("notebook", "/empty".to_owned(), ".notebook.sql", Vec::new()));
    let summary = write(&target, Options { threads: 3, ..Options::default() }, &things).unwrap();
    assert_eq!((summary.members, summary.bytes), (things.len() as u64, std::fs::metadata(&target).unwrap().len()));
    let reader = Reader::open(&target).unwrap();
    assert_eq!((reader.manifest().sha256, reader.manifest().head.content_id), (summary.manifest_sha256, summary.content_id));
    for (kind, path, _, body) in &things {
        let member = reader.find(kind, path).unwrap();
        assert_eq!(reader.read(member).unwrap(), *body, "{path}");
        assert_eq!(member.modified_at(), Some(1_700_000_000_000 + body.len() as u64));
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "temporary files are gone");
}

#[test]
fn an_independent_tar_reader_sees_the_same_members() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("b.tar.zst");
    let mut things = many(40);
    things.push(("notebook", format!("/{}/Zoë", "deep folder/".repeat(20)), ".notebook.r", b"# R".to_vec()));
    things.push(("dbfs", "/big".to_owned(), ".file", text(3, 5 << 20)));
    write(&target, Options::default(), &things).unwrap();
    let mut archive = tar::Archive::new(zstd::Decoder::new(std::fs::File::open(&target).unwrap()).unwrap());
    let mut seen = std::collections::BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        let mut body = Vec::new();
        entry.read_to_end(&mut body).unwrap();
        assert!(seen.insert(name, body).is_none());
    }
    let reader = Reader::open(&target).unwrap();
    for (kind, path, _, body) in &things {
        let name = format!("bundle/{}", reader.find(kind, path).unwrap().name);
        assert_eq!(seen.remove(&name).as_deref(), Some(&body[..]), "{name}");
    }
    let left: Vec<&String> = seen.keys().collect();
    let tags = ["bag-info.txt", "bagit.txt", "bundle.json", "manifest-sha256.txt", "manifest.jsonl", "tagmanifest-sha256.txt"];
    assert_eq!(left, tags.map(|tag| format!("bundle/{tag}")).iter().collect::<Vec<_>>());
}

#[test]
fn bytes_depend_on_neither_order_nor_threads() {
    let folder = tempfile::tempdir().unwrap();
    let things = many(250);
    let mut seen = Vec::new();
    for threads in [1, 2, 3, 16] {
        let target = folder.path().join(format!("{threads}.tar.zst"));
        write(&target, Options { threads, ..Options::default() }, &shuffled(things.clone(), threads as u64)).unwrap();
        seen.push(std::fs::read(&target).unwrap());
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]));
}

/// A store that does one thing wrong: the step of that number fails, or every write is a short one.
#[derive(Clone)]
struct Faulty {
    steps: Arc<AtomicUsize>,
    fails_at: usize,
    short: bool,
}

impl Faulty {
    fn new(fails_at: usize, short: bool) -> Self {
        Self { steps: Arc::default(), fails_at, short }
    }

    fn step(&self) -> std::io::Result<()> {
        if self.steps.fetch_add(1, Ordering::Relaxed) == self.fails_at {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

impl Store for Faulty {
    fn stage(&self, target: &Path) -> std::io::Result<Box<dyn Staged>> {
        self.step()?;
        Ok(Box::new(FaultyStaged { faulty: self.clone(), inner: Disk.stage(target)? }))
    }

    fn settle(&self, target: &Path) -> std::io::Result<()> {
        self.step()?;
        Disk.settle(target)
    }
}

struct FaultyStaged {
    faulty: Faulty,
    inner: Box<dyn Staged>,
}

impl Write for FaultyStaged {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if let Err(full) = self.faulty.step() {
            // A full disk takes a part before it says so.
            let _ = self.inner.write(&bytes[..bytes.len() / 2]);
            return Err(full);
        }
        self.inner.write(if self.faulty.short { &bytes[..bytes.len().div_ceil(2)] } else { bytes })
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.faulty.step()?;
        self.inner.flush()
    }
}

impl Staged for FaultyStaged {
    fn sync(&mut self) -> std::io::Result<()> {
        self.faulty.step()?;
        self.inner.sync()
    }

    fn reopen(&self) -> std::io::Result<Box<dyn Source>> {
        self.faulty.step()?;
        Ok(Box::new(FaultySource { faulty: self.faulty.clone(), inner: self.inner.reopen()? }))
    }

    fn publish(self: Box<Self>) -> std::io::Result<()> {
        self.faulty.step()?;
        self.inner.publish()
    }
}

struct FaultySource {
    faulty: Faulty,
    inner: Box<dyn Source>,
}

impl Source for FaultySource {
    fn size(&self) -> std::io::Result<u64> {
        self.faulty.step()?;
        self.inner.size()
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        self.faulty.step()?;
        self.inner.read_at(at, buffer)
    }
}

fn write_faulty(target: &Path, faulty: &Faulty, things: &[Thing]) -> Result<Summary, WriteError> {
    let options = Options { mean_frame: 32 << 10, max_frame: 128 << 10, threads: 2, ..Options::default() };
    let mut writer = Writer::create_in(Arc::new(faulty.clone()), target, options)?;
    for thing in things {
        let member = member(&writer, thing);
        writer.member(member)?;
    }
    writer.finish(head())
}

#[test]
fn a_fault_at_any_step_leaves_nothing_or_a_whole_bundle() {
    let things = many(12);
    let mut settled = 0;
    for fails_at in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("b.tar.zst");
        let left = || std::fs::read_dir(folder.path()).unwrap().count();
        let faulty = Faulty::new(fails_at, false);
        match write_faulty(&target, &faulty, &things) {
            Ok(_) => {
                assert!(fails_at > 20 && faulty.steps.load(Ordering::Relaxed) == fails_at, "every step was tried");
                break;
            }
            Err(WriteError::Settle { .. }) => {
                settled += 1;
                assert!(verify(&target, Depth::Full, &Silent).unwrap().is_whole());
                assert_eq!(left(), 1);
            }
            Err(refused) => {
                assert!(!matches!(refused, WriteError::AlreadyExists { .. }), "step {fails_at}: {refused:?}");
                assert_eq!(left(), 0, "step {fails_at}: {refused:?}");
            }
        }
    }
    assert_eq!(settled, 1);
}

#[test]
fn short_writes_give_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (plain, short) = (folder.path().join("plain"), folder.path().join("short"));
    write_faulty(&plain, &Faulty::new(usize::MAX, false), &many(12)).unwrap();
    write_faulty(&short, &Faulty::new(usize::MAX, true), &many(12)).unwrap();
    assert_eq!(std::fs::read(plain).unwrap(), std::fs::read(short).unwrap());
}

#[test]
fn bytes_that_changed_on_their_way_are_not_published() {
    struct Flipping(Box<dyn Staged>, u64, u64);
    impl Write for Flipping {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let mut bytes = bytes.to_vec();
            if let Some(byte) = self.2.checked_sub(self.1).and_then(|at| bytes.get_mut(usize::try_from(at).unwrap())) {
                *byte ^= 4;
            }
            let written = self.0.write(&bytes)?;
            self.1 += written as u64;
            Ok(written)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            self.0.flush()
        }
    }
    impl Staged for Flipping {
        fn sync(&mut self) -> std::io::Result<()> {
            self.0.sync()
        }
        fn reopen(&self) -> std::io::Result<Box<dyn Source>> {
            self.0.reopen()
        }
        fn publish(self: Box<Self>) -> std::io::Result<()> {
            self.0.publish()
        }
    }
    struct Bad(u64);
    impl Store for Bad {
        fn stage(&self, target: &Path) -> std::io::Result<Box<dyn Staged>> {
            Ok(Box::new(Flipping(Disk.stage(target)?, 0, self.0)))
        }
        fn settle(&self, target: &Path) -> std::io::Result<()> {
            Disk.settle(target)
        }
    }
    let things = many(12);
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("good");
    let size = write(&target, Options::default(), &things).unwrap().bytes;
    for at in (0..size).step_by(usize::try_from(size / 50).unwrap()).chain([size - 1, size - 150]) {
        let target = folder.path().join("bad");
        let mut writer = Writer::create_in(Arc::new(Bad(at)), &target, Options::default()).unwrap();
        for thing in &things {
            let member = member(&writer, thing);
            writer.member(member).unwrap();
        }
        assert!(matches!(writer.finish(head()), Err(WriteError::ReadBack(_))), "byte {at}");
        assert!(!target.exists());
    }
}

#[test]
fn a_bundle_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("b.tar.zst");
    let early = Writer::create(&target, Options::default()).unwrap();
    std::fs::write(&target, b"mine").unwrap();
    assert!(matches!(Writer::create(&target, Options::default()), Err(WriteError::AlreadyExists { .. })));
    assert!(matches!(early.finish(head()), Err(WriteError::AlreadyExists { .. })));
    assert_eq!((std::fs::read(&target).unwrap(), std::fs::read_dir(folder.path()).unwrap().count()), (b"mine".to_vec(), 1));
}

#[test]
fn what_cannot_be_put_down_is_refused_at_once_and_work_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("b.tar.zst");
    let mut writer = Writer::create(&target, Options::default()).unwrap();
    let good = ("job", "1".to_owned(), ".json", b"{}".to_vec());
    let first = member(&writer, &good);
    writer.member(first.clone()).unwrap();
    assert!(matches!(writer.member(first.clone()), Err(WriteError::Duplicate(_))));
    let gap = |path: &str| Gap {
        state: GapState::Missing,
        kind: "job".to_owned(),
        path: path.to_owned(),
        reason: "x".repeat(9000),
        http: None,
    };
    assert!(matches!(writer.gap(gap("1")), Err(WriteError::Duplicate(_))));
    writer.gap(gap("2")).unwrap();
    let deep = (0..40).fold(serde_json::json!(1), |inner, _| serde_json::json!([inner]));
    let deep = serde_json::Map::from_iter([("x".to_owned(), deep)]);
    let unfit = [
        Member { kind: "../job".to_owned(), path: "3".to_owned(), ..first.clone() },
        Member { path: "nul\0".to_owned(), ..first.clone() },
        Member { path: "4".to_owned(), meta: deep, ..first.clone() },
        Member { path: "x".repeat(20_000), ..first.clone() },
    ];
    for member in unfit {
        assert!(matches!(writer.member(member), Err(WriteError::Unfit { .. })));
    }
    let wild = serde_json::json!({"id": u64::MAX, "ratio": 0.5}).as_object().unwrap().clone();
    writer
        .member(Member { path: "5".to_owned(), name: "5.json".to_owned(), meta: wild, degraded: Some("why".to_owned()), ..first })
        .unwrap();
    writer.finish(head()).unwrap();
    assert!(verify(&target, Depth::Full, &Silent).unwrap().is_whole());
    let reader = Reader::open(&target).unwrap();
    assert_eq!(reader.find("job", "5").unwrap().meta()["id"], "18446744073709551615");
    assert_eq!((reader.manifest().head.states.total(), reader.manifest().gaps[0].reason.len()), (3, 2048));
}

#[test]
fn accounts_that_do_not_add_up_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("b.tar.zst");
    let mut writer = Writer::create(&target, Options::default()).unwrap();
    let job = member(&writer, &("job", "1".to_owned(), ".json", b"{}".to_vec()));
    writer.member(job).unwrap();
    writer.kind(&KindLine { kind: "job".to_owned(), listed: 2, ..KindLine::default() });
    assert!(matches!(writer.finish(head()), Err(WriteError::Sums { listed: 2, found: 1, .. })));
    let mut writer = Writer::create(&target, Options::default()).unwrap();
    let (path, kind, pointer) = ("9".to_owned(), "job".to_owned(), "/x".to_owned());
    writer.redacted(Redacted { path, kind, pointer, reason: "secret".to_owned() }).unwrap();
    assert!(matches!(writer.finish(head()), Err(WriteError::Unfit { .. })));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_changed_object_changes_few_frames() {
    let folder = tempfile::tempdir().unwrap();
    let frames = |name: &str, things: &[Thing]| -> Vec<[u8; 32]> {
        let target = folder.path().join(name);
        write(&target, Options { mean_frame: 64 << 10, ..Options::default() }, things).unwrap();
        Reader::open(&target).unwrap().manifest().frames.iter().skip(1).map(|frame| frame.sha256).collect()
    };
    let mut things = many(300);
    let before = frames("before", &things);
    things.remove(140);
    things[200].3.extend_from_slice(b"\n# one line more");
    let after = frames("after", &things);
    let dirty = after.iter().filter(|sha| !before.contains(sha)).count();
    assert!(before.len() > 20 && dirty <= 4, "{dirty} of {} frames differ", after.len());
}

#[test]
fn the_identity_of_the_content_is_that_of_the_canonical_bodies() {
    let folder = tempfile::tempdir().unwrap();
    let id = |name: &str, state: &str, level: i32, order: bool| {
        let target = folder.path().join(name);
        let mut writer = Writer::create(&target, Options { level, ..Options::default() }).unwrap();
        let mut members: Vec<Member> = (0..9)
            .map(|i| Member {
                canonical: Some(bundle::Canonical { size: 2, sha256: [i; 32] }),
                ..member(&writer, &("cluster", i.to_string(), ".json", format!("{{\"state\":\"{state}\"}}").into_bytes()))
            })
            .collect();
        if order {
            members.reverse();
        }
        for member in members {
            writer.member(member).unwrap();
        }
        writer.finish(head()).unwrap().content_id
    };
    assert_eq!(id("a", "RUNNING", 9, false), id("b", "TERMINATED", 3, true));
}
