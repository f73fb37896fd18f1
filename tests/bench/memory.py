#!/usr/bin/env python3
"""How the memory of an export grows with the workspace.

    memory.py [--objects 1000,10000,100000] [--rounds 1] [--goal 150]

Runs `lifeboat export` against generated embedded workspaces (the simulator is another process and does not count) and tells the peak
of resident memory as the kernel knows it (by GNU time). The goal is for the largest; ends with 1 if it is missed.
"""

import argparse
import json
import pathlib
import sys
import tempfile

import measure
from measure import mib, run

sys.path.insert(0, str(measure.ROOT / "tests/interop"))
import harness  # noqa: E402


def measure_one(folder, notebooks, rounds):
    """The export with the greatest peak of some rounds, what it says of itself, and the size of its bundle."""
    seed = f"notebooks={notebooks},folders={max(1, notebooks // 5)},jobs={max(1, notebooks // 20)}"
    runs = []
    with harness.simulator(folder / "simulator", "--seed", seed) as [workspace]:
        environment = harness.Lifeboat(folder / "home").environment(workspace["url"], workspace["token"])
        for turn in range(rounds):
            target = folder / f"{notebooks}-{turn}.tar.zst"
            runs.append(run([harness.program(), "--quiet", "--json", "export", "--unlimited", "-o", target], env=environment))
            said = json.loads(runs[-1].out.splitlines()[-1])
            target.unlink()
    return max(runs, key=lambda took: took.rss), said


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objects", default="1000,10000,100000", help="how many objects in all, about")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--goal", type=float, default=150, help="MiB at the largest")
    arguments = parser.parse_args()
    rows, last = [], None
    with tempfile.TemporaryDirectory(prefix="memory-") as folder:
        for objects in sorted(map(int, arguments.objects.split(","))):
            # Folders and jobs come besides, and permissions of them all.
            took, said = measure_one(pathlib.Path(folder), max(1, objects * 2 // 5), arguments.rounds)
            grown = (took.rss - last[1]) / max(1, said["objects"] - last[0]) if last else None
            rows.append([said["objects"], said["requests"], mib(said["bytes"]), f"{took.wall:.1f}", f"{took.cpu:.1f}", mib(took.rss), f"{grown:.0f}" if grown else "-"])
            last = (said["objects"], took.rss)
    print(measure.table(["objects", "requests", "bundle MiB", "wall s", "CPU s", "peak MiB", "bytes per further object"], rows))
    met = last[1] <= arguments.goal * (1 << 20)
    print(f"goal: at most {arguments.goal:.0f} MiB at {last[0]} objects: {'met' if met else 'MISSED'}")
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
