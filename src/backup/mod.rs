//! The configured nightly run: what it is to do, and what came of it. Carrying it out is the command line's business, since each
//! workspace of it is an `export` like any other.

mod config;
mod metrics;
mod status;

pub use config::{Accept, Alert, Config, ConfigError, Keep, Occasion, Verify, Workspace, duration};
pub use metrics::{described, metrics};
pub use status::{Accepted, Good, Night, Result, Status, Verdict};
