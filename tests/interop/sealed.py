#!/usr/bin/env python3
"""Signatures, encryption and incremental exports against the tools `minisign`, `age` and `ssh-keygen`, in both directions.

    with_simulator.py -- sealed.py FOLDER

What Lifeboat signs, `minisign` verifies; what `minisign` signs, with a tail put together here from bundle-format.md, Lifeboat
takes. What Lifeboat encrypts for age keys, SSH keys and by a passphrase, `age -d | zstd -d | tar t` opens; what `age` encrypts,
Lifeboat reads. And each refuses what the other would refuse.
"""

import hashlib
import os
import pathlib
import pty
import select
import shutil
import struct
import subprocess
import sys
import time

import harness
from harness import Failure, say


def tool(*command, expect=0, **options):
    done = subprocess.run(list(map(str, command)), capture_output=True, **options)
    if (done.returncode == 0) != (expect == 0):
        raise Failure(f"{command[0]} ended with {done.returncode}:\n{done.stderr.decode(errors='replace')}")
    return done.stdout


def typed(words, *command):
    """Runs a command at a terminal of its own and types a word at each question: `age` and `minisign` ask nowhere else."""
    words, seen = list(words), b""
    child, terminal = pty.fork()
    if child == 0:
        os.execvp(command[0], list(map(str, command)))
    end = time.monotonic() + 60
    try:
        while time.monotonic() < end:
            if not select.select([terminal], [], [], 0.2)[0]:
                continue
            try:
                piece = os.read(terminal, 4096)
            except OSError:  # the other side is gone
                break
            if not piece:
                break
            seen += piece
            if words and (piece.rstrip().endswith(b":") or b"assphrase" in piece and b":" in piece):
                os.write(terminal, words.pop(0).encode() + b"\n")
    finally:
        os.close(terminal)
    _, status = os.waitpid(child, 0)
    if status != 0:
        raise Failure(f"{command[0]} failed at a terminal:\n{seen.decode(errors='replace')}")


