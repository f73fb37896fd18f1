//! Addresses that cannot be used are refused before anything is sent.

use super::{Notes, hasty};
use lifeboat::api::{Config, ErrorKind, Workspace};
use std::sync::Arc;

#[test]
fn a_resource_id_alone_is_a_configuration_but_no_address() {
    let env = |name: &str| match name {
        "DATABRICKS_AZURE_RESOURCE_ID" => {
            Some("/subscriptions/1/resourceGroups/g/providers/Microsoft.Databricks/workspaces/w".to_owned())
        }
        "ARM_USE_MSI" => Some("true".to_owned()),
        _ => None,
    };
    let config = Config::resolve(None, &env, None).unwrap();
    assert_eq!(config.host(), None);
    let error = Workspace::new(config, hasty(), Arc::new(Notes::default())).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert_eq!(error.to_string(), "the address of the workspace is not known");
}

#[test]
fn no_token_is_sent_without_tls() {
    for host in ["http://workspace.example", "ftp://workspace.example", ""] {
        let config = Config::with_host_and_token(host, "canary");
        let error = Workspace::new(config, hasty(), Arc::new(Notes::default())).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid, "{host}: {error}");
    }
}
