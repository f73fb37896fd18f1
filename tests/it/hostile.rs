//! Bundles made to deceive, one for every rule: each is refused or reported, with the code that is meant for it.

#![allow(clippy::unwrap_used, reason = "helpers of tests may unwrap as tests do")]

use crate::deceit::{
    JOB, check, file, forge, head, lines, named, outcome, raw, stored, swap, tags, tail, tar_header, tar_type, text, trailer,
};
use crate::forge::{Forge, entry, hex_sha, object, resum, squeeze};
use lifeboat::audit::{Depth, verify_bytes};
use lifeboat::bundle::OpenError;
use serde_json::json;

#[test]
fn a_forged_bundle_without_a_lie_is_whole() {
    check(vec![("control", "whole", forge())]);
}

#[test]
fn layout() {
    check(vec![
        ("manifest longer than it is", "tiling", trailer(|t| t[16] ^= 1)),
        ("manifest at another place", "tiling", trailer(|t| t[8] ^= 1)),
        ("tail longer than it is", "tiling", trailer(|t| t[40] ^= 1)),
        ("offsets that overflow", "tiling", trailer(|t| t[8..24].fill(0xFF))),
        ("bytes before the manifest", "tiling", Forge { gaps: [b"junk", b"", b""], ..forge() }),
        ("bytes before the tail", "tiling", Forge { gaps: [b"", b"junk", b""], ..forge() }),
        ("bytes before the trailer", "tiling", Forge { gaps: [b"", b"", b"junk"], ..forge() }),
        ("a whole frame before the trailer", "tiling", Forge { gaps: [b"", b"", b"\x5D\x2A\x4D\x18\0\0\0\0"], ..forge() }),
        ("bytes after the trailer", "tiling", file(|f| f.extend(b"junk"))),
        ("a second trailer", "tiling", file(|f| f.extend(f[f.len() - 160..].to_vec()))),
        ("bytes at the start", "tiling", file(|f| drop(f.splice(0..0, *b"\x50\x2A\x4D\x18\0\0\0\0")))),
        ("a frame that begins later", "tiling", lines(|l| l[2]["off"] = json!(l[2]["off"].as_u64().unwrap() + 1))),
        ("a frame twice", "tiling", lines(|l| l.insert(2, l[2].clone()))),
        ("a frame left out", "tiling", lines(|l| drop(l.remove(2)))),
        ("frames in another order", "tiling", lines(|l| l.swap(2, 3))),
        ("the last frame left out", "tiling", lines(|l| drop(l.remove(3)))),
        ("a wrong tar offset", "tiling", lines(|l| l[3]["tar"] = json!(512))),
        ("no frames", "tiling", lines(|l| drop(l.drain(1..4)))),
    ]);
}

#[test]
fn trailers() {
    check(vec![
        ("minor changed, digest not", "trailer", file(|f| *f.iter_mut().rev().nth(9).unwrap() = 1)),
        ("minor changed in the trailer only", "trailer", trailer(|t| t[150] = 1)),
        ("not a skippable frame", "trailer", trailer(|t| t[3] = 0x19)),
        ("another length of the frame", "trailer", trailer(|t| t[4] = 151)),
        ("another length of the trailer", "trailer", trailer(|t| t[144] = 161)),
        ("another digest of the manifest", "manifest-frame", trailer(|t| t[48] ^= 1)),
        ("another digest of the tail", "tail-frame", trailer(|t| t[80] ^= 1)),
        ("manifest of another size", "frame-header", trailer(|t| t[24] ^= 1)),
        ("manifest of 2 GiB", "limit", trailer(|t| t[24..32].copy_from_slice(&(2u64 << 30).to_le_bytes()))),
        ("manifest of 2^64 - 1 bytes", "limit", trailer(|t| t[24..32].fill(0xFF))),
        ("a newer major version", "needs-version", trailer(|t| t[148] = 2)),
        ("an older major version", "needs-version", trailer(|t| t[148] = 0)),
        ("a feature that we do not know", "needs-version", head(|h| h["requires"] = json!(["blake3"]))),
        (
            "a feature and a line that we do not know",
            "needs-version",
            lines(|l| {
                l[0]["requires"] = json!(["manifest-shards"]);
                l[0]["shards"] = json!(7);
                l.insert(1, json!({"t": "shard"}));
            }),
        ),
    ]);
}

