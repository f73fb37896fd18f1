//! The other region of an Azure account: how far it has come.

use super::blocks::between;
use super::client::{Client, Patience};
use super::error::{StoreError, StoreErrorKind};
use super::place::{Cloud, Place};
use jiff::Timestamp;

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
    let Cloud::Azure(_) = &remote.cloud else { return None };
    let client = match Client::new(remote, Patience::Short) {
        Ok(client) => client,
        Err(error) => return Some(Err(error)),
    };
    let endpoint = client.secondary_endpoint()?;
    Some(ask(&client, &endpoint).await)
}

async fn ask(client: &Client, endpoint: &str) -> Result<Replica, StoreError> {
    let (status, text) = client.get_from_azure(&format!("{endpoint}/?restype=service&comp=stats")).await?;
    if status != 200 {
        let code = between(&text, "<Code>", "</Code>").unwrap_or("no reason given");
        let why = format!("the secondary does not say how far it is: {status} ({code})");
        return Err(StoreError::new(StoreErrorKind::Other, why));
    }
    Ok(Replica { last: last(&text) })
}

fn last(text: &str) -> Option<Timestamp> {
    let time = httpdate::parse_http_date(between(text, "<LastSyncTime>", "</LastSyncTime>")?).ok()?;
    Timestamp::try_from(time).ok()
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
