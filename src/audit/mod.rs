//! Questions about a bundle, answered offline: is it whole, what is in it, give me this.

mod extract;
mod look;
mod verify;

pub use extract::{ExtractError, Extracted, extract};
pub use look::{Row, ShowError, Shown, list, show};
pub use verify::{Depth, Verdict, verify, verify_bytes, verify_source};
