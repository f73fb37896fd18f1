//! More bundles made to deceive: zstd, pax, JSON and Unicode in their odd forms, where two readers could understand one file in
//! two ways. Some of them are odd and allowed: `whole`.

#![allow(clippy::unwrap_used, reason = "helpers of tests may unwrap as tests do")]

use crate::audit::all;
use crate::deceit::{JOB, check, forge, head, lines, named, raw, stored, swap, text, trailer};
use crate::forge::{Forge, entry, object, resum, squeeze};
use lifeboat::audit::{Depth, Layout, extract, verify_bytes};
use lifeboat::bundle::{Limits, Reader};
use serde_json::{Value, json};
use zstd::zstd_safe::CParameter;

/// Edits one frame after compression.
fn packed(edit: impl Fn(&mut Vec<u8>) + 'static) -> Forge {
    stored(move |stored| edit(&mut stored[1]))
}

fn manifest(edit: impl Fn(&mut Vec<u8>) + 'static) -> Forge {
    Forge { sealed: Box::new(move |sealed| edit(&mut sealed[0])), ..forge() }
}

fn end(edit: impl Fn(&mut Vec<u8>) + 'static) -> Forge {
    Forge { sealed: Box::new(move |sealed| edit(&mut sealed[1])), ..forge() }
}

/// Compresses anew, without one thing.
fn without(parameter: CParameter) -> impl Fn(&mut Vec<u8>) {
    move |frame| {
        let raw = zstd::decode_all(&frame[..]).unwrap();
        let mut compressor = zstd::bulk::Compressor::new(3).unwrap();
        compressor.set_parameter(CParameter::ChecksumFlag(true)).unwrap();
        compressor.set_parameter(parameter).unwrap();
        *frame = compressor.compress(&raw).unwrap();
    }
}

/// Gives a frame whose size stands in two bytes a window of its own.
fn window(byte: u8) -> impl Fn(&mut Vec<u8>) {
    move |frame| {
        assert_eq!(frame[4] >> 5, 0b011, "single segment with two bytes of size");
        frame[4] &= !0x20;
        frame.insert(5, byte);
    }
}

/// Another content, under the size that the index and the header of the frame declare.
fn under_the_same_size(edit: impl Fn(&mut Vec<u8>) + 'static) -> Forge {
    packed(move |frame| {
        let mut raw = zstd::decode_all(&frame[..]).unwrap();
        edit(&mut raw);
        let size: [u8; 2] = frame[5..7].try_into().unwrap();
        *frame = squeeze(&raw);
        assert_eq!(frame[4] >> 5, 0b011);
        frame[5..7].copy_from_slice(&size);
    })
}

const SKIPPABLE: &[u8] = b"\x50\x2A\x4D\x18\x04\0\0\0junk";

fn before(piece: &'static [u8]) -> impl Fn(&mut Vec<u8>) {
    move |frame| drop(frame.splice(0..0, piece.iter().copied()))
}

fn behind(piece: &'static [u8]) -> impl Fn(&mut Vec<u8>) {
    move |frame| frame.extend(piece)
}

