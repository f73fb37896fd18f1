//! Notebooks in their formats: source with header, ipynb, HTML, DBC, R Markdown; and from one to the other.

use super::call::Problem;
use super::tree::Node;
use super::zip;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

/// What an export asks for.
#[derive(Debug)]
pub(super) struct Export<'a> {
    pub(super) format: &'a str,
    /// Whether the results of cells come along, where the format has a place for them.
    pub(super) outputs: bool,
    pub(super) name: &'a str,
}

/// A notebook without a place: what an import makes of a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Notebook {
    pub(super) language: String,
    pub(super) jupyter: bool,
    pub(super) body: Vec<u8>,
}

/// Comment sign of each language's source format.
pub(super) fn comment(language: &str) -> &'static str {
    match language {
        "SCALA" => "//",
        "SQL" => "--",
        _ => "#",
    }
}

/// The language that a file name's end stands for.
pub(super) fn language_of(name: &str) -> Option<&'static str> {
    match name.rsplit_once('.')?.1.to_ascii_lowercase().as_str() {
        "py" => Some("PYTHON"),
        "scala" => Some("SCALA"),
        "sql" => Some("SQL"),
        "r" => Some("R"),
        _ => None,
    }
}

pub(super) fn header(language: &str) -> String {
    format!("{} Databricks notebook source", comment(language))
}

/// Exports a notebook or file; answers the bytes and the `file_type` of the API.
pub(super) fn export(node: &Node, wanted: &Export<'_>) -> Result<(Bytes, &'static str), Problem> {
    match node.kind.as_str() {
        "NOTEBOOK" => notebook(node, wanted),
        "FILE" | "DASHBOARD" => match wanted.format {
            "SOURCE" | "AUTO" | "RAW" | "JUPYTER" => Ok((node.body.bytes(), "file")),
            format => Err(Problem::invalid(format!("Format {format} is not supported for {}", node.kind))),
        },
        kind => Err(Problem::bad(format!("Node type {kind} cannot be exported"))),
    }
}

fn notebook(node: &Node, wanted: &Export<'_>) -> Result<(Bytes, &'static str), Problem> {
    let language = node.language.as_deref().unwrap_or("PYTHON");
    let kind = match language {
        "SCALA" => "scala",
        "SQL" => "sql",
        "R" => "r",
        _ => "py",
    };
    match wanted.format {
        "AUTO" if node.jupyter => Ok((ipynb(node, wanted), "ipynb")),
        "SOURCE" | "AUTO" | "RAW" => Ok((source(node), kind)),
        "JUPYTER" => Ok((ipynb(node, wanted), "ipynb")),
        "HTML" => Ok((html(node, wanted.name), "html")),
        "DBC" => Ok((zip::write([dbc_member(node, wanted.name)]).into(), "dbc")),
        "R_MARKDOWN" if language == "R" => Ok((rmarkdown(&node.body.text()).into(), "rmd")),
        "R_MARKDOWN" => Err(Problem::invalid("R Markdown is only for notebooks in R")),
        format => Err(Problem::invalid(format!("Unknown export format '{format}'"))),
    }
}

fn source(node: &Node) -> Bytes {
    if !node.jupyter {
        return node.body.bytes();
    }
    let language = node.language.as_deref().unwrap_or("PYTHON");
    let document: Value = serde_json::from_slice(&node.body.bytes()).unwrap_or_default();
    let cells: Vec<String> = document["cells"].as_array().into_iter().flatten().map(cell_text).collect();
    join(&cells, language).into()
}

/// A cell's text; what is no code gets its magic word.
fn cell_text(cell: &Value) -> String {
    let text = match &cell["source"] {
        Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect(),
        other => other.as_str().unwrap_or_default().to_owned(),
    };
    if cell["cell_type"] == "markdown" && !text.starts_with("%md") { format!("%md\n{text}") } else { text }
}

/// Cells to source: the header, then the cells between their separators; no newline at the end.
fn join(cells: &[String], language: &str) -> String {
    let sign = comment(language);
    let magic = |cell: &String| match cell.strip_prefix('%') {
        Some(_) => cell.lines().map(|line| format!("{sign} MAGIC {line}").trim_end().to_owned()).collect::<Vec<_>>().join("\n"),
        None => cell.trim_end().to_owned(),
    };
    let texts: Vec<_> = cells.iter().map(magic).collect();
    format!("{}\n{}", header(language), texts.join(&format!("\n\n{sign} COMMAND ----------\n\n")))
}

