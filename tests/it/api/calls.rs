//! Plain calls: what goes out, what comes back, what is never followed.

use super::mock::{Mock, Reply, json, no, with};
use super::{hasty, opened, workspace};
use lifeboat::api::{Cloud, Config, ErrorKind, Request};
use serde_json::{Value, json as value};

#[tokio::test]
async fn json_goes_out_and_comes_back() {
    let mock = Mock::start(|seen, _| match seen.path() {
        "/api/2.0/mkdirs" => json(200, value!({})),
        "/api/2.0/empty" => Reply::Whole(200, vec![], vec![]),
        _ => json(200, value!({"path": "/é"})),
    })
    .await;
    let workspace = workspace(&mock);
    let get = Request::get("directory", "/api/2.0/workspace/get-status").query("path", "/a b/é&c").query("flag", "true");
    assert_eq!(workspace.call(&get).await.unwrap(), value!({"path": "/é"}));
    let post = Request::post("directory", "/api/2.0/mkdirs", value!({"path": "/x", "n": 9_007_199_254_740_993_i64})).scim();
    assert_eq!(workspace.call(&post).await.unwrap(), value!({}));
    assert_eq!(workspace.call(&Request::delete("job", "/api/2.0/empty")).await.unwrap(), Value::Null);
    let seen = mock.seen();
    assert_eq!(seen[0].target, "/api/2.0/workspace/get-status?path=%2Fa+b%2F%C3%A9%26c&flag=true");
    assert_eq!(seen[0].header("authorization"), "Bearer dapi-canary");
    assert!(seen[0].header("user-agent").starts_with("lifeboat/") && seen[0].header("user-agent").ends_with("auth/pat"));
    assert_eq!(seen[1].header("content-type"), "application/scim+json");
    assert_eq!(seen[1].body, br#"{"path":"/x","n":9007199254740993}"#);
    assert_eq!((workspace.requests()["directory"], workspace.requests()["job"], workspace.total_requests()), (2, 1, 3));
}

#[tokio::test]
async fn compressed_answers_are_read() {
    const GZIP: &[u8] = include_bytes!("answer.json.gz");
    let mock = Mock::start(|_, _| Reply::Whole(200, vec![("content-encoding", "gzip".into())], GZIP.to_vec())).await;
    assert_eq!(
        workspace(&mock).call(&Request::get("job", "/api/2.2/jobs/list")).await.unwrap(),
        value!({"jobs": [{"job_id": 7}]})
    );
    assert!(mock.seen()[0].header("accept-encoding").contains("gzip"));
}

#[tokio::test]
async fn redirects_are_told_and_never_followed() {
    let other = Mock::start(|_, _| json(200, value!({"stolen": true}))).await;
    let target = format!("{}/login.html?error=private-link-validation-error", other.url);
    let mock = Mock::start(move |_, _| Reply::Whole(302, vec![("location", target.clone())], vec![])).await;
    let error = workspace(&mock).call(&Request::get("job", "/api/2.2/jobs/list")).await.unwrap_err();
    assert_eq!((error.kind, error.tries), (ErrorKind::Login, 1));
    assert!(error.hint().unwrap().contains("private endpoint"), "{error}");
    assert!(other.seen().is_empty(), "no credential leaves for another host");
}

#[tokio::test]
async fn a_page_with_200_is_no_answer() {
    let page = || {
        Reply::Whole(
            200,
            vec![("content-type", "text/html; charset=utf-8".into())],
            b"<!doctype html><title>Sign in</title>".to_vec(),
        )
    };
    let mock = Mock::start(move |_, _| page()).await;
    let error = workspace(&mock).call(&Request::get("job", "/api/2.2/jobs/list")).await.unwrap_err();
    assert_eq!((error.kind, error.status), (ErrorKind::Login, Some(200)));
}

#[tokio::test]
async fn an_error_says_call_code_and_effort() {
    let mock = Mock::start(|_, _| no(403, "PERMISSION_DENIED", "no right to use policy \"small\"")).await;
    let create = Request::post("job", "/api/2.2/jobs/create", value!({}));
    let error = workspace(&mock).call(&create).await.unwrap_err();
    let expected = "POST /api/2.2/jobs/create answered 403 PERMISSION_DENIED: no right to use policy \"small\" (1 try, ";
    assert!(error.to_string().starts_with(expected), "{error}");
    assert_eq!((error.kind, mock.seen().len()), (ErrorKind::Denied, 1));
}

#[tokio::test]
async fn details_name_their_reasons() {
    let body = value!({"error_code": "INVALID_PARAMETER_VALUE", "message": "type mismatch", "details": [
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "WORKSPACE_OBJECT_TYPE_MISMATCH", "domain": "x"}]});
    let mock = Mock::start(move |_, _| json(400, body.clone())).await;
    let error = workspace(&mock).call(&Request::post("notebook", "/api/2.0/workspace/import", value!({}))).await.unwrap_err();
    assert_eq!((error.kind, error.reasons.clone()), (ErrorKind::Invalid, vec!["WORKSPACE_OBJECT_TYPE_MISMATCH".to_owned()]));
}

#[tokio::test]
async fn identity_comes_from_me_and_its_header() {
    let me = value!({"userName": "a@b.c", "groups": [{"display": "users"}, {"display": "admins", "type": "indirect"}]});
    let mock = Mock::start(move |_, _| with(200, &[("X-Databricks-Org-Id", "123456")], me.clone())).await;
    let identity = workspace(&mock).identity().await.unwrap();
    assert_eq!((identity.workspace_id.as_deref(), identity.user_name.as_str()), (Some("123456"), "a@b.c"));
    assert_eq!((identity.is_admin, identity.cloud), (true, Cloud::Aws));
    assert_eq!(mock.seen()[0].target, "/api/2.0/preview/scim/v2/Me?excludedAttributes=entitlements");
}

#[tokio::test]
async fn a_unified_host_is_told_the_workspace() {
    let mock = Mock::start(|_, _| json(200, value!({}))).await;
    for (id, sent) in [("77", "77"), ("none", "")] {
        let url = mock.url.clone();
        let env = move |name: &str| match name {
            "DATABRICKS_HOST" => Some(url.clone()),
            "DATABRICKS_TOKEN" => Some("t".to_owned()),
            "DATABRICKS_WORKSPACE_ID" => Some(id.to_owned()),
            _ => None,
        };
        let (workspace, _) = opened(Config::resolve(None, &env, None).unwrap(), hasty());
        workspace.call(&Request::get("job", "/api/2.2/jobs/list")).await.unwrap();
        assert_eq!(mock.seen().last().unwrap().header("x-databricks-workspace-id"), sent);
    }
}