#[test]
fn frames_in_odd_forms() {
    // One block that repeats a zero 2,097,151 times: 20 bytes that ask for 2 MiB.
    let bomb = b"\x28\xB5\x2F\xFD\x64\x00\x03\xFB\xFF\xFF\0\0\0\0\0";
    check(vec![
        ("a window of 8 MiB", "whole", packed(window((23 - 10) << 3))),
        ("a window of 9 MiB", "frame-header", packed(window(((23 - 10) << 3) | 1))),
        ("the largest window there is", "frame-header", packed(window(0xFF))),
        ("a frame of zstd 0.7", "frame-header", packed(|f| f[0] = 0x27)),
        ("a frame of zstd 0.1", "frame-header", packed(|f| f[..4].copy_from_slice(&[0xFD, 0x2F, 0xB5, 0x1E]))),
        ("a frame of LZ4", "frame-header", packed(|f| f[..4].copy_from_slice(&[0x04, 0x22, 0x4D, 0x18]))),
        ("a skippable frame before", "frame-header", packed(before(SKIPPABLE))),
        ("a skippable frame instead", "frame-header", packed(|f| *f = SKIPPABLE.to_vec())),
        ("nothing but a magic number", "frame-header", packed(|f| f.truncate(4))),
        ("nothing but a header", "frame-header", packed(|f| f.truncate(7))),
        ("more content than declared", "decode", under_the_same_size(|raw| raw.extend([0; 512]))),
        ("less content than declared", "decode", under_the_same_size(|raw| raw.truncate(512))),
        ("a bomb", "decode", packed(move |f| *f = bomb.to_vec())),
        ("a manifest without a checksum", "frame-header", manifest(without(CParameter::ChecksumFlag(false)))),
        ("a manifest without a size", "frame-header", manifest(without(CParameter::ContentSizeFlag(false)))),
        ("a manifest behind a skippable frame", "frame-header", manifest(before(SKIPPABLE))),
        ("a manifest before a skippable frame", "frame-header", manifest(behind(SKIPPABLE))),
        ("a manifest before junk", "frame-header", manifest(behind(b"\0"))),
        ("a manifest before an empty frame", "frame-header", manifest(|f| f.extend(squeeze(b"")))),
        ("a manifest with a window of 256 MiB", "frame-header", manifest(window((28 - 10) << 3))),
        ("a manifest that is cut off", "decode", manifest(|f| f.truncate(f.len() - 3))),
        ("a manifest of four bytes", "frame-header", manifest(|f| f.truncate(4))),
        ("a tail without a checksum", "frame-header", end(without(CParameter::ChecksumFlag(false)))),
        ("a tail before a skippable frame", "frame-header", end(behind(SKIPPABLE))),
        ("a tail behind a skippable frame", "frame-header", end(before(SKIPPABLE))),
        ("a tail twice", "frame-header", end(|f| f.extend(f.clone()))),
        ("a tail of 5 MiB", "limit", end(|f| f.resize(5 << 20, 0))),
        ("a tail that declares 1 GiB", "limit", end(|f| *f = b"\x28\xB5\x2F\xFD\x84\x40\0\0\0\x40\x01\0\0\0\0\0\0".to_vec())),
        ("a manifest that is the tail", "tiling", trailer(|t| t.copy_within(32..40, 8))),
        ("a manifest without a byte", "tiling", trailer(|t| t[16..24].fill(0))),
    ]);
}

/// The headers of a member whose name is not ASCII, with extended records of one's own, and its body.
fn with_records(records: &str, stand_in: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = entry("bundle/PaxHeader", records.as_bytes(), 0);
    bytes[156] = b'x';
    resum(&mut bytes);
    bytes.extend(entry(stand_in, body, 1_700_000_000));
    bytes
}

const LONG: &str = "data/notebook/\u{e9}.py";

/// A bundle with one notebook that needs an extended header, and these records in it.
fn pax(records: &'static str, stand_in: &'static str) -> Forge {
    let mut forge = forge();
    forge.frames[1].truncate(1);
    LONG.clone_into(&mut forge.frames[1][0].name);
    forge.raw = Box::new(move |raw| raw[2] = with_records(records, stand_in, b"print(1)\n"));
    forge.lines = Box::new(|lines| lines[4]["at"] = json!(1536));
    forge
}

