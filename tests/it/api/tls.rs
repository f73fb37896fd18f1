//! HTTPS for real: an authority that nobody knows is refused, and accepted once `ca_bundle` names it.
//!
//! The key in `tls/` was made for this test and protects nothing.

use super::{hasty, opened};
use lifeboat::api::{ApiError, Config, ErrorKind, Options, Request};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

fn serve() -> String {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("tls/localhost.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("tls/localhost.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(builder.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    std::thread::spawn(move || listener.incoming().flatten().for_each(|stream| drop(answer(stream, &config))));
    url
}

fn answer(stream: TcpStream, config: &Arc<ServerConfig>) -> std::io::Result<()> {
    let connection = ServerConnection::new(config.clone()).map_err(std::io::Error::other)?;
    let mut stream = StreamOwned::new(connection, stream);
    let got = stream.read(&mut [0; 4096])?;
    assert!(got > 0, "a request came");
    stream.write_all(b"HTTP/1.1 200 X\r\ncontent-length: 11\r\nconnection: close\r\n\r\n{\"ok\":true}")?;
    stream.conn.send_close_notify();
    stream.flush()
}

async fn call(ca_bundle: Option<PathBuf>) -> Result<serde_json::Value, ApiError> {
    let options = Options { ca_bundle, retry_budget: Duration::from_millis(20), ..hasty() };
    let (workspace, _) = opened(Config::with_host_and_token(&serve(), "t"), options);
    workspace.call(&Request::get("job", "/api/2.2/jobs/list")).await
}

#[tokio::test]
async fn an_unknown_authority_is_refused_until_it_is_named() {
    let error = call(None).await.unwrap_err();
    let causes = super::all_texts(&error);
    assert_eq!(error.kind, ErrorKind::Network, "{causes}");
    assert!(causes.contains("certificate") && causes.contains("--ca-bundle"), "{causes}");
    let bundle = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/api/tls/authority.pem");
    assert_eq!(call(Some(bundle)).await.unwrap()["ok"], true);
}
