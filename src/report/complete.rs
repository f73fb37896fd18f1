//! What is not in the bundle, or less than it should be, and why.

use super::html::{Html, thousands};
use super::names::Names;
use super::summary::Clear;
use super::{Facts, some, title_of};
use crate::bundle::hex;
use std::collections::BTreeMap;
use std::io;

/// So many names of one line, and so many lines.
const NAMED: usize = 6;
const LINES: usize = 500;

pub(super) fn count(facts: &Facts<'_>) -> usize {
    let states = facts.reader.manifest().head.states;
    usize::try_from(states.missing + states.degraded).unwrap_or(usize::MAX)
}

type Lines = BTreeMap<(&'static str, String, String), Vec<String>>;

pub(super) fn write(facts: &Facts<'_>, _: &Names<'_>, html: &mut Html<'_>) -> io::Result<()> {
    let manifest = facts.reader.manifest();
    let mut lines = Lines::new();
    for gap in &manifest.gaps {
        lines.entry((gap.state.as_str(), gap.kind.clone(), gap.reason.clone())).or_default().push(gap.path.clone());
    }
    for member in manifest.members.iter().filter(|member| member.degraded.is_some()) {
        let reason = member.degraded.as_deref().unwrap_or_default().to_owned();
        let name = member.key.as_deref().unwrap_or(&member.path).to_owned();
        lines.entry(("degraded", member.kind.to_string(), reason)).or_default().push(name);
    }
    let states = manifest.head.states;
    let (captured, total) = (thousands(states.captured), thousands(states.total()));
    html.paragraph(&format!("Every object that the workspace listed is in one state: {captured} of {total} are captured, which is whole in the bundle; degraded is in it, but less than it should be; missing could not be read; excluded was left out on purpose; unavailable was not there to be read at the source."))?;
    if lines.is_empty() {
        html.paragraph("Nothing is missing or less than it should be.")?;
    } else {
        absent(&lines, html)?;
    }
    unfit(facts, html)?;
    if let Some(selection) = &manifest.head.selection {
        html.paragraph(&format!("The export was asked for a part of the workspace: {selection}"))?;
    }
    redacted(facts, html)?;
    html.paragraph(&never(facts))
}

fn absent(lines: &Lines, html: &mut Html<'_>) -> io::Result<()> {
    let order = ["missing", "degraded", "unavailable", "excluded"];
    let mut sorted: Vec<_> = lines.iter().collect();
    sorted.sort_by_key(|((state, ..), _)| order.iter().position(|known| known == state));
    let rows = sorted.iter().take(LINES).map(|((state, kind, reason), names)| {
        vec![(*state).to_owned(), title_of(kind).to_owned(), thousands(names.len() as u64), reason.clone(), some(names, NAMED)]
    });
    html.table("What is not there, or not whole", &["=state", "kind", "#objects", "why", "which"], rows)?;
    if sorted.len() > LINES {
        html.paragraph(&format!("and {} more reasons: `lifeboat list --long` has all", sorted.len() - LINES))?;
    }
    Ok(())
}

/// What is there, and nothing that could be restored.
fn unfit(facts: &Facts<'_>, html: &mut Html<'_>) -> io::Result<()> {
    let unfit = &facts.contents.unfit;
    if unfit.is_empty() {
        return Ok(());
    }
    let rows =
        unfit.iter().take(LINES).map(|one| vec![title_of(&one.object.kind).to_owned(), one.key.clone(), one.reason.clone()]);
    html.table("In the bundle, and not to be restored", &["kind", "object", "why"], rows)
}

fn redacted(facts: &Facts<'_>, html: &mut Html<'_>) -> io::Result<()> {
    let mut lines: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for one in &facts.reader.manifest().redacted {
        *lines.entry((&one.kind, &one.reason)).or_default() += 1;
    }
    if lines.is_empty() {
        return Ok(());
    }
    let rows = lines
        .iter()
        .map(|((kind, reason), count)| vec![title_of(kind).to_owned(), thousands(*count as u64), (*reason).to_owned()]);
    html.table("Values that were blanked before they were written", &["kind", "#values", "why"], rows)?;
    let (values, places) = (facts.reader.manifest().redacted.len(), Clear::of(facts).blanked);
    let again = match values.saturating_sub(places) {
        0 => String::new(),
        more => format!(" The other {more} repeat them: a cluster shows under /spec again what was asked for."),
    };
    html.paragraph(&format!("These are {values} values in {places} places; Risks has every place under clear_secret.{again}"))
}

/// What a bundle does not hold, whatever was asked for. What people wrote into code in clear text, it does.
fn never(facts: &Facts<'_>) -> String {
    let clear = match Clear::of(facts).here {
        0 => "a secret that somebody wrote into a notebook or file in clear text would be, and none was found".to_owned(),
        here => format!(
            "what somebody wrote into a notebook, file or setting in clear text is, and {} found: see Risks",
            match here {
                1 => "1 such secret was".to_owned(),
                here => format!("{} such secrets were", thousands(here as u64)),
            }
        ),
    };
    format!(
        "Not in any backup of a workspace: the values of secret scopes ({clear}); personal access tokens, who has one and how old it is, IP access lists and audit logs, of which not even a list is read; data in tables, volumes and external storage, but for files that jobs and clusters refer to; history of runs and queries; things of the account, such as metastores and networks."
    )
}

/// The identity of the bundle, as people compare it.
pub(super) fn identity(facts: &Facts<'_>) -> String {
    hex(&facts.reader.manifest().sha256)
}
