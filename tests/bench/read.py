#!/usr/bin/env python3
"""Read: how long Lifeboat takes to list 100,000 objects and to verify a large bundle, beside tools that do less.

    read.py [--objects 100000] [--mib 500] [--rounds 5] [--folder DIR] [--bundle FILE]

Two bundles are made with the bench `pack`: one of many small objects, and one of random files, which nothing can compress, so that
its verification is reading and hashing. `--bundle` lists another one instead of the first. Rounds take turns, so that a busy machine
hurts all alike; the tables show medians. On a machine that others use, believe the columns of ratios and CPU seconds: `list` is set
beside `zstd -t` of the same bundle, which decompresses all of it and understands nothing, `verify` beside `openssl`.
Goals: list in at most 0.15 s, verify at least 80% of the speed of openssl. Ends with 1 if one is missed.
"""

import argparse
import os
import pathlib
import sys
import tempfile

import measure
from measure import median, mib, run


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objects", type=int, default=100_000)
    parser.add_argument("--mib", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=pathlib.Path, help="where to work; a temporary folder unless told")
    parser.add_argument("--bundle", type=pathlib.Path, help="a bundle to list")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="read-", dir=arguments.folder) as folder:
        sys.exit(0 if measure_all(arguments, pathlib.Path(folder)) else 1)


def measure_all(arguments, folder):
    ours, many, large = measure.release_build(), arguments.bundle or folder / "many.tar.zst", folder / "large.tar.zst"
    if not arguments.bundle:
        run([measure.build_of_bench(), "--objects", str(arguments.objects), many])
    run([measure.build_of_bench(), incompressible(folder / "random", arguments.mib), large])
    listed = rounds(arguments.rounds, {
        "lifeboat list": [ours, "list", many],
        "zstd -t": ["zstd", "-q", "-t", "--single-thread", many],
        "lifeboat --version": [ours, "--version"],
    })
    verified = rounds(arguments.rounds, {
        "lifeboat verify": [ours, "verify", large],
        "openssl dgst -sha256": ["openssl", "dgst", "-sha256", large],
    })
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores\n")
    show(f"list, {mib(many.stat().st_size)} MiB", listed, "zstd -t")
    show(f"verify, {mib(large.stat().st_size)} MiB", verified, "openssl dgst -sha256")
    return judge(median(one.wall for one in listed["lifeboat list"]), speed(verified))


def incompressible(folder, size):
    """Files of random bytes, half a mebibyte each, in the folder of a kind."""
    (folder / "file").mkdir(parents=True)
    for number in range(size * 2):
        (folder / "file" / f"{number:06}.bin").write_bytes(os.urandom(1 << 19))
    return folder


def rounds(number, commands):
    seen = {name: [] for name in commands}
    for turn in range(number + 1):
        for name, command in commands.items():
            took = run(command)
            if turn:  # the first round warms the caches
                seen[name].append(took)
    return seen


def show(what, seen, base):
    wall, cpu = (median(getattr(took, of) for took in seen[base]) for of in ("wall", "cpu"))
    rows = []
    for name, took in seen.items():
        mine = [median(getattr(one, of) for one in took) for of in ("wall", "cpu")]
        rss = mib(max(one.rss for one in took))
        rows.append([name, f"{mine[0]:.3f}", f"{mine[1]:.3f}", f"{mine[0] / wall:.2f}", f"{mine[1] / cpu:.2f}", rss])
    print(measure.table([what, "wall s", "CPU s", f"wall beside {base.split()[0]}", "CPU", "RSS MiB"], rows), "\n")


def speed(verified):
    """Share of openssl's speed: the median over rounds, since the two of one round suffer alike."""
    return median(theirs.wall / ours.wall for ours, theirs in zip(*verified.values()))


def judge(seconds, share):
    goals = [("list, seconds", seconds, 0.15, seconds <= 0.15), ("verify, share of openssl's speed", share, 0.8, share >= 0.8)]
    rows = [[name, f"{value:.3f}", str(goal), "met" if met else "MISSED"] for name, value, goal, met in goals]
    print(measure.table(["goal", "measured", "wanted", "verdict"], rows))
    return all(met for *_, met in goals)


if __name__ == "__main__":
    main()
