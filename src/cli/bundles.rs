//! `lifeboat bundles`

use super::{Advised, Outcome, block_on};
use crate::ui::{self, Ui, words};
use anyhow::Context;
use clap::Args;
use jiff::Timestamp;
use lifeboat::catalogue::{self, Known, Record, Shelved};
use lifeboat::store::{self, Place, Say};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeSet;
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
    /// Print the address of the newest bundle that can be opened, and nothing else: for `$(…)` in other commands
    #[arg(long, conflicts_with = "rebuild")]
    newest: bool,
    /// Of this workspace alone, where the place holds bundles of several: its id
    #[arg(long, value_name = "ID", requires = "newest")]
    workspace: Option<String>,
}

impl Bundles {
    pub fn run(self, ui: &mut Ui) -> anyhow::Result<Outcome> {
        let place = Place::parse(&self.place)?;
        if matches!(&place, Place::Disk(path) if path.is_file()) {
            let hint = "`lifeboat list` says what is in it".to_owned();
            return Err(Advised { what: format!("{place} is a file, not a folder of bundles"), hint }.into());
        }
        let say: Say = Arc::new(|text: &str| ui::note(format!("warning: {text}")));
        if self.newest {
            return self.tell_newest(ui, &place, &say);
        }
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
        ui.value(&Found {
            place: place.to_string(),
            bundles: shelved.iter().map(FoundBundle::of).collect(),
            secondary: sync.as_ref().map(|sync| Secondary::of(sync, shelved.last())),
        })?;
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

    fn tell_newest(&self, ui: &mut Ui, place: &Place, say: &Say) -> anyhow::Result<Outcome> {
        let shelved =
            block_on(async { catalogue::bundles(place, false, say).await.with_context(|| format!("cannot list {place}")) })?;
        let newest = newest(place, &shelved, self.workspace.as_deref())?;
        ui.value(&FoundBundle::of(newest))?;
        ui.line(newest.entry.place.to_string())?;
        Ok(Outcome::Done)
    }
}

/// The newest bundle that can be opened. Which of several workspaces is meant must be said: a restore of the wrong one is worse than none.
fn newest<'a>(place: &Place, shelved: &'a [Shelved], wanted: Option<&str>) -> anyhow::Result<&'a Shelved> {
    let asked = |one: &&Shelved| wanted.is_none_or(|wanted| workspace(one).as_deref() == Some(wanted));
    let (broken, whole): (Vec<&Shelved>, Vec<&Shelved>) =
        shelved.iter().filter(asked).partition(|one| matches!(one.known, Known::Unreadable(_)));
    let workspaces: BTreeSet<String> = whole.iter().filter_map(|one| workspace(one)).collect();
    if workspaces.len() > 1 {
        let what = format!("{place} holds bundles of {} workspaces", workspaces.len());
        let hint = format!("say which with `--workspace`: {}", workspaces.into_iter().collect::<Vec<_>>().join(", "));
        return Err(Advised { what, hint }.into());
    }
    let Some(newest) = whole.last() else {
        let what = format!("{place} holds no bundle that can be opened");
        return Err(Advised { what, hint: "`lifeboat bundles` without `--newest` says what is there".to_owned() }.into());
    };
    for one in broken.iter().filter(|one| one.time() > newest.time()) {
        ui::note(format!("warning: passed over {}, which is newer and cannot be opened", one.entry.name));
    }
    Ok(newest)
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

const COLUMNS: [&str; 9] = ["bundle", "made", "workspace", "objects", "state", "size", "signed", "encrypted", "verified"];

/// Two lines for each bundle: a name and all that is known of it do not fit beside each other.
fn tell(ui: &mut Ui, shelved: &[Shelved]) -> anyhow::Result<()> {
    ui.row(COLUMNS)?;
    let several = shelved.iter().filter_map(workspace).collect::<BTreeSet<_>>().len() > 1;
    for one in shelved {
        ui.row(row(one).iter().map(String::as_str))?;
        ui.line(&one.entry.name)?;
        ui.line(format!("  {}", facts(one, several)))?;
        if let Known::Unreadable(why) = &one.known {
            ui.line(format!("  CANNOT BE OPENED: {why}"))?;
        }
    }
    Ok(())
}

fn workspace(one: &Shelved) -> Option<String> {
    one.known.record().and_then(|record| record.workspace_id.clone().or_else(|| record.host.clone()))
}

