//! The last 160 bytes of a bundle: where the manifest lies, and the digests from which trust in everything else follows.
//!
//! The last 16 of them (length, major, minor, magic) are the same in every version there will ever be, so that any reader
//! can say which version it would need.

use super::finding::{Fault, Finding};
use crate::spool::Sha;
use sha2::{Digest, Sha256};

/// Length of the trailer in bytes, in format 1.
pub const TRAILER_LEN: u64 = 160;
/// Length of the part that no version changes.
pub(crate) const FROZEN_LEN: usize = 16;
/// The major version of the format that this reader understands.
pub const MAJOR: u16 = 1;
/// The newest minor version of the format that this reader knows all of.
pub const MINOR: u16 = 0;
/// The last eight bytes of every bundle.
pub const MAGIC: &[u8; 8] = b"LIFEBOAT";
/// A skippable zstd frame of 152 bytes follows (RFC 8878, 3.1.2).
const OPENING: [u8; 8] = [0x5D, 0x2A, 0x4D, 0x18, 152, 0, 0, 0];

/// What the trailer says. Offsets and lengths in bytes of the file, but for `manifest_ulen`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trailer {
    pub(crate) manifest_off: u64,
    pub(crate) manifest_clen: u64,
    pub(crate) manifest_ulen: u64,
    pub(crate) tail_off: u64,
    pub(crate) tail_clen: u64,
    pub(crate) manifest_sha: Sha,
    pub(crate) tail_sha: Sha,
    pub(crate) minor: u16,
}

/// The frozen end of a file: (length of the trailer, major, minor), if the file ends like a bundle.
pub(crate) fn frozen(last: &[u8; 16]) -> Option<(u32, u16, u16)> {
    let (len, major, minor) = (u32_at(last, 0), u16_at(last, 4), u16_at(last, 6));
    (&last[8..] == MAGIC).then_some((len, major, minor))
}

impl Trailer {
    /// The 160 bytes.
    pub(crate) fn bytes(&self) -> [u8; 160] {
        let mut bytes = [0u8; 160];
        bytes[..8].copy_from_slice(&OPENING);
        let numbers = [self.manifest_off, self.manifest_clen, self.manifest_ulen, self.tail_off, self.tail_clen];
        for (index, number) in numbers.into_iter().enumerate() {
            bytes[8 + 8 * index..16 + 8 * index].copy_from_slice(&number.to_le_bytes());
        }
        bytes[48..80].copy_from_slice(&self.manifest_sha);
        bytes[80..112].copy_from_slice(&self.tail_sha);
        bytes[144..148].copy_from_slice(&160u32.to_le_bytes());
        bytes[148..150].copy_from_slice(&MAJOR.to_le_bytes());
        bytes[150..152].copy_from_slice(&self.minor.to_le_bytes());
        bytes[152..].copy_from_slice(MAGIC);
        let own = own_digest(&bytes);
        bytes[112..144].copy_from_slice(&own);
        bytes
    }

    /// Reads a trailer whose magic and major version were already found right. Every bit of it is checked.
    pub(crate) fn parse(bytes: &[u8; 160]) -> Result<Self, Finding> {
        if bytes[112..144] != own_digest(bytes) {
            return Err(Finding::new(Fault::Trailer, "the trailer was altered: its digest differs"));
        }
        if bytes[..8] != OPENING || u32_at(bytes, 144) != 160 || u16_at(bytes, 148) != MAJOR || &bytes[152..] != MAGIC {
            return Err(Finding::new(Fault::Trailer, "the trailer's constants are not those of format 1"));
        }
        Ok(Self {
            manifest_off: u64_at(bytes, 8),
            manifest_clen: u64_at(bytes, 16),
            manifest_ulen: u64_at(bytes, 24),
            tail_off: u64_at(bytes, 32),
            tail_clen: u64_at(bytes, 40),
            manifest_sha: array(bytes, 48),
            tail_sha: array(bytes, 80),
            minor: u16_at(bytes, 150),
        })
    }

    /// The manifest frame, the tail frame and the trailer must end the file without gap or overlap.
    pub(crate) fn check_tiling(&self, size: u64) -> Result<(), Finding> {
        let tail = self.manifest_off.checked_add(self.manifest_clen);
        let end = self.tail_off.checked_add(self.tail_clen).and_then(|end| end.checked_add(TRAILER_LEN));
        if tail == Some(self.tail_off) && end == Some(size) && self.manifest_clen > 0 && self.tail_clen > 0 {
            return Ok(());
        }
        let end = end.map_or_else(|| "a number out of range".to_owned(), |end| format!("{end} bytes"));
        Err(Finding::new(Fault::Tiling, format!("the trailer describes {end}, laid out without gaps; the file has {size} bytes")))
    }
}

fn own_digest(bytes: &[u8; 160]) -> Sha {
    Sha256::new().chain_update(&bytes[..112]).chain_update(&bytes[144..]).finalize().into()
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array(bytes, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_and_notices_every_flip() {
        let trailer = Trailer {
            manifest_off: 1000,
            manifest_clen: 200,
            manifest_ulen: 4096,
            tail_off: 1200,
            tail_clen: 30,
            manifest_sha: [7; 32],
            tail_sha: [9; 32],
            minor: 0,
        };
        let bytes = trailer.bytes();
        assert_eq!(Trailer::parse(&bytes), Ok(trailer));
        assert!(trailer.check_tiling(1390).is_ok() && trailer.check_tiling(1391).is_err() && trailer.check_tiling(1389).is_err());
        for bit in 0..1280 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Trailer::parse(&flipped).is_err(), "bit {bit}");
        }
    }
}
