//! Who we are in a workspace, and where it is.

use super::auth_type::AuthType;
use super::{ApiError, Request, Workspace};
use secrecy::ExposeSecret;
use serde_json::Value;

/// The cloud that a workspace runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cloud {
    /// Amazon Web Services.
    Aws,
    /// Microsoft Azure.
    Azure,
    /// Google Cloud.
    Gcp,
}

impl Cloud {
    /// `aws`, `azure` or `gcp`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Azure => "azure",
            Self::Gcp => "gcp",
        }
    }
}

/// The caller, as the workspace sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Id of the workspace, from the header `X-Databricks-Org-Id`, else from the host's name.
    pub workspace_id: Option<String>,
    /// `userName` of a person, application id of a service principal.
    pub user_name: String,
    /// Whether the caller is in the group `admins`, directly or not. All others see listings cut short without a word.
    pub is_admin: bool,
    /// The cloud, guessed from the host's name.
    pub cloud: Cloud,
}

impl Workspace {
    /// Asks who we are: SCIM `Me`. The first call to make, since it proves host and credentials.
    pub async fn identity(&self) -> Result<Identity, ApiError> {
        let request = Request::get("identity", "/api/2.0/preview/scim/v2/Me").query("excludedAttributes", "entitlements");
        let (me, headers) = self.call_with_headers(&request).await?;
        let org = headers.get("x-databricks-org-id").and_then(|id| id.to_str().ok()).filter(|id| !id.is_empty() && *id != "0");
        Ok(Identity {
            workspace_id: org.map(str::to_owned).or_else(|| id_in_host(self.host())),
            user_name: me["userName"].as_str().unwrap_or_default().to_owned(),
            is_admin: is_admin(&me),
            cloud: cloud_of(self.host()),
        })
    }
}

impl Workspace {
    /// How we sign in, in words, if that is certainly no sign-in to Microsoft Entra ID: a personal access token. What Entra ID
    /// gives out is a JWT, also where somebody passes it on as a token (core reference §1, §12).
    pub fn without_entra(&self) -> Option<String> {
        let config = &self.inner.config;
        let is_jwt = config.secret("token").is_some_and(|token| token.expose_secret().starts_with("eyJ"));
        (config.auth_type() == AuthType::Pat && !is_jwt).then(|| match config.profile() {
            Some(profile) => format!("profile \"{profile}\" uses a personal access token"),
            None => "a personal access token is used".to_owned(),
        })
    }
}

fn is_admin(me: &Value) -> bool {
    me["groups"].as_array().is_some_and(|groups| groups.iter().any(|group| group["display"] == "admins"))
}

/// By the host's suffix, as the official SDKs guess.
pub(super) fn cloud_of(host: &str) -> Cloud {
    match host {
        host if [".azuredatabricks.net", ".databricks.azure.us", ".databricks.azure.cn"]
            .iter()
            .any(|end| host.ends_with(end)) =>
        {
            Cloud::Azure
        }
        host if host.ends_with(".gcp.databricks.com") => Cloud::Gcp,
        _ => Cloud::Aws,
    }
}

/// `adb-<id>.<n>.azuredatabricks.net` and `<id>.<n>.gcp.databricks.com` carry the id.
fn id_in_host(host: &str) -> Option<String> {
    let name = host.split_once("://").map_or(host, |(_, name)| name).split('.').next()?;
    let id = name.strip_prefix("adb-").unwrap_or(name);
    (id.len() > 5 && id.bytes().all(|byte| byte.is_ascii_digit())).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_tell_cloud_and_id() {
        for (host, cloud, id) in [
            ("https://adb-984752964297111.11.azuredatabricks.net", Cloud::Azure, Some("984752964297111")),
            ("https://adb-984752964297111.1.databricks.azure.us", Cloud::Azure, Some("984752964297111")),
            ("https://6280049833385130.0.gcp.databricks.com", Cloud::Gcp, Some("6280049833385130")),
            ("https://dbc-a1b2345c-d6e7.cloud.databricks.com", Cloud::Aws, None),
            ("http://127.0.0.1:80", Cloud::Aws, None),
        ] {
            assert_eq!((cloud_of(host), id_in_host(host).as_deref()), (cloud, id), "{host}");
        }
    }
}
