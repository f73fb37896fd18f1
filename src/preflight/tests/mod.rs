//! One planted mistake at a time: exactly its finding, and the fix makes it vanish.

mod rest;
mod table;

use super::ask::{Caller, Machine, NodeInfo, Runtime, Zones};
use super::*;
use crate::audit::{Contents, Unfit};
use crate::object::{Object, SourceId};
use crate::plan::Maps;
use crate::plan::tests::object;
use crate::rules::{Code, RuleSet};
use serde_json::json;

/// A bundle and its target, with nothing wrong.
pub(super) struct World {
    pub bundle: Vec<Object>,
    pub recorded: Vec<Object>,
    pub unfit: Vec<Unfit>,
    pub target: Vec<Object>,
    pub rules: &'static str,
    pub maps: &'static str,
    pub options: crate::plan::Options,
    pub target_workspace: &'static str,
    pub allow_same_workspace: bool,
    pub unavailable: Vec<String>,
    pub unread: Vec<(String, String)>,
    pub known: BTreeMap<SourceId, String>,
    pub listed: BTreeMap<&'static str, u64>,
    pub without_entra: Option<String>,
    /// What the plan tells besides.
    pub todos: Vec<crate::plan::Todo>,
    pub offer: Option<Offer>,
}

impl World {
    pub(super) fn of(bundle: Vec<Object>) -> Self {
        Self {
            bundle,
            recorded: vec![],
            unfit: vec![],
            target: vec![object("user", "9", json!({"userName": "me@x.com"}))],
            rules: "",
            maps: "",
            options: crate::plan::Options::default(),
            target_workspace: "200",
            allow_same_workspace: false,
            unavailable: vec![],
            unread: vec![],
            known: BTreeMap::new(),
            listed: BTreeMap::new(),
            without_entra: None,
            todos: vec![],
            offer: Some(offer()),
        }
    }

    pub(super) fn offer(&mut self) -> &mut Offer {
        self.offer.as_mut().expect("a target")
    }

    fn options(&self) -> Options {
        Options {
            rules: RuleSet::parse(self.rules).expect("rules are good"),
            maps: Maps::parse(self.maps).expect("maps are good"),
            plan: self.options.clone(),
            allow_same_workspace: self.allow_same_workspace,
            ..Options::default()
        }
    }

    fn prepared(&self) -> Prepared {
        let options = self.options();
        let rules = options.rules.clone().with_maps(&options.maps);
        let applied = rules.apply(&self.bundle, &Code::default());
        let contents = Contents { objects: self.bundle.clone(), recorded: self.recorded.clone(), unfit: self.unfit.clone() };
        let source = Source { workspace_id: "100".into(), host: "https://source".into(), digest: "d".into() };
        Prepared { source, contents, applied, rules }
    }

    fn met(&self, prepared: &Prepared) -> Met {
        if self.offer.is_none() {
            return ideal(prepared);
        }
        let target = Target {
            host: "https://target".into(),
            workspace_id: self.target_workspace.into(),
            user: "me@x.com".into(),
            is_admin: true,
        };
        let (unavailable, unread) = (self.unavailable.clone(), self.unread.clone());
        let without_entra = self.without_entra.clone();
        let inventory = Inventory { target, objects: self.target.clone(), unavailable, unread, without_entra };
        Met { inventory, known: self.known.clone().into(), listed: self.listed.clone(), ..Met::default() }
    }

    pub(super) fn report(&self) -> Report {
        self.look(judge)
    }

    /// What would be asked of the target.
    pub(super) fn needs(&self) -> ask::Needs {
        self.look(ask::needs)
    }

    fn look<T>(&self, judge: impl Fn(&Facts<'_>) -> T) -> T {
        let (prepared, options) = (self.prepared(), self.options());
        let met = self.met(&prepared);
        let mut plan = prepared.decide(&met, &options);
        plan.todos.extend(self.todos.iter().cloned());
        judge(&Facts { offer: self.offer.as_ref(), ..Facts::of(&prepared, &met, &plan, &options) })
    }
}

/// A target that offers all that the tests need.
pub(super) fn offer() -> Offer {
    let machine = |name: &str, cores: f64| Machine {
        node_type_id: name.into(),
        num_cores: cores,
        memory_mb: cores * 4096.0,
        node_info: Some(NodeInfo { status: vec![], available_core_quota: Some(100.0) }),
        ..Machine::default()
    };
    Offer {
        caller: Ok(Caller { is_admin: true, ..Caller::default() }),
        machines: Ok(vec![machine("Standard_D4ds_v5", 4.0), machine("Standard_D8ds_v5", 8.0)]),
        runtimes: Ok(vec![Runtime { key: "15.4.x-scala2.12".into(), name: "15.4 LTS".into() }]),
        zones: Ok(Zones { zones: vec!["1".into()], default_zone: Some("1".into()) }),
        switches: Ok(BTreeMap::new()),
        permissions: Ok(true),
        git: Ok(BTreeSet::from(["github".to_owned()])),
        people: Ok(vec![]),
        paths: BTreeMap::new(),
    }
}

/// A cluster that starts anywhere, with a few fields of its own.
pub(super) fn cluster(id: &str, more: serde_json::Value) -> Object {
    let mut spec = json!({"cluster_name": id, "spark_version": "15.4.x-scala2.12", "node_type_id": "Standard_D4ds_v5",
        "num_workers": 1, "autotermination_minutes": 60});
    if let (Some(spec), serde_json::Value::Object(more)) = (spec.as_object_mut(), more) {
        spec.extend(more);
    }
    object("cluster", id, spec)
}

#[test]
fn a_target_is_asked_only_for_what_a_plan_meets() {
    let library = json!({"settings": {"name": "j", "tasks": [{"task_key": "t", "libraries": [
        {"jar": "dbfs:/a.jar"}, {"whl": "/Volumes/c/s/v/b.whl"}, {"jar": "dbfs:/all/*.jar"}]}]}});
    let world = World::of(vec![object("job", "1", library)]);
    assert_eq!(
        world.needs(),
        ask::Needs { people: false, paths: BTreeSet::from(["dbfs:/a.jar".into(), "/Volumes/c/s/v/b.whl".into()]) }
    );
    assert!(World::of(vec![object("user", "1", json!({"userName": "new@x.com"}))]).needs().people);
}
