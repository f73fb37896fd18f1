//! The road of a restore: bundle → sanitized objects → inventory of the target → plan.
//!
//! Each step belongs to a module that knows nothing of the others; this one only hands things on. Carrying out the plan is
//! [`crate::import`]'s business.

mod gather;
mod ids;
mod marks;
mod prepared;
mod prune;
mod reverse;

pub use gather::{Gathered, gather};
pub use marks::marks;
pub use prepared::{Met, Prepared, prepare, ruled};

use crate::api::{ApiError, Identity, Workspace};
use crate::bundle::{ReadError, Reader};
use crate::event::{Event, Observer};
use crate::object::{Edit, Selection};
pub use crate::plan::Goal;
use crate::plan::{self, Answers, Maps, Plan, Recipe, RecipeError, Source};
use crate::rules::{LARGEST_CODE, Remark, RuleSet};
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;

/// What a restore is asked to do.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The choices that all the others were read from ([`Options::made_with`]): a plan keeps them.
    pub recipe: Recipe,
    /// What the plan is for.
    pub goal: Goal,
    /// Which objects of the bundle.
    pub selection: Selection,
    /// What changes on the way.
    pub rules: RuleSet,
    /// What stands for what in the target, besides what the rules say.
    pub maps: Maps,
    /// Choices of the plan.
    pub plan: plan::Options,
    /// Answers to the questions of the plan.
    pub answers: Answers,
    /// Whether the bundle goes back to the workspace from which its own was restored.
    pub reverse: bool,
    /// The workspace that the bundle comes from, to be asked for the id map of that restore where this machine does not have it.
    pub came_from: Option<Workspace>,
    /// Whether the target may be the workspace that the bundle comes from.
    pub allow_same_workspace: bool,
    /// How many tasks read the target at once.
    pub workers: usize,
    /// Folder of the journals of earlier imports, if there may be any.
    pub journals: Option<PathBuf>,
}

impl Options {
    /// What a person chose, read. Errors: see [`RecipeError`].
    pub fn made_with(recipe: Recipe) -> Result<Self, RecipeError> {
        let plan = plan::Options {
            create_principals: recipe.create_principals,
            restore_admins: recipe.restore_admins,
            stamp: recipe.stamp,
            secret_values: recipe.secret_values,
            ..plan::Options::default()
        };
        Ok(Self {
            goal: recipe.goal,
            selection: recipe.selection()?,
            rules: recipe.rule_set()?,
            maps: recipe.maps()?,
            plan,
            answers: recipe.answers()?,
            reverse: recipe.reverse,
            came_from: None,
            allow_same_workspace: recipe.allow_same_workspace,
            workers: 0,
            journals: None,
            recipe,
        })
    }

    /// The rules that are carried out: on the way back, the other way round.
    fn in_force(&self) -> RuleSet {
        let rules = self.forward();
        if self.reverse { rules.inverse().rules } else { rules }
    }

