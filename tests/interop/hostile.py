#!/usr/bin/env python3
"""Two readers, one verdict: every bundle that was made to deceive is refused by `read_bundle.py` too, and the odd but allowed
ones are read.

    hostile.py FOLDER

`LIFEBOAT_KEEP_HOSTILE=FOLDER cargo test --test it -- lies:: hostile::` writes them; a name that begins with `whole-` says that nothing
is wrong with that bundle.
"""

import pathlib
import sys

import read_bundle
import zstandard

# Besides its own word: no UTF-8, no JSON; a number beyond the end of a list, which Python refuses by itself.
REFUSALS = (read_bundle.Bad, zstandard.ZstdError, RecursionError, ValueError, IndexError)


def verdict(path):
    """`None` for a bundle that is read, else why not. Anything but a refusal is a breakdown, and comes through."""
    try:
        read_bundle.read(path.read_bytes())
    except REFUSALS as refusal:
        return f"{type(refusal).__name__}: {refusal}"
    return None


def main():
    bundles = sorted(pathlib.Path(sys.argv[1]).glob("*.tar.zst"))
    refused = {path.name: verdict(path) for path in bundles}
    wrong = [f"{name}: {why or 'accepted'}" for name, why in refused.items() if name.startswith("whole-") == bool(why)]
    if wrong or len(bundles) < 300:
        sys.exit("\n  ".join([f"FAILED: of {len(bundles)} bundles the two readers differ on {len(wrong)}", *wrong]))
    whole = sum(why is None for why in refused.values())
    print(f"ok: read_bundle.py refuses {len(bundles) - whole} hostile bundles and reads {whole} odd ones, as Lifeboat does")


if __name__ == "__main__":
    main()
