#!/usr/bin/env python3
"""Find: how long Lifeboat takes to search and to verify in full a bundle of notebooks, beside tools that know nothing of bundles.

    find.py [--mib 1024] [--rounds 3] [--folder DIR] [--bundle FILE]

A bundle of generated notebooks is made with the bench `pack`; `--bundle` takes another one. Searches stand beside `zstd -dc BUNDLE | rg -a -c
PATTERN`, which finds the same lines without saying in which object; the numbers of lines must be equal. `verify --full` stands beside
`zstd -dc BUNDLE | sha256sum`. Rounds take turns, so that a busy machine hurts all alike; tables show medians.
Goals: each search at least as fast as its peer in the same run (median over rounds of the ratio); `verify --full` at least 0.8 of its peer's
speed per core (CPU seconds), on all cores; the search in less than 256 MiB of memory. Ends with 1 if one is missed.
"""

import argparse
import os
import pathlib
import random
import shutil
import sys
import tempfile

import measure
from measure import Failed, median, mib, run

# A text that is rare, one that is frequent, and an expression.
SEARCHES = [["-s", "needle_7f3a"], ["-s", "-w", "settlement"], ["-s", r"spark\.read\.[a-z]+\("], ["-i", "OVERWRITE"]]
LEAST_MEMORY = 256 << 20


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=pathlib.Path, help="where to work; a temporary folder unless told")
    parser.add_argument("--bundle", type=pathlib.Path, help="a bundle to search")
    arguments = parser.parse_args()
    if missing := [tool for tool in ("zstd", "rg", "sha256sum") if not shutil.which(tool)]:
        sys.exit(f"not installed: {', '.join(missing)} (Debian: zstd, ripgrep, coreutils)")
    with tempfile.TemporaryDirectory(prefix="find-", dir=arguments.folder) as folder:
        sys.exit(0 if measure_all(arguments, pathlib.Path(folder)) else 1)


def measure_all(arguments, folder):
    ours, bundle = measure.release_build(), arguments.bundle
    if not bundle:
        bundle = folder / "notebooks.tar.zst"
        run([measure.build_of_bench(), notebooks(folder / "tree", arguments.mib), bundle])
        shutil.rmtree(folder / "tree")
    commands = {}
    for words in SEARCHES:
        shown = " ".join(words)
        quoted = " ".join(f"'{word}'" for word in words)
        commands[f"lifeboat find {shown}"] = [ours, "find", bundle, "--count", *words]
        commands[f"zstd | rg {shown}"] = f"zstd -dcq '{bundle}' | rg -a -c {quoted}"
    commands["lifeboat verify --full"] = [ours, "verify", "--full", "--quiet", bundle]
    commands["zstd | sha256sum"] = f"zstd -dcq '{bundle}' | sha256sum"
    seen = {name: [] for name in commands}
    for turn in range(arguments.rounds + 1):
        for name, command in commands.items():
            took = run(command, expect=(0, 1, 3))
            if turn:  # the first round warms the caches
                seen[name].append(took)
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores; {mib(bundle.stat().st_size)} MiB stored\n")
    return show(seen)


def show(seen):
    rows, goals, names = [], [], list(seen)
    for ours, theirs in zip(names[::2], names[1::2]):
        for name in (ours, theirs):
            took = seen[name]
            rows.append([name, *(f"{median(getattr(one, of) for one in took):.3f}" for of in ("wall", "cpu")), mib(max(one.rss for one in took))])
        by = "cpu" if "verify" in ours else "wall"
        ratio = median(getattr(b, by) / getattr(a, by) for a, b in zip(seen[ours], seen[theirs]))
        goals.append([f"{ours}: speed beside its peer, by {by}", ratio, 0.8 if by == "cpu" else 1.0])
        if "find" in ours:
            same(ours, seen[ours][0].out, seen[theirs][0].out)
    print(measure.table(["command", "wall s", "CPU s", "RSS MiB"], rows), "\n")
    used = median(one.cpu / one.wall for one in seen["lifeboat verify --full"])
    goals.append(["lifeboat verify --full: share of the cores in use", used / os.cpu_count(), 0.8])
    memory = max(one.rss for name in names if "lifeboat find" in name for one in seen[name])
    met = [value >= wanted for _, value, wanted in goals] + [memory <= LEAST_MEMORY]
    lines = [[name, f"{value:.2f}", f"at least {wanted}"] for name, value, wanted in goals]
    lines.append(["lifeboat find: MiB of memory", mib(memory), f"at most {mib(LEAST_MEMORY)}"])
    print(measure.table(["goal", "measured", "wanted", "verdict"], [[*line, "met" if ok else "MISSED"] for line, ok in zip(lines, met)]))
    return all(met)


def same(what, ours, theirs):
    """Both count the same lines. The one says so object by object, the other in all."""
    counted = sum(int(line.rsplit(":", 1)[1]) for line in ours.decode().splitlines())
    if counted != int(theirs or 0):
        raise Failed(f"{what} counts {counted} lines, its peer {theirs.decode()}")


def notebooks(folder, size):
    """Notebooks of 30 KiB or so in the folder of their kind: words of code in lines of code, the same in every run."""
    chance = random.Random(7)
    words = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz_", k=chance.randint(3, 11))) for _ in range(4000)]
    words += ["settlement", "overwrite", "display", "select", "where"] * 4
    blocks = [block(chance, words) for _ in range(12000)]
    for number in range(size << 20 >> 15):
        path = folder / "notebook" / f"{number % 97:02}" / f"{number:06}.notebook.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        cells = [chance.choice(blocks) for _ in range(8)]
        if number % 5000 == 17:
            cells.append("x = 'needle_7f3a'\n")
        path.write_text("# Databricks notebook source\n" + "\n# COMMAND ----------\n\n".join(cells), encoding="utf-8")
    return folder


def block(chance, words):
    """A cell of 4 KiB."""
    lines, size = [], 0
    while size < 4096:
        some = chance.choices(words, k=chance.randint(3, 8))
        line = f"{some[0]} = spark.read.{some[1]}({', '.join(some[2:])})  # {chance.randint(0, 10**6)}" if chance.random() < 0.02 else f"{some[0]} = {some[1]}.{some[2]}({chance.randint(0, 10**9)}, {' + '.join(some[3:])})"
        lines.append(line)
        size += len(line) + 1
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
