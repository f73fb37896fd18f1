//! The bundle format: one way in, one way out.
//!
//! A bundle is one file: zstd frames that decompress to one valid tar archive, and a trailer. It is written by [`Writer`] and
//! read by [`Reader`]; `bundle-format.md` describes it for other programs. Promises:
//!
//! - any flipped bit, truncation, or frame that is dropped, repeated, moved or added is noticed, and the hurt object is named;
//! - a bundle appears under its name whole or not at all, and never replaces a file;
//! - the same objects give the same bytes, whatever the order in which they came and the number of threads;
//! - reading is bounded by declared sizes, which are checked before they are believed.

mod canon;
mod carry;
mod feed;
mod fields;
mod finding;
mod frame;
mod json;
mod ledger;
mod line;
mod lines;
mod manifest;
mod name;
mod options;
mod pack;
mod parse;
mod reader;
mod record;
mod seal;
mod sealed;
mod stop;
mod tags;
mod tail;
mod tarhead;
mod texts;
mod trailer;
mod write_error;
mod writer;

pub use crate::spool::hex;
pub use crate::store::Source;
pub use carry::Reused;
pub use finding::{Fault, Finding, ObjectName};
pub use manifest::{
    ACCEPTED, Counts, FrameLine, Gap, GapState, HeadLine, KindLine, Manifest, MemberLine, Previous, Redacted, States,
};
pub use options::Options;
pub use reader::{OpenError, ReadError, Reader};
pub(crate) use reader::{copy_from, parts};
pub use record::{Canonical, Member};
pub use stop::Stop;
pub use tail::Signature;
pub use trailer::{MAGIC, MAJOR, MINOR, TRAILER_LEN};
pub use write_error::WriteError;
pub use writer::{Head, Summary, Writer, tool};

pub(crate) use name::{ROOT, Taken, check as check_name, encode_component};
pub(crate) use parse::member_mtime;
pub(crate) use seal::whole_member;
pub(crate) use sealed::{Sealed, sealed};
pub(crate) use tags::{BAGIT, HEAD_NAME, bag_info, sum_line, tagmanifest};
pub(crate) use tarhead::{head as tar_head, padded, peek as tar_peek};

/// How much a reader is ready to take. What a bundle declares is compared with these before it is believed.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of the tar stream; 64 GiB unless told.
    pub bytes: u64,
    /// Members, and as many lines that are neither member nor frame; ten million unless told.
    pub members: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 64 << 30, members: 10_000_000 }
    }
}
