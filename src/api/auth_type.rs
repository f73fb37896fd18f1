//! The ways to sign in that a configuration can choose between.

/// How we sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthType {
    /// A personal access token, or any ready-made bearer token.
    Pat,
    /// OAuth client credentials of a service principal, at the workspace's own token endpoint.
    OauthM2m,
    /// Entra ID service principal with a client secret.
    AzureClientSecret,
    /// Whoever is signed in to the Azure CLI.
    AzureCli,
    /// Azure managed identity.
    AzureMsi,
    /// Whoever is signed in to the Databricks CLI.
    DatabricksCli,
    /// Nothing is configured but a host: ask the Azure CLI (on Azure), then the Databricks CLI.
    Ambient,
}

impl AuthType {
    pub(super) const NAMED: [Self; 6] =
        [Self::Pat, Self::OauthM2m, Self::AzureClientSecret, Self::AzureCli, Self::AzureMsi, Self::DatabricksCli];

    /// The value of `auth_type`, as in the user agent.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pat => "pat",
            Self::OauthM2m => "oauth-m2m",
            Self::AzureClientSecret => "azure-client-secret",
            Self::AzureCli => "azure-cli",
            Self::AzureMsi => "azure-msi",
            Self::DatabricksCli => "databricks-cli",
            Self::Ambient => "what is signed in on this machine (no token or client id is configured)",
        }
    }
}
