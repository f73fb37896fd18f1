"""docs/nightly.md, command by command as it stands there: Azurite is the store, `age` and `minisign` make the keys, two embedded
workspaces are the regions. Where the page says that the primary region goes, its workspace and its storage endpoint go.

What the commands print must be what the page shows; `--bless` writes the page anew.
"""

import contextlib
import os
import pathlib
import re
import subprocess
import sys
import time

import fault_proxy
import harness
import stores
from azure.storage.blob import BlobServiceClient
from harness import ROOT, Failure

PAGE = ROOT / "docs/nightly.md"
ACCOUNT, KEY = "acmebackups", stores.KEY
RUN, GONE = "<!-- run -->", "<!-- the primary region goes -->"


class Desk:
    """A machine to work at: the page's absolute folders lie below one of the run."""

    def __init__(self, folder, endpoint, profiles):
        self.folder, self.home = folder, stores.fresh(folder / "home")
        for name in ("safe", "etc/credentials"):
            (self.home / name).mkdir(parents=True)
        config = self.home / "databrickscfg"
        config.write_text("".join(f"[{name}]\nhost = {one['url']}\ntoken = {one['token']}\n" for name, one in profiles.items()))
        self.variables = self.home / "variables"
        path = f"{stores.fresh(folder / 'bin')}:{os.environ['PATH']}"
        (folder / "bin/lifeboat").symlink_to(harness.program())
        self.environment = {
            "PATH": path, "HOME": str(self.home), "DATABRICKS_CONFIG_FILE": str(config), "LIFEBOAT_WEBHOOK": "http://127.0.0.1:9/",
            "AZURE_STORAGE_ACCOUNT_KEY": KEY, "AZURE_STORAGE_ENDPOINT": endpoint, "COLUMNS": "80", "NO_PROXY": "127.0.0.1",
        }

    def here(self, command):
        places = {"/run/credentials/lifeboat.service": "etc/credentials", "/etc/lifeboat": "etc"}
        for place, folder in places.items():
            command = command.replace(place, str(self.home / folder))
        return command

    def run(self, command):  # 3: the sample has what no export gives; 4: what `check` finds
        """What a person sees who types this; variables live on, as in one shell."""
        script = f"set -o pipefail; [ ! -e {self.variables} ] || . {self.variables}\n{self.here(command)}\n"
        keep = f'code=$?; declare -p bundle >{self.variables} 2>/dev/null; exit $code'
        done = subprocess.run(["bash", "-c", script + keep], cwd=self.home, env=self.environment, capture_output=True, timeout=300)
        if done.returncode not in (0, 3, 4 if " check " in command else 0):
            raise Failure(f"`{command}` ended with {done.returncode}: {done.stdout.decode()}{done.stderr.decode()}")
        if " backup " in command:
            time.sleep(2)  # Azurite's two regions are always in step, to the second
        return done.stdout.decode()

    def move(self):
        """Another machine: what the first one had is not there."""
        for name in ("etc", ".local", ".config"):
            with contextlib.suppress(FileNotFoundError):
                (self.home / name).rename(self.home / f"gone-{name.strip('.')}")
        (self.home / "etc").mkdir()


def plain(printed, home):
    """Without what differs from run to run."""
    for pattern, text in [
        (r"\d{8}T\d{6}Z", "20261126T020000Z"), (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "2026-11-26T02:00:00Z"), (r"\d{4}-\d\d-\d\dT$", "2026-11-26T"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "2026-11-26 02:00 UTC"), (r"verified \d{4}-\d\d-\d\d", "verified 2026-11-26"),
        (r"\b\d+(\.\d+)? [KM]iB", "70 KiB"), (r"\b[0-9a-f]{64}\b", "c5b5…"), (r"\b[0-9A-F]{16}\b", "0123456789ABCDEF"), (rf"{re.escape(str(home))}/etc", "/etc/lifeboat"),
        (r"http://127\.0\.0\.1:\d+/", "https://"), (r"( +)\d+\.\d( +)(\d{4}-|none)", r"\g<1>9.9\2\3"), (r"age1[0-9a-z]{58}", "age1…"),
    ]:
        printed = re.sub(pattern, text, printed, flags=re.M)
    return "".join(f"{line.rstrip()}\n" for line in printed.splitlines())


def blocks(text):
    """The page in pieces: prose, and fenced blocks with the mark before them."""
    return re.split(r"(?m)(^```.*?^```\n)", text, flags=re.S)


def carry_out(desk, text, region_goes):
    """The page with what its commands print now."""
    told, marked, ran = [], False, 0
    for piece in blocks(text):
        if not piece.startswith("```"):
            if GONE in piece:
                region_goes()
            marked = piece.rstrip().endswith(RUN)
        elif marked and piece.startswith("```console"):
            piece, count = console(desk, piece)
            ran += count
        elif marked:
            desk.run(piece.split("\n", 1)[1].removesuffix("```\n"))
            ran += 1
        told.append(piece)
    if ran < 8:
        raise Failure(f"only {ran} commands of the page were run")
    return "".join(told)


def console(desk, piece):
    commands = [line[2:] for line in piece.splitlines() if line.startswith("$ ")]
    lines = [f"$ {command}\n{plain(desk.run(command), desk.home)}" for command in commands]
    return "```console\n" + "".join(lines) + "```\n", len(commands)


def witness(folder, bless):
    gone = []
    os.environ["AZURITE_ACCOUNTS"] = f"{ACCOUNT}:{KEY}"
    text = PAGE.read_text(encoding="utf-8")
    with stores.azurite(folder) as url, harness.simulator(folder / "workspaces", "--workspaces", "2") as (source, target):
        BlobServiceClient(f"{url}/{ACCOUNT}", credential=KEY).create_container("databricks")
        with contextlib.ExitStack() as network:
            storage = network.enter_context(fault_proxy.faulty(
                url, folder / "storage.jsonl", lambda request: "refuse" if gone and request.path.startswith(f"/{ACCOUNT}/") else None))
            region = network.enter_context(fault_proxy.faulty(
                source["url"], folder / "region.jsonl", lambda _: "refuse" if gone else None))
            desk = Desk(folder, f"{storage.url}/{ACCOUNT}", {"primary": source | {"url": region.url}, "secondary": target})

            def region_goes():
                gone.append(True)
                desk.move()

            told = carry_out(desk, text, region_goes)
    if not gone:
        raise Failure("the primary region never went")
    if bless:
        PAGE.write_text(told, encoding="utf-8")
    elif told != text:
        (folder / "nightly.md").write_text(told, encoding="utf-8")
        subprocess.run(["diff", PAGE, folder / "nightly.md"], check=False)
        raise Failure("the page shows something else: see above; `--bless` renews it")


if __name__ == "__main__":
    arguments = [argument for argument in sys.argv[1:] if argument != "--bless"]
    harness.main(lambda: witness(stores.fresh(pathlib.Path(arguments[0]).resolve()), "--bless" in sys.argv))
