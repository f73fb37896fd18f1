//! Round trips through the writer: what goes in comes out, whatever the order, the threads and the trouble on the way.

use lifeboat::bundle::{self, Gap, GapState, Head, KindLine, Member, Options, Reader, Redacted, Summary, WriteError, Writer};
use std::io::{Read, Write};
use std::path::Path;

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
