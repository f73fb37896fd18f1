//! The choices of a plan: from the command line, or from a saved plan, which needs none of them again.

use super::Refusal;
use super::rules::text;
use anyhow::Context;
use clap::Args;
use lifeboat::plan::{Goal, Plan, PlanError, Recipe, Text};
use lifeboat::rules::Conflicts;
use std::path::Path;

pub const PLAN_AGAIN: &str = "plan again with `--plan-only -o FILE`, look at it, and apply that";

/// What the command line says.
#[derive(Debug)]
pub struct Given {
    /// All choices, with the usual ones where nothing was said.
    pub recipe: Recipe,
    /// Whether rules were named.
    pub rules: bool,
}

/// Options that answer questions: with a saved plan they are no contradiction.
#[derive(Debug, Args)]
pub struct Answering {
    /// What becomes of what people changed in the target, where rules do not say: `ours` (the default), `theirs`, `ask`
    #[arg(long, value_name = "WORD", value_parser = conflicts)]
    conflicts: Option<Conflicts>,
    /// Where a person is to be asked: the bundle wins for these; may be repeated
    #[arg(long, value_name = "KIND:GLOB")]
    ours: Vec<String>,
    /// Where a person is to be asked: what people did stays for these; may be repeated
    #[arg(long, value_name = "KIND:GLOB")]
    theirs: Vec<String>,
}

fn conflicts(word: &str) -> Result<Conflicts, String> {
    serde_json::from_value(word.into()).map_err(|_| "expected `ours`, `theirs` or `ask`".to_owned())
}

impl Answering {
    /// The same choices with these answers.
    pub fn with(&self, recipe: Recipe) -> Recipe {
        Recipe { conflicts: self.conflicts, ours: self.ours.clone(), theirs: self.theirs.clone(), ..recipe }
    }
}

/// Field of a recipe, and the option that sets it.
const OPTIONS: &[(&str, &str)] = &[
    ("include", "--include"),
    ("exclude", "--exclude"),
    ("map", "--map"),
    ("create_principals", "--no-create-principals"),
    ("restore_admins", "--restore-admins"),
    ("stamp", "--no-stamp"),
    ("allow_same_workspace", "--allow-same-workspace"),
    ("reverse", "--reverse"),
    ("secret_values", "--no-secret-values` or `--overwrite-secret-values"),
    ("prune", "--prune"),
];

impl Given {
    /// From the options that every command has.
    pub fn new(goal: Goal, select: (&[String], &[String]), rules: Option<&str>, map: Option<&Path>) -> anyhow::Result<Self> {
        let (include, exclude) = (select.0.to_vec(), select.1.to_vec());
        let usual = Recipe::default();
        let named = rules.map(text).transpose()?;
        let map = map.map(read).transpose()?;
        let given = named.is_some();
        let recipe = Recipe { goal, include, exclude, map, rules: named.unwrap_or_else(|| usual.rules.clone()), ..usual };
        Ok(Self { recipe, rules: given })
    }

    /// The choices of a saved plan, if nothing was said that contradicts them.
    pub fn in_plan(&self, plan: &Plan) -> anyhow::Result<Recipe> {
        let saved = &plan.made_with;
        if saved.goal != self.recipe.goal {
            let what = format!("the plan is one of `lifeboat {}`", saved.goal.command());
            let hint = format!("run `lifeboat {} --plan`, or {PLAN_AGAIN}", saved.goal.command());
            return Err(Refusal::new(what, hint).into());
        }
        let mut others = self.contradictions(saved)?;
        if plan.questions().next().is_none() {
            others.extend(self.idle_answers(saved));
        }
        if others.is_empty() {
            return Ok(saved.clone());
        }
        let what = format!("the plan was made with other choices: {}", others.join(", "));
        Err(Refusal::new(what, format!("leave them out, since the plan holds its own, or {PLAN_AGAIN}")).into())
    }

    /// Answers to a plan that asks nothing.
    fn idle_answers(&self, saved: &Recipe) -> impl Iterator<Item = &'static str> {
        let given = &self.recipe;
        let idle = [
            (given.conflicts.is_some() && given.conflicts != saved.conflicts, "--conflicts"),
            (!given.ours.is_empty() && given.ours != saved.ours, "--ours"),
            (!given.theirs.is_empty() && given.theirs != saved.theirs, "--theirs"),
        ];
        idle.into_iter().filter_map(|(idle, option)| idle.then_some(option))
    }

    fn contradictions(&self, saved: &Recipe) -> anyhow::Result<Vec<&'static str>> {
        let usual = serde_json::to_value(Recipe { goal: self.recipe.goal, ..Recipe::default() })?;
        let (given, saved_value) = (serde_json::to_value(&self.recipe)?, serde_json::to_value(saved)?);
        let differs = |field: &str| given.get(field) != usual.get(field) && given.get(field) != saved_value.get(field);
        let mut others: Vec<&str> = OPTIONS.iter().filter(|(field, _)| differs(field)).map(|(_, option)| *option).collect();
        if self.rules && self.recipe.rules.sha256 != saved.rules.sha256 {
            others.push("--rules");
        }
        Ok(others)
    }
}

fn read(path: &Path) -> anyhow::Result<Text> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Text::new(path.display().to_string(), text))
}

/// A plan out of a file.
pub fn load(path: &Path) -> anyhow::Result<Plan> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Plan::from_json(&text).map_err(|error| match error {
        PlanError::Version(_) | PlanError::Edited => Refusal::new(format!("in {}: {error}", path.display()), PLAN_AGAIN).into(),
        PlanError::Unreadable(_) => anyhow::Error::new(error).context(format!("in {}", path.display())),
    })
}
