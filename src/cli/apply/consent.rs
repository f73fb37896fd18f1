//! What people agree to: the plan that was saved, an answer to every question, a yes. Nothing is applied without.

use super::NOTHING_DONE;
use crate::cli::Refusal;
use crate::cli::recipe::PLAN_AGAIN;
use crate::cli::signals::interruptible;
use crate::ui::{self, Ui, words};
use lifeboat::object::SourceId;
use lifeboat::plan::{Action, Drift, Plan, Step, drift};
use lifeboat::rules::Conflicts;
use std::collections::HashMap;

/// So many objects that drifted are told.
const SHOWN: usize = 20;

/// A saved plan is carried out only if it is what would be planned now.
pub(super) fn as_planned(ui: &mut Ui, saved: &Plan, fresh: &Plan) -> anyhow::Result<()> {
    if saved.source != fresh.source {
        return Err(Refusal::new("the plan was made for another bundle", PLAN_AGAIN).into());
    }
    let (then, now) = (&saved.target.workspace_id, &fresh.target.workspace_id);
    if then != now {
        return Err(Refusal::new(format!("the plan was made for workspace {then}, and this is {now}"), PLAN_AGAIN).into());
    }
    let drifts = drift(saved, fresh);
    if drifts.is_empty() {
        return Ok(());
    }
    for one in drifts.iter().take(SHOWN) {
        ui.line(drifted(one))?;
    }
    ui.flush()?;
    let count = words::count(drifts.len() as u64, "object");
    Err(Refusal::new(format!("{count} would be treated otherwise than planned: the target changed since"), PLAN_AGAIN).into())
}

fn drifted(one: &Drift) -> String {
    let at = if one.fields.is_empty() { String::new() } else { format!("  ({})", one.fields.join(", ")) };
    let (was, now) = (one.was.unwrap_or("nothing"), one.now.unwrap_or("nothing"));
    format!("drift: {} {}: planned {was}, now {now}{at}", one.object.kind, one.key)
}

/// Asks for every question that no option answered. Nothing is applied while one is open.
pub(super) async fn settle(plan: &mut Plan) -> anyhow::Result<()> {
    let open: Vec<(SourceId, String)> = plan.questions().map(|step| (step.source.clone(), question(step))).collect();
    let mut said = HashMap::new();
    for (object, text) in open {
        let Some(ours) = asked(text).await? else {
            let count = words::count(plan.questions().count() as u64, "object");
            let what = format!("people changed {count} here, and nobody is there to say what counts");
            let hint = "give `--conflicts ours` or `--conflicts theirs`, or `--ours KIND:GLOB` and `--theirs KIND:GLOB`";
            return Err(Refusal::new(what, hint).into());
        };
        said.insert(object, if ours { Conflicts::Ours } else { Conflicts::Theirs });
    }
    plan.answer(|step| said.get(&step.source).copied());
    Ok(())
}

fn question(step: &Step) -> String {
    let why = if let Action::Ask { question, .. } = &step.action { question.as_str() } else { "" };
    format!("{} {}: {why}. Let the bundle win (`n` leaves what people did)?", step.source.kind, step.key)
}

/// Asks a person at a terminal for a yes to what is to be written.
pub(super) async fn agree(plan: &Plan) -> anyhow::Result<()> {
    if plan.writes() == 0 {
        return Ok(());
    }
    let steps = words::count(plan.writes() as u64, "step");
    match asked(format!("Apply {steps} to {}?", plan.target.host)).await? {
        Some(true) => Ok(()),
        Some(false) => Err(Refusal::new("nothing was applied", "answer `y`, or give `--yes`").into()),
        None => {
            let hint = "give `--yes` to apply it, or `--plan-only` to stop at the plan";
            Err(Refusal::new("nobody is there to agree to the plan", hint).into())
        }
    }
}

/// Asks on a thread of its own: a person who presses Ctrl-C instead of answering must not wait.
async fn asked(question: String) -> anyhow::Result<Option<bool>> {
    let (answer, answered) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || answer.send(ui::ask(&question)));
    Ok(interruptible(NOTHING_DONE, answered).await??)
}
