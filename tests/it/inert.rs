//! Whatever objects are called and hold, what the program prints of them steers no terminal, begins no line of its own, and no
//! spreadsheet computes it; and what it takes out has a name that every system takes.

#![expect(clippy::unwrap_used, reason = "helpers of tests: a surprise should stop the test")]

use crate::audit::all;
use crate::forge::{Forge, Object, object};
use lifeboat::audit::{Layout, extract};
use lifeboat::bundle::Reader;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::process::{Command, Output};

/// Begins a line only where somebody forged one.
const FORGED: &str = "FORGED";

fn fixture(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/hostile").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The texts of `fixtures/hostile`.
fn hostile() -> Vec<String> {
    let texts = fixture("texts.json")["texts"].take();
    texts.as_array().unwrap().iter().map(|one| one["text"].as_str().unwrap().to_owned()).collect()
}

/// As many harmless texts, with slashes at the same places: whatever is shown of them has the same shape.
fn harmless(texts: &[String]) -> Vec<String> {
    let part = |number: usize, (at, part): (usize, &str)| if part.is_empty() { String::new() } else { format!("h{number}x{at}") };
    let whole =
        |(number, text): (usize, &String)| text.split('/').enumerate().map(|one| part(number, one)).collect::<Vec<_>>().join("/");
    texts.iter().enumerate().map(whole).collect()
}

/// What stands for the signs of `fixtures/hostile/objects.json`.
#[derive(Clone)]
struct Fill {
    text: String,
    number: String,
    age: &'static str,
}

impl Fill {
    fn text(&self, text: &str) -> String {
        text.split('§').map(|part| part.replace('#', &self.number).replace('¤', self.age)).collect::<Vec<_>>().join(&self.text)
    }

    fn value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.text(text).into(),
            Value::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Value::Object(members) => members.iter().map(|(key, value)| (self.text(key), self.value(value))).collect(),
            other => other.clone(),
        }
    }
}

/// Kinds that show all that answers are made of; other means look at the others.
const SOME: &[&str] = &["job", "notebook", "permissions", "user", "cluster", "file", "secret"];