#[test]
fn extended_headers_with_two_meanings() {
    let good = "31 path=bundle/data/notebook/\u{e9}.py\n";
    assert_eq!(good.len(), 35, "the record is counted below");
    let path = "35 path=bundle/data/notebook/\u{e9}.py\n";
    let more = |record: &'static str| -> &'static str { Box::leak(format!("{path}{record}").into_boxed_str()) };
    let less = |record: &'static str| -> &'static str { Box::leak(format!("{record}{path}").into_boxed_str()) };
    check(vec![
        ("an extended header", "whole", pax(path, "bundle/pax")),
        ("another path", "tar-header", pax("35 path=bundle/data/notebook/../e\n", "bundle/pax")),
        ("an absolute path", "tar-header", pax("35 path=/etc/cron.d/xxxxxxxxxxxxxxx\n", "bundle/pax")),
        ("a wrong length of the record", "tar-header", pax(good, "bundle/pax")),
        ("a path twice, the last one hostile", "tar-header", pax(more("20 path=/etc/passwd\n"), "bundle/pax")),
        ("a path twice, the first one hostile", "tar-header", pax(less("20 path=/etc/passwd\n"), "bundle/pax")),
        ("a size that hides what follows", "tar-header", pax(more("13 size=9999\n"), "bundle/pax")),
        ("a link in the records", "tar-header", pax(more("24 linkpath=/etc/passwd\n"), "bundle/pax")),
        ("a sparse file in the records", "tar-header", pax(more("22 GNU.sparse.major=1\n"), "bundle/pax")),
        ("another character set", "tar-header", pax(less("21 hdrcharset=BINARY\n"), "bundle/pax")),
        ("an owner in the records", "tar-header", pax(more("14 uname=root\n"), "bundle/pax")),
        ("a comment", "tar-header", pax(more("16 comment=hello\n"), "bundle/pax")),
        ("no records", "placement", pax("", "bundle/pax")),
        ("another stand-in", "tar-header", pax(path, "bundle/paX")),
        ("a hostile stand-in", "tar-header", pax(path, "../../../tmp/x")),
        ("an extended header that nobody needs", "placement", {
            let mut forge =
                raw(|raw| raw[1] = with_records("34 path=bundle/data/job/17.json\n", "bundle/pax", b"{\"name\":\"nightly\"}"));
            forge.lines = Box::new(|lines| lines[JOB]["at"] = json!(1536));
            forge
        }),
    ]);
}

#[test]
fn members_at_the_edges_of_frames() {
    let split = |at: usize| {
        let mut forge = raw(move |raw| {
            let rest = raw[1].split_off(at);
            raw.insert(2, rest);
        });
        forge.head = Box::new(|head| head["counts"]["frames"] = json!(4));
        forge.lines = Box::new(|lines| {
            (5..7).for_each(|at| lines[at]["frame"] = json!(3));
        });
        forge
    };
    let empty = |bodies: &'static [&'static str]| {
        let objects = bodies.iter().enumerate().map(|(i, body)| object("job", &i.to_string(), &format!("{i}.json"), body));
        Forge { frames: vec![objects.collect()], ..forge() }
    };
    check(vec![
        ("a body that begins in the next frame", "whole", split(512)),
        ("nothing but empty objects", "whole", empty(&["", "", ""])),
        ("an empty object at the end", "whole", empty(&["{}", ""])),
        ("an empty object behind the end", "placement", {
            let mut forge = empty(&["{}", ""]);
            forge.lines = Box::new(|lines| (lines[4]["frame"], lines[4]["at"]) = (json!(2), json!(0)));
            forge
        }),
        ("an object of 9 GiB", "placement", {
            let mut forge = lines(|lines| lines[JOB]["size"] = json!(9_u64 << 30));
            forge.head = Box::new(|head| head["counts"]["bytes"] = json!((9_u64 << 30) + 18));
            forge
        }),
        ("sizes that overflow together", "limit", lines(|l| (4..7).for_each(|at| l[at]["size"] = json!((1_u64 << 53) - 1)))),
        ("frames as long as can be", "tiling", lines(|l| l[2]["off"] = json!((1_u64 << 53) - 1))),
        ("a frame with the greatest number", "tiling", lines(|l| l[1]["i"] = json!((1_u64 << 53) - 1))),
    ]);
    let reader = Reader::open_source(Box::new(split(512).build()), Limits::default()).unwrap();
    assert_eq!(reader.read(reader.find("job", "17").unwrap()).unwrap(), b"{\"name\":\"nightly\"}");
}

