//! Notebooks, cell by cell, whichever form they are stored in.

use super::What;
use super::lines::{changed_lines, signed};
use crate::notebook::{self, Notebook};
use schemars::JsonSchema;
use serde::Serialize;
use similar::{Algorithm, DiffOp, capture_diff_slices};
use std::collections::{BTreeMap, HashMap, HashSet};

/// One cell of a notebook, as it is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    /// Its id, where the form gives it one.
    pub id: Option<String>,
    /// `code`, `markdown` and the like where the form tells it apart from the text.
    pub sort: Option<String>,
    /// Its lines, whatever they end with.
    pub source: String,
}

/// A cell that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CellChange {
    /// What became of it.
    pub what: What,
    /// Its number on the first side, from 1.
    pub before: Option<usize>,
    /// Its number on the second side, from 1.
    pub after: Option<usize>,
    /// Its id, where the format gives it one.
    pub id: Option<String>,
    /// It stands in another place among the others.
    pub moved: bool,
    /// The lines that differ, each after `+`, `-` or a space, with two lines around them.
    pub lines: Vec<String>,
}

/// Cells with less in common than this are two, not one that changed.
const ALIKE: f32 = 0.4;

/// So many cells in one place are compared with each other at most; beyond, in their order.
const TRIED: usize = 40;

/// The cells of a notebook; nothing if the bytes are no text.
pub(super) fn cells(bytes: &[u8]) -> Option<Vec<Cell>> {
    let cell = |cell: notebook::Cell<'_>| Cell {
        id: cell.id.map(str::to_owned),
        sort: cell.sort.map(str::to_owned),
        source: cell.stored.trim_end_matches(['\n', '\r']).lines().collect::<Vec<_>>().join("\n"),
    };
    Some(Notebook::read(bytes)?.cells().into_iter().map(cell).collect())
}

/// The cells that differ, in the order of the second side; what is gone stands where it stood.
pub(super) fn changes(before: &[Cell], after: &[Cell]) -> Vec<CellChange> {
    let twins = twins(before, after);
    let mut found: Vec<((usize, usize), CellChange)> = Vec::new();
    let mut twin_of: HashMap<usize, (usize, bool)> = HashMap::new();
    for (one, (other, moved)) in &twins {
        twin_of.insert(*other, (*one, *moved));
    }
    for (at, cell) in after.iter().enumerate() {
        let twin = twin_of.get(&at).map(|(one, moved)| (*one, &before[*one], *moved));
        found.extend(change(twin, at, cell).map(|change| ((at, 1), change)));
    }
    let mut next = 0;
    for (at, cell) in before.iter().enumerate() {
        match twins.get(&at) {
            Some((other, false)) => next = other + 1,
            Some(_) => {}
            None => {
                let (what, before) = (What::Removed, Some(at + 1));
                let lines = cell.source.lines().map(|line| signed('-', line)).collect();
                let change = CellChange { what, before, after: None, id: cell.id.clone(), moved: false, lines };
                found.push(((next, 0), change));
            }
        }
    }
    found.sort_by_key(|(place, _)| *place);
    found.into_iter().map(|(_, change)| change).collect()
}

fn change(twin: Option<(usize, &Cell, bool)>, at: usize, cell: &Cell) -> Option<CellChange> {
    let (id, after) = (cell.id.clone(), Some(at + 1));
    let Some((one, old, moved)) = twin else {
        let lines = cell.source.lines().map(|line| signed('+', line)).collect();
        return Some(CellChange { what: What::Added, before: None, after, id, moved: false, lines });
    };
    // One form tells the sort of a cell, the other has it in the text.
    let sorts = old.sort.is_some() && cell.sort.is_some() && old.sort != cell.sort;
    if !moved && !sorts && old.source == cell.source {
        return None;
    }
    let mut lines = changed_lines(&old.source, &cell.source);
    if sorts {
        let sort = |cell: &Cell| cell.sort.clone().unwrap_or_default();
        lines.splice(0..0, [format!("-[{}]", sort(old)), format!("+[{}]", sort(cell))]);
    }
    Some(CellChange { what: What::Changed, before: Some(one + 1), after, id, moved, lines })
}

