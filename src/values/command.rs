//! Values that a program prints: one call for each secret, without a shell. What it prints is the value; what it says beside, and
//! what it printed where it failed, is looked at by nobody.

use super::{LARGEST, SecretValue};
use secrecy::zeroize::Zeroizing;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::sync::Semaphore;

/// What a call may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// Calls at once: what asks a vault is often a heavy thing.
const AT_ONCE: usize = 4;

/// A program with its arguments, in which `{scope}` and `{key}` stand for the secret.
#[derive(Clone, Debug)]
pub(super) struct Program {
    words: Arc<[String]>,
    gate: Arc<Semaphore>,
}

impl Program {
    /// Splits a line as a shell does, quotes and backslashes included; nothing in it is expanded.
    pub(super) fn parse(line: &str) -> Result<Self, &'static str> {
        let words = shlex::split(line).ok_or("a quote is not closed")?;
        if words.first().is_none_or(String::is_empty) {
            return Err("it names no program");
        }
        Ok(Self { words: words.into(), gate: Arc::new(Semaphore::new(AT_ONCE)) })
    }

    pub(super) async fn value(&self, scope: &str, key: &str) -> Result<SecretValue, String> {
        let arguments = self.arguments(scope, key)?;
        let _turn = self.gate.acquire().await;
        let call = self.call(&arguments, scope, key);
        tokio::time::timeout(PATIENCE, call).await.unwrap_or_else(|_| Err("the program did not end within 60 s".to_owned()))
    }

    /// Names come from a workspace, in which others make them: none may be an option of the program.
    fn arguments(&self, scope: &str, key: &str) -> Result<Vec<String>, String> {
        if !is_name(scope) || !is_name(key) {
            return Err("it has a name that no workspace gives, and no program is told it".to_owned());
        }
        let filled = |word: &String| {
            let filled = word.replace("{scope}", scope).replace("{key}", key);
            let strays = filled.starts_with('-') && !word.starts_with('-');
            if strays {
                Err("its name begins with a dash: the program would take it for an option".to_owned())
            } else {
                Ok(filled)
            }
        };
        self.words[1..].iter().map(filled).collect()
    }

    async fn call(&self, arguments: &[String], scope: &str, key: &str) -> Result<SecretValue, String> {
        let mut command = Command::new(&self.words[0]);
        command.args(arguments).env("LIFEBOAT_SECRET_SCOPE", scope).env("LIFEBOAT_SECRET_KEY", key);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| format!("the program cannot be run: {error}"))?;
        let mut printed = Zeroizing::new(Vec::with_capacity(LARGEST + 3));
        if let Some(stdout) = child.stdout.take() {
            let room = LARGEST as u64 + 3;
            stdout.take(room).read_to_end(&mut printed).await.map_err(|error| format!("the program cannot be read: {error}"))?;
        }
        if printed.len() > LARGEST + 2 {
            return Err("the program printed more than a secret may hold".to_owned());
        }
        let ended = child.wait().await.map_err(|error| format!("the program cannot be waited for: {error}"))?;
        if !ended.success() {
            return Err(told(ended));
        }
        let value = without_line_end(&printed);
        if value.is_empty() { Err("the program printed nothing".to_owned()) } else { Ok(SecretValue::from(value.to_vec())) }
    }
}

fn told(ended: ExitStatus) -> String {
    ended
        .code()
        .map_or_else(|| format!("the program was ended: {ended}"), |code| format!("the program ended with exit code {code}"))
}

/// Programs print for people, and end with a line feed that is no part of the value.
fn without_line_end(printed: &[u8]) -> &[u8] {
    let line = printed.strip_suffix(b"\n").unwrap_or(printed);
    if line.len() < printed.len() { line.strip_suffix(b"\r").unwrap_or(line) } else { line }
}

/// Letters, digits and `-_.@/`, at most 128 (core reference §12).
fn is_name(name: &str) -> bool {
    (1..=128).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.@/".contains(c))
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    async fn ask(line: &str, scope: &str, key: &str) -> Result<Vec<u8>, String> {
        Program::parse(line).unwrap().value(scope, key).await.map(|value| value.bytes().to_vec())
    }

    #[tokio::test]
    async fn a_program_is_told_the_secret_and_prints_its_value() {
        let line = r#"sh -c 'printf "%s|%s|%s\n\n" "$LIFEBOAT_SECRET_SCOPE" "$LIFEBOAT_SECRET_KEY" "$1"' x secret/{scope}/{key}"#;
        assert_eq!(ask(line, "etl", "a.b").await.unwrap(), b"etl|a.b|secret/etl/a.b\n");
        assert_eq!(ask(r"printf 'a\377\000\r\n'", "s", "k").await.unwrap(), b"a\xff\0");
        assert_eq!(ask("printf %s 'a  $HOME *'", "s", "k").await.unwrap(), b"a  $HOME *", "no shell");
    }

    #[tokio::test]
    async fn a_failure_is_told_without_what_was_printed() {
        for (line, why) in [
            ("sh -c 'echo canary; echo canary >&2; exit 7'", "the program ended with exit code 7"),
            ("sh -c 'kill -9 $$'", "the program was ended: signal: 9 (SIGKILL)"),
            ("true", "the program printed nothing"),
            ("head -c 200000 /dev/zero", "the program printed more than a secret may hold"),
            ("/nowhere/program", "the program cannot be run: No such file or directory (os error 2)"),
        ] {
            assert_eq!(ask(line, "s", "k").await.unwrap_err(), why, "{line}");
        }
    }

    #[tokio::test]
    async fn no_name_is_an_option() {
        for (line, key) in
            [("echo {key}", "--help"), ("echo {key}", "a b"), ("echo", ""), ("echo", "a\nb"), ("echo {key}x", "-n")]
        {
            assert!(ask(line, "s", key).await.is_err(), "{line} {key:?}");
        }
        assert_eq!(ask("echo --field={key}", "s", "-n").await.unwrap(), b"--field=-n");
    }
}
