#!/usr/bin/env python3
"""Report: time and memory of the questions that look at all of a bundle, up to the page, and how fast that page answers in a browser.

    report.py [--notebooks 95000] [--jobs 1000] [--folders 4000] [--rounds 3] [--bundle FILE] [--folder DIR]

The bundle is exported from an embedded workspace of that size (or given with `--bundle`), so that the page holds all that a workspace has: rights,
schedules, references. With their permissions these are 200,000 objects, twice as many as the page is promised for. Headless Chromium then opens the page as `tests/interop/report.mjs` does, which also says whether something leaves, runs or
complains. Needs node and the packages of tests/interop/node ($NODE_MODULES says where they lie; `.ci/run` puts them into target/ci-node).
Goals: a search answers in under 100 ms; neither `risk` nor `report` needs more than 0.5 KiB of memory for each object above what `check --offline`
needs, which is their largest part and is over before they hold anything else; `access` and `graph`, which have no such part, need less than it. Times
are told and not judged: there is no peer in the same run, and other machines are others. Ends with 1 if a goal is missed.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import measure
from measure import median, mib, run

GOAL_MS = 100
GOAL_BYTES = 512


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, count in (("notebooks", 95_000), ("jobs", 1_000), ("folders", 4_000), ("rounds", 3)):
        parser.add_argument(f"--{name}", type=int, default=count)
    parser.add_argument("--bundle", type=pathlib.Path, help="a bundle instead of a generated one")
    parser.add_argument("--folder", type=pathlib.Path, help="where to work; a temporary folder unless told")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="report-", dir=arguments.folder) as folder:
        sys.exit(0 if measure_all(arguments, pathlib.Path(folder)) else 1)


def measure_all(arguments, folder):
    ours = measure.release_build()
    bundle, page = arguments.bundle or exported(ours, arguments, folder), folder / "page.html"
    objects = sum(1 for _ in run([ours, "list", bundle, "--long"]).out.splitlines())
    commands = {
        "check --offline": [ours, "check", "--offline", "--json", bundle],
        "access": [ours, "access", "--json", bundle],
        "graph": [ours, "graph", bundle],
        "risk": [ours, "risk", bundle, "--json", "--fail", "never"],
        "report": [ours, "report", bundle, "-o", page],
    }
    took = {name: [] for name in commands}
    for turn in range(arguments.rounds + 1):
        for name, command in commands.items():
            one = run(command, expect=(0, 3, 4))
            if turn:  # the first round warms the caches
                took[name].append(one)
    print(f"{objects:,} objects, {mib(bundle.stat().st_size)} MiB; load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores\n")
    for name, runs in took.items():
        peak = max(one.rss for one in runs)
        print(f"{name:16} {median(one.wall for one in runs):7.2f} s {median(one.cpu for one in runs):7.2f} s CPU {mib(peak)} MiB")
    told = opened(page)
    print(f"\npage {mib(page.stat().st_size)} MiB: opens in {told['light_open_ms']} ms, searches in {told['search_ms']} ms, sorts in {told['sort_ms']} ms")
    peak = {name: max(one.rss for one in runs) for name, runs in took.items()}
    above = {name: (peak[name] - peak["check --offline"]) / objects for name in commands}
    good = judged("search", told["search_ms"], GOAL_MS, "ms")
    for name, goal in {"access": 0, "graph": 0, "risk": GOAL_BYTES, "report": GOAL_BYTES}.items():
        good &= judged(f"memory of {name} above check --offline, for an object", above[name], goal, "bytes")
    return good


def exported(ours, arguments, folder):
    bundle = folder / "many.tar.zst"
    os.environ["LIFEBOAT"] = str(ours)
    import harness  # needs the packages of tests/interop

    seed = f"notebooks={arguments.notebooks},folders={arguments.folders},jobs={arguments.jobs}"
    with harness.simulator(folder / "simulator", "--seed", seed) as [workspace, *_]:
        lifeboat = harness.Lifeboat(folder / "export")
        lifeboat.run("export", "--unlimited", "--quiet", "-o", bundle, url=workspace["url"], token=workspace["token"], timeout=3600)
    return bundle


def opened(page):
    script = measure.ROOT / "tests/interop/report.mjs"
    done = subprocess.run(["node", script, page, "--search", "notebook 00"], capture_output=True, text=True)
    if done.returncode:
        raise measure.Failed(f"the browser says:\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout.splitlines()[0])


def judged(what, found, goal, unit):
    good = found < goal
    print(f"{'ok' if good else 'MISSED'}: {what}: {found:.1f} {unit}, goal under {goal}")
    return good


if __name__ == "__main__":
    main()
