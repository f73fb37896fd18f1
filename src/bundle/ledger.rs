//! All that was given to a writer, while it waits for the end: names, sizes and digests in memory, longer texts on disk.
//!
//! Promises: an object is in it once, as a member or as a gap; what readers would not take is refused when it is given, and
//! leaves no trace; the accounts of the kinds add up, or [`Ledger::close`] fails.

use super::finding::ObjectName;
use super::manifest::{Gap, KindLine, Redacted, States};
use super::record::{Content, Member, Record, give_names};
use super::texts::Texts;
use super::write_error::WriteError;
use super::{json, name};
use crate::spool::Spool;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// Longest path of an object in bytes, so that its line is one that readers accept.
const MAX_PATH: usize = 16 << 10;
/// Longest meta of an object in bytes, as compact JSON.
const MAX_META: usize = 256 << 10;

/// Members, gaps and removed values, and how many of each kind there should be.
pub(crate) struct Ledger {
    pub(crate) records: Vec<Record>,
    /// What is known of each member besides.
    pub(crate) texts: Texts,
    pub(crate) gaps: Vec<Gap>,
    pub(crate) redacted: Vec<Redacted>,
    /// Listed objects and requests.
    kinds: BTreeMap<String, (u64, u64)>,
    words: Vec<Arc<str>>,
    seen: HashSet<u128>,
}

impl Ledger {
    pub(crate) fn new(spool: Spool) -> Self {
        Self {
            records: Vec::new(),
            texts: Texts::new(spool),
            gaps: Vec::new(),
            redacted: Vec::new(),
            kinds: BTreeMap::new(),
            words: Vec::new(),
            seen: HashSet::new(),
        }
    }

    /// Takes an object, whose bytes are where `content` says. After an error all is as before.
    pub(crate) fn member<B>(&mut self, member: Member<B>, content: impl FnOnce(B) -> Content) -> Result<(), WriteError> {
        let unfit = |why: String| unfit(&member.kind, &member.path, why);
        check_object(&member.kind, &member.path)?;
        let mut meta = member.meta;
        if let Some(at) = member.modified_at.filter(|at| *at <= json::MAX_INTEGER) {
            meta.insert("modified_at".to_owned(), at.into());
        }
        let meta = Value::Object(json::tame_map(meta, 2).map_err(&unfit)?);
        // The header's time follows from what stands in meta, and from nothing else.
        let modified_at = meta.get("modified_at").and_then(Value::as_u64);
        let text = meta.to_string();
        if text.len() > MAX_META || member.key.as_ref().is_some_and(|key| key.len() > MAX_PATH) {
            return Err(unfit("its meta is too long".to_owned()));
        }
        self.see(&member.kind, &member.path)?;
        let meta = self.texts.keep(&text).map_err(WriteError::Spool)?;
        let kind = self.word(&member.kind);
        self.records.push(Record {
            name: name::encode(&member.kind, &member.name).into(),
            kind,
            path: member.path.into(),
            key: member.key.map(Into::into),
            modified_at,
            degraded: member.degraded.map(Into::into),
            body: content(member.body),
            meta,
            canonical: member.canonical.map(Box::new),
        });
        Ok(())
    }

    /// Takes note of an object that is not stored. After an error all is as before.
    pub(crate) fn gap(&mut self, gap: Gap) -> Result<(), WriteError> {
        check_object(&gap.kind, &gap.path)?;
        self.see(&gap.kind, &gap.path)?;
        self.gaps.push(gap);
        Ok(())
    }

    /// Takes note of a removed value.
    pub(crate) fn redacted(&mut self, redacted: Redacted) -> Result<(), WriteError> {
        check_object(&redacted.kind, &redacted.path)?;
        if redacted.pointer.len() > MAX_PATH {
            return Err(unfit(&redacted.kind, &redacted.path, "the pointer is too long".to_owned()));
        }
        self.redacted.push(redacted);
        Ok(())
    }

