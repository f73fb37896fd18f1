//! Values of secrets: where a person says that they come from, and the form in which a bundle holds them.
//!
//! No workspace gives them out by itself, and whoever has one can use it. So nothing is read unless a source is named for its
//! scope; what is read stays in types that cannot be printed; and no message repeats what a source said. Only the exit code of
//! a program, the name of a variable, the place of a file are told.

mod command;
mod file;
mod form;

pub use form::{LARGEST, Opened, SecretValue, seal, unseal};

use command::Program;
use file::Table;
use globset::{GlobBuilder, GlobMatcher};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

/// What may stand for `SOURCE`.
pub const FORMS: &str = "`env:PREFIX`, `file:PATH`, `command:PROGRAM ARGUMENTS` or `api`";

/// Sources of values, each for the scopes that its pattern names. Cheap to clone; without any, no value is read.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    entries: Arc<[Entry]>,
}

#[derive(Debug)]
struct Entry {
    scope: Pattern,
    source: Source,
}

/// Names of scopes compare without case, as a workspace compares them.
#[derive(Debug)]
struct Pattern {
    text: String,
    glob: Option<GlobMatcher>,
}

#[derive(Debug)]
enum Source {
    Workspace,
    Variables(String),
    File(PathBuf),
    Table(Table),
    Program(Program),
}

/// A source that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It is not written as it must be.
    #[error("cannot read the source of secret values \"{text}\": {why}")]
    Form {
        /// As it was given.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// The file cannot be read.
    #[error("cannot read the secret values in {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Others can read the file too.
    #[error("{} holds secret values, and others on this machine may read it (mode {mode:04o})", .path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file holds something else. What it says is not told, since that may be a secret.
    #[error("cannot read {}{} as {wanted} in JSON or YAML", .path.display(), .line.map(|line| format!(" (line {line})")).unwrap_or_default())]
    Content {
        /// The file.
        path: PathBuf,
        /// What should stand there.
        wanted: &'static str,
        /// Where it stops making sense, if that is one place.
        line: Option<u64>,
    },
}

impl SourceError {
    /// What helps.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Open { .. } => Some("`chmod 600` it: whoever may read it has these secrets"),
            Self::Content { .. } => Some("every value is a text: put quotes around numbers; bytes are `{base64: …}`"),
            Self::Form { .. } | Self::Read { .. } => None,
        }
    }
}

/// What a source says of one secret.
#[derive(Debug)]
pub enum Got {
    /// Its value.
    Value(SecretValue),
    /// The workspace itself is to be asked.
    AskWorkspace,
    /// None, and why.
    Nothing(String),
}

/// A secret by the names of its scope and its key.
pub type Name = (String, String);

impl Sources {
    /// Reads `SCOPE=SOURCE` texts. Files are not looked at yet: see [`Sources::open`].
    pub fn parse(texts: &[String]) -> Result<Self, SourceError> {
        let entries = texts.iter().map(|text| Entry::parse(text)).collect::<Result<Vec<_>, _>>()?;
        let mut plain = BTreeSet::new();
        for (entry, text) in entries.iter().zip(texts) {
            if !plain.insert(entry.scope.text.to_lowercase()) {
                return Err(form(text, "this scope has a source already"));
            }
        }
        Ok(Self { entries: entries.into() })
    }

    /// Reads the files. Errors: one is not there, is no map, or can be read by others.
    pub fn open(self) -> Result<Self, SourceError> {
        let opened = |entry: &Entry| {
            let source = match &entry.source {
                Source::Workspace => Source::Workspace,
                Source::Variables(prefix) => Source::Variables(prefix.clone()),
                Source::Program(program) => Source::Program(program.clone()),
                Source::File(path) => Source::Table(Table::read(path, entry.scope.glob.is_some())?),
                Source::Table(table) => Source::Table(table.clone()),
            };
            Ok(Entry { scope: entry.scope.clone(), source })
        };
        let entries = self.entries.iter().map(opened).collect::<Result<Vec<_>, SourceError>>()?;
        Ok(Self { entries: entries.into() })
    }

    /// Whether there is no source at all.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether there is a source for this scope.
    pub fn want(&self, scope: &str) -> bool {
        self.of(scope).is_some()
    }

