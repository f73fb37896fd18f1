//! Saved plans: carried out exactly, or not at all.
#![expect(clippy::unwrap_used, reason = "helpers of tests: a surprise should stop the test")]

use crate::cli::{Stage, code, err, text};
use lifeboat::plan::Plan;
use std::path::{Path, PathBuf};
use std::process::Output;

const RULES: &str = "rules:\n  - name: small\n    for: {kind: instance_pool}\n    clamp: {/max_capacity: {max: 3}}\n";

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

struct Planned {
    stage: Stage,
    bundle: PathBuf,
    plan: PathBuf,
}

impl Planned {
    /// A plan of one pool, under rules.
    async fn of_one_pool() -> Self {
        let stage = Stage::set().await;
        let (bundle, plan) = (stage.bundle(), stage.path("plan.json"));
        std::fs::write(stage.path("small.yaml"), RULES).unwrap();
        let this = Self { stage, bundle, plan };
        let rules = this.stage.path("small.yaml");
        let made =
            this.import(&["--include", "instance_pool:memory", "--rules", text(&rules), "--plan-only", "-o", text(&this.plan)]);
        code(&made, 0);
        this
    }

    fn import(&self, more: &[&str]) -> Output {
        self.stage.run(&self.stage.target, &[&["import", "--unlimited", "-q", text(&self.bundle)], more].concat())
    }

    fn carry_out(&self, plan: &Path, more: &[&str]) -> Output {
        self.import(&[&["--yes", "--plan", text(plan)], more].concat())
    }

    fn with(&self, name: &str, plan: &str) -> PathBuf {
        let path = self.stage.path(name);
        std::fs::write(&path, plan).unwrap();
        path
    }

    #[track_caller]
    fn refused(&self, plan: &Path, more: &[&str], why: &str) {
        let output = self.carry_out(plan, more);
        code(&output, 5);
        assert!(err(&output).contains(why) && err(&output).contains("hint: "), "{}", err(&output));
        assert_eq!(self.stage.target.writes(), 0, "nothing was written");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_plan_needs_none_of_its_options_again() {
    let planned = Planned::of_one_pool().await;
    std::fs::remove_file(planned.stage.path("small.yaml")).unwrap();
    let done = planned.carry_out(&planned.plan, &["--include", "instance_pool:memory"]);
    code(&done, 0);
    let pools = planned.stage.target.requests().into_iter().filter(|one| one.method == "POST" && one.path.contains("pools"));
    assert_eq!(pools.count(), 1);
    let again = planned.carry_out(&planned.plan, &[]);
    code(&again, 5);
    assert!(out(&again).contains("drift: instance_pool memory: planned create, now unchanged"), "{}", out(&again));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_is_not_what_it_was_or_not_for_this_is_refused() {
    let planned = Planned::of_one_pool().await;
    let saved = std::fs::read_to_string(&planned.plan).unwrap();
    let edited = planned.with("edited.json", &saved.replace("\"memory\"", "\"memories\""));
    planned.refused(&edited, &[], "the plan was changed after it was made");
    let old = planned.with("old.json", &saved.replace("\"format\": 2", "\"format\": 1"));
    planned.refused(&old, &[], "the plan has format 1, and this version reads format 2");
    let new = planned.with("new.json", &saved.replace("\"format\": 2", "\"format\": 3, \"more\": 1"));
    planned.refused(&new, &[], "format 3");
    let mut other = Plan::from_json(&saved).unwrap();
    other.target.workspace_id = "3000000000000003".into();
    planned.refused(&planned.with("other.json", &other.to_json().unwrap()), &[], "made for workspace 3000000000000003");
    let mut other = Plan::from_json(&saved).unwrap();
    other.source.digest = "0".repeat(64);
    planned.refused(&planned.with("bundle.json", &other.to_json().unwrap()), &[], "made for another bundle");
    let spaces = saved.lines().map(str::trim).collect::<String>();
    code(&planned.carry_out(&planned.with("spaces.json", &spaces), &[]), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_option_that_says_otherwise_than_the_plan_is_refused() {
    let planned = Planned::of_one_pool().await;
    for (flags, named) in [
        (&["--rules", "standby"][..], "--rules"),
        (&["--include", "job"], "--include"),
        (&["--exclude", "job"], "--exclude"),
        (&["--no-stamp"], "--no-stamp"),
        (&["--no-create-principals"], "--no-create-principals"),
        (&["--restore-admins"], "--restore-admins"),
        (&["--prune"], "--prune"),
    ] {
        planned.refused(&planned.plan, flags, &format!("made with other choices: {named}"));
    }
    let activate = planned.stage.run(
        &planned.stage.target,
        &["activate", "--unlimited", "-q", "--yes", "--plan", text(&planned.plan), text(&planned.bundle)],
    );
    code(&activate, 5);
    assert!(err(&activate).contains("the plan is one of `lifeboat import`"), "{}", err(&activate));
}
