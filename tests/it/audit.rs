//! Looking inside: lists, single objects, and files on disk.

#![allow(clippy::unwrap_used, reason = "helpers of tests may unwrap as tests do")]

use crate::golden::{fixtures, golden};
use lifeboat::audit::{ExtractError, Layout, extract};
use lifeboat::bundle::{Limits, MemberLine, Reader};
use std::path::Path;

fn open(name: &str) -> Reader {
    Reader::open_source(Box::new(golden(name)), Limits::default()).unwrap()
}

/// All objects of a bundle.
pub(crate) fn all(reader: &Reader) -> Vec<&MemberLine> {
    reader.manifest().members.iter().collect()
}

fn jobs(reader: &Reader) -> Vec<&MemberLine> {
    reader.manifest().members.iter().filter(|member| &*member.kind == "job").collect()
}

/// All files below a folder: name and bytes.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let walk = walkdir::WalkDir::new(folder).sort_by_file_name().into_iter().map(Result::unwrap);
    let file = |entry: walkdir::DirEntry| {
        let name = entry.path().strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read(entry.path()).unwrap())
    };
    walk.filter(|entry| entry.file_type().is_file()).map(file).collect()
}

#[test]
fn what_is_extracted_is_what_is_stored() {
    for name in ["small", "names", "big", "empty"] {
        let (reader, folder) = (open(name), tempfile::tempdir().unwrap());
        let below = folder.path().join("new/folder");
        let extracted = extract(&reader, &all(&reader), Layout::Archive, &below).unwrap();
        let mut expected: Vec<(String, Vec<u8>)> = reader
            .manifest()
            .members
            .iter()
            .map(|member| (member.name.strip_prefix("data/").unwrap().to_owned(), reader.read(member).unwrap()))
            .collect();
        let mut found = files(&below);
        expected.sort();
        found.sort();
        assert_eq!(found, expected, "{name}");
        assert_eq!((extracted.files, extracted.damaged.len()), (found.len() as u64, 0));
        assert_eq!(files(folder.path()).len(), found.len(), "nothing stands outside");
    }
}

#[test]
fn only_what_is_wanted_is_extracted() {
    let (reader, folder) = (open("small"), tempfile::tempdir().unwrap());
    extract(&reader, &jobs(&reader), Layout::Archive, folder.path()).unwrap();
    assert_eq!(files(folder.path()).iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["job/17.json"]);
}

#[test]
fn nothing_is_overwritten() {
    let (reader, folder) = (open("small"), tempfile::tempdir().unwrap());
    std::fs::create_dir(folder.path().join("job")).unwrap();
    std::fs::write(folder.path().join("job/17.json"), b"mine").unwrap();
    let refused = extract(&reader, &jobs(&reader), Layout::Archive, folder.path()).unwrap_err();
    assert!(matches!(refused, ExtractError::Create { source, .. } if source.kind() == std::io::ErrorKind::AlreadyExists));
    assert_eq!(files(folder.path()), [("job/17.json".to_owned(), b"mine".to_vec())]);
}

#[cfg(unix)]
#[test]
fn no_link_is_followed() {
    let (reader, folder) = (open("small"), tempfile::tempdir().unwrap());
    let (inside, outside) = (folder.path().join("inside"), folder.path().join("outside"));
    std::fs::create_dir(&inside).unwrap();
    std::fs::create_dir(&outside).unwrap();
    for target in [outside.clone(), "../outside".into(), ".".into(), "other".into()] {
        std::os::unix::fs::symlink(&target, inside.join("job")).unwrap();
        let refused = extract(&reader, &jobs(&reader), Layout::Archive, &inside).unwrap_err();
        assert!(matches!(refused, ExtractError::InTheWay { path } if path.ends_with("job")), "{target:?}");
        std::fs::remove_file(inside.join("job")).unwrap();
    }
    std::fs::create_dir(inside.join("job")).unwrap();
    std::os::unix::fs::symlink(outside.join("victim"), inside.join("job/17.json")).unwrap();
    assert!(extract(&reader, &jobs(&reader), Layout::Archive, &inside).is_err());
    assert_eq!(files(&outside), []);
}

#[test]
fn damaged_objects_leave_no_file_and_hold_up_no_other() {
    let mut bytes = golden("small");
    let frame = open("small").manifest().frames[2].clone();
    bytes[usize::try_from(frame.off + frame.clen / 2).unwrap()] ^= 1;
    let reader = Reader::open_source(Box::new(bytes), Limits::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let extracted = extract(&reader, &all(&reader), Layout::Archive, folder.path()).unwrap();
    assert_eq!((extracted.files, extracted.damaged.len()), (3, 1));
    assert_eq!(extracted.damaged[0].objects, reader.manifest().objects_in(2));
    assert_eq!(files(folder.path()).len(), 3);
}

#[test]
fn a_bundle_on_disk_is_verified_like_one_in_memory() {
    use lifeboat::audit::{Depth, verify};
    let verdict = verify(&fixtures().join("v1/small.tar.zst"), Depth::Full, &lifeboat::event::Silent).unwrap();
    assert!(verdict.is_whole() && !verdict.is_complete());
    assert_eq!(
        verdict.kinds.iter().map(|line| line.kind.as_str()).collect::<Vec<_>>(),
        ["cluster", "job", "notebook", "pipeline"]
    );
}
