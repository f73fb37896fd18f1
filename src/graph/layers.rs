//! Places for the nodes of a graph: columns from left to right, with few crossings (after Sugiyama, Tagawa and Toda, 1981).
//!
//! Edges that close a circle are set aside; each node stands right of all that leads to it; edges over several columns get a
//! place in each, so that they go around what is there; then each column is put in the order of its neighbours, back and forth.

/// Where everything is.
#[derive(Debug)]
pub(super) struct Layout {
    /// Column and height of the middle of each node.
    pub nodes: Vec<(usize, f64)>,
    /// Columns and heights that each edge passes on its way, both ends left out.
    pub bends: Vec<Vec<(usize, f64)>>,
    pub columns: usize,
    /// Height of all.
    pub height: f64,
}

/// Space that a node takes from top to top, and an edge that passes.
const NODE: f64 = 58.0;
const PASS: f64 = 18.0;

/// How often the columns are put in order, back and forth.
const SWEEPS: usize = 8;

/// Lays out a graph of so many nodes.
pub(super) fn layout(count: usize, edges: &[(usize, usize)]) -> Layout {
    let forward = without_circles(count, edges);
    let columns = columns(count, &forward);
    let mut grid = Grid::new(count, columns, &forward);
    grid.order();
    let heights = grid.heights();
    let height = heights.iter().zip(&grid.size).map(|(y, size)| y + size / 2.0).fold(NODE, f64::max);
    let place = |item: usize| (grid.column[item], heights[item]);
    let mut bends: Vec<Vec<(usize, f64)>> =
        grid.chains.iter().map(|chain| chain.iter().map(|item| place(*item)).collect()).collect();
    // An edge against the stream passes the same places the other way round.
    for (bend, (there, here)) in bends.iter_mut().zip(edges.iter().zip(&forward)) {
        if there != here {
            bend.reverse();
        }
    }
    Layout { nodes: (0..count).map(place).collect(), bends, columns: grid.layers.len(), height }
}

/// The edges, those turned round that close a circle.
fn without_circles(count: usize, edges: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let mut next: Vec<Vec<usize>> = vec![Vec::new(); count];
    edges.iter().for_each(|(from, to)| next[*from].push(*to));
    // 0: not seen, 1: on the way, 2: done; the order in which nodes are done, reversed, is one that edges follow.
    let (mut state, mut done) = (vec![0_u8; count], Vec::with_capacity(count));
    for start in 0..count {
        let mut way = if state[start] == 0 { vec![(start, 0)] } else { Vec::new() };
        state[start] = state[start].max(1);
        while let Some((node, place)) = way.last_mut() {
            let (node, at) = (*node, *place);
            *place += 1;
            match next[node].get(at) {
                Some(to) if state[*to] == 0 => {
                    state[*to] = 1;
                    way.push((*to, 0));
                }
                Some(_) => {}
                None => {
                    state[node] = 2;
                    done.push(node);
                    way.pop();
                }
            }
        }
    }
    let mut rank = vec![0; count];
    done.iter().rev().enumerate().for_each(|(place, node)| rank[*node] = place);
    edges.iter().map(|(from, to)| if rank[*from] <= rank[*to] { (*from, *to) } else { (*to, *from) }).collect()
}

/// The longest way to each node.
fn columns(count: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut into = vec![0_usize; count];
    let mut next: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (from, to) in edges.iter().filter(|(from, to)| from != to) {
        into[*to] += 1;
        next[*from].push(*to);
    }
    let mut columns = vec![0; count];
    let mut open: Vec<usize> = (0..count).filter(|node| into[*node] == 0).collect();
    while let Some(node) = open.pop() {
        for to in &next[node] {
            columns[*to] = columns[*to].max(columns[node] + 1);
            into[*to] -= 1;
            if into[*to] == 0 {
                open.push(*to);
            }
        }
    }
    columns
}

/// Nodes, and the places of edges that pass, in columns.
struct Grid {
    column: Vec<usize>,
    layers: Vec<Vec<usize>>,
    left: Vec<Vec<usize>>,
    right: Vec<Vec<usize>>,
    size: Vec<f64>,
    /// The places that each edge passes.
    chains: Vec<Vec<usize>>,
}

impl Grid {
    fn new(count: usize, column: Vec<usize>, edges: &[(usize, usize)]) -> Self {
        let mut grid = Self {
            column,
            layers: Vec::new(),
            left: vec![Vec::new(); count],
            right: vec![Vec::new(); count],
            size: vec![NODE; count],
            chains: Vec::new(),
        };
        for (from, to) in edges {
            let mut chain = Vec::new();
            let mut before = *from;
            for column in grid.column[*from] + 1..grid.column[*to] {
                let place = grid.pass(column);
                grid.join(before, place);
                chain.push(place);
                before = place;
            }
            if from != to {
                grid.join(before, *to);
            }
            grid.chains.push(chain);
        }
        let columns = grid.column.iter().max().map_or(0, |most| most + 1);
        grid.layers = vec![Vec::new(); columns];
        for (item, column) in grid.column.iter().enumerate() {
            grid.layers[*column].push(item);
        }
        grid
    }

