//! A workspace of the configuration as the export that it stands for.

use crate::cli::Advised;
use crate::cli::export::Export;
use anyhow::Context;
use clap::{Args, Command, FromArgMatches};
use jiff::Timestamp;
use lifeboat::backup::{Verify, Workspace};
use lifeboat::store::bundle_name;

/// An entry is a command line by other means: what `export` makes of its options is the only meaning that they have.
pub(super) fn export(workspace: &Workspace, began: Timestamp) -> anyhow::Result<Export> {
    let command = Export::augment_args(Command::new("export"));
    let matches = command.try_get_matches_from(options(workspace, began)).map_err(|error| {
        let text = error.to_string();
        let line = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        Advised {
            what: format!("{}: {line}", workspace.name()),
            hint: "`lifeboat export --help` says what is allowed".to_owned(),
        }
    })?;
    let export = Export::from_arg_matches(&matches)?;
    export.check().with_context(|| workspace.name().to_owned())?;
    Ok(export)
}

fn options(workspace: &Workspace, began: Timestamp) -> Vec<String> {
    let is_encrypted = workspace.recipients.as_ref().is_some_and(|all| !all.is_empty());
    let name = bundle_name(&format!("{}-{}", workspace.name(), began.strftime("%Y%m%dT%H%M%SZ")), is_encrypted);
    let mut words = vec!["export".to_owned()];
    let mut say = |option: &str, value: String| words.push(format!("--{option}={value}"));
    for place in workspace.to() {
        say("to", below(place, &name));
    }
    let one = |value: &Option<String>| value.clone().into_iter().collect::<Vec<_>>();
    let many = |values: &Option<Vec<String>>| values.clone().unwrap_or_default();
    let all = [
        ("profile", one(&workspace.profile)),
        ("include", many(&workspace.include)),
        ("exclude", many(&workspace.exclude)),
        ("max-file", one(&workspace.max_file.map(|size| size.to_string()))),
        ("level", one(&workspace.level.map(|level| level.to_string()))),
        ("max-in-flight", one(&workspace.max_in_flight.map(|most| most.to_string()))),
        ("secret-values", many(&workspace.secret_values)),
        ("recipient", many(&workspace.recipients)),
        ("sign", one(&workspace.sign.as_ref().map(|key| key.display().to_string()))),
        ("sign-password-file", one(&workspace.sign_password_file.as_ref().map(|file| file.display().to_string()))),
        ("identity", one(&workspace.identity.as_ref().map(|key| key.display().to_string()))),
        ("since", vec![workspace.since.clone().unwrap_or_else(|| "latest".to_owned())]),
        ("full-every", one(&workspace.full_every)),
        ("accept", workspace.accept().iter().map(|one| one.what.clone()).collect()),
        ("verify-upload", one(&workspace.verify.map(|verify| how(verify).to_owned()))),
    ];
    for (option, values) in all {
        values.into_iter().for_each(|value| say(option, value));
    }
    words
}

/// How closely to look, in the word of the option.
fn how(verify: Verify) -> &'static str {
    match verify {
        Verify::Ends => "ends",
        Verify::Full => "full",
    }
}

/// A name in a folder; behind a `?` an address has its signature.
fn below(folder: &str, name: &str) -> String {
    let (folder, signature) = match folder.split_once('?') {
        Some((address, signature)) if address.contains("://") => (address, format!("?{signature}")),
        _ => (folder, String::new()),
    };
    format!("{}/{name}{signature}", folder.trim_end_matches('/'))
}