/// Source to cells: without header, separators and the prefix of magic lines.
fn split(text: &str, language: &str) -> Vec<String> {
    let sign = comment(language);
    let (head, separator, magic) = (header(language), format!("{sign} COMMAND ----------"), format!("{sign} MAGIC"));
    let text = text.strip_prefix(&head).unwrap_or(text);
    let plain = |cell: &str| {
        let line = |line: &str| {
            line.strip_prefix(&magic).map_or(line.to_owned(), |rest| rest.strip_prefix(' ').unwrap_or(rest).to_owned())
        };
        cell.trim_matches('\n').lines().map(line).collect::<Vec<_>>().join("\n")
    };
    text.split(&separator).map(plain).collect()
}

fn ipynb(node: &Node, wanted: &Export<'_>) -> Bytes {
    if !node.jupyter {
        return converted(&node.body.text(), node.language.as_deref().unwrap_or("PYTHON"), wanted.name).into();
    }
    if wanted.outputs {
        return node.body.bytes();
    }
    let mut document: Value = serde_json::from_slice(&node.body.bytes()).unwrap_or_default();
    for cell in document["cells"].as_array_mut().into_iter().flatten().filter(|cell| cell["cell_type"] == "code") {
        cell["outputs"] = json!([]);
    }
    document.to_string().into()
}

