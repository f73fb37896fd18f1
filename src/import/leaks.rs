//! What of the source stands in what was sent.

use super::Import;
use crate::kinds;
use crate::leaks::Leak;
use crate::plan::Step;
use serde_json::{Map, Value};

impl Import<'_> {
    /// Looks through every body as it was sent; the bytes were looked through on their way.
    pub(super) fn leaks(&mut self) -> Vec<Leak> {
        let mut leaks = Vec::new();
        for index in 0..self.plan.steps.len() {
            let step = &self.plan.steps[index];
            let Some(done) = self.done[index].as_mut().filter(|done| step.action.writes() && done.target_is_written()) else {
                continue;
            };
            let of_bytes = std::mem::take(&mut done.leaks);
            leaks.extend(self.in_body(step).into_iter().chain(of_bytes));
        }
        leaks.sort_by(|a, b| (&a.object, &a.at).cmp(&(&b.object, &b.at)));
        leaks.dedup();
        leaks
    }

    fn in_body(&self, step: &Step) -> Vec<Leak> {
        let (Some(marks), Some(kind)) = (self.options.marks, kinds::by_name(&step.source.kind)) else { return Vec::new() };
        let body: Map<String, Value> = self.known.fill(step).map(|filled| filled.body).unwrap_or_default();
        marks.in_body(kind, &step.source, &step.key, &body, &|_| false)
    }
}
