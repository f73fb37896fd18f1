//! What a store answers, in sentences. Names of signatures, keys and tokens are in none of them.

use super::place::without_signatures;
use object_store::client::{HttpError, HttpErrorKind};
use std::error::Error;
use std::io;

/// Why a store did not do what it was asked for. The sentence leaves it to the caller to say what was asked, and of which place.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{why}")]
pub struct StoreError {
    kind: StoreErrorKind,
    why: String,
    /// Whether the store said more than a status.
    is_exact: bool,
}

/// What helps against an error depends on its sort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// There is no object of this name.
    NoObject,
    /// There is no container or bucket of this name.
    NoContainer,
    /// The name is taken.
    Taken,
    /// The store does not know who asks: a wrong key, an expired SAS, no sign-in at all.
    SignIn,
    /// The store knows who asks, and that is not enough.
    Forbidden,
    /// The store does not answer, or only that it cannot.
    Silent,
    /// The object may not be changed or removed by anybody, for now: retention, a legal hold, a lease.
    Locked,
    /// The object is not the one any more that was opened.
    Changed,
    /// What stands there is not what was sent.
    NotAsSent,
    /// Anything else.
    Other,
}

/// Error codes of Azure and S3 by the sort of trouble; what is not here is told by its HTTP status.
const CODES: &[(StoreErrorKind, &[&str])] = &[
    (
        StoreErrorKind::SignIn,
        &[
            "AuthenticationFailed",
            "InvalidAuthenticationInfo",
            "NoAuthenticationInformation",
            "KeyBasedAuthenticationNotPermitted",
            "InvalidAccessKeyId",
            "SignatureDoesNotMatch",
            "ExpiredToken",
            "InvalidToken",
            "TokenRefreshRequired",
            "RequestTimeTooSkewed",
        ],
    ),
    (StoreErrorKind::NoContainer, &["ContainerNotFound", "ContainerBeingDeleted", "NoSuchBucket"]),
    (StoreErrorKind::NoObject, &["BlobNotFound", "NoSuchKey"]),
    (StoreErrorKind::Taken, &["BlobAlreadyExists", "UnauthorizedBlobOverwrite"]),
    (
        StoreErrorKind::Locked,
        &["BlobImmutableDueToPolicy", "BlobImmutableDueToLegalHold", "LeaseIdMissing", "LeaseIdMismatchWithBlobOperation"],
    ),
    (StoreErrorKind::Other, &["BlobArchived", "InvalidObjectState"]),
];

impl StoreError {
    pub(super) fn new(kind: StoreErrorKind, why: impl Into<String>) -> Self {
        Self { kind, why: why.into(), is_exact: true }
    }

    /// What an answer with this status and body means.
    pub(super) fn answered(status: u16, text: &str) -> Self {
        let code = code_in(text);
        if let Some((kind, _)) = CODES.iter().find(|(_, codes)| code.is_some_and(|code| codes.contains(&code))) {
            return Self::new(*kind, format!("{} ({})", sentence(*kind), code.unwrap_or_default()));
        }
        let kind = match status {
            401 => StoreErrorKind::SignIn,
            403 => StoreErrorKind::Forbidden,
            404 => StoreErrorKind::NoObject,
            408 | 429 | 500.. => StoreErrorKind::Silent,
            _ => StoreErrorKind::Other,
        };
        Self::new(kind, format!("{} ({})", sentence(kind), code.map_or_else(|| status.to_string(), str::to_owned)))
    }

    /// Whether nothing more can be found out about it.
    pub(super) fn is_exact(&self) -> bool {
        self.is_exact
    }

