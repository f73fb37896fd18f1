//! What people changed in the target: who changed what is told apart, and the rules say what becomes of it.
#![expect(clippy::unwrap_used, reason = "helpers of tests: a surprise should stop the test")]

use crate::again::{named, notebook, post, reset, writes};
use crate::cli::{Stage, code, err, text};
use crate::import::{Bundled, SOURCE, TARGET, apply, bundle_from, everything, ids, options, prepare, start};
use lifeboat::import::Receipt;
use lifeboat::journal::{self, Journal};
use lifeboat::plan::{Action, Plan, Recipe, Step, Text};
use lifeboat::restore;
use lifeboat::rules::Conflicts;
use lifeboat::simulator::{Seed, Server};
use serde_json::{Value, json};

const NOTEBOOK: &str = "/Shared/Ingest/Smart meters/load_readings";

/// The sample and its restore, on a machine that remembers.
pub(super) struct Pair {
    pub(super) source: Server,
    pub(super) target: Server,
    pub(super) state: tempfile::TempDir,
}

impl Pair {
    pub(super) async fn set() -> Self {
        let (source, target) = (start(Seed::Sample, SOURCE).await, start(Seed::Prepared, TARGET).await);
        let pair = Self { source, target, state: tempfile::tempdir().unwrap() };
        let bundled = bundle_from(&pair.source).await;
        pair.import(&bundled, &Recipe::default()).await;
        pair
    }

    pub(super) fn options(&self, recipe: &Recipe) -> restore::Options {
        let read = restore::Options::made_with(recipe.clone()).unwrap();
        restore::Options { workers: 8, journals: Some(self.state.path().to_owned()), ..read }
    }

    pub(super) async fn plan(&self, bundled: &Bundled, recipe: &Recipe) -> Plan {
        prepare(bundled, &self.target, &self.options(recipe)).await
    }

    pub(super) async fn carry_out(&self, bundled: &Bundled, plan: &Plan) -> Receipt {
        let mut journal = Journal::open(self.state.path(), TARGET, SOURCE, &plan.source.digest).unwrap();
        apply(bundled, plan, &self.target, &mut journal).await
    }

    pub(super) async fn import(&self, bundled: &Bundled, recipe: &Recipe) -> Receipt {
        let plan = self.plan(bundled, recipe).await;
        self.carry_out(bundled, &plan).await
    }

    pub(super) async fn job(&self, server: &Server, name: &str, change: impl Fn(&mut Value)) {
        post(server, "/api/2.2/jobs/reset", reset(named(&everything(server).await, "job", name), change)).await;
    }

    async fn settings(&self, name: &str) -> Value {
        named(&everything(&self.target).await, "job", name).document().unwrap()["settings"].clone()
    }
}

fn rules(text: &str) -> Recipe {
    Recipe { rules: Text::new("rules.yaml", text), ..Recipe::default() }
}

fn by_default(conflicts: Conflicts) -> Recipe {
    Recipe { conflicts: Some(conflicts), ..Recipe::default() }
}

fn step<'a>(plan: &'a Plan, key: &str) -> &'a Step {
    plan.steps.iter().find(|step| step.key == key && step.source.kind != "permissions").unwrap()
}

