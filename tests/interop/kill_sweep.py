#!/usr/bin/env python3
"""Kills an export at every boundary of a system call, and looks at what it leaves behind.

    kill_sweep.py [--sample N] [--calls disk|all] [--jobs N]

One undisturbed run under `strace` tells which calls a small export makes and how often; then it is run again for each of them and
killed (SIGKILL) as the N-th such call begins. After each kill:
- under the final name stands nothing, or the whole bundle, byte for byte;
- if nothing, a second run needs no help: it succeeds, writes the very bytes of the undisturbed run, and clears away what the killed
  one left; if the bundle, a second run refuses to touch it (exit 5).

`--calls disk` (the default) takes the calls that change files or make them last, `--calls all` every call there is. `--sample N` takes
N points, spread evenly, and always those around sync, publication and removal. Skips itself, and says so, where tracing is not allowed.
"""

import argparse
import collections
import concurrent.futures
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import harness
from harness import Failure, Lifeboat, say

SEED = "notebooks=6,folders=3,jobs=2"
DISK = """open openat creat write writev pwrite64 pwritev pwritev2 copy_file_range sendfile fsync fdatasync sync_file_range ftruncate
fallocate rename renameat renameat2 link linkat symlinkat unlink unlinkat mkdir mkdirat flock fchmod fchmodat close""".split()
PUBLISHING = {"fsync", "fdatasync", "rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat", "flock"}
# One worker makes the order of calls nearly the same in each run; the time is fixed, so that bundles are comparable as bytes.
STEADY = {"TOKIO_WORKER_THREADS": "1", "SOURCE_DATE_EPOCH": "1767225600"}
NAME = "bundle.tar.zst"


class Sweep:
    def __init__(self, folder, workspace, calls):
        self.folder, self.workspace, self.calls = folder, workspace, calls
        self.lifeboat = Lifeboat(folder / "home")
        self.expected = None

    def export(self, folder, wrapper=()):
        """Runs an export into a folder, under a tracer if told. Gives its exit code, negative for a signal, and what it said."""
        command = [*wrapper, harness.program(), "--quiet", "export", "--unlimited", "--threads", "1", "-o", folder / NAME]
        environment = self.lifeboat.environment(self.workspace["url"], self.workspace["token"]) | STEADY
        done = subprocess.run([str(word) for word in command], env=environment, capture_output=True, stdin=subprocess.DEVNULL, timeout=120)
        return done.returncode, (done.stdout + done.stderr).decode("utf-8", "replace")

    def undisturbed(self):
        """The reference: its bytes, and how often the busiest thread makes each call."""
        folder = fresh(self.folder / "reference")
        log = self.folder / "strace.log"
        code, said = self.export(folder, ["strace", "-f", "-qq", "-o", log, "-e", f"trace={self.calls}"])
        if code != 0:
            raise Failure(f"the undisturbed export ended with {code}: {said[-1500:]}")
        self.expected = digest(folder / NAME)
        again = fresh(self.folder / "again")
        if self.export(again)[0] != 0 or digest(again / NAME) != self.expected:
            raise Failure("two undisturbed exports of one workspace at one time differ")
        return points(log.read_text(errors="replace"))

    def kill_at(self, number, point):
        """One kill and what follows. Gives a fault, `None`, or `missed` if the run ended before the point came."""
        call, count = point
        folder = fresh(self.folder / f"{number}")
        code, said = self.export(folder, ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={count}"])
        if code not in (-9, 137, 0):
            return f"the export ended with {code}: {said[-500:]}"
        fault = self.look(folder)
        if not fault:
            shutil.rmtree(folder)
        return fault or ("missed" if code == 0 else None)

    def look(self, folder):
        target = folder / NAME
        if target.exists() and digest(target) != self.expected:
            return f"a partial or other file stands under the final name: {target}"
        published = target.exists()
        code, said = self.export(folder)
        if code != (5 if published else 0):
            return f"the second run ended with {code} ({'bundle' if published else 'nothing'} there): {said[-500:]}"
        if digest(target) != self.expected:
            return "the second run wrote other bytes than the undisturbed one"
        left = sorted(path.name for path in folder.iterdir() if path.name != NAME)
        return f"left behind: {left}" if left and not published else None


    def self_test(self):
        """A sweep that sees nothing proves nothing: planted leftovers must be faults."""
        whole = (self.folder / "reference" / NAME).read_bytes()
        for name, planted, expected in (
            (NAME, whole[: len(whole) // 2], "a partial or other file"),
            (NAME, whole[:-1], "a partial or other file"),
            (f".{NAME}.partial-of-nobody", b"half", "left behind"),
        ):
            folder = fresh(self.folder / "planted")
            (folder / name).write_bytes(planted)
            if not (self.look(folder) or "").startswith(expected):
                raise Failure(f"a planted {name} of {len(planted)} bytes is not noticed")


def fresh(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def points(log):
    """`(call, n)` for each n up to the count of the thread that makes the call most often; that is how the tracer counts."""
    counts = collections.Counter(re.findall(r"^(\d+) +(?:<\.\.\. )?([a-z_0-9]+)\(", log, re.M))
    most = collections.Counter()
    for (_thread, call), count in counts.items():
        most[call] = max(most[call], count)
    return [(call, number) for call, count in sorted(most.items()) if call not in ("exit_group", "execve") for number in range(1, count + 1)]


def sampled(all_points, number):
    """All points of publication, and others spread evenly."""
    if not number or number >= len(all_points):
        return all_points
    kept = [point for point in all_points if point[0] in PUBLISHING]
    others = [point for point in all_points if point[0] not in PUBLISHING]
    wanted = max(0, number - len(kept))
    return kept + [others[at * len(others) // wanted] for at in range(wanted)]


def may_trace():
    done = subprocess.run(["strace", "-f", "-o", "/dev/null", "-e", "inject=getppid:signal=KILL:when=1000", "true"], capture_output=True)
    return done.returncode == 0


def check():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sample", type=int, default=0, help="so many points; all unless told")
    parser.add_argument("--calls", choices=["disk", "all"], default="disk")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    if not shutil.which("strace") or not may_trace():
        say("SKIPPED: tracing is not allowed here, or strace is not installed")
        return
    with tempfile.TemporaryDirectory(prefix="kill-sweep-") as folder, harness.simulator(pathlib.Path(folder) / "simulator", "--seed", SEED) as [workspace]:
        calls = "all" if arguments.calls == "all" else ",".join(f"?{call}" for call in DISK)
        sweep = Sweep(pathlib.Path(folder), workspace, calls)
        found = sweep.undisturbed()
        sweep.self_test()
        chosen = sampled(found, arguments.sample)
        report(chosen, found, run_all(sweep, chosen, arguments.jobs))


def run_all(sweep, chosen, jobs):
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(lambda pair: sweep.kill_at(*pair), enumerate(chosen)))


def report(chosen, found, outcomes):
    missed = sum(outcome == "missed" for outcome in outcomes)
    faults = [f"{call} #{number}: {outcome}" for (call, number), outcome in zip(chosen, outcomes) if outcome not in (None, "missed")]
    say(f"{len(chosen)} of {len(found)} points, {len(chosen) - missed} killed, {missed} came too late, {len(faults)} faults")
    say("per call: " + ", ".join(f"{call} {count}" for call, count in sorted(collections.Counter(call for call, _ in chosen).items())))
    if faults:
        raise Failure("\n  ".join([f"{len(faults)} kills left something wrong", *faults[:20]]))
    if chosen and missed > len(chosen) // 3:
        raise Failure("too many points were never reached: the sweep says too little")


if __name__ == "__main__":
    harness.main(check)
