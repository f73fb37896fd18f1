//! A graph in the language of Graphviz.

use super::tree::shortened;
use super::{Graph, GraphNode, Presence, words};
use crate::calm;

/// The graph as DOT text, for `dot -Tsvg` and whatever else reads it.
pub fn dot(graph: &Graph) -> String {
    let mut lines = vec![
        "digraph lifeboat {".to_owned(),
        "  rankdir=LR;".to_owned(),
        "  node [shape=box, style=\"rounded,filled\", fillcolor=\"#f4f6f8\", fontname=\"Helvetica\", fontsize=10];".to_owned(),
        "  edge [fontname=\"Helvetica\", fontsize=8, color=\"#6b7280\"];".to_owned(),
    ];
    lines.extend(graph.nodes.iter().enumerate().map(|(number, node)| self::node(number, node)));
    for edge in &graph.edges {
        lines.push(format!("  n{} -> n{} [label={}];", edge.from, edge.to, quoted(edge.relation.words())));
    }
    lines.push("}".to_owned());
    lines.join("\n")
}

fn node(number: usize, node: &GraphNode) -> String {
    let label = format!("{}\\n{}", escaped(&words(node.kind)), escaped(&shortened(&node.name, 60)));
    let look = match node.presence {
        Presence::There => String::new(),
        Presence::Outside => ", style=\"dashed\"".to_owned(),
        Presence::Missing => format!(
            ", color=\"#b91c1c\", fontcolor=\"#b91c1c\", style=\"dashed\", tooltip={}",
            quoted(node.why.as_deref().unwrap_or_default())
        ),
    };
    format!("  n{number} [label=\"{label}\"{look}];")
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text))
}

/// In quotes, DOT knows a backslash for its own escapes, and the ampersand of HTML entities.
fn escaped(text: &str) -> String {
    let text = calm::line(text);
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\\' => escaped.extend(['\\', c]),
            '&' => escaped.push_str("&amp;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_name_ends_it() {
        assert_eq!(quoted("a\"; b [x=\"y\\N\n&lt;"), "\"a\\\"; b [x=\\\"y\\\\N\\\\n&amp;lt;\"");
    }
}
