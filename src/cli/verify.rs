//! `lifeboat verify`

use super::Outcome;
use super::bundle::Bundle;
use super::trust::unsigned;
use crate::ui::{Progress, Ui, words};
use anyhow::Context;
use clap::Args;
use lifeboat::audit::{Depth, Verdict};
use lifeboat::bundle::{Finding, KindLine, ObjectName, OpenError, Signature, hex};
use lifeboat::origin::{Signed, claimed};
use schemars::JsonSchema;
use serde::Serialize;

/// Is this bundle whole and unaltered?
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub struct Verify {
    #[command(flatten)]
    bundle: Bundle,
    /// Also decompress everything and compare it with what the manifest says
    #[arg(long)]
    full: bool,
    /// Only whether every stored byte is as it was written, and not whether the manifest makes sense
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// Only trailer and manifest: for a bundle behind a slow line
    #[arg(long, conflicts_with_all = ["full", "quick"])]
    tail: bool,
    /// Note beside the bundle that it was found whole, for `lifeboat bundles`
    #[arg(long, conflicts_with_all = ["quick", "tail"])]
    record: bool,
}

impl Verify {
    pub fn run(self, ui: &mut Ui, quiet: bool) -> anyhow::Result<Outcome> {
        let depth = match (self.tail, self.quick, self.full) {
            (true, ..) => Depth::Tail,
            (_, true, _) => Depth::Quick,
            (.., true) => Depth::Full,
            _ => Depth::Standard,
        };
        let progress = Progress::new(quiet);
        let verdict = self.bundle.verify(depth, &progress);
        progress.end();
        match verdict {
            Ok(verdict) => {
                let origin = self.origin(&verdict)?;
                let outcome = report(ui, &verdict, &origin, self.bundle.is_encrypted())?;
                if let (true, Some(manifest)) = (self.record && verdict.is_whole(), verdict.manifest_sha256) {
                    self.bundle.note_verified(&manifest, self.full)?;
                }
                Ok(outcome)
            }
            Err(error) => match error.downcast_ref::<OpenError>() {
                Some(error @ (OpenError::Truncated { .. } | OpenError::NotABundle(_))) => unreadable(ui, "unreadable", error),
                Some(OpenError::Damaged(finding)) => unreadable(ui, finding.fault.code(), &**finding),
                _ => Err(error).with_context(|| format!("cannot open {}", self.bundle.shown())),
            },
        }
    }
}

/// Who made the bundle, as far as anybody asked.
enum Origin {
    /// Nobody asked.
    Unasked,
    /// Somebody who is trusted.
    Signed(Signed),
    /// Nobody who is trusted: why.
    Foreign(String),
}

impl Verify {
    /// Of a bundle that is damaged nothing can be said.
    fn origin(&self, verdict: &Verdict) -> anyhow::Result<Origin> {
        let Some(keys) = self.bundle.trust().keys()?.filter(|_| verdict.is_whole()) else { return Ok(Origin::Unasked) };
        let reader = self.bundle.untrusted()?;
        Ok(reader.signed_by(&keys)?.map_or_else(|| Origin::Foreign(unsigned(&reader)), Origin::Signed))
    }
}

/// What cannot even be opened is a finding like any other.
fn unreadable(ui: &mut Ui, code: &'static str, error: &dyn std::error::Error) -> anyhow::Result<Outcome> {
    ui.value(&Seen::unreadable(code, error.to_string()))?;
    ui.line(format!("DAMAGED: {error}"))?;
    Ok(Outcome::Findings)
}

fn report(ui: &mut Ui, verdict: &Verdict, origin: &Origin, encrypted: bool) -> anyhow::Result<Outcome> {
    ui.value(&Seen::of(verdict, origin, encrypted))?;
    for finding in &verdict.findings {
        ui.wrapped("    ", &format!("DAMAGED: {}", finding.detail))?;
        for object in &finding.objects {
            ui.wrapped("    ", &format!("  hurt: {object}"))?;
        }
    }
    if let Some(head) = &verdict.head {
        let identity = verdict.manifest_sha256.map(|digest| format!("; identity {}", hex(&digest))).unwrap_or_default();
        ui.wrapped("    ", &format!("exported {} with {}{identity}", head.created, head.tool))?;
        ui.line(format!(
            "{} objects, {}{}",
            head.counts.members,
            words::size(verdict.size),
            if encrypted { ", encrypted" } else { "" }
        ))?;
    }
    if !verdict.is_whole() {
        let number = words::count(verdict.findings.len() as u64, "finding");
        ui.line(format!("NOT WHOLE: {number}"))?;
        return Ok(Outcome::Findings);
    }
    ui.wrapped("    ", &signed(verdict, origin))?;
    ui.wrapped("    ", depth(verdict.depth))?;
    if let Origin::Foreign(_) = origin {
        return Ok(Outcome::Findings);
    }
    if verdict.is_complete() {
        ui.line("complete: every object that was listed and asked for is in it")?;
        return Ok(Outcome::Done);
    }
    let degraded = verdict.head.as_ref().is_some_and(|head| head.states.missing == 0);
    let what = if degraded {
        "DEGRADED at export: `lifeboat list` says what is not whole"
    } else {
        "INCOMPLETE at export: `lifeboat list` says what is missing"
    };
    ui.wrapped("    ", &format!("{what} and why"))?;
    Ok(Outcome::Incomplete)
}

