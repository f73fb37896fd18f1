//! The server's frame: read a call whole, apply faults, check the token, hand it to the handlers, note it, answer.

use super::call::{Answer, Call, Content, Problem, Reply};
use super::faults::{Due, Faults};
use super::line::{Lines, Switch};
use super::world::World;
use super::{Options, SimulatorError, admin, persist, routes};
use axum::body::Body;
use axum::extract::{ConnectInfo, DefaultBodyLimit, FromRequest, Multipart, Request, State};
use axum::http::{HeaderValue, Response};
use base64::Engine as _;
use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// How many calls are remembered; older ones are forgotten, so that a long rehearsal does not fill the memory.
const REMEMBERED: usize = 500_000;
/// Bodies above this many bytes are not remembered.
const REMEMBERED_BODY: usize = 256 * 1024;

/// One call that the workspace got.
#[derive(Clone, Debug, serde::Serialize)]
#[non_exhaustive]
pub struct Recorded {
    /// `GET`, `POST`, …
    pub method: String,
    /// The path as sent, still percent-encoded, without the query.
    pub path: String,
    /// The query, decoded, in order.
    pub query: Vec<(String, String)>,
    /// The body, where it was JSON of at most 256 KiB.
    pub body: Option<Value>,
    /// Length of the body in bytes.
    pub body_bytes: usize,
    /// HTTP status of the answer; 0 where the line was cut.
    pub status: u16,
}

#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) recorded: VecDeque<Recorded>,
    pub(super) writes: u64,
}

/// All that one server's calls share.
#[derive(Debug)]
pub(super) struct Hub {
    pub(super) options: Options,
    pub(super) faults: Faults,
    pub(super) dirty: AtomicBool,
    world: Mutex<World>,
    log: Mutex<Log>,
    /// OAuth tokens that were given out: whose, and until when.
    issued: Mutex<HashMap<String, (String, Instant)>>,
}

impl Hub {
    pub(super) fn new(options: Options) -> Result<Self, SimulatorError> {
        let world = persist::begin(&options)?;
        Ok(Self {
            options,
            faults: Faults::default(),
            dirty: AtomicBool::new(false),
            world: Mutex::new(world),
            log: Mutex::default(),
            issued: Mutex::default(),
        })
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn issued(&self) -> MutexGuard<'_, HashMap<String, (String, Instant)>> {
        self.issued.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, call: &Call, status: u16) {
        let small = call.body.len() <= REMEMBERED_BODY;
        let body = if small { serde_json::from_slice(&call.body).ok() } else { None };
        let (method, path, query) = (call.method.clone(), call.path.clone(), call.query.clone());
        let mut log = self.log();
        log.writes += u64::from(path.starts_with("/api/") && changes(call));
        if log.recorded.len() == REMEMBERED {
            log.recorded.pop_front();
        }
        log.recorded.push_back(Recorded { method, path, query, body, body_bytes: call.body.len(), status });
    }
}

fn changes(call: &Call) -> bool {
    !matches!(call.method.as_str(), "GET" | "HEAD")
}

pub(super) async fn run(hub: Arc<Hub>, listener: TcpListener, quitting: oneshot::Receiver<()>) {
    let app = axum::Router::new().fallback(serve).layer(DefaultBodyLimit::disable()).with_state(hub);
    let service = app.into_make_service_with_connect_info::<Switch>();
    let quit = async {
        // A sender that is gone means the same as one that spoke.
        let _ = quitting.await;
    };
    let _ = axum::serve(Lines(listener), service).with_graceful_shutdown(quit).await;
}

async fn serve(State(hub): State<Arc<Hub>>, ConnectInfo(switch): ConnectInfo<Switch>, request: Request) -> Response<Body> {
    let mut call = match read(request).await {
        Ok(call) => call,
        Err(problem) => return problem.into_reply().into_response(),
    };
    if call.path.starts_with("/_simulator/") {
        return admin::answer(&hub, &call).unwrap_or_else(Problem::into_reply).into_response();
    }
    tokio::time::sleep(hub.options.latency).await;
    let due = hub.faults.due(&call);
    let mut response = match due {
        Some(due) => faulty(&hub, &mut call, due, &switch).await,
        None => handled(&hub, &mut call).into_response(),
    };
    hub.note(&call, if switch.is_cut() { 0 } else { response.status().as_u16() });
    if let Ok(value) = HeaderValue::from_str(&hub.options.workspace_id) {
        response.headers_mut().insert("x-databricks-org-id", value);
    }
    response
}

async fn faulty(hub: &Hub, call: &mut Call, due: Due, switch: &Switch) -> Response<Body> {
    due.spoil_call(call);
    let early = due.runs_handler_first().then(|| handled(hub, call));
    if let Some(delay) = due.delay() {
        tokio::time::sleep(delay).await;
    }
    let reply = early.or_else(|| due.runs_handler().then(|| handled(hub, call)));
    due.spoil(reply, switch)
}

/// What the workspace answers when nothing goes wrong on the way.
fn handled(hub: &Hub, call: &mut Call) -> Reply {
    answer(hub, call).unwrap_or_else(Problem::into_reply)
}

fn answer(hub: &Hub, call: &mut Call) -> Answer {
    if let Some(answer) = public(hub, call) {
        return answer;
    }
    call.caller = caller(hub, call)?;
    if changes(call) {
        hub.dirty.store(true, Ordering::SeqCst);
    }
    let mut world = hub.world();
    let answer = routes::answer(&mut world, call);
    if changes(call) {
        world.watch(call);
    }
    answer
}

