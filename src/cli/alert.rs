//! Who is told how a nightly run ended. That somebody cannot be told is a warning: the bundles are there all the same.

use anyhow::{Context, bail, ensure};
use lifeboat::api;
use lifeboat::backup::{Alert, Occasion, Status, Verdict};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

/// A program that is told has so long.
const PATIENCE: Duration = Duration::from_mins(1);

/// Tells everybody who wants to know. Gives what went wrong with it.
pub async fn tell(alerts: &[Alert], status: &Status) -> Vec<String> {
    let mut untold = Vec::new();
    for alert in alerts.iter().filter(|alert| is_for(alert.on, status.verdict)) {
        if let Err(error) = one(alert, status).await {
            untold.push(format!("cannot tell {}: {error:#}", shown(alert)));
        }
    }
    untold
}

fn is_for(occasion: Occasion, verdict: Verdict) -> bool {
    match occasion {
        Occasion::Always => true,
        Occasion::Success => verdict == Verdict::Done,
        Occasion::Trouble => verdict != Verdict::Done,
    }
}

/// An alert by a name that is no secret: addresses of webhooks are passwords.
fn shown(alert: &Alert) -> String {
    match (&alert.command, &alert.webhook_from) {
        (Some(words), _) => format!("`{}`", words.first().map_or("", String::as_str)),
        (_, Some(name)) => format!("the webhook in `{name}`"),
        _ => "the webhook".to_owned(),
    }
}

async fn one(alert: &Alert, status: &Status) -> anyhow::Result<()> {
    let text = serde_json::to_string(status)?;
    if let Some(words) = &alert.command {
        return timeout(PATIENCE, command(words, &text)).await.context("it did not end within a minute")?;
    }
    let address = match (&alert.webhook, &alert.webhook_from) {
        (Some(address), _) => address.clone(),
        (_, Some(name)) => std::env::var(name).context("the environment variable is not set")?,
        _ => bail!("it has no address"),
    };
    post(&address, text).await
}

async fn post(address: &str, text: String) -> anyhow::Result<()> {
    let ca_bundle = std::env::var_os("LIFEBOAT_CA_BUNDLE").map(Into::into);
    let request = api::outside_client(ca_bundle)?.post(address).header("content-type", "application/json").body(text);
    // The error of the client would name the address.
    let answer = request.timeout(PATIENCE).send().await.map_err(reqwest::Error::without_url)?;
    ensure!(answer.status().is_success(), "it answered {}", answer.status());
    Ok(())
}

async fn command(words: &[String], text: &str) -> anyhow::Result<()> {
    let Some((program, arguments)) = words.split_first() else { bail!("it names no program") };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        // What it says is no part of our answer.
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not read does not need to.
        let _ = stdin.write_all(text.as_bytes()).await;
    }
    let ended = child.wait().await?;
    ensure!(ended.success(), "it ended with {ended}");
    Ok(())
}