    /// The sort of trouble.
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }

    /// The one that an error of the system holds.
    pub fn within(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// What helps, if anything is known to.
    pub fn hint(&self) -> Option<&'static str> {
        match self.kind {
            StoreErrorKind::NoObject => Some("check the address; `lifeboat bundles PLACE` lists what is there"),
            StoreErrorKind::NoContainer => Some("check the address, or create it: lifeboat creates none"),
            StoreErrorKind::Taken => {
                Some("nothing is overwritten: give another name, or a folder, in which each bundle gets a name of its own")
            }
            StoreErrorKind::Locked => {
                Some("nothing was changed; what is locked can go when its retention, hold or lease has ended")
            }
            StoreErrorKind::SignIn => Some(
                "docs/stores.md lists the environment variables that sign in, such as AZURE_STORAGE_ACCOUNT_KEY or AWS_ACCESS_KEY_ID",
            ),
            StoreErrorKind::Forbidden => Some(
                "check the key, grant the right to list, read and create objects (in Azure the role \"Storage Blob Data Contributor\"), and look at the account's firewall",
            ),
            StoreErrorKind::Silent => Some(
                "check the address and the network; a bundle elsewhere, or `az://…` with its secondary, may still be readable",
            ),
            StoreErrorKind::Changed => Some("run it again: what was read before the change is not mixed with what came after it"),
            StoreErrorKind::NotAsSent => Some("do not trust that object; export again under another name"),
            StoreErrorKind::Other => None,
        }
    }
}

impl From<StoreError> for io::Error {
    fn from(error: StoreError) -> Self {
        let kind = match error.kind {
            StoreErrorKind::Taken => io::ErrorKind::AlreadyExists,
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

impl From<object_store::Error> for StoreError {
    fn from(error: object_store::Error) -> Self {
        use object_store::Error as E;
        let text = all_of(&error);
        // S3 has no code of its own for it.
        if text.contains("object protected by object lock") {
            return Self::new(StoreErrorKind::Locked, sentence(StoreErrorKind::Locked));
        }
        if let Some(code) = code_in(&text)
            && let Some((kind, _)) = CODES.iter().find(|(_, codes)| codes.contains(&code))
        {
            return Self::new(*kind, format!("{} ({code})", sentence(*kind)));
        }
        let transport = transport(&error);
        let kind = match &error {
            E::NotFound { .. } => StoreErrorKind::NoObject,
            E::AlreadyExists { .. } => StoreErrorKind::Taken,
            E::Precondition { .. } => StoreErrorKind::Changed,
            E::Unauthenticated { .. } => StoreErrorKind::SignIn,
            E::PermissionDenied { .. } => StoreErrorKind::Forbidden,
            _ if is_of_token(&text) => return Self::new(StoreErrorKind::SignIn, no_token(&text)),
            _ if transport.is_some() || server_fault(&text).is_some() => StoreErrorKind::Silent,
            _ => StoreErrorKind::Other,
        };
        let detail = code_in(&text).or(transport).or_else(|| server_fault(&text));
        match (kind, detail) {
            (StoreErrorKind::Other, Some(detail)) => Self::new(kind, format!("the store refuses ({detail})")),
            (StoreErrorKind::Other, None) => Self::new(kind, format!("the store answers: {}", short(&text))),
            (_, Some(detail)) => Self::new(kind, format!("{} ({detail})", sentence(kind))),
            (_, None) => Self { kind, why: sentence(kind).to_owned(), is_exact: false },
        }
    }
}

fn sentence(kind: StoreErrorKind) -> &'static str {
    match kind {
        StoreErrorKind::NoObject => "there is no such object",
        StoreErrorKind::NoContainer => "there is no such container or bucket",
        StoreErrorKind::Taken => "the name is taken, and a bundle is never overwritten",
        StoreErrorKind::Locked => "it is locked, by retention, a legal hold or a lease",
        StoreErrorKind::SignIn => "the store does not accept the sign-in",
        StoreErrorKind::Forbidden => "whoever is signed in may not do this",
        StoreErrorKind::Silent => "the store does not answer",
        StoreErrorKind::Changed => "the object was replaced while it was being read",
        StoreErrorKind::NotAsSent => "what stands there is not what was sent",
        StoreErrorKind::Other => "the store refuses",
    }
}

/// The error with all its causes, as text.
fn all_of(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let told = error.to_string();
        if !text.contains(&told) {
            text = format!("{text}: {told}");
        }
        cause = error.source();
    }
    text
}

/// `<Code>…</Code>` of the answer.
fn code_in(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    (!code.is_empty() && code.len() < 80 && code.bytes().all(|b| b.is_ascii_alphanumeric())).then_some(code)
}

fn transport(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(http) = error.downcast_ref::<HttpError>() {
            return Some(match http.kind() {
                HttpErrorKind::Connect => "no connection",
                HttpErrorKind::Timeout => "no answer in time",
                _ => "the connection broke",
            });
        }
        cause = error.source();
    }
    None
}

