//! Which attributes of a cluster its policy fills in, so that nobody takes them for what a person did.

use super::Planner;
use crate::kinds::Kind;
use crate::object::Object;
use crate::rules::{Difference, equal_under};
use serde_json::{Map, Value};
use std::borrow::Cow;

impl Planner<'_> {
    /// Where an object of the target differs from what is wanted; what a policy filled in is no difference.
    pub(super) fn differences(
        &self,
        kind: &'static Kind,
        wanted: &Map<String, Value>,
        actual: &Map<String, Value>,
    ) -> Vec<Difference> {
        equal_under(kind, wanted, actual, &|policies, attribute| self.fills(policies, attribute))
    }

    /// A policy that nobody knows may have filled in anything.
    fn fills(&self, policies: [&str; 2], attribute: &str) -> bool {
        let known: Vec<Map<String, Value>> = policies.into_iter().flat_map(|id| self.definitions(id)).collect();
        known.is_empty() || known.iter().any(|definition| definition.keys().any(|name| covers(name, attribute)))
    }

    /// The definitions of a policy, as the target has it, or else the bundle; those of its family too.
    fn definitions(&self, id: &str) -> Vec<Map<String, Value>> {
        let there = self.present.by_id("cluster_policy", id).and_then(Object::document).map(Cow::into_owned);
        let there = there.and_then(|policy| if let Value::Object(policy) = policy { Some(policy) } else { None });
        let coming = || self.bundle.objects[self.bundle.by_id("cluster_policy", id)?].json();
        let Some(policy) = there.or_else(coming) else { return Vec::new() };
        let family = policy.get("policy_family_id").and_then(Value::as_str);
        let family = family.and_then(|family| self.bundle.recorded("policy_family", family)).and_then(Object::document);
        let texts = [
            policy.get("definition"),
            policy.get("policy_family_definition_overrides"),
            family.as_ref().and_then(|one| one.get("definition")),
        ];
        texts.into_iter().flatten().filter_map(|text| serde_json::from_str(text.as_str()?).ok()).collect()
    }
}

/// Whether a rule of this name is about an attribute, or about a part of it.
fn covers(name: &str, attribute: &str) -> bool {
    let within =
        |outer: &str, inner: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    within(name, attribute) || within(attribute, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_about_a_field_a_part_of_it_or_what_holds_it() {
        for attribute in ["custom_tags.cost", "custom_tags"] {
            assert!(covers("custom_tags.cost", attribute), "{attribute}");
        }
        assert!(covers("init_scripts.0.workspace.destination", "init_scripts") && covers("a", "a.b"));
        assert!(!covers("custom_tags.cost", "custom_tags.costs") && !covers("custom_tags.cost", "custom_tags.mine"));
    }
}
