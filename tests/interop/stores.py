#!/usr/bin/env python3
"""Bundles in object stores, judged by the stores' own clients: Azurite for Azure Blob Storage, moto for S3.

- one export goes to both stores and to disk; what the official clients read there is what lies on disk, byte by byte, and every
  command that takes a bundle takes it from there;
- a name that is taken stays as it is, also when it is taken in the very moment of the commit;
- an upload that is killed at any of its requests leaves nothing or the whole, and can simply be run again;
- connections that break, answers that are lost and a service that is busy delay an upload, and no more;
- a bit that flips on the way is refused by the store, or noticed by whoever looks;
- `list` and `show` of a large bundle fetch kilobytes, in three requests at most;
- whatever is wrong with an address or a sign-in is said in a sentence, without the key, and costs no export;
- where the primary does not answer, the secondary does, and that is said;
- a night that is encrypted and carried over from the night before reads less and holds the same; `prune` leaves what it should;
- `bundles` lists what the stores' clients list, from records that are never believed over a bundle, and tells how far the secondary is.

    stores.py FOLDER       with Azurite in $AZURITE, the folder of its npm package
"""

import base64
import contextlib
import datetime
import hashlib
import io
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

import boto3
import botocore.config
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobServiceClient, ContainerSasPermissions, generate_container_sas

