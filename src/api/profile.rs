//! Reads one profile out of `.databrickscfg`, and nothing into it: no escapes, no quotes, no inheritance.

use super::config_error::ConfigError;
use ini::{Ini, ParseOption};
use std::io::ErrorKind;
use std::path::Path;

/// One profile as it stands in the file.
pub(super) struct Section {
    pub(super) name: String,
    pub(super) pairs: Vec<(String, String)>,
}

/// Holds settings of the tools themselves, and is never a profile.
const RESERVED: &str = "__settings__";

/// Loads the profile: the one named, else `default_profile` of `[__settings__]`, else `[DEFAULT]`.
///
/// `None` if nothing was named and there is no such file or profile.
pub(super) fn load(file: Option<&Path>, named: Option<&str>) -> Result<Option<Section>, ConfigError> {
    let Some(ini) = file.map(read).transpose()?.flatten() else {
        return named.map_or(Ok(None), |name| Err(missing(name, file, Vec::new())));
    };
    let chosen = ini.get_from(Some(RESERVED), "default_profile").map(str::trim).filter(|name| !name.is_empty());
    let name = named.or(chosen).unwrap_or("DEFAULT");
    match ini.section(Some(name)).filter(|_| name != RESERVED) {
        Some(pairs) => Ok(Some(section(name, pairs))),
        None if named.is_none() && chosen.is_none() => Ok(None),
        None => Err(missing(name, file, profiles(&ini))),
    }
}

fn read(path: &Path) -> Result<Option<Ini>, ConfigError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(ConfigError::Unreadable { path: path.to_owned(), source }),
    };
    let options = ParseOption { enabled_quote: false, enabled_escape: false, ..ParseOption::default() };
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let malformed = |error: ini::ParseError| ConfigError::Malformed {
        path: path.to_owned(),
        line: error.line + 1,
        message: said(&error.msg),
    };
    Ini::load_from_str_opt(text, options).map(Some).map_err(malformed)
}

/// The parser's words, less the Rust in them: `expecting "[Some('='), Some(':')]" but found EOF.`
fn said(message: &str) -> String {
    message.replace("Some('", "'").replace("')", "'").trim_end_matches('.').to_owned()
}

fn section(name: &str, pairs: &ini::Properties) -> Section {
    let pairs = pairs.iter().map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned())).collect();
    Section { name: name.to_owned(), pairs }
}

fn profiles(ini: &Ini) -> Vec<String> {
    ini.sections().flatten().filter(|name| *name != RESERVED).map(str::to_owned).collect()
}

fn missing(name: &str, file: Option<&Path>, known: Vec<String>) -> ConfigError {
    let file = file.map_or_else(|| "~/.databrickscfg".to_owned(), |file| file.display().to_string());
    ConfigError::NoProfile { profile: name.to_owned(), file, known }
}
