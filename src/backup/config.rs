//! `lifeboat.yaml`, as it is written: strict. These types are also where its JSON Schema comes from.

use crate::retention::Policy;
use crate::yaml::{self, YamlError};
use jiff::{SignedDuration, Span, SpanRelativeTo};
use schemars::{JsonSchema, schema_for};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

/// What a nightly run does.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[schemars(title = "Lifeboat backup")]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What holds for each workspace that does not say otherwise itself.
    pub defaults: Workspace,
    /// The workspaces, in the order in which they are backed up. One that fails does not stop the others.
    pub workspaces: Vec<Workspace>,
    /// When the whole run is given up, as `6h` or `90m`: what is not done then has failed.
    pub deadline: Option<String>,
    /// A file that says what came of the last run, as JSON. Without it, `backup.json` in the state folder.
    pub status: Option<PathBuf>,
    /// A file of metrics for the textfile collector of Prometheus' node exporter, as `/var/lib/node_exporter/lifeboat.prom`.
    pub metrics: Option<PathBuf>,
    /// Who is told how it ended.
    pub alerts: Vec<Alert>,
}

/// One workspace. What is not said here is as `defaults` say, and else as `lifeboat export --help` says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Workspace {
    /// Its name in bundles' names, metrics and messages: letters, digits, `-`, `_`.
    pub name: Option<String>,
    /// Its profile in `~/.databrickscfg`; without it, the environment says which workspace it is.
    pub profile: Option<String>,
    /// Where its bundles go: folders, or addresses of object stores. Each succeeds or fails by itself.
    pub to: Option<Vec<String>>,
    /// Only these: `kind` or `kind:glob`.
    pub include: Option<Vec<String>>,
    /// Not these: `kind` or `kind:glob`.
    pub exclude: Option<Vec<String>>,
    /// Largest file that is read, in MiB.
    pub max_file: Option<u64>,
    /// zstd level.
    pub level: Option<i32>,
    /// Requests in flight at most.
    pub max_in_flight: Option<u16>,
    /// Who may read the bundles: age recipients, SSH public keys, or files of them.
    pub recipients: Option<Vec<String>>,
    /// Scopes of secrets whose values are stored too, each with the source they come from, as `etl=env:ETL_`, `'prod-*=api'`,
    /// `etl=file:/etc/lifeboat/etl.yaml` or `etl=command:vault kv get -field={key} secret/etl`: only in bundles for `recipients`.
    pub secret_values: Option<Vec<String>>,
    /// A minisign secret key that signs them.
    pub sign: Option<PathBuf>,
    /// A file with the password of that key.
    pub sign_password_file: Option<PathBuf>,
    /// An age identity or SSH key that opens the bundle of the night before, where it is encrypted. Without one all is read again every
    /// night, and whoever has this machine cannot read the bundles.
    pub identity: Option<PathBuf>,
    /// The bundle whose unchanged objects are not read again: `latest` in the same places, or `none`. Without it, `latest`.
    pub since: Option<String>,
    /// After so long all is read again, as `7d`.
    pub full_every: Option<String>,
    /// Which bundles are kept in each place; without it, all.
    pub keep: Option<Keep>,
    /// What is known to be missing or degraded, as nobody can ever read it. It is told and counted apart, and a night on which nothing
    /// else is missing is a good one.
    pub accept: Option<Vec<Accept>>,
    /// How closely to look at a bundle where it was put; without it, `ends`.
    pub verify: Option<Verify>,
    /// The number of objects may fall by so many percent from the last good bundle, before it is called a failure: a backup that
    /// shrinks is more often a lost permission than a tidy workspace. Without it, 20; 100 takes anything.
    pub may_shrink: Option<u8>,
}

/// A gap that is known.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Accept {
    /// What: `kind:glob` over paths and names, or a `kind` alone, which accepts also that nothing of it can be listed.
    pub what: String,
    /// Why, for whoever reads the status.
    pub why: Option<String>,
}

/// How closely to look at a bundle where it was put.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verify {
    /// Its length and both ends.
    #[default]
    Ends,
    /// Every byte, read back. That is noted beside the bundle, and a bundle that was read back is not removed for one that was not.
    Full,
}

/// How many bundles of each sort are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Keep {
    /// The newest ones.
    pub last: u32,
    /// The newest of a day, for so many days.
    pub daily: u32,
    /// The newest of a week.
    pub weekly: u32,
    /// The newest of a month.
    pub monthly: u32,
    /// The newest of a year.
    pub yearly: u32,
    /// All that were made in so long a time before the newest, as `48h` or `14d`.
    pub within: Option<String>,
}

/// Somebody who is told how a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Alert {
    /// An address that the status is posted to, as JSON.
    pub webhook: Option<String>,
    /// The environment variable that holds such an address, if the address itself is a secret.
    pub webhook_from: Option<String>,
    /// A program and its arguments; the status comes in on its standard input.
    pub command: Option<Vec<String>>,
    /// When.
    #[serde(default)]
    pub on: Occasion,
}

