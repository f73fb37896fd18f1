//! What the store crates leave out of their requests, added on the way to the wire.
//!
//! - The commit of an upload in pieces carries `If-None-Match: *`, so that it never replaces: Put Block List of Azure,
//!   `CompleteMultipartUpload` of S3.
//! - All that is put carries its MD5, so that the service refuses what was altered on the way. S3 gets a SHA-256 from its crate,
//!   and yet demands the MD5 where objects are locked.
//! - Each block for Azure has a name by which a later try finds it.
//! - Azure's answers without a body say only in a header what was wrong; here it becomes a body.
//!
//! A request that a shared key had signed is signed anew, since the key signs such headers too.

use super::blocks;
use async_trait::async_trait;
use base64::prelude::{BASE64_STANDARD, Engine};
use http_body_util::BodyExt;
use md5::{Digest, Md5};
use object_store::azure::{AzureAuthorizer, AzureCredential, AzureCredentialProvider};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse, HttpService,
    ReqwestConnector,
};
use object_store::{ClientOptions, HeaderValue};
use std::sync::{Arc, OnceLock};

/// Makes clients whose uploads never replace.
#[derive(Clone, Debug, Default)]
pub(super) struct CreateOnly {
    keys: Arc<OnceLock<Keys>>,
}

#[derive(Debug)]
struct Keys {
    account: String,
    credentials: AzureCredentialProvider,
}

impl CreateOnly {
    /// Who signs for an account of Azure; to be told once the store is built.
    pub(super) fn signs(&self, account: &str, credentials: &AzureCredentialProvider) {
        // A second teller would tell the same.
        let _ = self.keys.set(Keys { account: account.to_owned(), credentials: credentials.clone() });
    }
}

impl HttpConnector for CreateOnly {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let inner = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(Service { inner, keys: self.keys.clone() }))
    }
}

#[derive(Debug)]
struct Service {
    inner: HttpClient,
    keys: Arc<OnceLock<Keys>>,
}

#[async_trait]
impl HttpService for Service {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let is = |name: &str, value: &str| query.split('&').any(|pair| pair.split_once('=') == Some((name, value)));
        let put = request.method() == "PUT";
        if put {
            if is("comp", "blocklist") {
                request.headers_mut().insert("if-none-match", HeaderValue::from_static("*"));
            } else if is("comp", "block") {
                rename(&mut request, &query)?;
            }
            add_md5(&mut request).await?;
            self.sign_again(&mut request).await?;
        } else if request.method() == "POST" && query.split('&').any(|pair| pair.starts_with("uploadId=")) {
            // What SigV4 has signed stays as it was: this header need not be among the signed ones.
            request.headers_mut().insert("if-none-match", HeaderValue::from_static("*"));
        }
        let is_head = request.method() == "HEAD";
        let response = self.inner.execute(request).await?;
        Ok(if is_head { telling(response) } else { response })
    }
}

impl Service {
    async fn sign_again(&self, request: &mut HttpRequest) -> Result<(), HttpError> {
        let by_key = request.headers().get("authorization").is_some_and(|value| value.as_bytes().starts_with(b"SharedKey "));
        let Some(keys) = self.keys.get().filter(|_| by_key) else { return Ok(()) };
        let credential = keys.credentials.get_credential().await.map_err(wrong)?;
        if let AzureCredential::AccessKey(_) = &*credential {
            request.headers_mut().remove("authorization");
            AzureAuthorizer::new(&credential, &keys.account).try_authorize(request).map_err(wrong)?;
        }
        Ok(())
    }
}

async fn add_md5(request: &mut HttpRequest) -> Result<(), HttpError> {
    let body = std::mem::replace(request.body_mut(), HttpRequestBody::empty());
    let bytes = body.collect().await?.to_bytes();
    let digest = BASE64_STANDARD.encode(Md5::digest(&bytes));
    request.headers_mut().insert("content-md5", HeaderValue::try_from(digest).map_err(wrong)?);
    *request.body_mut() = bytes.into();
    Ok(())
}

fn rename(request: &mut HttpRequest, query: &str) -> Result<(), HttpError> {
    let Some(query) = blocks::renamed(query) else { return Ok(()) };
    let uri = request.uri().to_string();
    let address = uri.split('?').next().unwrap_or_default();
    *request.uri_mut() = format!("{address}?{query}").parse().map_err(wrong)?;
    Ok(())
}

/// An answer to HEAD has no body that could tell a container that is not there from an object that is not.
fn telling(response: HttpResponse) -> HttpResponse {
    let code = response.headers().get("x-ms-error-code").and_then(|code| code.to_str().ok());
    match code {
        Some(code) if !response.status().is_success() => {
            let body = format!("<Code>{code}</Code>").into();
            HttpResponse::from_parts(response.into_parts().0, body)
        }
        _ => response,
    }
}

fn wrong<E: std::error::Error + Send + Sync + 'static>(error: E) -> HttpError {
    HttpError::new(HttpErrorKind::Unknown, error)
}