#[test]
fn frames() {
    let header = |edit: fn(&mut Vec<u8>)| stored(move |s| edit(&mut s[1]));
    check(vec![
        (
            "no checksum",
            "frame-header",
            Forge {
                stored: Box::new(|s| {
                    let raw = zstd::decode_all(&s[1][..]).unwrap();
                    s[1] = zstd::bulk::compress(&raw, 3).unwrap();
                }),
                ..forge()
            },
        ),
        (
            "no content size",
            "frame-header",
            stored(|s| {
                let raw = zstd::decode_all(&s[1][..]).unwrap();
                let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
                encoder.include_checksum(true).unwrap();
                std::io::Write::write_all(&mut encoder, &raw).unwrap();
                s[1] = encoder.finish().unwrap();
            }),
        ),
        ("two frames in one", "frame-header", stored(|s| s[1].extend(squeeze(b"")))),
        ("a skippable frame behind", "frame-header", stored(|s| s[1].extend(b"\x50\x2A\x4D\x18\0\0\0\0"))),
        ("bytes behind", "frame-header", stored(|s| s[1].push(0))),
        ("another content size", "frame-header", stored(|s| s[1] = squeeze(&[0; 1024 + 512]))),
        ("reserved bit", "frame-header", header(|f| f[4] |= 8)),
        (
            "a dictionary",
            "frame-header",
            header(|f| {
                f[4] |= 1;
                f.insert(5, 7);
            }),
        ),
        (
            "a window of 16 MiB",
            "frame-header",
            header(|f| {
                assert_eq!(f[4] >> 5, 0b011, "single segment with two bytes of size");
                f[4] &= !0x20;
                f.insert(5, (24 - 10) << 3);
            }),
        ),
        ("no zstd frame", "frame-header", stored(|s| s[1] = b"PK\x03\x04 and so on".to_vec())),
        ("cut inside", "frame-header", stored(|s| s[1] = s[1][..s[1].len() - 1].to_vec())),
        (
            "a flipped bit, hashed",
            "decode",
            stored(|s| {
                let last = s[1].len() - 1;
                s[1][last] ^= 1;
            }),
        ),
        ("a frame of 8 MiB", "limit", lines(|l| l[2]["ulen"] = json!(8 << 20))),
        ("a stored frame of 1 TiB", "limit", lines(|l| l[2]["clen"] = json!(1u64 << 40))),
        ("an empty frame", "limit", lines(|l| l[3]["ulen"] = json!(0))),
        ("a frame of half a block", "limit", lines(|l| l[3]["ulen"] = json!(700))),
        ("a large bundle.json", "limit", lines(|l| l[1]["ulen"] = json!(128 << 10))),
        ("more bytes than anyone takes", "limit", head(|h| h["counts"]["bytes"] = json!(1u64 << 50))),
        ("more members than anyone takes", "limit", head(|h| h["counts"]["members"] = json!(1u64 << 40))),
        ("a member of 2^50 bytes", "limit", lines(|l| l[JOB]["size"] = json!(1u64 << 50))),
    ]);
}

