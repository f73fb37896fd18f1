//! One zstd frame, as the format allows it (RFC 8878): its size declared, its checksum present, no dictionary, and a window
//! that every decoder accepts. Sizes are checked before anything is decompressed, so a bomb cannot go off.

use super::finding::{Fault, Finding};
use std::io::{self, Read, Write};
use zstd::zstd_safe::{CParameter, find_frame_compressed_size};

/// Largest frame but the manifest's, in bytes, before compression.
pub(crate) const MAX_ULEN: u64 = 4 << 20;
/// Largest stored frame that a reader takes into memory: incompressible 4 MiB and zstd's own overhead, rounded up.
pub(crate) const MAX_CLEN: u64 = MAX_ULEN + (64 << 10);
/// Largest manifest frame in bytes, before compression.
pub(crate) const MAX_MANIFEST: u64 = 1 << 30;
/// Largest window of a frame: 8 MiB.
const WINDOW: u64 = 1 << 23;
/// Largest window of the manifest frame: 128 MiB, what `zstd -d` takes without `--long`.
const MANIFEST_WINDOW: u64 = 1 << 27;
const MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];

/// Longest possible frame header in bytes.
pub(crate) const HEADER_MAX: usize = 18;

/// Whether these bytes begin as every bundle begins.
pub(crate) fn begins(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// Compresses one frame. A fresh context each time: the bytes depend on nothing but the input, the level and libzstd.
pub(crate) fn compress(raw: &[u8], level: i32) -> io::Result<Vec<u8>> {
    let mut compressor = zstd::bulk::Compressor::new(level)?;
    compressor.set_parameter(CParameter::ChecksumFlag(true))?;
    compressor.set_parameter(CParameter::ContentSizeFlag(true))?;
    compressor.set_parameter(CParameter::DictIdFlag(false))?;
    compressor.compress(raw)
}

/// Begins a frame of `ulen` bytes that is written piece by piece.
pub(crate) fn encoder<W: Write>(to: W, ulen: u64, level: i32) -> io::Result<zstd::Encoder<'static, W>> {
    let mut encoder = zstd::Encoder::new(to, level)?;
    encoder.include_checksum(true)?;
    encoder.include_contentsize(true)?;
    encoder.include_dictid(false)?;
    encoder.set_pledged_src_size(Some(ulen))?;
    if ulen > MAX_ULEN {
        // A long manifest is mostly digests: larger tables would cost tens of megabytes and find nothing more.
        encoder.set_parameter(CParameter::WindowLog(21))?;
        encoder.set_parameter(CParameter::HashLog(18))?;
        encoder.set_parameter(CParameter::ChainLog(18))?;
    }
    Ok(encoder)
}

/// Decompresses one stored frame that must be exactly one frame of exactly `ulen` bytes.
pub(crate) fn decompress(stored: &[u8], ulen: u64) -> Result<Vec<u8>, Finding> {
    check_header(stored, ulen, WINDOW)?;
    if find_frame_compressed_size(stored) != Ok(stored.len()) {
        return Err(Finding::new(Fault::FrameHeader, "more or less than one frame stands where one should"));
    }
    let size = usize::try_from(ulen).ok().filter(|_| ulen <= MAX_ULEN);
    let size =
        size.ok_or_else(|| Finding::new(Fault::Limit, format!("a frame of {ulen} bytes is larger than the format allows")))?;
    let mut raw = vec![0; size];
    match zstd::bulk::decompress_to_buffer(stored, &mut raw[..]) {
        Ok(written) if written == size => Ok(raw),
        Ok(written) => Err(Finding::new(Fault::Decode, format!("a frame holds {written} bytes, not the {size} it declares"))),
        Err(cause) => Err(Finding::new(Fault::Decode, format!("a frame cannot be decompressed: {cause}"))),
    }
}

/// Decompresses the manifest frame piece by piece. `header` is its first bytes, `stored` all of it, `ulen` what the trailer says.
pub(crate) fn manifest_decoder<R: Read>(header: &[u8], stored: R, ulen: u64) -> Result<Unpacked<R>, Finding> {
    if ulen > MAX_MANIFEST {
        return Err(Finding::new(Fault::Limit, format!("a manifest of {ulen} bytes is larger than the format allows")));
    }
    check_header(header, ulen, MANIFEST_WINDOW)?;
    let mut decoder = zstd::Decoder::new(stored).map_err(|cause| undecodable(&cause))?.single_frame();
    decoder.window_log_max(27).map_err(|cause| undecodable(&cause))?;
    Ok(Unpacked { decoder })
}

/// The decompressed bytes of one frame, piece by piece.
pub(crate) struct Unpacked<R: Read> {
    decoder: zstd::Decoder<'static, io::BufReader<R>>,
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.decoder.read(buffer)
    }
}

impl<R: Read> Unpacked<R> {
    /// Checks that the frame ends here, exactly where the stored bytes end.
    pub(crate) fn end(mut self) -> Result<(), Finding> {
        let mut one = [0];
        let more = self.decoder.read(&mut one).map_err(|cause| undecodable(&cause))?;
        let rest = self.decoder.finish().read(&mut one).map_err(|cause| undecodable(&cause))?;
        if more + rest == 0 {
            return Ok(());
        }
        Err(Finding::new(Fault::FrameHeader, "something stands behind the manifest, in its frame or after it"))
    }
}

