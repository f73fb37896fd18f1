//! (being built)

use super::tree::Node;

pub(super) fn node_key(node: &Node) -> String {
    format!("/{}", node.id)
}
