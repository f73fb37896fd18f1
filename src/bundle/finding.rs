//! What can be wrong with a bundle, as values: a code for programs, a sentence for people, and the objects that are hurt.

use schemars::JsonSchema;
use serde::Serialize;
use std::fmt;

/// The sort of a fault. The codes are part of the JSON output: they may be added to, never changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// The encrypted file does not decrypt everywhere: it was altered or cut off.
    Encryption,
    /// The file ends before its trailer: a broken copy or download.
    Truncated,
    /// The trailer's own digest or one of its constants differs.
    Trailer,
    /// The frames do not cover the file from the first byte to the trailer without gap or overlap.
    Tiling,
    /// The stored bytes of a data frame differ from the digest in the manifest.
    Frame,
    /// The stored bytes of the manifest frame differ from the digest in the trailer.
    ManifestFrame,
    /// The stored bytes of the tail frame differ from the digest in the trailer.
    TailFrame,
    /// A frame breaks a rule of the format: no size, no checksum, a dictionary, a window too large, more than one frame.
    FrameHeader,
    /// A frame cannot be decompressed, or to another size than it declares.
    Decode,
    /// A tar header is not the one that the manifest implies.
    TarHeader,
    /// A tar entry is a link, a device, a folder, or of another type that a bundle never holds.
    TarType,
    /// Bytes after a member's end are not zero.
    Padding,
    /// The bytes of a member differ from the digest in the manifest.
    Body,
    /// A manifest line is not strict JSON or lacks what its sort needs.
    Line,
    /// Manifest lines are out of order.
    Order,
    /// Two lines speak of one object.
    Duplicate,
    /// A member's name is outside the allowed grammar.
    Name,
    /// Two names would be one file on some file system.
    Collision,
    /// The members do not fill their frames exactly.
    Placement,
    /// Something is larger than the format or the reader allows.
    Limit,
    /// The header's totals are not those of the lines.
    Counts,
    /// The lines of a kind do not add up to what its listing showed.
    Sums,
    /// A tag file is not what the manifest implies.
    TagFile,
    /// `bundle.json` is not the manifest's first line.
    HeadCopy,
    /// The tail holds something else than signatures and the end of the archive.
    Tail,
}

impl Fault {
    /// The code in JSON output.
    pub fn code(self) -> &'static str {
        match self {
            Self::Encryption => "encryption",
            Self::Truncated => "truncated",
            Self::Trailer => "trailer",
            Self::Tiling => "tiling",
            Self::Frame => "frame",
            Self::ManifestFrame => "manifest-frame",
            Self::TailFrame => "tail-frame",
            Self::FrameHeader => "frame-header",
            Self::Decode => "decode",
            Self::TarHeader => "tar-header",
            Self::TarType => "tar-type",
            Self::Padding => "padding",
            Self::Body => "body",
            Self::Line => "line",
            Self::Order => "order",
            Self::Duplicate => "duplicate",
            Self::Name => "name",
            Self::Collision => "collision",
            Self::Placement => "placement",
            Self::Limit => "limit",
            Self::Counts => "counts",
            Self::Sums => "sums",
            Self::TagFile => "tag-file",
            Self::HeadCopy => "head-copy",
            Self::Tail => "tail",
        }
    }
}

/// One object, by kind and path (or source id).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct ObjectName {
    /// Name of the kind.
    pub kind: String,
    /// True object path, or source id.
    pub path: String,
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.kind, self.path)
    }
}

/// One thing that is wrong with a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The sort of the fault.
    pub fault: Fault,
    /// A sentence for people, lower case, without full stop.
    pub detail: String,
    /// Every object whose bytes are hurt; empty if the fault is in no object or hurts the whole bundle.
    pub objects: Vec<ObjectName>,
}

impl Finding {
    pub(crate) fn new(fault: Fault, detail: impl Into<String>) -> Self {
        Self { fault, detail: detail.into(), objects: Vec::new() }
    }

    pub(crate) fn with(mut self, objects: Vec<ObjectName>) -> Self {
        self.objects = objects;
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.detail)?;
        match self.objects.as_slice() {
            [] => Ok(()),
            [only] => write!(f, " ({only})"),
            [first, rest @ ..] => write!(f, " ({first} and {} more)", rest.len()),
        }
    }
}

impl std::error::Error for Finding {}
