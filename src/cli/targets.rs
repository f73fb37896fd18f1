//! Where an export goes: a name on disk, a store, or several places in one run, each of which succeeds or fails on its own.

use super::{Outcome, hint};
use crate::ui::{self, Ui, words};
use clap::{Args, ValueEnum};
use lifeboat::catalogue::{self, Record};
use lifeboat::event::{Event, Observer, causes};
use lifeboat::store::{self, DeliverError, Delivered, Hold, Look, Place, PlaceError, Seen, folder_of, is_encrypted_name};
use schemars::JsonSchema;
use serde::Serialize;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

/// Where the bundle goes.
#[derive(Debug, Args)]
pub struct Targets {
    /// Where the bundle goes: a file, a folder with a slash at its end, or an address in a store as `az://ACCOUNT/CONTAINER/FOLDER`, `https://…`, `s3://…`, `gs://…`;
    /// may be repeated. In a folder, and without this, it gets a name from the workspace and the UTC time
    #[arg(long, short = 'o', visible_alias = "to", value_name = "PLACE")]
    output: Vec<PathBuf>,
    #[command(flatten)]
    closely: Closely,
}

/// How closely to look at what arrived.
#[derive(Debug, Args)]
pub struct Closely {
    /// How closely to look at what arrived: its length and both ends, or every byte, which is then noted beside the bundle
    #[arg(long, value_enum, value_name = "HOW", default_value = "ends")]
    verify_upload: Closeness,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Closeness {
    Ends,
    Full,
}

/// The places, and what is known to be wrong with each.
#[derive(Debug)]
pub struct Places {
    all: Vec<(Place, Option<DeliverError>)>,
    look: Look,
    name: String,
}

/// What came of each place.
#[derive(Debug)]
pub struct Landing {
    places: Vec<(Place, Result<Delivered, DeliverError>)>,
    file: Arc<File>,
}

impl Targets {
    /// Reads the addresses. Errors: one of them is none.
    pub fn places(&self) -> Result<Places, PlaceError> {
        Places::parse(&self.output, &self.closely)
    }
}

impl Places {
    /// Reads addresses. Errors: one of them is none.
    pub fn parse(addresses: &[PathBuf], closely: &Closely) -> Result<Self, PlaceError> {
        let look = match closely.verify_upload {
            Closeness::Ends => Look::Ends,
            Closeness::Full => Look::Full,
        };
        let all: Result<Vec<_>, _> = addresses.iter().map(|address| Ok((Place::parse(address)?, None))).collect();
        Ok(Self { all: all?, look, name: String::new() })
    }

    /// Gives the bundle its name wherever it has none.
    pub fn name(&mut self, name: &str) {
        name.clone_into(&mut self.name);
        if self.all.is_empty() {
            self.all.push((Place::Disk(name.into()), None));
        }
        for (place, _) in self.all.iter_mut().filter(|(place, _)| place.is_folder()) {
            *place = place.join(name);
        }
    }

    /// All of them, in their order.
    pub fn all(&self) -> Vec<Place> {
        self.all.iter().map(|(place, _)| place.clone()).collect()
    }

    /// How closely to look at what arrived.
    pub fn look(&self) -> Look {
        self.look
    }

    /// The place, if it is one alone, and on disk.
    pub fn only_path(&self) -> Option<PathBuf> {
        match self.all.as_slice() {
            [(Place::Disk(path), _)] => Some(path.clone()),
            _ => None,
        }
    }

    /// Asks each place whether it can take a bundle, before a workspace is read for hours. Errors: none can.
    pub async fn check(&mut self) -> anyhow::Result<()> {
        self.check_but(|_| false).await
    }

    /// The same for a copy: a name that is taken may be so by the very bundle.
    pub async fn check_for_copy(&mut self) -> anyhow::Result<()> {
        self.check_but(DeliverError::is_taken).await
    }

    async fn check_but(&mut self, may_be_fine: fn(&DeliverError) -> bool) -> anyhow::Result<()> {
        for (place, trouble) in &mut self.all {
            *trouble = store::is_free(place).await.err();
        }
        if self.all.iter().any(|(_, trouble)| trouble.as_ref().is_none_or(may_be_fine)) {
            let troubles = self.all.iter().filter_map(|(_, trouble)| trouble.as_ref().filter(|trouble| !may_be_fine(trouble)));
            troubles.for_each(|trouble| ui::note(format!("warning: {}; going on with the others", causes(trouble))));
            return Ok(());
        }
        self.others_are_told();
        match self.all.pop() {
            Some((_, Some(trouble))) => Err(trouble.into()),
            _ => Ok(()),
        }
    }