    /// Patterns that no scope of a workspace answers to: slips of the pen.
    pub fn unanswered(&self, scopes: &[&str]) -> Vec<&str> {
        let met = |entry: &&Entry| !scopes.iter().any(|scope| entry.scope.fits(scope));
        self.entries.iter().filter(met).map(|entry| entry.scope.text.as_str()).collect()
    }

    /// Secrets that would get their value from one and the same variable, and why that cannot be right.
    pub fn clashes(&self, names: &BTreeSet<Name>) -> BTreeMap<Name, String> {
        let mut by_variable: BTreeMap<String, Vec<&Name>> = BTreeMap::new();
        for name in names {
            let variable = self.of(&name.0).and_then(|entry| entry.variable(name));
            variable.into_iter().for_each(|variable| by_variable.entry(variable).or_default().push(name));
        }
        let several = by_variable.into_iter().filter(|(_, names)| names.len() > 1);
        let told = |(variable, names): (String, Vec<&Name>)| {
            let all = names.iter().map(|(scope, key)| format!("{scope}/{key}")).collect::<Vec<_>>().join(" and ");
            let reason = format!("the variable {variable} would stand for {all}");
            names.into_iter().map(|name| (name.clone(), reason.clone())).collect::<Vec<_>>()
        };
        several.flat_map(told).collect()
    }

    /// The value of one secret, as far as its source gives one.
    pub async fn value(&self, scope: &str, key: &str) -> Got {
        let Some(entry) = self.of(scope) else { return Got::Nothing("no source is named for it".to_owned()) };
        let got = match &entry.source {
            Source::Workspace => return Got::AskWorkspace,
            Source::Variables(_) => variable(&entry.variable(&(scope.to_owned(), key.to_owned())).unwrap_or_default()),
            Source::File(path) => Err(format!("{} was not read", path.display())),
            Source::Table(table) => table.value(scope, key),
            Source::Program(program) => program.value(scope, key).await,
        };
        got.map_or_else(Got::Nothing, Got::Value)
    }

    /// A plain name goes before patterns, and these go in their order.
    fn of(&self, scope: &str) -> Option<&Entry> {
        let plain = self.entries.iter().find(|entry| entry.scope.glob.is_none() && entry.scope.fits(scope));
        plain.or_else(|| self.entries.iter().find(|entry| entry.scope.fits(scope)))
    }
}

impl Entry {
    fn parse(text: &str) -> Result<Self, SourceError> {
        let usage = || form(text, format!("expected SCOPE=SOURCE, where SOURCE is {FORMS}"));
        let (scope, source) = text.split_once('=').filter(|(scope, _)| !scope.is_empty()).ok_or_else(usage)?;
        let source = match source.split_once(':') {
            None if source == "api" => Source::Workspace,
            Some(("env", prefix)) => Source::Variables(prefix_of(prefix).map_err(|why| form(text, why))?),
            Some(("file", path)) if !path.is_empty() => Source::File(path.into()),
            Some(("command", line)) => Source::Program(Program::parse(line).map_err(|why| form(text, why))?),
            _ => return Err(usage()),
        };
        Ok(Self { scope: Pattern::parse(scope).map_err(|why| form(text, why))?, source })
    }

    /// The variable of a secret. A pattern may take in several scopes, and then the scope is part of the name.
    fn variable(&self, (scope, key): &Name) -> Option<String> {
        let Source::Variables(prefix) = &self.source else { return None };
        let scope = self.scope.glob.as_ref().map(|_| format!("{}_", capitals(scope))).unwrap_or_default();
        Some(format!("{prefix}{scope}{}", capitals(key)))
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, String> {
        let glob = text.contains(['*', '?', '[', '{']).then(|| GlobBuilder::new(text).case_insensitive(true).build());
        let glob = glob.transpose().map_err(|error| format!("its scope is no pattern: {error}"))?;
        Ok(Self { text: text.to_owned(), glob: glob.map(|glob| glob.compile_matcher()) })
    }

    fn fits(&self, scope: &str) -> bool {
        self.glob.as_ref().map_or_else(|| self.text.to_lowercase() == scope.to_lowercase(), |glob| glob.is_match(scope))
    }
}

impl Clone for Pattern {
    fn clone(&self) -> Self {
        Self { text: self.text.clone(), glob: self.glob.clone() }
    }
}

fn form(text: &str, why: impl Into<String>) -> SourceError {
    SourceError::Form { text: text.to_owned(), why: why.into() }
}

/// Without a prefix a key `path` would be `PATH`.
fn prefix_of(text: &str) -> Result<String, &'static str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    match text.chars().next() {
        None => Err("`env:` needs a prefix, or any variable could be a secret"),
        Some(first) if first.is_ascii_digit() || !text.chars().all(is_name) => {
            Err("a prefix of variables has letters, digits and `_`, and does not begin with a digit")
        }
        Some(_) => Ok(text.to_owned()),
    }
}