def opened(bundle, folder):
    """Unpacks a bundle with tar; gives the folder of its files."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    tool("tar", "--zstd", "-xf", bundle, "-C", folder)
    return folder / "bundle"


def resigned(bundle, signature):
    """The bundle with this signature in its tail: bundle-format.md, ZT and the trailer."""
    trailer, block = bytearray(bundle[-160:]), bytearray(512)
    tail_off = struct.unpack_from("<Q", trailer, 32)[0]
    block[0:30] = b"bundle/manifest.jsonl.minisig\0"
    block[100:108], block[108:116], block[116:124] = b"0000644\0", b"0000000\0", b"0000000\0"
    block[124:136], block[136:148], block[148:156] = b"%011o\0" % len(signature), b"00000000000\0", b" " * 8
    block[156:157], block[257:265] = b"0", b"ustar\x0000"
    block[329:337], block[337:345] = b"0000000\0", b"0000000\0"
    block[148:156] = b"%06o\0 " % sum(block)
    raw = bytes(block) + signature + bytes(-len(signature) % 512 + 1024)
    size = f"--stream-size={len(raw)}"
    tail = tool("zstd", "-q", "-c", size, "--check", input=raw)
    trailer[40:48] = struct.pack("<Q", len(tail))
    trailer[80:112] = hashlib.sha256(tail).digest()
    trailer[112:144] = hashlib.sha256(trailer[:112] + trailer[144:160]).digest()
    return bundle[:tail_off] + tail + bytes(trailer)


def signatures(lifeboat, export, folder):
    bundle, key, public = folder / "signed.tar.zst", folder / "minisign.key", folder / "minisign.pub"
    tool("minisign", "-G", "-W", "-f", "-p", public, "-s", key)
    export("-o", bundle, "--sign", key)
    unpacked = opened(bundle, folder / "signed")
    said = tool("minisign", "-V", "-m", unpacked / "manifest.jsonl", "-p", public).decode()
    digest = hashlib.sha256((unpacked / "manifest.jsonl").read_bytes()).hexdigest()
    if digest not in said:
        raise Failure(f"the trusted comment does not name the bundle: {said}")
    with open(unpacked / "manifest.jsonl", "ab") as manifest:
        manifest.write(b"\n")
    tool("minisign", "-V", "-m", unpacked / "manifest.jsonl", "-p", public, expect=1)
    say("minisign verifies what we signed, and not after a change")

    plain, taken = folder / "plain.tar.zst", folder / "signed-by-minisign.tar.zst"
    export("-o", plain)
    manifest = opened(plain, folder / "plain") / "manifest.jsonl"
    tool("minisign", "-S", "-s", key, "-m", manifest, "-t", "signed by hand")
    signature = manifest.with_name("manifest.jsonl.minisig").read_bytes()
    taken.write_bytes(resigned(plain.read_bytes(), signature))
    said = lifeboat.run("verify", "--full", taken, "--signed-by", public, expect=(0, 3)).stdout
    if b"signed by hand" not in said:
        raise Failure(f"the trusted comment of minisign is not told: {said!r}")
    lifeboat.run("verify", plain, "--signed-by", public, expect=(4,))
    other = folder / "other.tar.zst"
    export("-o", other, "--include", "job")
    other.write_bytes(resigned(other.read_bytes(), signature))
    lifeboat.run("verify", other, expect=(0, 3))
    lifeboat.run("verify", other, "--signed-by", public, expect=(4,))
    tool("minisign", "-S", "-l", "-s", key, "-m", manifest)
    legacy = manifest.with_name("manifest.jsonl.minisig").read_bytes()
    taken.write_bytes(resigned(plain.read_bytes(), legacy))
    lifeboat.run("verify", taken, "--signed-by", public, expect=(4,))
    say("what minisign signed is taken; of another bundle, or of the old sort, it is not")

    locked, its = folder / "locked.key", folder / "locked.pub"
    typed(["open sesame", "open sesame"], "minisign", "-G", "-f", "-p", its, "-s", locked)
    export("-o", folder / "locked.tar.zst", "--sign", locked, LIFEBOAT_SIGN_PASSWORD="open sesame")
    unpacked = opened(folder / "locked.tar.zst", folder / "locked")
    tool("minisign", "-V", "-m", unpacked / "manifest.jsonl", "-p", its)
    say("a key of minisign under a password signs")
    return plain


def encryption(lifeboat, export, folder, plain):
    identity, second = folder / "age.key", folder / "id_ed25519"
    tool("age-keygen", "-o", identity)
    recipient = tool("age-keygen", "-y", identity).decode().strip()
    third = folder / "id_rsa"
    tool("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", second)
    tool("ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", third)
    bundle, listed = folder / "secret.tar.zst.age", tool("tar", "--zstd", "-tf", plain)
    recipients = ["--recipient", recipient, "--recipient", f"{second}.pub", "--recipient", f"{third}.pub"]
    export("-o", bundle, *recipients)
    for key in (identity, second, third):
        clear = tool("age", "-d", "-i", key, bundle)
        if tool("tar", "-t", input=tool("zstd", "-dc", input=clear)) != listed:
            raise Failure(f"age -d -i {key} gives another bundle")
        lifeboat.run("verify", "--full", bundle, "--identity", key, expect=(0, 3))
    clear_file = folder / "clear.tar.zst"
    clear_file.write_bytes(clear)
    lifeboat.run("verify", "--full", clear_file, expect=(0, 3))
    tool("age-keygen", "-o", folder / "stranger.key")
    tool("age", "-d", "-i", folder / "stranger.key", bundle, expect=1)
    lifeboat.run("list", bundle, "--identity", folder / "stranger.key", expect=(1,))
    say("age opens what we encrypted, with each of three keys, and what comes out is a whole bundle")

    by_age = folder / "by-age.tar.zst.age"
    tool("age", "-r", recipient, "-R", f"{second}.pub", "-R", f"{third}.pub", "-o", by_age, plain)
    for key in (identity, second, third):
        lifeboat.run("verify", "--full", by_age, "--identity", key, expect=(0, 3))
    armored = folder / "armored.age"
    tool("age", "-a", "-r", recipient, "-o", armored, plain)
    said = lifeboat.run("list", armored, "--identity", identity, expect=(1,)).stderr
    if b"armored" not in said:
        raise Failure(f"an armored file is not told as such: {said!r}")
    say("what age encrypted is read; what it armored is told")

    words = "correct horse battery"
    export("-o", folder / "words.age", "--passphrase", LIFEBOAT_PASSPHRASE=words)
    typed([words], "age", "-d", "-o", folder / "words.tar.zst", folder / "words.age")
    lifeboat.run("verify", "--full", folder / "words.tar.zst", expect=(0, 3))
    typed([words, words], "age", "-p", "-o", folder / "words-by-age.age", plain)
    lifeboat.run("verify", "--full", folder / "words-by-age.age", expect=(0, 3), LIFEBOAT_PASSPHRASE=words)
    say("passphrases open in both directions")


def incremental(export, folder, plain, key):
    """A night that carries over is a bundle like any other, for a reader that knows bundle-format.md alone."""
    night = folder / "night.tar.zst"
    export("-o", night, "--since", folder / "signed.tar.zst", "--sign", key)
    here = pathlib.Path(__file__).parent
    for bundle in (plain, folder / "signed.tar.zst", night):
        tool(sys.executable, here / "read_bundle.py", bundle)
        tool(here / "standard_tools.sh", bundle)
    lines = (opened(night, folder / "night") / "manifest.jsonl").read_text().splitlines()
    carried = sum('"carried":{"bundle":"' in line for line in lines)
    if not carried:
        raise Failure("nothing was carried over")
    same = subprocess.run(["diff", "-r", folder / "night/bundle/data", folder / "plain/bundle/data"], capture_output=True)
    if same.returncode != 0:
        raise Failure(f"what tar unpacks differs from a full export: {same.stdout[-2000:].decode(errors='replace')}")
    say(f"{carried} objects were carried over, and tar unpacks what it unpacks of a full export")


def check():
    folder = pathlib.Path(sys.argv[1])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    lifeboat = harness.Lifeboat(folder / "state")
    url, token = os.environ["DATABRICKS_HOST"], os.environ["DATABRICKS_TOKEN"]

    def export(*arguments, **extra):
        lifeboat.run("export", "--unlimited", "--quiet", *arguments, url=url, token=token, expect=(0, 3), **extra)

    plain = signatures(lifeboat, export, folder)
    encryption(lifeboat, export, folder, plain)
    incremental(export, folder, plain, folder / "minisign.key")


if __name__ == "__main__":
    harness.main(check)