#[test]
fn tar_entries() {
    check(vec![
        ("symlink", "tar-type", tar_type(b'2')),
        (
            "symlink to a place",
            "tar-type",
            tar_header(|h| {
                h[156] = b'2';
                h[157..168].copy_from_slice(b"/etc/passwd");
            }),
        ),
        ("hard link", "tar-type", tar_type(b'1')),
        ("character device", "tar-type", tar_type(b'3')),
        ("block device", "tar-type", tar_type(b'4')),
        ("folder", "tar-type", tar_type(b'5')),
        ("fifo", "tar-type", tar_type(b'6')),
        ("contiguous", "tar-type", tar_type(b'7')),
        ("old regular", "tar-type", tar_type(0)),
        ("GNU long name", "tar-type", tar_type(b'L')),
        ("GNU sparse", "tar-type", tar_type(b'S')),
        ("global pax", "tar-type", tar_type(b'g')),
        ("pax where none belongs", "tar-header", tar_type(b'x')),
        ("another name", "tar-header", tar_header(|h| h[16] = b'X')),
        ("a name outside", "tar-header", tar_header(|h| h[..12].copy_from_slice(b"../../../etc"))),
        ("another size", "tar-header", tar_header(|h| h[134] ^= 1)),
        ("a binary size", "tar-header", tar_header(|h| h[124] = 0x80)),
        ("another mode", "tar-header", tar_header(|h| h[104] = b'7')),
        ("an owner", "tar-header", tar_header(|h| h[114] = b'1')),
        ("a user's name", "tar-header", tar_header(|h| h[265..269].copy_from_slice(b"root"))),
        ("another time", "tar-header", tar_header(|h| h[146] ^= 1)),
        ("GNU magic", "tar-header", tar_header(|h| h[257..265].copy_from_slice(b"ustar  \0"))),
        ("a prefix", "tar-header", tar_header(|h| h[345..348].copy_from_slice(b"etc"))),
        ("bytes in the last twelve", "tar-header", tar_header(|h| h[510] = 1)),
        ("a wrong checksum", "tar-header", raw(|r| r[1][150] ^= 1)),
        ("bytes in the padding", "padding", raw(|r| *r[1].last_mut().unwrap() = 1)),
        ("another body", "body", raw(|r| r[1][512] ^= 1)),
        ("end of archive in a frame", "tar-type", raw(|r| r[1][..512].fill(0))),
        ("an entry nobody mentions, behind", "placement", raw(|r| r[1].extend(entry("bundle/x", b"x", 0)))),
        ("an entry nobody mentions, before", "placement", raw(|r| drop(r[1].splice(0..0, entry("bundle/x", b"x", 0))))),
        ("zero blocks nobody mentions", "placement", raw(|r| r[1].extend([0; 1024]))),
    ]);
}

#[test]
fn places() {
    check(vec![
        ("two members at one place", "placement", lines(|l| l[5]["at"] = l[4]["at"].clone())),
        ("two members with places exchanged in part", "placement", lines(|l| l[5]["at"] = json!(1024))),
        ("a member in the first frame", "placement", lines(|l| l[JOB]["frame"] = json!(0))),
        ("a member behind the last frame", "placement", lines(|l| l[5]["frame"] = json!(9))),
        ("a member not at a block", "placement", lines(|l| l[JOB]["at"] = json!(513))),
        (
            "a member longer than its frame",
            "placement",
            lines(|l| {
                l[JOB]["size"] = json!(5000);
                l[0]["counts"]["bytes"] = json!(5018);
            }),
        ),
        ("a frame without members", "placement", {
            let mut forge = forge();
            forge.frames.push(Vec::new());
            forge.raw = Box::new(|raw| raw[3] = entry("bundle/data/job/x", b"x", 0));
            forge
        }),
        ("a member that nobody mentions", "counts", lines(|l| drop(l.remove(6)))),
        ("an offset beyond 32 bits", "line", lines(|l| l[JOB]["at"] = json!(1u64 << 33))),
    ]);
}