#[test]
fn json_in_odd_forms() {
    let meta = |value: &'static str| {
        text(move |text| {
            let old = String::from_utf8(text.clone()).unwrap();
            *text = old.replacen("\"meta\":{", &format!("\"meta\":{{\"x\":{value},"), 1).into_bytes();
        })
    };
    let bytes = |from: &'static [u8], to: &'static [u8]| {
        text(move |text| {
            let at = text.windows(from.len()).position(|window| window == from).unwrap();
            drop(text.splice(at..at + from.len(), to.iter().copied()));
        })
    };
    let digits: &'static str = Box::leak("9".repeat(100_000).into_boxed_str());
    for number in ["NaN", "-Infinity", "1e400", "1E2", "-0", "01", "+1", "0x10", "1_000", digits, "nul", "True", "'x'", "1,", ""]
    {
        check(vec![(&number[..number.len().min(9)], "line", meta(number))]);
    }
    for odd in ["[ ]", "\t{}\t", "\"\\u2028\"", "\"\\ud83d\\ude00\"", "-9007199254740991", "\"\\/\"", "\"\\u0000\""] {
        check(vec![(odd, "whole", meta(odd))]);
    }
    for odd in ["\"\\ud83d\"", "\"\\ude00\\ud83d\"", "\"\\u12\"", "\"\\x41\"", "\"\t\"", "\u{a0}1", "\u{b}1"] {
        check(vec![(odd, "line", meta(odd))]);
    }
    check(vec![
        ("an escape in a key of ours", "whole", swap("{\"t\":\"member\"", "{\"\\u0074\":\"member\"")),
        ("a key of ours twice, one escaped", "line", swap("{\"t\":\"member\",", "{\"t\":\"member\",\"\\u0074\":\"gap\",")),
        ("spaces inside", "whole", swap("{\"t\":\"member\",", "{ \"t\" : \"member\" , ")),
        ("a carriage return inside", "whole", swap("{\"t\":\"member\",", "{\r\"t\":\"member\",")),
        ("a comma too many", "line", swap("\"frame\":1,", "\"frame\":1,,")),
        ("a comment", "line", swap("\"frame\":1,", "\"frame\":1,/* */")),
        ("two objects in a line", "line", swap("}\n{\"t\":\"frame\",\"i\":1", "}{\"t\":\"frame\",\"i\":1")),
        ("a byte order mark inside", "line", swap("{\"t\":\"member\"", "\u{feff}{\"t\":\"member\"")),
        ("a surrogate in UTF-8", "line", bytes(b"17.json", b"17\xED\xA0\x80n")),
        ("a slash in two bytes", "line", bytes(b"17.json", b"17\xC0\xAFson")),
        ("a byte of NUL", "line", bytes(b"17.json", b"17\0json")),
        ("UTF-16", "line", text(|text| *text = text.iter().flat_map(|byte| [*byte, 0]).collect())),
    ]);
}

#[test]
fn values_of_the_wrong_sort() {
    let member = |key: &'static str, value: Value| lines(move |lines| lines[JOB][key] = value.clone());
    let first = |key: &'static str, value: Value| head(move |head| head[key] = value.clone());
    let inner = |key: &'static str, more: &'static str| head(move |head| head[key][more] = json!(1));
    let gap = |http: Value| {
        let mut forge = lines(move |lines| {
            (lines[7]["missing"], lines[7]["listed"]) = (json!(1), json!(2));
            let gap = json!({"t": "gap", "state": "missing", "path": "9", "kind": "job", "reason": "x", "http": http});
            lines.insert(7, gap);
        });
        forge.head = Box::new(|head| head["states"]["missing"] = json!(1));
        forge
    };
    let times = [
        "2016-12-31T23:59:60Z",
        "2026-08-22T020000.0Z",
        "2026-08-22t02:00:00z",
        "2026-08-22T02:00:00",
        "2026-08-22 02:00:00Z",
        "２026-08-22T02:00Z",
    ];
    check(times.into_iter().map(|time| (time, "line", first("created", json!(time)))).collect());
    check(vec![
        ("a path that is a number", "line", member("path", json!(17))),
        ("a key that is nothing", "line", member("key", Value::Null)),
        ("a meta that is a list", "line", member("meta", json!([]))),
        ("a meta that is nothing", "line", member("meta", Value::Null)),
        ("a size that is true", "line", member("size", json!(true))),
        ("a reason without a state", "line", member("reason", json!("x"))),
        ("a source that is a list", "line", first("source", json!([]))),
        ("features that are a text", "line", first("requires", json!("blake3"))),
        ("features that are numbers", "line", first("requires", json!([1]))),
        ("a major version that is true", "line", first("major", json!(true))),
        ("a major version as text", "line", first("major", json!("1"))),
        ("counts that are a list", "line", first("counts", json!([3, 3, 36]))),
        ("another count", "line", inner("counts", "more")),
        ("another state", "line", inner("states", "more")),
        ("a predecessor that is nothing", "line", first("previous", Value::Null)),
        ("a predecessor without a time", "line", first("previous", json!({"manifest_sha256": "0".repeat(64)}))),
        (
            "a predecessor without a digest",
            "line",
            first("previous", json!({"manifest_sha256": "0", "created": "2026-08-21T02:00:00Z"})),
        ),
        (
            "a predecessor with more",
            "line",
            first("previous", json!({"manifest_sha256": "0".repeat(64), "created": "2026-08-21T02:00:00Z", "more": 1})),
        ),
        ("a digest that is no hexadecimal number", "line", first("content_id", json!("g".repeat(64)))),
        ("a status of HTTP", "whole", gap(json!(403))),
        ("a status of HTTP as text", "line", gap(json!("403"))),
        ("a status of HTTP that is none", "line", gap(json!(70_000))),
        ("a status of HTTP below zero", "line", gap(json!(-1))),
        (
            "removed values out of order",
            "order",
            lines(|l| {
                let line = |at| json!({"t": "redacted", "path": "17", "kind": "job", "pointer": at, "reason": "secret"});
                l.extend([line("/b"), line("/a")]);
            }),
        ),
        (
            "accounts that overflow together",
            "sums",
            lines(|l| {
                for key in ["listed", "captured", "degraded", "missing", "excluded", "unavailable"] {
                    l[7][key] = json!((1_u64 << 53) - 1);
                }
            }),
        ),
    ]);
}

