#!/usr/bin/env python3
"""Whatever names and contents a bundle holds, what is printed, drawn and written of them steers nothing, computes nothing, runs nothing.

    inert.py FOLDER [offline|pictures|pages|workspace …]

`LIFEBOAT_KEEP_INERT=FOLDER cargo test --test it -- inert::the_bundles_are_whole` writes the bundles: each text of
fixtures/hostile/texts.json in each place of fixtures/hostile/objects.json, an older and a newer one, and twins of the same shape whose
texts are harmless. All commands run over them; the hostile one is also brought into an embedded workspace, and read out of it again.

Judges are Unicode's own table of characters, the reader of CSV of Python, its reader of JSON, Graphviz, Chromium, and the twins: where no
name steers, there is not a line, a row or an element more than there.
"""

import concurrent.futures
import csv
import fcntl
import io
import json
import os
import pathlib
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
import unicodedata

import harness
from harness import Failure, Lifeboat, say

HERE = pathlib.Path(__file__).resolve().parent
TEXTS = json.loads((harness.ROOT / "fixtures/hostile/texts.json").read_text())["texts"]
MARKS = 8  # marks on one letter
FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20")
# Never seen, and of no category that says so (Default_Ignorable_Code_Point).
UNSEEN = {0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0}
# Commands that show code keep its tabs.
CODE = ("show", "find", "diff")
EXITS = (0, 3, 4)

COMMANDS = [
    ["list"], ["list", "--long"], ["list", "--redacted"], ["list", "--owner", "*", "--tag", "*"],
    ["find", "needle", "-C", "1"], ["find", "needle", "-l"], ["find", "needle", "-c"], ["find", "--jsonpath", "$..name"],
    ["graph"], ["graph", "--broken"], ["graph", "--orphans"], ["graph", "job:7007"], ["graph", "job:7058"], ["graph", "cluster:013c", "--reverse"],
    ["access"], ["access", "--orphaned"], ["access", "--object", "job:7002"], ["access", "--object", "cluster:013c"],
    ["risk"], ["verify", "--full"], ["check", "--offline"], ["extract", "-o", "OUT"], ["rules", "test", "standby"],
]
JSON = (["list"], ["list", "--long"], ["find", "needle", "-C", "1"], ["graph", "job:7007"], ["access", "--object", "job:7002"], ["risk"], ["check", "--offline"])
# Where there are as many lines as objects, and no cell is broken.
TWINS = (["list", "--long"], ["graph", "job:7007"], ["check", "--offline"])
TERMINAL = (["list"], ["list", "--long"], ["find", "needle", "-C", "1"], ["graph", "job:7007"], ["access"], ["verify", "--full"])
TABLES = ("list", "find", "graph", "access", "extract")
DRAWN = ("script", "double quote", "end of style", "CDATA", "noncharacters")


def number_of(name):
    return f"{next(at for at, text in enumerate(TEXTS) if text['name'] == name):03}"


# --- what must not be there -------------------------------------------------------------------------------------------------


def steers(c, before, marks):
    """Whether a character does something instead of standing there. In text, `\\n` ends our lines."""
    code, category = ord(c), unicodedata.category(c)
    if c in "\u200c\u200d" or "\ufe00" <= c <= "\ufe0f" or "\U000e0100" <= c <= "\U000e01ef":
        return before.isascii()
    if category[0] == "M" and marks >= MARKS:
        return True
    is_no_character = code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF
    return category in ("Cc", "Cf", "Cs", "Zl", "Zp") or is_no_character or code in UNSEEN or 0xE0000 <= code <= 0xE0FFF


def odd(text, allowed):
    """The places of a text where something steers. Printable ASCII never does."""
    found = []
    for run in re.finditer(r"[^ -~]+", text):
        before, marks = text[run.start() - 1:run.start()] or "\n", 0
        for at, c in enumerate(run.group(), run.start()):
            if c not in allowed and steers(c, before, marks):
                found.append(text[max(0, at - 30):at + 10])
            marks = marks + 1 if unicodedata.category(c)[0] == "M" else 0
            before = c
    return found


