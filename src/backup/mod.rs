//! The configured nightly run: what it is to do, and what came of it. Carrying it out is the command line's business, since each
//! workspace of it is an `export` like any other.

mod config;
mod metrics;
mod status;

pub use config::{Alert, Config, ConfigError, Keep, Occasion, Workspace, duration};
pub use metrics::{described, metrics};
pub use status::{Good, Night, Result, Status, Verdict};