    /// All but the last, which is told as the error of the command.
    fn others_are_told(&self) {
        let others = self.all.iter().rev().skip(1).rev();
        others.filter_map(|(_, trouble)| trouble.as_ref()).for_each(|trouble| ui::note(format!("error: {}", causes(trouble))));
    }

    /// Where the bundle is made: on the disk that it goes to, or else where temporary files are.
    pub fn hold(&self) -> Hold {
        let on_disk = self.all.iter().find_map(|(place, trouble)| match place {
            Place::Disk(path) if trouble.is_none() => Some(folder_of(path).to_owned()),
            _ => None,
        });
        Hold::in_folder(&on_disk.unwrap_or_else(std::env::temp_dir))
    }

    /// Brings the bundle to every place that can take one. Errors: none took it.
    pub async fn deliver(self, hold: &Hold, record: Record, observer: &dyn Observer) -> anyhow::Result<Landing> {
        let name = self.name.clone();
        let file = Arc::new(hold.take().ok_or_else(|| anyhow::anyhow!("the bundle that was to be sent is not there"))?);
        let landing = self.send(file, Some(&record), observer).await;
        if landing.is_anywhere() { Ok(landing) } else { Err(landing.keep(hold, &name).await) }
    }

    /// The same with a file that stays where it is. What holds it already needs no more.
    pub async fn copy(self, file: Arc<File>, record: Option<&Record>, observer: &dyn Observer) -> anyhow::Result<Landing> {
        let landing = self.send(file, record, observer).await;
        if landing.is_anywhere() { Ok(landing) } else { Err(landing.failed()) }
    }

    async fn send(self, file: Arc<File>, record: Option<&Record>, observer: &dyn Observer) -> Landing {
        observer.event(&Event::Stage("upload"));
        let mut places = Vec::new();
        for (place, trouble) in self.all {
            let landed = match trouble {
                // Run again, a copy that was done is done.
                Some(trouble) if trouble.is_taken() => match store::is_there(&file, &place, self.look).await {
                    Ok(Some(delivered)) => Ok(delivered),
                    _ => Err(trouble),
                },
                Some(trouble) => Err(trouble),
                None => Box::pin(store::deliver(&file, &place, self.look)).await,
            };
            places.push((place, landed));
        }
        let landing = Landing { places, file };
        if let Some(record) = record {
            landing.record(record, self.look).await;
        }
        landing
    }
}

impl Landing {
    /// No place took it, and it may be the work of hours, or the last of a workspace: it stays on this machine.
    async fn keep(self, hold: &Hold, name: &str) -> anyhow::Error {
        let kept = hold.target().with_file_name(name);
        let outcome = store::deliver(&self.file, &Place::Disk(kept.clone()), Look::Full).await;
        let kept = kept.display();
        let cause = self.failed();
        match outcome {
            Ok(_) => cause.context(format!(
                "no place took the bundle; it is whole, and was kept as {kept}: `lifeboat copy {kept} PLACE` sends it later"
            )),
            Err(error) => {
                cause.context(format!("no place took the bundle, and it could not be kept either ({})", causes(&error)))
            }
        }
    }

    /// Why no place has it: of the last as an error, of the others in words.
    fn failed(mut self) -> anyhow::Error {
        let last = self.places.pop();
        self.complain();
        last.and_then(|(_, landed)| landed.err()).map_or_else(|| anyhow::anyhow!("there is no place"), Into::into)
    }

    fn is_anywhere(&self) -> bool {
        self.places.iter().any(|(_, landed)| landed.is_ok())
    }

    /// Writes the records for the catalogue, wherever a bundle cannot be opened as fast as its record can, and notes what was read back.
    async fn record(&self, given: &Record, look: Look) {
        for (place, landed) in &self.places {
            let slow = match place {
                Place::Remote(_) => true,
                Place::Disk(path) => is_encrypted_name(&path.to_string_lossy()),
            };
            if let Ok(Delivered { seen: seen @ (Seen::Ends | Seen::Full), .. }) = landed {
                note(place, given, slow, look == Look::Full && *seen == Seen::Full).await;
            }
        }
    }

    /// Says what did not work, and what helps.
    fn complain(&self) {
        for error in self.places.iter().filter_map(|(_, landed)| landed.as_ref().err()) {
            ui::note(format!("error: {}", causes(error)));
            advice(error).into_iter().for_each(|hint| ui::note(format!("hint: {hint}")));
        }
    }

