//! A store behind a network, as the environment of this process lets us in.

use super::error::{StoreError, StoreErrorKind};
use super::place::{Account, Cloud, Remote};
use super::transport::CreateOnly;
use bytes::Bytes;
use futures_util::StreamExt;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, Checksum};
use object_store::azure::{AzureAuthorizer, AzureConfigKey, MicrosoftAzure, MicrosoftAzureBuilder};
use object_store::client::{HttpConnector, HttpRequest, HttpRequestBody, ReqwestConnector};
use object_store::gcp::{GoogleCloudStorage, GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::multipart::MultipartStore;
use object_store::{BackoffConfig, ClientOptions, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, RetryConfig};
use reqwest::Url;
use secrecy::ExposeSecret;
use std::ops::Range;
use std::sync::{Arc, Once};
use std::time::Duration;

/// One request takes no longer: ranges and blocks are of a few MiB.
const REQUEST: Duration = Duration::from_mins(2);

/// Where Google Cloud Storage answers, unless told.
const GOOGLE: &str = "https://storage.googleapis.com";

/// How long to go on where a store does not answer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Patience {
    /// An upload has hours of work behind it: some minutes.
    Long,
    /// A reader can say so, or try the secondary: seconds.
    Short,
}

/// Objects of one container.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) objects: Arc<dyn ObjectStore>,
    /// How uploads in pieces go, where their commit can be made to never replace.
    pub(super) pieces: Option<Arc<dyn MultipartStore>>,
    pub(super) remote: Remote,
    azure: Option<Arc<MicrosoftAzure>>,
    pub(super) google: Option<Google>,
    options: ClientOptions,
}

/// A bucket of Google Cloud, and where it answers.
#[derive(Clone)]
pub(super) struct Google {
    pub(super) store: Arc<GoogleCloudStorage>,
    pub(super) base: String,
}

impl Client {
    /// Signs in as the environment says. Nothing is asked of the store yet.
    pub(super) fn new(remote: &Remote, patience: Patience) -> Result<Self, StoreError> {
        install_provider();
        match &remote.cloud {
            Cloud::Azure(account) => Self::azure(remote, account, patience, endpoint_of(account)),
            Cloud::S3 => Self::s3(remote, patience),
            Cloud::Gcs => Self::gcs(remote, patience),
        }
    }

    /// The same container at the account's secondary endpoint; none for other clouds, or where the address names it already.
    pub(super) fn secondary(&self) -> Option<Result<Self, StoreError>> {
        let Cloud::Azure(account) = &self.remote.cloud else { return None };
        Some(Self::azure(&self.remote, account, Patience::Short, self.secondary_endpoint()?))
    }

    /// Where that is.
    pub(super) fn secondary_endpoint(&self) -> Option<String> {
        let Cloud::Azure(account) = &self.remote.cloud else { return None };
        secondary_of(account)
    }

    fn azure(remote: &Remote, account: &Account, patience: Patience, endpoint: String) -> Result<Self, StoreError> {
        let connector = CreateOnly::default();
        let options = options(&endpoint);
        let mut builder = MicrosoftAzureBuilder::from_env()
            .with_account(&account.name)
            .with_container_name(&remote.container)
            .with_use_emulator(false)
            .with_retry(retries(patience))
            .with_client_options(options.clone())
            .with_http_connector(connector.clone());
        // The name by which Azure's own command line knows the key.
        if let (None, Ok(key)) = (builder.get_config_value(&AzureConfigKey::AccessKey), std::env::var("AZURE_STORAGE_KEY")) {
            builder = builder.with_access_key(key);
        }
        if let Some(sas) = &account.sas {
            builder = builder.with_config(AzureConfigKey::SasKey, sas.expose_secret()).with_credential_type("sas_token");
        }
        let store = Arc::new(builder.with_endpoint(endpoint).build().map_err(setup)?);
        connector.signs(&account.name, store.credentials());
        Ok(Self {
            objects: store.clone(),
            pieces: Some(store.clone()),
            remote: remote.clone(),
            azure: Some(store),
            google: None,
            options,
        })
    }

    fn s3(remote: &Remote, patience: Patience) -> Result<Self, StoreError> {
        let mut builder = AmazonS3Builder::from_env();
        let value = |key| builder.get_config_value(&key);
        let endpoint = value(AmazonS3ConfigKey::S3Endpoint).or_else(|| value(AmazonS3ConfigKey::Endpoint)).unwrap_or_default();
        let options = options(&endpoint);
        if value(AmazonS3ConfigKey::Checksum).is_none() {
            // Every store that knows it refuses what was altered on the way.
            builder = builder.with_checksum_algorithm(Checksum::SHA256);
        }
        let builder = builder
            .with_bucket_name(&remote.container)
            // One is removed at a time, and then this needs no more than the right to remove it.
            .with_config(AmazonS3ConfigKey::DisableBulkDelete, "true")
            .with_retry(retries(patience))
            .with_client_options(options.clone())
            .with_http_connector(CreateOnly::default());
        let store = Arc::new(builder.build().map_err(setup)?);
        Ok(Self { objects: store.clone(), pieces: Some(store), remote: remote.clone(), azure: None, google: None, options })
    }