    fn pass(&mut self, column: usize) -> usize {
        self.column.push(column);
        self.left.push(Vec::new());
        self.right.push(Vec::new());
        self.size.push(PASS);
        self.column.len() - 1
    }

    fn join(&mut self, from: usize, to: usize) {
        self.right[from].push(to);
        self.left[to].push(from);
    }

    /// Puts each column in the order of the middles of its neighbours.
    fn order(&mut self) {
        let mut place = vec![0.0; self.column.len()];
        let number = |layer: &[usize], place: &mut Vec<f64>| {
            (0_u32..).zip(layer).for_each(|(at, item)| place[*item] = f64::from(at));
        };
        self.layers.iter().for_each(|layer| number(layer, &mut place));
        for sweep in 0..SWEEPS {
            let forth = sweep % 2 == 0;
            let count = self.layers.len();
            for step in 0..count {
                let column = if forth { step } else { count - 1 - step };
                let neighbours = if forth { &self.left } else { &self.right };
                let middle = |item: &usize| mean(&neighbours[*item], &place).unwrap_or(place[*item]);
                let mut layer: Vec<(f64, usize)> = self.layers[column].iter().map(|item| (middle(item), *item)).collect();
                layer.sort_by(|a, b| a.0.total_cmp(&b.0));
                self.layers[column] = layer.into_iter().map(|(_, item)| item).collect();
                number(&self.layers[column], &mut place);
            }
        }
    }

    /// Each item as near to its neighbours as the others of its column let it.
    fn heights(&self) -> Vec<f64> {
        let mut y = vec![0.0; self.column.len()];
        for layer in &self.layers {
            self.spread(layer, &vec![0.0; layer.len()], &mut y);
        }
        for sweep in 0..SWEEPS {
            for step in 0..self.layers.len() {
                let layer = &self.layers[if sweep % 2 == 0 { step } else { self.layers.len() - 1 - step }];
                let middle = |item: &usize| {
                    let sides = [mean(&self.left[*item], &y), mean(&self.right[*item], &y)];
                    match sides {
                        [Some(left), Some(right)] => f64::midpoint(left, right),
                        [one, other] => one.or(other).unwrap_or(y[*item]),
                    }
                };
                let wanted: Vec<f64> = layer.iter().map(middle).collect();
                self.spread(layer, &wanted, &mut y);
            }
        }
        let top = y.iter().zip(&self.size).map(|(y, size)| y - size / 2.0).fold(f64::INFINITY, f64::min);
        y.iter_mut().for_each(|y| *y -= top);
        y
    }

    /// Sets the items of a column as near to where they want to be as their order lets them without overlaps: neighbours that
    /// would overlap form a block, and a block stands where its items want to be on average.
    fn spread(&self, layer: &[usize], wanted: &[f64], y: &mut [f64]) {
        // Sum of what the items want, less their distance from the first of all; how many; distance of the first.
        let mut blocks: Vec<(f64, u32)> = Vec::new();
        let mut distance = 0.0;
        let mut distances = Vec::with_capacity(layer.len());
        for (place, (item, wanted)) in layer.iter().zip(wanted).enumerate() {
            if place > 0 {
                distance += f64::midpoint(self.size[layer[place - 1]], self.size[*item]);
            }
            distances.push(distance);
            let mut block = (wanted - distance, 1);
            while let Some(before) = blocks.pop_if(|before| at(*before) > at(block)) {
                block = (before.0 + block.0, before.1 + block.1);
            }
            blocks.push(block);
        }
        let places = blocks.iter().flat_map(|block| std::iter::repeat_n(at(*block), block.1 as usize));
        for ((item, distance), place) in layer.iter().zip(distances).zip(places) {
            y[*item] = place + distance;
        }
    }
}

/// Where a block stands.
fn at((sum, many): (f64, u32)) -> f64 {
    sum / f64::from(many)
}

fn mean(items: &[usize], of: &[f64]) -> Option<f64> {
    let many = u32::try_from(items.len()).ok().filter(|many| *many > 0)?;
    Some(items.iter().map(|item| of[*item]).sum::<f64>() / f64::from(many))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_needed_stands_to_the_right() {
        let layout = layout(4, &[(0, 1), (1, 2), (0, 2), (2, 3), (3, 1)]);
        assert_eq!(layout.nodes.iter().map(|(column, _)| *column).collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert_eq!(layout.bends[2].len(), 1, "it goes around the node between");
        assert_eq!(layout.bends[4].len(), 1, "back over one column");
    }

    proptest! {
        #[test]
        fn nothing_overlaps_in_any_graph(edges in proptest::collection::vec((0..20_usize, 0..20_usize), 0..60)) {
            let layout = layout(20, &edges);
            prop_assert_eq!(layout.bends.len(), edges.len());
            for (one, (column, y)) in layout.nodes.iter().enumerate() {
                prop_assert!(*y >= NODE / 2.0 - 0.001 && *y <= layout.height && *column < layout.columns);
                for (other, there) in layout.nodes[..one].iter().zip(0..) {
                    let _: usize = there;
                    prop_assert!(other.0 != *column || (other.1 - y).abs() >= NODE - 0.001);
                }
            }
        }
    }
}
