//! A survey of the embedded workspace.

use lifeboat::api::{Config, Options, Workspace};
use lifeboat::event::{Observer, Silent};
use lifeboat::simulator;
use lifeboat::spool::Spool;
use lifeboat::survey::{self, Found, Scope};
use std::collections::BTreeMap;
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread")]
async fn every_listed_object_comes_out_once() {
    let options = simulator::Options { seed: simulator::Seed::Sample, ..simulator::Options::default() };
    let server = simulator::Server::start(options).await.unwrap();
    let config = Config::with_host_and_token(&server.url(), server.token());
    let observer: Arc<dyn Observer> = Arc::new(Silent);
    let workspace = Workspace::new(config, Options::default().lift_rates(), observer.clone()).unwrap();
    let spool = Spool::in_temp().unwrap();
    let (sink, mut found) = tokio::sync::mpsc::channel(64);
    let scope = Scope::default();
    let reading = survey::read(&workspace, &scope, &spool, &observer, sink);
    let counting = async {
        let mut count: BTreeMap<&'static str, u64> = BTreeMap::new();
        while let Some(one) = found.recv().await {
            let kind = match one {
                Found::Object(object) => object.kind.name,
                Found::Gap(gap) => gap.kind,
            };
            *count.entry(kind).or_default() += 1;
        }
        count
    };
    let (listed, count) = tokio::join!(reading, counting);
    let mut listed = listed.unwrap();
    listed.retain(|_, number| *number > 0);
    assert_eq!(listed, count);
    assert!(count["notebook"] > 0 && count["user"] > 0, "{count:?}");
    server.stop().await;
}
