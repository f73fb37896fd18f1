//! Makes bundles by hand, without the writer and its checks: a valid one, or one that lies at a chosen place. Written from
//! the description of the format, so that it is also a second opinion on what the writer does.

#![allow(clippy::unwrap_used, reason = "helpers of tests may unwrap as tests do")]

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)]))
        .collect()
}

/// SHA-256 as lower-case hex.
pub(crate) fn hex_sha(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// One object: kind, path, name in the archive, body.
#[derive(Clone)]
pub(crate) struct Object {
    pub(crate) kind: String,
    pub(crate) path: String,
    pub(crate) name: String,
    pub(crate) body: Vec<u8>,
}

pub(crate) fn object(kind: &str, path: &str, name: &str, body: &str) -> Object {
    Object { kind: kind.to_owned(), path: path.to_owned(), name: format!("data/{kind}/{name}"), body: body.as_bytes().to_vec() }
}

type Edit<T> = Box<dyn Fn(&mut T)>;

/// Where a lie can be put. Everything that comes later is computed from what the edit left.
pub(crate) struct Forge {
    /// Objects of each data frame.
    pub(crate) frames: Vec<Vec<Object>>,
    /// The header line, before `bundle.json` is made of it.
    pub(crate) head: Edit<Value>,
    /// The frames before compression; the first is that of `bundle.json`.
    pub(crate) raw: Edit<Vec<Vec<u8>>>,
    /// The frames after compression, before they are hashed.
    pub(crate) stored: Edit<Vec<Vec<u8>>>,
    /// The manifest's lines as JSON, in their order.
    pub(crate) lines: Edit<Vec<Value>>,
    /// The manifest as text.
    pub(crate) text: Edit<Vec<u8>>,
    /// The members of the manifest frame: name and body.
    pub(crate) tags: Edit<Vec<(String, Vec<u8>)>>,
    /// The manifest frame before compression.
    pub(crate) tag_raw: Edit<Vec<u8>>,
    /// The tail before compression.
    pub(crate) tail: Edit<Vec<u8>>,
    /// The manifest frame and the tail frame after compression.
    pub(crate) sealed: Edit<[Vec<u8>; 2]>,
    /// Bytes that stand before the manifest frame, the tail frame and the trailer, without being mentioned.
    pub(crate) gaps: [&'static [u8]; 3],
    /// The trailer's bytes, before they are hashed.
    pub(crate) trailer: Edit<[u8; 160]>,
    /// The whole file.
    pub(crate) file: Edit<Vec<u8>>,
}

impl Default for Forge {
    fn default() -> Self {
        let job = object("job", "17", "17.json", "{\"name\":\"nightly\"}");
        let (a, b) =
            (object("notebook", "/a", "a.notebook.py", "print(1)\n"), object("notebook", "/b", "b.notebook.py", "print(2)\n"));
        Self {
            frames: vec![vec![job], vec![a, b]],
            head: Box::new(|_| ()),
            raw: Box::new(|_| ()),
            stored: Box::new(|_| ()),
            lines: Box::new(|_| ()),
            text: Box::new(|_| ()),
            tags: Box::new(|_| ()),
            tag_raw: Box::new(|_| ()),
            tail: Box::new(|_| ()),
            sealed: Box::new(|_| ()),
            gaps: [b"", b"", b""],
            trailer: Box::new(|_| ()),
            file: Box::new(|_| ()),
        }
    }
}

impl Forge {
    pub(crate) fn build(&self) -> Vec<u8> {
        let head = self.head_line();
        let mut raw = vec![entry("bundle/bundle.json", format!("{head}\n").as_bytes(), 0)];
        let (mut members, mut sums) = (Vec::new(), Vec::new());
        for (index, objects) in self.frames.iter().enumerate() {
            let mut frame = Vec::new();
            for o in objects {
                frame.extend(entry(&format!("bundle/{}", o.name), &o.body, 1_700_000_000));
                let at = frame.len() - o.body.len().next_multiple_of(512);
                members.push(json!({"t": "member", "path": o.path, "kind": o.kind, "name": o.name, "size": o.body.len(),
                    "sha256": hex_sha(&o.body), "frame": index + 1, "at": at, "meta": {"modified_at": 1_700_000_000_000_u64}}));
            }
            raw.push(frame);
        }
        members.sort_by_key(|m| (m["path"].as_str().unwrap().to_owned(), m["kind"].as_str().unwrap().to_owned()));
        sums.extend(members.iter().map(|m| format!("{}  {}\n", m["sha256"].as_str().unwrap(), m["name"].as_str().unwrap())));
        (self.raw)(&mut raw);
        let mut stored: Vec<Vec<u8>> = raw.iter().map(|frame| squeeze(frame)).collect();
        (self.stored)(&mut stored);
        let mut lines = vec![head.clone()];
        let (mut off, mut tar) = (0, 0);
        for (i, (raw, stored)) in raw.iter().zip(&stored).enumerate() {
            lines.push(json!({"t": "frame", "i": i, "off": off, "clen": stored.len(), "ulen": raw.len(), "tar": tar, "sha256": hex_sha(stored)}));
            (off, tar) = (off + stored.len(), tar + raw.len());
        }
        lines.extend(members);
        lines.extend(self.kind_lines());
        (self.lines)(&mut lines);
        let mut text: Vec<u8> = lines.iter().flat_map(|line| format!("{line}\n").into_bytes()).collect();
        (self.text)(&mut text);
        self.seal(&head, &stored, sums.concat().into_bytes(), text)
    }

    fn seal(&self, head: &Value, stored: &[Vec<u8>], sums: Vec<u8>, text: Vec<u8>) -> Vec<u8> {
        let bagit = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n".to_vec();
        let (tool, date) = (head["tool"].as_str().unwrap_or(""), &head["created"].as_str().unwrap_or("0000000000")[..10]);
        let counts = &head["counts"];
        let info = format!(
            "Bag-Software-Agent: {tool}\nBagging-Date: {date}\nPayload-Oxum: {}.{}\n",
            counts["bytes"], counts["members"]
        );
        let listed = [
            ("bag-info.txt", info.as_bytes()),
            ("bagit.txt", &bagit[..]),
            ("bundle.json", format!("{head}\n").as_bytes()),
            ("manifest-sha256.txt", &sums[..]),
            ("manifest.jsonl", &text[..]),
        ]
        .map(|(name, bytes)| format!("{}  {name}\n", hex_sha(bytes)));
        let mut tags: Vec<(String, Vec<u8>)> = [
            ("bagit.txt", bagit),
            ("bag-info.txt", info.clone().into_bytes()),
            ("manifest-sha256.txt", sums),
            ("manifest.jsonl", text),
            ("tagmanifest-sha256.txt", listed.concat().into_bytes()),
        ]
        .map(|(name, body)| (name.to_owned(), body))
        .into();
        (self.tags)(&mut tags);
        let mut tag_raw: Vec<u8> = tags.iter().flat_map(|(name, body)| entry(&format!("bundle/{name}"), body, 0)).collect();
        (self.tag_raw)(&mut tag_raw);
        let mut tail = vec![0; 1024];
        (self.tail)(&mut tail);
        let mut sealed = [squeeze(&tag_raw), squeeze(&tail)];
        (self.sealed)(&mut sealed);
        let [manifest, tail] = sealed;
        let mut file = stored.concat();
        file.extend_from_slice(self.gaps[0]);
        let manifest_off = file.len();
        file.extend_from_slice(&manifest);
        file.extend_from_slice(self.gaps[1]);
        let tail_off = file.len();
        file.extend_from_slice(&tail);
        file.extend_from_slice(self.gaps[2]);
        let mut trailer = [0; 160];
        trailer[..8].copy_from_slice(&[0x5D, 0x2A, 0x4D, 0x18, 152, 0, 0, 0]);
        for (index, number) in [manifest_off, manifest.len(), tag_raw.len(), tail_off, tail.len()].into_iter().enumerate() {
            trailer[8 + 8 * index..16 + 8 * index].copy_from_slice(&(number as u64).to_le_bytes());
        }
        trailer[48..80].copy_from_slice(&Sha256::digest(&manifest));
        trailer[80..112].copy_from_slice(&Sha256::digest(&tail));
        trailer[144..160].copy_from_slice(b"\xA0\0\0\0\x01\0\0\0LIFEBOAT");
        (self.trailer)(&mut trailer);
        let digest = Sha256::new().chain_update(&trailer[..112]).chain_update(&trailer[144..]).finalize();
        trailer[112..144].copy_from_slice(&digest);
        file.extend_from_slice(&trailer);
        (self.file)(&mut file);
        file
    }

    fn objects(&self) -> impl Iterator<Item = &Object> {
        self.frames.iter().flatten()
    }

    fn head_line(&self) -> Value {
        let (members, bytes) = (self.objects().count(), self.objects().map(|o| o.body.len()).sum::<usize>());
        let mut head = json!({"t": "bundle", "format": "lifeboat", "major": 1, "minor": 0, "requires": [],
            "created": "2026-08-22T02:00:00Z", "tool": "forge/1 zstd/1", "source": {"cloud": "azure"}, "content_id": "0".repeat(64),
            "counts": {"members": members, "frames": self.frames.len() + 1, "bytes": bytes},
            "states": {"captured": members, "degraded": 0, "missing": 0, "excluded": 0, "unavailable": 0}});
        (self.head)(&mut head);
        head
    }

    fn kind_lines(&self) -> Vec<Value> {
        let mut kinds = std::collections::BTreeMap::new();
        self.objects().for_each(|o| *kinds.entry(&o.kind).or_insert(0) += 1);
        let line = |(kind, n): (&String, i32)| {
            json!({"t": "kind", "kind": kind, "listed": n, "captured": n, "degraded": 0, "missing": 0, "excluded": 0,
                "unavailable": 0, "requests": 1})
        };
        kinds.into_iter().map(line).collect()
    }
}

/// A tar entry with header and padding, by another crate than the writer's own code.
pub(crate) fn entry(name: &str, body: &[u8], mtime: u64) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.as_old_mut().name[..name.len().min(100)].copy_from_slice(&name.as_bytes()[..name.len().min(100)]);
    header.set_size(body.len() as u64);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(mtime);
    header.set_device_major(0).unwrap();
    header.set_device_minor(0).unwrap();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    // The checksum's form after POSIX: six digits, NUL, space.
    let sum: u32 = bytes.iter().enumerate().map(|(i, b)| if (148..156).contains(&i) { 32 } else { u32::from(*b) }).sum();
    bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    bytes.extend_from_slice(body);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

/// Sets the checksum of a header anew.
pub(crate) fn resum(header: &mut [u8]) {
    header[148..156].fill(b' ');
    let sum: u32 = header[..512].iter().copied().map(u32::from).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// One allowed zstd frame.
pub(crate) fn squeeze(raw: &[u8]) -> Vec<u8> {
    use zstd::zstd_safe::CParameter;
    let mut compressor = zstd::bulk::Compressor::new(3).unwrap();
    compressor.set_parameter(CParameter::ChecksumFlag(true)).unwrap();
    compressor.compress(raw).unwrap()
}
