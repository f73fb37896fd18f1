//! HTML and the data beside it, as they are written.

pub(super) use crate::page::size;

use crate::calm;
use crate::page::escaped;
use serde_json::Value;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, Write};

/// So many rows of a long table are HTML: for whoever runs no script, and for paper.
const PLAIN: usize = 100;

/// Takes a row.
pub(super) type Each<'a> = dyn FnMut(Vec<Value>) -> io::Result<()> + 'a;

/// Shows each row, as often as it is asked to.
pub(super) type Rows<'a> = dyn Fn(&mut Each<'_>) -> io::Result<()> + 'a;

/// A page that is being written.
pub(super) struct Html<'a>(pub(super) &'a mut dyn Write);

/// A column of a long table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    /// Its heading.
    pub(super) title: &'static str,
    /// What its values are.
    pub(super) sort: Sort,
    /// The class of its width; empty for what is left over.
    pub(super) width: &'static str,
}

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// A text: the name of the row, by which it is chosen.
    Head,
    /// A text.
    Text,
    /// One of few words.
    Word,
    /// A level of access, sorted by its strength.
    Level,
    /// A number of bytes.
    Size,
    /// A number.
    Number,
    /// Milliseconds since 1970.
    Time,
    /// A text that is only shown of the row that was chosen, and on paper.
    Detail,
    /// Several of them.
    List,
}

impl Sort {
    fn is_detail(self) -> bool {
        matches!(self, Self::Detail | Self::List)
    }

    fn is_word(self) -> bool {
        matches!(self, Self::Word | Self::Level)
    }
}

/// A table of any length.
pub(super) struct Live<'a> {
    pub(super) id: &'static str,
    /// What it lists, as `objects`.
    pub(super) name: &'a str,
    pub(super) caption: &'a str,
    pub(super) columns: &'a [Column],
    /// How many rows there are.
    pub(super) count: usize,
}

