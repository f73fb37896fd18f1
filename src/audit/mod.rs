//! Questions about a bundle, answered offline: is it whole, give me this.

mod extract;
mod verify;

pub use extract::{ExtractError, Extracted, extract};
pub use verify::{Depth, Verdict, verify, verify_bytes, verify_source};
