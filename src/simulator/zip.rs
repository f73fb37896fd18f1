//! The least of ZIP (PKWARE APPNOTE 6.3): archives whose members are stored, not deflated. Enough for DBC round trips.

use bytes::Bytes;

/// Writes members in the given order. Names are UTF-8 (flag bit 11); times are the format's first day, so that output is stable.
pub(super) fn write(files: impl IntoIterator<Item = (String, Bytes)>) -> Vec<u8> {
    let (mut out, mut directory, mut count) = (Vec::new(), Vec::new(), 0_u16);
    for (name, bytes) in files {
        let at = out.len();
        let common = header(&name, &bytes);
        out.extend(b"PK\x03\x04");
        out.extend(&common);
        out.extend(name.as_bytes());
        out.extend(&bytes);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(word(at));
        directory.extend(name.as_bytes());
        count = count.saturating_add(1);
    }
    let start = out.len();
    out.extend(&directory);
    out.extend(b"PK\x05\x06\x00\x00\x00\x00");
    out.extend(count.to_le_bytes());
    out.extend(count.to_le_bytes());
    out.extend(word(directory.len()));
    out.extend(word(start));
    out.extend([0, 0]);
    out
}

/// Reads the members of an archive that [`write`] could have made; `None` for anything else, deflated members included.
pub(super) fn read(bytes: &Bytes) -> Option<Vec<(String, Bytes)>> {
    let (mut files, mut at) = (Vec::new(), 0);
    while bytes.get(at..at + 4)? == b"PK\x03\x04" {
        let short =
            |offset: usize| Some(usize::from(u16::from_le_bytes(bytes.get(at + offset..at + offset + 2)?.try_into().ok()?)));
        if short(8)? != 0 {
            return None;
        }
        let size = usize::try_from(u32::from_le_bytes(bytes.get(at + 18..at + 22)?.try_into().ok()?)).ok()?;
        let (name, start) = (short(26)?, at + 30 + short(26)? + short(28)?);
        let name = String::from_utf8(bytes.get(at + 30..at + 30 + name)?.to_vec()).ok()?;
        bytes.get(start..start + size)?;
        files.push((name, bytes.slice(start..start + size)));
        at = start + size;
    }
    (!files.is_empty()).then_some(files)
}

/// The part that local header and directory entry share: version to extra length.
fn header(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut common = vec![20, 0, 0, 8, 0, 0, 0, 0, 0x21, 0];
    common.extend(crc32(bytes).to_le_bytes());
    common.extend(word(bytes.len()));
    common.extend(word(bytes.len()));
    common.extend(u16::try_from(name.len()).unwrap_or(u16::MAX).to_le_bytes());
    common.extend([0, 0]);
    common
}

fn word(number: usize) -> [u8; 4] {
    u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes()
}

/// CRC-32 of ISO 3309, the polynomial of ZIP.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let files = vec![("ä/b.py".to_owned(), Bytes::from_static(b"print(1)")), ("empty".to_owned(), Bytes::new())];
        assert_eq!(read(&write(files.clone()).into()), Some(files));
        assert_eq!(read(&Bytes::from_static(b"PK\x03\x04 and then nothing")), None);
        assert_eq!(read(&Bytes::from_static(b"no zip")), None);
    }

    #[test]
    fn the_checksum_is_the_standard_one() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }
}
