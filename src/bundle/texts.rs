//! Many small texts on disk: what is known of each object besides its body waits there for the manifest. They are put down in
//! larger pieces, since a call of the system for each would cost more than all else that a small object costs.

use crate::spool::{Blob, Spool};
use std::io;

/// Bytes that are collected before they are put down.
const PIECE: usize = 64 << 10;

/// Texts, to be had back by their slots.
pub(crate) struct Texts {
    spool: Spool,
    pieces: Vec<Blob>,
    last: Vec<u8>,
}

/// Where a text is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    piece: u32,
    at: u32,
    len: u32,
}

impl Texts {
    pub(crate) fn new(spool: Spool) -> Self {
        Self { spool, pieces: Vec::new(), last: Vec::new() }
    }

    /// Keeps a text. Errors: what the file system says, or more texts than a slot can tell apart.
    pub(crate) fn keep(&mut self, text: &str) -> io::Result<Slot> {
        let number = |number: usize| u32::try_from(number).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge));
        let slot = Slot { piece: number(self.pieces.len())?, at: number(self.last.len())?, len: number(text.len())? };
        self.last.extend_from_slice(text.as_bytes());
        if self.last.len() >= PIECE {
            self.pieces.push(self.spool.keep(&self.last)?);
            self.last.clear();
        }
        Ok(slot)
    }

    /// A text that was kept. Errors: what the file system says.
    pub(crate) fn text(&self, slot: Slot) -> io::Result<String> {
        let bytes = match self.pieces.get(slot.piece as usize) {
            Some(piece) => piece.part(slot.at.into(), slot.len as usize)?,
            None => self.last.iter().skip(slot.at as usize).take(slot.len as usize).copied().collect(),
        };
        String::from_utf8(bytes)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a temporary file changed while it waited"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_in_any_order() -> io::Result<()> {
        let mut texts = Texts::new(Spool::in_temp()?);
        let wanted: Vec<String> = (0..9000).map(|number| format!("{number}:{}", "é".repeat(number % 40))).collect();
        let slots = wanted.iter().map(|text| texts.keep(text)).collect::<io::Result<Vec<_>>>()?;
        assert!(texts.pieces.len() > 2 && !texts.last.is_empty());
        for at in (0..slots.len()).rev() {
            assert_eq!(texts.text(slots[at])?, wanted[at]);
        }
        Ok(())
    }
}
