//! A bundle under its rules, and what a target has of it: the two halves from which a plan is decided.

use super::gather::{Gathered, gather};
use super::reverse::Way;
use super::{Goal, Options, RestoreError, ids, prune, reverse, source_of};
use crate::api::{Identity, Workspace};
use crate::audit::{Contents, Unfit, contents};
use crate::bundle::Reader;
use crate::event::{Event, Observer};
use crate::journal::{self, Past};
use crate::kinds;
use crate::memory::Memory;
use crate::object::{SourceId, Wanted};
use crate::plan::{self, Action, Back, Inventory, Matter, Plan, Pruning, Source, Step, Target};
use crate::rules::{Applied, LARGEST_CODE, LeftOut, RuleSet};
use crate::survey::Scope;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A bundle under its rules: all of a restore in which no target has a say.
#[derive(Debug)]
pub struct Prepared {
    /// Where the bundle comes from.
    pub source: Source,
    /// What it holds.
    pub contents: Contents,
    /// What the rules make of it.
    pub applied: Applied,
    /// The rules, with all maps.
    pub rules: RuleSet,
}

/// What a target has of all that a bundle would meet there.
#[derive(Debug, Default)]
pub struct Met {
    /// Its objects.
    pub inventory: Inventory,
    /// What earlier imports into it made, from their journals.
    pub known: Arc<BTreeMap<SourceId, String>>,
    /// What the copy of those journals says, which the target keeps and anybody may have written.
    pub told: Arc<BTreeMap<SourceId, String>>,
    /// What is known of the way on which the bundle's objects came, if they came from here.
    pub back: Back,
    /// How earlier imports went.
    pub past: Past,
    /// What they wrote last.
    pub memory: Memory,
    /// What may be deleted, if that was asked for.
    pub pruning: Option<Pruning>,
    /// How many objects of each kind its listings showed, whatever they are.
    pub listed: BTreeMap<&'static str, u64>,
}

/// Reads a bundle and puts it under its rules.
pub fn prepare(reader: &Reader, options: &Options) -> Result<Prepared, RestoreError> {
    under(reader, asked_for(reader, options)?, options.forward())
}

/// What of a bundle these options are about.
pub(super) fn asked_for(reader: &Reader, options: &Options) -> Result<Contents, RestoreError> {
    let mut contents = contents(reader, &options.selection)?;
    if options.goal != Goal::Restore {
        contents.objects.retain(|object| plan::has_switches(object.kind));
        contents.unfit.clear();
    }
    Ok(contents)
}

/// What is given under these rules.
pub(super) fn under(reader: &Reader, contents: Contents, rules: RuleSet) -> Result<Prepared, RestoreError> {
    let applied = ruled(reader, &contents, &rules)?;
    Ok(Prepared { source: source_of(reader), contents, applied, rules })
}

impl Prepared {
    /// Reads of the target what the bundle would meet there. Writes nothing.
    pub async fn meet(
        &self,
        workspace: &Workspace,
        identity: &Identity,
        options: &Options,
        observer: &Arc<dyn Observer>,
    ) -> Result<Met, RestoreError> {
        self.meet_on(workspace, identity, options, None, observer).await
    }

    pub(super) async fn meet_on(
        &self,
        workspace: &Workspace,
        identity: &Identity,
        options: &Options,
        way: Option<&Way>,
        observer: &Arc<dyn Observer>,
    ) -> Result<Met, RestoreError> {
        observer.event(&Event::Stage("inventory"));
        let target = identity.workspace_id.as_deref().unwrap_or_default();
        let (known, told) = ids::known(options, workspace, target, &self.source.workspace_id, observer).await?;
        let originals = reverse::forward(options, &self.source, target)?;
        let (recorded, maps) = (&self.contents.recorded, self.rules.maps());
        let mut wanted = plan::wanted(&self.applied.objects, recorded, maps, &self.source.workspace_id);
        for (object, id) in known.iter().chain(&told).chain(&originals) {
            kinds::by_name(&object.kind).into_iter().for_each(|kind| wanted.add_id(kind, id));
        }
        if let Some(way) = way {
            way.want(&mut wanted, &self.contents);
        }
        let (past, memory) = (past(options, target, &self.source)?, memory(options, target, &self.source)?);
        if options.recipe.prune.is_some() {
            prune::look_for(&mut wanted, &past);
        }
        let mut gathered = look(workspace, wanted, options, observer).await?;
        let listed = std::mem::take(&mut gathered.listed);
        let back = Back { originals, ..Back::default() };
        let inventory = inventory(workspace, identity, gathered);
        Ok(Met { inventory, known: known.into(), told: told.into(), back, past, memory, pruning: None, listed })
    }

