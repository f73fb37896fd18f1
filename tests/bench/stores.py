#!/usr/bin/env python3
"""Stores: what it costs to look into a large bundle in a store, and to bring it there.

    stores.py [--mib 2048] [--objects 10000] [--rounds 3] [--folder DIR]        with Azurite in $AZURITE, the folder of its npm package

Azurite keeps its blobs on the disk in `--folder`, and so does everything else: three times the size of the bundle must be free.

- `show` of one object, `list`, and `show` of the same bundle encrypted by `age`: requests and bytes, counted by a proxy between us and
  the store. Goal: at most 3 requests and 2 MiB.
- Upload of the bundle: `lifeboat copy` (the seconds of the upload itself, and those of the command, which reads and hashes the whole
  bundle before) beside `azure-storage-blob` with blocks of the same size, as many at once, and `curl` in one request. Rounds take turns.
- Peak memory of `lifeboat copy` for a bundle of a twentieth of the size and for the whole. Goal: at most a quarter more for the whole.

Ends with 1 if a goal is missed. On a machine that others use believe ratios, and requests and bytes, which do not vary.
"""

import argparse
import contextlib
import datetime
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import measure
from measure import median, mib, run

import harness
import stores
from fault_proxy import faulty
from recording_proxy import read_log

REQUESTS, BYTES, GROWTH = 3, 2 << 20, 1.25
UPLOADER = """
import sys
from azure.storage.blob import BlobClient
url, path = sys.argv[1:]
with open(path, "rb") as data, BlobClient.from_blob_url(url, max_single_put_size=1, max_block_size=8 << 20) as blob:
    blob.upload_blob(data, overwrite=True, max_concurrency=4)
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mib", type=int, default=2048)
    parser.add_argument("--objects", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=pathlib.Path, help="where to work; a temporary folder unless told")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stores-", dir=arguments.folder) as folder:
        sys.exit(0 if measure_all(arguments, pathlib.Path(folder)) else 1)


def measure_all(arguments, folder):
    bundle = packed(folder, "whole", arguments.objects, arguments.mib)
    small = packed(folder, "twentieth", max(1, arguments.objects // 20), arguments.mib // 20)
    with stores.azurite(folder, on_disk=True) as url:
        azure = stores.Azure(url)
        environment = harness.Lifeboat(folder / "home").environment() | azure.environment()
        seen = uploads(arguments.rounds, azure, environment, bundle)
        peaks = [copy(azure, environment, path, f"peak-{path.name}")[0].rss for path in (small, bundle)]
        looked = look(folder, azure, environment, bundle)
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores; {arguments.objects} objects, {mib(bundle.stat().st_size)} MiB\n")
    print(measure.table(["in the store", "requests", "bytes"], looked), "\n")
    show(seen, bundle.stat().st_size)
    print(measure.table(["bundle, MiB", "peak RSS of `copy`, MiB"], [[mib(path.stat().st_size), mib(peak)] for path, peak in
                                                                    zip((small, bundle), peaks)]), "\n")
    return judge(looked, seen, peaks)


def packed(folder, name, objects, size):
    """A bundle of as many files of random bytes, which nothing can compress."""
    tree = folder / name
    (tree / "file").mkdir(parents=True)
    each = (size << 20) // objects
    for number in range(objects):
        (tree / "file" / f"{number:06}.bin").write_bytes(os.urandom(each))
    bundle = folder / f"{name}.tar.zst"
    run([measure.build_of_bench(), tree, bundle])
    subprocess.run(["rm", "-r", tree], check=True)
    return bundle


def copy(azure, environment, bundle, name):
    took = run([measure.release_build(), "copy", "--quiet", "--json", bundle, azure.address(name)], env=environment)
    azure.container.delete_blob(name)
    return took, json.loads(took.out)["seconds"]


def uploads(rounds, azure, environment, bundle):
    """Seconds of each way, round by round; only the last of the blobs is left, for those who look into it."""
    seen = {"lifeboat copy, upload": [], "lifeboat copy, all": [], "azure-storage-blob": [], "curl": []}
    for number in range(rounds):
        took, seconds = copy(azure, environment, bundle, f"ours-{number}.tar.zst")
        seen["lifeboat copy, upload"].append(seconds)
        seen["lifeboat copy, all"].append(took.wall)
        seen["azure-storage-blob"].append(timed(azure, [sys.executable, "-c", UPLOADER], bundle, "theirs.tar.zst"))
        put = ["curl", "-sS", "--fail", "-X", "PUT", "-H", "x-ms-blob-type: BlockBlob", "-T", bundle]
        seen["curl"].append(timed(azure, put, bundle, "curl.tar.zst"))
    run([measure.release_build(), "copy", "--quiet", bundle, azure.address("whole.tar.zst")], env=environment)
    return seen


def timed(azure, command, bundle, name):
    permission = stores.ContainerSasPermissions(read=True, write=True, create=True)
    expiry = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
    sas = stores.generate_container_sas(stores.ACCOUNT, stores.CONTAINER, account_key=stores.KEY, permission=permission, expiry=expiry)
    url = f"{azure.url}/{stores.ACCOUNT}/{stores.CONTAINER}/{name}?{sas}"
    started = time.monotonic()
    run([*command, url] if command[0] == "curl" else [*command, url, bundle])
    seconds = time.monotonic() - started
    azure.container.delete_blob(name)
    return seconds


def look(folder, azure, environment, bundle):
    """Requests and bytes of commands that look into the bundle, and into the same one encrypted."""
    key = folder / "age-key"
    made = subprocess.run(["age-keygen", "-o", str(key)], capture_output=True, check=True)
    with open(folder / "locked.age", "wb") as out:
        subprocess.run(["age", "-r", made.stderr.decode().split()[-1], str(bundle)], stdout=out, check=True)
    run([measure.release_build(), "copy", "--quiet", folder / "locked.age", azure.address("whole.tar.zst.age")], env=environment)
    lines = run([measure.release_build(), "list", "--json", "--long", bundle]).out.splitlines()
    member = json.loads(lines[len(lines) // 2])
    wanted = f"{member['kind']}:{member['path']}"
    rows = []
    for what, command, name in (("list", ["list"], "whole.tar.zst"), ("show", ["show"], "whole.tar.zst"),
                                ("list, encrypted", ["list"], "whole.tar.zst.age"), ("show, encrypted", ["show"], "whole.tar.zst.age")):
        log = folder / f"{what}.jsonl"
        with faulty(azure.url, log) as proxy:
            words = [measure.release_build(), *command, azure.address(name)]
            words += [wanted] if command == ["show"] else []
            run([*words, *(["--identity", key] if name.endswith(".age") else [])],
                env=environment | {"AZURE_STORAGE_ENDPOINT": f"{proxy.url}/{stores.ACCOUNT}"})
        rows.append([what, str(len(read_log(log))), str(proxy.sent)])
    return rows


def show(seen, size):
    base = "azure-storage-blob"
    rows = [[name, f"{median(took):.2f}", f"{size / 1e6 / median(took):.0f}", f"{ratio(seen, name, base):.2f}", f"{ratio(seen, name, 'curl'):.2f}"]
            for name, took in seen.items()]
    print(measure.table(["upload", "seconds", "MB/s", f"speed beside {base}", "beside curl"], rows), "\n")


def ratio(seen, name, base):
    """How much faster than another: the median over rounds, since those of one round suffer alike."""
    return median(theirs / ours for ours, theirs in zip(seen[name], seen[base]))


def judge(looked, seen, peaks):
    growth = peaks[1] / peaks[0]
    goals = [(f"{what}: requests", count, REQUESTS, int(count) <= REQUESTS) for what, count, _ in looked]
    goals += [(f"{what}: bytes", size, BYTES, int(size) <= BYTES) for what, _, size in looked]
    goals.append(("memory, whole beside a twentieth", f"{growth:.2f}", GROWTH, growth <= GROWTH))
    print(measure.table(["goal", "measured", "at most", "verdict"], [[name, value, str(most), "met" if met else "MISSED"]
                                                                    for name, value, most, met in goals]))
    return all(met for *_, met in goals)


if __name__ == "__main__":
    main()