/// The other of each cell, and whether it stands in another place.
fn twins(before: &[Cell], after: &[Cell]) -> BTreeMap<usize, (usize, bool)> {
    let by_id = before.iter().chain(after).all(|cell| cell.id.is_some());
    let name = |cell: &Cell| if by_id { cell.id.clone().unwrap_or_default() } else { cell.source.clone() };
    let (old, new): (Vec<String>, Vec<String>) = (before.iter().map(name).collect(), after.iter().map(name).collect());
    let mut twins = BTreeMap::new();
    let mut gaps = Vec::new();
    for op in capture_diff_slices(Algorithm::Myers, &old, &new) {
        if let DiffOp::Equal { old_index, new_index, len } = op {
            twins.extend((0..len).map(|step| (old_index + step, (new_index + step, false))));
        } else {
            gaps.push((op.old_range(), op.new_range()));
        }
    }
    // Of the same name in another place.
    let mut places: HashMap<&String, Vec<usize>> = HashMap::new();
    for at in gaps.iter().flat_map(|(_, new)| new.clone()).rev() {
        places.entry(&new[at]).or_default().push(at);
    }
    for at in gaps.iter().flat_map(|(old, _)| old.clone()) {
        if let Some(other) = places.get_mut(&old[at]).filter(|_| !old[at].is_empty()).and_then(Vec::pop) {
            twins.insert(at, (other, true));
        }
    }
    if !by_id {
        gaps.into_iter().for_each(|(old, new)| alike(before, after, old, new, &mut twins));
    }
    twins
}

/// In one place, what is alike is one that changed.
fn alike(
    before: &[Cell],
    after: &[Cell],
    old: std::ops::Range<usize>,
    new: std::ops::Range<usize>,
    twins: &mut BTreeMap<usize, (usize, bool)>,
) {
    let taken: HashSet<usize> = twins.values().map(|(other, _)| *other).collect();
    let old: Vec<usize> = old.filter(|at| !twins.contains_key(at)).collect();
    let mut new: Vec<usize> = new.filter(|at| !taken.contains(at)).collect();
    let close = old.len() <= TRIED && new.len() <= TRIED;
    for at in old {
        let likeness = |other: usize| ratio(&before[at].source, &after[other].source);
        let tried = if close { new.len() } else { new.len().min(1) };
        let best = (0..tried).map(|place| (likeness(new[place]), place)).filter(|(ratio, _)| *ratio >= ALIKE);
        // Order is kept: what stands before the chosen one is new.
        let best = best.reduce(|one, other| if other.0 > one.0 { other } else { one });
        if let Some((_, place)) = best {
            twins.insert(at, (new[place], false));
            new.drain(..=place);
        }
    }
}