#[test]
fn names_in_odd_forms() {
    let pair = |a: &'static str, b: &'static str| {
        let mut forge = named(Box::leak(format!("data/notebook/{b}").into_boxed_str()));
        forge.frames[1][0].name = format!("data/notebook/{a}");
        forge
    };
    let collide = [("k", "\u{212a}"), ("fi", "\u{fb01}"), ("s", "\u{17f}"), ("i\u{307}", "\u{130}"), ("σ", "ς"), ("x/y", "X")];
    check(collide.into_iter().map(|(a, b)| (b, "collision", odd(pair(a, b)))).collect());
    check(vec![
        ("a file where a folder was", "collision", odd(pair("é/x", "e\u{301}"))),
        ("a folder where a file was", "collision", odd(pair("é", "E\u{301}/x"))),
    ]);
    let devices = ["CONOUT$", "conin$.txt", "nul .txt", "LPT².x", "com¹", "x/aux/y", "Con\u{131}n$"];
    let others = ["a/./b", "...", "a\u{0}", "\u{1b}[31m", "%2e%2e", "%C3%", "a<b", "a|b"];
    check(devices.into_iter().chain(others).map(|name| (name, "name", odd(pair("a", name)))).collect());
}

/// Names that are not ASCII need headers that the forge does not make; such a bundle is refused before its frames are read.
fn odd(forge: Forge) -> Forge {
    let lines = |lines: &mut Vec<Value>| {
        let mut at = 0;
        for line in lines.iter_mut().filter(|line| line["t"] == "member" && line["kind"] == "notebook") {
            at += if line["name"].as_str().unwrap().is_ascii() { 512 } else { 1536 };
            line["at"] = json!(at);
            at += 512;
        }
    };
    Forge { lines: Box::new(lines), ..forge }
}

#[test]
fn every_hurt_object_is_named() {
    let hurt = |edit: fn(&mut Vec<Vec<u8>>)| {
        let mut forge = raw(edit);
        let bodies = ["print(1)\n", "print(2)\n", "print(3)\n", "print(4)\n"];
        let objects = bodies.iter().enumerate().map(|(i, body)| object("notebook", &format!("/{i}"), &format!("{i}.py"), body));
        forge.frames = vec![objects.collect()];
        let verdict = verify_bytes(forge.build(), Depth::Full).unwrap();
        let of = |finding: &lifeboat::bundle::Finding| {
            (finding.fault.code(), finding.objects.iter().map(|o| o.path.clone()).collect::<Vec<_>>().join(" "))
        };
        verdict.findings.iter().map(of).collect::<Vec<_>>()
    };
    let found = hurt(|raw| {
        raw[1][156] = b'2';
        raw[1][1024 + 600] = 1;
        raw[1][2048 + 146] ^= 1;
        raw[1][3072 + 512] ^= 1;
    });
    let wanted = [("tar-type", "/0"), ("padding", "/1"), ("tar-header", "/2"), ("body", "/3")];
    assert_eq!(found, wanted.map(|(code, path)| (code, path.to_owned())));
}

