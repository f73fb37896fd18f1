#!/usr/bin/env python3
"""What a plan of very many objects takes, and that an unchanged bundle is applied without a write.

    plan.py [--objects 100000] [--seconds 10] [--mib 500]

Exports a generated embedded workspace and imports it under rules into an empty one, twice. The first plan meets an empty target, so
that all its time is the program's own: the check of the bundle, the rules, the plan and its JSON. The later runs read the target,
object by object, and are told without a goal for their time. Memory is the peak of the whole process as the kernel knows it (by GNU
time). Ends with 1 if a goal is missed, or if the last import wrote anything.
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

RULES = """\
rules:
  - name: small
    for: {kind: job}
    clamp: {/max_concurrent_runs: {max: 1}}
  - name: tidy
    for: {path: /Shared/**}
    conflicts: theirs
"""

RUNS = [("first plan", ["--plan-only"]), ("import", ["--yes"]), ("second plan", ["--plan-only"]), ("second import", ["--yes"])]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objects", type=int, default=100000, help="how many objects in all, about")
    parser.add_argument("--seconds", type=float, default=10, help="goal for the plan")
    parser.add_argument("--mib", type=float, default=500, help="goal for the peak of memory")
    arguments = parser.parse_args()
    notebooks = max(1, arguments.objects * 2 // 5)
    seed = f"notebooks={notebooks},folders={max(1, notebooks // 5)},jobs={max(1, notebooks // 20)}"
    with tempfile.TemporaryDirectory(prefix="plan-") as folder:
        ok = measured(pathlib.Path(folder), seed, arguments)
    sys.exit(0 if ok else 1)


def measured(folder, seed, arguments):
    bundle, rules = folder / "bundle.tar.zst", folder / "rules.yaml"
    rules.write_text(RULES)
    with harness.simulator(folder / "simulator", "--seed", seed, "--workspaces", "2") as [source, target]:
        home = harness.Lifeboat(folder / "home")
        run([harness.program(), "--quiet", "export", "--unlimited", "-o", bundle], env=home.environment(source["url"], source["token"]))
        environment = home.environment(target["url"], target["token"])
        common = [harness.program(), "--quiet", "--json", "import", bundle, "--rules", rules, "--unlimited"]
        rows, took = [], {}
        for name, more in RUNS:
            one = run([*common, *more], env=environment, expect=(0, 3))
            said = json.loads(one.out.splitlines()[-1])
            took[name] = (one, said)
            count = len(said["steps"] if "steps" in said else said["items"])
            rows.append([name, count, f"{one.wall:.1f}", f"{one.cpu:.1f}", mib(one.rss)])
    print(measure.table(["run", "objects", "wall s", "CPU s", "peak MiB"], rows))
    return judged(took, arguments)


def judged(took, arguments):
    first = took["first plan"][0]
    faults = [f"the first plan took {first.wall:.1f} s"] if first.wall > arguments.seconds else []
    plans = ((name, took[name][0].rss) for name in ("first plan", "second plan"))
    faults += [f"{name}: {mib(rss)} MiB" for name, rss in plans if rss > arguments.mib * (1 << 20)]
    states = {state for states in took["second import"][1]["counts"].values() for state in states}
    if wrote := states & {"created", "updated", "deleted", "failed"}:
        faults.append(f"the second import was to change nothing: {sorted(wrote)}")
    goals = f"a plan within {arguments.seconds:.0f} s and {arguments.mib:.0f} MiB, and a second import without a write"
    print(f"goals: {goals}: {'MISSED: ' + '; '.join(faults) if faults else 'met'}")
    return not faults


if __name__ == "__main__":
    main()
