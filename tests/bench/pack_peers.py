#!/usr/bin/env python3
"""Pack, verify, list and read one: Lifeboat beside `tar | zstd -3 -T0`, `restic` and `borg`, on the same files in one run.

    pack_peers.py [--files 12000] [--clones 8] [--rounds 5] [--folder DIR] [--json FILE]

The files are generated from a fixed seed and are like a workspace's: notebooks that many people copied and edited (`--clones` says
how many of a kind; 1 means none), and JSON of jobs and clusters; 6.5 KB in the mean. `--files 78384` is about the size of the
corpus that the goals were set with. Rounds take turns, so that a busy machine hurts all alike; the table shows medians and the ratio
of medians. What the others do besides: restic encrypts, both deduplicate over many backups; tar and zstd keep no digests.
Goals: pack at most 1.1 times the wall time of tar | zstd, quick verify at least 80% of the speed of openssl, list of 100,000
objects in at most 0.15 s. Ends with 1 if one is missed, so that it can stand in a pipeline on a quiet machine.
"""

import argparse
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

import measure
from measure import median, mib, run

WORDS = """spark table frame select where join group order window delta merge write read path schema column value total daily orders
customer region country amount price date year month load clean check stage bronze silver gold feature model train score predict batch stream
checkpoint partition cache count filter display widget secret scope mount storage account container blob event""".split()


# --- the files ------------------------------------------------------------------------------------------------------


def generate(folder, files, clones, seed=7):
    """Writes notebooks and documents; the same arguments give the same bytes."""
    chance = random.Random(seed)
    common = [line(chance) for _ in range(2_000)]
    notebooks, documents = files * 2 // 3, files - files * 2 // 3
    total, number = 0, 0
    while number < notebooks:
        lines = [chance.choice(common) if chance.random() < 0.2 else line(chance) for _ in range(chance.randint(20, 330))]
        for _ in range(min(clones, notebooks - number)):
            edited = edit(chance, lines) if clones > 1 else lines
            home = folder / "notebook" / "Users" / f"person{chance.randrange(max(1, files // 80)):04}@corpus.example"
            # Copies keep their name, as copies do, and lie in other homes.
            total += put(home / f"{number:06}" / f"{WORDS[number // clones % len(WORDS)]} {number // clones:06}.notebook.py", "\n".join(edited))
            number += 1
    for number in range(documents):
        kind = ("job", "cluster", "permissions")[number % 3]
        total += put(folder / kind / f"{100_000_000 + number * 7919}.json", json.dumps(document(chance, number)))
    return total


def line(chance):
    words = " ".join(chance.choices(WORDS, k=chance.randint(3, 9)))
    return chance.choice(["df_{} = df.select('{}')", "# {} {}", "spark.sql('''select {} from {}''')", "x_{} = load('{}')"]).format(
        chance.randrange(1 << 40), words
    )


