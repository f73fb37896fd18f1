//! Entra ID: client secret, managed identity and the Azure CLI, through Microsoft's `azure_identity`.
//!
//! A service principal that is a Contributor of the Azure resource, but not yet known to the workspace, proves itself with a
//! second token for Azure's management API and the workspace's resource id; its first call makes it an admin there.

use super::{Grant, SignInError, Token};
use crate::api::auth_type::AuthType;
use crate::api::config::{AzureCloud, Config};
use crate::api::options::Options;
use azure_core::cloud::CloudConfiguration;
use azure_core::credentials::{Secret, TokenCredential};
use azure_core::http::{ClientOptions, HttpClient, Method, Request, Transport};
use azure_identity::{
    AzureCliCredential, AzureCliCredentialOptions, ClientSecretCredential, ClientSecretCredentialOptions, Executor,
    ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Client;
use reqwest::header::LOCATION;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The application id of Azure Databricks, the same in every cloud (learn.microsoft.com, "Get Microsoft Entra ID tokens").
const DATABRICKS: &str = "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d/.default";
const PATIENCE: Duration = Duration::from_mins(1);
/// The metadata service answers at once or not at all.
const METADATA_PATIENCE: Duration = Duration::from_secs(10);

type Credential = Arc<dyn TokenCredential>;

/// Everything needed to sign in with Entra ID.
pub(in crate::api) struct Entra {
    method: AuthType,
    host: String,
    cloud: AzureCloud,
    resource: Option<String>,
    tenant: Option<String>,
    client_id: Option<String>,
    secret: SecretString,
    http: Client,
    /// Leads to the management API: by the proxy, if there is one.
    web: Arc<dyn HttpClient>,
    /// Leads to where tokens are: for the metadata service never by a proxy.
    transport: Arc<dyn HttpClient>,
    executor: Option<Arc<dyn Executor>>,
}

impl Entra {
    pub(in crate::api) fn new(config: &Config, host: &str, options: &Options, http: &Client) -> Self {
        let method = config.auth_type();
        let transport = if method == AuthType::AzureMsi { metadata_client(options, http) } else { http.clone() };
        Self {
            method,
            host: host.to_owned(),
            cloud: config.azure_cloud().unwrap_or(AzureCloud::Public),
            resource: config.get("azure_workspace_resource_id"),
            tenant: config.get("azure_tenant_id"),
            client_id: config.get("azure_client_id"),
            secret: config.secret("azure_client_secret").cloned().unwrap_or_default(),
            http: http.clone(),
            web: Arc::new(http.clone()),
            transport: Arc::new(transport),
            executor: None,
        }
    }

    /// Headers for the workspace: one token, or two and the resource id.
    pub(super) async fn grant(&self) -> Result<Grant, SignInError> {
        let token = self.token(DATABRICKS).await?;
        let is_person = matches!(self.method, AuthType::AzureCli | AuthType::Ambient) && is_person(token.access.expose_secret());
        let grant = Grant::bearer(&token);
        let Some(resource) = self.resource.as_ref().filter(|_| !is_person) else { return Ok(grant) };
        let management = self.token(self.cloud.management_scope()).await?;
        Ok(grant.and("x-databricks-azure-sp-management-token", management.access, management.expires).and(
            "x-databricks-azure-workspace-resource-id",
            SecretString::from(resource.as_str()),
            None,
        ))
    }

    /// A new token: credentials are made anew each time, since the crate's own cache would return a refused one.
    async fn token(&self, scope: &str) -> Result<Token, SignInError> {
        match self.method {
            AuthType::AzureClientSecret => self.ask(self.client_secret().await?, scope).await,
            AuthType::AzureMsi => self.ask(self.managed_identity(), scope).await,
            _ => self.by_cli(scope).await,
        }
    }

    async fn ask(&self, credential: Result<Credential, azure_core::Error>, scope: &str) -> Result<Token, SignInError> {
        let token = match credential {
            Ok(credential) => credential.get_token(&[scope], None).await,
            Err(error) => Err(error),
        };
        let token = token.map_err(|error| self.refused(&error))?;
        let seconds = u64::try_from(token.expires_on.unix_timestamp()).unwrap_or_default();
        let expires = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        Ok(Token { access: SecretString::from(token.token.secret()), expires })
    }

    async fn client_secret(&self) -> Result<Result<Credential, azure_core::Error>, SignInError> {
        let tenant = match &self.tenant {
            Some(tenant) => tenant.clone(),
            None => self.discover_tenant().await.ok_or_else(no_tenant)?,
        };
        let id = self.client_id.clone().unwrap_or_default();
        let secret = Secret::new(self.secret.expose_secret().to_owned());
        let options = ClientSecretCredentialOptions { client_options: self.client_options() };
        Ok(ClientSecretCredential::new(&tenant, id, secret, Some(options)).map(|credential| credential as Credential))
    }

    fn managed_identity(&self) -> Result<Credential, azure_core::Error> {
        let options = ManagedIdentityCredentialOptions {
            user_assigned_id: self.client_id.clone().map(UserAssignedId::ClientId),
            client_options: self.client_options(),
        };
        ManagedIdentityCredential::new(Some(options)).map(|credential| credential as Credential)
    }

    /// Asks the Azure CLI within the workspace's subscription and tenant, and with less where it does not know them.
    async fn by_cli(&self, scope: &str) -> Result<Token, SignInError> {
        let subscription = self.resource.as_deref().and_then(subscription_of);
        let tenant = match &self.tenant {
            Some(tenant) => Some(tenant.clone()),
            None => self.discover_tenant().await,
        };
        let mut tries = vec![(subscription, tenant.clone()), (None, tenant), (None, self.tenant.clone())];
        tries.dedup();
        let mut outcome = Err(no_tenant());
        for (subscription, tenant_id) in tries {
            let options = AzureCliCredentialOptions { subscription, tenant_id, executor: self.executor.clone() };
            let credential = AzureCliCredential::new(Some(options)).map(|credential| credential as Credential);
            outcome = self.ask(credential, scope).await;
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    fn client_options(&self) -> ClientOptions {
        ClientOptions {
            transport: Some(Transport::new(self.transport.clone())),
            cloud: Some(Arc::new(self.cloud.configuration())),
            ..ClientOptions::default()
        }
    }

    /// The tenant that the workspace belongs to: where its sign-in page leads.
    async fn discover_tenant(&self) -> Option<String> {
        let answer = self.http.get(format!("{}/aad/auth", self.host)).timeout(PATIENCE).send().await.ok()?;
        let target = reqwest::Url::parse(answer.headers().get(LOCATION)?.to_str().ok()?).ok()?;
        Some(target.path_segments()?.next()?.to_owned()).filter(|tenant| !tenant.is_empty())
    }

    fn refused(&self, error: &azure_core::Error) -> SignInError {
        let status = error.http_status().map(u16::from);
        let first = error.to_string().lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_owned();
        let advice = match self.method {
            AuthType::AzureClientSecret => "check azure_client_id, azure_client_secret and azure_tenant_id",
            AuthType::AzureMsi => "check that this machine has the identity, and its client id if there are several",
            _ => "sign in with `az login`",
        };
        SignInError::new(format!("Entra ID gave no token: {first}"))
            .transient(status.is_some_and(|status| status == 429 || status >= 500))
            .advice(advice)
    }
}

/// The address of a workspace of which only the Azure resource id is known (management API, `Microsoft.Databricks/workspaces`).
pub(in crate::api) async fn host_of_resource(entra: &Entra) -> Result<String, SignInError> {
    let cannot = |what: &str| SignInError::new(format!("Azure does not tell the workspace's address: {what}"));
    let resource = entra.resource.as_deref().ok_or_else(|| cannot("no resource id"))?;
    let token = entra.token(entra.cloud.management_scope()).await?;
    let url = format!("{}{resource}?api-version=2018-04-01", entra.cloud.resource_manager());
    let mut request = Request::new(reqwest::Url::parse(&url).map_err(|_| cannot("the resource id is not valid"))?, Method::Get);
    request.insert_header("authorization", format!("Bearer {}", token.access.expose_secret()));
    let unreachable = |error: azure_core::Error| cannot("no answer").transient(true).source(error);
    let answer = entra.web.execute_request(&request).await.map_err(unreachable)?;
    let status = u16::from(answer.status());
    let body = answer.into_body().collect_string().await.map_err(unreachable)?;
    let body: Value = serde_json::from_str(&body).unwrap_or_default();
    body["properties"]["workspaceUrl"].as_str().map(str::to_owned).ok_or_else(|| cannot(&format!("status {status}")))
}

impl AzureCloud {
    fn configuration(self) -> CloudConfiguration {
        match self {
            Self::Public => CloudConfiguration::AzurePublic,
            Self::UsGovernment => CloudConfiguration::AzureGovernment,
            Self::China => CloudConfiguration::AzureChina,
        }
    }

    /// The two slashes are right: the resource's own name ends in one, and tokens without it are refused.
    fn management_scope(self) -> &'static str {
        match self {
            Self::Public => "https://management.core.windows.net//.default",
            Self::UsGovernment => "https://management.core.usgovcloudapi.net//.default",
            Self::China => "https://management.core.chinacloudapi.cn//.default",
        }
    }

    fn resource_manager(self) -> &'static str {
        match self {
            Self::Public => "https://management.azure.com",
            Self::UsGovernment => "https://management.usgovcloudapi.net",
            Self::China => "https://management.chinacloudapi.cn",
        }
    }
}

/// The metadata service is on the machine's own link: no proxy, little patience.
fn metadata_client(options: &Options, fallback: &Client) -> Client {
    let builder = Client::builder().no_proxy().connect_timeout(options.connect_timeout.min(METADATA_PATIENCE));
    builder.timeout(METADATA_PATIENCE).redirect(reqwest::redirect::Policy::none()).build().unwrap_or_else(|_| fallback.clone())
}

fn no_tenant() -> SignInError {
    SignInError::new("the workspace does not tell which Entra ID tenant it belongs to").advice("set azure_tenant_id")
}

fn subscription_of(resource: &str) -> Option<String> {
    let mut parts = resource.split('/').skip_while(|part| !part.eq_ignore_ascii_case("subscriptions"));
    parts.nth(1).filter(|id| !id.is_empty()).map(str::to_owned)
}

/// Whether a token belongs to a person: only those carry the claim `upn`. Read, not verified; the workspace verifies.
fn is_person(token: &str) -> bool {
    let claims = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    claims.and_then(|claims| serde_json::from_slice::<Value>(&claims).ok()).is_some_and(|claims| claims.get("upn").is_some())
}

#[cfg(test)]
#[path = "azure_tests.rs"]
mod tests;
