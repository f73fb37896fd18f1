//! The tar headers of a bundle, byte for byte. There is exactly one header for a name, a size and a time, so a reader
//! compares instead of parsing, and no two readers can disagree about an entry.
//!
//! Layout after POSIX.1-2001 (pax interchange format): ustar, and an extended header of type `x` only where a name is too
//! long or not ASCII, or a size is 8 GiB or more.

/// Size of a tar block in bytes.
pub(crate) const BLOCK: u64 = 512;
/// The largest number that eleven octal digits hold: sizes and times in ustar.
pub(crate) const OCTAL_MAX: u64 = 0o777_7777_7777;
/// Name in the header that follows an extended header: the true name is in the extended header.
const PAX_STAND_IN: &str = "bundle/pax";
/// Name of the extended header itself.
const PAX_HEADER: &str = "bundle/PaxHeader";

/// Size rounded up to whole blocks.
pub(crate) fn padded(size: u64) -> u64 {
    size.div_ceil(BLOCK) * BLOCK
}

/// Length of [`head`] without making it.
pub(crate) fn head_len(name: &str, size: u64) -> u64 {
    match pax_records(name, size) {
        Some(records) => BLOCK + padded(records.len() as u64) + BLOCK,
        None => BLOCK,
    }
}

/// All bytes before a member's body. `name` is the whole tar name, `mtime` is in seconds.
pub(crate) fn head(name: &str, size: u64, mtime: u64) -> Vec<u8> {
    let Some(records) = pax_records(name, size) else {
        return ustar(name, size, mtime, b'0').to_vec();
    };
    let mut bytes = ustar(PAX_HEADER, records.len() as u64, 0, b'x').to_vec();
    bytes.extend_from_slice(records.as_bytes());
    bytes.resize(block_end(bytes.len()), 0);
    let size = if size > OCTAL_MAX { 0 } else { size };
    bytes.extend_from_slice(&ustar(name, size, mtime, b'0'));
    bytes
}

/// Reads name and size out of a plain header, to say what stands there; never to decide anything.
pub(crate) fn peek(block: &[u8]) -> (u8, String) {
    let text = |from: usize, to: usize| {
        let field = block.get(from..to).unwrap_or_default();
        String::from_utf8_lossy(field.split(|b| *b == 0).next().unwrap_or_default()).into_owned()
    };
    let (name, prefix) = (text(0, 100), text(345, 500));
    let name = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
    (block.get(156).copied().unwrap_or_default(), name)
}

/// The size in a plain header whose name is known; the caller compares the whole header afterwards.
pub(crate) fn size_of(block: &[u8]) -> Option<u64> {
    let digits = block.get(124..135)?;
    digits.iter().try_fold(0u64, |value, digit| matches!(digit, b'0'..=b'7').then(|| value * 8 + u64::from(digit - b'0')))
}

fn block_end(len: usize) -> usize {
    len.div_ceil(512) * 512
}

fn pax_records(name: &str, size: u64) -> Option<String> {
    let mut records = String::new();
    if split(name).is_none() {
        records.push_str(&record("path", name));
    }
    if size > OCTAL_MAX {
        records.push_str(&record("size", &size.to_string()));
    }
    (!records.is_empty()).then_some(records)
}

/// `<length> <key>=<value>\n`, where the length counts itself.
fn record(key: &str, value: &str) -> String {
    let rest = key.len() + value.len() + 3;
    let mut len = rest + 1;
    while len.to_string().len() + rest != len {
        len = len.to_string().len() + rest;
    }
    format!("{len} {key}={value}\n")
}

/// Name and prefix of ustar, or nothing where they do not fit. The prefix is as short as it can be.
fn split(name: &str) -> Option<(&str, &str)> {
    if !name.is_ascii() {
        return None;
    }
    if name.len() <= 100 {
        return Some((name, ""));
    }
    let from = name.len() - 101;
    let slash = from + name[from..].find('/')?;
    (slash <= 155 && slash > 0 && slash + 1 < name.len()).then(|| (&name[slash + 1..], &name[..slash]))
}

fn ustar(name: &str, size: u64, mtime: u64, kind: u8) -> [u8; 512] {
    let (name, prefix) = split(name).unwrap_or((PAX_STAND_IN, ""));
    let mut block = [0u8; 512];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, name.as_bytes());
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, format!("{mtime:011o}\0").as_bytes());
    put(148, b"        ");
    put(156, &[kind]);
    put(257, b"ustar\x0000");
    put(329, b"0000000\0");
    put(337, b"0000000\0");
    put(345, prefix.as_bytes());
    let sum: u32 = block.iter().copied().map(u32::from).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn witness(name: &str, size: u64, mtime: u64) -> (String, u64, u64) {
        let bytes = head(name, size, mtime);
        assert_eq!(bytes.len() as u64, head_len(name, size));
        let mut archive = tar::Archive::new(bytes.chain(std::io::repeat(0)));
        let entry = archive.entries().unwrap().next().unwrap().unwrap();
        assert!(entry.header().entry_type().is_file());
        assert_eq!(entry.header().mode().unwrap(), 0o644);
        (String::from_utf8(entry.path_bytes().into_owned()).unwrap(), entry.size(), entry.header().mtime().unwrap())
    }

    #[test]
    fn an_independent_reader_sees_the_same() {
        let deep = format!("bundle/data/notebook/{}/{}", "a".repeat(90), "b".repeat(80));
        let long = format!("bundle/data/notebook/{}", "c".repeat(200));
        for name in ["bundle/data/job/1.json", &deep, &long, "bundle/data/notebook/Users/Zoë/ü.notebook.py"] {
            for (size, mtime) in [(0, 0), (7, 1_700_000_000), (OCTAL_MAX, OCTAL_MAX), (OCTAL_MAX + 1, 1), (1 << 45, 0)] {
                assert_eq!(witness(name, size, mtime), (name.to_owned(), size, mtime));
            }
        }
    }

    #[test]
    fn lengths_at_the_edges_of_ustar() {
        for len in 1..420 {
            let name: String = "abcdefghi/".chars().cycle().take(len).chain("z".chars()).collect();
            assert_eq!(witness(&name, 1, 2), (name.clone(), 1, 2), "{len}");
        }
    }

    #[test]
    fn a_record_counts_its_own_length() {
        for len in 1..1200 {
            let made = record("path", &"x".repeat(len));
            assert!(made.starts_with(&format!("{} ", made.len())), "{made}");
        }
    }
}
