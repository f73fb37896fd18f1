//! All that the library says while it works. Printing is the listener's business: text for people, JSON for programs,
//! a `Vec` for tests.

use std::time::Duration;

/// Something that happened, in the order in which it happened to the thread that says it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A stage of a long command began: `export`, `verify`, `inventory`, `plan`, `apply`.
    Stage(&'static str),
    /// A listing is complete: so many objects of a kind were shown by the workspace.
    Listed {
        /// Name of the kind.
        kind: &'static str,
        /// How many objects the listing showed.
        count: u64,
    },
    /// One object reached its final state.
    Settled {
        /// Name of the kind.
        kind: &'static str,
        /// Its path or id, as people know it.
        object: String,
        /// `captured`, `degraded`, `missing`, `created`, `unchanged`, `failed`, …
        state: &'static str,
        /// Why, where the state needs a reason.
        reason: Option<String>,
    },
    /// The workspace asked us to slow down.
    Throttled {
        /// The API family whose gate was narrowed.
        family: &'static str,
        /// How long that family rests.
        wait: Duration,
    },
    /// A request will be tried again.
    Retried {
        /// `GET /api/2.0/workspace/list`, without query.
        call: String,
        /// What went wrong.
        cause: String,
        /// Pause before the next try.
        wait: Duration,
    },
    /// Something that a person should know, although work goes on.
    Warning(String),
}

/// Listens to [`Event`]s. Called from many threads; must not block for long.
pub trait Observer: Send + Sync {
    /// Takes note of an event.
    fn event(&self, event: &Event);
}

/// An error with all its causes, in one line.
pub fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let all = std::iter::successors(Some(error), |error| error.source());
    all.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Listens to nothing.
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _: &Event) {}
}