/// A bundle in which each text stands in each place of the objects of `fixtures/hostile/objects.json`; of all kinds, or of some.
fn bundle(texts: &[String], age: &'static str, some: &[&str]) -> Vec<u8> {
    let template = fixture("objects.json");
    let fill = |(number, text): (usize, &String)| Fill { text: text.clone(), number: format!("{number:03}"), age };
    let fills: Vec<Fill> = texts.iter().enumerate().map(fill).collect();
    let is_of = |kind: &Value| some.is_empty() || some.iter().any(|some| kind == some);
    let wanted = |one: &&Value| is_of(&one["kind"]) && (one["only"].is_null() || (one["only"] == "older") == (age == "old"));
    let (mut kinds, mut known): (BTreeMap<String, Vec<Object>>, HashMap<String, Value>) = (BTreeMap::new(), HashMap::new());
    for (at, one) in template["objects"].as_array().unwrap().iter().filter(wanted).enumerate() {
        for fill in &fills {
            let (kind, path) = (one["kind"].as_str().unwrap(), fill.text(one["path"].as_str().unwrap()));
            let ending = if kind == "notebook" { ".notebook.py" } else { ".json" };
            let name = format!("{at:02}-{}{ending}", fill.number);
            let body = one["text"].as_str().map_or_else(|| fill.value(&one["body"]).to_string(), |text| fill.text(text));
            kinds.entry(kind.to_owned()).or_default().push(object(kind, &path, &name, &body));
            known.insert(format!("data/{kind}/{name}"), fill.value(one));
        }
    }
    kinds.values_mut().for_each(|objects| objects.sort_by(|a, b| a.name.cmp(&b.name)));
    odd_ones(&mut kinds);
    let filled = |name: &str| -> Vec<Value> {
        let lines = template[name].as_array().unwrap();
        lines.iter().flat_map(|line| fills.iter().map(|fill| fill.value(line))).collect()
    };
    let (gaps, redacted) = (filled("gaps"), filled("redacted"));
    let told = fills.iter().filter(|fill| fill.text.len() < 100).map(|fill| fill.text.as_str()).collect::<Vec<_>>().join(" ");
    let source = Fill { text: told, number: String::new(), age }.value(&template["source"]);
    let states = Accounts::of(&kinds, &known, &gaps);
    let (head_states, lines_states) = (states.clone(), states);
    Forge {
        frames: kinds.into_values().flat_map(|objects| objects.chunks(64).map(<[Object]>::to_vec).collect::<Vec<_>>()).collect(),
        head: Box::new(move |head| {
            head["source"] = source.clone();
            head["created"] = if age == "old" { "2026-08-21T02:00:00Z" } else { "2026-08-22T02:00:00Z" }.into();
            head["states"] = head_states.all();
        }),
        lines: Box::new(move |lines| {
            for line in lines.iter_mut().filter(|line| line["t"] == "member") {
                let Some(known) = known.get(line["name"].as_str().unwrap()) else { continue };
                for name in ["key", "state", "reason"].into_iter().filter(|name| *name != "key" || known["key"] != "") {
                    known.get(name).into_iter().for_each(|value| line[name] = value.clone());
                }
                let meta = known["meta"].as_object().cloned().unwrap_or_default();
                line["meta"].as_object_mut().unwrap().extend(meta);
            }
            let at = lines.iter().position(|line| line["t"] == "kind").unwrap();
            lines.truncate(at);
            lines.extend(typed("gap", &gaps));
            lines.extend(lines_states.lines());
            lines.extend(typed("redacted", &redacted));
        }),
        ..Forge::default()
    }
    .build()
}

fn typed(sort: &str, lines: &[Value]) -> Vec<Value> {
    let typed = |line: &Value| {
        let mut line = line.clone();
        line["t"] = sort.into();
        line
    };
    let mut lines: Vec<Value> = lines.iter().map(typed).collect();
    lines.sort_by_key(|line| [&line["path"], &line["kind"], &line["pointer"]].map(|part| part.as_str().map(str::to_owned)));
    lines
}