import harness
from fault_proxy import faulty
from harness import Failure, Lifeboat, say
from recording_proxy import read_log

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="  # public, Azurite's own
CONTAINER = "bundles"
SECRETS = [KEY, "witness-s3-secret"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port, process):
    end = time.monotonic() + harness.PATIENCE
    while time.monotonic() < end:
        if process.poll() is not None:
            raise Failure(f"a store ended with {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise Failure("a store was not ready in time")


@contextlib.contextmanager
def azurite(folder, on_disk=False, certificate=None):
    port = free_port()
    program = pathlib.Path(os.environ["AZURITE"]) / "dist/src/blob/main.js"
    command = ["node", program, "--silent", "--blobHost", "127.0.0.1", "--blobPort", port, "--disableTelemetry",
               "--skipApiVersionCheck", *(["--location", folder / "azurite"] if on_disk else ["--inMemoryPersistence"])]
    if certificate:
        command += ["--oauth", "basic", "--cert", certificate[0], "--key", certificate[1]]
    with harness.server(command, folder / "azurite.log", stdout=subprocess.DEVNULL) as process:
        answers(port, process)
        yield f"{'https' if certificate else 'http'}://127.0.0.1:{port}"


@contextlib.contextmanager
def moto(folder):
    port = free_port()
    with harness.server([pathlib.Path(sys.executable).with_name("moto_server"), "-H", "127.0.0.1", "-p", port],
                        folder / "moto.log", stdout=subprocess.DEVNULL) as process:
        answers(port, process)
        yield f"http://127.0.0.1:{port}"


class Azure:
    """The container as Microsoft's client sees it."""

    name = "Azure"

    def __init__(self, url):
        self.url = url
        self.service = BlobServiceClient(f"{url}/{ACCOUNT}", credential=KEY)
        self.container = self.service.create_container(CONTAINER)

    def environment(self, url=None, key=KEY):
        return {"AZURE_STORAGE_ACCOUNT_KEY": key, "AZURE_STORAGE_ENDPOINT": f"{url or self.url}/{ACCOUNT}"}

    def address(self, name):
        return f"az://{ACCOUNT}/{CONTAINER}/{name}"

    def names(self):
        return sorted(blob.name for blob in self.container.list_blobs())

    def read(self, name):
        return self.container.download_blob(name).readall()

    def write(self, name, data):
        # Azurite counts a blob whose blocks are not committed as there, for its own client's sake; so this one may overwrite it.
        self.container.upload_blob(name, data, overwrite=True)

    def uncommitted(self, name):
        with contextlib.suppress(ResourceNotFoundError):
            return len(self.container.get_blob_client(name).get_block_list("uncommitted")[1])
        return 0


class S3:
    """The bucket as Amazon's client sees it."""

    name = "S3"

    def __init__(self, url):
        self.url = url
        config = botocore.config.Config(s3={"addressing_style": "path"}, proxies={})
        self.client = boto3.client("s3", endpoint_url=url, aws_access_key_id="witness", aws_secret_access_key="x",
                                   region_name="us-east-1", config=config)
        self.client.create_bucket(Bucket=CONTAINER)

    def environment(self, url=None, key="witness-s3-secret"):
        return {"AWS_ACCESS_KEY_ID": "witness", "AWS_SECRET_ACCESS_KEY": key, "AWS_ENDPOINT_URL": url or self.url,
                "AWS_REGION": "us-east-1"}

    def address(self, name):
        return f"s3://{CONTAINER}/{name}"

    def names(self):
        return sorted(one["Key"] for one in self.client.list_objects_v2(Bucket=CONTAINER).get("Contents", []))

    def read(self, name):
        return self.client.get_object(Bucket=CONTAINER, Key=name)["Body"].read()

    def write(self, name, data):
        self.client.put_object(Bucket=CONTAINER, Key=name, Body=data)


class Witness:
    def __init__(self, folder, azure, s3, small, large):
        self.folder, self.azure, self.s3 = folder, azure, s3
        self.small, self.large = small, large
        self.lifeboat = Lifeboat(folder / "home")
        self.both = azure.environment() | s3.environment()
        self.logs = 0

    def run(self, *arguments, workspace=None, store=None, **options):
        url, token = (workspace["url"], workspace["token"]) if workspace else (None, harness.TOKEN)
        extra = self.both if store is None else store
        return self.lifeboat.run(*arguments, url=url, token=token, **extra, **options)

    def proxy(self, store, plan=lambda _: None):
        self.logs += 1
        return faulty(store.url, self.folder / f"requests.{self.logs}.jsonl", plan)

    def requests(self):
        return read_log(self.folder / f"requests.{self.logs}.jsonl")

    def both_stores(self):
        """One export to three places; each place gives the same bytes, and every command works from there."""
        local = self.folder / "local.tar.zst"
        done = self.run("export", "--json", "--to", local, "--to", self.azure.address("nightly/one.tar.zst"),
                        "--to", self.s3.address("nightly/one.tar.zst"), "--verify-upload", "full", workspace=self.small, expect=(0, 3))
        places = json.loads(done.stdout)["destinations"]
        if [place["delivered"] for place in places] != [True] * 3 or {place["checked"] for place in places} != {"full"}:
            raise Failure(f"not delivered everywhere: {places}")
        for store in (self.azure, self.s3):
            if store.read("nightly/one.tar.zst") != local.read_bytes():
                raise Failure(f"{store.name} does not hold what lies on disk")
            self.commands(store.address("nightly/one.tar.zst"), local)
        say("both stores hold what lies on disk")

    def commands(self, address, local):
        for command in (["list"], ["list", "--long"], ["verify", "--full"], ["verify", "--tail"], ["show", "directory:/Shared"],
                        ["find", "e", "--count"], ["rules", "test"]):
            arguments = [*command, address] if command[0] not in ("show", "find") else [command[0], address, *command[1:]]
            here = [str(local) if word == address else word for word in arguments]
            if command[0] == "rules":
                arguments, here = ["rules", "test", "standby", address], ["rules", "test", "standby", local]
            there, here = self.run(*arguments, expect=(0, 3)), self.run(*here, expect=(0, 3))
            if (there.returncode, there.stdout) != (here.returncode, here.stdout):
                raise Failure(f"{command} answers differently from {address}")
        out = self.folder / f"extracted-{address.split(':')[0]}"
        self.run("extract", address, "-o", out, expect=(0, 3))
        if not any(out.rglob("*.py")):
            raise Failure(f"extract took nothing out of {address}")

    def restores(self, target):
        """Imports from Azure; from S3 there is then nothing left to do."""
        self.run("check", self.azure.address("nightly/one.tar.zst"), workspace=target, expect=(0, 3, 4))
        self.run("import", self.azure.address("nightly/one.tar.zst"), "--yes", "--unlimited", workspace=target, expect=(0, 3))
        again = self.run("import", self.s3.address("nightly/one.tar.zst"), "--plan-only", workspace=target)
        if b"Plan: 0 to create, 0 to update, 0 to delete" not in again.stdout:
            raise Failure("a second import, from the other store, has something left to do")
        say("restored from Azure, and S3 has nothing to add")

    def taken(self, store):
        """A name that is taken is refused before the workspace is read, and in the very moment of the commit as well."""
        store.write("taken.tar.zst", b"somebody else's")
        self.run("export", "--to", store.address("taken.tar.zst"), workspace=self.small, store=store.environment(), expect=(5,))
        racing = "race.tar.zst"

        def plan(request):
            # Whoever comes between the check and the commit has the name.
            return (lambda: store.write(racing, b"faster")) if request.is_commit else None

        if store is self.azure:  # moto does not know the condition on the completion of an upload, which S3 itself does
            with self.proxy(store, plan) as proxy:
                self.run("export", "--to", store.address(racing), workspace=self.large, store=store.environment(proxy.url), expect=(5,))
            if store.read(racing) != b"faster":
                raise Failure(f"{store.name}: the name that was taken meanwhile was overwritten")
        if store.read("taken.tar.zst") != b"somebody else's":
            raise Failure(f"{store.name}: the name that was taken was overwritten")
        say(f"{store.name}: a name that is taken stays as it is")

    def conditional(self):
        """The commit of S3 carries its condition, which moto does not heed."""
        with self.proxy(self.s3) as proxy:
            seen = []
            forward = proxy.numbered

            def numbered(handler):
                seen.append((handler.command, handler.path, handler.headers.get("If-None-Match")))
                return forward(handler)

            proxy.numbered = numbered
            self.run("export", "--to", self.s3.address("conditional.tar.zst"), workspace=self.large,
                     store=self.s3.environment(proxy.url))
        commits = [condition for method, path, condition in seen if method == "POST" and "uploadId=" in path]
        if commits != ["*"]:
            raise Failure(f"S3: the commit does not carry its condition: {commits}")
        say("S3: the commit carries If-None-Match: *")

    def killed(self, store):
        """Killed as any request of an upload begins, or as its answer comes back."""
        with self.proxy(store) as proxy:
            self.run("export", "--to", store.address("calm.tar.zst"), workspace=self.large, store=store.environment(proxy.url))
        log = self.requests()
        commit = next(at for at, one in enumerate(log, 1) if is_commit(one))
        moments = {(number, bool(number % 2)) for number in range(2, commit + 2)} | {(commit, True), (commit, False)}
        for number, answered in sorted(moments):
            self.killed_at(store, number, answered)
        say(f"{store.name}: killed at {len(moments)} moments, and never a part of a bundle")

    def killed_at(self, store, number, answered):
        name = f"killed-{number}-{int(answered)}.tar.zst"
        process = []

        def plan(request):
            if request.number != number:
                return None
            if answered:
                return "lose-and-kill"
            process[0].send_signal(signal.SIGKILL)
            return "refuse"

        with self.proxy(store, plan) as proxy:
            upstream_answer = proxy.RequestHandlerClass.answer

            class Killing(proxy.RequestHandlerClass):
                def answer(self, response):
                    if self.fault == "lose-and-kill":
                        response.read()
                        process[0].send_signal(signal.SIGKILL)
                        raise ConnectionError("as planned")
                    return upstream_answer(self, response)

            proxy.RequestHandlerClass = Killing
            environment = self.lifeboat.environment(self.large["url"], self.large["token"]) | store.environment(proxy.url)
            command = [harness.program(), "export", "--quiet", "--to", store.address(name)]
            process.append(subprocess.Popen(list(map(str, command)), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            harness.note(process[0].pid)
            code = process[0].wait(120)
        if code != -signal.SIGKILL:
            raise Failure(f"{store.name}: the export was to be killed at request {number} and ended with {code}")
        whole = name in store.names()
        if whole:
            self.whole(store, name)
        self.run("export", "--to", store.address(name), workspace=self.large, store=store.environment(), expect=(5,) if whole else (0,))
        self.whole(store, name)

    def whole(self, store, name):
        copy = self.folder / "copy.tar.zst"
        copy.write_bytes(store.read(name))
        self.run("verify", "--full", copy, expect=(0, 3))

    def rough(self, store):
        """A network at its worst: the bundle arrives, whole."""
        plans = {
            "each block is cut once": lambda counts, request: "cut" if request.is_block and first(counts, request) else None,
            "each answer to a block is lost once": lambda counts, request: "lose" if request.is_block and first(counts, request) else None,
            "the answer to the commit is lost": lambda counts, request: "lose" if request.is_commit and first(counts, request) else None,
            "the service is busy": lambda counts, request: "503" if request.method != "HEAD" and first(counts, request) else None,
            "every third request is refused": lambda _, request: "refuse" if request.number % 3 == 0 else None,
            "blocks are altered": lambda counts, request: "flip" if request.is_block and few(counts) else None,
            "half of each answer is lost once": lambda counts, request: "halve" if request.method == "GET" and first(counts, request) else None,
        }
        if store is self.s3:  # what the parts of the program that both share did in Azure already
            plans = {what: plan for what, plan in plans.items() if "answer to the commit" in what or "cut" in what or "altered" in what}
        for number, (what, plan) in enumerate(plans.items()):
            name, counts = f"rough-{number}.tar.zst", {}
            # Unlike S3 itself, moto does not compare what comes with the digest that comes along: then the look back must notice.
            noticed = store is self.s3 and what == "blocks are altered"
            with self.proxy(store, lambda request: plan(counts, request)) as proxy:
                done = self.run("export", "--to", store.address(name), "--verify-upload", "full", workspace=self.large,
                                store=store.environment(proxy.url), expect=(1,) if noticed else (0,),
                                TMPDIR=str(fresh(self.folder / "kept-rough")))
            if noticed and b"not what was sent" not in done.stderr:
                raise Failure(f"{store.name}: {what}, and nobody noticed: {done.stderr!r}")
            if not noticed:
                self.whole(store, name)
            say(f"{store.name}: {what}: {'noticed' if noticed else 'delivered whole'}")

    def silent_flip(self):
        """Somebody between us and the store alters what is read back: --verify-upload full says so, and no export passes for good."""
        name = "flipped.tar.zst"
        plan = lambda request: "flip-answer" if request.method == "GET" and request.path.endswith(name) and request.number > 4 else None
        with self.proxy(self.azure, plan) as proxy:
            done = self.run("export", "--to", self.azure.address(name), "--verify-upload", "full", workspace=self.large,
                            store=self.azure.environment(proxy.url), expect=(1,), TMPDIR=str(fresh(self.folder / "kept")))
        if b"not what was sent" not in done.stderr:
            raise Failure(f"a flipped bit was not told: {done.stderr!r}")
        kept = list((self.folder / "kept").glob("*.tar.zst"))
        if len(kept) != 1 or str(kept[0]).encode() not in done.stderr or kept[0].stat().st_mode & 0o777 != 0o600:
            raise Failure(f"a bundle that no place took was not kept: {kept} {done.stderr!r}")
        self.run("verify", "--full", kept[0], expect=(0, 3))
        say("a flipped bit is noticed, and the bundle kept on this machine")

    def kilobytes(self):
        """Looking into a large bundle costs a few ranges."""
        size = len(self.azure.read("calm.tar.zst"))
        for command in (["list"], ["show", "dbfs_file:/FileStore/small.txt"]):
            for store in (self.azure, self.s3):
                with self.proxy(store) as proxy:
                    address = store.address("calm.tar.zst")
                    self.run(*[command[0], address, *command[1:]], store=store.environment(proxy.url))
                log = self.requests()
                ranges = [one for one in log if one["method"] == "GET"]
                if len(log) > 3 or any(one["status"] != 206 for one in ranges) or not 0 < proxy.sent < 2 << 20:
                    told = [(one["method"], one["status"]) for one in log]
                    raise Failure(f"{store.name}: {command[0]} sent {told} and fetched {proxy.sent} bytes")
                say(f"{store.name}: {command[0]}: {len(log)} requests, {proxy.sent >> 10} of {size >> 10} KiB")

    def sentences(self):
        """What is wrong is said, once, with what helps, before a workspace is read; and never with a secret."""
        good = self.azure.address("nightly/one.tar.zst")
        cases = [
            (["list", good], self.azure.environment(key=base64.b64encode(b"wrong" * 10).decode()), 1, b"signed in may not|sign-in"),
            (["list", self.azure.address("none.tar.zst")], None, 1, b"no such object"),
            (["list", f"az://{ACCOUNT}/nowhere/x.tar.zst"], None, 1, b"no such container"),
            (["list", "s3://nowhere/x.tar.zst"], None, 1, b"no such container or bucket"),
            (["list", self.s3.address("none.tar.zst")], None, 1, b"no such object"),
            (["list", "ftp://a/b"], None, 2, b"no such kind of store"),
            (["list", "az://only-account"], None, 2, b"names account and container"),
            (["export", "--to", f"az://{ACCOUNT}/nowhere/"], None, 1, b"no such container"),
            (["export", "--to", "s3://nowhere/"], None, 1, b"no such container or bucket"),
            (["list", good], {"AZURE_STORAGE_ACCOUNT_KEY": KEY, "AZURE_STORAGE_ENDPOINT": f"http://127.0.0.1:{free_port()}/{ACCOUNT}"}, 1,
             b"does not answer"),
        ]
        for arguments, store, code, words in cases:
            done = self.run(*arguments, workspace=self.small, store=store, expect=(code,))
            if not any(word in done.stderr for word in words.split(b"|")) or (code == 1 and b"hint: " not in done.stderr):
                raise Failure(f"{arguments}: {done.stderr!r}")
        say("what is wrong is said in a sentence, with a hint")

    def signatures(self):
        """A SAS in the address: may read, may only create, is expired; and is in no output."""
        def sas(**rights):
            hours = rights.pop("hours", 1)
            text = generate_container_sas(ACCOUNT, CONTAINER, account_key=KEY, permission=ContainerSasPermissions(**rights),
                                          expiry=datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=hours))
            SECRETS.append(text.split("sig=")[1].split("&")[0])
            return text

        base = f"{self.azure.url}/{ACCOUNT}/{CONTAINER}"
        nothing = {"AWS_REGION": "us-east-1"}
        self.run("list", f"{base}/nightly/one.tar.zst?{sas(read=True, list=True)}", store=nothing)
        refused = self.run("export", "--to", f"{base}/sas/?{sas(read=True, list=True)}", workspace=self.small, store=nothing,
                           expect=(1,), TMPDIR=str(fresh(self.folder / "kept-sas")))
        if b"may not do this" not in refused.stderr:
            raise Failure(f"a SAS that may not write: {refused.stderr!r}")
        self.run("list", f"{base}/nightly/one.tar.zst?{sas(read=True, hours=-1)}", store=nothing, expect=(1,))
        created = self.run("export", "--json", "--to", f"{base}/sas/create.tar.zst?{sas(create=True)}", workspace=self.small, store=nothing,
                           expect=(0, 3))
        if json.loads(created.stdout)["destinations"][0]["checked"] != "nothing":
            raise Failure("a SAS that may only create cannot have looked")
        self.whole(self.azure, "sas/create.tar.zst")
        say("a SAS reads, creates, and is refused where it should be")

    def on_its_own(self):
        """Of two places one is down: the other has its bundle, and the exit code says so."""
        dead = f"http://127.0.0.1:{free_port()}"
        done = self.run("export", "--json", "--to", self.azure.address("own/"), "--to", self.s3.address("own/"), workspace=self.small,
                        store=self.azure.environment() | self.s3.environment(dead), expect=(3,))
        if [place["delivered"] for place in json.loads(done.stdout)["destinations"]] != [True, False]:
            raise Failure(f"one place was down: {done.stdout!r}")
        if len([name for name in self.azure.names() if name.startswith("own/") and name.endswith(".tar.zst")]) != 1:
            raise Failure("the place that was up has no bundle")
        say("of two places, one down: the other has its bundle, exit 3")

    def secondary(self):
        """The primary is gone."""
        plan = lambda request: "refuse" if request.path.startswith(f"/{ACCOUNT}/") else None
        with self.proxy(self.azure, plan) as proxy:
            done = self.run("verify", "--full", self.azure.address("calm.tar.zst"), store=self.azure.environment(proxy.url), expect=(0, 3))
        if b"the primary does not answer" not in done.stderr or b"secondary" not in done.stderr:
            raise Failure(f"the secondary was read in silence: {done.stderr!r}")
        gone = []

        def midway(request):
            gone.append(request.method == "GET")
            return "refuse" if request.path.startswith(f"/{ACCOUNT}/") and sum(gone) > 2 else None

        with self.proxy(self.azure, midway) as proxy:
            done = self.run("verify", "--full", self.azure.address("calm.tar.zst"), store=self.azure.environment(proxy.url), expect=(0, 3))
        if b"reading on from the secondary" not in done.stderr:
            raise Failure(f"the secondary was read on in silence: {done.stderr!r}")
        say("the primary is gone: the secondary is read, and that is said")

    def catalogue(self, store):
        """What the store's client lists is what `bundles` lists; a record that is gone, wrong or of other bytes changes nothing."""
        def bundles(*arguments, expect=(0, 4)):
            done = self.run("bundles", "--json", *arguments, store.address("shelf/"), store=store.environment(), expect=expect)
            return {one["name"]: one for one in json.loads(done.stdout)["bundles"]}

        names = ["one.tar.zst", "two.tar.zst", "deeper/three.tar.zst"]
        for name in names:
            how = "full" if name == "two.tar.zst" else "ends"
            self.run("export", "--to", store.address(f"shelf/{name}"), "--verify-upload", how, workspace=self.small,
                     store=store.environment(), expect=(0, 3))
        recorded = bundles()
        there = {name.removeprefix("shelf/"): len(store.read(name)) for name in store.names()
                 if name.startswith("shelf/") and name.endswith(".tar.zst")}
        if {name: one["bytes"] for name, one in recorded.items()} != there or set(there) != set(names):
            raise Failure(f"{store.name}: bundles lists {recorded}, and the store has {there}")
        if not all(one["from_record"] and one["objects"] for one in recorded.values()):
            raise Failure(f"{store.name}: records were not read: {recorded}")
        if [name for name, one in recorded.items() if one["verified"]] != ["two.tar.zst"]:
            raise Failure(f"{store.name}: verified: {recorded}")
        self.run("verify", "--record", store.address("shelf/one.tar.zst"), store=store.environment(), expect=(0, 3))
        store.write("shelf/one.tar.zst.record.json", b"{}")
        lie = json.loads(store.read("shelf/two.tar.zst.record.json")) | {"objects": 1, "bytes": 1}
        store.write("shelf/two.tar.zst.record.json", json.dumps(lie).encode())
        store.write("shelf/deeper/three.tar.zst", store.read("shelf/deeper/three.tar.zst")[:-1])
        opened = bundles(expect=(4,))
        if any(one["from_record"] for one in opened.values()) or not opened["deeper/three.tar.zst"]["error"]:
            raise Failure(f"{store.name}: a record was believed over the bundle: {opened}")
        if opened["two.tar.zst"]["objects"] != recorded["two.tar.zst"]["objects"] or not opened["one.tar.zst"]["verified"]:
            raise Failure(f"{store.name}: opened: {opened}")
        bundles("--rebuild", expect=(4,))
        again = bundles(expect=(4,))
        same = all(again[name] | {"verified": None} == recorded[name] | {"verified": None} for name in names[:2])
        if not same:
            raise Failure(f"{store.name}: the records were not made anew: {again}")
        say(f"{store.name}: bundles lists what is there, whatever records say")

    def replicated(self):
        """Whether the newest bundle is in the other region."""
        def ask(plan):
            with self.proxy(self.azure, plan) as proxy:
                done = self.run("bundles", "--json", self.azure.address("shelf/"), store=self.azure.environment(proxy.url), expect=(4,))
            return json.loads(done.stdout)["secondary"]

        def stats(time):
            text = f"<StorageServiceStats><GeoReplication><Status>live</Status><LastSyncTime>{time}</LastSyncTime></GeoReplication></StorageServiceStats>"
            return lambda request: text.encode() if request.query.get("comp") == "stats" else None

        time.sleep(1.1)  # Azurite's is the time of the request, in whole seconds
        told = [ask(lambda _: None), ask(stats("Mon, 01 Jan 2024 00:00:00 GMT")), ask(stats("")),
                ask(lambda request: "refuse" if "-secondary" in request.path else None)]
        if [one["has_newest"] for one in told] != [True, False, None, None] or not told[3]["error"]:
            raise Failure(f"the secondary: {told}")
        plan = lambda request: "refuse" if request.path.startswith(f"/{ACCOUNT}/") else None
        with self.proxy(self.azure, plan) as proxy:
            done = self.run("bundles", self.azure.address("shelf/"), store=self.azure.environment(proxy.url), expect=(0, 4))
        if b"this is what the secondary has" not in done.stderr or b"two.tar.zst" not in done.stdout:
            raise Failure(f"the secondary was not listed: {done.stderr!r}")
        say("the secondary: how far it is, and what it has")

    def nights(self, store):
        """Two encrypted nights: the second is carried over from the first, `age` opens it, and the first goes."""
        key = self.folder / f"{store.name}.age-key"
        made = subprocess.run(["age-keygen", "-o", str(key)], capture_output=True, check=True)
        recipient = made.stderr.decode().split()[-1]
        there, env = store.address("nights/"), store.environment()
        night = ["export", "--json", "--recipient", recipient, "--identity", key, "--since", "latest", "--to", there]
        told = []
        for _ in range(2):
            told.append(json.loads(self.run(*night, workspace=self.small, store=env, expect=(0, 3)).stdout))
            time.sleep(1.1)  # bundles are called after the second
        if told[0]["incremental"] or not told[1]["incremental"]["carried"] or told[1]["requests"] >= told[0]["requests"]:
            raise Failure(f"{store.name}: nothing was carried over: {[one['incremental'] for one in told]}")
        if told[0]["content_id"] != told[1]["content_id"]:
            raise Failure(f"{store.name}: the second night holds something else")
        names = [name for name in store.names() if name.startswith("nights/") and name.endswith(".age")]
        opened = subprocess.run(["age", "-d", "-i", str(key)], input=store.read(names[-1]), capture_output=True, check=True).stdout
        sealed = self.folder / f"{store.name}.opened.tar.zst"
        sealed.write_bytes(opened)
        if json.loads(self.run("list", "--json", sealed).stdout)["manifest_sha256"] != told[1]["manifest_sha256"]:
            raise Failure(f"{store.name}: age opens something else")
        self.run("list", store.address(names[-1]), store=env, expect=(1,))
        self.run("verify", "--full", "--identity", key, store.address(names[-1]), store=env, expect=(0, 3))
        before = store.names()
        self.run("prune", there, "--keep-last", "1", "--dry-run", store=env)
        self.run("prune", there, "--keep-last", "1", store=env, expect=(5,))
        if store.names() != before:
            raise Failure(f"{store.name}: a plan removed something")
        self.run("prune", there, "--keep-last", "1", "--yes", store=env)
        left = [name for name in store.names() if name.startswith("nights/")]
        # Whole nights alone push out whole nights: the sample has objects that nobody can read.
        if [name for name in left if name.endswith(".age")] != names[-1:] or len(left) != 2:
            raise Failure(f"{store.name}: left are {left} of {before}")
        if set(before) - set(left) - set(store.names()) - {name for name in before if name.startswith(names[0])}:
            raise Failure(f"{store.name}: more is gone than the first night")
        say(f"{store.name}: a second night is carried over, encrypted, and the first goes")

    def state(self, store, target):
        """Journals and receipts that live in a store: another machine goes on with them, although the target keeps no copy."""
        there = store.address("state")
        bundle = self.folder / "state.tar.zst"
        self.run("export", "--include", "directory", "--include", "notebook", "-o", bundle, workspace=self.small, expect=(0, 3))
        command = ["import", bundle, "--yes", "--state", there, "--json"]
        self.run(*command, workspace=target, store=store.environment(), expect=(0, 3))
        kept = [name for name in store.names() if name.startswith("state/")]
        journal = [name for name in kept if name.endswith(".jsonl")]
        if not journal or "state/id" in kept or not any("/receipts/" in name and name.endswith(".json") for name in kept):
            raise Failure(f"{store.name}: the state lacks something: {kept}")
        before = {name: store.read(name) for name in journal}
        harness.client(target["url"], target["token"]).workspace.delete("/Shared/.lifeboat", recursive=True)
        elsewhere = Lifeboat(self.folder / f"{store.name}.elsewhere")
        again = elsewhere.run(*command, url=target["url"], token=target["token"], expect=(0, 3), **store.environment())
        written = [item for item in json.loads(again.stdout)["items"] if item["state"] in ("created", "updated")]
        if written or any(not store.read(name).startswith(data) for name, data in before.items()):
            raise Failure(f"{store.name}: another machine does not go on: {written[:3]}")
        if list((elsewhere.folder / "state").rglob("*.jsonl")):
            raise Failure("a state in a store is kept on this machine as well")
        self.run("import", bundle, "--yes", "--state", there, workspace=target, store=store.environment(key="d3Jvbmc="), expect=(1,))
        say(f"{store.name}: another machine goes on with the state")

    def untouched(self):
        """Nothing was ever written under a name that does not begin with a bundle's, and nothing deleted: good for WORM."""
        for path in sorted(self.folder.glob("requests.*.jsonl")):
            for one in read_log(path):
                aborts = one["method"] == "DELETE" and any(name == "uploadId" for name, _ in one["query"])
                if (one["method"] == "DELETE" and not aborts) or (one["method"] == "PUT" and ".tar.zst" not in one["path"]):
                    raise Failure(f"{path.name}: {one['method']} {one['path']}")
        say("nothing was written but bundles and what is told of them, and nothing deleted")

    def no_secrets(self):
        for path in [*self.lifeboat.folder.rglob("*")]:
            if path.is_file():
                data = path.read_bytes()
                for secret in SECRETS:
                    if secret.encode() in data:
                        raise Failure(f"{path} holds a key or a signature")
        say("no key and no signature in any output, log or state")


def is_commit(entry):
    """What makes an upload visible, in a log."""
    query = dict(entry["query"])
    return (entry["method"] == "PUT" and query.get("comp") == "blocklist") or (entry["method"] == "POST" and "uploadId" in query)


def few(counts):
    """The first three times."""
    counts["times"] = counts.get("times", 0) + 1
    return counts["times"] <= 3


def first(counts, request):
    """Whether this is the first time that this request is seen."""
    key = (request.method, request.path, tuple(sorted(request.query.items())))
    counts[key] = counts.get(key, 0) + 1
    return counts[key] == 1


def fresh(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def fill(workspace, files=2):
    """So much that no zstd makes less than three blocks of it."""
    client = harness.client(workspace["url"], workspace["token"])
    client.dbfs.upload("/FileStore/small.txt", io.BytesIO(b"small"))
    for number in range(files):
        data = b"".join(hashlib.sha256(f"{number}/{at}".encode()).digest() for at in range((9 << 20) // 32))
        client.dbfs.upload(f"/FileStore/large-{number}.bin", io.BytesIO(data))


def main():
    folder = fresh(pathlib.Path(sys.argv[1]))
    with contextlib.ExitStack() as stack:
        azure = Azure(stack.enter_context(azurite(folder)))
        s3 = S3(stack.enter_context(moto(folder)))
        small, target = stack.enter_context(harness.simulator(folder / "small", "--seed", "sample", "--workspaces", "2"))
        [large] = stack.enter_context(harness.simulator(folder / "large", "--seed", "notebooks=5,folders=2,jobs=1"))
        fill(large)
        witness = Witness(folder, azure, s3, small, large)
        witness.both_stores()
        witness.state(azure, target)
        witness.restores(target)
        for store in (azure, s3):
            witness.taken(store)
            witness.killed(store)
            witness.rough(store)
        witness.conditional()
        witness.silent_flip()
        witness.kilobytes()
        witness.sentences()
        witness.signatures()
        witness.on_its_own()
        witness.secondary()
        witness.nights(azure)
        witness.nights(s3)
        witness.catalogue(azure)
        witness.catalogue(s3)
        witness.replicated()
        witness.untouched()
        witness.no_secrets()


if __name__ == "__main__":
    harness.main(main)
