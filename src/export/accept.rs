//! What is known to be missing, and taken.

use super::UNACCOUNTED;
use crate::object::{PatternError, Selection};

/// Objects that may be missing or degraded: what nobody can ever read. They are told as before and counted apart, and a bundle that
/// lacks nothing else is complete.
#[derive(Clone, Debug, Default)]
pub struct Accept(Vec<One>);

#[derive(Clone, Debug)]
struct One {
    text: String,
    selection: Selection,
    met: u64,
}

/// What was accepted by one pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The pattern, as it was written.
    pub pattern: String,
    /// How many missing or degraded objects it meets. None: it has become pointless.
    pub objects: u64,
}

impl Accept {
    /// Reads `kind` or `kind:glob`, as [`Selection::new`] does.
    pub fn new(patterns: &[String]) -> Result<Self, PatternError> {
        let one = |text: &String| {
            let selection = Selection::new(std::slice::from_ref(text), &[])?;
            Ok(One { text: text.clone(), selection, met: 0 })
        };
        patterns.iter().map(one).collect::<Result<_, _>>().map(Self)
    }

    /// Whether this missing or degraded object is taken, by whichever patterns: each of them has met it then.
    pub(super) fn takes(&mut self, kind: &str, name: &str) -> bool {
        let mut taken = false;
        for one in self.0.iter_mut().filter(|one| one.covers(kind, name)) {
            one.met += 1;
            taken = true;
        }
        taken
    }

    /// What came of each pattern.
    pub(super) fn into_accepted(self) -> Vec<Accepted> {
        self.0.into_iter().map(|one| Accepted { pattern: one.text, objects: one.met }).collect()
    }
}

impl One {
    /// That all of a kind is out of reach is taken only by who names the kind alone, and that our own sums do not add up by nobody.
    fn covers(&self, kind: &str, name: &str) -> bool {
        let within_reach = name != "*" || !self.text.contains(':');
        within_reach && name != UNACCOUNTED && self.selection.wants(kind, name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_named_is_taken_and_what_names_nothing_is_known() {
        let patterns = ["notebook:/Users/gone/**", "job", "cluster:old-*"].map(str::to_owned);
        let mut accept = Accept::new(&patterns).unwrap();
        let takes = [
            ("notebook", "/Users/gone/a", true),
            ("notebook", "/Users/gone/b/c", true),
            ("notebook", "/Users/other/a", false),
            ("notebook", "*", false),
            ("file", "/Users/gone/a", false),
            ("job", "nightly", true),
            ("job", "*", true),
            ("job", UNACCOUNTED, false),
        ];
        for (kind, name, taken) in takes {
            assert_eq!(accept.takes(kind, name), taken, "{kind} {name}");
        }
        let counts: Vec<u64> = accept.into_accepted().iter().map(|one| one.objects).collect();
        assert_eq!(counts, [2, 2, 0]);
        assert!(Accept::new(&["no_such_kind".to_owned()]).is_err());
    }
}
