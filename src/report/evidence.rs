//! What the page stands on, and how to check it with tools by other hands.

use super::complete::identity;
use super::html::{Html, size, thousands};
use super::names::Names;
use super::{Facts, Origin, day_and_time};
use crate::bundle::hex;
use crate::page::escaped;
use serde_json::Value;
use std::fmt::Write as _;
use std::io;

pub(super) fn write(facts: &Facts<'_>, _: &Names<'_>, html: &mut Html<'_>) -> io::Result<()> {
    let manifest = facts.reader.manifest();
    let head = &manifest.head;
    let source = |name: &str| match head.source.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(Value::Bool(yes)) => if *yes { "yes" } else { "no" }.to_owned(),
        Some(other) => other.to_string(),
    };
    let previous = head.previous.as_ref().map(|one| format!("{} of {}", hex(&one.manifest_sha256), one.created));
    let signature = match &facts.origin {
        Origin::Unsigned => "none".to_owned(),
        Origin::Claimed(keys) => format!("names key {}; not checked for this report", keys.join(", ")),
        Origin::Signed { key, comment } => format!("good, by the trusted key {key}: {comment}"),
    };
    html.facts(
        "What this report was made from",
        &[
            ("bundle", facts.name.to_owned()),
            ("size", format!("{} ({} bytes)", size(facts.reader.size()), thousands(facts.reader.size()))),
            ("identity", format!("SHA-256 {} of manifest.jsonl", identity(facts))),
            ("content", format!("SHA-256 {}, the same for the same state of a workspace", hex(&head.content_id))),
            ("bundle before", previous.unwrap_or_default()),
            ("format", format!("{}.{}", head.major, head.minor)),
            ("exported", format!("{} with {}", head.created, head.tool)),
            ("workspace", [source("workspace_id"), source("host"), source("region")].join(" ").trim().to_owned()),
            // Nothing says it but the name of the host, from which the export guesses it.
            ("cloud", some_cloud(&source("cloud"))),
            ("exported by", source("caller")),
            ("as an admin", source("caller_is_admin")),
            ("signature", signature),
            ("encrypted", if facts.encrypted { "yes, with age" } else { "no" }.to_owned()),
            ("verified", "every stored byte was hashed when this report was made".to_owned()),
            ("report", format!("made on {} by {}", day_and_time(facts.now), facts.tool)),
            ("runtimes", format!("support of runtimes as the publisher gave it on {}", facts.risk.runtimes_as_of)),
        ],
    )?;
    html.raw("<h3>Checked by hand</h3>\n")?;
    let besides = if facts.origin == Origin::Unsigned { "" } else { " and the signatures" };
    html.paragraph(&format!("Nothing of ours is needed. Every line of `sha256sum -c` must end in OK. `grep` names the files that no manifest lists: nothing but tagmanifest-sha256.txt{besides}. The last line must print the identity above."))?;
    html.raw(&format!("<pre tabindex=\"0\" aria-label=\"commands\">{}</pre>\n", escaped_lines(&by_hand(facts))))
}

fn some_cloud(cloud: &str) -> String {
    if cloud.is_empty() {
        String::new()
    } else {
        format!("{cloud}, if the name of the host is one of the vendor's: nothing else says it")
    }
}

fn by_hand(facts: &Facts<'_>) -> String {
    let file = facts.name.rsplit(['/', '\\']).next().unwrap_or_default();
    let file = format!("'{}'", file.replace('\'', "'\\''"));
    let mut lines = String::new();
    if facts.encrypted {
        let _ = writeln!(lines, "age -d -i KEY {file} > bundle.tar.zst");
    }
    let plain = if facts.encrypted { "bundle.tar.zst" } else { &file };
    let _ = writeln!(lines, "mkdir out && zstd -dc {plain} | tar -C out -xf - && cd out/bundle");
    if facts.origin != Origin::Unsigned {
        let _ = writeln!(lines, "minisign -Vm manifest.jsonl -p KEY.pub");
    }
    lines.push_str("sha256sum -c manifest-sha256.txt\nsha256sum -c tagmanifest-sha256.txt\n");
    lines.push_str("cat ./*manifest-sha256.txt | cut -c67- > ../listed\nfind . -type f | cut -c3- | grep -vxFf ../listed\n");
    lines.push_str("sha256sum manifest.jsonl");
    lines
}

fn escaped_lines(text: &str) -> String {
    text.lines().map(escaped).collect::<Vec<_>>().join("\n")
}
