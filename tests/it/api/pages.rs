//! Listings: every style of paging, and every trap in it.

use super::mock::{Mock, json};
use super::workspace;
use lifeboat::api::{ErrorKind, Paging, Request};
use serde_json::{Value, json as value};

/// Walks a listing whose answers are given; says the ids, how many requests it took, and how it ended.
async fn walk(paging: Paging, answers: Vec<Value>) -> (Vec<u64>, usize, Result<u64, ErrorKind>) {
    let mock = Mock::start(move |_, before| json(200, answers[before.min(answers.len() - 1)].clone())).await;
    let mut ids = Vec::new();
    let request = Request::get("job", "/api/2.2/jobs/list").query("limit", "2");
    let outcome = workspace(&mock).pages(&request, paging, "jobs", |item| ids.push(item["id"].as_u64().unwrap())).await;
    assert!(mock.seen().iter().all(|seen| seen.query("limit") == Some("2")), "the query goes with every page");
    (ids, mock.seen().len(), outcome.map_err(|error| error.kind))
}

fn page(ids: &[u64], token: impl Into<Value>) -> Value {
    let token: Value = token.into();
    let items: Vec<_> = ids.iter().map(|id| value!({"id": id})).collect();
    value!({"jobs": items, "next_page_token": token, "totalResults": 3, "count": 3})
}

#[tokio::test]
async fn tokens_lead_from_page_to_page() {
    let pages = vec![page(&[1, 2], value!("a")), page(&[3], value!("b")), page(&[4], value!(""))];
    assert_eq!(walk(Paging::TOKEN, pages).await, (vec![1, 2, 3, 4], 3, Ok(4)));
    let pages = vec![page(&[1], value!("a")), page(&[2], Value::Null)];
    assert_eq!(walk(Paging::TOKEN, pages).await, (vec![1, 2], 2, Ok(2)));
}

#[tokio::test]
async fn an_empty_page_with_a_token_is_not_the_end() {
    let pages = vec![page(&[1], value!("a")), page(&[], value!("b")), value!({"next_page_token": "c"}), page(&[2], Value::Null)];
    assert_eq!(walk(Paging::TOKEN, pages).await, (vec![1, 2], 4, Ok(2)));
}

#[tokio::test]
async fn a_missing_key_is_an_empty_list_and_another_type_is_not() {
    assert_eq!(walk(Paging::TOKEN, vec![value!({})]).await, (vec![], 1, Ok(0)));
    assert_eq!(walk(Paging::None, vec![value!({"jobs": null})]).await, (vec![], 1, Ok(0)));
    assert_eq!(walk(Paging::None, vec![value!({"jobs": "none"})]).await.2, Err(ErrorKind::Protocol));
    assert_eq!(walk(Paging::None, vec![value!([{"id": 1}])]).await.2, Err(ErrorKind::Protocol));
}

#[tokio::test]
async fn a_token_that_comes_again_ends_in_an_error() {
    let pages = vec![page(&[1], value!("a")), page(&[2], value!("b")), page(&[3], value!("a"))];
    let (_, requests, outcome) = walk(Paging::TOKEN, pages).await;
    assert_eq!((requests, outcome), (3, Err(ErrorKind::Protocol)));
}

#[tokio::test]
async fn no_paging_asks_once() {
    assert_eq!(walk(Paging::None, vec![page(&[1], value!("ignored"))]).await, (vec![1], 1, Ok(1)));
}

#[tokio::test]
async fn tokens_are_sent_under_their_name() {
    let mock =
        Mock::start(|_, before| json(200, if before == 0 { page(&[1], value!("a/+=")) } else { page(&[], Value::Null) })).await;
    let paging = Paging::Token { query: "page", answer: "next_page_token" };
    workspace(&mock).pages(&Request::get("job", "/x"), paging, "jobs", |_| ()).await.unwrap();
    assert_eq!(mock.seen()[0].query("page"), None);
    assert_eq!(mock.seen()[1].query("page"), Some("a%2F%2B%3D"));
}

#[tokio::test]
async fn scim_grows_by_what_came_and_ends_with_an_empty_page() {
    let mock = Mock::start(|seen, _| {
        let start: usize = seen.query("startIndex").unwrap().parse().unwrap();
        // A server that gives pages of two, whatever is asked for.
        let users: Vec<_> = (start..=5).take(2).map(|id| value!({"id": id})).collect();
        json(200, if users.is_empty() { value!({"totalResults": 5}) } else { value!({"totalResults": 5, "Resources": users}) })
    })
    .await;
    let mut ids = Vec::new();
    let request = Request::get("user", "/api/2.0/preview/scim/v2/Users");
    let seen =
        workspace(&mock).pages(&request, Paging::Scim { count: 100 }, "Resources", |user| ids.push(user["id"].as_u64())).await;
    assert_eq!((seen.unwrap(), ids.len()), (5, 5));
    let starts: Vec<_> = mock.seen().iter().map(|seen| seen.query("startIndex").unwrap().to_owned()).collect();
    assert_eq!(starts, ["1", "3", "5", "6"]);
    assert!(mock.seen().iter().all(|seen| seen.query("count") == Some("100")));
}

#[tokio::test]
async fn a_server_that_ignores_the_start_is_noticed() {
    let all = page(&[1, 2, 3], Value::Null);
    assert_eq!(walk(Paging::Scim { count: 9 }, vec![all]).await, (vec![1, 2, 3], 2, Ok(3)), "all is known: nothing twice");
    let some = page(&[1, 2], Value::Null);
    assert_eq!(walk(Paging::Scim { count: 2 }, vec![some]).await.2, Err(ErrorKind::Protocol), "one is missing, and never comes");
}

#[tokio::test]
async fn numbered_pages_end_at_their_count() {
    let pages = vec![page(&[1, 2], Value::Null), page(&[3], Value::Null)];
    assert_eq!(walk(Paging::Numbered { page_size: 2 }, pages).await, (vec![1, 2, 3], 2, Ok(3)));
}
