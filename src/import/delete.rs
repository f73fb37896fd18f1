//! Deletes what an earlier import made. What is gone already was deleted; what turns out to be in use stays.

use super::links::text;
use super::receipt::{Done, State};
use super::send::request;
use super::{Hands, Ready, Trouble};
use crate::api::{ApiError, ErrorKind, Request};
use crate::kinds::{Collection, Shape};
use crate::plan::{Found, What};
use serde_json::json;

impl Hands<'_> {
    pub(super) async fn delete(&self, ready: &Ready<'_>, target: &Found) -> Result<Done, Trouble> {
        let deleted = match &ready.kind.shape {
            Shape::Collection(collection) => self.delete_one(ready, collection, target).await?,
            Shape::Tree(_) => self.delete_at(ready, target).await,
            _ => return Err(Trouble::Plan("the plan deletes what cannot be deleted by itself".into())),
        };
        match deleted {
            Ok(()) => Ok(Done::of(State::Deleted)),
            Err(error) if error.is_not_found() => Ok(Done::of(State::Deleted)),
            Err(error) if is_not_empty(&error) => {
                let reason = "it holds something that no import made: left as it is";
                Ok(Done { todos: vec![(What::Look, reason.to_owned())], ..Done::skipped(reason) })
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn delete_one(
        &self,
        ready: &Ready<'_>,
        collection: &'static Collection,
        target: &Found,
    ) -> Result<Result<(), ApiError>, Trouble> {
        let call = collection.delete.ok_or_else(|| Trouble::Plan("the plan deletes what is never deleted".into()))?;
        let id = text(&target.id);
        for mark in collection.marks.iter().filter(|mark| ready.step.marks.iter().any(|name| name == mark.name)) {
            self.workspace.call(&request(ready.kind, &mark.clear, &[("id", &id)], None)).await?;
        }
        // Job ids are numbers, which a template of texts cannot hold (core reference §0.3).
        let body = (ready.kind.name == "job").then(|| json!({ "job_id": target.id }));
        Ok(self.workspace.call(&request(ready.kind, call, &[("id", &id)], body)).await.map(drop))
    }

    /// Never what lies below: a folder that is not empty stays (core reference §2).
    async fn delete_at(&self, ready: &Ready<'_>, target: &Found) -> Result<(), ApiError> {
        let body = json!({ "path": text(&target.id), "recursive": false });
        self.workspace.call(&Request::post(ready.kind.name, "/api/2.0/workspace/delete", body).safe()).await.map(drop)
    }
}

fn is_not_empty(error: &ApiError) -> bool {
    error.code.as_deref() == Some("DIRECTORY_NOT_EMPTY")
        || (error.kind == ErrorKind::Invalid && error.message.contains("not empty"))
}
