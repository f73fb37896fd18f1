//! An embedded workspace that speaks the REST API over loopback HTTP: for trying, for drills, for tests.
//!
//! - Written from the published API alone, never from what the rest of this crate sends, so that both cannot be wrong together.
//! - Awkward on purpose, as the service is: short pages, empty pages with a token, keys that are missing where a list is
//!   empty, undocumented fields, ids above 2^53, capped reads, errors in many shapes, faults on request.
//! - Deterministic: the same calls on the same seed give the same ids and times, so that two exports can be compared.
//! - Several workspaces live side by side in one process: each [`Server`] holds its own.
//!
//! Other languages steer it through `/_simulator/health`, `/_simulator/faults`, `/_simulator/requests`,
//! `/_simulator/activations` and `/_simulator/reset`.

mod activity;
mod admin;
mod body;
mod call;
mod cluster_rules;
mod clusters;
mod conf;
mod content;
mod dbfs;
mod faults;
mod generated;
mod http;
mod job_rules;
mod jobs;
mod libraries;
mod line;
mod paths;
mod permissions;
mod persist;
mod policies;
mod pools;
mod region;
mod repos;
mod routes;
mod sample;
mod sample_files;
mod scim;
mod scim_edit;
mod scim_filter;
mod scripts;
mod secrets;
mod shown;
mod tree;
mod volumes;
mod workspace;
mod workspace_import;
mod world;
mod zip;

pub use activity::Activation;
pub use faults::{Action, ErrorShape, Fault, FaultBuilder, Faults, RetryAfter};
pub use http::Recorded;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// What a workspace holds when it starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Seed {
    /// What a workspace has on its first day: the caller, the built-in groups, `/Users`, `/Shared`, `/Repos`, default policies.
    #[default]
    Empty,
    /// A realistic data platform with every kind of object and all the awkward cases, from `fixtures/sample`.
    Sample,
    /// An empty target beside the sample: what an import cannot make (warehouses, pipelines, queries, alerts, dashboards,
    /// notification destinations, volumes) is there under the sample's names and other ids.
    Prepared,
    /// The same for any other workspace: empty, but with these.
    Furnished {
        /// Objects that can only be listed, by the path of their list below `/api/2.0/`; they get ids of their own.
        lists: std::collections::BTreeMap<String, Vec<serde_json::Value>>,
        /// Files of volumes: the volumes are made, the files are not.
        files: Vec<String>,
    },
    /// As much as a test needs, the same for the same numbers.
    Generated {
        /// How many notebooks, spread over the folders.
        notebooks: u64,
        /// How many folders, nested up to six deep.
        folders: u64,
        /// How many jobs, each on one of the notebooks.
        jobs: u64,
        /// The number from which all names and contents follow.
        seed: u64,
    },
}

/// Where a workspace lies: which machines and runtimes it offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Region {
    /// All that the sample needs.
    #[default]
    North,
    /// Newer machines and runtimes only, and fewer cores: what a secondary region looks like on the worst day.
    West,
}

/// How a [`Server`] is to behave.
#[derive(Clone, Debug)]
pub struct Options {
    /// What is in the workspace at the start; ignored where `folder` holds a saved state.
    pub seed: Seed,
    /// The workspace id of the `X-Databricks-Org-Id` header; ids of new objects follow from it, so give each workspace its own.
    pub workspace_id: String,
    /// The one personal access token that is accepted; `None` accepts any, but there must be one.
    pub token: Option<String>,
    /// The OAuth client id and secret that are accepted at `/oidc/v1/token`; `None` accepts any.
    pub client: Option<(String, String)>,
    /// How long an OAuth token lives; the answer's `expires_in` tells it in seconds, afterwards it gets 401.
    pub token_lifetime: Duration,
    /// User name of the caller, who is an admin.
    pub caller: String,
    /// Waited before each answer.
    pub latency: Duration,
    /// Most entries that one page of a list shows, whatever the client asks for; 0 leaves each API its documented cap.
    pub page_cap: usize,
    /// Where the workspace lies.
    pub region: Region,
    /// Whether a service principal may be created with an application id of the client's choice, as those of Entra ID are;
    /// otherwise each gets a new one.
    pub keep_application_ids: bool,
    /// Whether values of secrets may be read: documented for notebooks alone, and answered to others by some workspaces.
    pub readable_secrets: bool,
    /// Where the state is kept between runs; `None` forgets it.
    pub folder: Option<PathBuf>,
    /// Where to listen; port 0 takes a free one.
    pub address: SocketAddr,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: Seed::Empty,
            workspace_id: "1111111111111111".to_owned(),
            token: None,
            client: None,
            token_lifetime: Duration::from_hours(1),
            caller: "operator@northwind.example".to_owned(),
            latency: Duration::ZERO,
            page_cap: 0,
            region: Region::North,
            keep_application_ids: true,
            readable_secrets: false,
            folder: None,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        }
    }
}

/// Why a simulator could not start, or could not keep its state.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimulatorError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The folder of a saved state cannot be read or written.
    #[error("cannot use the simulator's folder {}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A saved state, or the built-in sample, is not what it should be.
    #[error("cannot read the simulator's state in {place}")]
    State {
        /// File or fixture.
        place: String,
        /// Where it stopped making sense.
        source: serde_json::Error,
    },
}

/// One running workspace. Dropping it stops it; [`Server::stop`] also waits and saves.
#[derive(Debug)]
pub struct Server {
    hub: Arc<http::Hub>,
    address: SocketAddr,
    token: String,
    quit: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
    saver: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a workspace and returns when it accepts connections.
    ///
    /// Errors: the address cannot be listened on; the folder's state cannot be read.
    pub async fn start(options: Options) -> Result<Self, SimulatorError> {
        let address = options.address;
        let unheard = |source| SimulatorError::Listen { address, source };
        let token = options.token.clone().unwrap_or_else(|| "dapi-simulator".to_owned());
        let hub = Arc::new(http::Hub::new(options)?);
        let listener = TcpListener::bind(address).await.map_err(unheard)?;
        let address = listener.local_addr().map_err(unheard)?;
        let (quit, quitting) = oneshot::channel::<()>();
        let task = tokio::spawn(http::run(hub.clone(), listener, quitting));
        let saver = persist::keep_saving(&hub);
        Ok(Self { hub, address, token, quit: Some(quit), task, saver })
    }

    /// The workspace's address, `http://127.0.0.1:…`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A token that this workspace accepts.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The faults to come: add to them, or take them away.
    pub fn faults(&self) -> &Faults {
        &self.hub.faults
    }

    /// All calls so far, the oldest first, without those to `/_simulator`.
    pub fn requests(&self) -> Vec<Recorded> {
        self.hub.log().recorded.iter().cloned().collect()
    }

    /// What was switched on and off, the oldest first; what was active from the beginning comes first of all.
    pub fn activations(&self) -> Vec<Activation> {
        self.hub.world().activity.log.clone()
    }

    /// How many calls asked to change the workspace (neither GET nor HEAD), whatever came of them.
    pub fn writes(&self) -> u64 {
        self.hub.log().writes
    }

    /// Stops: open calls get two seconds, then the state is saved where a folder was given.
    pub async fn stop(mut self) {
        if let Some(quit) = self.quit.take() {
            let _ = quit.send(());
        }
        if tokio::time::timeout(Duration::from_secs(2), &mut self.task).await.is_err() {
            self.task.abort();
        }
        let _ = persist::save(&self.hub);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(saver) = &self.saver {
            saver.abort();
        }
        // The sender that goes with us ends the accepting, and idle connections.
    }
}