/// How much of the words of two texts is common to both, from 0 to 1.
#[expect(clippy::cast_precision_loss, reason = "a likeness has two digits")]
fn ratio(one: &str, other: &str) -> f32 {
    let mut words: HashMap<&str, i64> = HashMap::new();
    let split = |text| str::split(text, |c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    split(one).for_each(|word| *words.entry(word).or_default() += 1);
    let (mut common, mut all) = (0_u64, split(one).count() as u64);
    for word in split(other) {
        all += 1;
        if let Some(left) = words.get_mut(word).filter(|left| **left > 0) {
            *left -= 1;
            common += 2;
        }
    }
    if all == 0 { 1.0 } else { common as f32 / all as f32 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn python(cells: &[&str]) -> Vec<u8> {
        format!("# Databricks notebook source\n{}\n", cells.join("\n\n# COMMAND ----------\n\n")).into_bytes()
    }

    /// What became of a cell, its numbers, whether it moved, and its lines.
    type Seen = (What, Option<usize>, Option<usize>, bool, Vec<String>);

    fn between(before: &[u8], after: &[u8]) -> Vec<Seen> {
        let found = changes(&cells(before).expect("cells"), &cells(after).expect("cells"));
        found.into_iter().map(|one| (one.what, one.before, one.after, one.moved, one.lines)).collect()
    }

    fn words(lines: &[&str]) -> Vec<String> {
        lines.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn cells_are_added_removed_changed_and_moved() {
        let before = python(&["import os", "a = 1\nb = 2\nc = 3", "print('gone')", "# MAGIC %md\n# MAGIC # Title"]);
        assert_eq!(between(&before, &before), []);
        let changed = python(&["import os", "a = 1\nb = 9\nc = 3", "# MAGIC %md\n# MAGIC # Title", "display(all_new)"]);
        assert_eq!(
            between(&before, &changed),
            [
                (What::Changed, Some(2), Some(2), false, words(&[" a = 1", "-b = 2", "+b = 9", " c = 3"])),
                (What::Removed, Some(3), None, false, words(&["-print('gone')"])),
                (What::Added, None, Some(4), false, words(&["+display(all_new)"])),
            ]
        );
        let moved = python(&["# MAGIC %md\n# MAGIC # Title", "import os", "a = 1\nb = 2\nc = 3", "print('gone')"]);
        assert_eq!(between(&before, &moved), [(What::Changed, Some(4), Some(1), true, vec![])]);
    }

    #[test]
    fn each_language_has_its_sign() {
        let sql = b"-- Databricks notebook source\nSELECT 1\n\n-- COMMAND ----------\n\nSELECT 2\n";
        assert_eq!(cells(sql).expect("cells").len(), 2);
        let scala = b"// Databricks notebook source\nval a = 1\r\n// COMMAND ----------\r\nval b = 2";
        assert_eq!(cells(scala).expect("cells")[1].source, "val b = 2");
        assert_eq!(cells(String::from_utf8_lossy(sql).replace('\n', "\r\n").as_bytes()), cells(sql));
        assert!(cells(b"\xff\xfe").is_none() && cells(b"PK\0\0").is_none());
    }

    fn ipynb(cells: &[(&str, &str, &str, u32)]) -> Vec<u8> {
        let cell = |(id, sort, source, count): &(&str, &str, &str, u32)| {
            json!({ "id": id, "cell_type": sort, "source": source.split_inclusive('\n').collect::<Vec<_>>(),
                "execution_count": count, "outputs": [{ "text": count.to_string() }], "metadata": {} })
        };
        json!({ "cells": cells.iter().map(cell).collect::<Vec<_>>(), "nbformat": 4, "metadata": {} }).to_string().into_bytes()
    }

    #[test]
    fn cells_of_jupyter_go_by_their_ids_and_outputs_are_no_change() {
        let before = ipynb(&[("a", "code", "x = 1\n", 1), ("b", "markdown", "# T", 0), ("c", "code", "print(x)", 2)]);
        let run = ipynb(&[("a", "code", "x = 1", 7), ("b", "markdown", "# T", 0), ("c", "code", "print(x)", 8)]);
        assert_eq!(between(&before, &run), []);
        let after = ipynb(&[("a", "code", "entirely different", 1), ("c", "code", "print(x)", 2), ("b", "code", "# T", 0)]);
        let found = between(&before, &after);
        assert_eq!(found[0].4, words(&["-x = 1", "+entirely different"]));
        assert_eq!((found[1].1, found[1].2, found[1].3), (Some(3), Some(2), true));
        assert_eq!(found[2].4, words(&["-[markdown]", "+[code]"]));
    }

    #[test]
    fn a_thousand_cells_are_no_trouble() {
        let many = |word: &str| {
            let cells: Vec<String> = (0..1000).map(|n| format!("{word}_{n} = {n}")).collect();
            python(&cells.iter().map(String::as_str).collect::<Vec<_>>())
        };
        assert!(!between(&many("a"), &many("b")).is_empty());
    }
}
