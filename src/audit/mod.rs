//! Questions about a bundle, answered offline: is it whole, what does it hold, give me this.

mod check;
mod contents;
mod extract;
mod find;
mod hit;
mod layout;
mod pattern;
mod select;
mod verify;
mod walk;

pub use contents::{Contents, Unfit, absent, contents, each, sketch};
pub use extract::{ExtractError, Extracted, Placed, extract};
pub use find::{count, find, query};
pub use hit::{Count, Hit, Located};
pub use layout::Layout;
pub use pattern::{How, Pattern};
pub use select::{Chosen, DemandError, Demands, Filter, State, choose};
pub use verify::{Depth, Verdict, verify, verify_bytes, verify_source};
pub use walk::{Lost, bodies};