/// Source to ipynb (nbformat 4), with the metadata by which the language is found again.
fn converted(text: &str, language: &str, name: &str) -> String {
    let lines = |text: &str| text.split_inclusive('\n').map(str::to_owned).collect::<Vec<_>>();
    let cell = |text: String| match text.strip_prefix("%md") {
        Some(rest) => json!({ "cell_type": "markdown", "metadata": {}, "source": lines(rest.trim_start()) }),
        None => json!({
            "cell_type": "code", "execution_count": 0, "outputs": [], "source": lines(&text),
            "metadata": { "application/vnd.databricks.v1+cell": { "showTitle": false, "inputWidgets": {} } },
        }),
    };
    let cells: Vec<Value> = split(text, language).into_iter().map(cell).collect();
    let language = language.to_ascii_lowercase();
    let own = json!({ "language": language, "notebookName": name, "dashboards": [], "widgets": {} });
    let metadata = json!({ "application/vnd.databricks.v1+notebook": own, "language_info": { "name": language } });
    json!({ "cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 0 }).to_string()
}

/// What HTML and DBC carry inside.
fn model(node: &Node, name: &str) -> Value {
    let kind = if node.jupyter { "ipynb" } else { "source" };
    json!({ "version": "NotebookV1", "name": name, "language": node.language, "format": kind, "content": node.body.text() })
}

pub(super) fn dbc_member(node: &Node, name: &str) -> (String, Bytes) {
    let language = node.language.as_deref().unwrap_or("PYTHON").to_ascii_lowercase();
    (format!("{name}.{language}"), model(node, name).to_string().into())
}

fn html(node: &Node, name: &str) -> Bytes {
    let model = STANDARD.encode(model(node, name).to_string());
    format!("<!DOCTYPE html>\n<html><head><title>{name}</title></head><body><script>{MODEL}'{model}';</script></body></html>")
        .into()
}

const MODEL: &str = "var __DATABRICKS_NOTEBOOK_MODEL = ";

fn rmarkdown(text: &str) -> String {
    let cell = |cell: String| match cell.strip_prefix("%md") {
        Some(rest) => rest.trim_start().to_owned(),
        None => format!("```{{r}}\n{cell}\n```"),
    };
    split(text, "R").into_iter().map(cell).collect::<Vec<_>>().join("\n\n")
}

/// Reads a body in a format that names no language of its own accord.
pub(super) fn read(format: &str, bytes: &Bytes) -> Result<Notebook, Problem> {
    match format {
        "JUPYTER" => jupyter(bytes),
        "HTML" => {
            let text = String::from_utf8_lossy(bytes);
            let coded = text.split_once(MODEL).and_then(|(_, rest)| rest.split('\'').nth(1));
            let model = coded.and_then(|coded| STANDARD.decode(coded).ok()).and_then(|model| from_model(&model));
            model.ok_or_else(|| Problem::invalid("The HTML does not hold a notebook"))
        }
        "R_MARKDOWN" => Ok(from_rmarkdown(&String::from_utf8_lossy(bytes))),
        format => Err(Problem::invalid(format!("Unknown import format '{format}'"))),
    }
}

/// The notebooks of a DBC archive, by their path inside, without the language at the end.
pub(super) fn read_dbc(bytes: &Bytes) -> Result<Vec<(String, Notebook)>, Problem> {
    let wrong = || Problem::invalid("The zip file may not be valid or may be an unsupported version.");
    let member = |(name, bytes): (String, Bytes)| {
        let name = name.rsplit_once('.').map_or(name.clone(), |(stem, _)| stem.to_owned());
        from_model(&bytes).map(|notebook| (name, notebook))
    };
    zip::read(bytes).ok_or_else(wrong)?.into_iter().map(|file| member(file).ok_or_else(wrong)).collect()
}

fn from_model(bytes: &[u8]) -> Option<Notebook> {
    let model: Value = serde_json::from_slice(bytes).ok()?;
    let body = model["content"].as_str()?.as_bytes().to_vec();
    Some(Notebook { language: model["language"].as_str()?.to_owned(), jupyter: model["format"] == "ipynb", body })
}

fn jupyter(bytes: &Bytes) -> Result<Notebook, Problem> {
    let wrong = || Problem::invalid("The notebook could not be parsed: it is not a Jupyter notebook of nbformat 4 or later");
    let document: Value = serde_json::from_slice(bytes).map_err(|_| wrong())?;
    if document["nbformat"].as_i64().is_none_or(|version| version < 4) {
        return Err(wrong());
    }
    let metadata = &document["metadata"];
    let own = metadata["application/vnd.databricks.v1+notebook"]["language"].as_str();
    let language = own.or_else(|| metadata["language_info"]["name"].as_str()).unwrap_or("python").to_ascii_uppercase();
    let known = matches!(language.as_str(), "PYTHON" | "SCALA" | "SQL" | "R");
    Ok(Notebook { language: if known { language } else { "PYTHON".into() }, jupyter: true, body: bytes.to_vec() })
}

fn from_rmarkdown(text: &str) -> Notebook {
    let mut cells = Vec::new();
    for (number, part) in text.split("```").enumerate() {
        let code = number % 2 == 1;
        let part = part.strip_prefix("{r}").unwrap_or(part).trim_matches('\n');
        if !part.is_empty() {
            cells.push(if code { part.to_owned() } else { format!("%md\n{part}") });
        }
    }
    Notebook { language: "R".into(), jupyter: false, body: join(&cells, "R").into_bytes() }
}

/// Source as the workspace keeps it: with the header, without a newline at the end.
pub(super) fn kept_source(text: &str, language: &str) -> String {
    let head = header(language);
    let text = text.trim_end_matches(['\n', '\r']);
    if text.starts_with(&head) { text.to_owned() } else { format!("{head}\n{text}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(language: &str, text: &str) -> Node {
        Node {
            kind: "NOTEBOOK".into(),
            language: Some(language.into()),
            body: text.as_bytes().to_vec().into(),
            ..Node::default()
        }
    }

    fn through(node: &Node, format: &str) -> Notebook {
        let wanted = Export { format, outputs: true, name: "n" };
        let (bytes, _) = export(node, &wanted).unwrap();
        if format == "DBC" { read_dbc(&bytes).unwrap().remove(0).1 } else { read(format, &bytes).unwrap() }
    }

    #[test]
    fn source_survives_each_format() {
        let cells = ["%md\n# Title\n\ntext".to_owned(), "x = 1\ny = 2".to_owned(), "%sql\nSELECT 1".to_owned()];
        for language in ["PYTHON", "SCALA", "SQL", "R"] {
            let text = join(&cells, language);
            for format in ["JUPYTER", "HTML", "DBC"] {
                let read = through(&node(language, &text), format);
                assert_eq!(read.language, language, "{format}");
                let again = Node { jupyter: read.jupyter, body: read.body.into(), ..node(language, "") };
                assert_eq!(String::from_utf8_lossy(&source(&again)), text, "{language} {format}");
            }
        }
        let text = join(&cells[..2], "R");
        assert_eq!(through(&node("R", &text), "R_MARKDOWN").body, text.as_bytes());
    }

    #[test]
    fn outputs_are_stripped_on_request_only() {
        let document = json!({ "cells": [{ "cell_type": "code", "source": "1", "outputs": [{ "text": "1" }] }], "nbformat": 4 });
        let node = Node { jupyter: true, ..node("PYTHON", &document.to_string()) };
        let outputs = |outputs| export(&node, &Export { format: "JUPYTER", outputs, name: "n" }).unwrap().0.len();
        assert!(outputs(true) > outputs(false));
    }

    #[test]
    fn kept_source_has_one_header_and_no_last_newline() {
        assert_eq!(kept_source("x\n\n", "SQL"), "-- Databricks notebook source\nx");
        assert_eq!(kept_source("-- Databricks notebook source\nx\n", "SQL"), "-- Databricks notebook source\nx");
    }

    #[test]
    fn old_notebooks_are_refused() {
        assert!(read("JUPYTER", &Bytes::from_static(br#"{"nbformat":3}"#)).is_err());
        assert!(read("JUPYTER", &Bytes::from_static(b"print(1)")).is_err());
    }
}
