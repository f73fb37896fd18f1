//! The command line: one file a subcommand, each arguments → options → one library call → words.

mod access;
mod activate;
mod alert;
mod apply;
mod backup;
mod bundle;
mod bundles;
mod check;
mod connect;
mod copy;
mod diff;
mod drill;
mod export;
mod extract;
mod filters;
mod find;
mod graph;
mod import;
mod kinds;
mod list;
mod moor;
mod private;
mod prune;
mod receipt;
mod recipe;
mod report;
mod reveal;
mod risk;
mod rules;
mod schema;
mod sealed;
mod sealing;
mod secret;
mod select;
mod shore;
mod show;
mod signals;
mod simulate;
mod since;
mod targets;
mod trust;
mod unlock;
mod verify;
mod whole;

use crate::ui::{self, Form, LogFormat, Ui};
use clap::{Arg, ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use lifeboat::bundle::{OpenError, ReadError, WriteError};
use lifeboat::export::ExportError;
use lifeboat::object::PatternError;
use lifeboat::origin::KeyError;
use lifeboat::plan::MapsError;
use lifeboat::restore::{Goal, RestoreError};
use lifeboat::rules::RulesError;
use lifeboat::store::{DeliverError, PlaceError, StoreError, without_signatures};
use lifeboat::values::SourceError;
use lifeboat::{api, audit, backup as nightly};
use std::io::ErrorKind;
use std::process::ExitCode;

/// What came of a command: its exit code, the same everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done, and nothing is missing.
    Done = 0,
    /// Failed, nothing usable came of it.
    Failed = 1,
    /// Wrong usage.
    Usage = 2,
    /// Done, but incomplete or degraded.
    Incomplete = 3,
    /// Differences or findings.
    Findings = 4,
    /// Refused: not safe.
    Refused = 5,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(outcome as u8)
    }
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done, and nothing is missing
  1  failed, nothing usable came of it
  2  wrong usage
  3  done, but incomplete or degraded: read the report
  4  differences or findings
  5  refused: not safe";

/// Sealed, verifiable backups of a Databricks workspace, and their restore into any other.
#[derive(Debug, Parser)]
#[command(name = "lifeboat", version, about, after_help = EXIT_CODES, max_term_width = 80)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    global: Global,
    /// Whether the answer is one table.
    #[arg(skip)]
    has_table: bool,
}

#[derive(Debug, Args)]
struct Global {
    /// Answer in JSON, for programs; errors too, on stderr
    #[arg(long, global = true)]
    json: bool,
    /// Answer in CSV, for spreadsheets: the table of the answer alone
    #[arg(long, global = true, conflicts_with = "json")]
    csv: bool,
    /// Show no progress: warnings and errors only
    #[arg(long, short, global = true)]
    quiet: bool,
    /// How progress, warnings and errors are written to stderr: as text, or as JSON lines
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        env = "LIFEBOAT_LOG_FORMAT",
        value_name = "text|json",
        hide_possible_values = true,
        hide_env = true,
        hide_default_value = true
    )]
    log_format: LogFormat,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Read a workspace and write one bundle
    #[command(after_help = EXIT_CODES)]
    Export(export::Export),
    /// The configured nightly run: several workspaces, destinations, retention, metrics, alerts
    #[command(after_help = EXIT_CODES)]
    Backup(backup::Backup),
    /// Restore a bundle into a workspace: plan, then apply; everything arrives inert
    #[command(after_help = EXIT_CODES)]
    Import(Box<import::Import>),
    /// Would a bundle restore here? What is missing, before anything is written
    #[command(after_help = check::EXIT_CODES)]
    Check(Box<check::Check>),
    /// Switch on what was active when the bundle was made, and a restore left inert
    #[command(after_help = EXIT_CODES)]
    Activate(Box<activate::Switch>),
    /// Switch off whatever of a bundle's contents is active in a workspace
    #[command(after_help = EXIT_CODES)]
    Deactivate(Box<activate::Switch>),
    /// Is this bundle whole and unaltered?
    #[command(after_help = EXIT_CODES)]
    Verify(verify::Verify),
    /// What is in a bundle, and what is not
    #[command(after_help = EXIT_CODES)]
    List(list::List),
    /// One object of a bundle
    #[command(after_help = EXIT_CODES)]
    Show(show::Show),
    /// Where a text stands: in notebooks, files, and everything else as JSON
    #[command(after_help = find::EXIT_CODES)]
    Find(find::Find),
    /// Unpack objects into a folder
    #[command(after_help = EXIT_CODES)]
    Extract(extract::Extract),
    /// What changed between two bundles, or between a bundle and a workspace as it is now
    #[command(after_help = diff::EXIT_CODES)]
    Diff(Box<diff::Diff>),
    /// What needs what: what a job needs, what depends on an object, broken references, orphans
    #[command(after_help = EXIT_CODES)]
    Graph(graph::Dependencies),
    /// Who could do what: effective access, and what of it was gained or lost
    #[command(after_help = EXIT_CODES)]
    Access(access::WhoCan),
    /// What could go wrong: secrets in clear, old runtimes, jobs of people who left, what an outage would miss
    #[command(after_help = risk::EXIT_CODES)]
    Risk(risk::Risk),
    /// One page for people: what is in a bundle, is it whole, who may do what, what runs when, what is risky
    #[command(after_help = EXIT_CODES)]
    Report(report::Report),
    /// Which bundles a folder or a store holds
    #[command(after_help = EXIT_CODES)]
    Bundles(bundles::Bundles),
    /// Bring a bundle, checked, to other places: from or to this machine, or from store to store
    #[command(after_help = EXIT_CODES)]
    Copy(copy::Copy),
    /// Remove bundles that are not to be kept any more
    #[command(after_help = EXIT_CODES)]
    Prune(prune::Prune),
    /// The sealed records of imports
    #[command(after_help = EXIT_CODES)]
    Receipt(sealed::Receipt),
    /// Rehearse a restore on embedded workspaces, timed and compared
    #[command(after_help = EXIT_CODES)]
    Drill(drill::Drill),
    /// Run embedded workspaces as servers, for any Databricks client
    #[command(after_help = format!("{}\n\n{EXIT_CODES}", simulate::HELP))]
    Simulate(simulate::Simulate),
    /// Which kinds of objects are backed up and restored
    Kinds(kinds::Kinds),
    /// The rules of a restore: what they are, and what they would do
    Rules(rules::Rules),
    /// What programs may rely on: the JSON Schemas of all answers
    Schema(schema::Schema),
}

