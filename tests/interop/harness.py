"""What the witnesses share: the program under test, servers that are always stopped, the official client.

Every server is started in a `with` block and stopped by its own process id when the block ends, however it ends. Ports are
free ones of the loopback. State, caches and configuration of the program go to a folder of the run, never to the user's.
"""

import contextlib
import json
import logging
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import urllib.request

import databricks.sdk
from databricks.sdk.core import Config

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOKEN = "dapi-witness-0123456789"
PATIENCE = 60  # seconds for a server to say that it is ready


class Failure(Exception):
    """A witness disagrees: the text says with what."""


def program():
    """The program under test: `$LIFEBOAT`, else the newest build in `target/`."""
    if named := os.environ.get("LIFEBOAT"):
        return pathlib.Path(named).resolve()
    builds = [path for path in (ROOT / "target/release/lifeboat", ROOT / "target/debug/lifeboat") if path.exists()]
    if not builds:
        raise Failure("no build of lifeboat: run `cargo build` first, or name one in $LIFEBOAT")
    return max(builds, key=lambda path: path.stat().st_mtime)


class Lifeboat:
    """Runs the program with a state of its own; keeps all that it prints, for those who look for secrets in it."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.runs = 0

    def environment(self, url=None, token=TOKEN):
        kept = {name: os.environ[name] for name in ("PATH", "TMPDIR", "LANG") if name in os.environ}
        homes = {f"XDG_{kind}_HOME": str(self.folder / kind.lower()) for kind in ("STATE", "CACHE", "CONFIG")}
        signed_in = {"DATABRICKS_HOST": url, "DATABRICKS_TOKEN": token} if url else {}
        return kept | homes | {"HOME": str(self.folder)} | signed_in

    def run(self, *arguments, url=None, token=TOKEN, expect=(0,), timeout=600, **extra):
        """Runs to the end; the exit code must be among those expected. Gives the finished process."""
        command = [str(program()), *map(str, arguments)]
        started = time.monotonic()
        done = subprocess.run(
            command, env=self.environment(url, token) | extra, capture_output=True, timeout=timeout, stdin=subprocess.DEVNULL
        )
        self.keep(command, done)
        say(f"lifeboat {' '.join(map(str, arguments))}: exit {done.returncode}, {time.monotonic() - started:.1f} s")
        if done.returncode not in expect:
            tail = (done.stdout[-3000:] + b"\n" + done.stderr[-3000:]).decode("utf-8", "replace")
            raise Failure(f"lifeboat {arguments[0]} ended with {done.returncode}, expected {expect}:\n{tail}")
        return done

    def keep(self, command, done):
        self.runs += 1
        for name, data in (("stdout", done.stdout), ("stderr", done.stderr)):
            (self.folder / f"{self.runs:02}-{command[1]}.{name}.log").write_bytes(data)

    def flag(self, command, start):
        """The whole name of the option of a command that begins like this."""
        text = self.run(command, "--help").stdout.decode()
        found = re.search(rf"{re.escape(start)}[a-z-]*", text)
        if not found:
            raise Failure(f"lifeboat {command} has no option {start}…")
        return found.group()


def say(text):
    """One line of progress."""
    print(f"  {text}", flush=True)


@contextlib.contextmanager
def server(command, log, **options):
    """A server for the length of a `with` block, stopped by its process id: politely first."""
    with open(log, "wb") as errors:
        process = subprocess.Popen(list(map(str, command)), stderr=errors, start_new_session=True, **options)
    note(process.pid)
    try:
        yield process
    finally:
        stop(process)


def note(pid):
    """Leaves the id of a started process, with its start time, where the caller's trap finds it, should we be killed."""
    if path := os.environ.get("WITNESS_PROCESSES"):
        started = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
        with open(path, "a", encoding="utf-8") as file:
            file.write(f"{pid} {started}\n")


def stop(process):
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
            return


@contextlib.contextmanager
def simulator(folder, *arguments):
    """`lifeboat simulate` with these options; gives what it says of its workspaces, as dictionaries with url and token."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    command = [program(), "simulate", "--listen", "127.0.0.1:0", "--json", *arguments]
    lifeboat = Lifeboat(folder)
    with server(command, folder / "simulate.log", stdout=subprocess.PIPE, env=lifeboat.environment()) as process:
        yield [ready(process, folder) for _ in range(workspaces(arguments))]


def workspaces(arguments):
    return int(arguments[arguments.index("--workspaces") + 1]) if "--workspaces" in arguments else 1


def ready(process, folder):
    line = process.stdout.readline()
    try:
        return json.loads(line)
    except ValueError:
        said = (folder / "simulate.log").read_text(errors="replace")[-2000:]
        raise Failure(f"lifeboat simulate did not say where it listens: {line!r}\n{said}") from None


def wait_until_healthy(url, process):
    """Waits until a server answers with 200."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if process.poll() is not None:
            raise Failure(f"the server behind {url} ended with {process.returncode}")
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
            if answer.status == 200:
                return
        time.sleep(0.1)
    raise Failure(f"{url} was not ready after {PATIENCE} s")


def client(url, token=TOKEN):
    """The official client, with nothing taken from the environment."""
    logging.getLogger("databricks.sdk").setLevel(logging.ERROR)
    config = Config(host=url, token=token, auth_type="pat", config_file=os.devnull, http_timeout_seconds=60, rate_limit=10_000)
    return databricks.sdk.WorkspaceClient(config=config)


def main(check):
    """Runs a witness: prints its verdict, ends with 1 if it disagrees. Asked to stop, it stops its servers first."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        check()
    except Failure as failure:
        print(f"FAILED: {failure}", file=sys.stderr)
        sys.exit(1)
    print(f"ok: {pathlib.Path(sys.argv[0]).name}")
