//! One HTTP client, set up once: rustls with ring, the system's certificates and proxies, no redirects.

use super::error::{ApiError, ErrorKind};
use super::options::Options;
use reqwest::{Certificate, Client};
use std::path::Path;
use std::sync::Once;

/// Builds the client. What is on this machine is reached without a proxy. Errors: a certificate file that cannot be read.
pub(super) fn http_client(options: &Options, agent: &str, loopback: bool) -> Result<Client, ApiError> {
    install_provider();
    let mut builder = Client::builder()
        .user_agent(agent)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(options.connect_timeout)
        .pool_max_idle_per_host(options.max_in_flight.max(1));
    if options.http1_only {
        builder = builder.http1_only();
    }
    if loopback {
        builder = builder.no_proxy();
    }
    if let Some(path) = &options.ca_bundle {
        builder = builder.tls_certs_merge(certificates(path)?);
    }
    builder.build().map_err(|error| local("cannot set up TLS", &error))
}

/// Without a provider, building a client panics; a second installation is refused, and means that there is one.
fn install_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, ApiError> {
    let pem =
        std::fs::read(path).map_err(|error| local(&format!("cannot read the certificates in {}", path.display()), &error))?;
    let certificates = Certificate::from_pem_bundle(&pem)
        .map_err(|error| local(&format!("cannot understand the certificates in {}", path.display()), &error))?;
    if certificates.is_empty() {
        return Err(ApiError::setup(ErrorKind::Local, format!("there are no certificates in {}", path.display())));
    }
    Ok(certificates)
}

fn local(message: &str, error: &(dyn std::error::Error + 'static)) -> ApiError {
    ApiError::setup(ErrorKind::Local, message).with_cause(error, &str::to_owned)
}

/// `product/version lang/version os/name auth/type`, as Databricks asks of partner products.
pub(super) fn user_agent(product: &str, auth: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/_.+- ".contains(c);
    let product: String = product.chars().filter(|c| plain(*c)).collect();
    format!("{product} rust/{} os/{} auth/{auth}", env!("CARGO_PKG_RUST_VERSION"), std::env::consts::OS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_certificate_file_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for path in [file.path().to_owned(), "/nowhere/ca.pem".into()] {
            let options = Options { ca_bundle: Some(path.clone()), ..Options::default() };
            let error = http_client(&options, "x/1", false).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Local);
            assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        }
    }

    #[test]
    fn the_user_agent_holds_only_what_headers_may_hold() {
        assert!(user_agent("lifeboat/1.0\r\nX: y", "pat").starts_with("lifeboat/1.0X y rust/1."));
    }
}