/// When somebody is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// Whenever a run ends: then silence is an alarm too.
    #[default]
    Always,
    /// When all is well.
    Success,
    /// When something is missing or failed.
    Trouble,
}

/// A configuration that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// It is not written as it must be.
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// What it says makes no sense.
    #[error("{place}: {why}")]
    Sense {
        /// The workspace, or the key.
        place: String,
        /// What is wrong with it.
        why: String,
    },
}

fn senseless(place: impl Into<String>, why: impl Into<String>) -> ConfigError {
    ConfigError::Sense { place: place.into(), why: why.into() }
}

impl Config {
    /// Reads the text of the file, lays its defaults under each workspace, and checks that all of it makes sense.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let mut config: Self = yaml::read(text)?;
        let defaults = std::mem::take(&mut config.defaults);
        if defaults.name.is_some() {
            return Err(senseless("defaults", "a name is one workspace's"));
        }
        config.workspaces.iter_mut().for_each(|workspace| workspace.over(&defaults));
        config.check()?;
        Ok(config)
    }

    /// The JSON Schema of the file, for editors.
    pub fn schema() -> Value {
        schema_for!(Self).to_value()
    }

    /// When the whole run is given up.
    pub fn deadline(&self) -> Result<Option<Duration>, ConfigError> {
        let deadline = self.deadline.as_deref().map(|text| span("deadline", text)).transpose()?;
        Ok(deadline.map(SignedDuration::unsigned_abs))
    }

    fn check(&self) -> Result<(), ConfigError> {
        if self.workspaces.is_empty() {
            return Err(senseless("workspaces", "there is none, so nothing would be backed up"));
        }
        self.deadline()?;
        let mut names = BTreeSet::new();
        for workspace in &self.workspaces {
            let name = workspace.checked_name()?;
            if !names.insert(name.to_lowercase()) {
                return Err(senseless(name, "two workspaces have this name"));
            }
            workspace.check(name)?;
        }
        self.alerts.iter().try_for_each(Alert::check)
    }
}

impl Workspace {
    /// Its name; a checked configuration has one for each.
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    /// Where its bundles go; a checked configuration has a place for each.
    pub fn to(&self) -> &[String] {
        self.to.as_deref().unwrap_or_default()
    }

    /// Which bundles are kept.
    pub fn policy(&self) -> Result<Option<Policy>, ConfigError> {
        self.keep.as_ref().map(|keep| keep.policy(self.name())).transpose()
    }

    /// What is known to be missing.
    pub fn accept(&self) -> &[Accept] {
        self.accept.as_deref().unwrap_or_default()
    }

    /// Share of the objects of the last good bundle that must be there, in percent.
    pub fn floor(&self) -> u64 {
        100 - u64::from(self.may_shrink.unwrap_or(20).min(100))
    }

    /// Fills in what it does not say itself.
    fn over(&mut self, defaults: &Self) {
        fn fill<T: Clone>(own: &mut Option<T>, default: Option<&T>) {
            if own.is_none() {
                *own = default.cloned();
            }
        }
        fill(&mut self.profile, defaults.profile.as_ref());
        fill(&mut self.to, defaults.to.as_ref());
        fill(&mut self.include, defaults.include.as_ref());
        fill(&mut self.exclude, defaults.exclude.as_ref());
        fill(&mut self.max_file, defaults.max_file.as_ref());
        fill(&mut self.level, defaults.level.as_ref());
        fill(&mut self.max_in_flight, defaults.max_in_flight.as_ref());
        fill(&mut self.recipients, defaults.recipients.as_ref());
        fill(&mut self.secret_values, defaults.secret_values.as_ref());
        fill(&mut self.sign, defaults.sign.as_ref());
        fill(&mut self.sign_password_file, defaults.sign_password_file.as_ref());
        fill(&mut self.identity, defaults.identity.as_ref());
        fill(&mut self.since, defaults.since.as_ref());
        fill(&mut self.full_every, defaults.full_every.as_ref());
        fill(&mut self.keep, defaults.keep.as_ref());
        fill(&mut self.accept, defaults.accept.as_ref());
        fill(&mut self.verify, defaults.verify.as_ref());
        fill(&mut self.may_shrink, defaults.may_shrink.as_ref());
    }

    fn checked_name(&self) -> Result<&str, ConfigError> {
        let name = self.name.as_deref().ok_or_else(|| senseless("workspaces", "each needs a `name`"))?;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || name.len() > 64 || !name.chars().all(is_plain) {
            return Err(senseless(name, "a name is 1 to 64 letters, digits, `-` and `_`"));
        }
        Ok(name)
    }

