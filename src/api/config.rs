//! Which workspace, and as whom: the attributes that every Databricks tool knows, resolved as the official SDKs do.
//!
//! - Per attribute: environment before profile. The file is read only if a profile was named, or nothing of host,
//!   credentials and Azure resource id stands in the environment.
//! - A profile that was named must exist; `[DEFAULT]` need not; no profile inherits from another.
//! - Two families of credentials at once are an error unless `auth_type` chooses. So are a named profile and a
//!   `DATABRICKS_HOST` that contradict each other: a restore into the wrong workspace is worse than a question.
//! - A credential never shows in `Debug` or in an error, and never travels over plain HTTP except to this machine.

use super::auth_type::AuthType;
use super::config_error::ConfigError;
use super::profile::{self, Section};
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// One attribute: its key in `.databrickscfg`, its environment variables, the family of credentials that it belongs to.
struct Attribute {
    key: &'static str,
    env: &'static [&'static str],
    family: Option<&'static str>,
    secret: bool,
}

const fn plain(key: &'static str, env: &'static [&'static str]) -> Attribute {
    Attribute { key, env, family: None, secret: false }
}

const fn of(family: &'static str, key: &'static str, env: &'static [&'static str]) -> Attribute {
    Attribute { key, env, family: Some(family), secret: false }
}

const fn secret(family: &'static str, key: &'static str, env: &'static [&'static str]) -> Attribute {
    Attribute { key, env, family: Some(family), secret: true }
}

/// Source: "Unified authentication", environment variables and configuration attributes, docs.databricks.com; the names of
/// the families as in the official SDK for Python.
const ATTRIBUTES: &[Attribute] = &[
    plain("host", &["DATABRICKS_HOST"]),
    plain("account_id", &["DATABRICKS_ACCOUNT_ID"]),
    plain("workspace_id", &["DATABRICKS_WORKSPACE_ID"]),
    secret("pat", "token", &["DATABRICKS_TOKEN"]),
    of("basic", "username", &["DATABRICKS_USERNAME"]),
    secret("basic", "password", &["DATABRICKS_PASSWORD"]),
    of("oauth", "client_id", &["DATABRICKS_CLIENT_ID"]),
    secret("oauth", "client_secret", &["DATABRICKS_CLIENT_SECRET"]),
    plain("scopes", &[]),
    plain("auth_type", &["DATABRICKS_AUTH_TYPE"]),
    of("azure", "azure_workspace_resource_id", &["DATABRICKS_AZURE_RESOURCE_ID"]),
    of("azure", "azure_client_id", &["ARM_CLIENT_ID"]),
    secret("azure", "azure_client_secret", &["ARM_CLIENT_SECRET"]),
    of("azure", "azure_tenant_id", &["ARM_TENANT_ID"]),
    of("azure", "azure_use_msi", &["ARM_USE_MSI"]),
    plain("azure_environment", &["ARM_ENVIRONMENT"]),
    plain("databricks_cli_path", &["DATABRICKS_CLI_PATH"]),
    of("env-oidc", "oidc_token_env", &["DATABRICKS_OIDC_TOKEN_ENV"]),
    of("file-oidc", "oidc_token_filepath", &["DATABRICKS_OIDC_TOKEN_FILEPATH", "DATABRICKS_OIDC_TOKEN_FILE"]),
    secret("google", "google_credentials", &["GOOGLE_CREDENTIALS"]),
    of("google", "google_service_account", &["DATABRICKS_GOOGLE_SERVICE_ACCOUNT"]),
    secret("metadata-service", "metadata_service_url", &["DATABRICKS_METADATA_SERVICE_URL"]),
    plain("rate_limit", &["DATABRICKS_RATE_LIMIT"]),
    plain("http_timeout_seconds", &[]),
    plain("retry_timeout_seconds", &[]),
    plain("skip_verify", &[]),
];

struct Setting {
    value: SecretString,
    origin: String,
}

/// A workspace's address and the credentials for it, complete and free of contradictions.
pub struct Config {
    settings: BTreeMap<&'static str, Setting>,
    host: Option<String>,
    auth: AuthType,
    profile: Option<String>,
}

