//! What could go wrong, the heaviest first.

use super::Facts;
use super::html::{Html, items, marked};
use super::names::Names;
use crate::risk::{Finding, Severity};
use std::io;

/// So many places or objects are shown at once, and so many are folded up behind them.
const SHOWN: usize = 8;
const FOLDED: usize = 500;

pub(super) fn write(facts: &Facts<'_>, names: &Names<'_>, html: &mut Html<'_>) -> io::Result<()> {
    if facts.risk.findings.is_empty() {
        return html.paragraph("Nothing was found.");
    }
    html.paragraph(
        "What the bundle alone shows. A secret is told by its place; no part of it is in this report. `lifeboat check` asks a target as well.",
    )?;
    for severity in Severity::ALL {
        let findings: Vec<&Finding> = facts.risk.findings.iter().filter(|one| one.severity == severity).collect();
        if findings.is_empty() {
            continue;
        }
        let (title, class) = match severity {
            Severity::High => ("High", "bad"),
            Severity::Medium => ("Medium", "warn"),
            Severity::Low => ("Low", "idle"),
        };
        html.raw(&format!("<h3>{title}: {}</h3>\n", findings.len()))?;
        findings.into_iter().try_for_each(|finding| one(names, finding, class, html))?;
    }
    Ok(())
}

fn one(names: &Names<'_>, finding: &Finding, class: &str, html: &mut Html<'_>) -> io::Result<()> {
    let tag = Html::tag(class, finding.check);
    html.raw(&format!("<div class=\"finding\"><h4>{tag} {}</h4>\n", marked(&names.sentence(&finding.text))))?;
    let places: Vec<String> = match finding.places.is_empty() {
        true => finding.objects.iter().map(|object| names.told(object, None)).collect(),
        false => {
            finding.places.iter().map(|one| format!("{} at {}", names.told(&one.object, Some(&one.id)), one.spot())).collect()
        }
    };
    list(&places[..places.len().min(SHOWN)], html)?;
    if places.len() > SHOWN {
        let rest = &places[SHOWN..];
        html.raw(&format!("<details><summary>{} more</summary>\n", rest.len()))?;
        list(&rest[..rest.len().min(FOLDED)], html)?;
        if rest.len() > FOLDED {
            html.paragraph(&format!("and {} more: `lifeboat risk --json` has all", rest.len() - FOLDED))?;
        }
        html.raw("</details>\n")?;
    }
    if !finding.hint.is_empty() {
        html.raw(&format!("<p class=\"to\">{}</p>\n", marked(&finding.hint)))?;
    }
    html.raw("</div>\n")
}

fn list(names: &[String], html: &mut Html<'_>) -> io::Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    html.raw(&format!("<ul>{}</ul>\n", items(names)))
}