/// A night in which both sides changed one job, people another, and the source a third.
async fn both_changed(pair: &Pair) -> Bundled {
    pair.job(&pair.target, "nightly settlement", |settings| settings["timeout_seconds"] = json!(11)).await;
    pair.job(&pair.target, "per region", |settings| settings["max_concurrent_runs"] = json!(9)).await;
    post(&pair.target, "/api/2.0/workspace/import", notebook(NOTEBOOK, "# Databricks notebook source\nprint('theirs')\n")).await;
    pair.job(&pair.source, "nightly settlement", |settings| settings["max_concurrent_runs"] = json!(4)).await;
    pair.job(&pair.source, "dbt gold", |settings| settings["timeout_seconds"] = json!(33)).await;
    bundle_from(&pair.source).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_source_changed_is_brought_and_what_people_changed_stays() {
    let pair = Pair::set().await;
    let bundled = both_changed(&pair).await;
    let theirs = by_default(Conflicts::Theirs);
    let plan = pair.plan(&bundled, &theirs).await;
    assert_eq!(writes(&plan), ["update job dbt gold", "update job nightly settlement"]);
    let at: Vec<&str> = step(&plan, "nightly settlement").action.differences().iter().map(|one| one.at.as_str()).collect();
    assert_eq!(at, ["/max_concurrent_runs"]);
    let noted = |key: &str| step(&plan, key).notes.join("; ");
    assert!(noted("per region").contains("people changed /max_concurrent_runs here"), "{}", noted("per region"));
    assert!(noted(NOTEBOOK).contains("people changed what it holds here"), "{}", noted(NOTEBOOK));
    pair.carry_out(&bundled, &plan).await;
    let nightly = pair.settings("nightly settlement").await;
    assert_eq!((&nightly["timeout_seconds"], &nightly["max_concurrent_runs"]), (&json!(11), &json!(4)));
    let settled = pair.plan(&bundled, &theirs).await;
    assert_eq!(writes(&settled), [""; 0], "and it stays so");
    // A night later the bundle may win again.
    let ours = pair.plan(&bundled, &Recipe::default()).await;
    let expected = ["update job nightly settlement", "update job per region", &format!("update notebook {NOTEBOOK}")];
    assert_eq!(writes(&ours), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_say_whose_changes_count_for_which_objects() {
    let pair = Pair::set().await;
    let bundled = both_changed(&pair).await;
    let text = "conflicts: theirs\nrules:\n  - name: ours\n    for: {kind: job, name: per region}\n    conflicts: ours\n";
    let plan = pair.plan(&bundled, &rules(text)).await;
    assert_eq!(writes(&plan), ["update job dbt gold", "update job nightly settlement", "update job per region"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_holds_a_plan_until_it_is_answered() {
    let pair = Pair::set().await;
    let bundled = both_changed(&pair).await;
    let ask = rules("conflicts: ask\n");
    let plan = pair.plan(&bundled, &ask).await;
    let mut open: Vec<&str> = plan.questions().map(|step| step.key.as_str()).collect();
    open.sort_unstable();
    assert_eq!(open, [NOTEBOOK, "nightly settlement", "per region"]);
    let saved = Plan::from_json(&plan.to_json().unwrap()).unwrap();
    assert_eq!(saved.questions().count(), 3, "also in a file");
    let answered = Recipe { ours: vec!["job:per region".into()], conflicts: Some(Conflicts::Theirs), ..ask };
    let plan = pair.plan(&bundled, &answered).await;
    assert_eq!(plan.questions().count(), 0);
    assert_eq!(writes(&plan), ["update job dbt gold", "update job nightly settlement", "update job per region"]);
    pair.carry_out(&bundled, &plan).await;
    let nightly = pair.settings("nightly settlement").await;
    assert_eq!((&nightly["timeout_seconds"], &nightly["max_concurrent_runs"]), (&json!(11), &json!(4)));
    assert_eq!(pair.settings("per region").await["max_concurrent_runs"], json!(1), "as at the source");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_deleted_comes_back_or_stays_away() {
    let pair = Pair::set().await;
    let bundled = bundle_from(&pair.source).await;
    let there = everything(&pair.target).await;
    post(&pair.target, "/api/2.2/jobs/delete", json!({ "job_id": named(&there, "job", "pooled").document().unwrap()["job_id"] }))
        .await;
    post(&pair.target, "/api/2.0/workspace/delete", json!({ "path": NOTEBOOK, "recursive": false })).await;
    let ask = pair.plan(&bundled, &by_default(Conflicts::Ask)).await;
    assert!(
        ask.questions().all(|step| matches!(&step.action, Action::Ask { question, .. } if question == "people deleted it here"))
    );
    assert_eq!(ask.questions().count(), 2);
    let theirs = pair.plan(&bundled, &by_default(Conflicts::Theirs)).await;
    assert_eq!(writes(&theirs), [""; 0]);
    let left: Vec<_> = theirs.steps.iter().filter(|step| step.unwanted).map(|step| step.source.kind.as_str()).collect();
    assert!(left.contains(&"job") && left.contains(&"notebook") && left.contains(&"permissions"), "{left:?}");
    pair.import(&bundled, &Recipe::default()).await;
    let after = everything(&pair.target).await;
    assert_eq!(ids(&after, "job")["pooled"], 1);
    assert_eq!(ids(&after, "notebook")[NOTEBOOK], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_memory_nothing_is_taken_for_granted() {
    let pair = Pair::set().await;
    let bundled = both_changed(&pair).await;
    let elsewhere = |conflicts| restore::Options { recipe: by_default(conflicts), ..options() };
    let theirs = prepare(&bundled, &pair.target, &elsewhere(Conflicts::Theirs)).await;
    assert_eq!(writes(&theirs), [""; 0], "not even what the source changed");
    let told = |plan: &Plan| plan.todos.iter().filter(|todo| todo.text.contains("nothing here remembers")).count();
    assert!(told(&theirs) > 0, "and it is told");
    let ask = prepare(&bundled, &pair.target, &elsewhere(Conflicts::Ask)).await;
    assert_eq!(ask.questions().count(), 4);
    let ours = prepare(&bundled, &pair.target, &options()).await;
    assert_eq!((writes(&ours).len(), told(&ours)), (4, 0), "as ever");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_night_without_changes_is_silent_and_what_is_remembered_holds_no_secret() {
    let pair = Pair::set().await;
    let bundled = bundle_from(&pair.source).await;
    let file = || {
        std::fs::read_dir(pair.state.path())
            .unwrap()
            .map(|one| one.unwrap().path())
            .find(|path| path.extension().is_some_and(|end| end == "memory"))
    };
    pair.import(&bundled, &Recipe::default()).await;
    let (before, sent) = (std::fs::read_to_string(file().unwrap()).unwrap(), pair.target.writes());
    let plan = pair.plan(&bundled, &Recipe::default()).await;
    assert!(plan.agreed.is_empty(), "{:?}", plan.agreed.first());
    pair.carry_out(&bundled, &plan).await;
    assert_eq!((std::fs::read_to_string(file().unwrap()).unwrap() == before, pair.target.writes()), (true, sent));
    assert!(!before.contains("CANARY") && !before.contains("lifeboat_source"));
    assert!(journal::memory(pair.state.path(), TARGET, SOURCE).unwrap().len() > 150);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_without_a_terminal_is_refused_until_it_is_answered() {
    let stage = Stage::set().await;
    let (bundle, state) = (stage.bundle(), stage.path("state"));
    let import = |more: &[&str]| {
        let arguments = ["import", "--unlimited", "-q", "--yes", "--state", text(&state), text(&bundle)];
        stage.run(&stage.target, &[&arguments[..], more].concat())
    };
    code(&import(&[]), 3);
    let there = everything(&stage.target).await;
    let longer = reset(named(&there, "job", "quarter end"), |settings| settings["timeout_seconds"] = json!(9));
    post(&stage.target, "/api/2.2/jobs/reset", longer).await;
    let before = stage.target.writes();
    let refused = import(&["--conflicts", "ask"]);
    code(&refused, 5);
    assert!(err(&refused).contains("--theirs KIND:GLOB"), "{}", err(&refused));
    code(&import(&["--conflicts", "ask", "--theirs", "job:quarter end"]), 3);
    assert_eq!(stage.target.writes(), before, "nothing is written over what people did");
    code(&import(&["--conflicts", "ask", "--ours", "job:quarter end"]), 3);
    assert!(stage.target.writes() > before);
}
