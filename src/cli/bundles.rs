//! `lifeboat bundles`

use super::{Advised, Outcome, block_on};
use crate::ui::{self, Ui, words};
use anyhow::Context;
use clap::Args;
use lifeboat::catalogue::{self, Known, Record, Shelved};
use lifeboat::store::{self, Place, Say};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;

/// Which bundles a folder or a store holds.
#[derive(Debug, Args)]
pub struct Bundles {
    /// A folder, or an address in a store as `az://ACCOUNT/CONTAINER/FOLDER`
    place: PathBuf,
    /// Open every bundle, and write the records beside them anew
    #[arg(long)]
    rebuild: bool,
}

impl Bundles {
    pub fn run(self, ui: &mut Ui) -> anyhow::Result<Outcome> {
        let place = Place::parse(&self.place)?;
        if matches!(&place, Place::Disk(path) if path.is_file()) {
            let hint = "`lifeboat list` says what is in it".to_owned();
            return Err(Advised { what: format!("{place} is a file, not a folder of bundles"), hint }.into());
        }
        let say: Say = Arc::new(|text: &str| ui::note(format!("warning: {text}")));
        let (shelved, sync) = block_on(async {
            let shelved = catalogue::bundles(&place, self.rebuild, &say).await;
            let shelved = shelved.with_context(|| format!("cannot list {place}"))?;
            if self.rebuild {
                rebuild(&shelved).await;
            }
            let sync = if shelved.is_empty() { None } else { store::last_sync(&place).await };
            Ok((shelved, sync))
        })?;
        let sync = sync.map(|sync| sync.map(|replica| replica.last).map_err(|error| error.to_string()));
        ui.value(&json!({
            "place": place.to_string(),
            "bundles": shelved.iter().map(to_json).collect::<Vec<_>>(),
            "secondary": sync.as_ref().map(|sync| secondary_json(sync.as_ref(), shelved.last())),
        }))?;
        if shelved.is_empty() {
            ui.line(format!("no bundles in {place}"))?;
            return Ok(Outcome::Done);
        }
        tell(ui, &shelved)?;
        if let (Some(sync), Some(newest)) = (sync, shelved.last()) {
            ui.line(secondary(&sync, newest))?;
        }
        let broken = shelved.iter().any(|shelved| matches!(shelved.known, Known::Unreadable(_)));
        Ok(if broken { Outcome::Findings } else { Outcome::Done })
    }
}

/// What could not be opened keeps the record that it has.
async fn rebuild(shelved: &[Shelved]) {
    for one in shelved {
        let Some(record) = one.known.record() else { continue };
        if let Err(error) = catalogue::write(&one.entry.place, record).await {
            ui::note(format!("warning: cannot write the record of {}: {error}", one.entry.place));
        }
    }
}

fn tell(ui: &mut Ui, shelved: &[Shelved]) -> anyhow::Result<()> {
    let header = ["bundle", "made", "workspace", "objects", "state", "size", "signed", "encrypted", "verified"];
    ui.table(&header, shelved.iter().map(row))?;
    for one in shelved {
        if let Known::Unreadable(why) = &one.known {
            ui.line(format!("CANNOT BE OPENED: {}: {why}", one.entry.name))?;
        }
    }
    Ok(())
}

fn row(one: &Shelved) -> Vec<String> {
    let record = one.known.record();
    let or_unknown = |text: Option<String>| text.unwrap_or_else(|| "?".to_owned());
    let time = |time: jiff::Timestamp| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let yes = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    vec![
        one.entry.name.clone(),
        or_unknown(one.time().map(time)),
        or_unknown(record.and_then(|record| record.workspace_id.clone().or_else(|| record.host.clone()))),
        or_unknown(record.map(|record| record.objects.to_string())),
        state(&one.known),
        words::size(one.entry.size),
        or_unknown(record.map(|record| yes(!record.signatures.is_empty()))),
        yes(one.is_encrypted()),
        one.verified.map_or_else(|| "never".to_owned(), time),
    ]
}

fn state(known: &Known) -> String {
    match known {
        Known::Encrypted => "?".to_owned(),
        Known::Unreadable(_) => "BROKEN".to_owned(),
        Known::Recorded(record) | Known::Opened(record) => completeness(record).to_owned(),
    }
}

fn completeness(record: &Record) -> &'static str {
    match record {
        Record { missing: 1.., .. } => "INCOMPLETE",
        Record { degraded: 1.., .. } => "DEGRADED",
        Record { is_part: true, .. } => "a part",
        _ => "complete",
    }
}

fn to_json(one: &Shelved) -> Value {
    let record = one.known.record();
    json!({
        "bundle": one.entry.place.to_string(),
        "name": one.entry.name,
        "bytes": one.entry.size,
        "written": one.entry.modified,
        "created": record.map(|record| &record.created),
        "workspace_id": record.and_then(|record| record.workspace_id.as_ref()),
        "host": record.and_then(|record| record.host.as_ref()),
        "objects": record.map(|record| record.objects),
        "degraded": record.map(|record| record.degraded),
        "missing": record.map(|record| record.missing),
        "selection": record.map(|record| record.is_part),
        "signatures": record.map(|record| &record.signatures),
        "manifest_sha256": record.map(|record| &record.manifest_sha256),
        "encrypted": one.is_encrypted(),
        "verified": one.verified,
        "from_record": matches!(one.known, Known::Recorded(_)),
        "error": match &one.known { Known::Unreadable(why) => Some(why), _ => None },
    })
}

/// Whether all that was written when the newest bundle was can be read from the other region.
fn has_arrived(last: Option<jiff::Timestamp>, newest: &Shelved) -> Option<bool> {
    Some(newest.entry.modified? < last?)
}

fn secondary(sync: &Result<Option<jiff::Timestamp>, String>, newest: &Shelved) -> String {
    let name = &newest.entry.name;
    match sync {
        Err(why) => format!("secondary: unknown whether the newest bundle is there: {why}"),
        Ok(None) => "secondary: NOT IN STEP: its first copy is under way, or it is not available".to_owned(),
        Ok(Some(last)) => match has_arrived(Some(*last), newest) {
            Some(true) => format!("secondary: has the newest bundle, {name}; in step up to {last}"),
            _ => format!("secondary: DOES NOT HAVE the newest bundle yet, {name}; in step up to {last}"),
        },
    }
}

fn secondary_json(sync: Result<&Option<jiff::Timestamp>, &String>, newest: Option<&Shelved>) -> Value {
    match sync {
        Err(why) => json!({ "last_sync": null, "has_newest": null, "error": why }),
        Ok(last) => {
            json!({ "last_sync": last, "has_newest": newest.and_then(|newest| has_arrived(*last, newest)), "error": null })
        }
    }
}