fn signed(verdict: &Verdict, origin: &Origin) -> String {
    match (origin, verdict.signatures.as_slice()) {
        (Origin::Signed(signed), _) => format!("signed by key {}, and that is trusted: {}", signed.key, signed.comment),
        (Origin::Foreign(why), _) => format!("NOT TRUSTED: {why}"),
        (Origin::Unasked, []) => "not signed: whole means as it was written, not who wrote it".into(),
        (Origin::Unasked, signatures) => {
            let one = |signature: &Signature| {
                let key = claimed(&signature.text).map_or_else(|| "no key".to_owned(), |key| format!("key {key}"));
                format!("{} names {key}", signature.name)
            };
            let all: Vec<String> = signatures.iter().map(one).collect();
            let number = words::count(signatures.len() as u64, "signature");
            format!("carries {number}, not checked without `--signed-by`: {}", all.join(", "))
        }
    }
}

fn depth(depth: Depth) -> &'static str {
    match depth {
        Depth::Tail => "trailer and manifest are whole; the objects themselves were not read",
        Depth::Quick => "unaltered: every stored byte is as it was written; whether it makes sense was not looked at",
        Depth::Standard => "whole and unaltered (every stored byte hashed)",
        Depth::Full => "whole and unaltered (every stored byte hashed, decompressed and compared)",
    }
}

/// What was seen of a bundle.
#[derive(Serialize, JsonSchema)]
pub struct Seen {
    /// Whether nothing is wrong with the file.
    whole: bool,
    /// Whether every object that was listed and asked for is in it, and whole; absent where it cannot be opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    complete: Option<bool>,
    /// How closely it was looked: `tail`, `quick`, `standard`, `full`; absent where it cannot be opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    depth: Option<&'static str>,
    /// Size of the file in bytes; absent where it cannot be opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    /// SHA-256 of the manifest: the bundle's identity, if it was read.
    manifest_sha256: Option<String>,
    /// When the export began, RFC 3339, if the manifest is readable.
    created: Option<String>,
    /// Whether the file is encrypted.
    encrypted: bool,
    /// Names of the signatures in it; this does not say that they are good.
    signatures: Vec<String>,
    /// Keys that the signatures name.
    signature_keys: Vec<String>,
    /// The trusted key whose signature was found good.
    signed_by: Option<String>,
    /// Whether a trusted key signed it; null where nobody asked.
    trusted: Option<bool>,
    /// What is wrong.
    findings: Vec<Damage>,
    /// The account of each kind.
    kinds: Vec<KindLine>,
}

/// One thing that is wrong with a bundle.
#[derive(Serialize, JsonSchema)]
pub struct Damage {
    /// The sort of damage: a code of `bundle-format.md`, or `unreadable` for a file that is no bundle or was cut off.
    code: &'static str,
    /// A sentence for people.
    detail: String,
    /// Every object whose bytes are hurt.
    objects: Vec<ObjectName>,
}

impl From<&Finding> for Damage {
    fn from(finding: &Finding) -> Self {
        Self { code: finding.fault.code(), detail: finding.detail.clone(), objects: finding.objects.clone() }
    }
}

impl Seen {
    /// Of a file that cannot be opened.
    fn unreadable(code: &'static str, detail: String) -> Self {
        let findings = vec![Damage { code, detail, objects: Vec::new() }];
        Self {
            whole: false,
            complete: None,
            depth: None,
            bytes: None,
            manifest_sha256: None,
            created: None,
            encrypted: false,
            signatures: Vec::new(),
            signature_keys: Vec::new(),
            signed_by: None,
            trusted: None,
            findings,
            kinds: Vec::new(),
        }
    }

    fn of(verdict: &Verdict, origin: &Origin, encrypted: bool) -> Self {
        let keys = verdict.signatures.iter().filter_map(|one| claimed(&one.text)).map(|key| key.to_string());
        Self {
            whole: verdict.is_whole(),
            complete: Some(verdict.is_complete()),
            depth: Some(match verdict.depth {
                Depth::Tail => "tail",
                Depth::Quick => "quick",
                Depth::Standard => "standard",
                Depth::Full => "full",
            }),
            bytes: Some(verdict.size),
            manifest_sha256: verdict.manifest_sha256.map(|digest| hex(&digest)),
            created: verdict.head.as_ref().map(|head| head.created.clone()),
            encrypted,
            signatures: verdict.signatures.iter().map(|signature| signature.name.clone()).collect(),
            signature_keys: keys.collect(),
            signed_by: if let Origin::Signed(signed) = origin { Some(signed.key.to_string()) } else { None },
            trusted: match origin {
                Origin::Unasked => None,
                Origin::Signed(_) => Some(true),
                Origin::Foreign(_) => Some(false),
            },
            findings: verdict.findings.iter().map(Damage::from).collect(),
            kinds: verdict.kinds.clone(),
        }
    }
}
