//! Makes what has a path: folders, notebooks, files, Git folders.

use super::collection::{MOMENT, TRIES};
use super::links::text;
use super::receipt::{Done, State};
use super::send::is_ambiguous;
use super::{Hands, Ready, Trouble};
use crate::api::{ApiError, ErrorKind, Request};
use crate::kinds::Tree;
use crate::plan::{Action, Found, What};
use serde_json::{Value, json};

impl Hands<'_> {
    pub(super) async fn tree(&self, ready: &Ready<'_>, tree: Tree) -> Result<Done, Trouble> {
        match (&ready.step.action, tree) {
            (Action::Folder, _) => self.folder(ready).await,
            (Action::Home, _) => self.home(ready).await,
            (Action::Content { overwrite, .. }, _) => self.content(ready, tree, *overwrite).await,
            (Action::Create { .. }, Tree::Repo) => self.git_folder(ready).await,
            (Action::Update { target, .. }, Tree::Repo) => {
                let number = target.object_id.clone().unwrap_or_else(|| target.id.clone());
                self.branch(ready, &number, target).await?;
                Ok(Done::there(State::Updated, target.clone()))
            }
            _ => Err(Trouble::Plan("the plan asks for something that has no place in a tree".into())),
        }
    }

    /// `mkdirs` may be repeated: a folder that is there already is no error (core reference §0.4).
    async fn folder(&self, ready: &Ready<'_>) -> Result<Done, Trouble> {
        self.mkdirs(ready).await?;
        Ok(Done::there(State::Created, at(&ready.path, None)))
    }

    async fn mkdirs(&self, ready: &Ready<'_>) -> Result<(), ApiError> {
        let request = Request::post(ready.kind.name, "/api/2.0/workspace/mkdirs", json!({ "path": ready.path })).safe();
        self.workspace.call(&request).await.map(drop)
    }

    /// A home is never made: it came with its user, or it did not.
    async fn home(&self, ready: &Ready<'_>) -> Result<Done, Trouble> {
        for path in std::iter::once(&ready.path).chain(&ready.other_home) {
            if let Some(status) = self.status(ready, path).await? {
                return Ok(Done::there(State::Unchanged, at(path, status.get("object_id"))));
            }
        }
        let reason = "the home did not come with its user";
        let todo = (What::Principal, "let this person sign in once, then import again".to_owned());
        Ok(Done { todos: vec![todo], ..Done::skipped(reason) })
    }

    /// A Git folder is cloned, and its branch chosen afterwards; without a sign-in to Git a person has to help.
    async fn git_folder(&self, ready: &Ready<'_>) -> Result<Done, Trouble> {
        let url = ready.body.get("url").and_then(Value::as_str).unwrap_or_default();
        if url.is_empty() {
            self.mkdirs(ready).await?;
            let mut done = Done::there(State::Created, at(&ready.path, None));
            done.notes.push("it had no remote repository: made as a plain folder".into());
            return Ok(done);
        }
        let target = self.clone_git(ready).await.map_err(git_sign_in)?;
        let number = target.object_id.clone().unwrap_or_else(|| target.id.clone());
        if ready.body.get("branch").is_some_and(|branch| !branch.is_null()) {
            let half = |trouble| Trouble::Half(target.clone(), Box::new(trouble));
            self.branch(ready, &number, &target).await.map_err(git_sign_in).map_err(half)?;
        }
        Ok(Done::there(State::Created, target))
    }

    async fn clone_git(&self, ready: &Ready<'_>) -> Result<Found, Trouble> {
        let mut body = ready.body.clone();
        body.shift_remove("branch");
        body.insert("path".into(), json!(ready.path));
        let request = Request::post(ready.kind.name, "/api/2.0/repos", Value::Object(body));
        let mut attempt = 1;
        loop {
            match self.workspace.call(&request).await {
                Ok(answer) => return Ok(at(&ready.path, answer.get("id"))),
                Err(error) if is_ambiguous(&error) && attempt < TRIES => {
                    tokio::time::sleep(MOMENT * attempt).await;
                    if let Some(status) = self.status(ready, &ready.path).await? {
                        return Ok(at(&ready.path, status.get("object_id")));
                    }
                    attempt += 1;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn branch(&self, ready: &Ready<'_>, number: &Value, target: &Found) -> Result<(), Trouble> {
        let number = match number {
            Value::String(path) if path.starts_with('/') => self.number_of(ready, target).await?,
            number => number.clone(),
        };
        let body = json!({ "branch": ready.body.get("branch") });
        let request = Request::patch(ready.kind.name, format!("/api/2.0/repos/{}", text(&number)), body).safe();
        self.workspace.call(&request).await?;
        Ok(())
    }

    async fn number_of(&self, ready: &Ready<'_>, target: &Found) -> Result<Value, Trouble> {
        let status = self.status(ready, &text(&target.id)).await?;
        let number = status.and_then(|status| status.get("object_id").cloned());
        number.ok_or_else(|| Trouble::Plan("the Git folder is not there any more".into()))
    }
}

/// Whatever a clone is refused for, a person with a sign-in to Git can mend it (core reference §13.1).
fn git_sign_in(trouble: Trouble) -> Trouble {
    match trouble {
        Trouble::Api(error) if matches!(error.kind, ErrorKind::Invalid | ErrorKind::Denied | ErrorKind::NotFound) => {
            let todo = "sign in to Git in the target (User settings, Linked accounts), then import again".to_owned();
            Trouble::Person(What::GitToken, todo, Box::new(Trouble::Api(error)))
        }
        other => other,
    }
}

/// Something at a path of the target.
pub(super) fn at(path: &str, object_id: Option<&Value>) -> Found {
    Found { id: json!(path), key: path.to_owned(), object_id: object_id.cloned() }
}
