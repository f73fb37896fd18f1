//! Pages for people: one file each, with nothing from elsewhere; whatever a name holds, it is text.

use crate::calm;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// How every page looks, light and dark, on screens and on paper.
pub const STYLE: &str = include_str!("style.css");

/// The beginning of a page up to its body. A browser loads nothing for it, and runs no script but `script` exactly as it is given
/// here (empty: none at all), which the page holds as `<script>…</script>`.
pub fn head(title: &str, style: &str, script: &str) -> String {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    let scripts = if script.is_empty() { String::new() } else { format!("script-src 'sha256-{}'; ", hash(script)) };
    let policy = format!("default-src 'none'; style-src 'sha256-{}'; {scripts}base-uri 'none'; form-action 'none'", hash(style));
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width\"><meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>{}</title>\n<style>{style}</style></head><body>\n",
        escaped(title)
    )
}

/// Text as HTML or XML, in elements and in attributes: nothing in it is markup, and nothing in it steers ([`calm::line`]).
pub fn escaped(text: &str) -> String {
    let text = calm::line(text);
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '`' => out.push_str("&#96;"),
            c => out.push(c),
        }
    }
    out
}

/// HTML that is being written.
#[derive(Debug, Default)]
pub struct Page(pub String);

impl Page {
    /// HTML as it is: texts of a workspace go through [`escaped`] first.
    pub fn raw(&mut self, html: &str) {
        self.0.push_str(html);
    }

    /// A heading of the second level.
    pub fn heading(&mut self, title: &str) {
        self.raw(&format!("<h2>{}</h2>\n", escaped(title)));
    }

    /// A paragraph.
    pub fn paragraph(&mut self, words: &str) {
        self.raw(&format!("<p>{}</p>\n", escaped(words)));
    }

    /// A table; a column whose name begins with `#` holds numbers, and one with `=` words of ours, which are never broken.
    pub fn table(&mut self, header: &[&str], rows: impl Iterator<Item = Vec<String>>) {
        let class = |name: &str| match name.chars().next() {
            Some('=') => " class=\"w\"",
            Some('#') => " class=\"n\"",
            _ => "",
        };
        self.raw("<table><thead><tr>");
        for name in header {
            self.raw(&format!("<th{}>{}</th>", class(name), escaped(name.trim_start_matches(['#', '=']))));
        }
        self.raw("</tr></thead><tbody>\n");
        for row in rows {
            self.raw("<tr>");
            for (name, cell) in header.iter().zip(row) {
                self.raw(&format!("<td{}>{}</td>", class(name), escaped(&cell)));
            }
            self.raw("</tr>\n");
        }
        self.raw("</tbody></table>\n");
    }
}

/// A size in binary units: `1.5 MiB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "a size for people has two digits")]
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_script_that_was_given_may_run() {
        let nasty = "</title><script>x</script>\u{202e}";
        let none = head(nasty, STYLE, "");
        assert!(none.contains("default-src 'none'; style-src 'sha256-") && !none.contains("script-src"));
        assert!(!none.contains("<script") && !none.contains('\u{202e}') && none.contains("&lt;/title&gt;"));
        // The digest is that of `printf 'let a = 1;' | openssl dgst -sha256 -binary | base64`.
        let one = head("t", STYLE, "let a = 1;");
        assert!(one.contains("script-src 'sha256-xY6QKfH9PRsQnLz56nj6MBwiK5oHg+im1Jkpdp1x/Ck='; base-uri 'none'"), "{one}");
    }

    #[test]
    fn cells_are_text_in_every_column() {
        let mut page = Page::default();
        page.table(&["=kind", "#count", "name"], std::iter::once(vec!["<b>".into(), "1".into(), "\"'\u{1b}".into()]));
        assert!(page.0.contains("<th class=\"w\">kind</th><th class=\"n\">count</th><th>name</th>"));
        assert!(page.0.contains("<td class=\"w\">&lt;b&gt;</td>") && page.0.contains("&quot;&#39;\\u{1b}"));
    }
}