#[test]
fn names_are_in_the_finding_as_objects() {
    let verdict = verify_bytes(named("data/notebook/A.notebook.py").build(), Depth::Standard).unwrap();
    assert_eq!(verdict.findings[0].objects.iter().map(|object| object.path.as_str()).collect::<Vec<_>>(), ["/b"]);
}

#[test]
fn a_quick_look_is_at_the_bytes_and_says_so() {
    let nonsense = named("data/notebook/A.notebook.py").build();
    let quick = verify_bytes(nonsense.clone(), Depth::Quick).unwrap();
    assert!(quick.is_whole() && quick.head.is_some() && quick.manifest_sha256.is_none() && quick.kinds.is_empty());
    assert!(!verify_bytes(nonsense, Depth::Standard).unwrap().is_whole());
}

/// Puts something into a folder.
#[cfg(unix)]
type Put = fn(&std::path::Path);

/// What a hostile bundle makes `extract` do happens below the folder or not at all.
#[cfg(unix)]
#[test]
fn nothing_is_written_outside_of_the_folder() {
    use std::os::unix::fs::symlink;
    let reader = Reader::open_source(Box::new(forge().build()), Limits::default()).unwrap();
    let stage = tempfile::tempdir().unwrap();
    let (inside, outside) = (stage.path().join("inside"), stage.path().join("outside"));
    std::fs::create_dir_all(&inside).unwrap();
    std::fs::create_dir_all(&outside).unwrap();
    let stands: [(&str, Put); 4] = [
        ("a hanging link for a folder", |inside| symlink("../outside/new", inside.join("notebook")).unwrap()),
        ("a link for a file", |inside| {
            std::fs::create_dir(inside.join("notebook")).unwrap();
            symlink("../../outside/file", inside.join("notebook/a.notebook.py")).unwrap();
        }),
        ("a file for a folder", |inside| std::fs::write(inside.join("notebook"), b"mine").unwrap()),
        ("a folder for a file", |inside| std::fs::create_dir_all(inside.join("notebook/a.notebook.py")).unwrap()),
    ];
    for (what, put) in stands {
        std::fs::remove_dir_all(&inside).unwrap();
        std::fs::create_dir(&inside).unwrap();
        put(&inside);
        assert!(extract(&reader, &all(&reader), Layout::Archive, &inside).is_err(), "{what}");
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0, "{what}");
    }
    symlink("../outside/new", stage.path().join("hanging")).unwrap();
    assert!(extract(&reader, &all(&reader), Layout::Archive, &stage.path().join("hanging")).is_err());
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
}

/// A bundle whose names would steer a terminal, or say in lines of their own what the program did not.
#[test]
fn names_neither_steer_a_terminal_nor_forge_a_line() {
    let mut forge = forge();
    let said = "whole and unaltered";
    forge.frames[0][0].path = format!("17\n{said}\r\u{1b}[2J\u{9b}31m\u{202e}\u{7}");
    forge.raw = Box::new(|raw| raw[1][512] ^= 1);
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("b.tar.zst");
    std::fs::write(&bundle, forge.build()).unwrap();
    let out = folder.path().join("out");
    let path = forge.frames[0][0].path.as_str();
    for words in
        [&["verify", "--full"][..], &["list", "--long"], &["list"], &["show", path], &["extract", "-o", out.to_str().unwrap()]]
    {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_lifeboat"));
        let (verb, rest) = words.split_first().unwrap();
        command.arg(verb).arg(&bundle).args(rest).env_clear().env("HOME", folder.path());
        let output = command.output().unwrap();
        let text = [&output.stdout[..], &output.stderr[..]].concat();
        let text = String::from_utf8(text).unwrap();
        let steers = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
        assert!(!text.contains(steers), "{verb}: {text:?}");
        assert!(text.lines().all(|line| !line.starts_with(said)), "{verb}: {text}");
    }
}