#[test]
fn json_with_two_meanings() {
    let nested = |n: usize| lines(move |l| l[JOB]["meta"]["x"] = (0..n).fold(json!(1), |inner, _| json!([inner])));
    check(vec![
        ("a key twice", "line", swap("\"size\":18,", "\"size\":18,\"size\":18,")),
        ("a key twice, one escaped", "line", swap("\"meta\":{", "\"meta\":{\"a\":1,\"\\u0061\":1,")),
        ("a key that we do not know", "line", lines(|l| l[JOB]["more"] = json!(1))),
        ("a key that we do not know, in the header", "line", head(|h| h["more"] = json!(1))),
        ("a key that we do not know, inside", "line", lines(|l| l[0]["counts"]["more"] = json!(1))),
        ("a sort that we do not know", "line", lines(|l| l.push(json!({"t": "note"})))),
        ("no sort", "line", lines(|l| drop(l[JOB].as_object_mut().unwrap().shift_remove("t")))),
        ("deep", "whole", nested(14)),
        ("too deep", "line", nested(15)),
        (
            "very deep",
            "line",
            text(|t| {
                let deep = format!("{{\"t\":\"member\",\"meta\":{}1{}}}\n", "[".repeat(100_000), "]".repeat(100_000));
                t.extend(deep.into_bytes());
            }),
        ),
        ("a number that others round", "line", lines(|l| l[JOB]["meta"]["x"] = json!(1u64 << 53))),
        ("a fraction", "line", lines(|l| l[JOB]["meta"]["x"] = json!(0.5))),
        ("a size as a fraction", "line", swap("\"size\":18,", "\"size\":18.0,")),
        ("a negative size", "line", swap("\"size\":18,", "\"size\":-18,")),
        ("a size as text", "line", swap("\"size\":18,", "\"size\":\"18\",")),
        ("space before", "line", swap("{\"t\":\"member\"", " {\"t\":\"member\"")),
        ("CR LF", "line", swap("}\n", "}\r\n")),
        ("a byte order mark", "line", text(|t| drop(t.splice(0..0, *b"\xEF\xBB\xBF")))),
        ("an empty line", "line", text(|t| t.push(b'\n'))),
        ("no line feed at the end", "line", text(|t| t.truncate(t.len() - 1))),
        ("an empty manifest", "line", text(Vec::clear)),
        (
            "bytes that are not UTF-8",
            "line",
            text(|t| {
                let at = t.windows(7).position(|w| w == b"nightly" || w == b"17.json").unwrap();
                t[at] = 0xFF;
            }),
        ),
        ("half a surrogate", "line", swap("\"meta\":{", "\"meta\":{\"a\":\"\\ud800\",")),
        ("a line of 2 MiB", "limit", lines(|l| l[JOB]["meta"]["x"] = json!("x".repeat(2 << 20)))),
        ("a digest in capitals", "line", lines(|l| l[JOB]["sha256"] = json!(l[JOB]["sha256"].as_str().unwrap().to_uppercase()))),
        ("a short digest", "line", lines(|l| l[JOB]["sha256"] = json!("00"))),
        ("another format", "line", head(|h| h["format"] = json!("dinghy"))),
        ("another major version inside", "line", head(|h| h["major"] = json!(2))),
        ("another minor version inside", "trailer", head(|h| h["minor"] = json!(1))),
        ("a time with an offset", "line", head(|h| h["created"] = json!("2026-08-22T02:00:00+02:00"))),
        ("no such day", "line", head(|h| h["created"] = json!("2026-02-30T02:00:00Z"))),
        ("a line feed in the tool's name", "line", head(|h| h["tool"] = json!("a\nPayload-Oxum: 0.0"))),
        ("a state of its own", "line", lines(|l| l[JOB]["state"] = json!("captured"))),
        ("degraded without a reason", "line", lines(|l| l[JOB]["state"] = json!("degraded"))),
        (
            "a gap in an unknown state",
            "line",
            lines(|l| l.insert(7, json!({"t": "gap", "state": "lost", "path": "1", "kind": "job", "reason": ""}))),
        ),
        ("a kind with a slash", "line", lines(|l| l[7]["kind"] = json!("../job"))),
    ]);
}