/// The status of an answer that means trouble at the other side.
fn server_fault(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("status code: ")?;
    let status = rest.get(..3)?;
    (status.starts_with('5') || status == "429" || status == "408").then_some(status)
}

/// Whether it was a token that could not be had.
fn is_of_token(text: &str) -> bool {
    [
        "token request",
        "169.254.169.254",
        "Azure CLI",
        "az CLI",
        "azure cli",
        "'az account",
        "credential",
        "metadata.google.internal",
    ]
    .iter()
    .any(|word| text.contains(word))
}

fn no_token(text: &str) -> String {
    if text.contains("169.254.169.254") || text.contains("metadata.google.internal") {
        return "nothing signs in: no key, SAS or principal is named in the environment, and this machine has no managed identity".to_owned();
    }
    format!("cannot sign in: {}", short(text))
}

/// The first words of an error, on one line, without signatures.
fn short(text: &str) -> String {
    let text = without_signatures(text);
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match line.char_indices().nth(300) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied(body: &str) -> StoreError {
        let source = format!("Server returned non-2xx status code: 403 Forbidden: {body}");
        object_store::Error::PermissionDenied { path: "p".to_owned(), source: source.into() }.into()
    }

    #[test]
    fn the_code_decides_before_the_status() {
        let wrong_key = denied("<?xml version=\"1.0\"?><Error><Code>AuthenticationFailed</Code><Message>x</Message></Error>");
        assert_eq!(wrong_key.kind(), StoreErrorKind::SignIn);
        assert_eq!(wrong_key.to_string(), "the store does not accept the sign-in (AuthenticationFailed)");
        let no_right = denied("<Error><Code>AuthorizationPermissionMismatch</Code></Error>");
        assert_eq!((no_right.kind(), no_right.hint().is_some()), (StoreErrorKind::Forbidden, true));
        assert!(no_right.to_string().ends_with("(AuthorizationPermissionMismatch)"), "{no_right}");
    }

    #[test]
    fn what_is_locked_says_so() {
        let locked = StoreError::answered(409, "<Error><Code>BlobImmutableDueToPolicy</Code></Error>");
        assert_eq!((locked.kind(), locked.hint().is_some()), (StoreErrorKind::Locked, true));
        let by_s3 =
            denied("<Error><Code>AccessDenied</Code><Message>Access Denied because object protected by object lock.</Message>");
        assert_eq!(by_s3.kind(), StoreErrorKind::Locked);
        assert_eq!(StoreError::answered(503, "").kind(), StoreErrorKind::Silent);
        assert_eq!(StoreError::answered(403, "<Code>X</Code>").to_string(), "whoever is signed in may not do this (X)");
    }

    #[test]
    fn signatures_are_not_told() {
        let source = "Error performing GET https://a.blob.core.windows.net/c?sv=1&sig=s3cret in 1s";
        let error = StoreError::from(object_store::Error::Generic { store: "X", source: source.into() });
        assert!(!error.to_string().contains("s3cret") && error.to_string().contains("blob.core"), "{error}");
    }

    #[test]
    fn an_error_of_the_system_keeps_it() {
        let error = io::Error::from(StoreError::new(StoreErrorKind::Taken, "taken"));
        assert_eq!(
            (error.kind(), StoreError::within(&error).map(StoreError::kind)),
            (io::ErrorKind::AlreadyExists, Some(StoreErrorKind::Taken))
        );
    }
}
