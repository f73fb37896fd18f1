//! A graph as a picture: one SVG file without scripts, fonts or anything from elsewhere, for light and for dark.

use super::layers::{Layout, layout};
use super::tree::shortened;
use super::{Graph, GraphEdge, GraphNode, Presence, words};
use crate::page::escaped;
use std::collections::BTreeMap;
use std::fmt::Write;

/// More nodes than this make no picture that a person can read.
pub const MOST_NODES: usize = 400;

/// More lines than this are no picture either.
const MOST_EDGES: usize = 4 * MOST_NODES;

/// The graph is too large for a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nobody could read a picture of {nodes} objects and {edges} references: there is room for {MOST_NODES} and {MOST_EDGES}")]
pub struct TooLarge {
    /// How many nodes there are.
    pub nodes: usize,
    /// How many references there are.
    pub edges: usize,
}

const WIDTH: f64 = 230.0;
const HEIGHT: f64 = 42.0;
const GAP: f64 = 90.0;
const MARGIN: f64 = 16.0;
/// Columns of a name that fit into a box.
const LETTERS: usize = 30;

const STYLE: &str = "\
svg{background:#ffffff;font:12px system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}\
.box{fill:#f4f6f8;stroke:#94a3b8}.root .box{stroke:#0f172a;stroke-width:2.5}.kind{fill:#64748b;font-size:10px}\
.name{fill:#0f172a}.edge{fill:none;stroke:#94a3b8;stroke-width:1.2}.tip{fill:#94a3b8}.how{fill:#64748b;font-size:9.5px;stroke:#ffffff;stroke-width:3px;paint-order:stroke}\
.outside .box{fill:none;stroke-dasharray:4 3}.missing .box{fill:#fef2f2;stroke:#b91c1c;stroke-dasharray:4 3}\
.missing .name,.missing .kind{fill:#b91c1c}\
@media(prefers-color-scheme:dark){svg{background:#0f172a}.box{fill:#1e293b;stroke:#64748b}.root .box{stroke:#f8fafc}\
.name{fill:#f1f5f9}.how{stroke:#0f172a}.kind,.how{fill:#a3b1c6}.edge{stroke:#64748b}.tip{fill:#64748b}\
.outside .box{fill:none}.missing .box{fill:#3b1219;stroke:#f87171}.missing .name,.missing .kind{fill:#fca5a5}}";

/// Draws the graph, from left to right.
pub fn svg(graph: &Graph) -> Result<String, TooLarge> {
    if graph.nodes.len() > MOST_NODES || graph.edges.len() > MOST_EDGES {
        return Err(TooLarge { nodes: graph.nodes.len(), edges: graph.edges.len() });
    }
    let ends: Vec<(usize, usize)> = graph.edges.iter().map(|edge| (edge.from, edge.to)).collect();
    let layout = layout(graph.nodes.len(), &ends);
    let columns = f64::from(u32::try_from(layout.columns.max(1)).unwrap_or(1));
    let (width, height) = (columns * (WIDTH + GAP) - GAP + 2.0 * MARGIN, layout.height + 2.0 * MARGIN);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\">\n<title>{}</title>\n<style>{STYLE}</style>\n\
         <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\">\
         <path class=\"tip\" d=\"M0 0L8 4L0 8z\"/></marker></defs>\n",
        escaped(&title(graph))
    );
    edges(graph, &layout, &mut out);
    for (number, node) in graph.nodes.iter().enumerate() {
        boxed(node, number == 0 && graph.nodes.len() > 1, corner(&layout, number), &mut out);
    }
    out.push_str("</svg>\n");
    Ok(out)
}

fn title(graph: &Graph) -> String {
    let of = graph.nodes.first().map(|node| format!("{} {}", words(node.kind), node.name)).unwrap_or_default();
    match graph.direction {
        super::Direction::Needs => format!("what {of} needs"),
        super::Direction::Dependents => format!("what depends on {of}"),
        super::Direction::Everything => "what needs what".to_owned(),
    }
}

fn left(column: usize) -> f64 {
    MARGIN + f64::from(u32::try_from(column).unwrap_or(0)) * (WIDTH + GAP)
}

fn corner(layout: &Layout, node: usize) -> (f64, f64) {
    let (column, y) = layout.nodes[node];
    (left(column), MARGIN + y - HEIGHT / 2.0)
}

fn boxed(node: &GraphNode, root: bool, (x, y): (f64, f64), out: &mut String) {
    let class = match node.presence {
        _ if root => "root",
        Presence::There => "there",
        Presence::Outside => "outside",
        Presence::Missing => "missing",
    };
    let kind = if node.presence == Presence::Missing { format!("{}, missing", words(node.kind)) } else { words(node.kind) };
    let why = node.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let _ = writeln!(
        out,
        "<g class=\"{class}\"><title>{}</title><rect class=\"box\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
         rx=\"6\"/><text class=\"kind\" x=\"{:.1}\" y=\"{:.1}\">{}</text><text class=\"name\" x=\"{:.1}\" y=\"{:.1}\">{}</text></g>",
        escaped(&format!("{kind} {}{why}", node.name)),
        x + 10.0,
        y + 15.0,
        escaped(&kind),
        x + 10.0,
        y + 32.0,
        escaped(&shortened(&node.name, LETTERS)),
    );
}

