#!/usr/bin/env python3
"""Copies of bundles and what goes wrong with them, judged by the stores' own clients: Azurite for Azure Blob Storage, moto for S3.

- an upload to Azure that is killed at any of its blocks goes on, in another process, with the blocks that are there, and only with
  those: what somebody else put there under such a name is noticed;
- a copy that was done is done when it is run again; what is damaged is not spread, what is taken stays as it is;
- from store to store and back to the disk, encrypted or not, with the record that `bundles` reads;
- a bundle that no place took is kept, and the command that the error names sends it;
- a bit that flips in what is sent or in what is read back, at whatever byte, is noticed.

    stores_copies.py FOLDER [--all]       with Azurite in $AZURITE; with --all each byte of a small bundle flips, else a sample of them
"""

import argparse
import collections
import concurrent.futures
import contextlib
import json
import pathlib
import random
import shlex
import signal
import subprocess
import time

import harness
import stores
from fault_proxy import faulty
from harness import Failure, Lifeboat, say
from stores import Azure, S3, azurite, fill, fresh, moto

FIXTURE = harness.ROOT / "fixtures/bundles/v1/small.tar.zst"
SAMPLE = 16  # bytes that flip in each place, unless all do
SIDE_BY_SIDE = 6

Flipped = collections.namedtuple("Flipped", "code said log")