#[test]
fn order_and_identity() {
    let gap = |path: &str, kind: &str| json!({"t": "gap", "state": "missing", "path": path, "kind": kind, "reason": "x"});
    let (a_gap, twice, back) = (gap("/a", "notebook"), gap("/z", "notebook"), gap("/y", "notebook"));
    let (twice_too, front) = (twice.clone(), twice.clone());
    check(vec![
        ("members out of order", "order", lines(|l| l.swap(5, 6))),
        ("a member twice", "duplicate", lines(|l| l.insert(5, l[5].clone()))),
        ("both member and gap", "duplicate", lines(move |l| l.insert(7, a_gap.clone()))),
        ("a gap twice", "duplicate", lines(move |l| drop(l.splice(7..7, [twice.clone(), twice_too.clone()])))),
        ("gaps out of order", "order", lines(move |l| drop(l.splice(7..7, [front.clone(), back.clone()])))),
        ("a kind twice", "duplicate", lines(|l| l.push(l[8].clone()))),
        ("kinds out of order", "order", lines(|l| l.swap(7, 8))),
        ("a frame after a member", "order", lines(|l| l.swap(3, 4))),
        ("no header", "order", lines(|l| drop(l.remove(0)))),
        ("two headers", "order", lines(|l| l.insert(1, l[0].clone()))),
        (
            "a removed value twice",
            "duplicate",
            lines(|l| {
                let line = json!({"t": "redacted", "path": "17", "kind": "job", "pointer": "/x", "reason": "secret"});
                l.extend([line.clone(), line]);
            }),
        ),
    ]);
}

#[test]
fn sums() {
    check(vec![
        ("fewer members than counted", "counts", head(|h| h["counts"]["members"] = json!(4))),
        ("fewer frames than counted", "counts", head(|h| h["counts"]["frames"] = json!(4))),
        ("fewer bytes than counted", "counts", head(|h| h["counts"]["bytes"] = json!(4))),
        ("a listing that showed more", "sums", lines(|l| l[7]["listed"] = json!(2))),
        ("a state that is not there", "sums", lines(|l| (l[7]["missing"], l[7]["listed"]) = (json!(1), json!(2)))),
        ("a kind without an account", "sums", lines(|l| drop(l.remove(7)))),
        ("states that are not the sum", "sums", head(|h| h["states"]["captured"] = json!(2))),
        (
            "a value removed from nothing",
            "sums",
            lines(|l| {
                l.push(json!({"t": "redacted", "path": "99", "kind": "job", "pointer": "/x", "reason": "secret"}));
            }),
        ),
    ]);
}

#[test]
fn names() {
    let long: &'static str = Box::leak(format!("data/notebook/{}", "x".repeat(256)).into_boxed_str());
    let bad = [
        "data/notebook/../b",
        "data/notebook/x/../../../../etc/passwd",
        "data/notebook/.",
        "/data/notebook/b",
        "/etc/passwd",
        "data/notebook//b",
        "data/notebook/",
        "data/notebook",
        "data/job/b",
        "b",
        "",
        "data/notebook/C:\\b",
        "data/notebook/a\\b",
        "data/notebook/a:b",
        "data/notebook/a\0b",
        "data/notebook/a\nb",
        "data/notebook/CON",
        "data/notebook/aux.py",
        "data/notebook/lpt1.notebook.py",
        "data/notebook/b.",
        "data/notebook/b ",
        "data/notebook/x /b",
        "data/notebook/50%",
        "data/notebook/%2f",
        "data/notebook/a*",
        "data/notebook/a?",
        "data/notebook/a\u{7f}",
        long,
    ];
    let deep: &'static str = Box::leak(format!("data/notebook/{}b", "d/".repeat(70)).into_boxed_str());
    let wide: &'static str = Box::leak(format!("data/notebook/{}", vec!["w".repeat(200); 6].join("/")).into_boxed_str());
    check(bad.into_iter().chain([deep, wide]).map(|name| (name, "name", named(name))).collect());
    check(vec![
        ("case", "collision", named("data/notebook/A.notebook.py")),
        ("the same name", "collision", named("data/notebook/a.notebook.py")),
        ("a folder with the name of a file", "collision", named("data/notebook/a.notebook.py/b")),
        ("composition", "collision", {
            let mut forge = named("data/notebook/u\u{308}");
            forge.frames[1][0].name = "data/notebook/Ü".to_owned();
            forge
        }),
        ("sharp s", "collision", {
            let mut forge = named("data/notebook/STRASSE");
            forge.frames[1][0].name = "data/notebook/straße".to_owned();
            forge
        }),
    ]);
}