impl Config {
    /// Resolves the configuration. `profile` is what the user named; `env` looks up a variable; `home` holds `.databrickscfg`.
    ///
    /// Reads at most one file and no network. Errors never hold a secret value.
    pub fn resolve(
        profile: Option<&str>,
        env: &dyn Fn(&str) -> Option<String>,
        home: Option<&Path>,
    ) -> Result<Self, ConfigError> {
        let mut settings = from_environment(env);
        let named = non_empty(profile.map(str::to_owned)).or_else(|| non_empty(env("DATABRICKS_CONFIG_PROFILE")));
        let mut used = None;
        if named.is_some() || !is_configured(&settings) {
            let file = config_file(env, home);
            if let Some(section) = profile::load(file.as_deref(), named.as_deref())? {
                if non_empty(profile.map(str::to_owned)).is_some() {
                    refuse_two_hosts(&settings, &section)?;
                }
                used = Some(section.name.clone());
                add_profile(&mut settings, section);
            }
        }
        Self::from_settings(settings, used)
    }

    /// A configuration of a host and a token, for drills and tests. The host is taken as [`Config::resolve`] takes it; one that
    /// cannot be an address is reported when the workspace is opened.
    pub fn with_host_and_token(host: &str, token: &str) -> Self {
        let mut settings = BTreeMap::new();
        insert(&mut settings, "token", token, "the caller");
        let host = normal_host(host).unwrap_or_else(|_| host.to_owned());
        Self { settings, host: Some(host), auth: AuthType::Pat, profile: None }
    }

    fn from_settings(settings: BTreeMap<&'static str, Setting>, profile: Option<String>) -> Result<Self, ConfigError> {
        let host = settings.get("host").map(|host| normal_host(host.value.expose_secret())).transpose()?;
        let mut config = Self { settings, host, auth: AuthType::Ambient, profile };
        config.auth = config.choose_auth()?;
        if config.host.is_none() && !(config.is_azure_family() && config.has("azure_workspace_resource_id")) {
            return Err(ConfigError::NoHost);
        }
        config.check_values()?;
        Ok(config)
    }

    fn choose_auth(&self) -> Result<AuthType, ConfigError> {
        let families = self.families();
        if let Some(forced) = self.get("auth_type") {
            return self.forced_auth(&forced);
        }
        if families.len() > 1 {
            return Err(ConfigError::TwoMethods { origins: self.origins(&families), families: families.into_keys().collect() });
        }
        let auth = match families.keys().next().copied() {
            None => AuthType::Ambient,
            Some("pat") => AuthType::Pat,
            Some("oauth") => AuthType::OauthM2m,
            Some("azure") if self.flag("azure_use_msi") => AuthType::AzureMsi,
            Some("azure") if self.has("azure_client_secret") => AuthType::AzureClientSecret,
            Some("azure") => AuthType::AzureCli,
            Some("basic") => return Err(ConfigError::Basic),
            Some(other) => return Err(ConfigError::Unsupported(other.to_owned())),
        };
        self.complete(auth)
    }

    fn forced_auth(&self, name: &str) -> Result<AuthType, ConfigError> {
        if name == "basic" {
            return Err(ConfigError::Basic);
        }
        let auth = AuthType::NAMED.into_iter().find(|auth| auth.name() == name);
        self.complete(auth.ok_or_else(|| ConfigError::Unsupported(name.to_owned()))?)
    }

    fn complete(&self, auth: AuthType) -> Result<AuthType, ConfigError> {
        let needed: &[&str] = match auth {
            AuthType::Pat => &["token"],
            AuthType::OauthM2m => &["client_id", "client_secret"],
            AuthType::AzureClientSecret => &["azure_client_id", "azure_client_secret"],
            AuthType::AzureMsi => &["azure_workspace_resource_id"],
            AuthType::AzureCli | AuthType::DatabricksCli | AuthType::Ambient => &[],
        };
        let missing: Vec<_> = needed.iter().filter(|key| !self.has(key)).map(|key| format!("\"{key}\"")).collect();
        if missing.is_empty() {
            return Ok(auth);
        }
        Err(ConfigError::Incomplete { method: auth.name(), missing: missing.join(" and ") })
    }

    fn check_values(&self) -> Result<(), ConfigError> {
        self.azure_cloud()?;
        if self.flag("skip_verify") {
            let reason = "certificates are always verified; give the proxy's certificate with `--ca-bundle`".to_owned();
            return Err(ConfigError::BadValue { key: "skip_verify", reason });
        }
        for key in ["rate_limit", "http_timeout_seconds", "retry_timeout_seconds"] {
            if self.get(key).is_some() && self.number(key).is_none() {
                return Err(ConfigError::BadValue { key, reason: "it is not a whole number above zero".to_owned() });
            }
        }
        Ok(())
    }

