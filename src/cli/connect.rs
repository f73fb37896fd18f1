//! Which workspace: a profile of `~/.databrickscfg`, or the environment, as the official clients read them.

use clap::Args;
use lifeboat::api::{Config, Options, Workspace};
use lifeboat::event::Observer;
use std::path::PathBuf;
use std::sync::Arc;

/// Which workspace, and how it is reached.
#[derive(Debug, Args)]
pub struct Connect {
    /// Profile in ~/.databrickscfg; without it DATABRICKS_* and ARM_* in the environment, then [DEFAULT]
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Requests in flight at most
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=128), help_heading = "Connection")]
    max_in_flight: u16,
    /// Extra certificate authorities (PEM), for a proxy that inspects TLS
    #[arg(long, value_name = "FILE", env = "LIFEBOAT_CA_BUNDLE", help_heading = "Connection")]
    ca_bundle: Option<PathBuf>,
    /// Speak HTTP/1.1 only: some proxies reset large uploads over HTTP/2
    #[arg(long, help_heading = "Connection")]
    http1: bool,
    /// Ignore the known rate limits of the API and go as fast as the workspace answers
    #[arg(long, help_heading = "Connection")]
    unlimited: bool,
}

impl Connect {
    /// A workspace, ready for its first call.
    pub async fn workspace(&self, observer: Arc<dyn Observer>) -> anyhow::Result<Workspace> {
        let environment = |name: &str| std::env::var(name).ok();
        let config = Config::resolve(self.profile.as_deref(), &environment, std::env::home_dir().as_deref())?;
        Ok(Workspace::connect(config, self.options(), observer).await?)
    }

    /// Another workspace, by its profile alone.
    pub async fn other(&self, profile: &str, observer: Arc<dyn Observer>) -> anyhow::Result<Workspace> {
        let config = Config::resolve(Some(profile), &|_| None, std::env::home_dir().as_deref())?;
        Ok(Workspace::connect(config, self.options(), observer).await?)
    }

    /// How many tasks a survey keeps under way.
    pub fn workers(&self) -> usize {
        usize::from(self.max_in_flight)
    }

    fn options(&self) -> Options {
        let options = Options {
            max_in_flight: self.workers(),
            ca_bundle: self.ca_bundle.clone(),
            http1_only: self.http1,
            ..Options::default()
        };
        if self.unlimited { options.lift_rates() } else { options }
    }
}