    fn gcs(remote: &Remote, patience: Patience) -> Result<Self, StoreError> {
        let builder = GoogleCloudStorageBuilder::from_env();
        let base = builder.get_config_value(&GoogleConfigKey::BaseUrl).unwrap_or_else(|| GOOGLE.to_owned());
        let options = options(&base);
        let builder =
            builder.with_bucket_name(&remote.container).with_retry(retries(patience)).with_client_options(options.clone());
        let store = Arc::new(builder.build().map_err(setup)?);
        let google = Some(Google { store: store.clone(), base });
        Ok(Self { objects: store, pieces: None, remote: remote.clone(), azure: None, google, options })
    }

    /// How requests are made.
    pub(super) fn options(&self) -> &ClientOptions {
        &self.options
    }

    /// Whether it is an account of Azure.
    pub(super) fn is_azure(&self) -> bool {
        self.azure.is_some()
    }

    /// Where the object answers, if that is in Azure.
    pub(super) fn azure_url(&self) -> Option<Url> {
        let Cloud::Azure(account) = &self.remote.cloud else { return None };
        let mut url = Url::parse(&endpoint_of(account)).ok()?;
        url.path_segments_mut().ok()?.pop_if_empty().push(&self.remote.container).extend(self.remote.key.parts());
        Some(url)
    }

    /// Asks Azure what the store crate has no call for; gives status and body. Errors: no sign-in, or nobody answers.
    pub(super) async fn get_from_azure(&self, url: &str) -> Result<(u16, String), StoreError> {
        self.ask_azure("GET", url).await
    }