def edit(chance, lines):
    edited = list(lines)
    for _ in range(max(1, len(lines) // 40)):
        edited[chance.randrange(len(edited))] = line(chance)
    return edited


def document(chance, number):
    tasks = [{"task_key": f"{chance.choice(WORDS)}_{at}", "notebook_task": {"notebook_path": f"/Users/{chance.choice(WORDS)}/{at}"},
              "job_cluster_key": "main", "timeout_seconds": chance.randrange(9999)} for at in range(chance.randint(3, 30))]
    return {"job_id": number, "settings": {"name": f"{chance.choice(WORDS)} {number}", "tasks": tasks, "max_concurrent_runs": 1},
            "spark_version": "15.4.x-scala2.12", "node_type_id": "Standard_DS3_v2", "etag": f"{chance.getrandbits(128):032x}"}


def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    return len(text)


# --- the tools ------------------------------------------------------------------------------------------------------


class Bench:
    def __init__(self, arguments, folder):
        self.arguments, self.folder, self.corpus = arguments, folder, folder / "corpus"
        self.pack_bench, self.program = measure.build_of_bench(), measure.release_build()
        self.environment = os.environ | {
            "RESTIC_PASSWORD": "bench", "RESTIC_CACHE_DIR": str(folder / "restic-cache"), "BORG_BASE_DIR": str(folder / "borg-home"),
            "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes", "XDG_STATE_HOME": str(folder / "state"), "LC_ALL": "C.UTF-8",
        }
        self.one = None

    def run(self, command, **options):
        return run(command, env=self.environment, **options)

    def warm(self):
        """borg drops what it read from the cache of the system, and whoever comes next would pay for it."""
        for path in self.corpus.rglob("*.*"):
            if path.is_file():
                path.read_bytes()

    def fresh(self, name):
        path = self.folder / name
        shutil.rmtree(path, ignore_errors=True)
        path.unlink(missing_ok=True)
        return path

    # Packing, each into a place of its own that does not exist yet.

    def pack_lifeboat(self):
        bundle = self.fresh("bundle.tar.zst")
        took = self.run([self.pack_bench, self.corpus, bundle])
        assert json.loads(took.out)["members"] == self.arguments.files
        return took, bundle.stat().st_size

    def pack_tar_zstd(self):
        archive = self.fresh("archive.tar.zst")
        took = self.run(f"tar -C '{self.corpus}' -cf - . | zstd -q -3 -T0 -o '{archive}'")
        return took, archive.stat().st_size

    def pack_tar_zstd_digests(self):
        archive, sums = self.fresh("archive.tar.zst"), self.folder / "sums"
        took = self.run(f"tar -C '{self.corpus}' -cf - . | zstd -q -3 -T0 -o '{archive}' && sync '{archive}' && "
                        f"cd '{self.corpus}' && find . -type f -print0 | xargs -0 sha256sum >'{sums}'")
        return took, archive.stat().st_size + sums.stat().st_size

    def pack_restic(self):
        repository = self.fresh("restic")
        self.run(["restic", "init", "-q", "-r", repository])
        took = self.run(["restic", "backup", "-q", "-r", repository, "."], cwd=self.corpus)
        return took, size_of(repository)

    def pack_borg(self):
        repository = self.fresh("borg")
        self.run(["borg", "init", "-e", "none", repository])
        took = self.run(["borg", "create", "-C", "zstd,3", f"{repository}::all", "."], cwd=self.corpus)
        return took, size_of(repository)

    # The rest reads what the last round of packing left.

    def commands(self):
        folder, bundle, ours = self.folder, self.folder / "bundle.tar.zst", self.program
        one = self.one.relative_to(self.corpus)
        path = f"notebook:/{one.relative_to('notebook')}".removesuffix(".notebook.py")
        restic, borg = ["restic", "-q", "-r", folder / "restic"], f"{folder / 'borg'}::all"
        return {
            "verify quick": {
                "lifeboat verify --quick": [ours, "verify", "--quick", bundle],
                "lifeboat verify": [ours, "verify", bundle],
                "openssl dgst -sha256": ["openssl", "dgst", "-sha256", bundle],
                "sha256sum": ["sha256sum", bundle],
                "zstd -t": ["zstd", "-q", "-t", folder / "archive.tar.zst"],
            },
            "verify full": {
                "lifeboat verify --full": [ours, "verify", "--full", bundle],
                "restic check --read-data": [*restic, "check", "--read-data"],
                "borg check --verify-data": ["borg", "check", "--verify-data", folder / "borg"],
            },
            "list": {
                "lifeboat list": [ours, "list", bundle],
                "lifeboat list --long": [ours, "list", "--long", bundle],
                "tar --zstd -tf": ["tar", "--zstd", "-tf", folder / "archive.tar.zst"],
                "restic ls": [*restic, "ls", "latest"],
                "borg list": ["borg", "list", borg],
            },
            "read one": {
                "lifeboat show --raw": [ours, "show", "--raw", bundle, path],
                "tar --zstd -xO": ["tar", "--zstd", "-xOf", folder / "archive.tar.zst", f"./{one}"],
                "restic dump": [*restic, "dump", "latest", f"/{one}"],
                "borg extract": ["borg", "extract", "--stdout", borg, str(one)],
            },
        }

    def packs(self):
        return {
            "lifeboat, level 3": self.pack_lifeboat,
            "tar | zstd -3 -T0": self.pack_tar_zstd,
            "the same, sync, sha256sum of all": self.pack_tar_zstd_digests,
            "restic backup": self.pack_restic,
            "borg create -C zstd,3": self.pack_borg,
        }


def size_of(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


# --- the run --------------------------------------------------------------------------------------------------------


def pack_all(bench):
    """Rounds of packing. The slow tools take part in the first two only."""
    seen, sizes = {}, {}
    for turn in range(bench.arguments.rounds + 1):
        for name, pack in bench.packs().items():
            if turn > 2 and name.startswith(("restic", "borg")):
                continue
            bench.warm()
            took, sizes[name] = pack()
            if turn:  # the first round warms the caches
                seen.setdefault(name, []).append(took)
    return seen, sizes


def read_all(bench, commands):
    seen = {}
    for turn in range(bench.arguments.rounds + 1):
        for name, command in commands.items():
            if turn > 2 and name.startswith(("restic", "borg")):
                continue
            took = bench.run(command)
            if turn:
                seen.setdefault(name, []).append(took)
    return seen


def rows(seen, base, total=None, sizes=None):
    """One row for each tool, beside the first or the named one."""
    wall = median(took.wall for took in seen[base])
    for name, took in seen.items():
        mine = median(one.wall for one in took)
        rate = [f"{total / mine / 1e6:.0f}"] if total else []
        size = [mib(sizes[name])] if sizes else []
        yield [name, f"{mine:.3f}", f"{median(one.cpu for one in took):.3f}", f"{mine / wall:.2f}", mib(max(one.rss for one in took)), *rate, *size]


def hundred_thousand(bench):
    """A bundle of 100,000 objects, listed, beside the floor: starting the program and reading nothing."""
    bundle = bench.fresh("many.tar.zst")
    bench.run([bench.pack_bench, "--objects", "100000", bundle])
    return read_all(bench, {
        "list of 100,000": [bench.program, "list", bundle],
        "list --long of 100,000": [bench.program, "list", "--long", bundle],
        "show one of 100,000": [bench.program, "show", "--raw", bundle, "notebook:/Users/person050@bench.example/project 11/notebook 048580"],
        "lifeboat --version": [bench.program, "--version"],
    })


def pairs(mine, other):
    """Ratio of wall times by median over rounds: pairs of one round suffer alike."""
    return median(a.wall / b.wall for a, b in zip(mine, other))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=12_000)
    parser.add_argument("--clones", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=pathlib.Path, help="where to work; a temporary folder unless told")
    parser.add_argument("--json", type=pathlib.Path, help="also write the figures here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pack-peers-", dir=arguments.folder) as folder:
        sys.exit(0 if measure_all(arguments, pathlib.Path(folder)) else 1)


def measure_all(arguments, folder):
    bench = Bench(arguments, folder)
    total = generate(bench.corpus, arguments.files, arguments.clones)
    bench.one = sorted(bench.corpus.glob("notebook/Users/*/*/*.py"))[arguments.files // 3]
    versions = subprocess.run("zstd --version; restic version; borg --version; nproc", shell=True, capture_output=True, text=True).stdout
    print(f"{arguments.files} files, {mib(total)} MiB, clones {arguments.clones}, rounds {arguments.rounds}; load {os.getloadavg()[0]:.1f}\n{versions}")
    packed, sizes = pack_all(bench)
    header = ["pack", "wall s", "CPU s", "beside tar", "RSS MiB", "MB/s", "size MiB"]
    print(measure.table(header, rows(packed, "tar | zstd -3 -T0", total, sizes)), "\n")
    figures = {"pack": pairs(packed["lifeboat, level 3"], packed["tar | zstd -3 -T0"])}
    for what, commands in bench.commands().items():
        seen = read_all(bench, commands)
        first = "openssl dgst -sha256" if what == "verify quick" else next(iter(seen))
        print(measure.table([what, "wall s", "CPU s", f"beside {first.split()[0]}", "RSS MiB"], rows(seen, first)), "\n")
        if what == "verify quick":
            figures["quick verify"] = 1 / pairs(seen["lifeboat verify --quick"], seen["openssl dgst -sha256"])
    many = hundred_thousand(bench)
    print(measure.table(["100,000 objects", "wall s", "CPU s", "beside list", "RSS MiB"], rows(many, "list of 100,000")), "\n")
    figures["list"] = median(one.wall for one in many["list of 100,000"])
    return judge(arguments, figures)


def judge(arguments, figures):
    goals = {
        "pack": ("pack, times tar | zstd -3 -T0", 1.1, lambda value, goal: value <= goal),
        "quick verify": ("quick verify, share of openssl's speed", 0.8, lambda value, goal: value >= goal),
        "list": ("list of 100,000 objects, seconds", 0.15, lambda value, goal: value <= goal),
    }
    met = {name: goal[2](figures[name], goal[1]) for name, goal in goals.items()}
    verdicts = [[goals[name][0], f"{figures[name]:.3f}", f"{goals[name][1]}", "met" if met[name] else "MISSED"] for name in goals]
    print(measure.table(["goal", "measured", "wanted", "verdict"], verdicts))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")
    return all(met.values())


if __name__ == "__main__":
    main()