/// Commands whose answer is one table, which spreadsheets can read.
const TABLES: [&str; 11] = ["access", "bundles", "diff", "extract", "find", "graph", "kinds", "list", "prune", "risk", "schema"];

impl Cli {
    /// The command line. Where an answer has no table, the help does not offer one.
    pub fn read() -> Self {
        let matches = Self::offered().get_matches();
        let mut cli = Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        cli.has_table = matches.subcommand_name().is_some_and(|name| TABLES.contains(&name));
        cli
    }

    fn offered() -> clap::Command {
        let command = Self::command();
        let names: Vec<String> = command.get_subcommands().map(|one| one.get_name().to_owned()).collect();
        names.iter().filter(|name| !TABLES.contains(&name.as_str())).fold(command, |command, name| {
            // One of its own takes the place of the one that all have.
            let hidden = Arg::new("csv").long("csv").action(ArgAction::SetTrue).conflicts_with("json").global(true).hide(true);
            command.mut_subcommand(name, |one| one.arg(hidden))
        })
    }

    /// Whether a program reads.
    pub fn is_json(&self) -> bool {
        self.global.json
    }

    /// How the answer is written. Errors: the answer has no table, and CSV is asked for.
    fn form(&self) -> anyhow::Result<Form> {
        match (self.global.json, self.global.csv) {
            (true, _) => Ok(Form::Json),
            (_, true) if self.has_table => Ok(Form::Csv),
            (_, true) => {
                let why = "this command answers no table: `--csv` is for those that do, `--json` for all";
                Err(Misuse(why.to_owned()).into())
            }
            _ => Ok(Form::Text),
        }
    }

    /// Runs the subcommand.
    pub fn run(self) -> anyhow::Result<Outcome> {
        ui::log_as(self.global.log_format);
        let mut ui = Ui::new(self.form()?);
        let quiet = self.global.quiet;
        let outcome = match self.command {
            Command::Export(command) => command.run(&mut ui, quiet),
            Command::Backup(command) => command.run(&mut ui, quiet),
            Command::Import(command) => command.run(&mut ui, quiet),
            Command::Check(command) => command.run(&mut ui, quiet),
            Command::Activate(command) => command.run(Goal::Activate, &mut ui, quiet),
            Command::Deactivate(command) => command.run(Goal::Deactivate, &mut ui, quiet),
            Command::Verify(command) => command.run(&mut ui, quiet),
            Command::List(command) => command.run(&mut ui),
            Command::Risk(command) => command.run(&mut ui),
            Command::Report(command) => command.run(&mut ui, quiet),
            Command::Bundles(command) => command.run(&mut ui),
            Command::Copy(command) => command.run(&mut ui, quiet),
            Command::Prune(command) => command.run(&mut ui),
            Command::Show(command) => command.run(&mut ui),
            Command::Diff(command) => command.run(&mut ui, quiet),
            Command::Graph(command) => command.run(&mut ui),
            Command::Access(command) => command.run(&mut ui),
            Command::Find(command) => command.run(&mut ui),
            Command::Extract(command) => command.run(&mut ui),
            Command::Receipt(command) => command.run(&mut ui),
            Command::Drill(command) => command.run(&mut ui, quiet),
            Command::Simulate(command) => command.run(&mut ui),
            Command::Kinds(command) => command.run(&mut ui),
            Command::Rules(command) => command.run(&mut ui),
            Command::Schema(command) => command.run(&mut ui),
        }?;
        ui.flush()?;
        Ok(outcome)
    }
}

