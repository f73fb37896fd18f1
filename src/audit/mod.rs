//! Questions about a bundle, answered offline: is it whole, what does it hold, give me this.

mod check;
mod contents;
mod extract;
mod texts;
mod verify;

pub use contents::{Contents, Unfit, contents, each, sketch};
pub use extract::{ExtractError, Extracted, extract};
pub use texts::{absent, texts};
pub use verify::{Depth, Verdict, verify, verify_bytes, verify_source};
