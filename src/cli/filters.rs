//! Which objects of a bundle are meant, on the command line: the same for every command that looks into one.

use super::Outcome;
use super::select::Select;
use clap::Args;
use lifeboat::audit::{Chosen, Demands, Filter, State, choose};
use lifeboat::bundle::Reader;

/// Which objects are meant.
#[derive(Debug, Args)]
#[command(next_help_heading = "Which objects (all that is given must hold; of what may be repeated, one)")]
pub struct Filters {
    #[command(flatten)]
    select: Select,
    /// Of this kind; may be repeated
    #[arg(long = "kind", value_name = "KIND")]
    kinds: Vec<String>,
    /// At this path, or below it; a glob; may be repeated
    #[arg(long = "path", value_name = "GLOB")]
    paths: Vec<String>,
    /// Called so, by the whole name or the last part of a path; a glob; may be repeated
    #[arg(long = "name", value_name = "GLOB")]
    names: Vec<String>,
    /// Made or owned by: as documents and permissions say it, and in whose home it lies; a glob; may be repeated
    #[arg(long = "owner", value_name = "GLOB")]
    owners: Vec<String>,
    /// With this tag, and value if one is given; globs; may be repeated
    #[arg(long = "tag", value_name = "KEY[=VALUE]")]
    tags: Vec<String>,
    /// Changed since: a day, a time, or how long before the bundle was made, as `7d`
    #[arg(long, value_name = "TIME")]
    modified_after: Option<String>,
    /// Changed before: a day, a time, or how long before the bundle was made, as `7d`
    #[arg(long, value_name = "TIME")]
    modified_before: Option<String>,
    /// At least so large, as `10MiB`
    #[arg(long, value_name = "SIZE", value_parser = size)]
    larger: Option<u64>,
    /// At most so large
    #[arg(long, value_name = "SIZE", value_parser = size)]
    smaller: Option<u64>,
    /// What became of it: `captured`, `degraded`, `missing`, `excluded`, `unavailable`; may be repeated
    #[arg(long = "state", value_name = "STATE", value_parser = state)]
    states: Vec<State>,
}

impl Filters {
    /// The filter, for the objects of this bundle.
    pub fn filter(&self, reader: &Reader) -> anyhow::Result<Filter> {
        Ok(Filter::new(&self.demands(), &reader.manifest().head.created)?)
    }

    /// Whether nothing is left out.
    pub fn is_everything(&self) -> anyhow::Result<bool> {
        Ok(Filter::new(&self.demands(), "1970-01-01T00:00:00Z")?.is_everything())
    }

    /// The objects that are meant.
    pub fn chosen<'a>(&self, reader: &'a Reader) -> anyhow::Result<Chosen<'a>> {
        Ok(choose(reader, &self.filter(reader)?)?)
    }

    /// Says which names were asked for and are not there, and what that makes of a command that is done.
    pub fn settle(&self, outcome: Outcome, reader: &Reader) -> anyhow::Result<Outcome> {
        self.select.settle(outcome, reader.manifest())
    }

    fn demands(&self) -> Demands {
        Demands {
            include: self.select.include.clone(),
            exclude: self.select.exclude.clone(),
            kinds: self.kinds.clone(),
            paths: self.paths.clone(),
            names: self.names.clone(),
            owners: self.owners.clone(),
            tags: self.tags.clone(),
            modified_after: self.modified_after.clone(),
            modified_before: self.modified_before.clone(),
            larger: self.larger,
            smaller: self.smaller,
            states: self.states.clone(),
        }
    }
}

fn state(text: &str) -> Result<State, String> {
    let words = || State::ALL.map(State::as_str).join(", ");
    State::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| format!("it is none of {}", words()))
}

/// `500`, `10k`, `10KiB`, `1.5GiB`, and decimal as `10KB`.
fn size(text: &str) -> Result<u64, String> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: f64 = number.parse().map_err(|_| format!("\"{text}\" is no size such as `10MiB`"))?;
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1_u64,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        other => return Err(format!("\"{other}\" is none of B, KiB, MiB, GiB, KB, MB, GB")),
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a size is asked for in round figures"
    )]
    Ok((number * unit as f64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_states_are_read() {
        assert_eq!(
            [size("500"), size("10k"), size("1.5 GiB"), size("2MB")],
            [Ok(500), Ok(10_240), Ok(1_610_612_736), Ok(2_000_000)]
        );
        assert!(size("large").is_err() && size("5 parsecs").is_err() && size("").is_err());
        assert_eq!(state("degraded"), Ok(State::Degraded));
        assert!(state("lost").is_err());
    }
}