class Copies:
    def __init__(self, folder, azure, s3, bundle):
        self.folder, self.azure, self.s3, self.bundle = folder, azure, s3, bundle
        self.lifeboat = Lifeboat(folder / "home")
        self.both = azure.environment() | s3.environment()
        self.logs = 0

    def run(self, *arguments, store=None, **options):
        return self.lifeboat.run(*arguments, **(self.both if store is None else store), **options)

    def proxy(self, store, plan=lambda _: None):
        self.logs += 1
        return faulty(store.url, self.folder / f"requests.{self.logs}.jsonl", plan)

    def copied(self, *arguments, store=None, **options):
        return json.loads(self.run("copy", "--json", *arguments, store=store, **options).stdout)

    def resumed(self):
        """Killed as the answer to each block comes back, and run again."""
        with self.proxy(self.azure) as proxy:
            self.copied(self.bundle, self.azure.address("calm.tar.zst"), store=self.azure.environment(proxy.url))
        blocks = sum(map(is_block, self.log()))
        for number in range(1, blocks + 1):
            name = f"resumed-{number}.tar.zst"
            self.killed(name, number)
            left = self.left(name)
            with self.proxy(self.azure) as proxy:
                [place] = self.copied(self.bundle, self.azure.address(name), store=self.azure.environment(proxy.url))["destinations"]
            sent = [one for one in self.log() if is_block(one)]
            if len(sent) + len(left) != blocks or place["found"] != sum(left.values()) or len(left) < number - 4 or not left:
                raise Failure(f"killed at block {number}: {len(left)} of {blocks} were there, {len(sent)} were sent again: {place}")
            self.same(self.azure, name)
        say(f"Azure: killed at each of {blocks} blocks, and none of those that were there was sent again")

    def log(self):
        return stores.read_log(self.folder / f"requests.{self.logs}.jsonl")

    def left(self, name):
        """The blocks that wait, once nothing is on its way any more."""
        seen = [None]
        while seen[-1] is None or len(seen) < 4 or seen[-1] != seen[-4]:
            time.sleep(0.2)
            blocks = self.azure.container.get_blob_client(name).get_block_list("uncommitted")[1]
            seen.append({block.id: block.size for block in blocks})
        return seen[-1]

    def killed(self, name, number):
        """Killed when the answer to the block of this number has come back, seen from the store."""
        process, seen = [], []

        def plan(request):
            seen.append(request.is_block)
            return "kill" if request.is_block and sum(seen) == number else None

        with self.proxy(self.azure, plan) as proxy:
            self.kills(proxy, process)
            command = [harness.program(), "copy", self.bundle, self.azure.address(name)]
            environment = self.lifeboat.environment() | self.azure.environment(proxy.url)
            process.append(subprocess.Popen(list(map(str, command)), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            harness.note(process[0].pid)
            if process[0].wait(120) != -signal.SIGKILL:
                raise Failure(f"the copy was to be killed at block {number}")
        if name in self.azure.names():
            raise Failure(f"killed at block {number}, and there is a bundle")

    @staticmethod
    def kills(proxy, process):
        usual = proxy.RequestHandlerClass.answer

        class Killing(proxy.RequestHandlerClass):
            def answer(self, response):
                if self.fault == "kill":
                    response.read()
                    process[0].send_signal(signal.SIGKILL)
                    raise ConnectionError("as planned")
                return usual(self, response)

        proxy.RequestHandlerClass = Killing

    def poisoned(self):
        """Somebody else put other bytes there, under the name that our block would have."""
        self.killed("once.tar.zst", 2)
        client = self.azure.container.get_blob_client("poisoned.tar.zst")
        for block, size in self.left("once.tar.zst").items():
            client.stage_block(block, bytes(size))
        done = self.run("copy", self.bundle, self.azure.address("poisoned.tar.zst"), expect=(1,))
        if b"not what was sent" not in done.stderr:
            raise Failure(f"blocks that another put there were taken: {done.stderr!r}")
        say("Azure: blocks that another put there under our names are noticed")

    def again(self):
        """Done is done; taken is taken."""
        for store in (self.azure, self.s3):
            self.copied(self.bundle, store.address("again.tar.zst"))
            with self.proxy(store) as proxy:
                [place] = self.copied(self.bundle, store.address("again.tar.zst"), "--verify-upload", "full",
                                      store=store.environment(proxy.url))["destinations"]
            wrote = [one for one in self.log() if one["method"] in ("PUT", "POST") and ".json" not in one["path"]]
            if not place["delivered"] or place["checked"] != "full" or place["found"] != self.bundle.stat().st_size or wrote:
                raise Failure(f"{store.name}: a copy that was done: {place}, {wrote}")
            self.run("copy", FIXTURE, store.address("again.tar.zst"), expect=(5,))
            self.same(store, "again.tar.zst")
        local = self.folder / "again.tar.zst"
        self.copied(self.bundle, local)
        self.copied(self.bundle, local)
        self.run("copy", FIXTURE, local, expect=(5,))
        damaged = self.folder / "damaged.tar.zst"
        data = bytearray(self.bundle.read_bytes())
        data[len(data) // 2] ^= 1
        damaged.write_bytes(data)
        self.run("copy", damaged, self.azure.address("damaged.tar.zst"), expect=(5,))
        if "damaged.tar.zst" in self.azure.names():
            raise Failure("a damaged bundle was spread")
        say("a copy that was done is done, what is taken stays, what is damaged is not spread")

    def around(self):
        """From the disk to Azure, to S3, to the disk: the same bytes, and a record for `bundles`; encrypted as well, with no key."""
        self.copied(self.bundle, self.azure.address("around/"))
        self.copied(self.azure.address(f"around/{self.bundle.name}"), self.s3.address("around/"), "--verify-upload", "full")
        back = fresh(self.folder / "back")
        self.copied(self.s3.address(f"around/{self.bundle.name}"), f"{back}/")
        if (back / self.bundle.name).read_bytes() != self.bundle.read_bytes():
            raise Failure("once around is something else")
        key = self.folder / "age-key"
        made = subprocess.run(["age-keygen", "-o", str(key)], capture_output=True, check=True)
        locked = self.folder / "locked.tar.zst.age"
        with open(locked, "wb") as out:
            subprocess.run(["age", "-r", made.stderr.decode().split()[-1], str(self.bundle)], stdout=out, check=True)
        opened = self.copied(locked, self.azure.address("around/"), "--identity", key)
        closed = self.copied(self.azure.address("around/locked.tar.zst.age"), self.s3.address("around/"))
        if not opened["checked"] or closed["checked"] or self.s3.read("around/locked.tar.zst.age") != locked.read_bytes():
            raise Failure(f"an encrypted copy: {opened}, {closed}")
        for store in (self.azure, self.s3):
            told = json.loads(self.run("bundles", "--json", store.address("around/")).stdout)["bundles"]
            if len(told) != 2 or not all(one["from_record"] and one["objects"] for one in told):
                raise Failure(f"{store.name}: bundles tells {told}")
        say("from store to store and back: the same bytes, with their records")

    def kept(self, workspace):
        """What the error of an export names is what sends it."""
        folder = fresh(self.folder / "kept")
        # What is written is taken and not kept, as by a store that lies: one that goes away is waited for five minutes.
        with self.proxy(self.azure, lambda request: b"" if request.method == "PUT" else None) as proxy:
            done = self.lifeboat.run("export", "--to", self.azure.address("kept.tar.zst"), url=workspace["url"], token=workspace["token"],
                                     expect=(1,), TMPDIR=str(folder), **self.azure.environment(proxy.url))
        told = done.stderr.decode().split("`")
        command = shlex.split(next(part for part in told if part.startswith("lifeboat copy ")))
        self.run(*[self.azure.address("kept.tar.zst") if word == "PLACE" else word for word in command[1:]])
        self.bundle, before = pathlib.Path(command[2]), self.bundle
        self.same(self.azure, "kept.tar.zst")
        self.bundle = before
        say("a bundle that no place took was kept, and is sent later")

    def same(self, store, name):
        if store.read(name) != self.bundle.read_bytes():
            raise Failure(f"{store.name}: {name} is not what was copied")

    def flips(self, every):
        """One bit, at one byte, on the way there or back."""
        size = FIXTURE.stat().st_size
        chosen = random.Random(size)
        places = range(size) if every else sorted({0, size - 1, *chosen.sample(range(size), SAMPLE)})
        [commit] = [one for one in self.flipping("list.tar.zst", lambda _: None, (0,)).log if stores.is_commit(one)]
        listed = range(commit["length"])
        listed = listed if every else sorted(chosen.sample(listed, min(len(listed), SAMPLE)))
        with concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            for check, where in ((self.flipped_once, places), (self.flipped_back, places), (self.flipped_in_list, listed),
                                 (self.flipped_for_good, places[:: max(1, len(places) // 4)])):
                list(pool.map(check, where))
        say(f"flips at {len(places)} of {size} bytes, there and back, and at {len(listed)} of the list of blocks: each is noticed")

    def flipped_once(self, at):
        """The store refuses the block, and it is sent again."""
        name, counts = f"flip-once-{at}.tar.zst", {}
        log = self.flipping(name, lambda request: ("flip", at) if request.is_block and stores.first(counts, request) else None, (0,)).log
        answers = [one["status"] for one in log if is_block(one)]
        if answers != [400, 201] or self.azure.read(name) != FIXTURE.read_bytes():
            raise Failure(f"byte {at} of a block flipped once, and the answers were {answers}")

    def flipped_for_good(self, at):
        name = f"flip-{at}.tar.zst"
        self.flipping(name, lambda request: ("flip", at) if request.is_block else None, (1,))
        if name in self.azure.names():
            raise Failure(f"byte {at} of a block flipped, and there is a bundle")

    def flipped_back(self, at):
        plan = lambda request: ("flip-answer", at) if request.method == "GET" and "comp" not in request.query else None
        done = self.flipping(f"flip-back-{at}.tar.zst", plan, (1,))
        if b"not what was sent" not in done.said:
            raise Failure(f"byte {at} flipped on the way back, and that was not told: {done.said!r}")

    def flipped_in_list(self, at):
        """The list of blocks carries no digest: what it makes is right, or nothing, or noticed."""
        name = f"flip-list-{at}.tar.zst"
        done = self.flipping(name, lambda request: ("flip", at) if request.is_commit else None, (0, 1))
        whole = name in self.azure.names() and self.azure.read(name) == FIXTURE.read_bytes()
        if done.code == 0 and not whole or done.code == 1 and b"not what was sent" not in done.said and name in self.azure.names():
            raise Failure(f"byte {at} of the list flipped: exit {done.code}, {done.said!r}")

    def flipping(self, name, plan, expect):
        """A copy of the small bundle without a line of progress: its exit code, what it said, its requests."""
        path = self.folder / f"flips.{name}.jsonl"
        with faulty(self.azure.url, path, plan) as proxy:
            command = [harness.program(), "copy", "--verify-upload", "full", FIXTURE, self.azure.address(name)]
            environment = self.lifeboat.environment() | self.azure.environment(proxy.url)
            done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, timeout=120, stdin=subprocess.DEVNULL)
        if done.returncode not in expect:
            raise Failure(f"copy to {name} ended with {done.returncode}: {done.stderr!r}")
        return Flipped(done.returncode, done.stderr, stores.read_log(path))


def is_block(entry):
    return entry["method"] == "PUT" and dict(entry["query"]).get("comp") == "block"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--all", action="store_true", help="flip each byte")
    arguments = parser.parse_args()
    folder = fresh(arguments.folder)
    with contextlib.ExitStack() as stack:
        azure = Azure(stack.enter_context(azurite(folder)))
        s3 = S3(stack.enter_context(moto(folder)))
        [workspace] = stack.enter_context(harness.simulator(folder / "workspace", "--seed", "notebooks=5,folders=2,jobs=1"))
        fill(workspace, files=6)
        bundle = folder / "bundle.tar.zst"
        Lifeboat(folder / "home").run("export", "-o", bundle, url=workspace["url"], token=workspace["token"])
        copies = Copies(folder, azure, s3, bundle)
        copies.resumed()
        copies.poisoned()
        copies.again()
        copies.around()
        copies.kept(workspace)
        copies.flips(arguments.all)


if __name__ == "__main__":
    harness.main(main)