/// Runs the asynchronous half of a command.
fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}

/// Says what went wrong, and what can be done about it.
pub fn complain(error: &anyhow::Error, json: bool) {
    // Whatever an error repeats of what it was given, the signature of an address is not for logs.
    let text = without_signatures(&error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": "));
    let hint = error.chain().find_map(hint);
    ui::complain(&text, hint.as_deref(), outcome_of(error) as u8, json);
}

/// Something that was refused because it is not safe.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct Refusal {
    what: String,
    hint: String,
}

impl Refusal {
    fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: hint.into() }
    }
}

/// An ordinary failure with advice of its own.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
struct Advised {
    what: String,
    hint: String,
}

/// Options that make no sense together.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Misuse(String);

/// The exit code of an error.
pub fn outcome_of(error: &anyhow::Error) -> Outcome {
    let taken = |cause: &(dyn std::error::Error + 'static)| {
        matches!(cause.downcast_ref::<WriteError>(), Some(WriteError::AlreadyExists { .. }))
            || matches!(cause.downcast_ref::<audit::ExtractError>(), Some(error) if error.is_taken())
            || matches!(cause.downcast_ref::<DeliverError>(), Some(error) if error.is_taken())
            || matches!(cause.downcast_ref(), Some(RestoreError::ChangesOriginals { .. }))
            || cause.is::<Refusal>()
            || matches!(cause.downcast_ref(), Some(SourceError::Open { .. }))
            || matches!(cause.downcast_ref(), Some(ExportError::Clear))
    };
    let unfit = |cause: &(dyn std::error::Error + 'static)| matches!(cause.downcast_ref(), Some(RestoreError::Rules(_)));
    let usage = |cause: &(dyn std::error::Error + 'static)| {
        cause.is::<PatternError>()
            || cause.is::<Misuse>()
            || cause.is::<audit::DemandError>()
            || cause.is::<nightly::ConfigError>()
            || matches!(cause.downcast_ref(), Some(KeyError::Public))
            || cause.is::<MapsError>()
            || cause.is::<RulesError>()
            || cause.is::<PlaceError>()
            || matches!(cause.downcast_ref(), Some(SourceError::Form { .. } | SourceError::Content { .. }))
            || unfit(cause)
    };
    if error.chain().any(usage) {
        return Outcome::Usage;
    }
    if error.chain().any(taken) { Outcome::Refused } else { Outcome::Failed }
}

fn hint(cause: &(dyn std::error::Error + 'static)) -> Option<String> {
    if let Some(RestoreError::Rules(_)) = cause.downcast_ref() {
        return Some("`lifeboat rules test RULES BUNDLE` shows all of it, and writes nothing".to_owned());
    }
    if let Some(error) = cause.downcast_ref::<api::ApiError>() {
        return error.hint();
    }
    if let Some(error) = cause.downcast_ref::<api::ConfigError>() {
        return error.hint();
    }
    if let Some(refusal) = cause.downcast_ref::<Refusal>() {
        return Some(refusal.hint.clone());
    }
    if let Some(advised) = cause.downcast_ref::<Advised>() {
        return Some(advised.hint.clone());
    }
    if let Some(error) = cause.downcast_ref::<audit::ExtractError>() {
        return error.is_taken().then(|| "nothing is overwritten: give another folder with `-o`".into());
    }
    if let Some(error) = cause.downcast_ref().or_else(|| StoreError::within(cause.downcast_ref()?)) {
        return error.hint().map(str::to_owned);
    }
    plain_hint(cause).map(str::to_owned)
}

/// Advice that needs no more than the sort of the error.
fn plain_hint(cause: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    if let Some(error) = cause.downcast_ref::<OpenError>() {
        return bundle::advice(error);
    }
    if let Some(RestoreError::ChangesOriginals { .. }) = cause.downcast_ref() {
        return Some("leave out `--rules` to bring back what was backed up, or restore into another workspace");
    }
    if let Some(ReadError::Damaged(_)) = cause.downcast_ref() {
        return Some("use another copy of the bundle; `lifeboat extract` takes out what is whole of this one");
    }
    if let Some(error) = cause.downcast_ref::<SourceError>() {
        return error.hint();
    }
    if cause.is::<PlaceError>() {
        return Some(PlaceError::hint());
    }
    if let Some(DeliverError::Taken(_)) = cause.downcast_ref() {
        return Some("give another name with `-o`, or move the old bundle away");
    }
    if let Some(WriteError::AlreadyExists { .. }) = cause.downcast_ref() {
        return Some("give another name with `-o`, or move the old bundle away");
    }
    match cause.downcast_ref::<std::io::Error>()?.kind() {
        ErrorKind::StorageFull => Some("free some space, or name a place on another disk"),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Some("name a place where you may read and write"),
        ErrorKind::NotFound => Some("check the path: a folder that a file goes into must be there already"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_those_of_commands_that_there_are() {
        let command = Cli::offered();
        command.clone().debug_assert();
        let names: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        assert!(TABLES.iter().all(|name| names.contains(name)), "{names:?}");
    }
}