/// Documents and contents that no text can hold.
fn odd_ones(kinds: &mut BTreeMap<String, Vec<Object>>) {
    let texts = fixture("texts.json");
    for (at, document) in texts["documents"].as_array().unwrap().iter().enumerate() {
        for kind in ["job", "cluster", "user"] {
            let odd = object(kind, &format!("odd{at}"), &format!("odd{at}.json"), document.as_str().unwrap());
            kinds.entry(kind.to_owned()).or_default().push(odd);
        }
    }
    for (at, bytes) in texts["bytes"].as_object().unwrap().values().enumerate() {
        let digits = bytes.as_str().unwrap();
        let body: Vec<u8> = (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect();
        for (kind, ending) in [("file", "file"), ("notebook", "notebook.py")] {
            let odd = object(kind, &format!("/Shared/odd{at}"), &format!("odd{at}.{ending}"), "");
            kinds.entry(kind.to_owned()).or_default().push(Object { body: body.clone(), ..odd });
        }
    }
}

/// What became of the objects of each kind: whole, degraded, and by the states of gaps.
#[derive(Clone)]
struct Accounts(BTreeMap<String, BTreeMap<&'static str, u64>>);

const STATES: [&str; 5] = ["captured", "degraded", "missing", "excluded", "unavailable"];

impl Accounts {
    fn of(kinds: &BTreeMap<String, Vec<Object>>, known: &HashMap<String, Value>, gaps: &[Value]) -> Self {
        let mut all = Self(BTreeMap::new());
        for object in kinds.values().flatten() {
            let is_degraded = known.get(&object.name).is_some_and(|known| known["state"] == "degraded");
            all.count(&object.kind, if is_degraded { "degraded" } else { "captured" });
        }
        gaps.iter().for_each(|gap| all.count(gap["kind"].as_str().unwrap(), gap["state"].as_str().unwrap()));
        all
    }

    fn count(&mut self, kind: &str, state: &str) {
        let state = STATES.into_iter().find(|known| *known == state).unwrap();
        *self.0.entry(kind.to_owned()).or_default().entry(state).or_default() += 1;
    }

    fn all(&self) -> Value {
        let sum = |state: &str| self.0.values().filter_map(|counts| counts.get(state)).sum::<u64>();
        STATES.iter().map(|state| ((*state).to_owned(), Value::from(sum(state)))).collect()
    }

    fn lines(&self) -> Vec<Value> {
        let line = |(kind, counts): (&String, &BTreeMap<&'static str, u64>)| {
            let mut line = json!({ "t": "kind", "kind": kind, "listed": counts.values().sum::<u64>(), "requests": 1 });
            STATES.iter().for_each(|state| line[*state] = counts.get(state).copied().unwrap_or_default().into());
            line
        };
        self.0.iter().map(line).collect()
    }
}

fn lifeboat(bundle: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
    let (verb, rest) = words.split_first().unwrap();
    command.arg(verb).arg(bundle).args(rest).env_clear().env("HOME", bundle.parent().unwrap()).output().unwrap()
}

fn steers(c: char) -> bool {
    let bidi = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let unseen =
        matches!(c, '\u{ad}' | '\u{200b}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{3164}' | '\u{e0000}'..='\u{e007f}');
    c.is_control() && c != '\n' || bidi || unseen || matches!(c, '\u{2028}' | '\u{2029}')
}

/// What an answer holds that it must not, for people.
fn text_faults(words: &[&str], output: &Output) -> Vec<String> {
    let text = String::from_utf8([&output.stdout[..], &output.stderr[..]].concat()).unwrap();
    // A tab in a line of code stays what it is.
    let bad = text.split('\n').filter(|line| line.contains(|c| steers(c) && c != '\t') || line.trim_start().starts_with(FORGED));
    bad.map(|line| format!("{words:?}: {line:?}")).collect()
}

/// The same for spreadsheets: read by a parser of our own, that knows RFC 4180 and nothing else.
fn csv_faults(words: &[&str], output: &Output) -> Vec<String> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(text.ends_with("\r\n"), "{words:?}: {text:?} {}", String::from_utf8_lossy(&output.stderr));
    let rows = rows(&text);
    let width = rows[0].len();
    let mut faults: Vec<String> =
        rows.iter().filter(|row| row.len() != width).map(|row| format!("{words:?}: width of {row:?}")).collect();
    for cell in rows.iter().flatten() {
        let computes = cell.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
        if computes || cell.contains(|c| steers(c) || c == '\n') {
            faults.push(format!("{words:?}: cell {cell:?}"));
        }
    }
    faults
}

fn rows(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.next_if_eq(&'"').is_some() => cell.push('"'),
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !quoted && letters.next_if_eq(&'\n').is_some() => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            other => cell.push(other),
        }
    }
    assert!(row.is_empty() && cell.is_empty() && !quoted, "the last row does not end");
    rows
}

/// With `LIFEBOAT_KEEP_INERT=FOLDER` the bundles are written there, for who reads answers by other means.
#[test]
fn the_bundles_are_whole() {
    let folder = std::env::var_os("LIFEBOAT_KEEP_INERT");
    for (name, texts) in [("hostile", hostile()), ("harmless", harmless(&hostile()))] {
        for age in ["old", "new"] {
            let bytes = bundle(&texts, age, &[]);
            assert_eq!(crate::deceit::outcome(bytes.clone()), "whole", "{name} {age}");
            if let Some(folder) = &folder {
                std::fs::write(Path::new(folder).join(format!("{name}-{age}.tar.zst")), bytes).unwrap();
            }
        }
    }
}