    /// The plan for a target that holds this.
    pub fn decide(&self, met: &Met, options: &Options) -> Plan {
        let choices = plan::Options {
            known: met.known.clone(),
            told: met.told.clone(),
            back: met.back.clone(),
            stamp: options.plan.stamp && self.rules.stamp(),
            selection: options.selection.clone(),
            conflicts: self.rules.conflicts().or(options.recipe.conflicts),
            memory: met.memory.clone(),
            made: met.past.made.clone(),
            unfinished: met.past.unfinished.clone(),
            pruning: met.pruning.clone(),
            ..options.plan.clone()
        };
        let matter = Matter {
            objects: &self.applied.objects,
            recorded: &self.contents.recorded,
            inventory: &met.inventory,
            maps: self.rules.maps(),
            source: &self.source,
            options: &choices,
        };
        let mut plan = match options.goal {
            Goal::Restore => plan::make(matter),
            goal => plan::switch(goal == Goal::Activate, matter),
        };
        plan.made_with = options.recipe.clone();
        plan.answer(|step| options.answers.of(step));
        let unfit = self.contents.unfit.iter().cloned().map(unfit_step);
        plan.steps.extend(unfit.chain(self.applied.left_out.iter().cloned().map(unwanted)));
        plan
    }
}

/// The step of what makes no sense: it is accounted for as everything is.
fn unfit_step(unfit: Unfit) -> Step {
    let Unfit { object, key, reason } = unfit;
    Step::alone(object, key, Action::Skip { reason })
}

/// The step of what a rule leaves out: nothing is missing for it.
fn unwanted(left_out: LeftOut) -> Step {
    let LeftOut { object, key, reason } = left_out;
    Step { unwanted: true, ..Step::alone(object, key, Action::Skip { reason }) }
}

/// What rules make of a bundle. Source code is read only where they change it.
pub fn ruled(reader: &Reader, contents: &Contents, rules: &RuleSet) -> Result<Applied, RestoreError> {
    let rewriter = rules.rewriter();
    let mut code = HashMap::new();
    for object in contents.objects.iter().filter(|object| rewriter.rewrites(object.kind.name)) {
        let Some(member) = reader.find(object.kind.name, &object.id).filter(|member| member.size <= LARGEST_CODE) else {
            continue;
        };
        let new = rewriter.rewrite(object.kind.name, &reader.read(member)?, object.meta.text("format").as_deref());
        code.extend(new.map(|new| (object.source(), new.into())));
    }
    Ok(rules.apply(&contents.objects, &rewriter.code(code)))
}

fn past(options: &Options, target: &str, source: &Source) -> Result<Past, RestoreError> {
    let Some(folder) = &options.journals else { return Ok(Past::default()) };
    journal::past(folder, target, &source.workspace_id).map_err(RestoreError::Journal)
}

/// What was written last; looked up only by who restores, since switching on and off is no conflict.
fn memory(options: &Options, target: &str, source: &Source) -> Result<Memory, RestoreError> {
    let Some(folder) = options.journals.as_ref().filter(|_| options.goal == Goal::Restore) else { return Ok(Memory::default()) };
    journal::memory(folder, target, &source.workspace_id).map_err(RestoreError::Journal)
}

async fn look(
    workspace: &Workspace,
    wanted: Wanted,
    options: &Options,
    observer: &Arc<dyn Observer>,
) -> Result<Gathered, RestoreError> {
    let scope = Scope { only: Some(wanted.into()), max_file: u64::MAX, workers: options.workers.max(1), ..Scope::default() };
    gather(workspace, &scope, observer).await
}

fn inventory(workspace: &Workspace, identity: &Identity, gathered: Gathered) -> Inventory {
    let Gathered { objects, unavailable, unread, .. } = gathered;
    let target = Target {
        host: workspace.host().to_owned(),
        workspace_id: identity.workspace_id.clone().unwrap_or_default(),
        user: identity.user_name.clone(),
        is_admin: identity.is_admin,
    };
    Inventory { target, objects, unavailable, unread, without_entra: workspace.without_entra() }
}