/// What is known of a bundle, for people.
fn facts(one: &Shelved, several: bool) -> String {
    let record = one.known.record();
    let signed = record.map(|record| if record.signatures.is_empty() { "not signed" } else { "signed" }.to_owned());
    let verified = one.verified.map_or_else(|| "unverified".to_owned(), |time| format!("verified {}", time.strftime("%Y-%m-%d")));
    let facts = [
        one.time().map(|time| time.strftime("%Y-%m-%d %H:%M UTC").to_string()),
        workspace(one).filter(|_| several).map(|id| format!("workspace {id}")),
        record.map(|record| words::count(record.objects, "object")),
        Some(state(&one.known)).filter(|state| state != "?"),
        Some(words::size(one.entry.size)),
        signed,
        one.is_encrypted().then(|| "encrypted".to_owned()),
        Some(verified),
    ];
    facts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn row(one: &Shelved) -> Vec<String> {
    let record = one.known.record();
    let or_unknown = |text: Option<String>| text.unwrap_or_else(|| "?".to_owned());
    let time = |time: jiff::Timestamp| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let yes = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    vec![
        one.entry.name.clone(),
        or_unknown(one.time().map(time)),
        or_unknown(workspace(one)),
        or_unknown(record.map(|record| record.objects.to_string())),
        state(&one.known),
        one.entry.size.to_string(),
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
        Record { accepted: 1.., .. } if record.is_complete() => "accepted",
        Record { missing: 1.., .. } => "INCOMPLETE",
        Record { degraded: 1.., .. } => "DEGRADED",
        Record { is_part: true, .. } => "a part",
        _ => "complete",
    }
}

/// The bundles of a place.
#[derive(Serialize, JsonSchema)]
pub struct Found {
    /// The folder or store.
    place: String,
    /// Its bundles, the newest last.
    bundles: Vec<FoundBundle>,
    /// What the other region of a store has; null where there is none, or no bundle.
    secondary: Option<Secondary>,
}

/// One bundle of a place. What is known from a record or the bundle is null where neither can be read.
#[derive(Serialize, JsonSchema)]
pub struct FoundBundle {
    /// Path or address.
    bundle: String,
    /// Its name in the place.
    name: String,
    /// Its size in bytes.
    bytes: u64,
    /// When the file was written, as far as the place says.
    written: Option<Timestamp>,
    /// When the export began, RFC 3339.
    created: Option<String>,
    /// The workspace that it is of.
    workspace_id: Option<String>,
    /// Address of the workspace.
    host: Option<String>,
    /// Objects in it.
    objects: Option<u64>,
    /// Of which less than whole.
    degraded: Option<u64>,
    /// Objects that could not be read.
    missing: Option<u64>,
    /// How many of both whoever exported accepts as that.
    accepted: Option<u64>,
    /// Whether only a part was asked for.
    selection: Option<bool>,
    /// Names of the signatures in it; this does not say that they are good.
    signatures: Option<Vec<String>>,
    /// SHA-256 of the manifest: the bundle's identity.
    manifest_sha256: Option<String>,
    /// Whether it is encrypted.
    encrypted: bool,
    /// When it was last found whole, as far as anybody noted it.
    verified: Option<Timestamp>,
    /// Whether all this is from the record beside it.
    from_record: bool,
    /// Why it cannot be opened.
    error: Option<String>,
}

impl FoundBundle {
    fn of(one: &Shelved) -> Self {
        let record = one.known.record();
        Self {
            bundle: one.entry.place.to_string(),
            name: one.entry.name.clone(),
            bytes: one.entry.size,
            written: one.entry.modified,
            created: record.map(|record| record.created.clone()),
            workspace_id: record.and_then(|record| record.workspace_id.clone()),
            host: record.and_then(|record| record.host.clone()),
            objects: record.map(|record| record.objects),
            degraded: record.map(|record| record.degraded),
            missing: record.map(|record| record.missing),
            accepted: record.map(|record| record.accepted),
            selection: record.map(|record| record.is_part),
            signatures: record.map(|record| record.signatures.clone()),
            manifest_sha256: record.map(|record| record.manifest_sha256.clone()),
            encrypted: one.is_encrypted(),
            verified: one.verified,
            from_record: matches!(one.known, Known::Recorded(_)),
            error: if let Known::Unreadable(why) = &one.known { Some(why.clone()) } else { None },
        }
    }
}

/// The other region of a store.
#[derive(Serialize, JsonSchema)]
struct Secondary {
    /// Up to when it is in step.
    last_sync: Option<Timestamp>,
    /// Whether it has the newest bundle.
    has_newest: Option<bool>,
    /// Why that is not known.
    error: Option<String>,
}

impl Secondary {
    fn of(sync: &Result<Option<Timestamp>, String>, newest: Option<&Shelved>) -> Self {
        match sync {
            Err(why) => Self { last_sync: None, has_newest: None, error: Some(why.clone()) },
            Ok(last) => {
                let has_newest = newest.and_then(|newest| has_arrived(*last, newest));
                Self { last_sync: *last, has_newest, error: None }
            }
        }
    }
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