    /// The rules of a restore, with all maps.
    fn forward(&self) -> RuleSet {
        self.rules.clone().with_maps(&self.maps)
    }
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The target does not let us in.
    #[error("cannot read the target workspace")]
    Api(#[from] ApiError),
    /// The bundle does not give an object.
    #[error("cannot read the bundle")]
    Read(#[from] ReadError),
    /// The target is the source.
    #[error("the bundle comes from this very workspace ({id})")]
    SameWorkspace {
        /// Id of the workspace, or its address where there is no id.
        id: String,
    },
    /// The target is the source, and the rules would change what was backed up.
    #[error("the bundle comes from this very workspace ({id}), and the rules would change the originals in place")]
    ChangesOriginals {
        /// Id of the workspace, or its address where there is no id.
        id: String,
    },
    /// A way back that is none.
    #[error("nothing in this bundle of workspace {from} is known to have been restored from workspace {to}")]
    NotFromHere {
        /// Workspace id of the bundle.
        from: String,
        /// Workspace id of the target.
        to: String,
    },
    /// Maps of several words to one were carried through source code.
    #[error("these rules turned several words of source code into one, and there is no way back from that")]
    NoWayBack,
    /// Something would run on both sides.
    #[error("{} still active in the target, such as {}", count(.objects), .objects.first().map_or("", String::as_str))]
    StillActive {
        /// What is active.
        objects: Vec<String>,
    },
    /// The journals of earlier imports cannot be read.
    #[error("cannot read the journals of earlier imports")]
    Journal(#[source] std::io::Error),
    /// The choices cannot be read.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// The rules do not fit the bundle.
    #[error("cannot use these rules on this bundle: {}", first(.0))]
    Rules(Vec<Remark>),
    /// Temporary files failed.
    #[error("cannot keep what the target holds in temporary files")]
    Spool(#[from] std::io::Error),
}

fn count(objects: &[String]) -> String {
    if objects.len() == 1 { "one object is".to_owned() } else { format!("{} objects are", objects.len()) }
}

/// Remarks that are told one by one; the rest is counted.
const TOLD: usize = 3;

fn first(remarks: &[Remark]) -> String {
    let told = remarks.iter().take(TOLD).map(ToString::to_string).collect::<Vec<_>>().join("; ");
    if remarks.len() > TOLD { format!("{told}; and {} more", remarks.len() - TOLD) } else { told }
}

/// Decides everything that a restore will do. Writes nothing.
pub async fn plan(
    reader: &Reader,
    workspace: &Workspace,
    options: &Options,
    observer: &Arc<dyn Observer>,
) -> Result<Plan, RestoreError> {
    let identity = workspace.identity().await?;
    refuse_same(&source_of(reader), &identity, workspace.host(), options)?;
    let (mut prepared, way) = match options.reverse {
        true => reverse::prepare(reader, options, &identity, observer).await.map(|(prepared, way)| (prepared, Some(way)))?,
        false => (prepare(reader, options)?, None),
    };
    let problems = std::mem::take(&mut prepared.applied.problems);
    if !problems.is_empty() {
        return Err(RestoreError::Rules(problems));
    }
    if options.goal == Goal::Restore {
        prepared.applied.warnings.iter().for_each(|warning| observer.event(&Event::Warning(warning.to_string())));
    }
    // What the rules have made of it is what counts from here on, and there may be very much of it.
    if way.is_none() {
        prepared.contents.objects = Vec::new();
    }
    let mut met = Box::pin(prepared.meet_on(workspace, &identity, options, way.as_ref(), observer)).await?;
    observer.event(&Event::Stage("plan"));
    if let Some(way) = &way {
        met.back = way.back(reader, &prepared.contents, &met.inventory, options)?;
    }
    if let Some(how) = options.recipe.prune.filter(|_| options.goal == Goal::Restore) {
        let asked = Box::pin(prune::pruning(how, reader, workspace, (&prepared, &met), options, observer));
        met.pruning = Some(asked.await?);
    }
    let mut plan = prepared.decide(&met, options);
    if options.goal == Goal::Restore {
        if let Some(way) = &way {
            way.judge(reader, &prepared, &met.inventory, &options.selection, &mut plan)?;
        }
        tell_leaks(reader, &prepared, options, &mut plan)?;
    }
    Ok(plan)
}

/// Adds to the todos of a plan what of the source it would write. Errors: the bundle cannot be read.
pub fn tell_leaks(reader: &Reader, prepared: &Prepared, options: &Options, plan: &mut Plan) -> Result<(), RestoreError> {
    if plan.writes() > 0 {
        marks::tell(&marks::of(reader, &options.selection, prepared.rules.maps(), plan)?, plan);
    }
    Ok(())
}

/// Carries out on bytes that are sent what the plan was made with: the rules of these options.
pub fn editor<'a>(reader: &'a Reader, options: &Options) -> Box<Edit<'a>> {
    let rules = options.in_force().rewriter();
    Box::new(move |source, bytes| {
        let member = reader.find(&source.kind, &source.id).filter(|member| member.size <= LARGEST_CODE);
        let Some(member) = member.filter(|_| rules.rewrites(&source.kind)) else { return Ok(None) };
        let meta = member.meta();
        let new = rules.rewrite(&source.kind, &bytes()?, meta.get("format").and_then(Value::as_str));
        Ok(new.map(|new| new.bytes))
    })
}

/// Where a bundle comes from.
pub fn source_of(reader: &Reader) -> Source {
    let manifest = reader.manifest();
    let text = |name: &str| manifest.head.source.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let digest = crate::bundle::hex(&manifest.sha256);
    Source { workspace_id: text("workspace_id"), host: text("host"), digest }
}

/// Ids tell; where a proxy or an old server gives none, the address does.
fn refuse_same(source: &Source, identity: &Identity, host: &str, options: &Options) -> Result<(), RestoreError> {
    let id = identity.workspace_id.as_deref().unwrap_or_default();
    let (same, id) = match (source.workspace_id.as_str(), id) {
        ("", _) | (_, "") => (source.host.eq_ignore_ascii_case(host), host),
        (source, id) => (source == id, id),
    };
    let id = id.to_owned();
    match (same && options.goal == Goal::Restore, options.allow_same_workspace) {
        (true, false) => Err(RestoreError::SameWorkspace { id }),
        // There, objects are known by their ids: a new name would be a new name of the original.
        (true, true) if !options.rules.is_standby() => Err(RestoreError::ChangesOriginals { id }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Cloud;

    #[test]
    fn the_source_is_known_by_its_id_or_else_by_its_address() {
        let refused = |source: &str, target: Option<&str>, host: &str| {
            let source = Source { workspace_id: source.into(), host: "https://Adb-1.net".into(), digest: String::new() };
            let workspace_id = target.map(str::to_owned);
            let identity = Identity { workspace_id, user_name: "me".into(), is_admin: true, cloud: Cloud::Azure };
            refuse_same(&source, &identity, host, &Options::default()).is_err()
        };
        assert!(refused("1", Some("1"), "https://other.net") && refused("1", None, "https://adb-1.net"));
        assert!(refused("", Some("1"), "https://adb-1.net") && !refused("1", None, "https://adb-2.net"));
        assert!(!refused("1", Some("2"), "https://adb-1.net"), "the ids are two");
    }

    #[test]
    fn rules_are_not_carried_out_on_the_originals() {
        let refused = |target: &str, rules: &str, goal: Goal| {
            let source = Source { workspace_id: "1".into(), host: "https://adb-1.net".into(), digest: String::new() };
            let workspace_id = Some(target.to_owned());
            let identity = Identity { workspace_id, user_name: "me".into(), is_admin: true, cloud: Cloud::Azure };
            let rules = RuleSet::parse(rules).expect("good");
            let options = Options { goal, rules, allow_same_workspace: true, ..Options::default() };
            refuse_same(&source, &identity, "https://adb-1.net", &options).is_err()
        };
        let rename = "rules: [{name: r, for: {kind: job}, rename: {to: \"{name} (dr)\"}}]\n";
        let others = [rename, "extends: audit-sandbox\n", "extends: clone\nactivations: keep\n", "maps: {zone: {a: b}}\n"];
        assert!(others.into_iter().all(|rules| refused("1", rules, Goal::Restore)));
        assert!(others.into_iter().all(|rules| !refused("2", rules, Goal::Restore) && !refused("1", rules, Goal::Deactivate)));
        assert!(["", "extends: clone\n"].into_iter().all(|rules| !refused("1", rules, Goal::Restore)));
    }
}
