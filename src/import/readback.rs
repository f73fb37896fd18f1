//! Reads back what was written until the workspace shows it, and says where it shows something else.
//!
//! A workspace may need a while until its answers show a change (field notes: write, then read until the wanted state is
//! seen): so what does not show yet is looked at again, after ever longer pauses, and only then told.

use super::links::text;
use super::receipt::Done;
use super::{Import, Verified};
use crate::event::Event;
use crate::kinds::{self, Read, Shape, Tree, is_principal};
use crate::object::{Object, SourceId};
use crate::plan::{Action, Difference, Step, lacks};
use crate::spool::{Sha, Spool, hex};
use crate::survey::{self, Found, Sought};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use tokio::sync::mpsc;

/// How often it is looked again; pauses begin at the connection's own first pause and double: half a minute in all.
const LOOKS: u32 = 5;

/// Reads under way at once.
const READERS: usize = 16;

/// Objects that are still to be seen, with the steps that wrote them.
type Unseen = BTreeMap<SourceId, (Sought, Vec<usize>)>;

impl Import<'_> {
    /// Fills in what the target shows of each step that wrote something.
    pub(super) async fn read_back(&mut self) {
        let mut unseen = self.written();
        if unseen.is_empty() || self.locked_out.is_some() {
            return;
        }
        self.observer.event(&Event::Stage("read back"));
        for look in 0..=LOOKS {
            Box::pin(self.look(&unseen)).await;
            let seen = |steps: &Vec<usize>| steps.iter().all(|step| self.verified.get(step) == Some(&Verified::Yes));
            unseen.retain(|_, (_, steps)| !seen(steps));
            if unseen.is_empty() || look == LOOKS {
                return;
            }
            tokio::time::sleep(self.hands.workspace.pause() * 2_u32.pow(look)).await;
        }
    }

    /// What was written and is there, each object once.
    fn written(&self) -> Unseen {
        let mut unseen = Unseen::new();
        for (index, step) in self.plan.steps.iter().enumerate().filter(|(_, step)| step.action.writes()) {
            let done = self.done[index].as_ref().filter(|done| done.state.is_there());
            let Some(sought) = done.and_then(|done| sought(step, done)) else { continue };
            let name = SourceId { kind: sought.kind.name.to_owned(), id: sought.comes_as() };
            let (one, steps) = unseen.entry(name).or_insert_with(|| (sought.clone(), Vec::new()));
            one.marks |= sought.marks;
            // What was made bare and completed later is what the later step made it.
            let replaces = matches!(step.action, Action::Complete { .. }) && !is_principal(sought.kind.name);
            steps.retain(|_| !replaces);
            steps.push(index);
        }
        unseen
    }

    /// One look at everything that is still to be seen.
    async fn look(&mut self, unseen: &Unseen) {
        for step in unseen.values().flat_map(|(_, steps)| steps) {
            self.verified.insert(*step, Verified::Absent);
        }
        let spool = match Spool::in_temp() {
            Ok(spool) => spool,
            Err(error) => return self.unread(unseen, &format!("cannot keep what is read back: {error}")),
        };
        let sought: Vec<Sought> = unseen.values().map(|(sought, _)| sought.clone()).collect();
        let (sink, mut found) = mpsc::channel(64);
        let (workspace, observer) = (self.hands.workspace, self.observer.clone());
        let reading = survey::seek(workspace, &sought, READERS, &spool, &observer, sink);
        let seeing = async {
            while let Some(one) = found.recv().await {
                self.see(unseen, one);
            }
        };
        let (read, ()) = tokio::join!(reading, seeing);
        if let Err(error) = read {
            self.unread(unseen, &error.to_string());
        }
    }

    /// Whatever nothing was seen of could not be read.
    fn unread(&mut self, unseen: &Unseen, reason: &str) {
        for step in unseen.values().flat_map(|(_, steps)| steps) {
            let verified = self.verified.entry(*step).or_insert(Verified::Absent);
            if *verified == Verified::Absent {
                *verified = Verified::Unread(reason.to_owned());
            }
        }
    }

    fn see(&mut self, unseen: &Unseen, found: Found) {
        match found {
            Found::Object(object) => {
                let Some((_, steps)) = unseen.get(&object.source()) else { return };
                for step in steps {
                    let differences = self.differences(*step, &object);
                    let verified = if differences.is_empty() { Verified::Yes } else { Verified::Differs(differences) };
                    self.verified.insert(*step, verified);
                }
            }
            Found::Gap(gap) if gap.http != Some(404) => {
                for step in hidden_by(unseen, gap.kind, &gap.path) {
                    self.verified.insert(step, Verified::Unread(gap.reason.clone()));
                }
            }
            Found::Gap(_) => {}
        }
    }

    fn differences(&self, index: usize, object: &Object) -> Vec<Difference> {
        let step = &self.plan.steps[index];
        let body: Map<String, Value> = self.known.fill(step).map(|filled| filled.body).unwrap_or_default();
        let sent = self.done[index].as_ref().and_then(|done| done.sent);
        let mut found = if object.kind.name == step.source.kind { lacks(object.kind, step, &body, object) } else { Vec::new() };
        found.extend(other_bytes(sent, object));
        found
    }
}