    /// Where it can be had now.
    pub fn bundles(&self) -> Vec<String> {
        self.places.iter().filter(|(_, landed)| landed.is_ok()).map(|(place, _)| place.to_string()).collect()
    }

    /// What came of each place, for people.
    pub fn tell(&self, ui: &mut Ui) -> anyhow::Result<()> {
        for (place, landed) in &self.places {
            match landed {
                Ok(delivered) => ui.line(format!("delivered to {place}: {}", delivered_words(delivered)))?,
                Err(error) => ui.line(format!("NOT DELIVERED to {place}: {}", cause(error)))?,
            }
        }
        Ok(())
    }

    /// The same for programs.
    pub fn to_json(&self) -> Vec<Delivery> {
        self.places.iter().map(|(place, landed)| Delivery::of(place, landed.as_ref())).collect()
    }

    /// Whether every place has its bundle.
    pub fn is_everywhere(&self) -> bool {
        self.places.iter().all(|(_, landed)| landed.is_ok())
    }

    /// What the places make of the outcome: one that lacks its bundle makes the whole incomplete.
    pub fn settle(&self, outcome: Outcome) -> Outcome {
        self.complain();
        if self.is_everywhere() || outcome != Outcome::Done { outcome } else { Outcome::Incomplete }
    }
}

/// What came of a place.
#[derive(Serialize, JsonSchema)]
pub struct Delivery {
    /// The place.
    place: String,
    /// Whether the bundle is there.
    delivered: bool,
    /// How closely it was looked at afterwards: `ends`, `full`, `nothing`; only of what was delivered.
    #[serde(skip_serializing_if = "Option::is_none")]
    checked: Option<&'static str>,
    /// Bytes that were there already, whole or from an earlier try, and were read back; only of what was delivered.
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<u64>,
    /// Why it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// What helps.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// Whether the name is taken; only of what was not delivered.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<bool>,
}

impl Delivery {
    fn of(place: &Place, landed: Result<&Delivered, &DeliverError>) -> Self {
        let place = place.to_string();
        match landed {
            Ok(Delivered { seen, found }) => {
                let (checked, found) = (Some(seen_code(*seen)), Some(*found));
                Self { place, delivered: true, checked, found, error: None, hint: None, refused: None }
            }
            Err(error) => {
                let (hint, refused) = (advice(error), Some(error.is_taken()));
                Self { place, delivered: false, checked: None, found: None, error: Some(causes(error)), hint, refused }
            }
        }
    }
}

/// Writes beside a bundle what is known of it: its record, where one is wanted, and that all of it was read back, if it was. That
/// nothing can be written is worth a word and no more, since both can be made again.
pub async fn note(place: &Place, record: &Record, wants_record: bool, was_read_back: bool) {
    if let Err(error) = note_at(place, record, wants_record, was_read_back).await {
        ui::note(format!("warning: the bundle is there, and its record for `lifeboat bundles` could not be written: {error:#}"));
    }
}

async fn note_at(place: &Place, record: &Record, wants_record: bool, was_read_back: bool) -> anyhow::Result<()> {
    if wants_record {
        catalogue::record(place, record).await?;
    }
    if was_read_back {
        catalogue::note_verified(place, jiff::Timestamp::now(), &record.manifest_sha256, "read back").await?;
    }
    Ok(())
}

fn delivered_words(delivered: &Delivered) -> String {
    let seen = seen_words(delivered.seen);
    match delivered.found {
        0 => seen.to_owned(),
        found => format!("{} of it were there from an earlier try and were read back; {seen}", words::size(found)),
    }
}

fn seen_words(seen: Seen) -> &'static str {
    match seen {
        Seen::Ends => "looked at afterwards, its length and both ends",
        Seen::Full => "read back, every byte",
        Seen::Nothing => "not looked at afterwards, since whoever is signed in may write there and not read",
    }
}

fn seen_code(seen: Seen) -> &'static str {
    match seen {
        Seen::Ends => "ends",
        Seen::Full => "full",
        Seen::Nothing => "nothing",
    }
}

/// Why, where the place was told already.
fn cause(error: &DeliverError) -> String {
    match std::error::Error::source(error) {
        Some(cause) if !matches!(error, DeliverError::Taken(_)) => causes(cause),
        _ => causes(error),
    }
}

fn advice(error: &DeliverError) -> Option<String> {
    anyhow::Chain::new(error).find_map(hint)
}
