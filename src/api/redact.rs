//! Takes secrets out of texts that people will read: what a workspace says may repeat what was sent to it.

use crate::tokens;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

/// Fields whose value is a secret, in whatever body they stand. Sources: the secrets, git-credentials, clusters, tokens,
/// instance-pools, notification-destinations and sign-in APIs.
const SECRET_FIELDS: &[&str] = &[
    "string_value",
    "bytes_value",
    "personal_access_token",
    "password",
    "log_analytics_primary_key",
    "token_value",
    "access_token",
    "refresh_token",
    "client_secret",
    "azure_client_secret",
    "secret",
    "basic_auth_password",
    "preloaded_docker_password",
    "integration_key",
    "routing_key",
    "bearer_token",
    "openai_api_key",
    "api_key",
    "private_key",
];

const SHOWN: &str = "[redacted]";

/// The secrets of one call: credentials and the secret fields of its body.
#[derive(Default)]
pub(super) struct Redactor {
    secrets: Vec<SecretString>,
}

impl Redactor {
    /// Adds a value to hide. Empty ones cannot be hidden and need not be.
    pub(super) fn hide(&mut self, secret: &str) {
        if !secret.is_empty() {
            self.secrets.push(SecretString::from(secret));
        }
    }

    /// Adds the secret fields of a body, however deep they stand.
    pub(super) fn hide_fields(&mut self, body: &Value) {
        match body {
            Value::Object(fields) => fields.iter().for_each(|(key, value)| match value {
                Value::String(secret) if is_secret(key) => {
                    self.hide(secret);
                    // A server may repeat the value that this stands for.
                    let decoded = STANDARD.decode(secret).ok().filter(|_| key == "bytes_value").map(String::from_utf8);
                    decoded.and_then(Result::ok).into_iter().for_each(|secret| self.hide(&secret));
                }
                value => self.hide_fields(value),
            }),
            Value::Array(items) => items.iter().for_each(|item| self.hide_fields(item)),
            _ => {}
        }
    }

    /// The text without secrets, ours or of a known shape: a workspace may repeat what others gave to it. One that repeats a secret too short to be cut out is withheld whole.
    pub(super) fn clean(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in self.secrets.iter().map(ExposeSecret::expose_secret) {
            if secret.len() >= 4 {
                text = text.replace(secret, SHOWN);
            } else if words(&text).any(|word| word == secret) {
                return "the text repeats a secret and is withheld".to_owned();
            }
        }
        tokens::without(&text, SHOWN).unwrap_or(text)
    }
}

fn is_secret(key: &str) -> bool {
    SECRET_FIELDS.iter().any(|field| field.eq_ignore_ascii_case(key))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_are_found_at_any_depth_and_cut_out() {
        let mut redactor = Redactor::default();
        redactor.hide_fields(&json!({"a": [{"docker": {"password": "canary-1"}}], "string_value": "canary-2", "name": "kept"}));
        assert_eq!(redactor.clean("canary-1 and canary-2 for kept"), "[redacted] and [redacted] for kept");
    }

    #[test]
    fn bytes_are_hidden_in_both_their_forms() {
        let mut redactor = Redactor::default();
        redactor.hide_fields(&json!({"bytes_value": "Y2FuYXJ5LTk="}));
        assert_eq!(redactor.clean("Y2FuYXJ5LTk= is canary-9"), "[redacted] is [redacted]");
    }

    #[test]
    fn credentials_of_others_are_known_by_their_shape() {
        let token = format!("dapi{}", "0123456789abcdef".repeat(2));
        assert_eq!(Redactor::default().clean(&format!("bad value {token}")), "bad value [redacted]");
    }

    #[test]
    fn short_secrets_withhold_the_text() {
        let mut redactor = Redactor::default();
        redactor.hide("e");
        assert_eq!(redactor.clean("never mind"), "never mind");
        assert!(!redactor.clean("the value \"e\" is bad").contains("\"e\""));
    }
}