    fn check(&self, name: &str) -> Result<(), ConfigError> {
        if self.to().is_empty() || self.to().iter().any(String::is_empty) {
            return Err(senseless(name, "it needs `to`: where its bundles go"));
        }
        if self.accept().iter().any(|one| one.what.is_empty()) {
            return Err(senseless(name, "an entry of `accept` says no `what`"));
        }
        if self.may_shrink.is_some_and(|percent| percent > 100) {
            return Err(senseless(name, "`may_shrink` is a percentage"));
        }
        if !matches!(self.since.as_deref(), None | Some("latest" | "none")) {
            return Err(senseless(name, "`since` is `latest` or `none`"));
        }
        if let Some(text) = &self.full_every {
            span(name, text)?;
        }
        match self.policy()? {
            Some(policy) if policy.is_empty() => Err(senseless(name, "`keep` keeps nothing: say how many of which")),
            _ => Ok(()),
        }
    }
}

impl Keep {
    fn policy(&self, place: &str) -> Result<Policy, ConfigError> {
        let &Self { last, daily, weekly, monthly, yearly, .. } = self;
        let within = self.within.as_deref().map(|text| span(place, text)).transpose()?;
        Ok(Policy { last, daily, weekly, monthly, yearly, within })
    }
}

impl Alert {
    fn check(&self) -> Result<(), ConfigError> {
        let ways = [self.webhook.is_some(), self.webhook_from.is_some(), self.command.is_some()];
        if ways.into_iter().filter(|way| *way).count() != 1 {
            return Err(senseless("alerts", "each has one of `webhook`, `webhook_from` and `command`"));
        }
        match &self.command {
            Some(words) if words.is_empty() => Err(senseless("alerts", "a `command` begins with a program")),
            _ => Ok(()),
        }
    }
}

fn span(place: &str, text: &str) -> Result<SignedDuration, ConfigError> {
    duration(text).map_err(|why| senseless(place, why))
}

/// A time as people write it, here and on the command line: `90m`, `48h`, `7d`, `2 weeks`. A day has 24 hours. Errors, as a
/// sentence: it is none, or one of no or negative length.
pub fn duration(text: &str) -> Result<SignedDuration, String> {
    let wrong = || format!("`{text}` is no time such as `90m`, `48h` or `7d`");
    let span: Span = text.parse().map_err(|_| wrong())?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    if duration.is_positive() { Ok(duration) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "
defaults:
  to: [/backups, 'az://account/bundles']
  keep: { daily: 7, weekly: 5, within: 48h }
  full_every: 7d
workspaces:
  - name: primary
    profile: primary
  - name: lab
    to: [/lab]
    may_shrink: 100
deadline: 6h
alerts:
  - command: [mail, -s, backup, ops@example.com]
    on: trouble
";

    #[test]
    fn defaults_lie_under_each_workspace() {
        let config = Config::parse(WHOLE).unwrap();
        let [primary, lab] = &config.workspaces[..] else { panic!("{config:?}") };
        assert_eq!(
            (primary.to(), lab.to()),
            (&["/backups".to_owned(), "az://account/bundles".to_owned()][..], &["/lab".to_owned()][..])
        );
        let policy = lab.policy().unwrap().unwrap();
        assert_eq!((policy.daily, policy.within), (7, Some(SignedDuration::from_hours(48))));
        assert_eq!((primary.floor(), lab.floor()), (80, 0));
        assert_eq!(config.deadline().unwrap(), Some(Duration::from_hours(6)));
        assert_eq!(config.alerts[0].on, Occasion::Trouble);
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        let cases = [
            ("", "workspaces: there is none, so nothing would be backed up"),
            ("workspaces: [{to: [/b]}]", "workspaces: each needs a `name`"),
            ("workspaces: [{name: a/b, to: [/b]}]", "a/b: a name is 1 to 64 letters, digits, `-` and `_`"),
            ("workspaces: [{name: a, to: [/b]}, {name: A, to: [/b]}]", "A: two workspaces have this name"),
            ("workspaces: [{name: a}]", "a: it needs `to`: where its bundles go"),
            ("workspaces: [{name: a, to: [/b], since: '2026'}]", "a: `since` is `latest` or `none`"),
            ("workspaces: [{name: a, to: [/b], accept: [{what: ''}]}]", "a: an entry of `accept` says no `what`"),
            ("workspaces: [{name: a, to: [/b], keep: {}}]", "a: `keep` keeps nothing: say how many of which"),
            ("workspaces: [{name: a, to: [/b], keep: {within: 7x}}]", "a: `7x` is no time such as `90m`, `48h` or `7d`"),
            ("workspaces: [{name: a, to: [/b], full_every: -7d}]", "a: `-7d` is no time such as `90m`, `48h` or `7d`"),
            (
                "workspaces: [{name: a, to: [/b]}]\nalerts: [{}]",
                "alerts: each has one of `webhook`, `webhook_from` and `command`",
            ),
            ("defaults: {name: a}\nworkspaces: [{name: a, to: [/b]}]", "defaults: a name is one workspace's"),
        ];
        for (text, wanted) in cases {
            assert_eq!(Config::parse(text).unwrap_err().to_string(), wanted, "{text}");
        }
        let Err(ConfigError::Yaml(error)) = Config::parse("workspaces:\n  - nam: a\n") else { panic!() };
        assert_eq!(error.line, 2);
        assert!(error.text.contains("nam"), "{error}");
    }
}