/// A name as variables have it: `storage.key-1` is `STORAGE_KEY_1`.
fn capitals(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

fn variable(name: &str) -> Result<SecretValue, String> {
    let value = std::env::var_os(name).ok_or_else(|| format!("the variable {name} is not set"))?;
    // A secret that a runner does not have arrives as an empty variable.
    let value = Some(value).filter(|value| !value.is_empty()).ok_or_else(|| format!("the variable {name} is empty"))?;
    Ok(SecretValue::from(value.into_encoded_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(texts: &[&str]) -> Sources {
        Sources::parse(&texts.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
    }

    fn names(names: &[(&str, &str)]) -> BTreeSet<Name> {
        names.iter().map(|(scope, key)| ((*scope).to_owned(), (*key).to_owned())).collect()
    }

    #[test]
    fn nothing_is_asked_for_unless_it_is_said() {
        assert!(Sources::default().is_empty() && !Sources::default().want("etl"));
        let some = sources(&["etl=api", "prod-*=env:X_"]);
        assert!(some.want("ETL") && some.want("Prod-1") && !some.want("etl2") && !some.want("test"));
        assert_eq!(some.unanswered(&["etl", "test"]), ["prod-*"]);
        assert!(sources(&["*=api"]).want("whatever"));
    }

    #[test]
    fn what_is_no_source_is_told() {
        for (text, why) in [
            ("etl", "expected SCOPE=SOURCE"),
            ("=api", "expected SCOPE=SOURCE"),
            ("etl=vault:x", "expected SCOPE=SOURCE"),
            ("etl=api:x", "expected SCOPE=SOURCE"),
            ("etl=env:", "needs a prefix"),
            ("etl=env:1A", "does not begin with a digit"),
            ("etl=command:", "names no program"),
            ("etl=command:a 'b", "a quote is not closed"),
            ("a[=api", "is no pattern"),
        ] {
            let error = Sources::parse(&[text.to_owned()]).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
        let twice = Sources::parse(&["etl=api".to_owned(), "ETL=env:A".to_owned()]).unwrap_err();
        assert!(twice.to_string().contains("a source already"));
    }

    #[test]
    fn variables_are_named_after_keys_and_behind_a_pattern_after_scopes_too() {
        let some = sources(&["etl=env:X_", "p-*=env:Y_"]);
        let variable = |scope: &str, key: &str| some.of(scope).unwrap().variable(&(scope.to_owned(), key.to_owned())).unwrap();
        assert_eq!(variable("etl", "storage.key-1"), "X_STORAGE_KEY_1");
        assert_eq!(variable("p-1", "tokén@x"), "Y_P_1_TOK_N_X");
    }

    #[test]
    fn two_secrets_of_one_variable_are_both_told() {
        let some = sources(&["etl=env:X_", "p*=env:Y_"]);
        let clashes =
            some.clashes(&names(&[("etl", "a-b"), ("etl", "a.b"), ("etl", "c"), ("p", "q-r"), ("p-q", "r"), ("x", "y")]));
        let told: Vec<&str> = clashes.keys().map(|(_, key)| key.as_str()).collect();
        assert_eq!(told, ["a-b", "a.b", "q-r", "r"]);
        assert_eq!(clashes.values().next().unwrap(), "the variable X_A_B would stand for etl/a-b and etl/a.b");
    }

    #[tokio::test]
    async fn a_name_goes_before_a_pattern_and_patterns_in_their_order() {
        let some = sources(&["*=env:LIFEBOAT_TEST_NOWHERE_", "e*=api", "etl=api"]);
        assert!(matches!(some.value("etl", "k").await, Got::AskWorkspace));
        let Got::Nothing(why) = some.value("else", "k").await else { panic!("it is not set") };
        assert_eq!(why, "the variable LIFEBOAT_TEST_NOWHERE_ELSE_K is not set");
    }
}
