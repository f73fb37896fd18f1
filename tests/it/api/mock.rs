//! A server of raw bytes, so that it can misbehave in every way that a network can.

use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Seen {
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The value of a query parameter, still encoded.
    pub fn query(&self, name: &str) -> Option<&str> {
        let query = self.target.split_once('?')?.1;
        query.split('&').find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name)).map(|(_, value)| value)
    }
}

/// What to do with a request.
pub enum Reply {
    /// A whole answer; the connection stays.
    Whole(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// Bytes as they are, then the end of the connection.
    Raw(Vec<u8>),
    /// The end of the connection, after the request was read.
    Close,
    /// A head, and then a byte now and then, for ever.
    Trickle(&'static [u8], Duration),
    /// Nothing, for as long as the client waits.
    Hang,
    /// A whole answer after a while.
    Late(Duration, Box<Reply>),
}

/// JSON with a status.
pub fn json(status: u16, body: impl Into<Value>) -> Reply {
    with(status, &[], body)
}

/// JSON with a status and headers.
pub fn with(status: u16, headers: &[(&'static str, &str)], body: impl Into<Value>) -> Reply {
    let mut headers: Vec<_> = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    headers.push(("content-type", "application/json".to_owned()));
    Reply::Whole(status, headers, body.into().to_string().into_bytes())
}

/// A refusal in the standard shape.
pub fn no(status: u16, code: &str, message: &str) -> Reply {
    json(status, serde_json::json!({"error_code": code, "message": message}))
}

/// Bytes of a file.
pub fn file(bytes: &[u8]) -> Reply {
    Reply::Whole(200, vec![("content-type", "application/octet-stream".to_owned())], bytes.to_vec())
}

type Handler = dyn Fn(&Seen, usize) -> Reply + Send + Sync;

/// A server on a port of its own, for as long as the test's runtime lives.
pub struct Mock {
    pub url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Mock {
    /// Starts it. The handler gets each request and how many came before it.
    pub async fn start(handler: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (handler, log): (Arc<Handler>, _) = (Arc::new(handler), seen.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, handler.clone(), log.clone()));
            }
        });
        Self { url, seen }
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no handler panics").clone()
    }

    /// How many came for a path.
    pub fn count(&self, path: &str) -> usize {
        self.seen().iter().filter(|seen| seen.path() == path).count()
    }
}

async fn serve(mut stream: TcpStream, handler: Arc<Handler>, log: Arc<Mutex<Vec<Seen>>>) {
    let mut buffer = Vec::new();
    while let Some(seen) = read_request(&mut stream, &mut buffer).await {
        let before = {
            let mut log = log.lock().expect("no handler panics");
            log.push(seen.clone());
            log.len() - 1
        };
        let mut reply = handler(&seen, before);
        while let Reply::Late(wait, then) = reply {
            tokio::time::sleep(wait).await;
            reply = *then;
        }
        match reply {
            Reply::Whole(status, headers, body) => {
                let head = head(status, &headers, body.len());
                let body = if seen.method == "HEAD" { &[][..] } else { &body };
                if stream.write_all(&[head.as_bytes(), body].concat()).await.is_err() {
                    return;
                }
            }
            Reply::Raw(bytes) => {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.shutdown().await;
                return;
            }
            Reply::Trickle(head, pause) => {
                let mut sent = stream.write_all(head).await;
                while sent.is_ok() {
                    tokio::time::sleep(pause).await;
                    sent = stream.write_all(b" ").await;
                }
            }
            Reply::Hang => tokio::time::sleep(Duration::from_hours(1)).await,
            Reply::Close | Reply::Late(..) => return,
        }
    }
}

fn head(status: u16, headers: &[(&'static str, String)], length: usize) -> String {
    let fields: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n{}\r\n", fields.concat())
}

async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Seen> {
    let end = loop {
        match buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            Some(end) => break end,
            None => more(stream, buffer).await?,
        }
    };
    let text = String::from_utf8_lossy(&buffer[..end]).into_owned();
    let mut lines = text.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: BTreeMap<_, _> =
        lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    let length: usize = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    assert!(!headers.contains_key("transfer-encoding"), "bodies are sent with their length: {headers:?}");
    while buffer.len() < end + 4 + length {
        more(stream, buffer).await?;
    }
    let body = buffer[end + 4..end + 4 + length].to_vec();
    buffer.drain(..end + 4 + length);
    Some(Seen { method, target, headers, body })
}

async fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    let mut piece = vec![0; 16 * 1024];
    match stream.read(&mut piece).await {
        Ok(0) | Err(_) => None,
        Ok(got) => {
            buffer.extend_from_slice(&piece[..got]);
            Some(())
        }
    }
}
