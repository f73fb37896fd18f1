//! A person's home is named after the person, and the target may spell the name otherwise: other letters, another mail
//! domain, another application id. What lies in a home goes to the home of the same person.

use super::Planner;
use super::fate::Fate;
use crate::kinds;

const OWNERS: &[&str] = &["user", "service_principal"];

/// The home that a path is or lies in: the owner's name, and the rest of the path.
pub(super) fn split(path: &str) -> Option<(&str, &str)> {
    let below = path.strip_prefix("/Users/")?;
    let (owner, rest) = below.find('/').map_or((below, ""), |at| below.split_at(at));
    (!owner.is_empty()).then_some((owner, rest))
}

impl Planner<'_> {
    /// Where a path of the source lies in the target.
    pub(super) fn place(&self, path: &str) -> String {
        let moved = split(path).and_then(|(owner, rest)| Some(format!("/Users/{}{rest}", self.owner_in_target(owner)?)));
        moved.unwrap_or_else(|| path.to_owned())
    }

    /// The owner's name in the target, if it is there and spelled otherwise.
    fn owner_in_target(&self, owner: &str) -> Option<String> {
        if self.present.by_id("directory", &format!("/Users/{owner}")).is_some() {
            return None;
        }
        let name = OWNERS.iter().filter_map(|kind| kinds::by_name(kind)).find_map(|kind| {
            let fate = self.bundle.by_key(kind, owner).first().and_then(|index| self.fates.get(*index));
            match fate {
                Some(Fate::There(there, _)) => Some(there.key.clone()),
                Some(Fate::Coming | Fate::Never(_)) => None,
                None => self
                    .maps
                    .get(kind.name, owner)
                    .map(str::to_owned)
                    .or_else(|| Some(self.present.by_key(kind, owner).first()?.key.clone())),
            }
        })?;
        let there = self.present.by_id("directory", &format!("/Users/{name}")).is_some();
        (name != owner && (there || name.to_lowercase() != owner.to_lowercase())).then_some(name)
    }

    /// Whether a home is still to come, under a name that is known only once its owner is made.
    pub(super) fn home_may_move(&self, path: &str) -> Option<String> {
        let (owner, _) = split(path)?;
        let home = format!("/Users/{owner}");
        let coming = |kind: &&str| {
            let kind = kinds::by_name(kind)?;
            self.bundle
                .by_key(kind, owner)
                .iter()
                .find(|index| matches!(self.fates.get(**index), Some(Fate::Coming)))
                .map(|_| kind)
        };
        let kind = OWNERS.iter().find_map(coming).filter(|_| self.present.by_id("directory", &home).is_none())?;
        (kind.name == "service_principal" || owner.chars().any(char::is_uppercase)).then_some(home)
    }
}

/// Names under which the target may have a home: the map file's, and small letters, as SCIM servers write them.
pub(super) fn other_names(path: &str, maps: &super::Maps) -> Vec<String> {
    let Some((owner, rest)) = split(path) else { return Vec::new() };
    let mapped = OWNERS.iter().filter_map(|kind| maps.get(kind, owner)).map(str::to_owned);
    let names = mapped.chain([owner.to_lowercase()]).filter(|name| name != owner);
    names.map(|name| format!("/Users/{name}{rest}")).collect()
}

/// A path as a reference writes it, led into the target: the alias `/Workspace` stays.
pub(super) fn rewritten(text: &str, path: &str, place: &str) -> Option<String> {
    let head = text.trim_end_matches('/').strip_suffix(path)?;
    Some(format!("{head}{place}"))
}

/// A text that names something in a home, with the home's other name.
pub(super) fn rewritten_home(text: &str, home: &str, other: &str) -> Option<String> {
    let at = text.find(home).filter(|at| *at == 0 || &text[..*at] == "/Workspace")?;
    let rest = &text[at + home.len()..];
    (rest.is_empty() || rest.starts_with('/')).then(|| format!("{}{other}{rest}", &text[..at]))
}