impl Html<'_> {
    /// HTML as it is.
    pub(super) fn raw(&mut self, html: &str) -> io::Result<()> {
        self.0.write_all(html.as_bytes())
    }

    /// A section with its heading, which the contents of the page lead to.
    pub(super) fn section(&mut self, id: &str, title: &str) -> io::Result<()> {
        self.raw(&format!(
            "</section>\n<section id=\"{id}\" aria-labelledby=\"{id}-h\"><h2 id=\"{id}-h\">{}</h2>\n",
            escaped(title)
        ))
    }

    pub(super) fn paragraph(&mut self, words: &str) -> io::Result<()> {
        self.raw(&format!("<p>{}</p>\n", marked(words)))
    }

    /// A short table. A heading with `#` is of numbers, with `=` of words that are not broken; the first cell of a row names it. A
    /// narrow screen shows each row as a block, in which every cell has its heading in front.
    pub(super) fn table(&mut self, caption: &str, header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> io::Result<()> {
        self.shaped("wide", caption, header, rows)
    }

    /// A short table of many columns, whose headings stand upright.
    pub(super) fn matrix(&mut self, caption: &str, header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> io::Result<()> {
        self.shaped("wide matrix", caption, header, rows)
    }

    fn shaped(&mut self, shape: &str, caption: &str, header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> io::Result<()> {
        self.raw(&format!(
            "<div class=\"{shape}\" tabindex=\"0\" role=\"group\" aria-label=\"{0}\"><table><caption>{0}</caption>\n<thead><tr>",
            escaped(caption)
        ))?;
        let titles: Vec<String> = header.iter().map(|name| escaped(name.trim_start_matches(['#', '=']))).collect();
        for (name, title) in header.iter().zip(&titles) {
            self.raw(&format!("<th scope=\"col\"{}><span>{title}</span></th>", class(name)))?;
        }
        self.raw("</tr></thead><tbody>\n")?;
        for row in rows {
            let mut line = String::from("<tr>");
            for (index, (name, cell)) in header.iter().zip(row).enumerate() {
                let _ = match (index, cell.as_str()) {
                    (0, _) => write!(line, "<th scope=\"row\"{}>{}</th>", class(name), escaped(&cell)),
                    (_, "·" | "") if name.starts_with('#') => write!(line, "<td class=\"n zero\">{}</td>", escaped(&cell)),
                    (_, "·" | "") => write!(line, "<td class=\"zero\">{}</td>", escaped(&cell)),
                    _ => write!(line, "<td{} data-of=\"{}\">{}</td>", class(name), titles[index], escaped(&cell)),
                };
            }
            line.push_str("</tr>\n");
            self.raw(&line)?;
        }
        self.raw("</tbody></table></div>\n")
    }

    /// Names and what is known under them.
    pub(super) fn facts(&mut self, caption: &str, facts: &[(&str, String)]) -> io::Result<()> {
        self.raw(&format!("<table class=\"facts\"><caption>{}</caption><tbody>\n", escaped(caption)))?;
        for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
            self.raw(&format!("<tr><th scope=\"row\">{}</th><td>{}</td></tr>\n", escaped(name), escaped(value)))?;
        }
        self.raw("</tbody></table>\n")
    }

    /// Words of ours, in front of what they are about.
    pub(super) fn tag(class: &str, word: &str) -> String {
        format!("<span class=\"tag {class}\">{}</span>", escaped(word))
    }

    /// A long table: some rows as HTML, and all of them as data for the script, which lists them.
    pub(super) fn live(&mut self, live: &Live<'_>, rows: &Rows<'_>) -> io::Result<()> {
        let Live { id, name, caption, columns, count } = live;
        self.raw(&format!(
            "<div class=\"live\" id=\"{id}\" data-name=\"{}\"><table><caption>{}</caption><colgroup>",
            escaped(name),
            escaped(caption)
        ))?;
        let seen: Vec<usize> = (0..columns.len()).filter(|at| !columns[*at].sort.is_detail()).collect();
        for at in &seen {
            self.raw(&format!("<col class=\"{}\">", columns[*at].width))?;
        }
        self.raw("</colgroup>\n<thead><tr>")?;
        for at in &seen {
            self.raw(&format!("<th scope=\"col\"{}>{}</th>", shape(&columns[*at]), escaped(columns[*at].title)))?;
        }
        self.raw("</tr></thead><tbody>\n")?;
        let (mut words, mut left) = (Words(vec![Known::default(); columns.len()]), PLAIN);
        rows(&mut |row| {
            if left > 0 {
                left -= 1;
                self.raw(&plain_row(columns, &seen, &row))?;
            }
            words.learn(columns, &row);
            Ok(())
        })?;
        self.raw("</tbody></table>\n")?;
        if *count > PLAIN {
            self.raw(&format!(
                "<p class=\"cut soft\">These are the first {PLAIN} of {}. On a screen, with scripts allowed, all of them can be searched and sorted.</p>\n",
                thousands(*count as u64)
            ))?;
        }
        self.raw(&format!("</div>\n<script type=\"application/json\" id=\"{id}-data\">{{\"columns\":"))?;
        self.data(&words.columns(columns))?;
        self.raw(",\"rows\":[")?;
        let mut first = true;
        rows(&mut |row| {
            self.raw(if std::mem::take(&mut first) { "\n" } else { ",\n" })?;
            self.data(&Value::Array(words.row(columns, row)))
        })?;
        self.raw("]}</script>\n")
    }

    /// JSON inside of a page: nothing in it can end the element that it stands in.
    fn data(&mut self, value: &Value) -> io::Result<()> {
        self.raw(
            &value
                .to_string()
                .replace('<', "\\u003c")
                .replace('>', "\\u003e")
                .replace('&', "\\u0026")
                .replace('\u{2028}', "\\u2028")
                .replace('\u{2029}', "\\u2029"),
        )
    }
}

/// Words by their number: a hundred thousand rows say the same few.
#[derive(Clone, Default)]
struct Known {
    words: Vec<String>,
    numbers: HashMap<String, usize>,
}

/// Those of each column.
struct Words(Vec<Known>);

impl Words {
    fn learn(&mut self, columns: &[Column], row: &[Value]) {
        for (at, value) in row.iter().enumerate().filter(|(at, _)| columns[*at].sort.is_word()) {
            let Some(word) = value.as_str().map(shown) else { continue };
            let known = &mut self.0[at];
            if !known.numbers.contains_key(&word) {
                known.numbers.insert(word.clone(), known.words.len());
                known.words.push(word);
            }
        }
    }

    fn columns(&self, columns: &[Column]) -> Value {
        let column = |(at, column): (usize, &Column)| {
            let mut told = serde_json::json!({ "title": column.title });
            match column.sort {
                Sort::Head => told["head"] = true.into(),
                Sort::Word => told["words"] = self.0[at].words.clone().into(),
                Sort::Level => {
                    told["words"] = self.0[at].words.clone().into();
                    told["ranks"] = self.0[at].words.iter().map(|word| super::access::rank(word)).collect();
                }
                Sort::Size => told["sort"] = "size".into(),
                Sort::Number => told["sort"] = "number".into(),
                Sort::Time => told["sort"] = "time".into(),
                Sort::Detail | Sort::List => told["detail"] = true.into(),
                Sort::Text => {}
            }
            told
        };
        columns.iter().enumerate().map(column).collect()
    }

    fn row(&self, columns: &[Column], row: Vec<Value>) -> Vec<Value> {
        let value = |(at, value): (usize, Value)| match (columns[at].sort, value) {
            (sort, Value::String(word)) if sort.is_word() => self.0[at].numbers.get(&shown(&word)).copied().into(),
            (_, Value::String(text)) => Value::from(shown(&text)),
            (_, Value::Array(list)) => list.iter().filter_map(Value::as_str).map(shown).collect(),
            (_, value) => value,
        };
        row.into_iter().enumerate().map(value).collect()
    }
}

/// A row as HTML, and what is told of it besides: a screen without scripts and paper have nowhere else to show it.
fn plain_row(columns: &[Column], seen: &[usize], row: &[Value]) -> String {
    let mut line = String::from("<tr>");
    for at in seen {
        let (open, close) = if columns[*at].sort == Sort::Head { ("th scope=\"row\"", "th") } else { ("td", "td") };
        let Column { title, sort, .. } = columns[*at];
        let text = escaped(&plain(&row[*at], sort));
        let _ = write!(line, "<{open}{} data-of=\"{title}\">{text}</{close}>", shape(&columns[*at]));
    }
    line += "</tr>\n";
    let told = columns.iter().zip(row).filter(|(column, value)| column.sort.is_detail() && !value.is_null());
    let told = told.filter(|(_, value)| value.as_array().is_none_or(|list| !list.is_empty()));
    let told: Vec<String> = told.map(|(column, value)| format!("<dt>{}</dt><dd>{}</dd>", column.title, detail(value))).collect();
    if !told.is_empty() {
        let _ = writeln!(line, "<tr class=\"more\"><td colspan=\"{}\"><dl>{}</dl></td></tr>", seen.len(), told.concat());
    }
    line
}

fn plain(value: &Value, sort: Sort) -> String {
    match (value, sort) {
        (Value::Null, _) => String::new(),
        (Value::String(text), _) => text.clone(),
        (value, Sort::Size) => size(value.as_u64().unwrap_or_default()),
        (value, Sort::Time) => time(value.as_i64().unwrap_or_default()),
        (value, _) => value.as_u64().map_or_else(|| value.to_string(), thousands),
    }
}

fn detail(value: &Value) -> String {
    let text = |value: &Value| escaped(value.as_str().unwrap_or_default());
    match value.as_array() {
        Some(list) => format!(
            "<ul>{}</ul>",
            list.iter().flat_map(|one| ["<li>".to_owned(), text(one), "</li>".to_owned()]).collect::<String>()
        ),
        None => text(value),
    }
}

fn shape(column: &Column) -> &'static str {
    if matches!(column.sort, Sort::Size | Sort::Number | Sort::Time) { " class=\"n\"" } else { "" }
}

