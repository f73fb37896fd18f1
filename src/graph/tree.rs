//! A graph as text: each line a thing, what it leads to below it.

use super::{Direction, Graph, GraphNode, words};
use crate::calm;
use crate::relations::Relation;

/// The lines of a tree, none wider than `columns`. What stood above with what it leads to is not told again.
pub fn tree(graph: &Graph, columns: usize) -> Vec<String> {
    let mut drawing = Drawing { graph, columns, below: below(graph), lines: Vec::new(), told: vec![false; graph.nodes.len()] };
    if let Some(root) = graph.nodes.first() {
        drawing.line("", "", root, None);
        drawing.told[0] = true;
        drawing.children(0, &mut String::new());
    }
    drawing.lines
}

/// What stands below each node, and how it got there.
fn below(graph: &Graph) -> Vec<Vec<(usize, String)>> {
    let mut below: Vec<Vec<(usize, String)>> = vec![Vec::new(); graph.nodes.len()];
    for edge in &graph.edges {
        let contents = edge.relation == Relation::LiesIn;
        let (over, under, word) = match graph.direction {
            _ if contents => (edge.to, edge.from, "contains".to_owned()),
            Direction::Dependents => (edge.to, edge.from, format!("← {} by", passive(edge.relation))),
            Direction::Needs | Direction::Everything => (edge.from, edge.to, edge.relation.words().to_owned()),
        };
        if over != under && !below[over].iter().any(|(known, text)| (*known, text) == (under, &word)) {
            below[over].push((under, word));
        }
    }
    below
}

/// Seen from what is referred to.
fn passive(relation: Relation) -> &'static str {
    match relation {
        Relation::Runs => "run",
        Relation::RunsAs => "run as",
        Relation::Installs => "installed",
        Relation::StartsWith => "started with",
        Relation::ReadsSecret => "read",
        Relation::Includes => "included",
        Relation::PartOf => "filled",
        Relation::NeedsOutside => "needed",
        Relation::Notifies => "notified",
        Relation::OwnedBy => "owner named",
        Relation::Grants => "granted something",
        Relation::HasMember => "had as a member",
        Relation::Uses | Relation::LiesIn | Relation::CreatedBy => "used",
    }
}

struct Drawing<'a> {
    graph: &'a Graph,
    columns: usize,
    below: Vec<Vec<(usize, String)>>,
    lines: Vec<String>,
    told: Vec<bool>,
}

impl Drawing<'_> {
    fn children(&mut self, node: usize, indent: &mut String) {
        let children = std::mem::take(&mut self.below[node]);
        let last = children.len().saturating_sub(1);
        for (place, (child, word)) in children.into_iter().enumerate() {
            let (branch, rest) = if place == last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            let shown = &self.graph.nodes[child];
            let again = std::mem::replace(&mut self.told[child], true);
            let more = !self.below[child].is_empty();
            let deep = more && width(indent) + ROOM > self.columns;
            self.line(
                &format!("{indent}{branch}"),
                &format!("{word} "),
                shown,
                (again && more).then_some("above").or(deep.then_some("goes on")),
            );
            if !again && !deep {
                let length = indent.len();
                indent.push_str(rest);
                self.children(child, indent);
                indent.truncate(length);
            }
        }
    }

    fn line(&mut self, indent: &str, word: &str, node: &GraphNode, more: Option<&str>) {
        let head = format!("{indent}{word}{} ", words(node.kind));
        let tail = match (&node.why, more) {
            (Some(why), _) => format!("  {}", absence(why)),
            (None, Some(more)) => format!("  ({more})"),
            (None, None) if node.id != node.name => format!("  [{}]", node.id),
            (None, None) => String::new(),
        };
        let room = self.columns.saturating_sub(width(&head)).max(LEAST);
        if node.why.is_some() && width(&node.name) + width(&tail) > room {
            self.lines.push(format!("{head}{}", shortened(&node.name, room)));
            return self.reason(indent, tail.trim_start());
        }
        // A name is worth more than what is said behind it.
        let name = shortened(&node.name, room.saturating_sub(width(&tail).min(room / 2)).max(LEAST));
        // An id that is cut tells nothing.
        let tail = if width(&tail) <= room.saturating_sub(width(&name)) { tail } else { String::new() };
        self.lines.push(format!("{head}{name}{tail}").trim_end().to_owned());
    }

    /// Why something is not there is told whole, below its name.
    fn reason(&mut self, indent: &str, why: &str) {
        let lead = format!("{}   ", indent.replace("├─ ", "│  ").replace("└─ ", "   "));
        let room = self.columns.saturating_sub(width(&lead)).max(LEAST);
        let mut line = String::new();
        for word in calm::line(why).split(' ').flat_map(|word| pieces(word, room)) {
            if !line.is_empty() && width(&line) + 1 + width(&word) > room {
                self.lines.push(format!("{lead}{}", std::mem::take(&mut line)));
            }
            line.push_str(if line.is_empty() { "" } else { " " });
            line.push_str(&word);
        }
        self.lines.push(format!("{lead}{line}"));
    }
}