def shown(text):
    """A text as people see it."""
    out, before, marks = [], "\n", 0
    for c in text:
        bad = steers(c, before, marks)
        out.append({"\n": "\\n", "\t": "\\t"}.get(c, f"\\u{{{ord(c):x}}}") if bad else c)
        marks = marks + 1 if unicodedata.category(c)[0] == "M" else 0
        before = "\n" if bad else c
    return "".join(out)


def judge_text(words, data):
    text = data.decode("utf-8", "strict")
    faults = [f"steers: {part!r}" for part in odd(text, "\n\t" if words[0] in CODE else "\n")]
    # Whatever goes on below the line that it belongs to stands under an indent of ours.
    return faults + [f"a line was forged: {line!r}" for line in text.split("\n") if line.startswith("FORGED")]


def judge_csv(words, data):
    text = data.decode("utf-8", "strict")
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    faults = [] if text.endswith("\r\n") and text.count("\r\n") == len(rows) else ["a row is not a line"]
    faults += [f"{len(row)} cells: {row!r}" for row in rows if len(row) != len(rows[0])]
    for row in rows:
        faults += [f"computes: {cell!r}" for cell in row if cell.strip().startswith(FORMULA)]
        faults += [f"steers: {cell!r}" for cell in row if odd(cell, "")]
    # As a spreadsheet opens it where the comma is a decimal sign. Before its quotes it may strip blanks.
    for row in csv.reader(io.StringIO(text, newline=""), delimiter=";"):
        faults += [f"computes between semicolons: {cell!r}" for cell in row[1:] if cell.strip(' "').startswith(FORMULA)]
    return faults


def judge_json(words, data):
    text = data.decode("utf-8", "strict")
    for line in filter(None, text.split("\n")):
        json.loads(line)
    return [f"steers: {part!r}" for part in odd(text, "\n")]


def judge_terminal(words, data):
    """Of a terminal, only our own colours, and on the moving line what moves it."""
    text = data.decode("utf-8", "strict").replace("\r\n", "\n")
    text = re.sub(r"\x1b\[(35|1;31|0)m", "", text)
    text = re.sub(r"\r|\x1b\[(2K|K|1A|1B|\d+G)", "", text)
    return judge_text(words, text.encode())


JUDGES = {"text": judge_text, "csv": judge_csv, "json": judge_json}


# --- runs -----------------------------------------------------------------------------------------------------------------


class Runs:
    def __init__(self, folder):
        self.folder, self.faults, self.count = folder, [], 0
        self.lifeboat = Lifeboat(folder / "state")

    def call(self, words, bundle, *options, where=None):
        words = [str(folder_for(self.folder, bundle, options)) if word == "OUT" else str(word) for word in words]
        at = 3 if words[0] == "rules" else 1
        command = [harness.program(), *words[:at], *([bundle] if bundle else []), *words[at:], *options]
        return subprocess.run(list(map(str, command)), env=self.lifeboat.environment(**(where or {})), capture_output=True, timeout=240, stdin=subprocess.DEVNULL)

    def judge(self, words, form, done, exits=EXITS):
        if done.returncode not in exits:
            raise Failure(f"{words} {form} ended with {done.returncode}: {done.stderr[-2000:].decode('utf-8', 'replace')}")
        self.count += 1
        found = JUDGES[form](words, done.stdout) + judge_text(words, done.stderr)
        self.faults += [f"{' '.join(map(str, words))} ({form}): {fault}" for fault in found[:3]]

    def both(self, words, form, hostile, harmless):
        """Runs over a bundle and, where there is one, over its twin: as many lines."""
        options = [] if form == "text" else [f"--{form}"]
        done = self.call(words, hostile, *options)
        self.judge(words, form, done)
        if not harmless:
            return
        twin = self.call(words, harmless, *options)
        lines, wanted = done.stdout.count(b"\n"), twin.stdout.count(b"\n")
        if done.returncode != twin.returncode:
            self.faults.append(f"{words} {form} ends with {done.returncode}, and with {twin.returncode} where names are harmless")
        if lines > wanted:
            self.faults.append(f"{words} {form} prints {lines} lines, and {wanted} where names are harmless")

    def terminal(self, words, bundle):
        """The same at a terminal of 80 columns."""
        command = [harness.program(), words[0], bundle, *words[1:]]
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        environment = self.lifeboat.environment() | {"TERM": "xterm-256color"}
        process = subprocess.Popen(list(map(str, command)), env=environment, stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)
        data = b""
        while True:
            try:
                part = os.read(master, 1 << 16)
            except OSError:  # the other side is closed
                break
            if not part:
                break
            data += part
        os.close(master)
        if process.wait(240) not in EXITS:
            raise Failure(f"{words} at a terminal ended with {process.returncode}: {data[-500:]!r}")
        self.count += 1
        self.faults += [f"{' '.join(words)} (terminal): {fault}" for fault in judge_terminal(words, data)[:3]]


