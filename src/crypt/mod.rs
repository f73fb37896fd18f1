//! Encryption of whole bundles in the age format, version 1: what `age -d` opens, readable in ranges.
//!
//! age encrypts in pieces of 64 KiB that each stand for themselves, and knows the last one as the last: so a reader gets any
//! stretch by decrypting a few pieces, and a cut at any place is noticed. All of that is the `age` crate's; here stand a
//! [`crate::store::Store`] that encrypts and a [`crate::store::Source`] that decrypts.

mod keys;
mod source;
mod stage;

pub use keys::{Ask, Keys, RecipientError, Recipients};
pub use source::{Locked, UnlockError};
pub use stage::Encrypted;