/// The steps whose objects a gap hides: one object, a whole kind, or all that lies in a folder.
fn hidden_by(unseen: &Unseen, kind: &str, path: &str) -> Vec<usize> {
    let steps = |hidden: &dyn Fn(&SourceId) -> bool| {
        unseen.iter().filter(|(name, _)| hidden(name)).flat_map(|(_, (_, steps))| steps.clone()).collect()
    };
    match path.strip_suffix("**") {
        Some(folder) => steps(&|name| name.id.starts_with(folder)),
        None if path.starts_with('*') => steps(&|name| name.kind == kind),
        None => {
            let name = SourceId { kind: kind.to_owned(), id: path.to_owned() };
            unseen.get(&name).map(|(_, steps)| steps.clone()).unwrap_or_default()
        }
    }
}

/// How an object that a step wrote is looked for.
fn sought(step: &Step, done: &Done) -> Option<Sought> {
    let kind = kinds::by_name(&step.source.kind)?;
    let marks = !step.marks.is_empty();
    match &kind.shape {
        Shape::Attached(attached) => {
            let parent = step.parent.as_ref()?;
            let (id, on) = (text(done.hangs_on.as_ref()?), Some(kinds::by_name(&parent.kind)?));
            match attached.read {
                // Nobody can read it: that the secret shows is seen by itself.
                Read::Given { .. } => None,
                Read::EachItems { .. } => {
                    let item = step.source.id.strip_prefix(&parent.id)?.strip_prefix('/')?.to_owned();
                    Some(Sought { kind, id, item: Some(item), on, marks })
                }
                _ => Some(Sought { kind, id, item: None, on, marks }),
            }
        }
        // A Git folder without a repository was made as a plain folder.
        Shape::Tree(Tree::Repo) if is_without_repository(step) => {
            let kind = kinds::by_name("directory")?;
            Some(Sought { kind, id: text(&done.target.as_ref()?.id), item: None, on: None, marks })
        }
        _ => Some(Sought { kind, id: text(&done.target.as_ref()?.id), item: None, on: None, marks }),
    }
}

fn is_without_repository(step: &Step) -> bool {
    let Action::Create { body } = &step.action else { return false };
    body.get("url").and_then(Value::as_str).unwrap_or_default().is_empty()
}

/// Bytes that are not those that were sent, by length and digest.
fn other_bytes(sent: Option<(u64, Sha)>, object: &Object) -> Option<Difference> {
    let (sent, have) = (sent?, object.body.digest());
    let told = |(len, sha): (u64, Sha)| json!(format!("{len} bytes, SHA-256 {}", hex(&sha)));
    (have != Some(sent)).then(|| Difference { at: String::new(), want: Some(told(sent)), have: have.map(told), fixed: false })
}
