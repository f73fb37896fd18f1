//! What becomes of an object of the bundle, and how what the target has was recognised.

use super::Found;
use serde_json::json;

/// What becomes of an object of the bundle.
#[derive(Clone, Debug)]
pub(super) enum Fate {
    /// The target has it.
    There(Found, How),
    /// It will be made.
    Coming,
    /// It will not be there, and why.
    Never(String),
}

/// How an object of the target was recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// A person said so: it is used as it is.
    Mapped,
    /// It is the same object, or an earlier import made it.
    Ours,
    /// Its natural key, which cannot be there twice.
    Key,
    /// It is the only one of its name, and equal.
    Equal,
}

/// A path as an object of the target.
pub(super) fn at_path(path: &str) -> Found {
    Found { id: json!(path), key: path.to_owned(), object_id: None }
}