    /// Takes the account of a kind.
    pub(crate) fn kind(&mut self, line: &KindLine) {
        let account = self.kinds.entry(line.kind.clone()).or_default();
        account.0 += line.listed;
        account.1 += line.requests;
    }

    /// Nothing comes any more: members get their final names, the rest its order. Returns one line for each kind of which anything
    /// is known. Errors: a removed value belongs to nothing, or an account does not add up.
    pub(crate) fn close(&mut self) -> Result<Vec<KindLine>, WriteError> {
        give_names(&mut self.records);
        self.gaps.sort_unstable_by(|a, b| (&a.path, &a.kind).cmp(&(&b.path, &b.kind)));
        self.redacted.sort_unstable();
        self.redacted.dedup_by(|a, b| (&a.path, &a.kind, &a.pointer) == (&b.path, &b.kind, &b.pointer));
        self.none_is_stray()?;
        self.accounts()
    }

    fn word(&mut self, word: &str) -> Arc<str> {
        if let Some(known) = self.words.iter().find(|known| ***known == *word) {
            return known.clone();
        }
        let word: Arc<str> = word.into();
        self.words.push(word.clone());
        word
    }

    fn see(&mut self, kind: &str, path: &str) -> Result<(), WriteError> {
        if self.seen.insert(short_digest(kind, path)) {
            return Ok(());
        }
        Err(WriteError::Duplicate(ObjectName { kind: kind.to_owned(), path: path.to_owned() }))
    }

    fn none_is_stray(&self) -> Result<(), WriteError> {
        let stray = self.redacted.iter().find(|line| !self.seen.contains(&short_digest(&line.kind, &line.path)));
        stray.map_or(Ok(()), |line| {
            let what = format!("the removed value in {} \"{}\"", line.kind, line.path);
            Err(WriteError::Unfit { what, why: "the object was never given".to_owned() })
        })
    }

    fn accounts(&self) -> Result<Vec<KindLine>, WriteError> {
        let mut found: BTreeMap<&str, States> = self.kinds.keys().map(|kind| (kind.as_str(), States::default())).collect();
        for record in &self.records {
            let states = found.entry(&record.kind).or_default();
            *(if record.degraded.is_some() { &mut states.degraded } else { &mut states.captured }) += 1;
        }
        self.gaps.iter().for_each(|gap| found.entry(&gap.kind).or_default().count_gap(gap.state));
        found.into_iter().map(|(kind, states)| self.account(kind, states)).collect()
    }

    fn account(&self, kind: &str, states: States) -> Result<KindLine, WriteError> {
        let found = states.total();
        let (listed, requests) = self.kinds.get(kind).copied().unwrap_or((found, 0));
        if listed != found || !name::is_kind(kind) {
            return Err(WriteError::Sums { kind: kind.to_owned(), listed, found });
        }
        let States { captured, degraded, missing, excluded, unavailable } = states;
        Ok(KindLine { kind: kind.to_owned(), listed, captured, degraded, missing, excluded, unavailable, requests })
    }
}

fn check_object(kind: &str, path: &str) -> Result<(), WriteError> {
    if !name::is_kind(kind) {
        return Err(unfit(kind, path, "the name of its kind is not allowed".to_owned()));
    }
    if path.len() > MAX_PATH || path.contains('\0') {
        return Err(unfit(kind, path, "its path is longer than 16 KiB or holds a NUL".to_owned()));
    }
    Ok(())
}

fn unfit(kind: &str, path: &str, why: String) -> WriteError {
    WriteError::Unfit { what: format!("{kind} \"{path}\""), why }
}

fn short_digest(kind: &str, path: &str) -> u128 {
    let mut short = [0; 16];
    short.copy_from_slice(&Sha256::digest(format!("{kind}\0{path}").as_bytes())[..16]);
    u128::from_le_bytes(short)
}
