//! How a bundle is written: how hard and in which pieces it is packed, who signs it, who can read it, what it takes over.

use super::frame;
use super::reader::Reader;
use super::stop::Stop;
use super::write_error::WriteError;
use crate::crypt::Recipients;
use crate::origin::Signer;
use std::sync::Arc;

/// How to pack.
#[derive(Clone, Debug)]
pub struct Options {
    /// Level of zstd, 1 to 19.
    pub level: i32,
    /// Compressing threads; the bytes do not depend on it.
    pub threads: usize,
    /// Mean length of a frame before compression, in bytes.
    pub mean_frame: u64,
    /// Greatest length of a frame before compression, in bytes: a multiple of 512, at most 4 MiB.
    pub max_frame: u64,
    /// Ends the writing from another thread.
    pub stop: Stop,
    /// Signs the manifest.
    pub signer: Option<Signer>,
    /// For whom the file is encrypted; nothing for everybody to read.
    pub recipients: Option<Recipients>,
    /// The bundle from which [`Writer::carry`](super::Writer::carry) takes, written by the same version of this program.
    pub earlier: Option<Arc<Reader>>,
}

impl Default for Options {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(4);
        Self {
            level: 9,
            threads,
            mean_frame: 1 << 20,
            max_frame: frame::MAX_ULEN,
            stop: Stop::default(),
            signer: None,
            recipients: None,
            earlier: None,
        }
    }
}

impl Options {
    /// Errors: readers would not take such frames, or zstd knows no such level.
    pub(crate) fn check(&self) -> Result<(), WriteError> {
        let sizes = (4096..=frame::MAX_ULEN).contains(&self.max_frame) && self.max_frame.is_multiple_of(512);
        if sizes && (1..=self.max_frame).contains(&self.mean_frame) && (1..=19).contains(&self.level) {
            return Ok(());
        }
        let why = "a frame size or the level is out of range".to_owned();
        Err(WriteError::Unfit { what: "the options".to_owned(), why })
    }
}
