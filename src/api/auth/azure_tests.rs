//! Entra ID without a network: a transport and a shell that answer as the real ones do.

use super::*;
use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, StatusCode};
use serde_json::json;
use std::ffi::OsStr;
use std::pin::Pin;
use std::process::Output;
use std::sync::Mutex;

/// Writes down what was asked, as `METHOD url body`, and answers tokens that name what they are for.
#[derive(Debug, Default)]
struct Fake {
    asked: Mutex<Vec<String>>,
}

type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Fake {
    fn answer(&self, asked: &str) -> serde_json::Value {
        let token = if asked.contains("management.core") { "for-management" } else { "for-databricks" };
        self.asked.lock().unwrap().push(asked.to_owned());
        if asked.contains("/providers/") {
            return json!({"properties": {"workspaceUrl": "adb-7.1.azuredatabricks.net"}});
        }
        json!({"access_token": token, "token_type": "Bearer", "expires_in": 3600, "expires_on": "4102444800", "resource": "r"})
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl HttpClient for Fake {
    fn execute_request<'a, 'b, 'c>(&'a self, request: &'b Request) -> Answer<'c, azure_core::Result<AsyncRawResponse>>
    where
        'a: 'c,
        'b: 'c,
    {
        let body = match request.body() {
            azure_core::http::Body::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            azure_core::http::Body::SeekableStream(_) => String::new(),
        };
        let answer = self.answer(&format!("{} {} {body}", request.method(), request.url()));
        Box::pin(async move { Ok(AsyncRawResponse::from_bytes(StatusCode::Ok, Headers::new(), answer.to_string())) })
    }
}

/// A shell in which `az` knows one subscription only, or none at all.
#[derive(Debug)]
struct Shell {
    token: String,
    asked: Mutex<Vec<String>>,
}

impl Executor for Shell {
    fn run<'a, 'b, 'c, 'd, 'e>(&'a self, _: &'b OsStr, args: &'c [&'d OsStr]) -> Answer<'e, std::io::Result<Output>>
    where
        'a: 'e,
        'b: 'e,
        'c: 'e,
        'd: 'e,
    {
        let command = args.last().unwrap().to_string_lossy().into_owned();
        let unknown = command.contains("--subscription");
        self.asked.lock().unwrap().push(command);
        let printed = json!({"accessToken": self.token, "expiresOn": "2026-11-22 12:00:00.000000", "expires_on": 4_102_444_800_i64, "tokenType": "Bearer"});
        let stdout = printed.to_string().into_bytes();
        Box::pin(async move {
            let known = (!unknown).then(std::process::ExitStatus::default);
            let status = known.ok_or_else(|| std::io::Error::other("No subscription found"))?;
            Ok(Output { status, stdout, stderr: Vec::new() })
        })
    }
}

const RESOURCE: &str = "/subscriptions/sub-1/resourceGroups/g/providers/Microsoft.Databricks/workspaces/w";

fn entra(settings: &[(&str, &str)], fake: &Arc<Fake>) -> Entra {
    let settings: Vec<_> = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let env = |name: &str| settings.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let config = Config::resolve(None, &env, None).unwrap();
    let options = Options::default();
    let http = crate::api::http::http_client(&options, "test/1", true).unwrap();
    let mut entra = Entra::new(&config, config.host().unwrap_or_default(), &options, &http);
    entra.transport = fake.clone();
    entra.web = fake.clone();
    entra
}

fn sent(grant: &Grant) -> Vec<(String, String)> {
    grant.headers().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn both_headers() -> Vec<(String, String)> {
    pairs(&[
        ("authorization", "Bearer for-databricks"),
        ("x-databricks-azure-sp-management-token", "for-management"),
        ("x-databricks-azure-workspace-resource-id", RESOURCE),
    ])
}

const PRINCIPAL: [(&str, &str); 4] = [
    ("DATABRICKS_HOST", "adb-1.2.azuredatabricks.net"),
    ("ARM_CLIENT_ID", "robot"),
    ("ARM_CLIENT_SECRET", "s3cret"),
    ("ARM_TENANT_ID", "tenant-1"),
];

#[tokio::test]
async fn a_client_secret_asks_its_tenant_for_the_databricks_application() {
    let fake = Arc::new(Fake::default());
    let grant = entra(&PRINCIPAL, &fake).grant().await.unwrap();
    assert_eq!(sent(&grant), pairs(&[("authorization", "Bearer for-databricks")]));
    let asked = &fake.asked()[0];
    assert!(asked.starts_with("POST https://login.microsoftonline.com/tenant-1/oauth2/v2.0/token "), "{asked}");
    assert!(asked.contains("client_id=robot&client_secret=s3cret&grant_type=client_credentials"), "{asked}");
    assert!(asked.contains("scope=2ff814a6-3304-4ab8-85cb-cd0e6f879c1d%2F.default"), "{asked}");
}

#[tokio::test]
async fn a_resource_id_adds_the_management_token_in_every_cloud() {
    for (cloud, authority, management) in [
        ("PUBLIC", "login.microsoftonline.com", "management.core.windows.net%2F%2F.default"),
        ("AzureUSGovernmentCloud", "login.microsoftonline.us", "management.core.usgovcloudapi.net%2F%2F.default"),
        ("CHINA", "login.chinacloudapi.cn", "management.core.chinacloudapi.cn%2F%2F.default"),
    ] {
        let fake = Arc::new(Fake::default());
        let more = [("DATABRICKS_AZURE_RESOURCE_ID", RESOURCE), ("ARM_ENVIRONMENT", cloud)];
        let grant = entra(&[&PRINCIPAL[..], &more].concat(), &fake).grant().await.unwrap();
        assert_eq!(sent(&grant), both_headers());
        let asked = fake.asked();
        assert!(asked.iter().all(|asked| asked.starts_with(&format!("POST https://{authority}/"))), "{asked:?}");
        assert!(asked[1].contains(management), "{asked:?}");
    }
}

#[tokio::test]
async fn a_managed_identity_asks_the_metadata_service_for_both_tokens() {
    let fake = Arc::new(Fake::default());
    let settings = [
        ("DATABRICKS_HOST", "adb-1.2.azuredatabricks.net"),
        ("ARM_USE_MSI", "true"),
        ("ARM_CLIENT_ID", "mine"),
        ("DATABRICKS_AZURE_RESOURCE_ID", RESOURCE),
    ];
    let grant = entra(&settings, &fake).grant().await.unwrap();
    assert_eq!(sent(&grant), both_headers());
    let asked = fake.asked();
    assert!(asked[0].starts_with("GET http://169.254.169.254/metadata/identity/oauth2/token?"), "{asked:?}");
    assert!(asked[0].contains("resource=2ff814a6-3304-4ab8-85cb-cd0e6f879c1d&client_id=mine"), "{asked:?}");
    assert!(asked[1].contains("resource=https%3A%2F%2Fmanagement.core.windows.net%2F&"), "{asked:?}");
}

fn jwt(claims: &serde_json::Value) -> String {
    format!("h.{}.s", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

async fn by_shell(claims: serde_json::Value) -> (Grant, Vec<String>) {
    let settings =
        [("DATABRICKS_HOST", "http://127.0.0.1:9"), ("ARM_TENANT_ID", "tenant-1"), ("DATABRICKS_AZURE_RESOURCE_ID", RESOURCE)];
    let shell = Arc::new(Shell { token: jwt(&claims), asked: Mutex::default() });
    let mut entra = entra(&settings, &Arc::default());
    entra.executor = Some(shell.clone());
    let grant = entra.grant().await.unwrap();
    let asked = shell.asked.lock().unwrap().clone();
    (grant, asked)
}

#[tokio::test]
async fn the_azure_cli_is_asked_within_the_subscription_and_then_without() {
    let (grant, asked) = by_shell(json!({"upn": "a@b.c"})).await;
    assert_eq!(sent(&grant).len(), 1, "a person needs no management token");
    assert!(asked[0].contains("--tenant tenant-1") && asked[0].contains("--subscription \"sub-1\""), "{asked:?}");
    assert!(asked[1].contains("--tenant tenant-1") && !asked[1].contains("--subscription"), "{asked:?}");
    assert_eq!(asked.len(), 2);
}

#[tokio::test]
async fn a_principal_in_the_azure_cli_proves_itself_twice() {
    let (grant, _) = by_shell(json!({"appid": "robot"})).await;
    assert_eq!(sent(&grant).len(), 3);
}

#[tokio::test]
async fn the_host_follows_from_the_resource_id() {
    let fake = Arc::new(Fake::default());
    let settings = [&PRINCIPAL[1..], &[("DATABRICKS_AZURE_RESOURCE_ID", RESOURCE)]].concat();
    assert_eq!(host_of_resource(&entra(&settings, &fake)).await.unwrap(), "adb-7.1.azuredatabricks.net");
    assert_eq!(fake.asked()[1], format!("GET https://management.azure.com{RESOURCE}?api-version=2018-04-01 "));
}

#[tokio::test]
async fn the_tenant_is_where_the_sign_in_page_leads() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = [0; 1024];
        let got = tokio::io::AsyncReadExt::read(&mut stream, &mut asked).await.unwrap();
        assert!(asked[..got].starts_with(b"GET /aad/auth HTTP/1.1"));
        let answer = b"HTTP/1.1 302 X\r\nlocation: https://login.microsoftonline.com/tenant-9/oauth2/authorize?x=1\r\ncontent-length: 0\r\n\r\n";
        tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await.unwrap();
    });
    let fake = Arc::new(Fake::default());
    entra(&[("DATABRICKS_HOST", &host), PRINCIPAL[1], PRINCIPAL[2]], &fake).grant().await.unwrap();
    assert!(fake.asked()[0].contains("/tenant-9/oauth2/"), "{:?}", fake.asked());
}

#[test]
fn people_are_told_from_principals_by_their_claims() {
    assert!(is_person(&jwt(&json!({"upn": "a@b.c"}))));
    for token in [jwt(&json!({"appid": "x"})), "opaque".to_owned(), "a.b.c".to_owned(), String::new()] {
        assert!(!is_person(&token), "{token}");
    }
}