    fn families(&self) -> BTreeMap<&'static str, Vec<&'static str>> {
        let mut families: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for attribute in ATTRIBUTES {
            if let (Some(family), true) = (attribute.family, self.has(attribute.key)) {
                families.entry(family).or_default().push(attribute.key);
            }
        }
        families
    }

    fn origins(&self, families: &BTreeMap<&'static str, Vec<&'static str>>) -> String {
        let of = |key: &&str| self.settings.get(key).map(|setting| format!("{key} from {}", setting.origin));
        families.values().flatten().filter_map(of).collect::<Vec<_>>().join(", ")
    }

    /// Where host and credentials come from, without values: `host from DATABRICKS_HOST, token from profile "x"`.
    pub fn origin(&self) -> String {
        let shown = |attribute: &&Attribute| attribute.key == "host" || attribute.family.is_some();
        let of = |key: &str| self.settings.get(key).map(|setting| format!("{key} from {}", setting.origin));
        ATTRIBUTES.iter().filter(shown).filter_map(|attribute| of(attribute.key)).collect::<Vec<_>>().join(", ")
    }

    /// `https://…` without path or trailing slash. `None` while only an Azure resource id is known.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// How we sign in.
    pub fn auth_type(&self) -> AuthType {
        self.auth
    }

    /// The profile that was used, if any.
    pub fn profile(&self) -> Option<&str> {
        self.profile.as_deref()
    }

    pub(super) fn is_loopback(&self) -> bool {
        let url = self.host().and_then(|host| reqwest::Url::parse(host).ok());
        url.is_some_and(|url| url.host_str().is_some_and(is_loopback))
    }

    pub(super) fn set_host(&mut self, host: &str) -> Result<(), ConfigError> {
        self.host = Some(normal_host(host)?);
        Ok(())
    }

    /// The value of an attribute that is no secret.
    pub(super) fn get(&self, key: &str) -> Option<String> {
        self.settings.get(key).map(|setting| setting.value.expose_secret().to_owned())
    }

    pub(super) fn secret(&self, key: &str) -> Option<&SecretString> {
        self.settings.get(key).map(|setting| &setting.value)
    }

    /// Every secret value, to be taken out of texts.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &str> {
        ATTRIBUTES
            .iter()
            .filter(|attribute| attribute.secret)
            .filter_map(|attribute| Some(self.secret(attribute.key)?.expose_secret()))
    }

    pub(super) fn number(&self, key: &str) -> Option<u32> {
        self.get(key)?.trim().parse().ok().filter(|number| *number > 0)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        match key {
            "azure_use_msi" => self.flag(key),
            _ => self.settings.contains_key(key),
        }
    }

    fn flag(&self, key: &str) -> bool {
        self.get(key).is_some_and(|value| matches!(value.to_ascii_lowercase().as_str(), "true" | "1" | "yes" | "t" | "on"))
    }

    pub(super) fn is_azure_family(&self) -> bool {
        matches!(self.auth, AuthType::AzureCli | AuthType::AzureClientSecret | AuthType::AzureMsi)
    }

    /// The Azure cloud: named by `azure_environment`, else read off the host, else the public one.
    pub(super) fn azure_cloud(&self) -> Result<AzureCloud, ConfigError> {
        let Some(name) = self.get("azure_environment") else {
            return Ok(self.host().map_or(AzureCloud::Public, AzureCloud::of_host));
        };
        let bad =
            || ConfigError::BadValue { key: "azure_environment", reason: "it is none of PUBLIC, USGOVERNMENT, CHINA".to_owned() };
        AzureCloud::named(&name).ok_or_else(bad)
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<_> = self.settings.keys().collect();
        f.debug_struct("Config")
            .field("host", &self.host)
            .field("auth", &self.auth)
            .field("profile", &self.profile)
            .field("attributes", &keys)
            .finish()
    }
}

/// The Azure clouds, each with authorities of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AzureCloud {
    Public,
    UsGovernment,
    China,
}

