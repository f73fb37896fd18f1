//! Blocks of an upload to Azure, called by what they hold: a later try finds those that an earlier one has sent, in another
//! process too, since Azure keeps for a week what was not committed.
//!
//! The store crate gives each block a random name, and no way to choose it. While a block is sent, [`called`] tells its name to
//! `transport`, which puts it into the request.

use super::client::Client;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine};
use object_store::multipart::PartId;
use sha2::{Digest, Sha256};
use std::collections::HashMap;

tokio::task_local! {
    static NAME: String;
}

/// Blocks that the service has and that are in no object yet, with their sizes in bytes.
pub(super) type Waiting = HashMap<String, u64>;

/// The name of a block: its digest and its number, so that a block that occurs twice is two. All names of an upload must be equally
/// long, and these are as long as those that the store crate gives.
pub(super) fn name(number: usize, bytes: &[u8]) -> PartId {
    let digest = Sha256::digest(bytes);
    PartId { content_id: format!("{}{number:06x}", BASE64_URL_SAFE_NO_PAD.encode(&digest[..19])) }
}

/// Does something while a block is called like this.
pub(super) async fn called<T>(part: &PartId, work: impl Future<Output = T>) -> T {
    NAME.scope(part.content_id.clone(), work).await
}

/// The query of a request that sends a block, with the name that the block is to have.
pub(super) fn renamed(query: &str) -> Option<String> {
    let name = NAME.try_with(|name| BASE64_STANDARD.encode(name)).ok()?;
    let name = name.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let pair = |pair: &str| if pair.starts_with("blockid=") { format!("blockid={name}") } else { pair.to_owned() };
    Some(query.split('&').map(pair).collect::<Vec<_>>().join("&"))
}

/// What an earlier try left for an object. Nothing where that cannot be asked: then all is sent.
pub(super) async fn waiting(client: &Client) -> Waiting {
    let Some(url) = client.azure_url() else { return Waiting::new() };
    let asked = client.get_from_azure(&format!("{url}?comp=blocklist&blocklisttype=uncommitted")).await;
    asked.ok().filter(|(status, _)| *status == 200).map(|(_, text)| blocks(&text)).unwrap_or_default()
}

fn blocks(text: &str) -> Waiting {
    let one = |block: &str| {
        let name = BASE64_STANDARD.decode(between(block, "<Name>", "</Name>")?).ok()?;
        Some((String::from_utf8(name).ok()?, between(block, "<Size>", "</Size>")?.parse().ok()?))
    };
    let uncommitted = between(text, "<UncommittedBlocks>", "</UncommittedBlocks>").unwrap_or_default();
    uncommitted.split("<Block>").filter_map(one).collect()
}

/// What stands between two words.
pub(super) fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    Some(text.split_once(start)?.1.split_once(end)?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_content_and_number_and_are_equally_long() {
        let (first, again, second, other) = (name(0, b"x"), name(0, b"x"), name(1, b"x"), name(0, b"y"));
        assert_eq!(first.content_id, again.content_id);
        assert!(first.content_id != second.content_id && first.content_id != other.content_id);
        assert!([&first, &second, &other, &name(49_999, b"")].iter().all(|part| part.content_id.len() == 32));
    }

    #[tokio::test]
    async fn a_block_is_called_so_while_it_is_sent() {
        let query = "sv=1&comp=block&blockid=cmFuZG9t&sig=a%2Bb";
        assert_eq!(renamed(query), None);
        let part = PartId { content_id: "?>~".to_owned() };
        let sent = called(&part, async { renamed(query) }).await;
        assert_eq!(sent.as_deref(), Some("sv=1&comp=block&blockid=Pz5%2B&sig=a%2Bb"));
    }

    #[test]
    fn what_waits_is_read_and_what_is_committed_is_not() {
        let text = "<BlockList><CommittedBlocks><Block><Name>YQ==</Name><Size>1</Size></Block></CommittedBlocks>\
            <UncommittedBlocks><Block><Name>Yg==</Name><Size>2</Size></Block><Block><Name>!</Name><Size>3</Size></Block></UncommittedBlocks>";
        assert_eq!(blocks(text), Waiting::from([("b".to_owned(), 2)]));
        assert_eq!(blocks("<BlockList><UncommittedBlocks /></BlockList>"), Waiting::new());
    }
}