/// Between two boxes goes one line, whatever the number of references.
fn edges(graph: &Graph, layout: &Layout, out: &mut String) {
    let mut lines: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
    for (number, edge) in graph.edges.iter().enumerate().filter(|(_, edge)| edge.from != edge.to) {
        lines.entry((edge.from, edge.to)).or_default().push(number);
    }
    let mut said: Vec<Option<String>> = vec![None; graph.nodes.len()];
    let mut labels = String::new();
    for ((from, to), numbers) in lines {
        let together: Vec<&GraphEdge> = numbers.iter().map(|number| &graph.edges[*number]).collect();
        let path = path(layout, from, to, numbers.first().map_or(&[], |number| layout.bends[*number].as_slice()));
        let how = how(&together);
        let _ = writeln!(
            out,
            "<path class=\"edge\" d=\"{path}\" marker-end=\"url(#tip)\"><title>{}</title></path>",
            tooltip(&how, &together)
        );
        // The word stands at the box that is led to, once for all that come by the same.
        if layout.nodes[from].0 < layout.nodes[to].0 && said[to].as_ref() != Some(&how) {
            let (x, y) = corner(layout, to);
            let row = if said[to].is_none() { 16.0 } else { 34.0 };
            let (x, y) = (x - 10.0, y + row);
            let _ =
                writeln!(labels, "<text class=\"how\" text-anchor=\"end\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escaped(&how));
            said[to] = Some(how);
        }
    }
    // Above the lines, so that none goes through a word.
    out.push_str(&labels);
}

fn how(edges: &[&GraphEdge]) -> String {
    let mut words: Vec<&str> = edges.iter().map(|edge| edge.relation.words()).collect();
    words.dedup();
    words.join(", ")
}

/// As XML.
fn tooltip(how: &str, edges: &[&GraphEdge]) -> String {
    let places = edges.iter().flat_map(|edge| &edge.at).map(ToString::to_string);
    std::iter::once(how.to_owned()).chain(places.take(5)).map(|line| escaped(&line)).collect::<Vec<_>>().join("\n")
}

/// From the right side of one box to the left side of the other, in curves through the places between; back from left to right.
fn path(layout: &Layout, from: usize, to: usize, bends: &[(usize, f64)]) -> String {
    let forward = layout.nodes[from].0 < layout.nodes[to].0;
    let ((fx, fy), (tx, ty)) = (corner(layout, from), corner(layout, to));
    let (fx, tx) = if forward { (fx + WIDTH, tx) } else { (fx, tx + WIDTH) };
    let mut points = vec![(fx, fy + HEIGHT / 2.0)];
    for (column, y) in bends {
        let (near, far) = (left(*column), left(*column) + WIDTH);
        let (first, last) = if forward { (near, far) } else { (far, near) };
        points.extend([(first, MARGIN + y), (last, MARGIN + y)]);
    }
    points.push((tx, ty + HEIGHT / 2.0));
    let mut path = format!("M{:.1} {:.1}", points[0].0, points[0].1);
    for pair in points.windows(2) {
        let [(x1, y1), (x2, y2)] = pair else { continue };
        let middle = f64::midpoint(*x1, *x2);
        let _ = write!(path, "C{middle:.1} {y1:.1} {middle:.1} {y2:.1} {x2:.1} {y2:.1}");
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Direction;
    use crate::relations::Relation;

    fn graph(name: &str, many: usize) -> Graph {
        let node = |depth| GraphNode {
            kind: "notebook",
            id: name.to_owned(),
            name: name.to_owned(),
            presence: Presence::Missing,
            why: Some(name.to_owned()),
            depth,
        };
        let edges = vec![GraphEdge { from: 0, to: 1, relation: Relation::Includes, at: Vec::new() }];
        let nodes = (0..many).map(|_| node(0)).collect();
        Graph { direction: Direction::Needs, nodes, edges, computed: Vec::new(), cut: false, gaps: Vec::new() }
    }

    #[test]
    fn names_are_text_and_nothing_else() {
        let drawn = svg(&graph("</text><script>alert(1)</script>\"'&\u{0}\u{202e}", 2)).unwrap();
        assert!(!drawn.contains("<script") && drawn.contains("&lt;script&gt;"), "{drawn}");
        assert!(!drawn.contains('\u{0}') && !drawn.contains('\u{202e}'));
    }

    #[test]
    fn what_nobody_could_read_is_not_drawn() {
        assert_eq!(svg(&graph("a", MOST_NODES + 1)), Err(TooLarge { nodes: MOST_NODES + 1, edges: 1 }));
    }
}
