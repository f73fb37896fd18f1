//! Rows for spreadsheets (RFC 4180), which take some texts for programs: a cell from a workspace must stay a text.

use lifeboat::calm;
use std::io::{self, Write};

/// Writes one row.
pub(super) fn row<'a>(out: &mut impl Write, cells: impl IntoIterator<Item = &'a str>) -> io::Result<()> {
    for (index, cell) in cells.into_iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        write!(out, "{comma}{}", quoted(&inert(cell)))?;
    }
    write!(out, "\r\n")
}

/// A cell that no spreadsheet computes: what begins as a formula does, behind blanks too, gets an apostrophe, as OWASP advises.
/// The full-width forms of the same signs are read as the signs in some languages.
fn inert(cell: &str) -> String {
    let text = calm::line(cell);
    let is_formula = cell.starts_with(['\t', '\r', '\n']) || begins_formula(cell);
    let text = if is_formula { format!("'{text}") } else { text.into_owned() };
    behind_semicolons(text)
}

fn begins_formula(text: &str) -> bool {
    text.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠'])
}

/// Where the comma is a decimal sign, a spreadsheet opens the file with semicolons between cells, and our quotes are none then:
/// what it would take for the begin of a cell is no formula either.
fn behind_semicolons(text: String) -> String {
    let starts = |part: &str| begins_formula(part.trim_start_matches(|c: char| c.is_whitespace() || c == '"'));
    if !text.split(';').skip(1).any(starts) {
        return text;
    }
    let parts =
        text.split(';').enumerate().map(|(at, part)| if at > 0 && starts(part) { disarmed(part) } else { part.to_owned() });
    parts.collect::<Vec<_>>().join(";")
}

/// With an apostrophe in front of the sign, behind quotes that would be taken for those of the cell.
fn disarmed(part: &str) -> String {
    let sign = part.len() - part.trim_start_matches(|c: char| c.is_whitespace() || c == '"').len();
    format!("{}'{}", &part[..sign], &part[sign..])
}

/// In quotes where some reader could see more than one cell: in half the world the comma is a semicolon.
fn quoted(cell: &str) -> String {
    let is_plain = !cell.contains([',', ';', '"', '\t', '\r', '\n', '|']) && cell.trim() == cell;
    if is_plain { cell.to_owned() } else { format!("\"{}\"", cell.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(cells: &[&str]) -> String {
        let mut out = Vec::new();
        row(&mut out, cells.iter().copied()).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn rows_are_those_of_rfc_4180() {
        assert_eq!(written(&["a", "b c", "", "ä"]), "a,b c,,ä\r\n");
        assert_eq!(written(&["a,b", "say \"x\"", " c", "d;e"]), "\"a,b\",\"say \"\"x\"\"\",\" c\",\"d;e\"\r\n");
    }

    #[test]
    fn no_cell_is_a_formula() {
        for begin in ["=", "+", "-", "@", "\t", "\r", "\n", "＝", " =", "\u{a0}@", "\u{2003}+"] {
            let line = written(&[&format!("{begin}cmd|'/c calc'!A1")]);
            assert!(line.trim_start_matches('"').starts_with('\''), "{line:?}");
        }
        assert_eq!(written(&["a=1", "1-2"]), "a=1,1-2\r\n");
    }

    #[test]
    fn no_cell_is_a_formula_where_semicolons_part_them() {
        assert_eq!(written(&["x", "a;=1+1;b"]), "x,\"a;'=1+1;b\"\r\n");
        assert_eq!(written(&["a; \"@x", "a;b=1"]), "\"a; \"\"'@x\",\"a;b=1\"\r\n");
    }

    #[test]
    fn a_row_is_one_line_that_steers_nothing() {
        assert_eq!(written(&["a\r\n=1+1\u{1b}[2J\u{202e}"]), "a\\u{d}\\n=1+1\\u{1b}[2J\\u{202e}\r\n");
    }
}
