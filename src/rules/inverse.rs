//! The way back: what stood for something gives it back its place.

use super::RuleSet;
use super::format::Activations;
use super::maps::Maps;
use super::set::Entry;
use std::collections::BTreeMap;

/// The rules of the way back.
#[derive(Clone, Debug, Default)]
pub struct Inverse {
    /// Maps and moves the other way round, and all that keeps a restore inert. What else rules did has no way back: the plan keeps
    /// the original wherever nothing was changed since.
    pub rules: RuleSet,
    /// What stands for several, and so for none: section, what stands there, and for what.
    pub unclear: Vec<(String, String, Vec<String>)>,
    /// Whether source code went through maps or moves that have no way back.
    pub loses_code: bool,
}

impl RuleSet {
    /// These rules the other way round.
    pub fn inverse(&self) -> Inverse {
        let mut origins: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        for (section, from, to) in self.maps.all() {
            origins.entry((section.to_owned(), to.to_owned())).or_default().push(from.to_owned());
        }
        let moves = self.rules.iter().flat_map(|entry| entry.rule.moves.0.iter());
        for (from, to) in moves {
            origins.entry((MOVES.to_owned(), to.clone())).or_default().push(from.clone());
        }
        let (clear, unclear): (BTreeMap<_, _>, BTreeMap<_, _>) = origins.into_iter().partition(|(_, froms)| froms.len() == 1);
        let back = |section: &str, to: &str| clear.get(&(section.to_owned(), to.to_owned())).and_then(|froms| froms.first());
        let maps = self.maps.all().filter_map(|(section, _, to)| Some((section, to, back(section, to)?.as_str())));
        let maps = Maps::of(maps);
        let rules = self.rules.iter().filter(|entry| !entry.rule.moves.0.is_empty()).map(|entry| {
            let mut entry: Entry = entry.clone();
            entry.line = None;
            let turned = entry.rule.moves.0.iter().filter_map(|(_, to)| Some((to.clone(), back(MOVES, to)?.clone())));
            entry.rule.moves.0 = turned.collect();
            entry
        });
        let rules = rules.filter(|entry| !entry.rule.moves.0.is_empty()).collect();
        let in_code = |section: &str| super::maps::in_code(section) || section == MOVES;
        let loses_code = !self.inside.is_empty() && unclear.keys().any(|(section, _)| in_code(section));
        let rules = RuleSet { activations: Activations::Pause, may_keep: false, maps, rules, ..self.clone() };
        Inverse { rules, unclear: unclear.into_iter().map(|((section, to), froms)| (section, to, froms)).collect(), loses_code }
    }
}

/// The section of moves, among those of maps.
const MOVES: &str = "move";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_for_one_leads_back_and_what_stands_for_two_does_not() {
        let rules = "maps:\n  zone: {a: b}\n  node_type: {small: big, tiny: big}\nrules:\n  - {name: m, move: {/Shared/etl: /Archive}}\n  - {name: c, for: {kind: job}, set: {/timeout_seconds: 1}}\n";
        let inverse = RuleSet::parse(rules).expect("good").inverse();
        assert_eq!(inverse.rules.maps().all().collect::<Vec<_>>(), [("zone", "b", "a")]);
        assert_eq!(inverse.unclear, [("node_type".to_owned(), "big".to_owned(), vec!["small".to_owned(), "tiny".to_owned()])]);
        assert_eq!(inverse.rules.rules.len(), 1, "a set has no way back");
        assert_eq!(inverse.rules.rules[0].rule.moves.0, [("/Archive".to_owned(), "/Shared/etl".to_owned())]);
        assert!(!inverse.loses_code);
        assert!(RuleSet::parse("inside: [notebook]\nmaps: {text: {a: c, b: c}}\n").expect("good").inverse().loses_code);
    }
}