/// Who is calling: the user of a personal access token, or the principal to whom an OAuth token was given.
fn caller(hub: &Hub, call: &Call) -> Result<String, Problem> {
    let unsent = "Credential was not sent or was of an unsupported type for this API.";
    let unsent = || Problem::new(401, "UNAUTHENTICATED", unsent);
    let token = call.header("authorization").and_then(|text| text.strip_prefix("Bearer ")).ok_or_else(unsent)?;
    let owner = hub.issued().get(token).cloned();
    match (owner, &hub.options.token) {
        (Some((who, until)), _) if Instant::now() < until => Ok(who),
        (None, None) => Ok(hub.options.caller.clone()),
        (None, Some(good)) if good == token => Ok(hub.options.caller.clone()),
        _ => Err(Problem::new(401, "UNAUTHENTICATED", "Invalid access token.")),
    }
}

/// What is told without a token: where to sign in. OAuth for machines is the client credentials grant (RFC 6749 section 4.4).
fn public(hub: &Hub, call: &Call) -> Option<Answer> {
    let base = format!("http://{}", call.header("host").unwrap_or("localhost"));
    match (call.method.as_str(), call.path.as_str()) {
        ("GET", "/.well-known/databricks-config") => {
            Some(Reply::json(json!({ "workspace_id": hub.options.workspace_id, "oidc_endpoint": format!("{base}/oidc") })))
        }
        ("GET", "/oidc/.well-known/oauth-authorization-server") => Some(Reply::json(json!({
            "issuer": format!("{base}/oidc"),
            "authorization_endpoint": format!("{base}/oidc/v1/authorize"),
            "token_endpoint": format!("{base}/oidc/v1/token"),
            "grant_types_supported": ["client_credentials", "authorization_code"],
        }))),
        ("POST", "/oidc/v1/token") => Some(token(hub, call)),
        ("GET", "/aad/auth") => {
            let place = "https://login.microsoftonline.com/99999999-8888-4777-a666-555555555555/oauth2/authorize";
            Some(Ok(Reply::new(302, Content::Empty).with("location", place)))
        }
        (_, path) if !path.starts_with("/api/") => Some(Err(Problem::no_endpoint(call))),
        _ => None,
    }
}

fn token(hub: &Hub, call: &Call) -> Answer {
    let form: HashMap<String, String> = pairs(&String::from_utf8_lossy(&call.body)).into_iter().collect();
    let refuse = |what: &str| Ok(Reply::new(401, Content::Json(json!({ "error": "invalid_client", "error_description": what }))));
    if form.get("grant_type").is_none_or(|grant| grant != "client_credentials") {
        return Ok(Reply::new(400, Content::Json(json!({ "error": "unsupported_grant_type" }))));
    }
    let Some((id, secret)) = basic(call).or_else(|| Some((form.get("client_id")?.clone(), form.get("client_secret")?.clone())))
    else {
        return refuse("Client authentication is missing");
    };
    if id.is_empty() || secret.is_empty() || hub.options.client.as_ref().is_some_and(|good| *good != (id.clone(), secret)) {
        return refuse("Client authentication failed");
    }
    // A client that is no service principal here stands for the caller.
    let known = hub.world().granted("service_principal_name", &id).is_some();
    let who = if known { id } else { hub.options.caller.clone() };
    let lifetime = hub.options.token_lifetime;
    let mut issued = hub.issued();
    let token = format!("oauth-{}-{}", issued.len() + 1, hub.options.workspace_id);
    issued.insert(token.clone(), (who, Instant::now() + lifetime));
    Reply::json(json!({ "access_token": token, "token_type": "Bearer", "expires_in": lifetime.as_secs(), "scope": "all-apis" }))
}

fn basic(call: &Call) -> Option<(String, String)> {
    let encoded = call.header("authorization")?.strip_prefix("Basic ")?;
    let text = String::from_utf8(base64::engine::general_purpose::STANDARD.decode(encoded).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

/// Reads a request to its end; a multipart body also into its fields.
async fn read(request: Request) -> Result<Call, Problem> {
    let cut = |_| Problem::new(400, "MALFORMED_REQUEST", "The request ended early");
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.map_err(cut)?;
    let form = match parts.headers.get("content-type").and_then(|value| value.to_str().ok()) {
        Some(kind) if kind.starts_with("multipart/form-data") => fields(&parts, body.clone()).await?,
        _ => Vec::new(),
    };
    Ok(Call {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: pairs(parts.uri.query().unwrap_or_default()),
        headers: parts.headers,
        body,
        form,
        caller: String::new(),
    })
}

async fn fields(parts: &axum::http::request::Parts, body: Bytes) -> Result<Vec<(String, Bytes)>, Problem> {
    let wrong = |cause: String| Problem::new(400, "MALFORMED_REQUEST", format!("Could not parse multipart body: {cause}"));
    let request = Request::from_parts(parts.clone(), Body::from(body));
    let mut multipart = Multipart::from_request(request, &()).await.map_err(|cause| wrong(cause.to_string()))?;
    let mut found = Vec::new();
    while let Some(field) = multipart.next_field().await.map_err(|cause| wrong(cause.to_string()))? {
        let name = field.name().unwrap_or_default().to_owned();
        found.push((name, field.bytes().await.map_err(|cause| wrong(cause.to_string()))?));
    }
    Ok(found)
}

/// `a=b&c=d`, percent-decoded, `+` being a space.
fn pairs(text: &str) -> Vec<(String, String)> {
    let decode = |part: &str| decoded(&part.replace('+', " "));
    let split =
        |pair: &str| pair.split_once('=').map_or((decode(pair), String::new()), |(key, value)| (decode(key), decode(value)));
    text.split('&').filter(|pair| !pair.is_empty()).map(split).collect()
}

/// Undoes percent-encoding.
pub(super) fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}