#[test]
fn tag_files_and_tail() {
    let signature = |name: &str| entry(&format!("bundle/{name}"), b"untrusted comment: x\n", 0);
    let put = |before: Vec<u8>| tail(move |t| drop(t.splice(0..0, before.clone())));
    let both = |a: &str, b: &str| [signature(a), signature(b)].concat();
    check(vec![
        (
            "another bundle.json",
            "head-copy",
            raw(|r| {
                let at = r[0].windows(5).position(|w| w == b"azure").unwrap();
                r[0][at] = b'A';
            }),
        ),
        ("something behind bundle.json", "head-copy", raw(|r| r[0].extend(entry("bundle/x", b"x", 0)))),
        ("another bagit.txt", "tag-file", tags(|t| t[0].1[15] = b'2')),
        ("another bag-info.txt", "tag-file", tags(|t| t[1].1.extend(b"X: y\n"))),
        ("another manifest-sha256.txt", "tag-file", tags(|t| t[2].1[0] ^= 1)),
        ("another tagmanifest-sha256.txt", "tag-file", tags(|t| t[4].1[0] ^= 1)),
        ("a large tag file", "limit", tags(|t| t[1].1 = vec![b'x'; 100_000])),
        ("tag files in another order", "tar-header", tags(|t| t.swap(0, 1))),
        ("a tag file left out", "tar-header", tags(|t| drop(t.remove(2)))),
        ("the last tag file left out", "decode", tags(|t| t.truncate(4))),
        ("a tag file more", "tag-file", tags(|t| t.push(("x".to_owned(), b"x".to_vec())))),
        (
            "a tag file that is a link",
            "tar-header",
            Forge {
                tag_raw: Box::new(|r| {
                    r[156] = b'2';
                    resum(r);
                }),
                ..forge()
            },
        ),
        ("bytes in a tag file's padding", "padding", Forge { tag_raw: Box::new(|r| r[1023] = 1), ..forge() }),
        ("a signature", "whole", put(signature("manifest.jsonl.minisig"))),
        ("two signatures", "whole", put(both("manifest.jsonl.a.minisig", "manifest.jsonl.b.minisig"))),
        ("two signatures out of order", "tail", put(both("manifest.jsonl.b.minisig", "manifest.jsonl.a.minisig"))),
        ("a signature twice", "tail", put(both("manifest.jsonl.minisig", "manifest.jsonl.minisig"))),
        ("a signature of something else", "tail", put(signature("bundle.json.minisig"))),
        ("a signature outside", "tail", put(signature("manifest.jsonl./../x.minisig"))),
        ("another file", "tail", put(signature("data/job/99.json"))),
        (
            "a link",
            "tail",
            put({
                let mut link = signature("manifest.jsonl.minisig");
                link[156] = b'2';
                resum(&mut link);
                link
            }),
        ),
        (
            "bytes in a signature's padding",
            "tail",
            put({
                let mut padded = signature("manifest.jsonl.minisig");
                *padded.last_mut().unwrap() = 1;
                padded
            }),
        ),
        ("a short end", "tail", tail(|t| t.truncate(512))),
        ("no end", "tail", tail(Vec::clear)),
        ("a long end", "tail", tail(|t| t.resize(2048, 0))),
        ("an end that is not zero", "tail", tail(|t| t[1023] = 1)),
    ]);
}

#[test]
fn files_that_are_something_else() {
    let plain = squeeze(&entry("hello.txt", b"hello", 0));
    let cases: [(&[u8], &str); 6] = [
        (b"", "not-a-bundle"),
        (b"PK\x03\x04", "not-a-bundle"),
        (b"{\"name\": 1}", "not-a-bundle"),
        (&plain, "not-a-bundle"),
        (b"\x01\0\0\0LIFEBOAT", "not-a-bundle"),
        (b"\xA0\0\0\0\x01\0\0\0LIFEBOAT", "truncated"),
    ];
    for (bytes, expected) in cases {
        assert_eq!(outcome(bytes.to_vec()), expected, "{bytes:?}");
    }
}

