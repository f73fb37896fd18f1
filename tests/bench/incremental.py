#!/usr/bin/env python3
"""What a night costs on which nothing changed: requests, bytes and time beside a full export in the same run.

    incremental.py [--notebooks 10000] [--latency 20ms] [--pace both|paced|unlimited]

Exports a generated embedded workspace in full, and once more with `--since` that bundle. What the program says of its requests
is set beside what the workspace counted. The two bundles are read by `zstd` and `tar` as Python has it, member by member, and
their data frames compared as they are stored: nothing may differ but the head, the manifest and the trailer. `paced` keeps to the published limits
of the API, `unlimited` goes as fast as the workspace answers. Ends with 1 if something that did not change was read again, if a sum
does not add up, or if the bundles differ in more.
"""

import argparse
import itertools
import json
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import urllib.request

import measure
from measure import mib, run

sys.path.insert(0, str(measure.ROOT / "tests/interop"))
import harness  # noqa: E402

# Contents whose listing says when they were changed.
CONTENTS = ("/api/2.0/workspace/export", "/api/2.0/workspace-files/", "/api/2.0/dbfs/read", "/api/2.0/global-init-scripts/")
PURPOSES = ("listings", "unmarked", "contents")
# Which night it is, and what follows from it.
ABOUT = ("bundle/bundle.json", "bundle/bagit.txt", "bundle/bag-info.txt", "bundle/manifest-sha256.txt", "bundle/manifest.jsonl",
         "bundle/tagmanifest-sha256.txt")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--notebooks", type=int, default=10_000)
    parser.add_argument("--latency", default="20ms", help="what each answer of the workspace waits")
    parser.add_argument("--pace", choices=("both", "paced", "unlimited"), default="both")
    arguments = parser.parse_args()
    number = arguments.notebooks
    seed = f"notebooks={number},folders={max(1, number // 20)},jobs={max(1, number // 100)},seed=7"
    paces = ("unlimited", "paced") if arguments.pace == "both" else (arguments.pace,)
    with tempfile.TemporaryDirectory(prefix="incremental-") as folder:
        faults = [fault for pace in paces for fault in measured(pathlib.Path(folder) / pace, seed, arguments.latency, pace)]
    print(f"an unchanged night costs its listings and what has no mark of a change: {'MISSED: ' + '; '.join(faults) if faults else 'met'}")
    sys.exit(1 if faults else 0)


def measured(folder, seed, latency, pace):
    print(f"{seed}, {latency} an answer, {pace}", flush=True)
    with harness.simulator(folder, "--seed", seed, "--latency", latency) as [workspace]:
        home, seen, took = harness.Lifeboat(folder / "home"), 0, {}
        for name, more in (("full", []), ("night", ["--since", folder / "full.tar.zst"])):
            command = [harness.program(), "--quiet", "--json", "export", "-o", folder / f"{name}.tar.zst", *more]
            command += ["--unlimited"] if pace == "unlimited" else []
            one = run(command, env=home.environment(workspace["url"], workspace["token"]), expect=(0, 3))
            requests = counted(workspace["url"])
            took[name] = (one, json.loads(one.out.splitlines()[-1]), requests[seen:])
            seen = len(requests)
    show(took)
    faults = [f"{pace}: {fault}" for fault in [*sums(took), *differences(folder / "full.tar.zst", folder / "night.tar.zst")]]
    print(flush=True)
    return faults


def counted(url):
    """The paths that the workspace itself saw, in their order."""
    with urllib.request.urlopen(f"{url}/_simulator/requests") as answer:
        return [one["path"] for one in json.load(answer)["requests"]]


def show(took):
    rows = []
    for name, (one, said, _) in took.items():
        rows.append([name, *(said["asked"].get(purpose, 0) for purpose in PURPOSES), said["requests"],
                     f"{one.wall:.1f}", f"{one.cpu:.1f}", mib(one.rss), mib(said["bytes"])])
    header = ["export", "listings", "reads without a mark", "reads of contents", "requests", "wall s", "CPU s", "peak MiB", "MiB"]
    print(measure.table(header, rows))
    night, ratio = took["night"][1], took["night"][0].wall / took["full"][0].wall
    carried = night["incremental"] or {"carried": 0, "frames": 0, "bytes": 0}
    share = 100 * carried["bytes"] / night["bytes"]
    print(f"the night took {ratio:.2f} of the time; {carried['carried']} objects carried over, {carried['frames']} clean frames "
          f"of {mib(carried['bytes'])} MiB copied as they stood, {share:.0f}% of the bundle")


def sums(took):
    """The program's own account, and the workspace's."""
    for name, (_, said, seen) in took.items():
        if said["requests"] != sum(said["asked"].values()):
            yield f"{name}: {said['requests']} requests are not the sum of {said['asked']}"
        if said["requests"] != len(seen):
            yield f"{name}: the program tells of {said['requests']} requests, the workspace saw {len(seen)}"
        if (read := sum(path.startswith(CONTENTS) for path in seen)) != said["asked"].get("contents", 0):
            yield f"{name}: the program tells of {said['asked'].get('contents', 0)} reads of contents, the workspace saw {read}"
    (_, full, _), (_, night, _) = took["full"], took["night"]
    if night["asked"].get("contents", 0):
        yield f"{night['asked']['contents']} contents were read again"
    if not night["incremental"] or night["incremental"]["carried"] != full["asked"]["contents"]:
        yield f"{full['asked']['contents']} contents were read at first, and carried over was {night['incremental']}"
    for purpose in ("listings", "unmarked"):
        if full["asked"][purpose] != night["asked"][purpose]:
            yield f"{purpose}: {full['asked'][purpose]} in full, {night['asked'][purpose]} at night"


def differences(one, other):
    """Both by standard tools: members of the archive, and data frames as they are stored."""
    compared = 0
    for number, (left, right) in enumerate(itertools.zip_longest(members(one), members(other))):
        if left and right and left[0] == right[0] and left[0] in ABOUT:
            continue
        compared += 1
        if left != right:
            yield f"member {number} differs: {left and left[:3]}, {right and right[:3]}"
            return
    left, right = stored_frames(one), stored_frames(other)
    print(f"{compared} members are the same, and so are {sum(a == b for a, b in zip(left, right))} of {len(left)} data frames as stored")
    if left != right:
        yield "data frames differ as they are stored"


def members(bundle):
    with subprocess.Popen(["zstd", "-dcq", bundle], stdout=subprocess.PIPE) as unpacking:
        with tarfile.open(fileobj=unpacking.stdout, mode="r|") as archive:
            for entry in archive:
                yield entry.name, entry.size, entry.mtime, entry.mode, archive.extractfile(entry).read() if entry.isfile() else b""
    if unpacking.returncode:
        raise measure.Failed(f"zstd cannot unpack {bundle}")


def stored_frames(bundle):
    """Where frames lie says the manifest; the first is the head."""
    manifest = next(entry[4] for entry in members(bundle) if entry[0] == "bundle/manifest.jsonl")
    frames = [line for line in map(json.loads, manifest.splitlines()) if line["t"] == "frame" and line["i"]]
    stored = bundle.read_bytes()
    return [stored[frame["off"]:frame["off"] + frame["clen"]] for frame in frames]


if __name__ == "__main__":
    main()