    /// Removes the object. In Azure by a request of its own: the store crate sends a batch, which not all accounts know, and whose
    /// answer does not say why something stays.
    pub(super) async fn delete(&self) -> Result<(), StoreError> {
        let Some(url) = self.azure_url() else {
            return self.objects.delete(&self.remote.key).await.map_err(StoreError::from);
        };
        let mut wait = Duration::from_millis(500);
        loop {
            let error = match self.ask_azure("DELETE", url.as_str()).await {
                Ok((200..=299, _)) => return Ok(()),
                Ok((status, text)) => StoreError::answered(status, &text),
                Err(error) => error,
            };
            if error.kind() != StoreErrorKind::Silent || wait > Duration::from_secs(4) {
                return Err(error);
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
    }

    async fn ask_azure(&self, method: &str, url: &str) -> Result<(u16, String), StoreError> {
        let fail = |why: &str| StoreError::new(StoreErrorKind::Other, why);
        let azure = self.azure.as_ref().ok_or_else(|| fail("it is no account of Azure"))?;
        let Cloud::Azure(account) = &self.remote.cloud else { return Err(fail("it is no account of Azure")) };
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.method_mut() = method.parse().map_err(|_| fail("there is no such request"))?;
        *request.uri_mut() = url.parse().map_err(|_| fail("it has no address"))?;
        let credential = azure.credentials().get_credential().await?;
        AzureAuthorizer::new(&credential, &account.name).try_authorize(&mut request)?;
        let sent = ReqwestConnector::default().connect(&self.options)?.execute(request).await;
        let answer = sent.map_err(|_| StoreError::new(StoreErrorKind::Silent, "the store does not answer"))?;
        let status = answer.status().as_u16();
        let read = answer.into_body().bytes().await.map_err(|_| fail("the store broke off"))?;
        Ok((status, String::from_utf8_lossy(&read).into_owned()))
    }

    /// What the store knows of the object.
    pub(super) async fn head(&self) -> Result<ObjectMeta, StoreError> {
        let head = self.objects.head(&self.remote.key).await;
        match head {
            Ok(meta) => Ok(meta),
            Err(error) => Err(self.explain(error).await),
        }
    }

    /// Some bytes of the object, with what the store knows of it. With a tag, they are of that object and no later one.
    pub(super) async fn range(&self, range: Range<u64>, tag: Option<&str>) -> Result<(Bytes, ObjectMeta), StoreError> {
        let len = range.end - range.start;
        let options =
            GetOptions { range: Some(GetRange::Bounded(range)), if_match: tag.map(str::to_owned), ..GetOptions::default() };
        let got = match self.objects.get_opts(&self.remote.key, options).await {
            Ok(got) => got,
            Err(error) => return Err(self.explain(error).await),
        };
        let meta = got.meta.clone();
        let bytes = got.bytes().await.map_err(StoreError::from)?;
        if bytes.len() as u64 > len {
            return Err(StoreError::new(StoreErrorKind::Other, "the store sends more than it was asked for"));
        }
        Ok((bytes, meta))
    }

    /// An error as a sentence. The answer to HEAD has no words: whether it is the object that is missing or all around it, and
    /// whether it is the right or the key that is wrong, a listing tells.
    pub(super) async fn explain(&self, error: object_store::Error) -> StoreError {
        let error = StoreError::from(error);
        if error.is_exact() || !matches!(error.kind(), StoreErrorKind::NoObject | StoreErrorKind::Forbidden) {
            return error;
        }
        let Some(Err(other)) = self.objects.list(Some(&self.remote.key)).next().await else { return error };
        let other = StoreError::from(other);
        match other.kind() {
            StoreErrorKind::NoContainer | StoreErrorKind::SignIn => other,
            StoreErrorKind::NoObject => {
                StoreError::new(StoreErrorKind::NoContainer, format!("there is no such {}", self.remote.container_word()))
            }
            _ => error,
        }
    }
}

/// Where an account answers: as the address says, or the environment, or as every account of the public cloud does.
fn endpoint_of(account: &Account) -> String {
    let named = ["AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"].iter().find_map(|name| std::env::var(name).ok());
    let endpoint = account.endpoint.clone().or(named.filter(|named| !named.is_empty()));
    endpoint.unwrap_or_else(|| format!("https://{}.blob.core.windows.net", account.name)).trim_end_matches('/').to_owned()
}

/// Where the secondary of an account answers, unless that is what was named already.
pub(super) fn secondary_of(account: &Account) -> Option<String> {
    secondary_at(&endpoint_of(account), &account.name)
}

/// `https://account-secondary.blob…`; of an emulator `http://127.0.0.1:10000/account-secondary`.
fn secondary_at(primary: &str, account: &str) -> Option<String> {
    let (scheme, rest) = primary.split_once("://")?;
    if let Some(rest) = rest.strip_prefix(&format!("{account}.")) {
        return Some(format!("{scheme}://{account}-secondary.{rest}"));
    }
    let host = rest.strip_suffix(&format!("/{account}"))?;
    Some(format!("{scheme}://{host}/{account}-secondary"))
}

fn options(endpoint: &str) -> ClientOptions {
    // What goes to this machine meets nobody on its way.
    let here = ["http://127.0.0.1", "http://localhost", "http://[::1]"].iter().any(|start| endpoint.starts_with(start));
    let wanted = ["AZURE_ALLOW_HTTP", "AWS_ALLOW_HTTP"].iter().any(|name| std::env::var(name).is_ok_and(|value| value == "true"));
    ClientOptions::new()
        .with_user_agent(object_store::HeaderValue::from_static(concat!("lifeboat/", env!("CARGO_PKG_VERSION"))))
        .with_allow_http(here || wanted)
        .with_connect_timeout(Duration::from_secs(10))
        .with_timeout(REQUEST)
}

fn retries(patience: Patience) -> RetryConfig {
    let (max_retries, most, all) = match patience {
        Patience::Long => (12, 15, 300),
        Patience::Short => (3, 2, 20),
    };
    let backoff = BackoffConfig { init_backoff: Duration::from_millis(200), max_backoff: Duration::from_secs(most), base: 2.0 };
    RetryConfig { backoff, max_retries, retry_timeout: Duration::from_secs(all) }
}

fn setup(error: object_store::Error) -> StoreError {
    let error = StoreError::from(error);
    StoreError::new(StoreErrorKind::SignIn, format!("cannot set up the sign-in: {error}"))
}

/// Without a provider, building a client panics; a second installation is refused, and means that there is one.
fn install_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
}

#[cfg(test)]
mod tests {
    use super::secondary_at;

    #[test]
    fn the_secondary_has_an_address_of_its_own() {
        for (primary, secondary) in [
            ("https://acct.blob.core.windows.net", Some("https://acct-secondary.blob.core.windows.net")),
            ("https://acct.privatelink.blob.core.windows.net", Some("https://acct-secondary.privatelink.blob.core.windows.net")),
            ("http://127.0.0.1:10000/acct", Some("http://127.0.0.1:10000/acct-secondary")),
            ("https://acct-secondary.blob.core.windows.net", None),
            ("https://blobs.example.com", None),
        ] {
            assert_eq!(secondary_at(primary, "acct").as_deref(), secondary, "{primary}");
        }
    }
}
