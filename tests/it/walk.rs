//! Walks through the bytes of a bundle: in the order of the archive, damage told of what it hurts and of nothing else.

#![expect(clippy::unwrap_used, reason = "helpers of tests: a surprise should stop the test")]

use crate::audit::all;
use crate::forge::{Forge, object};
use crate::writer;
use lifeboat::audit::{self, Chosen, How, Layout, Pattern, extract};
use lifeboat::bundle::{Limits, MemberLine, Options, ReadError, Reader};

/// Four frames: a whole one, one with a body that is not what its digest says, one whose stored bytes are damaged, a whole one.
fn hurt() -> Reader {
    let notebook = |name: &str, body: &str| object("notebook", &format!("/{name}"), &format!("{name}.notebook.py"), body);
    let value = object("secret_value", "s/k", "s/k.txt", "hidden");
    let frames = vec![
        vec![object("job", "17", "17.json", "{}"), value],
        vec![notebook("a", "print('a')"), notebook("b", "print('b')")],
        vec![notebook("c", "print('c')"), notebook("d", "print('d')"), notebook("empty", "")],
        vec![notebook("e", "print('e')")],
    ];
    let lie = |raw: &mut Vec<Vec<u8>>| {
        let at = memchr::memmem::find(&raw[2], b"print('b')").unwrap();
        raw[2][at] ^= 1;
    };
    let forge = Forge { frames, raw: Box::new(lie), ..Forge::default() };
    let mut bytes = forge.build();
    let open = |bytes: Vec<u8>| Reader::open_source(Box::new(bytes), Limits::default()).unwrap();
    let frame = open(bytes.clone()).manifest().frames[3].clone();
    bytes[usize::try_from(frame.off + frame.clen / 2).unwrap()] ^= 1;
    open(bytes)
}

#[test]
fn bodies_come_in_order_and_damage_is_told_of_what_it_hurts() {
    let reader = hurt();
    let (mut seen, mut lost) = (Vec::new(), Vec::new());
    let look = |_: &MemberLine, bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let mut take = |member: &MemberLine, text| seen.push((member.path.to_string(), text));
    let mut note = |members: &[&MemberLine], error| {
        assert!(matches!(error, ReadError::Damaged(_)), "{error}");
        lost.push(members.iter().map(|member| member.path.to_string()).collect::<Vec<_>>());
        Ok(())
    };
    audit::bodies(&reader, &|_| true, &look, &mut take, &mut note).unwrap();
    let seen: Vec<(&str, &str)> = seen.iter().map(|(path, text)| (&**path, &**text)).collect();
    assert_eq!(seen, [("17", "{}"), ("/a", "print('a')"), ("/empty", ""), ("/e", "print('e')")], "no value of a secret");
    assert_eq!(lost, [vec!["/b"], vec!["/c", "/d"]]);
}

#[test]
fn an_error_ends_the_walk() {
    let reader = hurt();
    let mut seen = Vec::new();
    let ended =
        audit::bodies(&reader, &|_| true, &|_, _| (), &mut |member, ()| seen.push(&*member.path), &mut |_, error| Err(error));
    assert!(matches!(ended, Err(ReadError::Damaged(finding)) if finding.objects.len() == 1));
    assert_eq!(seen, ["17", "/a"], "what stands behind the first damage is not told");
}

#[test]
fn a_damaged_frame_is_told_once_and_what_has_no_bytes_is_whole() {
    let (reader, folder) = (hurt(), tempfile::tempdir().unwrap());
    let extracted = extract(&reader, &all(&reader), Layout::Archive, folder.path()).unwrap();
    let damaged: Vec<usize> = extracted.damaged.iter().map(|finding| finding.objects.len()).collect();
    assert_eq!((extracted.files, damaged), (5, vec![1, 3]));
    let placed: Vec<&str> = extracted.placed.iter().map(|one| &*one.path).collect();
    assert_eq!(placed, ["17", "/a", "/e", "/empty", "s/k"]);
    assert_eq!(std::fs::read(folder.path().join("notebook/a.notebook.py")).unwrap(), b"print('a')");
    assert!(!folder.path().join("notebook/b.notebook.py").exists() && !folder.path().join("notebook/c.notebook.py").exists());
}

/// Larger than what is looked at in one piece: its lines are numbered on, and what was seen is told piece by piece.
#[test]
fn a_very_large_file_is_searched_piece_by_piece() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("b.tar.zst");
    let line = format!("{}\n", "x".repeat((1 << 20) - 1));
    let mut body = line.repeat(70).into_bytes();
    for at in [0, 33 << 20, 69 << 20] {
        body[at..at + 6].copy_from_slice(b"needle");
    }
    let small = |name: &str| ("volume_file", format!("/Volumes/c/s/v/{name}"), "", b"needle".to_vec());
    let large = ("volume_file", "/Volumes/c/s/v/large".to_owned(), "", body);
    writer::write(&target, Options::default(), &[small("a"), large, small("z")]).unwrap();
    let reader = Reader::open(&target).unwrap();
    let chosen = Chosen { members: all(&reader), gaps: Vec::new() };
    let pattern = Pattern::new("needle", How { fixed: true, exact: true, ..How::default() }).unwrap();
    let mut found = Vec::new();
    let mut take = |hit: audit::Hit| {
        found.push((hit.path.rsplit('/').next().unwrap().to_owned(), hit.line.unwrap()));
        true
    };
    audit::find(&reader, &chosen, &pattern, &mut take, &mut |error| panic!("{error}"));
    let wanted = [("a", 1), ("large", 1), ("large", 34), ("large", 70), ("z", 1)];
    assert_eq!(found, wanted.map(|(name, line)| (name.to_owned(), line)));
    let mut counted = Vec::new();
    audit::bodies(&reader, &|_| true, &|_, bytes| bytes.len(), &mut |_, len| counted.push(len), &mut |_, error| Err(error))
        .unwrap();
    assert_eq!(counted, [6, 70 << 20, 6]);
}