#[test]
fn a_newer_minor_version_is_read_and_kept() {
    let forge = Forge {
        head: Box::new(|h| (h["minor"], h["more"], h["counts"]["more"]) = (json!(7), json!({"x": 1}), json!(1))),
        trailer: Box::new(|t| t[150] = 7),
        lines: Box::new(|l| {
            l[JOB]["owner"] = json!("someone");
            l.insert(5, json!({"t": "note", "text": "from the future"}));
        }),
        ..forge()
    };
    let bytes = forge.build();
    assert_eq!(outcome(bytes.clone()), "whole");
    let reader = lifeboat::bundle::Reader::open_source(Box::new(bytes), lifeboat::bundle::Limits::default()).unwrap();
    assert_eq!(&*reader.manifest().unknown[0], r#"{"t":"note","text":"from the future"}"#);
    assert!(reader.find("job", "17").unwrap().raw().unwrap().contains(r#""owner":"someone""#));
    assert!(reader.find("notebook", "/a").unwrap().raw().is_none());
}

#[test]
fn the_hurt_objects_are_named() {
    let line = |at: usize| json!({"t": "redacted", "path": "99", "kind": "job", "pointer": format!("/{at:05}"), "reason": "x"});
    let lost = lines(move |lines| lines.extend((0..5000).map(line))).build();
    assert!(verify_bytes(lost, Depth::Standard).unwrap().findings.len() <= 1000, "and no more of one sort");
    let verdict = verify_bytes(raw(|r| r[2][512] ^= 1).build(), Depth::Full).unwrap();
    assert_eq!(verdict.findings.len(), 1);
    assert_eq!(verdict.findings[0].objects.iter().map(|o| o.path.as_str()).collect::<Vec<_>>(), ["/a"]);
    let mut bytes = forge().build();
    let at = forge_offset(&bytes, 2);
    bytes[at + 20] ^= 1;
    for depth in [Depth::Standard, Depth::Full] {
        let verdict = verify_bytes(bytes.clone(), depth).unwrap();
        assert_eq!(verdict.findings.len(), 1);
        assert_eq!(verdict.findings[0].fault.code(), "frame");
        assert_eq!(verdict.findings[0].objects.iter().map(|o| o.path.as_str()).collect::<Vec<_>>(), ["/a", "/b"]);
    }
    assert!(verify_bytes(bytes, Depth::Tail).unwrap().is_whole(), "the tail alone says nothing about frames");
}

fn forge_offset(bytes: &[u8], frame: usize) -> usize {
    let reader = lifeboat::bundle::Reader::open_source(Box::new(bytes.to_vec()), lifeboat::bundle::Limits::default()).unwrap();
    usize::try_from(reader.manifest().frames[frame].off).unwrap()
}

#[test]
fn limits_are_the_callers() {
    use lifeboat::bundle::{Limits, Reader};
    let bytes = forge().build();
    let removed = |at: usize| json!({"t": "redacted", "path": "17", "kind": "job", "pointer": format!("/{at}"), "reason": "x"});
    let many = lines(move |lines| lines.extend((0..9).map(removed))).build();
    let few = Limits { members: 8, ..Limits::default() };
    let refused = Reader::open_source(Box::new(many.clone()), few).unwrap_err();
    assert!(matches!(refused, OpenError::Damaged(finding) if finding.detail.contains("more lines than allowed")));
    assert!(Reader::open_source(Box::new(many), Limits { members: 11, ..few }).is_ok());
    for limits in [Limits { members: 2, ..Limits::default() }, Limits { bytes: 30, ..Limits::default() }] {
        let refused = Reader::open_source(Box::new(bytes.clone()), limits).unwrap_err();
        assert!(matches!(refused, OpenError::Damaged(finding) if finding.fault.code() == "limit"));
    }
}

#[test]
fn forged_objects_read_like_written_ones() {
    let body = "x".repeat(700);
    let mut forge = forge();
    forge.frames.push(vec![object("z", "1", "1.json", &body)]);
    let reader = lifeboat::bundle::Reader::open_source(Box::new(forge.build()), lifeboat::bundle::Limits::default()).unwrap();
    let read = reader.read(reader.find("z", "1").unwrap()).unwrap();
    assert_eq!(hex_sha(&read), hex_sha(body.as_bytes()));
}
