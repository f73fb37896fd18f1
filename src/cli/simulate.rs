//! `lifeboat simulate`

use super::signals::asked_to_stop;
use super::{Outcome, block_on};
use crate::ui::{self, Ui};
use clap::Args;
use lifeboat::simulator::{Options, Region, Seed, Server};
use schemars::JsonSchema;
use serde::Serialize;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// How faults are asked for, beside the exit codes.
pub const HELP: &str = "\
Faults on request, here for the next two calls of the Jobs API:
  curl URL/_simulator/faults -d '{\"path\": \"/api/2.2/jobs/*\", \"times\": 2,
    \"action\": {\"status\": {\"status\": 503}}}'
  curl URL/_simulator/requests       # what was asked of this workspace";

/// Run embedded workspaces as servers, for any Databricks client.
#[derive(Debug, Args)]
pub struct Simulate {
    /// Where to listen; further workspaces take the ports after it, and port 0 takes free ones
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// What the first workspace holds: `sample`, `empty`, or `notebooks=N,folders=N,jobs=N[,seed=N]`; the others are
    /// empty, or prepared for the sample: with its warehouses, volumes and the like under the same names
    #[arg(long, default_value = "sample", value_parser = seed)]
    seed: Seed,
    /// How many workspaces
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    workspaces: u16,
    /// Put all but the first into another region: newer node types and runtimes only, fewer cores
    #[arg(long)]
    other_region: bool,
    /// Wait before each answer, as `20ms` or `1s`
    #[arg(long, value_name = "TIME", default_value = "0ms", value_parser = duration)]
    latency: Duration,
    /// The token that is accepted
    #[arg(long, env = "LIFEBOAT_SIMULATOR_TOKEN", hide_env_values = true, default_value = "simulator-token")]
    token: String,
    /// Give out values of secrets, which workspaces do to notebooks alone, and some to everybody who may read
    #[arg(long)]
    readable_secrets: bool,
    /// Keep the workspaces in this folder between runs
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

/// An embedded workspace.
#[derive(Serialize, JsonSchema)]
pub struct Served {
    /// Its number, from 1.
    workspace: u16,
    /// Its workspace id.
    id: String,
    /// Its address.
    url: String,
    /// The token that it accepts.
    token: String,
}

impl Simulate {
    pub fn run(self, ui: &mut Ui) -> anyhow::Result<Outcome> {
        block_on(async {
            let mut servers = Vec::new();
            for index in 0..self.workspaces {
                let options = self.options(index);
                let id = options.workspace_id.clone();
                let server = Server::start(options).await?;
                let (workspace, url, token) = (index + 1, server.url(), server.token().to_owned());
                ui.value(&Served { workspace, id: id.clone(), url, token })?;
                ui.line(format!("workspace {}: {}  id {id}  token {}", index + 1, server.url(), server.token()))?;
                servers.push(server);
            }
            ui.line("export DATABRICKS_HOST and DATABRICKS_TOKEN, and stop with Ctrl-C")?;
            ui.flush()?;
            asked_to_stop().await?;
            for server in servers {
                server.stop().await;
            }
            ui::note("stopped");
            Ok(Outcome::Done)
        })
    }

    /// Beside the sample, the others are prepared for its restore: with warehouses, volumes and the like of the same names.
    fn seed_of(&self, index: u16) -> Seed {
        match (index, &self.seed) {
            (0, seed) => seed.clone(),
            (_, Seed::Sample) => Seed::Prepared,
            _ => Seed::Empty,
        }
    }

    fn options(&self, index: u16) -> Options {
        let mut address = self.listen;
        if address.port() != 0 {
            address.set_port(address.port().saturating_add(index));
        }
        let folder = self.folder.as_ref().map(|folder| folder.join(format!("workspace-{}", index + 1)));
        Options {
            seed: self.seed_of(index),
            workspace_id: format!("{}", 1_000_000_000_000_001_u64 * (u64::from(index) + 1)),
            token: Some(self.token.clone()),
            latency: self.latency,
            region: if self.other_region && index > 0 { Region::West } else { Region::North },
            readable_secrets: self.readable_secrets,
            folder,
            address,
            ..Options::default()
        }
    }
}

/// `sample`, `empty`, or numbers by name.
pub fn seed(text: &str) -> Result<Seed, String> {
    match text {
        "sample" => return Ok(Seed::Sample),
        "empty" => return Ok(Seed::Empty),
        _ => {}
    }
    let (mut notebooks, mut folders, mut jobs, mut seed) = (0, 0, 0, 1);
    for pair in text.split(',') {
        let (name, value) = pair.split_once('=').ok_or("expected `sample`, `empty` or `notebooks=N,folders=N,jobs=N`")?;
        let value: u64 = value.parse().map_err(|_| format!("\"{value}\" is no number"))?;
        match name {
            "notebooks" => notebooks = value,
            "folders" => folders = value,
            "jobs" => jobs = value,
            "seed" => seed = value,
            _ => return Err(format!("\"{name}\" is none of notebooks, folders, jobs, seed")),
        }
    }
    Ok(Seed::Generated { notebooks, folders, jobs, seed })
}

/// `20ms`, `1s`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().map_err(|_| format!("\"{text}\" is no time such as `20ms`"))?;
    match unit {
        "ms" | "" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        _ => Err(format!("\"{unit}\" is none of ms, s")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_and_times_are_read() {
        assert_eq!(seed("sample"), Ok(Seed::Sample));
        assert_eq!(seed("notebooks=2,jobs=1"), Ok(Seed::Generated { notebooks: 2, folders: 0, jobs: 1, seed: 1 }));
        assert!(seed("nothing").is_err() && seed("notebooks=many").is_err());
        assert_eq!((duration("20ms"), duration("2s")), (Ok(Duration::from_millis(20)), Ok(Duration::from_secs(2))));
    }
}
