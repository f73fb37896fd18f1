//! Text for people, JSON for programs, progress on the way. The only place that prints.
//!
//! Results go to stdout, all else to stderr. A closed pipe is no error: whoever reads has seen enough.

mod csv;
mod log;
mod progress;
pub mod words;

pub use log::{LogFormat, complain, log_as, note};
pub use progress::Progress;

use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};
use lifeboat::calm;
use serde::Serialize;
use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

/// How answers are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Lines and tables for people.
    #[default]
    Text,
    /// JSON for programs.
    Json,
    /// CSV for spreadsheets: the table of the answer, and nothing else.
    Csv,
}

/// How a part of a line stands out. Nothing is said by it alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// It does not.
    Plain,
    /// A place: what is said of what.
    Place,
    /// What was looked for.
    Found,
}

impl Paint {
    /// The parameters of a terminal's colour sequence (ECMA-48, SGR).
    fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Place => Some("35"),
            Self::Found => Some("1;31"),
        }
    }

    /// The text of a part: places are names, all else may be code.
    fn calm(self, text: &str) -> Cow<'_, str> {
        if self == Self::Place { calm::line(text) } else { calm::code(text) }
    }
}

/// Where a command says what came of it.
#[derive(Debug)]
pub struct Ui {
    form: Form,
    colour: bool,
    out: io::BufWriter<Out>,
}

/// Stdout. Who has read enough may go: the rest is dropped, and the exit code stays what it is.
#[derive(Debug)]
struct Out {
    stdout: io::Stdout,
    closed: bool,
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.closed {
            return Ok(bytes.len());
        }
        match self.stdout.write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(bytes.len())
            }
            written => written.map_err(|error| untold(&error)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.stdout.flush() {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            flushed => flushed.map_err(|error| untold(&error)),
        }
    }
}

/// Says of an error that it met the answer, not the work.
fn untold(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot write the answer to stdout: {error}"))
}

impl Ui {
    /// For people, for programs, or for spreadsheets.
    pub fn new(form: Form) -> Self {
        Self { form, colour: shows_colour(), out: io::BufWriter::new(Out { stdout: io::stdout(), closed: false }) }
    }

    /// Whether a person reads: what is only for others need not be made then.
    pub fn is_text(&self) -> bool {
        self.form == Form::Text
    }

    /// One line for people, whatever the names in it hold; nothing when a program reads.
    pub fn line(&mut self, text: impl Display) -> io::Result<()> {
        if self.form == Form::Text { writeln!(self.out, "{}", calm::line(&text.to_string())) } else { Ok(()) }
    }

    /// One line for people in parts, of which some stand out on a terminal that shows colours; no part holds a colour of its own.
    pub fn painted(&mut self, parts: &[(Paint, &str)]) -> io::Result<()> {
        if self.form != Form::Text {
            return Ok(());
        }
        for (paint, text) in parts {
            match paint.code().filter(|_| self.colour) {
                Some(code) => write!(self.out, "\u{1b}[{code}m{}\u{1b}[0m", paint.calm(text))?,
                None => write!(self.out, "{}", paint.calm(text))?,
            }
        }
        writeln!(self.out)
    }

    /// One line for people, which at a terminal goes on below the given indent instead of breaking anywhere.
    pub fn wrapped(&mut self, indent: &str, text: &str) -> io::Result<()> {
        if !io::stdout().is_terminal() {
            return self.line(text);
        }
        wrap(&calm::line(text), usize::from(width()), indent).iter().try_for_each(|line| self.line(line))
    }

    /// One line for people behind a lead of ours, in which a line of code or of a document keeps its tabs.
    pub fn code(&mut self, lead: &str, text: &str) -> io::Result<()> {
        if self.form == Form::Text { writeln!(self.out, "{}{}", calm::line(lead), calm::code(text)) } else { Ok(()) }
    }

    /// A text of many lines for people, each of them ours or the text all that is said; nothing when a program reads.
    pub fn text(&mut self, text: &str) -> io::Result<()> {
        if self.form == Form::Text { writeln!(self.out, "{}", calm::lines(text)) } else { Ok(()) }
    }

    /// The result for programs; nothing when a person reads.
    pub fn value(&mut self, value: &impl Serialize) -> io::Result<()> {
        if self.form == Form::Json { self.always(value) } else { Ok(()) }
    }

    /// JSON whoever reads; written as it is made, since it may be long.
    pub fn always(&mut self, value: &impl Serialize) -> io::Result<()> {
        calm::write_json(&mut self.out, value)?;
        writeln!(self.out)
    }

