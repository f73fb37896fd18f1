//! What came of a run: for whoever watches, and for people.

use crate::ui::{Ui, words};
use anyhow::Context;
use lifeboat::backup::{Config, Night, Result as Made, Status, Verdict, metrics};
use std::io::Write;
use std::path::Path;

/// Writes status and metrics; the one is for us, the other for whoever watches.
pub(super) fn keep(config: &Config, place: &Path, status: &Status) -> anyhow::Result<()> {
    replace(place, &serde_json::to_string_pretty(status)?, 0o600)?;
    match &config.metrics {
        Some(path) => replace(path, &metrics(status), 0o644),
        None => Ok(()),
    }
}

/// Puts a file in the place of an older one, so that whoever reads sees the one or the other.
fn replace(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(lifeboat::store::folder_of(path))?;
        file.write_all(text.as_bytes())?;
        #[cfg(unix)]
        file.as_file().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))?;
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

pub(super) fn tell(ui: &mut Ui, status: &Status) -> anyhow::Result<()> {
    ui.value(status)?;
    let header = ["workspace", "came to", "objects", "bytes", "requests", "seconds", "last good bundle"];
    ui.table(&header, status.workspaces.iter().map(row))?;
    for night in &status.workspaces {
        night.error.iter().try_for_each(|text| ui.line(format!("{}: {text}", night.name)))?;
        night.hint.iter().try_for_each(|text| ui.line(format!("  → {text}")))?;
        for bundle in night.result.iter().flat_map(|result| &result.bundles) {
            ui.line(format!("{}: {bundle}", night.name))?;
        }
        night.result.iter().try_for_each(|made| accepted(ui, &night.name, made))?;
        night.removed.iter().try_for_each(|bundle| ui.line(format!("{}: removed {bundle}", night.name)))?;
    }
    Ok(())
}

/// What was missing and is accepted, never in silence; and what need not be accepted any more.
fn accepted(ui: &mut Ui, name: &str, made: &Made) -> anyhow::Result<()> {
    for one in made.accepts.iter().filter(|one| one.objects > 0) {
        let why = one.why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        ui.line(format!("{name}: {} missing or degraded, accepted as `{}`{why}", words::count(one.objects, "object"), one.what))?;
    }
    for one in made.stale() {
        ui.line(format!("{name}: nothing is missing any more that `accept` calls `{}`: take it out", one.what))?;
    }
    Ok(())
}

fn row(night: &Night) -> Vec<String> {
    let made = |of: fn(&Made) -> String| night.result.as_ref().map_or("-".to_owned(), of);
    let verdict = match night.verdict {
        Verdict::Done => "done",
        Verdict::Incomplete => "INCOMPLETE",
        Verdict::Failed => "FAILED",
    };
    vec![
        night.name.clone(),
        verdict.to_owned(),
        made(|made| made.stored().to_string()),
        made(|made| words::size(made.bytes)),
        made(|made| made.requests.to_string()),
        format!("{:.1}", night.seconds),
        night.last_good.as_ref().map_or("none".to_owned(), |good| good.time.strftime("%FT%TZ").to_string()),
    ]
}