impl AzureCloud {
    fn named(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let name = name.strip_prefix("azure").unwrap_or(&name);
        match name.strip_suffix("cloud").unwrap_or(name) {
            "public" | "" => Some(Self::Public),
            "usgovernment" | "usgov" => Some(Self::UsGovernment),
            "china" => Some(Self::China),
            _ => None,
        }
    }

    fn of_host(host: &str) -> Self {
        match host {
            host if host.ends_with(".databricks.azure.us") => Self::UsGovernment,
            host if host.ends_with(".databricks.azure.cn") => Self::China,
            _ => Self::Public,
        }
    }
}

fn insert(settings: &mut BTreeMap<&'static str, Setting>, key: &'static str, value: &str, origin: &str) {
    settings.insert(key, Setting { value: SecretString::from(value), origin: origin.to_owned() });
}

fn non_empty(value: Option<String>) -> Option<String> {
    value.filter(|value| !value.trim().is_empty())
}

fn from_environment(env: &dyn Fn(&str) -> Option<String>) -> BTreeMap<&'static str, Setting> {
    let mut settings = BTreeMap::new();
    for attribute in ATTRIBUTES {
        for name in attribute.env {
            if let Some(value) = non_empty(env(name)) {
                insert(&mut settings, attribute.key, value.trim(), name);
                break;
            }
        }
    }
    settings
}

fn is_configured(settings: &BTreeMap<&'static str, Setting>) -> bool {
    ATTRIBUTES
        .iter()
        .any(|attribute| (attribute.key == "host" || attribute.family.is_some()) && settings.contains_key(attribute.key))
}

fn config_file(env: &dyn Fn(&str) -> Option<String>, home: Option<&Path>) -> Option<PathBuf> {
    match (non_empty(env("DATABRICKS_CONFIG_FILE")), home) {
        (Some(file), Some(home)) if file.starts_with("~/") => Some(home.join(&file[2..])),
        (Some(file), _) => Some(PathBuf::from(file)),
        (None, home) => Some(home?.join(".databrickscfg")),
    }
}

fn add_profile(settings: &mut BTreeMap<&'static str, Setting>, section: Section) {
    let origin = format!("profile \"{}\"", section.name);
    for (key, value) in section.pairs {
        if let Some(attribute) = ATTRIBUTES.iter().find(|attribute| attribute.key.eq_ignore_ascii_case(&key))
            && !settings.contains_key(attribute.key)
            && !value.is_empty()
        {
            insert(settings, attribute.key, &value, &origin);
        }
    }
}

fn refuse_two_hosts(settings: &BTreeMap<&'static str, Setting>, section: &Section) -> Result<(), ConfigError> {
    let in_profile = section.pairs.iter().find(|(key, _)| key.eq_ignore_ascii_case("host")).map(|(_, value)| value);
    let (Some(env), Some(file)) = (settings.get("host"), in_profile) else { return Ok(()) };
    let (env, file) = (normal_host(env.value.expose_secret())?, normal_host(file)?);
    if env == file {
        return Ok(());
    }
    Err(ConfigError::TwoHosts { profile: section.name.clone(), in_profile: file, in_environment: env })
}

/// `https://` added where missing; path, query, user, `:443` and trailing slash dropped; lower case.
fn normal_host(host: &str) -> Result<String, ConfigError> {
    let host = host.trim();
    let full = if host.contains("://") { host.to_owned() } else { format!("https://{host}") };
    // What stands before an `@` may be a password.
    let shown = || host.rsplit('@').next().and_then(|rest| rest.split(['?', '#']).next()).unwrap_or_default().to_owned();
    let bad = || ConfigError::BadHost { host: shown() };
    let url = reqwest::Url::parse(&full).map_err(|_| bad())?;
    let name = url.host_str().filter(|name| !name.is_empty()).ok_or_else(bad)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad());
    }
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    match url.scheme() {
        "https" => Ok(format!("https://{name}{port}")),
        "http" if is_loopback(name) => Ok(format!("http://{name}{port}")),
        "http" => Err(ConfigError::PlainHttp { host: format!("http://{name}{port}") }),
        _ => Err(bad()),
    }
}

/// Whether a host, however it got into the configuration, may be sent credentials.
pub(super) fn check_host(host: &str) -> Result<(), ConfigError> {
    normal_host(host).map(drop)
}

/// Whether a host name means this machine, so that nothing sent there can be overheard.
pub(super) fn is_loopback(name: &str) -> bool {
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