/// What became of what is not there, in one word that catches the eye: `UNAVAILABLE: …`, or `MISSING: …` where nothing says more.
fn absence(why: &str) -> String {
    match why.split_once(": ") {
        Some((state @ ("missing" | "excluded" | "unavailable"), reason)) => format!("{}: {reason}", state.to_uppercase()),
        _ => format!("MISSING: {why}"),
    }
}

/// A word in pieces of at most so many columns.
fn pieces(word: &str, columns: usize) -> Vec<String> {
    let (mut pieces, mut left) = (Vec::new(), word);
    while width(left) > columns {
        let piece: String = taken(left.chars(), columns).into_iter().collect();
        let (_, rest) = left.split_at(piece.len());
        pieces.push(piece);
        left = rest;
    }
    pieces.push(left.to_owned());
    pieces
}

/// Columns that a line needs behind its indent. Where there are no more, what goes on is not drawn: whoever wants it asks for what
/// stands there. So nothing that a bundle holds is too deep for us.
const ROOM: usize = 50;

/// So many columns of a name are told, however deep it stands.
const LEAST: usize = 12;

/// Columns that a text takes: wide letters take two.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(|c| if is_wide(c) { 2 } else { 1 }).sum()
}

/// East Asian wide letters and most pictures (Unicode Annex 11, in blocks).
fn is_wide(c: char) -> bool {
    matches!(u32::from(c), 0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe6f | 0xff00..=0xff60 | 0x1f300..=0x1faff | 0x20000..=0x3fffd)
}

/// A name in so many columns: beginnings and ends tell most.
pub(super) fn shortened(name: &str, columns: usize) -> String {
    let plain = calm::line(name);
    if width(&plain) <= columns {
        return plain.into_owned();
    }
    let (front, back) = (columns.saturating_sub(1) / 2, columns.saturating_sub(1).div_ceil(2));
    let end = taken(plain.chars().rev(), back).into_iter().rev().collect::<String>();
    let begin = taken(plain.chars(), front).into_iter().collect::<String>();
    format!("{begin}…{end}")
}

fn taken(letters: impl Iterator<Item = char>, columns: usize) -> Vec<char> {
    let mut left = columns;
    let fits = |c: &char| {
        let wide = if is_wide(*c) { 2 } else { 1 };
        let fits = wide <= left;
        left = left.saturating_sub(wide);
        fits
    };
    letters.take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Presence;
    use super::*;

    #[test]
    fn a_chain_without_end_is_cut() {
        let node = |depth: u32| GraphNode {
            kind: "notebook",
            id: format!("/{depth}"),
            name: format!("/{depth}"),
            presence: Presence::There,
            why: None,
            depth,
        };
        let many = 100_000;
        let edges =
            (0..many).map(|at| super::super::GraphEdge { from: at, to: at + 1, relation: Relation::Includes, at: Vec::new() });
        let nodes = (0..=u32::try_from(many).unwrap()).map(node).collect();
        let direction = Direction::Needs;
        let graph = Graph { direction, nodes, edges: edges.collect(), computed: Vec::new(), cut: false, gaps: Vec::new() };
        let lines = tree(&graph, 80);
        assert_eq!(lines.len(), 13);
        assert!(lines.last().is_some_and(|line| line.ends_with("(goes on)")), "{lines:?}");
        assert!(lines.iter().all(|line| width(line) <= 80), "{lines:?}");
    }

    #[test]
    fn a_reason_is_told_whole_and_names_one_state() {
        let node = |id: &str, presence, why: Option<&str>| GraphNode {
            kind: "volume_file",
            id: id.to_owned(),
            name: id.to_owned(),
            presence,
            why: why.map(str::to_owned),
            depth: 0,
        };
        let long = format!("unavailable: not there at the source; referred to by {}", "x".repeat(90));
        let nodes = vec![
            node("/root", Presence::There, None),
            node("/Volumes/energy/ops/libs/gone.jar", Presence::Missing, Some(&long)),
            node("/b", Presence::Missing, Some("not there")),
        ];
        let edge = |to| super::super::GraphEdge { from: 0, to, relation: Relation::Installs, at: Vec::new() };
        let (computed, gaps) = (Vec::new(), Vec::new());
        let graph = Graph { direction: Direction::Needs, nodes, edges: vec![edge(1), edge(2)], computed, cut: false, gaps };
        let lines = tree(&graph, 60);
        assert_eq!(lines[1], "├─ installs volume file /Volumes/energy/ops/libs/gone.jar");
        assert!(lines[2].starts_with("│     UNAVAILABLE: not there at the source; referred to by"), "{lines:#?}");
        assert_eq!(lines.iter().map(|line| line.matches('x').count()).sum::<usize>(), 90, "{lines:#?}");
        assert_eq!(lines.last().map(String::as_str), Some("└─ installs volume file /b  MISSING: not there"));
        assert!(lines.iter().all(|line| width(line) <= 60), "{lines:#?}");
    }

    #[test]
    fn names_keep_both_ends() {
        assert_eq!(shortened("/Shared/very/long/path/etl", 13), "/Share…th/etl");
        assert_eq!(shortened("需要予測需要予測", 9), "需要…予測");
        assert_eq!(shortened("a\nb", 9), "a\\nb");
        assert!((1..40).all(|columns| width(&shortened("/日本/需要予測/🌞 and a long end", columns)) <= columns.max(1)));
    }
}
