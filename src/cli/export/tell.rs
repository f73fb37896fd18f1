//! What an export came to, in words.

use super::{Made, Performed, values_of};
use crate::cli::{Outcome, list};
use crate::ui::{self, Ui, words};
use lifeboat::api::Purpose;
use lifeboat::bundle::hex;
use lifeboat::export::Exported;

/// The accounts of all kinds, what is not there, what became of the secrets, the bundle, and one word for the whole.
pub(super) fn tell(ui: &mut Ui, performed: &Performed) -> anyhow::Result<()> {
    let exported = &performed.exported;
    ui.value(&Made::of(performed))?;
    list::accounts(ui, &exported.kinds)?;
    list::gaps(ui, &exported.gaps)?;
    let degraded = exported.degraded.iter();
    list::degraded(ui, degraded.map(|(kind, path, reason)| (kind.as_str(), path.as_str(), reason.as_str())))?;
    accepted(ui, exported)?;
    secrets(ui, exported)?;
    if !exported.identity.is_admin {
        ui.line("warning: the caller is no admin, and listings leave out what a caller may not see")?;
    }
    made(ui, performed)?;
    if let Some(landing) = &performed.landing {
        landing.tell(ui)?;
        if !landing.is_everywhere() {
            ui.line("NOT EVERYWHERE: one place lacks the bundle, see above")?;
        }
    }
    Ok(ui.line(verdict(exported, performed.outcome))?)
}

/// What was blanked, and the values that were asked for.
fn secrets(ui: &mut Ui, exported: &Exported) -> anyhow::Result<()> {
    if exported.redacted > 0 {
        let (count, path) = (words::count(exported.redacted, "secret value"), exported.summary.path.display());
        ui.line(format!("{count} blanked: `lifeboat list --redacted {path}` says where"))?;
    }
    let Some(values) = values_of(exported) else { return Ok(()) };
    let (had, all) = (values.captured, words::count(values.listed - values.excluded, "secret value"));
    Ok(ui.line(match values.missing {
        0 => format!("{all} stored, readable by the recipients of this bundle alone"),
        _ => format!("{had} of {all} stored: {} not had, see above", values.missing),
    })?)
}

/// The bundle: how large, at which price, by which name, signed by whom and readable for whom.
fn made(ui: &mut Ui, performed: &Performed) -> anyhow::Result<()> {
    let Performed { exported, sealed, .. } = performed;
    let summary = &exported.summary;
    let (path, size) = (summary.path.display(), words::size(summary.bytes));
    ui.line(format!("{} objects in {path}, {size}, {}", summary.members, requests(exported)))?;
    if let Some(number) = exported.carried {
        ui.line(carried(exported, number))?;
    }
    ui.line(format!("identity {}", hex(&summary.manifest_sha256)))?;
    if let Some(key) = sealed.key {
        ui.line(format!("signed by key {key}"))?;
    }
    if let Some(readers) = sealed.readers {
        ui.line(format!("encrypted for {}", words::count(readers as u64, "recipient")))?;
    }
    Ok(())
}

fn carried(exported: &Exported, number: u64) -> String {
    let reused = &exported.summary.reused;
    format!(
        "carried over {} that did not change ({} of {} as they stood); {} read whose listing has no mark of a change",
        words::count(number, "object"),
        words::count(reused.frames, "frame"),
        words::size(reused.bytes),
        words::count(exported.unmarked, "object"),
    )
}

/// The last word.
fn verdict(exported: &Exported, outcome: Outcome) -> &'static str {
    match (outcome, exported.identity.is_admin) {
        (Outcome::Done, true) if exported.accepted > 0 => "complete, but for what is accepted",
        (Outcome::Done, true) => "complete",
        (Outcome::Done, false) => "complete as far as this caller can see",
        _ if exported.kinds.iter().all(|kind| kind.missing == 0) => {
            "DEGRADED: nothing is missing, but not all is whole, see above"
        }
        _ => "INCOMPLETE: see above",
    }
}

/// What is missing or degraded and accepted; and what need not be accepted any more.
fn accepted(ui: &mut Ui, exported: &Exported) -> anyhow::Result<()> {
    for one in &exported.accepts {
        if one.objects == 0 {
            ui::note(format!("warning: nothing is missing or degraded that `--accept {}` names: leave it out", one.pattern));
        } else {
            ui.line(format!("accepted as `{}`: {} of these", one.pattern, one.objects))?;
        }
    }
    Ok(())
}

/// How many requests it took, and for what.
fn requests(exported: &Exported) -> String {
    let of = |purpose| exported.purposes.get(&purpose).copied().unwrap_or_default();
    format!(
        "{} requests: {} listings, {} for objects whose listing has no mark of a change, {} for contents",
        exported.requests,
        of(Purpose::Listing),
        of(Purpose::Unmarked),
        of(Purpose::Contents),
    )
}
