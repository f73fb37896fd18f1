#!/usr/bin/env python3
"""The report of the sample, and of a bundle with hostile names, in a browser by other hands: report.mjs says what is looked at.

    with_simulator.py --seed sample -- report.py FOLDER

Beside the sample's own objects a notebook whose name is markup is put into the workspace, so that it comes all the way.
"""

import base64
import json
import os
import pathlib
import subprocess
import sys
import urllib.request

import harness
from harness import Failure, say

HERE = pathlib.Path(__file__).resolve().parent
TEXTS = json.loads((harness.ROOT / "fixtures/hostile/texts.json").read_text())["texts"]
# Without slashes: those would make folders; and none that no workspace takes.
NAMES = [text["text"] for text in TEXTS if text["text"].strip() and not set("/\0") & set(text["text"]) and len(text["text"]) < 200]
MARKUP = "<script x"


def put(path):
    body = {"path": path, "language": "PYTHON", "format": "SOURCE", "content": base64.b64encode(b"print(1)\n").decode()}
    request = urllib.request.Request(
        f"{os.environ['DATABRICKS_HOST']}/api/2.0/workspace/import", json.dumps(body).encode(),
        {"Authorization": f"Bearer {os.environ['DATABRICKS_TOKEN']}", "Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=60).read()


def opened(page, *options):
    done = subprocess.run(["node", HERE / "report.mjs", page, *options], capture_output=True, text=True, timeout=280)
    if done.returncode:
        raise Failure(f"the browser says of {page}:\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout.splitlines()[0])


def main():
    folder = pathlib.Path(sys.argv[1])
    lifeboat = harness.Lifeboat(folder)
    bundle, page = folder / "prod.tar.zst", folder / "prod.html"
    bundle.unlink(missing_ok=True)
    for name in NAMES:
        put(f"/Shared/{name}")
    lifeboat.run("export", "--unlimited", "-o", bundle, url=os.environ["DATABRICKS_HOST"], token=os.environ["DATABRICKS_TOKEN"], expect=(3,))
    lifeboat.run("report", bundle, "-o", page)
    told = opened(page, "--search", "settle", "--row", MARKUP)
    canaries = (harness.ROOT / "fixtures/sample/canaries.txt").read_text().split()
    if shown := [secret for secret in canaries if secret in page.read_text()]:
        raise Failure(f"the report shows {shown}")
    say(f"the report opens in {told['light_open_ms']} ms, searches in {told['search_ms']} ms, and asks nothing of anybody")


if __name__ == "__main__":
    harness.main(main)
