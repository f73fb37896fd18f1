#!/usr/bin/env python3
"""Runs a command against an embedded workspace of its own, told by `DATABRICKS_HOST` and `DATABRICKS_TOKEN`.

    with_simulator.py [options of `lifeboat simulate`] -- COMMAND…

Ends with the exit code of the command; the workspace is stopped whatever happens.
"""

import os
import signal
import subprocess
import sys
import tempfile

import harness


def main():
    if "--" not in sys.argv[1:-1]:
        sys.exit(__doc__)
    split = sys.argv.index("--")
    with tempfile.TemporaryDirectory(prefix="lifeboat-simulator-") as folder:
        with harness.simulator(folder, *sys.argv[1:split]) as [workspace, *_]:
            signed_in = {"DATABRICKS_HOST": workspace["url"], "DATABRICKS_TOKEN": workspace["token"]}
            return subprocess.run(sys.argv[split + 1:], env=os.environ | signed_in).returncode


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        sys.exit(main())
    except harness.Failure as failure:
        sys.exit(f"FAILED: {failure}")
