//! Why a step did not succeed, and what that makes of its object.

use super::receipt::Done;
use super::{ContentError, Ready, State};
use crate::api::{ApiError, ErrorKind};
use crate::event::causes;
use crate::kinds;
use crate::plan::{Found, Step, What};

/// Why a step did not succeed.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The workspace said so.
    Api(ApiError),
    /// The bundle does not give the bytes.
    Content(ContentError),
    /// The plan makes no sense.
    Plan(String),
    /// The workspace said no, but something was made before.
    Half(Found, Box<Trouble>),
    /// A person has to act first.
    Person(What, String, Box<Trouble>),
}

impl From<ApiError> for Trouble {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

impl From<ContentError> for Trouble {
    fn from(error: ContentError) -> Self {
        Self::Content(error)
    }
}

impl Trouble {
    pub(super) fn done(self, ready: &Ready<'_>) -> Done {
        match self {
            Self::Api(error) => api_trouble(&error, ready),
            Self::Content(error) => Done::failed(causes(&error)),
            Self::Plan(reason) => Done::failed(reason),
            Self::Half(target, rest) => {
                let rest = rest.done(ready);
                let reason = rest.reason.map(|reason| format!("it is there, but: {reason}"));
                Done { target: Some(target), reason, ..rest }
            }
            Self::Person(what, text, cause) => {
                let reason = cause.done(ready).reason;
                Done { todos: vec![(what, text)], reason, ..Done::of(State::Pending) }
            }
        }
    }
}

/// The kind of a document that hangs on another object, and the kind of that one.
pub(super) fn attachment(step: &Step) -> Option<(&str, &str)> {
    Some((step.source.kind.as_str(), step.parent.as_ref()?.kind.as_str()))
}

/// Nothing is wrong with the object: a workspace of this tier has no such thing.
pub(super) fn not_offered(step: &Step) -> Done {
    let title = |name: &str| kinds::by_name(name).map_or_else(|| name.to_owned(), |kind| kind.title.to_owned());
    let (kind, on) = attachment(step).unwrap_or_default();
    let reason = format!("the target does not offer {} of {}", title(kind), title(on));
    Done { todos: vec![(What::NotRestored, reason.clone())], unavailable: true, ..Done::skipped(reason) }
}

fn api_trouble(error: &ApiError, ready: &Ready<'_>) -> Done {
    let reason = match error.hint() {
        Some(hint) => format!("{error}; {hint}"),
        None => error.to_string(),
    };
    let attached_later = ready.kind.name == "cluster_libraries" || ready.kind.name == "cluster";
    match error.kind {
        // Too many requests for longer than a call's patience lasts is a limit as well.
        ErrorKind::Quota | ErrorKind::Throttled => {
            let todo = (What::Quota, "raise the limit or make room, then import again".to_owned());
            Done { quota: true, todos: vec![todo], ..Done::pending(reason) }
        }
        ErrorKind::Invalid | ErrorKind::NotFound if !ready.step.dead.is_empty() => {
            let dead = ready.step.dead.join(", ");
            Done::pending(format!("refers to {dead}, which was gone at the source or is not in the target: {reason}"))
        }
        ErrorKind::Unavailable if attachment(ready.step).is_some() => not_offered(ready.step),
        ErrorKind::Conflict if attached_later => Done::pending(reason),
        ErrorKind::Unauthenticated | ErrorKind::Login => Done { locked_out: true, ..Done::failed(reason) },
        _ => Done::failed(reason),
    }
}
