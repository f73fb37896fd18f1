#!/usr/bin/env python3
"""Values of secrets against the official client, `age`, `zstd` and `tar`, and a workspace by other hands.

    secret_values.py FOLDER

What the official client puts into a workspace, Lifeboat exports; `age -d | zstd -d | tar x` finds it where bundle-format.md says;
and what Lifeboat imports into another workspace, the official client gets there, byte for byte. `minilake`, which we did not write,
takes the values too.
"""

import base64
import json
import pathlib
import secrets
import shutil
import subprocess
import sys

import harness
import minilake
from harness import Failure, say

VALUES = {
    "text": "CANARY-witness Größe \U0001f6df".encode(),
    "line": b"CANARY-line\n",
    "dir/bytes": b"\x00\xffCANARY\x80",
    "large": secrets.token_bytes(128 * 1024),
}


def tool(*command, **options):
    done = subprocess.run(list(map(str, command)), capture_output=True, **options)
    if done.returncode != 0:
        raise Failure(f"{command[0]} ended with {done.returncode}:\n{done.stderr.decode(errors='replace')}")
    return done.stdout


def planted(client):
    """By the official client: texts as texts, bytes as bytes; and what it gets back is what it put."""
    client.secrets.create_scope("witness")
    for key, value in VALUES.items():
        try:
            client.secrets.put_secret("witness", key, string_value=value.decode())
        except UnicodeDecodeError:
            client.secrets.put_secret("witness", key, bytes_value=base64.b64encode(value).decode())
    agree(client, "the workspace")


def agree(client, where):
    for key, value in VALUES.items():
        got = client.secrets.get_secret("witness", key)
        if got.key != key or base64.b64decode(got.value) != value:
            raise Failure(f"{where} gives another value of {key}")


def found_by_tools(bundle, identity, folder):
    """bundle-format.md, "Values of secrets": a document for each, with the value in base64, filled up with salt."""
    clear = tool("zstd", "-dc", input=tool("age", "-d", "-i", identity, bundle))
    folder.mkdir()
    tool("tar", "-x", "-C", folder, input=clear)
    data, lengths = folder / "bundle/data/secret_value/witness", set()
    for key, value in VALUES.items():
        document = json.loads((data / f"{key}.json").read_bytes())
        if document["key"] != key or base64.b64decode(document["value"], validate=True) != value:
            raise Failure(f"the bundle holds another value of {key}")
        if len(document["salt"]) < 64 or (len(document["value"]) + len(document["salt"])) % 256:
            raise Failure(f"the document of {key} is not filled up as bundle-format.md says")
        lengths.add(len(document["value"]) + len(document["salt"]))
    if len(lengths) != 2:
        raise Failure(f"lengths tell values apart: {lengths}")
    names = tool("tar", "-t", input=clear).decode().splitlines()
    if sum(name.startswith("bundle/data/secret_value/") for name in names) != len(VALUES):
        raise Failure("values of scopes that nobody asked for are in the bundle")
    say("age, zstd and tar find the values where bundle-format.md says")


def looked_through(folder):
    """No file that Lifeboat wrote or printed holds a value, in clear, base64 or hex."""
    for path in filter(pathlib.Path.is_file, folder.rglob("*")):
        seen = path.read_bytes()
        for key, value in VALUES.items():
            for form in (value, base64.b64encode(value), value.hex().encode()):
                if form in seen:
                    raise Failure(f"{path} holds the value of {key}")


def into_minilake(lifeboat, bundle, identity, folder):
    """It tells nobody a value: that it takes what we send, and has the keys then, is what can be seen."""
    with minilake.emulator(folder) as url:
        lifeboat.run("import", bundle, "--identity", identity, "--yes", url=url, expect=(3,))
        keys = {secret.key for secret in harness.client(url).secrets.list_secrets("witness")}
    if keys != set(VALUES):
        raise Failure(f"minilake has the keys {sorted(keys)}")
    say("minilake takes the values")


def check():
    folder = pathlib.Path(sys.argv[1])
    shutil.rmtree(folder, ignore_errors=True)
    lifeboat = harness.Lifeboat(folder / "state")
    identity, bundle = folder / "age.key", folder / "values.tar.zst.age"
    tool("age-keygen", "-o", identity)
    recipient = tool("age-keygen", "-y", identity).decode().strip()
    arguments = ["--seed", "empty", "--readable-secrets", "--workspaces", 2]
    with harness.simulator(folder / "simulator", *arguments) as [source, target]:
        old, new = (harness.client(one["url"], one["token"]) for one in (source, target))
        planted(old)
        old.secrets.create_scope("unasked")
        old.secrets.put_secret("unasked", "key", string_value="CANARY-unasked")
        say("the official client puts and gets values of the simulator")
        signed_in = {"url": source["url"], "token": source["token"]}
        lifeboat.run("export", "--secret-values", "witness=api", "--recipient", recipient, "-o", bundle, **signed_in)
        lifeboat.run("export", "--secret-values", "witness=api", "-o", folder / "clear.tar.zst", expect=(5,), **signed_in)
        looked_through(folder / "state")
        found_by_tools(bundle, identity, folder / "unpacked")
        signed_in = {"url": target["url"], "token": target["token"]}
        lifeboat.run("import", bundle, "--identity", identity, "--yes", expect=(3,), **signed_in)
        agree(new, "the other workspace")
        looked_through(folder / "state")
        say("the official client gets the same values from the workspace that was restored")
    into_minilake(lifeboat, bundle, identity, folder)
    looked_through(folder / "state")


if __name__ == "__main__":
    harness.main(check)