def folder_for(folder, bundle, options):
    return folder / f"out-{pathlib.Path(bundle).name}{''.join(options)}"


def offline(runs, folder):
    hostile, harmless = folder / "hostile-new.tar.zst", folder / "harmless-new.tar.zst"
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(runs.both, words, "text", hostile, harmless if words in TWINS else None) for words in COMMANDS]
        jobs += [pool.submit(runs.both, words, "csv", hostile, None) for words in COMMANDS if words[0] in TABLES]
        jobs += [pool.submit(runs.both, words, "json", hostile, None) for words in JSON]
        jobs += [pool.submit(runs.terminal, words, hostile) for words in TERMINAL]
        jobs += [pool.submit(show, runs, hostile, name) for name in members(runs, hostile)]
        for job in jobs:
            job.result()


def members(runs, bundle):
    """Of each kind some, so that each text is met; no argument can hold a NUL."""
    lines = [json.loads(line) for line in runs.call(["list", "--long"], bundle, "--json").stdout.splitlines()]
    texts = {line["key"] for line in lines if line["kind"] == "job"}
    if lost := [text for text in TEXTS if text["text"] and text["text"] not in texts]:
        raise Failure(f"JSON does not hold {lost[:3]} as they are")
    kinds = {}
    for line in lines:
        if "sha256" in line and "\0" not in line["path"]:
            kinds.setdefault(line["kind"], []).append(line["path"])
    return [f"{kind}:{path}" for at, (kind, paths) in enumerate(sorted(kinds.items())) for path in paths[at % 7::max(1, len(paths) // 3)]]


def show(runs, bundle, name):
    runs.judge(["show", name], "text", runs.call(["show", name], bundle))


def drawn(runs, folder, name, numbers):
    older, newer = folder / f"{name}-old.tar.zst", folder / f"{name}-new.tar.zst"
    runs.judge(["report"], "text", runs.call(["report", "-o", folder / f"{name}-report.html", "--against", older], newer))
    runs.judge(["diff"], "text", runs.call(["diff", newer, "--long", "--html", folder / f"{name}-diff.html"], older))
    for number in numbers:
        runs.judge(["graph"], "text", runs.call(["graph", f"job:7{number}", "--svg", folder / f"{name}-{number}.svg"], newer))


def made(runs, folder):
    """Pages, pictures and comparisons of the bundles and of the twins; gives what the browser is to look at."""
    tasks, texts = [], [(f"{at:03}", shown(text["text"])) for at, text in enumerate(TEXTS)]
    numbers = [number_of(name) for name in DRAWN]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda name: drawn(runs, folder, name, numbers), ("hostile", "harmless")))
    hostile = folder / "hostile-old.tar.zst"
    runs.judge(["diff"], "json", runs.call(["diff", folder / "hostile-new.tar.zst"], hostile, "--json"))
    runs.judge(["access"], "text", runs.call(["access", "--against", hostile], folder / "hostile-new.tar.zst"))
    runs.terminal(["diff", folder / "hostile-new.tar.zst"], hostile)
    pair = lambda name: {"page": str(folder / f"hostile-{name}"), "twin": str(folder / f"harmless-{name}")}
    # A text with a slash is deeper in the tree.
    search = [(number, text) for number, text in texts if text]
    tasks.append(pair("report.html") | {"search": search})
    tasks.append(pair("diff.html") | {"texts": texts})
    tasks += [pair(f"{number}.svg") | {"image": True, "texts": []} for number in numbers]
    return tasks


# Each node and edge with its label, and whether anything would be a link.
READ = """N { printf("%s\t%s\n", $.name, $.label) }
END_G { printf("%d %d %d%d%d\n", nNodes($G), nEdges($G), isAttr($G, "N", "URL"), isAttr($G, "N", "href"), isAttr($G, "E", "URL")) }"""


def pictures(folder, runs):
    """Graphviz finds in the whole graph the nodes and edges that JSON tells of, no link, and each name as the label that it is."""
    bundle = folder / "hostile-new.tar.zst"
    told = json.loads(runs.call(["graph"], bundle, "--json").stdout)
    done = runs.call(["graph", "--dot"], bundle)
    runs.judge(["graph", "--dot"], "text", done)
    read = subprocess.run(["gvpr", READ], input=done.stdout, capture_output=True, timeout=120)
    if read.returncode or read.stderr:
        raise Failure(f"Graphviz cannot read the graph: {read.stderr[-1000:].decode()}")
    *nodes, last = read.stdout.decode().splitlines()
    if last != f"{len(told['nodes'])} {len(told['edges'])} 000" or len(nodes) != len(told["nodes"]):
        runs.faults.append(f"Graphviz finds {last}, and JSON tells of {len(told['nodes'])} nodes and {len(told['edges'])} edges")
    labels = {label.split("\\n", 1)[1].replace("\\\\", "\\").replace("&amp;", "&") for label in nodes}
    for text in TEXTS:
        if text["text"] and len(shown(text["text"])) < 60 and shown(text["text"]) not in labels:
            runs.faults.append(f"no label is {shown(text['text'])!r}")
    say(f"Graphviz reads {len(nodes)} nodes")


def looked(runs, folder, tasks):
    """The browser's word on pages and pictures."""
    (folder / "tasks.json").write_text(json.dumps(tasks))
    done = subprocess.run(["node", HERE / "inert.mjs", folder / "tasks.json"], capture_output=True, text=True, timeout=280)
    if done.returncode:
        raise Failure(f"the browser broke down:\n{done.stdout[-2000:]}{done.stderr[-3000:]}")
    for line in map(json.loads, done.stdout.splitlines()):
        runs.faults += [f"{pathlib.Path(line['page']).name}: {fault}" for fault in line["faults"]]
        say(f"{pathlib.Path(line['page']).name}: {line['elements']} elements" + (f", {line['seen']} names as text" if line.get("seen") else ""))


def workspace(runs, folder):
    """Into an embedded workspace, and out of it: the plan, the import, its receipt, what is there then, and how it differs."""
    tasks = {}
    for name in ("hostile", "harmless"):
        bundle = folder / f"{name}-new.tar.zst"
        with harness.simulator(folder / f"{name}-simulator", "--seed", "empty") as [there]:
            where = {"url": there["url"], "token": there["token"]}
            state = ["--state", folder / f"{name}-journal"]
            only = ["--include", "job:7*", "--include", "notebook:/Shared/h*", "--include", "cluster_policy", "--include", "group"]
            for form in ("text", "json"):
                options = [] if form == "text" else ["--json"]
                runs.judge(["import"], form, runs.call(["import", "--plan-only", *only, *state], bundle, *options, where=where))
                runs.judge(["check"], form, runs.call(["check"], bundle, *options, where=where))
            done = runs.call(["import", "--yes", "--unlimited", *only, *state], bundle, where=where)
            runs.judge(["import"], "text", done)
            pages = sorted((folder / f"{name}-journal").rglob("*.html"))
            if not pages:
                raise Failure("the import left no receipt")
            tasks[name] = str(pages[-1])
            again = folder / f"{name}-again.tar.zst"
            runs.judge(["export"], "text", runs.call(["export", "--unlimited", "-o", again], None, where=where))
            runs.judge(["diff"], "text", runs.call(["diff", "--long", *state], bundle, where=where))
            if name == "hostile":
                runs.judge(["list"], "text", runs.call(["list", "--long"], again))
                runs.judge(["bundles"], "text", runs.call(["bundles", folder], None))
                nightly(runs, folder, where)
    return [{"page": tasks["hostile"], "twin": tasks["harmless"]}]


def nightly(runs, folder, where):
    """A night's report, its status and its metrics."""
    nights = folder / "nights"
    nights.mkdir(exist_ok=True)
    config = folder / "lifeboat.yaml"
    config.write_text(f"workspaces:\n  - name: hostile\n    to: [{nights}/]\nstatus: {nights}/status.json\nmetrics: {nights}/lifeboat.prom\n")
    for options in ([], ["--log-format", "json"]):
        done = runs.call(["backup", "--config", config, *options], None, where=where)
        runs.judge(["backup"], "text", done)
    for line in done.stderr.splitlines():
        json.loads(line)
    for line in (nights / "lifeboat.prom").read_text().splitlines():
        if not re.fullmatch(r'# (HELP|TYPE|EOF|UNIT)\b.*|[a-z_]+(\{([a-z_]+="[A-Za-z0-9_ -]*",?)*\})? [-+0-9.eE]+', line):
            runs.faults.append(f"metrics: {line!r}")


def self_test():
    """The judges see what is planted."""
    for form, data in (("text", "a\x1b[2J\n"), ("text", "a\u202eb\n"), ("text", "a\u200bb\n"), ("text", "a\nFORGED\n"), ("text", "e" + "\u0301" * 9), ("text", "a\u009bb\n"),
                       ("csv", "a,b\r\n=1,x\r\n"), ("csv", "a\r\n\"x\n=1\"\r\n"), ("csv", "a,b\r\nx\r\n"), ("csv", "a,b\r\nx,\"y;=1\"\r\n"), ("json", "{\"a\": \"\u009b\"}\n")):
        if not JUDGES[form](["list"], data.encode()):
            raise Failure(f"{data!r} passes as {form}")
    if judge_text(["list"], "می\u200cخواهم 👨\u200d👩 é\n".encode()) or shown("a\n\u202e") != "a\\n\\u{202e}":
        raise Failure("what is harmless does not pass")


def main():
    folder = pathlib.Path(sys.argv[1])
    self_test()
    for path in folder.iterdir():
        if not re.fullmatch("(hostile|harmless)-(old|new).tar.zst", path.name):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    runs = Runs(folder)
    parts = sys.argv[2:] or ("offline", "pictures", "pages", "workspace")
    if "offline" in parts:
        offline(runs, folder)
    if "pictures" in parts:
        pictures(folder, runs)
    looked(runs, folder, (made(runs, folder) if "pages" in parts else []) + (workspace(runs, folder) if "workspace" in parts else []))
    if runs.faults:
        raise Failure("\n".join(runs.faults[:60]) + f"\n{len(runs.faults)} in all")
    say(f"{len(TEXTS)} hostile texts in {runs.count} answers steer nothing, compute nothing, and run nothing")


if __name__ == "__main__":
    harness.main(main)