/// The manifest frame is broken.
pub(crate) fn undecodable(cause: &io::Error) -> Finding {
    Finding::new(Fault::Decode, format!("the manifest frame cannot be decompressed: {cause}"))
}

/// The content size that a frame's header declares; an error if the header breaks a rule of the format.
pub(crate) fn declared(header: &[u8], window_max: u64) -> Result<u64, Finding> {
    let fault = |why: &str| Finding::new(Fault::FrameHeader, format!("a frame's header is not allowed: {why}"));
    if !begins(header) {
        return Err(fault("it is no zstd frame"));
    }
    let descriptor = *header.get(4).ok_or_else(|| fault("it ends too early"))?;
    let (single, checksum) = (descriptor & 0x20 != 0, descriptor & 0x04 != 0);
    if descriptor & 0x08 != 0 {
        return Err(fault("its reserved bit is set"));
    }
    if descriptor & 0x03 != 0 {
        return Err(fault("it names a dictionary"));
    }
    if !checksum {
        return Err(fault("it has no checksum"));
    }
    let (at, width) = (
        if single { 5 } else { 6 },
        match descriptor >> 6 {
            0 => usize::from(single),
            1 => 2,
            2 => 4,
            _ => 8,
        },
    );
    if width == 0 {
        return Err(fault("it does not declare its size"));
    }
    let field = header.get(at..at + width).ok_or_else(|| fault("it ends too early"))?;
    let mut size = [0; 8];
    size[..width].copy_from_slice(field);
    let size = u64::from_le_bytes(size) + if width == 2 { 256 } else { 0 };
    let window = if single { size } else { window_size(header[5]) };
    if window > window_max {
        return Err(fault("its window is too large"));
    }
    Ok(size)
}

fn check_header(header: &[u8], ulen: u64, window_max: u64) -> Result<(), Finding> {
    match declared(header, window_max)? {
        size if size == ulen => Ok(()),
        size => Err(Finding::new(Fault::FrameHeader, format!("a frame declares {size} bytes where the index says {ulen}"))),
    }
}

/// Window size after RFC 8878, 3.1.1.1.2.
fn window_size(byte: u8) -> u64 {
    let base = 1u64 << (10 + (byte >> 3));
    base + base / 8 * u64::from(byte & 7)
}

/// The content size of the tail frame, which no index repeats.
pub(crate) fn declared_small(header: &[u8]) -> Result<u64, Finding> {
    match declared(header, WINDOW)? {
        size if size <= MAX_ULEN => Ok(size),
        size => Err(Finding::new(Fault::Limit, format!("a frame of {size} bytes is larger than the format allows"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_allowed_and_comes_back() {
        for len in [0usize, 1, 255, 256, 257, 65_791, 65_792, 1 << 20, 4 << 20] {
            let raw: Vec<u8> = (0..len).map(|i| u8::try_from(i * 7 % 251).unwrap()).collect();
            for level in [1, 9, 19] {
                let stored = compress(&raw[..len.min(70_000)], level).unwrap();
                assert_eq!(decompress(&stored, len.min(70_000) as u64).unwrap(), raw[..len.min(70_000)]);
            }
            let stored = compress(&raw, 3).unwrap();
            assert_eq!(decompress(&stored, len as u64).unwrap(), raw);
            assert!(decompress(&stored, len as u64 + 1).is_err());
        }
    }

    #[test]
    fn frames_that_break_a_rule_are_refused() {
        let fault = |stored: &[u8], ulen| decompress(stored, ulen).map(|_| ()).unwrap_err().fault;
        let mut two = compress(b"one", 3).unwrap();
        two.extend(compress(b"", 3).unwrap());
        assert_eq!(fault(&two, 3), Fault::FrameHeader);
        let unchecked = zstd::bulk::compress(b"no checksum", 3).unwrap();
        assert_eq!(fault(&unchecked, 11), Fault::FrameHeader);
        let unsized_ = zstd::encode_all(&b"no size"[..], 3).unwrap();
        assert_eq!(fault(&unsized_, 7), Fault::FrameHeader);
        let mut long = zstd::Encoder::new(Vec::new(), 3).unwrap();
        long.include_checksum(true).unwrap();
        long.window_log(24).unwrap();
        long.set_pledged_src_size(Some(MAX_ULEN)).unwrap();
        long.write_all(&vec![0; 4 << 20]).unwrap();
        let stored = long.finish().unwrap();
        assert!(stored[4] & 0x20 != 0 || fault(&stored, MAX_ULEN) == Fault::FrameHeader);
    }

    #[test]
    fn a_truncated_or_prolonged_manifest_frame_is_noticed() {
        let mut encoder = encoder(Vec::new(), 5, 9).unwrap();
        encoder.write_all(b"lines").unwrap();
        let stored = encoder.finish().unwrap();
        let read = |stored: &[u8]| {
            let mut unpacked = manifest_decoder(stored, stored, 5).unwrap();
            let mut text = Vec::new();
            unpacked.read_to_end(&mut text).is_ok() && text == b"lines" && unpacked.end().is_ok()
        };
        assert!(read(&stored));
        assert!(!read(&stored[..stored.len() - 1]));
        assert!(!read(&[&stored[..], b"x"].concat()));
        assert!(!read(&[&stored[..], &stored[..]].concat()));
    }
}
