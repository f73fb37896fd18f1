#!/usr/bin/env bash
# A disk that is full: exports the workspace told by DATABRICKS_HOST and DATABRICKS_TOKEN into small file systems of growing
# size. While one is too small the export must end with 1, say so in words, and leave not one file; at last it must succeed.
#
#   with_simulator.py --seed notebooks=300,folders=30,jobs=10 -- disk_full.sh
#
# Needs the right to mount a tmpfs: as root, or in a user namespace of its own; skips itself, and says so, without it.
set -euo pipefail
lifeboat=${LIFEBOAT:-$(cd "$(dirname "$0")/../.." && pwd)/target/debug/lifeboat}
: "${DATABRICKS_HOST:?}" "${DATABRICKS_TOKEN:?}"

if [ "${1:-}" != --mounted ]; then
    if ! unshare --mount --map-root-user mount -t tmpfs -o size=64k tmpfs /mnt 2>/dev/null; then
        echo "  SKIPPED: mounting is not allowed here"
        exit 0
    fi
    # The mounts live in a namespace of their own, and go with it.
    exec unshare --mount --map-root-user "$0" --mounted
fi

work=$(mktemp -d)
trap 'umount -q "$work/small" 2>/dev/null || true; rm -rf "$work"' EXIT
export HOME=$work/home XDG_STATE_HOME=$work/state XDG_CACHE_HOME=$work/cache
small=$work/small
mkdir -p "$small" "$HOME"
fail() { printf 'FAILED: %s\n' "$1" >&2; sed 's/^/    /' "$work/said" >&2; exit 1; }

refused=0 kib=16 succeeded=
while [ -z "$succeeded" ]; do
    [ "$kib" -le 1048576 ] || fail "no export into a file system of 1 GiB"
    mount -t tmpfs -o "size=${kib}k" tmpfs "$small"
    code=0
    timeout 120 "$lifeboat" --quiet export --unlimited -o "$small/bundle.tar.zst" >"$work/said" 2>&1 || code=$?
    if [ "$code" = 0 ] || [ "$code" = 3 ]; then
        "$lifeboat" --quiet verify --full "$small/bundle.tar.zst" >"$work/said" 2>&1 || [ "$?" = 3 ] || fail "the bundle on ${kib} KiB is not whole"
        succeeded=$kib
    else
        [ "$code" = 1 ] || fail "on ${kib} KiB the export ended with $code, not 1"
        grep -qi 'no space left' "$work/said" || fail "on ${kib} KiB the message does not say that the disk is full"
        ! grep -q 'panicked' "$work/said" || fail "on ${kib} KiB the program panicked"
        [ -z "$(find "$small" -mindepth 1)" ] || { find "$small" -mindepth 1 >>"$work/said"; fail "on ${kib} KiB something was left behind"; }
        refused=$((refused + 1))
    fi
    umount "$small"
    kib=$((kib + kib / 8 + 4))
done
[ "$refused" -ge 5 ] || fail "only $refused file systems were too small: the steps are too coarse"
echo "  $refused file systems were too small and stayed empty; ${succeeded} KiB were enough"
echo "ok: disk_full.sh"
