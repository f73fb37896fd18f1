//! What must be known before anything may be deleted: all that the bundle holds, what it may lack, and who uses what.

use super::{Met, Options, Prepared, RestoreError, gather};
use crate::api::Workspace;
use crate::bundle::{GapState, Reader};
use crate::event::Observer;
use crate::journal::Past;
use crate::kinds::{self, Shape};
use crate::object::{Selection, SourceId, Wanted};
use crate::plan::{Prune, Pruning, REFERRERS, prunable};
use crate::rules::{Code, RuleSet, Sanitized};
use crate::survey::Scope;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// The inventory must show what imports made, also what the bundle does not name.
pub(super) fn look_for(wanted: &mut Wanted, past: &Past) {
    wanted.add_stamped();
    for (source, path) in past.made.iter() {
        let kind = kinds::by_name(&source.kind).filter(|kind| matches!(kind.shape, Shape::Tree(_)));
        kind.into_iter().for_each(|kind| wanted.add(kind, path, path));
    }
}

/// Everything that the bundle names, in the source's words and in those that rules made of them: also what it could not read.
fn held(reader: &Reader, objects: &[Sanitized]) -> BTreeSet<SourceId> {
    let manifest = reader.manifest();
    let id = |kind: &str, id: &str| SourceId { kind: kind.to_owned(), id: id.to_owned() };
    let members = manifest.members.iter().map(|member| id(&member.kind, &member.path));
    let gaps = manifest.gaps.iter().map(|gap| id(&gap.kind, &gap.path));
    members.chain(gaps).chain(objects.iter().map(Sanitized::source)).collect()
}

/// Kinds of which the bundle may not hold everything, and why; `*` for all.
fn doubtful(reader: &Reader) -> BTreeMap<String, String> {
    let manifest = reader.manifest();
    let mut doubtful = BTreeMap::new();
    if manifest.head.selection.is_some() {
        doubtful.insert("*".to_owned(), "it was exported with a selection".to_owned());
    }
    if manifest.head.source.get("caller_is_admin") != Some(&true.into()) {
        doubtful.insert("*".to_owned(), "it was not exported by an admin".to_owned());
    }
    if manifest.members.is_empty() {
        doubtful.insert("*".to_owned(), "it is empty".to_owned());
    }
    for gap in &manifest.gaps {
        let whole = gap.path.as_str() == "*" || gap.path.ends_with("/**");
        // One object that was left out by rule is known, and no reason to doubt the rest.
        let doubt =
            gap.state == GapState::Missing || whole || (gap.state == GapState::Unavailable && gap.kind.as_str() != "dbfs_file");
        if doubt {
            let tree = kinds::by_name(&gap.kind).is_some_and(|kind| matches!(kind.shape, Shape::Tree(_)));
            let names = if tree && whole { vec!["directory", "notebook", "file"] } else { vec![gap.kind.as_str()] };
            let why = format!("{} \"{}\" is {}", gap.kind, gap.path, gap.state.as_str());
            for name in names {
                doubtful.entry(name.to_owned()).or_insert_with(|| why.clone());
            }
        }
    }
    doubtful
}

/// Candidates, and who may use them. The target is asked for users only if there are candidates.
pub(super) async fn pruning(
    how: Prune,
    reader: &Reader,
    workspace: &Workspace,
    (prepared, met): (&Prepared, &Met),
    options: &Options,
    observer: &Arc<dyn Observer>,
) -> Result<Pruning, RestoreError> {
    let held = held(reader, &prepared.applied.objects);
    let source = &prepared.source.workspace_id;
    let candidates = prunable(&met.inventory, source, &met.past.made, &met.past.origins, &held);
    let mut doubtful = doubtful(reader);
    if options.reverse {
        doubtful.insert("*".to_owned(), "it goes back to where it came from".to_owned());
    }
    let mut referrers = Vec::new();
    if !candidates.is_empty() {
        let include: Vec<String> = REFERRERS.iter().map(|kind| (*kind).to_owned()).collect();
        let exclude = ["permissions", "secret", "secret_acl"].map(str::to_owned);
        let selection = Selection::new(&include, &exclude).map_err(crate::plan::RecipeError::from)?;
        let scope = Scope { selection, max_file: 0, workers: options.workers.max(1), ..Scope::default() };
        let found = gather(workspace, &scope, observer).await?;
        referrers = found.objects;
        if let Some((kind, id)) = found.unread.first() {
            let why = format!("could not read {kind} \"{id}\" of the target, which may use it");
            doubtful.entry("*".to_owned()).or_insert(why);
        }
    }
    let conflicts = of_rules(&prepared.rules, &candidates);
    Ok(Pruning { how, candidates, referrers, doubtful, conflicts })
}

/// Rules pick what is in a bundle: here they are asked of what once was.
fn of_rules(rules: &RuleSet, candidates: &[(SourceId, crate::object::Object)]) -> HashMap<SourceId, crate::rules::Conflicts> {
    let each = |(source, object): &(SourceId, crate::object::Object)| {
        let applied = rules.apply(std::slice::from_ref(object), &Code::default());
        Some((source.clone(), applied.objects.first()?.conflicts()?))
    };
    candidates.iter().filter_map(each).collect()
}
