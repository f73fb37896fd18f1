#!/usr/bin/env python3
"""restic, asked which of many nights it would keep: `lifeboat prune` must say the same.

    retention.py [--nights 60]                             restic and lifeboat, side by side
    retention.py --nights 400 --write fixtures/retention.json    what restic says, for the test that decides about as many nights

Snapshots and bundles are made at the same times: most nights, some of them missed, on some a second run in the afternoon. Each policy
is asked of both, and nothing is removed. restic before 0.16 does not keep the oldest snapshot while there is room for more; for such
a one the oldest is counted in where the policy has room, which a look at the calendar tells. No bundle is noted as verified, and
nothing is missing in any, so that what Lifeboat keeps on top of the policy (the newest) is kept by restic too.
"""

import argparse
import concurrent.futures
import datetime
import json
import pathlib
import re
import subprocess
import tempfile

import harness

LAST = datetime.datetime(2024, 11, 26, 2, 0, 0)
POLICIES = (
    {"last": 1}, {"last": 30}, {"daily": 1}, {"daily": 7}, {"daily": 400}, {"weekly": 5}, {"weekly": 80}, {"monthly": 3}, {"monthly": 12},
    {"yearly": 1}, {"yearly": 7}, {"within": "48h"}, {"within": "14d"}, {"daily": 7, "weekly": 5, "monthly": 12, "yearly": 7},
    {"last": 3, "weekly": 2}, {"daily": 7, "within": "48h"}, {"weekly": 4, "monthly": 6, "within": "30d"},
)
SLOTS = {
    "last": lambda time: time,
    "daily": lambda time: time.date(),
    "weekly": lambda time: time.isocalendar()[:2],
    "monthly": lambda time: (time.year, time.month),
    "yearly": lambda time: time.year,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nights", type=int, default=60)
    parser.add_argument("--write", type=pathlib.Path, help="keep what restic says in this file, and ask nobody else")
    arguments = parser.parse_args()
    times = nights(arguments.nights)
    with tempfile.TemporaryDirectory(prefix="retention-") as folder:
        folder = pathlib.Path(folder)
        restic = Restic(folder / "restic", times)
        said = [{"policy": policy, "kept": restic.keeps(policy)} for policy in POLICIES]
        if arguments.write:
            write(arguments.write, restic, times, said)
        else:
            compare(folder, times, said)


def nights(count):
    """The newest last. What is far back is thinned out where there are few, so that months and years come into it."""
    step = max(1, 400 // count)
    times = []
    for back in range(count * 2):
        day = back if back < count // 2 or step == 1 else count // 2 + (back - count // 2) * step
        if back % 17 == 5:
            continue
        night = LAST - datetime.timedelta(days=day) + datetime.timedelta(seconds=back * 37 % 900)
        times += [night + datetime.timedelta(hours=12), night] if back % 23 == 4 else [night]
    return sorted(times[:count])


class Restic:
    """A repository with a tiny snapshot for each night."""

    def __init__(self, folder, times):
        (folder / "data").mkdir(parents=True)
        (folder / "data/file").write_text("the same every night\n")
        self.folder, self.times = folder, times
        self.environment = {"RESTIC_REPOSITORY": str(folder / "repository"), "RESTIC_PASSWORD": "nights", "TZ": "UTC", "HOME": str(folder), "PATH": "/usr/bin:/bin"}
        self.version = tuple(map(int, re.search(r"(\d+)\.(\d+)\.(\d+)", self.run("version")).groups()))
        self.run("init")
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(self.snapshot, times))

    def run(self, *arguments):
        command = ["restic", "--no-cache", *map(str, arguments)]
        done = subprocess.run(command, env=self.environment, cwd=self.folder, capture_output=True, text=True, timeout=120)
        if done.returncode:
            raise harness.Failure(f"restic {arguments[0]} ended with {done.returncode}: {done.stderr[-1000:]}")
        return done.stdout

    def snapshot(self, time):
        self.run("backup", "--quiet", "--host", "workspace", "--time", time.strftime("%Y-%m-%d %H:%M:%S"), "data")

    def keeps(self, policy):
        """The numbers of the nights that stay."""
        options = [word for name, value in policy.items() for word in (f"--keep-{name}", str(value))]
        groups = json.loads(self.run("forget", "--dry-run", "--json", *options).splitlines()[0])
        if len(groups) != 1:
            raise harness.Failure(f"restic has {len(groups)} groups of snapshots")
        kept = {datetime.datetime.fromisoformat(one["time"][:19]) for one in groups[0]["keep"]}
        gone = {datetime.datetime.fromisoformat(one["time"][:19]) for one in groups[0]["remove"] or ()}
        if kept | gone != set(self.times) or kept & gone:
            raise harness.Failure("restic does not tell of every night once")
        has_room = any(count > len(set(map(SLOTS[name], self.times))) for name, count in policy.items() if name != "within")
        if self.version < (0, 16, 0) and has_room:
            kept.add(self.times[0])
        return [number for number, time in enumerate(self.times) if time in kept]


def write(path, restic, times, said):
    head = json.dumps({"restic": ".".join(map(str, restic.version)), "times": [f"{time.isoformat()}Z" for time in times]})
    answers = ",\n".join(json.dumps(one) for one in said)
    path.write_text(f'{head[:-1]},\n"answers": [\n{answers}\n]}}\n', encoding="utf-8")


def compare(folder, times, said):
    shelf = folder / "shelf"
    shelf.mkdir()
    lifeboat = harness.Lifeboat(folder / "home")
    with harness.simulator(folder / "simulator", "--seed", "notebooks=1,folders=1,jobs=1") as [workspace]:
        environment = lifeboat.environment(workspace["url"], workspace["token"])

        def export(time):
            epoch = str(int(time.replace(tzinfo=datetime.timezone.utc).timestamp()))
            command = [harness.program(), "export", "--quiet", "--unlimited", "--include", "user", "-o", shelf / name(time)]
            done = subprocess.run(list(map(str, command)), env=environment | {"SOURCE_DATE_EPOCH": epoch}, capture_output=True, text=True)
            if done.returncode:
                raise harness.Failure(f"lifeboat export ended with {done.returncode}: {done.stderr[-1000:]}")

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(export, times))
    for one in said:
        options = [f"--keep-{key}={value}" for key, value in one["policy"].items()]
        plan = json.loads(lifeboat.run("prune", shelf, "--dry-run", "--json", *options).stdout)
        kept = {bundle["name"] for bundle in plan["bundles"] if bundle["keep"]}
        wanted = {name(times[number]) for number in one["kept"]}
        if len(plan["bundles"]) != len(times) or kept != wanted:
            raise harness.Failure(f"{one['policy']}: only restic keeps {sorted(wanted - kept)}, only lifeboat {sorted(kept - wanted)}")
    print(f"ok: restic and lifeboat keep the same of {len(times)} nights under {len(said)} policies")


def name(time):
    return f"w-{time.strftime('%Y%m%dT%H%M%SZ')}.tar.zst"


if __name__ == "__main__":
    harness.main(main)
