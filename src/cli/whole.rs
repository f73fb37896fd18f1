//! All objects of a bundle, for questions that look at them together.

use super::Advised;
use lifeboat::access::{Access, Source};
use lifeboat::audit::{self, Contents};
use lifeboat::bundle::{MemberLine, Reader, hex};
use lifeboat::object::{Absent, Object, Selection};
use lifeboat::relations::{Builder, Relations, mentions};
use serde_json::Value;

/// The objects of a bundle.
#[derive(Debug)]
pub struct Whole(Contents);

impl Whole {
    /// Reads them; bytes stay where they are.
    pub fn read(reader: &Reader) -> anyhow::Result<Self> {
        Ok(Self(audit::contents(reader, &Selection::default())?))
    }

    /// The objects.
    pub fn contents(&self) -> &Contents {
        &self.0
    }

    fn objects(&self) -> Vec<&Object> {
        self.0.objects.iter().chain(&self.0.recorded).collect()
    }

    /// What refers to what; `code` also reads the texts of notebooks and scripts.
    pub fn relations(&self, reader: &Reader, code: bool) -> anyhow::Result<Relations> {
        let mut builder = Builder::new(&self.objects(), self.absent(reader));
        if code {
            let is_code = |member: &MemberLine| Builder::is_code(&member.kind, &member.path, member.size);
            audit::bodies(
                reader,
                &is_code,
                &|_, bytes| mentions(bytes),
                &mut |member, mentions| builder.code(&member.kind, &member.path, &mentions),
                &mut |_, error| Err(error),
            )?;
        }
        Ok(builder.finish(code))
    }

    /// What the bundle does not hold, and what of it this version cannot read.
    fn absent(&self, reader: &Reader) -> Vec<Absent> {
        let unfit = self.0.unfit.iter().map(|one| Absent {
            kind: one.object.kind.clone(),
            path: one.object.id.clone(),
            state: "missing".to_owned(),
            reason: one.reason.clone(),
        });
        audit::absent(reader).into_iter().chain(unfit).collect()
    }

    fn source(&self, reader: &Reader) -> Source {
        let head = &reader.manifest().head.source;
        let text = |name: &str| head.get(name).and_then(Value::as_str).map(str::to_owned);
        Source {
            workspace_id: text("workspace_id"),
            taken: Some(reader.manifest().head.created.clone()),
            bundle: Some(hex(&reader.manifest().sha256)),
            caller: text("caller"),
            caller_is_admin: head.get("caller_is_admin").and_then(Value::as_bool),
            absent: self.absent(reader),
        }
    }

    /// Who can do what.
    pub fn access(&self, reader: &Reader) -> Access {
        Access::new(&self.objects(), self.source(reader))
    }
}

/// What to say of an object that a question names and the bundle cannot answer for.
pub fn unknown(reader: &Reader, object: &str) -> anyhow::Error {
    let narrowed = object.split_once(':').filter(|(kind, _)| lifeboat::kinds::by_name(kind).is_some());
    let (kind, name) = narrowed.map_or((None, object), |(kind, name)| (Some(kind), name));
    let manifest = reader.manifest();
    if let Some(gap) = manifest.gaps.iter().find(|gap| gap.path == name && kind.is_none_or(|kind| gap.kind == kind)) {
        return anyhow::anyhow!("{} \"{name}\" is {} in the bundle: {}", gap.kind, gap.state.as_str(), gap.reason);
    }
    let held = manifest.members.iter().any(|member| {
        kind.is_none_or(|kind| *member.kind == *kind) && (*member.path == *name || member.key.as_deref() == Some(name))
    });
    let what = if held { "nothing is known of the access to" } else { "the bundle holds no object" };
    let hint = if held { "objects of this kind have no permissions of their own" } else { "`lifeboat list --long` shows all" };
    Advised { what: format!("{what} \"{object}\""), hint: hint.to_owned() }.into()
}

/// Whether the first of two times of exports, RFC 3339, comes before the second; not where either cannot be read.
pub fn is_older(one: &str, other: &str) -> bool {
    let time = |text: &str| text.parse::<jiff::Timestamp>().ok();
    time(one).zip(time(other)).is_some_and(|(one, other)| one < other)
}
