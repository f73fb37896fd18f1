//! What can be wrong with a configuration, each with a sentence and an advice; never with a secret value.

use super::auth_type::AuthType;
use std::path::PathBuf;

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file of profiles cannot be read.
    #[error("cannot read the profiles in {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the file system says.
        source: std::io::Error,
    },
    /// The file of profiles is no INI file.
    #[error("cannot understand {}, line {line}: {message}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// What is wrong there, without the line's text.
        message: String,
    },
    /// The profile that was asked for does not exist.
    #[error("there is no profile \"{profile}\" in {file}")]
    NoProfile {
        /// Its name.
        profile: String,
        /// The file that was read, or would have been.
        file: String,
        /// The profiles that do exist.
        known: Vec<String>,
    },
    /// Nothing says which workspace.
    #[error("no workspace is configured")]
    NoHost,
    /// The host is not one.
    #[error("\"{host}\" is not the address of a workspace")]
    BadHost {
        /// As configured, cut to its host if it can be.
        host: String,
    },
    /// The host is reached without TLS.
    #[error("{host} is plain HTTP; credentials are sent over HTTPS only")]
    PlainHttp {
        /// The host.
        host: String,
    },
    /// A named profile and the environment contradict each other.
    #[error("profile \"{profile}\" is for {in_profile}, but DATABRICKS_HOST is {in_environment}")]
    TwoHosts {
        /// The profile that was named.
        profile: String,
        /// Its host.
        in_profile: String,
        /// The environment's host.
        in_environment: String,
    },
    /// More than one family of credentials.
    #[error("more than one authorization method configured: {}", families.join(" and "))]
    TwoMethods {
        /// The families, sorted.
        families: Vec<&'static str>,
        /// Where each came from, without values.
        origins: String,
    },
    /// Username and password.
    #[error("sign-in with username and password has reached its end of life and is not supported")]
    Basic,
    /// A way to sign in that we do not know.
    #[error("sign-in by \"{0}\" is not supported")]
    Unsupported(String),
    /// A way to sign in that lacks something.
    #[error("sign-in by {method} needs {missing}")]
    Incomplete {
        /// The value of `auth_type`.
        method: &'static str,
        /// Keys that are missing.
        missing: String,
    },
    /// A value that cannot be used.
    #[error("\"{key}\" cannot be used: {reason}")]
    BadValue {
        /// The attribute's key.
        key: &'static str,
        /// Why, without the value.
        reason: String,
    },
}

impl ConfigError {
    /// What a person can do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unreadable { .. } => "check the file's permissions, or point DATABRICKS_CONFIG_FILE at another".to_owned(),
            Self::Malformed { .. } => "a profile is `[name]` followed by lines `key = value`".to_owned(),
            Self::NoProfile { known, .. } if known.is_empty() => {
                "create one with `databricks auth login --profile NAME`".to_owned()
            }
            Self::NoProfile { known, .. } => format!("profiles there: {}", known.join(", ")),
            Self::NoHost => "name a profile with `--profile` (it needs a `host`), or set DATABRICKS_HOST".to_owned(),
            Self::BadHost { .. } => "a host looks like https://adb-1234567890123456.7.azuredatabricks.net".to_owned(),
            Self::PlainHttp { .. } => "write https:// before the host".to_owned(),
            Self::TwoHosts { .. } => "unset DATABRICKS_HOST, or leave the profile away".to_owned(),
            Self::TwoMethods { origins, .. } => format!("{origins}; remove one, or choose with DATABRICKS_AUTH_TYPE"),
            Self::Basic => "use a token, OAuth (client_id and client_secret) or the Azure CLI".to_owned(),
            Self::Unsupported(_) => {
                format!("supported: {}", AuthType::NAMED.map(AuthType::name).join(", "))
            }
            Self::Incomplete { .. } => "set them in the profile or in the environment".to_owned(),
            Self::BadValue { .. } => return None,
        })
    }
}