    /// Bytes as they are.
    pub fn raw(&mut self) -> &mut impl Write {
        &mut self.out
    }

    /// One row of a table for spreadsheets, its header being the first; nothing when anybody else reads.
    pub fn row<'a>(&mut self, cells: impl IntoIterator<Item = &'a str>) -> io::Result<()> {
        if self.form == Form::Csv { csv::row(&mut self.out, cells) } else { Ok(()) }
    }

    /// A table for people and spreadsheets.
    pub fn table(&mut self, header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> io::Result<()> {
        match self.form {
            Form::Text => self.laid_out(header, rows),
            Form::Json => Ok(()),
            Form::Csv => {
                csv::row(&mut self.out, header.iter().copied())?;
                rows.into_iter().try_for_each(|row| csv::row(&mut self.out, row.iter().map(String::as_str)))
            }
        }
    }

    fn laid_out(&mut self, header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> io::Result<()> {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_header(header.to_vec());
        table.set_width(width());
        for row in rows {
            table.add_row(row.iter().map(|cell| calm::line(if cell == "0" { "·" } else { cell })).collect::<Vec<_>>());
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 1));
        }
        if let Some(names) = table.column_mut(0) {
            names.set_constraint(ColumnConstraint::ContentWidth);
        }
        let lines = table.to_string();
        lines.lines().try_for_each(|line| writeln!(self.out, "{}", line.trim_end()))
    }

    /// Columns that a picture of text may take: those of the terminal, or so many where there is none.
    pub fn columns(otherwise: usize) -> usize {
        if io::stdout().is_terminal() { usize::from(width()) } else { otherwise }
    }

    /// How the answer is written.
    pub fn form(&self) -> Form {
        self.form
    }

    /// Sends out what is held back.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Whether stdout shows colours, and nobody said that it must not (<https://no-color.org>).
fn shows_colour() -> bool {
    let unset = |name: &str| std::env::var_os(name).is_none_or(|value| value.is_empty());
    io::stdout().is_terminal() && unset("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Columns of the terminal; 100 where there is none, so that logs are the same everywhere.
fn width() -> u16 {
    if io::stdout().is_terminal() { comfy_table::Table::new().width().unwrap_or(80).max(40) } else { 100 }
}

/// A line in pieces of at most so many columns, broken between words; a word that is longer stands as it is. Where the indent would
/// leave no room for a word, it is shorter.
fn wrap(text: &str, columns: usize, indent: &str) -> Vec<String> {
    let wide = |text: &str| text.chars().count();
    let (mut lines, mut line, mut empty) = (Vec::new(), String::new(), true);
    for word in text.split_inclusive(' ') {
        if !empty && wide(&line) + wide(word.trim_end()) > columns {
            lines.push(line.trim_end().to_owned());
            line = if wide(indent) + wide(word.trim_end()) > columns { "    ".to_owned() } else { indent.to_owned() };
            empty = true;
        }
        if empty && !lines.is_empty() && word.trim_end().is_empty() {
            continue;
        }
        line.push_str(word);
        empty &= word.trim_end().is_empty();
    }
    lines.push(line.trim_end().to_owned());
    lines
}

/// A question on the terminal. `None` where nobody can answer.
pub fn ask(question: &str) -> Option<bool> {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return None;
    }
    let mut err = io::stderr();
    write!(err, "{} [y/N] ", calm::line(question)).and_then(|()| err.flush()).ok()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).ok()?;
    Some(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// A secret from the terminal, which does not show it. `None` where nobody can answer.
pub fn secret(question: &str) -> Option<secrecy::SecretString> {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return None;
    }
    rpassword::prompt_password(calm::line(question)).ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::wrap;

    #[test]
    fn long_lines_are_broken_between_words() {
        let text = "    → map it: `node_type: {Standard_DS3_v2: Standard_D4ds_v5}` is the nearest that is offered in this region";
        let lines = wrap(text, 80, "      ");
        assert!(lines.len() == 2 && lines.iter().all(|line| line.chars().count() <= 80), "{lines:?}");
        assert!(lines[0].starts_with("    → map") && lines[1].starts_with("      "));
        assert_eq!(lines.join(" ").split_whitespace().collect::<Vec<_>>(), text.split_whitespace().collect::<Vec<_>>());
        assert_eq!(wrap("abcdefghij k", 4, "  "), ["abcdefghij", "  k"], "a long word stands as it is");
        assert_eq!(wrap("a    b  c d", 9, "      "), ["a    b  c", "      d"], "columns stay");
        assert_eq!(wrap("a bcdefghi", 9, "      "), ["a", "    bcdefghi"], "an indent leaves room");
    }
}
