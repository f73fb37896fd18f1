#!/usr/bin/env bash
# Reads a bundle with nothing of ours: zstd, tar, sha256sum, and ten lines of Python for the manifest.
#
#   standard_tools.sh BUNDLE
#
# Checks that the file is whole zstd, that tar lists and unpacks it, that every payload file has the digest that
# manifest-sha256.txt gives, that nothing is there which it does not name, and that manifest.jsonl says the same.
set -euo pipefail
export LC_ALL=C

bundle=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

zstd -qt "$bundle"
tar --zstd -tf "$bundle" >"$work/listed"
mkdir "$work/out"
tar --zstd -xf "$bundle" -C "$work/out"

if duplicates=$(sort "$work/listed" | uniq -d) && [ -n "$duplicates" ]; then
    echo "FAILED: names occur twice: $duplicates" >&2
    exit 1
fi
(cd "$work/out" && find . -type f -printf '%P\0' | sort -z | tr '\0' '\n') >"$work/unpacked"
if [ "$(find "$work/out" ! -type f ! -type d | wc -l)" != 0 ] || [ "$(ls -A "$work/out")" != bundle ]; then
    echo "FAILED: something else than files below bundle/" >&2
    exit 1
fi

# sha256sum refuses a list without lines, which is what an empty bundle has.
(cd "$work/out/bundle" && { [ ! -s manifest-sha256.txt ] || sha256sum --quiet --strict -c manifest-sha256.txt; })
(cd "$work/out/bundle" && sha256sum --quiet --strict -c tagmanifest-sha256.txt)

python3 - "$work/out/bundle" <<'PYTHON'
import hashlib, json, os, pathlib, sys

root = pathlib.Path(sys.argv[1])
lines = [json.loads(line) for line in (root / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
members = {line["name"]: (line["size"], line["sha256"]) for line in lines if line["t"] == "member"}
files = (pathlib.Path(folder, name) for folder, _, names in os.walk(root / "data") for name in names)
unpacked = {
    path.relative_to(root).as_posix(): (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest()) for path in files
}
listed = dict(reversed(line.split("  ", 1)) for line in (root / "manifest-sha256.txt").read_text(encoding="utf-8").splitlines())
faults = [f"{name}: manifest.jsonl says {members.get(name)}, tar unpacked {unpacked.get(name)}"
          for name in sorted(members.keys() | unpacked.keys()) if members.get(name) != unpacked.get(name)]
faults += [f"{name}: the two manifests disagree" for name in sorted(members.keys() | listed.keys())
           if name not in members or members[name][1] != listed.get(name)]
head = lines[0]
if head["t"] != "bundle" or head["counts"]["members"] != len(members):
    faults.append(f"the header counts {head.get('counts')}, there are {len(members)} members")
print(f"  {len(members)} members: tar, sha256sum and manifest.jsonl agree" if not faults else "\n".join(["FAILED:", *faults]))
sys.exit(1 if faults else 0)
PYTHON
echo "ok: standard_tools.sh"
