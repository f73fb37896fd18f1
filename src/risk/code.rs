//! Source code by its cells and lines.

use super::{Place, place};
use crate::notebook::{Cell, Notebook, Places, Signs};
use crate::object::Object;
use std::borrow::Cow;

/// A text that somebody wrote, or that a cell showed.
#[derive(Debug)]
pub(super) struct Piece<'a> {
    /// The text.
    pub(super) text: Cow<'a, str>,
    /// The cell in which it stands, if that is known beforehand.
    cell: Option<u64>,
}

/// Bytes as texts; none for bytes that are no text.
pub(super) fn read(bytes: &[u8]) -> Vec<Piece<'_>> {
    match Notebook::read(bytes) {
        None => Vec::new(),
        Some(Notebook::Source(text)) => vec![Piece { text: text.into(), cell: None }],
        Some(notebook) => notebook.cells().iter().flat_map(written_and_shown).collect(),
    }
}

fn written_and_shown(cell: &Cell<'_>) -> impl Iterator<Item = Piece<'static>> + use<> {
    let (written, shown, cell) = (cell.stored.to_string(), cell.shown(), Some(cell.number));
    [written, shown].into_iter().filter(|text| !text.is_empty()).map(move |text| Piece { text: text.into(), cell })
}

impl Piece<'_> {
    /// Tells where bytes of it stand; asked for in their order, it reads the text once.
    pub(super) fn spots<'p>(&'p self, object: &'p Object) -> impl FnMut(usize) -> Place + 'p {
        let text = self.text.as_bytes();
        let mut places: Option<(Places<'_>, bool)> = None;
        move |at| {
            let (places, has_cells) = places.get_or_insert_with(|| {
                let places = Places::new(text, Signs::of(text));
                let has_cells = places.has_cells();
                (places, has_cells)
            });
            let (line, cell) = places.of(at);
            Place { cell: self.cell.or(has_cells.then_some(cell)), line: Some(line), ..place(object) }
        }
    }
}
