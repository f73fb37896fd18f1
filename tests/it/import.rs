//! Imports into the embedded workspace: whole, a second time, and with answers that get lost.

use lifeboat::api::{Config, Options, Workspace};
use lifeboat::bundle::{self, Reader};
use lifeboat::compare;
use lifeboat::event::{Observer, Silent};
use lifeboat::export;
use lifeboat::import::{self, BundleContents, Receipt, State};
use lifeboat::journal::{self, Journal};
use lifeboat::plan::Plan;
use lifeboat::restore;
use lifeboat::simulator::{self, Action, Seed, Server};
use lifeboat::spool::Spool;
use lifeboat::survey::Scope;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const SOURCE: &str = "1111111111111111";
const TARGET: &str = "2222222222222222";

fn silent() -> Arc<dyn Observer> {
    Arc::new(Silent)
}

fn connect(server: &Server) -> Workspace {
    let config = Config::with_host_and_token(&server.url(), server.token());
    let options = Options { pause: Duration::from_millis(20), ..Options::default().lift_rates() };
    Workspace::new(config, options, silent()).unwrap()
}

async fn start(seed: Seed, workspace_id: &str) -> Server {
    let options = simulator::Options { seed, workspace_id: workspace_id.into(), ..simulator::Options::default() };
    Server::start(options).await.unwrap()
}

/// A bundle of a workspace, in a folder of its own.
struct Bundled {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

async fn bundle_of(seed: Seed) -> Bundled {
    let server = start(seed, SOURCE).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("b.tar.zst");
    let options =
        export::Options { target: path.clone(), scope: Scope::default(), packing: bundle::Options::default(), created: None };
    export::run(&connect(&server), options, silent()).await.unwrap();
    server.stop().await;
    Bundled { _folder: folder, path }
}

fn options() -> restore::Options {
    restore::Options { workers: 8, ..restore::Options::default() }
}

async fn plan(bundled: &Bundled, target: &Server, options: &restore::Options) -> Plan {
    let reader = Reader::open(&bundled.path).unwrap();
    restore::plan(&reader, &connect(target), options, &silent()).await.unwrap()
}

async fn apply(bundled: &Bundled, plan: &Plan, target: &Server, journal: &mut Journal) -> Receipt {
    let reader = Reader::open(&bundled.path).unwrap();
    let contents = BundleContents::new(&reader, Spool::in_temp().unwrap());
    import::run(plan, &contents, &connect(target), journal, &silent()).await.unwrap()
}

fn troubles(receipt: &Receipt) -> Vec<String> {
    let bad = receipt.items.iter().filter(|item| !item.state.is_there());
    bad.map(|item| format!("{} {} {:?}: {}", item.source, item.key, item.state, item.reason.as_deref().unwrap_or("-"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_is_restored_and_a_second_import_writes_nothing() {
    let bundled = bundle_of(Seed::Sample).await;
    let target = start(Seed::Prepared, TARGET).await;
    let first = plan(&bundled, &target, &options()).await;
    let receipt = apply(&bundled, &first, &target, &mut Journal::none()).await;
    for line in troubles(&receipt) {
        println!("{line}");
    }
    println!("{:#?}", receipt.counts);
    for todo in &receipt.todos {
        println!("{todo:?}");
    }
    let second = plan(&bundled, &target, &options()).await;
    for step in second.steps.iter().filter(|step| step.action.writes()) {
        println!("AGAIN {} {} {:?}", step.source, step.key, step.action);
    }
    assert_eq!(second.writes(), 0);
}
