//! Borrows the sign-in of a person from the Databricks CLI: `databricks auth token`.

use super::{SignInError, Token};
use crate::api::config::Config;
use serde::Deserialize;
use std::process::{Output, Stdio};
use std::time::{Duration, SystemTime};
use tokio::process::Command;

/// The CLI, and whom to ask it about.
pub(super) struct DatabricksCli {
    program: String,
    about: [String; 2],
}

#[derive(Deserialize)]
struct Printed {
    access_token: String,
    expiry: Option<jiff::Timestamp>,
}

impl DatabricksCli {
    pub(super) fn new(config: &Config, host: &str) -> Self {
        let program = config.get("databricks_cli_path").unwrap_or_else(|| "databricks".to_owned());
        let about = match config.profile() {
            Some(profile) => ["--profile".to_owned(), profile.to_owned()],
            None => ["--host".to_owned(), host.to_owned()],
        };
        Self { program, about }
    }

    /// The CLI's token for this workspace. The CLI renews it by itself.
    pub(super) async fn token(&self) -> Result<Token, SignInError> {
        let output = self.run().await?;
        if !output.status.success() {
            return Err(self.refused(&String::from_utf8_lossy(&output.stderr)));
        }
        let printed: Printed = serde_json::from_slice(&output.stdout)
            .map_err(|_| SignInError::new("`databricks auth token` printed no token").advice(self.advice()))?;
        Ok(Token { access: printed.access_token.into(), expires: printed.expiry.map(SystemTime::from) })
    }

    async fn run(&self) -> Result<Output, SignInError> {
        const PATIENCE: Duration = Duration::from_mins(1);
        let mut command = Command::new(&self.program);
        command.args(["auth", "token"]).args(&self.about).stdin(Stdio::null()).kill_on_drop(true);
        match tokio::time::timeout(PATIENCE, command.output()).await {
            Err(_) => Err(SignInError::new("`databricks auth token` did not end within 60 s")),
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(SignInError::new("the Databricks CLI is not installed").advice("install it, or set DATABRICKS_CLI_PATH"))
            }
            Ok(Err(error)) => Err(SignInError::new("the Databricks CLI cannot be run").source(error)),
            Ok(Ok(output)) => Ok(output),
        }
    }

    fn refused(&self, said: &str) -> SignInError {
        if said.contains("No such command") {
            return SignInError::new("the Databricks CLI is the legacy one, below version 0.205")
                .advice("install the current Databricks CLI, or set DATABRICKS_CLI_PATH");
        }
        let said = said.lines().map(str::trim).filter(|line| !line.is_empty()).take(3).collect::<Vec<_>>().join(" ");
        SignInError::new(format!("`databricks auth token` failed: {said}")).advice(self.advice())
    }

    fn advice(&self) -> String {
        format!("sign in with `databricks auth login {} {}`", self.about[0], self.about[1])
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;
    use std::os::unix::fs::PermissionsExt;

    fn cli(folder: &tempfile::TempDir, script: &str) -> DatabricksCli {
        let program = folder.path().join("databricks");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        DatabricksCli { program: program.display().to_string(), about: ["--profile".into(), "x".into()] }
    }

    /// One test for both: a script cannot be run while another thread's child still holds it open for writing.
    #[tokio::test]
    async fn the_cli_is_asked_and_understood() {
        let folder = tempfile::tempdir().unwrap();
        the_token_and_its_end_are_read(&folder).await;
        each_failure_says_what_to_do(&folder).await;
    }

    async fn the_token_and_its_end_are_read(folder: &tempfile::TempDir) {
        let script = r#"[ "$*" = "auth token --profile x" ] && echo '{"access_token":"t","token_type":"Bearer","expiry":"2099-01-02T03:04:05.678+01:00"}'"#;
        let token = cli(folder, script).token().await.unwrap();
        assert_eq!(token.access.expose_secret(), "t");
        assert_eq!(token.expires, Some(SystemTime::from("2099-01-02T02:04:05.678Z".parse::<jiff::Timestamp>().unwrap())));
    }

    async fn each_failure_says_what_to_do(folder: &tempfile::TempDir) {
        for (script, message, advice) in [
            ("echo \"Error: No such command 'auth'.\" >&2; exit 2", "legacy", "current"),
            ("echo 'Error: no login' >&2; exit 1", "no login", "databricks auth login --profile x"),
            ("echo canary", "no token", "auth login"),
        ] {
            let error = cli(folder, script).token().await.err().unwrap();
            assert!(error.to_string().contains(message) && !error.to_string().contains("canary"), "{error}");
            assert!(error.advice.unwrap().contains(advice));
        }
        let absent = DatabricksCli { program: "/nowhere/databricks".into(), about: ["--host".into(), "h".into()] };
        assert!(absent.token().await.err().unwrap().to_string().contains("not installed"));
    }
}
