//! The other region of an Azure account: how far it has come.

use super::client::{Client, Patience};
use super::error::{StoreError, StoreErrorKind};
use super::place::{Cloud, Place};
use jiff::Timestamp;
use object_store::azure::AzureAuthorizer;
use object_store::client::{HttpConnector, HttpRequest, HttpRequestBody, ReqwestConnector};

/// What the secondary says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replica {
    /// All that was written to the primary before this time can be read from the secondary; nothing while the first copy is
    /// under way, or where the secondary is not available.
    pub last: Option<Timestamp>,
}

/// Asks the secondary of an account for its Last Sync Time. Nothing for other places. Errors: the account has no secondary that
/// can be read, whoever is signed in may not ask (a SAS of one container may not), or nobody answers.
pub async fn last_sync(place: &Place) -> Option<Result<Replica, StoreError>> {
    let Place::Remote(remote) = place else { return None };
    let Cloud::Azure(account) = &remote.cloud else { return None };
    let client = match Client::new(remote, Patience::Short) {
        Ok(client) => client,
        Err(error) => return Some(Err(error)),
    };
    let endpoint = client.secondary_endpoint()?;
    Some(ask(&client, &endpoint, &account.name).await)
}

async fn ask(client: &Client, endpoint: &str, account: &str) -> Result<Replica, StoreError> {
    let fail = |why: String| StoreError::new(StoreErrorKind::Other, why);
    let (azure, options) = client.as_azure().ok_or_else(|| fail("it is no account of Azure".to_owned()))?;
    let mut request = HttpRequest::new(HttpRequestBody::empty());
    let uri = format!("{endpoint}/?restype=service&comp=stats").parse();
    *request.uri_mut() = uri.map_err(|_| fail("its secondary has no address".to_owned()))?;
    let credential = azure.credentials().get_credential().await?;
    AzureAuthorizer::new(&credential, account).try_authorize(&mut request)?;
    let sent = ReqwestConnector::default().connect(options)?.execute(request).await;
    let answer = sent.map_err(|_| StoreError::new(StoreErrorKind::Silent, "the secondary does not answer"))?;
    let status = answer.status();
    let read = answer.into_body().bytes().await;
    let text = String::from_utf8_lossy(&read.map_err(|_| fail("the secondary broke off".to_owned()))?).into_owned();
    if !status.is_success() {
        let code = between(&text, "<Code>", "</Code>").unwrap_or("no reason given");
        return Err(fail(format!("the secondary does not say how far it is: {} ({code})", status.as_u16())));
    }
    Ok(Replica { last: last(&text) })
}

fn last(text: &str) -> Option<Timestamp> {
    let time = httpdate::parse_http_date(between(text, "<LastSyncTime>", "</LastSyncTime>")?).ok()?;
    Timestamp::try_from(time).ok()
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    Some(text.split_once(start)?.1.split_once(end)?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_read_where_there_is_one() {
        let text = "<StorageServiceStats><GeoReplication><Status>live</Status><LastSyncTime>Thu, 26 Nov 2026 10:00:00 GMT</LastSyncTime>";
        assert_eq!(last(text), Some("2026-11-26T10:00:00Z".parse().unwrap()));
        assert_eq!(last("<GeoReplication><Status>bootstrap</Status><LastSyncTime></LastSyncTime>"), None);
    }
}
