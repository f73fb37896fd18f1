//! What the target would certainly refuse: it is not sent, night after night, to be refused again.

use super::Planner;
use super::fate::Fate;
use super::refs::{self, Lead, references};
use crate::kinds::{Gone, Shape};
use crate::pointer;
use crate::rules::Sanitized;
use serde_json::{Value, json};

impl Planner<'_> {
    /// Holds back what would be refused, then what needs that, until nothing is found any more.
    pub(super) fn hold_back_refused(&mut self) {
        while self.hold_back_some() {}
    }

    fn hold_back_some(&mut self) -> bool {
        let mut more = false;
        for index in 0..self.bundle.objects.len() {
            let is_new = matches!(self.fates[index], Fate::Coming);
            if let Some(reason) = is_new.then(|| self.would_be_refused(index)).flatten() {
                self.fates[index] = Fate::Never(reason);
                more = true;
            }
        }
        more
    }

    /// Why the target would refuse an object, if that is known without asking.
    pub(super) fn would_be_refused(&self, index: usize) -> Option<String> {
        let object = self.bundle.objects[index];
        if !matches!(object.kind().shape, Shape::Collection(_)) {
            return None;
        }
        self.vault_without_entra(object).or_else(|| self.names_what_is_not_there(object))
    }

    /// Only somebody who is signed in to Entra ID may tie a Key Vault (core reference §12).
    fn vault_without_entra(&self, object: &Sanitized) -> Option<String> {
        let how = self.inventory.without_entra.as_ref()?;
        let is_vault = object.json()?.get("backend_type") == Some(&json!("AZURE_KEYVAULT"));
        is_vault.then(|| format!("a scope in a Key Vault needs a sign-in to Entra ID, and {how}: import again with one, and with the vault of this region (`key_vault:` in the maps)"))
    }

    /// A reference that a workspace checks. In the workspace where the bundle comes from, the id may still be good although the
    /// inventory did not look for it.
    fn names_what_is_not_there(&self, object: &Sanitized) -> Option<String> {
        let places: Vec<_> = references(object.kind()).filter(|(_, reference)| reference.gone == Gone::Needed).collect();
        if places.is_empty() || self.same_workspace {
            return None;
        }
        let body = Value::Object(object.json()?);
        let mut found = None;
        for (at, reference) in places {
            pointer::each(&body, at, &mut |place, value| {
                let Lead::Gone(why) = self.lead(reference, value) else { return };
                let kind = reference.to.join(" or ");
                let gone = || "which is neither in the target nor restored with it".to_owned();
                let why = why.map_or_else(gone, |why| format!("which is not restored ({why})"));
                let hint = format!("map it (`{kind}:`), or change {place}");
                found.get_or_insert_with(|| format!("refers to {kind} \"{}\", {why}: {hint}", refs::text(value)));
            });
        }
        found
    }
}
