"""What the benches share: time, CPU and memory of a command, medians over rounds, and plain tables.

On a machine that others use too, trust ratios within one run, and CPU seconds more than wall seconds.
"""

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/interop"))


class Failed(Exception):
    """A measured command did not end as it should."""


class Took:
    """What one run took: wall and CPU in seconds, peak of resident memory in bytes, and what it printed."""

    def __init__(self, wall, usage, rss, out):
        self.wall, self.cpu, self.rss, self.out = wall, usage.ru_utime + usage.ru_stime, rss, out


def run(command, expect=(0,), env=None, cwd=None):
    """Runs a command to its end and measures it and its children. A string goes to a shell that fails with any of a pipe's parts."""
    words = ["bash", "-o", "pipefail", "-c", command] if isinstance(command, str) else [str(word) for word in command]
    with tempfile.NamedTemporaryFile(prefix="peak-") as peak:
        return measured([*by_time(peak.name), *words], peak.name, expect, env, cwd)


def by_time(to):
    """GNU time tells the peak of what it starts. Our own `wait4` would count this interpreter, from which the child was forked."""
    if not (found := shutil.which("time")):
        raise Failed("GNU time is not installed (Debian: `apt-get install time`)")
    return [found, "-q", "-f", "%M", "-o", to]


def measured(words, peak, expect, env, cwd):
    started = time.monotonic()
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=env, cwd=cwd)
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in expect:
        raise Failed(f"{' '.join(words)} ended with {process.returncode}:\n{out[-2000:].decode('utf-8', 'replace')}")
    return Took(wall, usage, int(pathlib.Path(peak).read_text().split()[-1]) * 1024, out)


def median(values):
    return statistics.median(values)


def table(header, rows):
    """A table of texts, numbers to the right."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[at]) for row in [header, *rows]) for at in range(len(header))]

    def line(row):
        cells = [cell.rjust(width) if at and cell[:1].isdigit() else cell.ljust(width) for at, (cell, width) in enumerate(zip(row, widths))]
        return "| " + " | ".join(cells) + " |"

    return "\n".join([line(header), "|" + "|".join("-" * (width + 2) for width in widths) + "|", *map(line, rows)])


def mib(size):
    return f"{size / (1 << 20):.1f}"


def build_of_bench():
    """The release build of `tests/bench/pack.rs`: `$LIFEBOAT_PACK`, else built here."""
    if named := os.environ.get("LIFEBOAT_PACK"):
        return pathlib.Path(named).resolve()
    command = ["cargo", "bench", "--locked", "--bench", "pack", "--no-run", "--message-format=json-render-diagnostics"]
    built = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout.decode()
    found = [json.loads(line) for line in built.splitlines() if '"executable":"' in line]
    return pathlib.Path(next(one["executable"] for one in found if one["target"]["name"] == "pack"))


def release_build():
    """The program under measure: `$LIFEBOAT`, else `target/release/lifeboat`, built if it is not there."""
    if named := os.environ.get("LIFEBOAT"):
        return pathlib.Path(named).resolve()
    path = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release/lifeboat"
    if not path.exists():
        subprocess.run(["cargo", "build", "--locked", "--release"], cwd=ROOT, check=True)
    return path