#[test]
fn nothing_that_is_printed_steers_or_computes() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("b.tar.zst");
    std::fs::write(&bundle, self::bundle(&hostile(), "new", SOME)).unwrap();
    let out = |number: usize| folder.path().join(format!("out{number}")).to_str().unwrap().to_owned();
    let (first, second) = (out(1), out(2));
    let mut commands: Vec<Vec<&str>> = vec![
        vec!["list"],
        vec!["list", "--long"],
        vec!["list", "--owner", "*"],
        vec!["list", "--tag", "*"],
        vec!["find", "needle"],
        vec!["find", "needle", "-C", "2"],
        vec!["find", "needle", "-l"],
        vec!["find", "1|a|e|-", "-c"],
        vec!["find", "--jsonpath", "$.settings.*"],
        vec!["extract", "-o", &first],
    ];
    let mut faults = Vec::new();
    for words in &commands {
        let output = lifeboat(&bundle, words);
        assert_eq!(output.status.code(), Some(0), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(!output.stdout.is_empty(), "{words:?}");
        faults.extend(text_faults(words, &output));
    }
    commands.last_mut().unwrap()[2] = &second;
    for words in &commands {
        let words = [&words[..], &["--csv"]].concat();
        faults.extend(csv_faults(&words, &lifeboat(&bundle, &words)));
    }
    let reader = Reader::open(&bundle).unwrap();
    // One object in some, which meets every kind and most texts: each takes a process. Of no argument can a NUL be part.
    for member in all(&reader).into_iter().step_by(31).filter(|member| !member.path.contains('\0')) {
        let name = format!("{}:{}", member.kind, member.path);
        let output = lifeboat(&bundle, &["show", &name]);
        assert_eq!(output.status.code(), Some(0), "{name:?}: {}", String::from_utf8_lossy(&output.stderr));
        faults.extend(text_faults(&["show", &name], &output));
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn what_is_taken_out_has_a_name_that_every_system_takes() {
    let folder = tempfile::tempdir().unwrap();
    let reader = Reader::open_source(Box::new(bundle(&hostile(), "new", SOME)), lifeboat::bundle::Limits::default()).unwrap();
    let extracted = extract(&reader, &all(&reader), Layout::Tree, folder.path()).unwrap();
    let files = all(&reader).iter().filter(|member| &*member.kind != "directory").count();
    assert_eq!((extracted.files, extracted.damaged.len()), (files as u64, 0));
    let mut folded = BTreeSet::new();
    for placed in extracted.placed.iter().filter(|placed| placed.kind != "directory") {
        let member = reader.find(&placed.kind, &placed.path).unwrap();
        assert_eq!(std::fs::read(folder.path().join(&placed.file)).unwrap(), reader.read(member).unwrap(), "{placed:?}");
        let name = placed.file.to_lowercase();
        assert!(folded.insert(unicode_normalization::UnicodeNormalization::nfc(name.as_str()).collect::<String>()), "{placed:?}");
        for part in placed.file.split('/') {
            let stem = part.split('.').next().unwrap().to_uppercase();
            assert!(!matches!(stem.as_str(), "CON" | "AUX" | "NUL" | "PRN") && part.len() <= 255, "{placed:?}");
            assert!(!part.ends_with(['.', ' ']) && !part.contains(|c| steers(c) || "\\:*?\"<>|".contains(c)), "{placed:?}");
        }
    }
    let renamed = extracted.placed.iter().filter(|placed| placed.renamed).count();
    assert!(renamed > 400 && renamed < extracted.placed.len(), "{renamed} of {}", extracted.placed.len());
    let plain = extracted.placed.iter().find(|placed| placed.path.ends_with("/-rf") && placed.path.contains("/h")).unwrap();
    assert!(plain.file.ends_with("/-rf.py") && !plain.renamed, "{plain:?}");
}