fn class(name: &str) -> &'static str {
    match name.chars().next() {
        Some('=') => " class=\"w\"",
        Some('#') => " class=\"n\"",
        _ => "",
    }
}

/// A text as the script shows it.
fn shown(text: &str) -> String {
    calm::line(text).into_owned()
}

/// Texts as the items of a list.
pub(super) fn items<'a>(texts: impl IntoIterator<Item = &'a String>) -> String {
    texts.into_iter().flat_map(|text| ["<li>".to_owned(), escaped(text), "</li>".to_owned()]).collect()
}

/// Text as HTML, with what stands between backticks as code.
pub(super) fn marked(text: &str) -> String {
    let mut parts = text.split('`').map(escaped);
    let mut out = parts.next().unwrap_or_default();
    let rest: Vec<String> = parts.collect();
    for pair in rest.chunks(2) {
        match pair {
            [code, after] => out.extend(["<code>", code, "</code>", after]),
            _ => out.extend(["`", &pair.concat()]),
        }
    }
    out
}

/// Milliseconds since 1970 as a time in UTC.
fn time(milliseconds: i64) -> String {
    jiff::Timestamp::from_millisecond(milliseconds)
        .map_or_else(|_| String::new(), |at| at.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

/// A count with its noun.
pub(super) fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{} {noun}s", thousands(number as u64)) }
}

/// `12,345`.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_data_can_end_its_element() {
        let mut out = Vec::new();
        let nasty = "</script><!--<script>\u{2028}\u{202e}&";
        let column = |title, sort| Column { title, sort, width: "" };
        let columns = [column("kind", Sort::Word), column("name", Sort::Head), column("size", Sort::Size)];
        let live = Live { id: "x", name: "things", caption: "things", columns: &columns, count: 1 };
        let row = || vec![Value::from("<b>"), Value::from(nasty), Value::from(2048)];
        Html(&mut out).live(&live, &|each| each(row())).expect("memory");
        let text = String::from_utf8(out).expect("text");
        assert_eq!(text.matches("</script>").count(), 1, "{text}");
        assert!(!text.contains("<!--") && !text.contains("<b>") && !text.contains('\u{202e}'), "{text}");
        let data = text.split("x-data\">").nth(1).and_then(|rest| rest.strip_suffix("</script>\n")).expect("data");
        assert!(!data.contains('\u{2028}'), "{data}");
        let data: Value = serde_json::from_str(data).expect("JSON");
        assert_eq!(
            data["rows"][0],
            serde_json::json!([0, nasty.replace('\u{202e}', "\\u{202e}").replace('\u{2028}', "\\u{2028}"), 2048])
        );
        assert_eq!(data["columns"][0]["words"][0], "<b>");
    }

    #[test]
    fn code_is_marked_and_stays_text() {
        assert_eq!(marked("run `a<b` and `c`"), "run <code>a&lt;b</code> and <code>c</code>");
        assert_eq!((marked("a`b"), marked("")), ("a`b".to_owned(), String::new()));
    }

    #[test]
    fn numbers_for_people() {
        assert_eq!((thousands(999), thousands(1_234_567), count(1, "job")), ("999".into(), "1,234,567".into(), "1 job".into()));
    }
}
