//! A graph as text: each line a thing, what it leads to below it.

use super::{Direction, Graph, GraphNode, Presence, words};
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
            (Some(why), _) => format!("  MISSING: {why}"),
            (None, Some(more)) => format!("  ({more})"),
            (None, None) if node.id != node.name => format!("  [{}]", node.id),
            (None, None) => String::new(),
        };
        let room = self.columns.saturating_sub(width(&head)).max(LEAST);
        // A name is worth more than what is said behind it.
        let name = shortened(&node.name, room.saturating_sub(width(&tail).min(room / 2)).max(LEAST));
        let tail = cut(&tail, room.saturating_sub(width(&name)), node.presence == Presence::Missing);
        self.lines.push(format!("{head}{name}{tail}").trim_end().to_owned());
    }
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
    // Names may hold anything, also what would begin a line of its own.
    let plain: String = name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if width(&plain) <= columns {
        return plain;
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

/// What stands behind a name, as far as there is room; an id that is cut tells nothing.
fn cut(tail: &str, room: usize, keep: bool) -> String {
    match width(tail) <= room {
        true => tail.to_owned(),
        false if keep && room > LEAST => taken(tail.chars(), room - 1).into_iter().chain(['…']).collect(),
        false if keep => "  MISSING".to_owned(),
        false => String::new(),
    }
}

#[cfg(test)]
mod tests {
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
    fn names_keep_both_ends() {
        assert_eq!(shortened("/Shared/very/long/path/etl", 13), "/Share…th/etl");
        assert_eq!(shortened("需要予測需要予測", 9), "需要…予測");
        assert_eq!(shortened("a\nb", 9), "a\u{fffd}b");
        assert!((1..40).all(|columns| width(&shortened("/日本/需要予測/🌞 and a long end", columns)) <= columns.max(1)));
    }
}
