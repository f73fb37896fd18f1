#!/usr/bin/env python3
"""Reads and checks a bundle after bundle-format.md alone: the second opinion on the format.

Usage: read_bundle.py BUNDLE [OBJECT]   (needs the package `zstandard`)
Prints a JSON summary, or the body of the object with that path; exit 0 if all is right, 1 with a sentence if not.
"""
import hashlib, json, re, struct, sys, unicodedata
from datetime import datetime
import zstandard

MIB = 1 << 20
TAGS = ["bagit.txt", "bag-info.txt", "manifest-sha256.txt", "manifest.jsonl", "tagmanifest-sha256.txt"]
STATES = ["captured", "degraded", "missing", "excluded", "unavailable"]
KEYS = {  # required, optional
    "bundle": ("format major minor requires created tool source content_id counts states", "selection previous"),
    "frame": ("i off clen ulen tar sha256", ""),
    "member": ("path kind name size sha256 frame at meta", "key state reason"),
    "gap": ("state path kind reason", "http"),
    "kind": ("kind listed captured degraded missing excluded unavailable requests", ""),
    "redacted": ("path kind pointer reason", ""),
}
TEXTS = set("format created tool content_id sha256 path kind name key state reason pointer".split())
DEVICE = re.compile(r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9¹²³])\Z")


class Bad(Exception):
    pass


def need(holds, what):
    if not holds:
        raise Bad(what)


def sha(data):
    return hashlib.sha256(data).hexdigest()


def frame(data, ulen, window_max=8 * MIB):
    """Decompresses exactly one allowed zstd frame."""
    need(data[:4] == b"\x28\xb5\x2f\xfd", "not a zstd frame")
    need(len(data) > 5 and data[4] & 0x0F == 0x04, "frame header: reserved bit, dictionary or no checksum")
    params = zstandard.get_frame_parameters(data)
    size = params.content_size
    need(size not in (zstandard.CONTENTSIZE_UNKNOWN, zstandard.CONTENTSIZE_ERROR), "frame without content size")
    need(ulen is None or size == ulen, "frame declares another size than its index")
    need(size <= (4 * MIB if window_max == 8 * MIB else 1 << 30), "frame too large")
    need((size if data[4] & 0x20 else params.window_size) <= window_max, "window too large")
    decoder = zstandard.ZstdDecompressor(max_window_size=window_max).decompressobj()
    try:
        raw = decoder.decompress(data)
    except zstandard.ZstdError as error:
        raise Bad(f"frame cannot be decompressed: {error}") from error
    need(decoder.eof and not decoder.unused_data and len(raw) == size, "not exactly one whole frame")
    return raw


def ustar(name, size, mtime, kind=b"0"):
    prefix = b""
    if len(name) > 100:
        slash = name.find(b"/", len(name) - 101)
        need(slash > 0, "name cannot be split")
        prefix, name = name[:slash], name[slash + 1:]
    head = (name.ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + b"%011o\0%011o\0" % (size, mtime) + b" " * 8 + kind + bytes(100)
            + b"ustar\x0000" + bytes(64) + b"0000000\0" * 2 + prefix.ljust(155, b"\0") + bytes(12))
    return head[:148] + b"%06o\0 " % sum(head) + head[156:]


def fits(name):
    slash = name.find(b"/", max(0, len(name) - 101))
    return name.isascii() and (len(name) <= 100 or 0 < slash <= 155 and slash + 1 < len(name))


def head(name, size, mtime=0):
    """All bytes before a body."""
    name, records = name.encode(), b""
    for key, value, needed in ((b"path", name, not fits(name)), (b"size", b"%d" % size, size > 0o77777777777)):
        if needed:
            rest = len(key) + len(value) + 3
            length = next(n for n in range(rest + 1, rest + 9) if len(str(n)) + rest == n)
            records += b"%d %s=%s\n" % (length, key, value)
    plain = ustar(name if fits(name) else b"bundle/pax", 0 if size > 0o77777777777 else size, mtime)
    return ustar(b"bundle/PaxHeader", len(records), 0, b"x") + pad(records) + plain if records else plain


def pad(data):
    return data + bytes(-len(data) % 512)


def strict(line):
    def once(pairs):
        need(len({k for k, _ in pairs}) == len(pairs), "a key stands twice")
        return dict(pairs)

    def integer(text):
        need(text != "-0" and abs(int(text)) < 1 << 53, "a number is not exact everywhere")
        return int(text)

    def refuse(text):
        raise Bad(f"{text} is no integer")

    def depth(value):
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
        return 0 if inner is None else 1 + max(map(depth, inner), default=0)

    need(len(line) <= MIB and line[:1] == b"{" and line[-1:] == b"}", "a line is too long or no object")
    try:
        value = json.loads(line.decode(), object_pairs_hook=once, parse_int=integer, parse_float=refuse, parse_constant=refuse)
        json.dumps(value, ensure_ascii=False).encode()  # refuses half surrogates
    except (ValueError, RecursionError) as error:
        raise Bad(f"a line is not strict JSON: {error}") from error
    need(depth(value) <= 16, "a line is too deep")
    return value


def check_line(line, lenient):
    required, optional = (set(keys.split()) for keys in KEYS[line["t"]])
    need(required <= set(line) and (lenient or set(line) <= required | optional | {"t"}), f"keys of a {line['t']} line")
    need(all(isinstance(line[k], str) for k in TEXTS & set(line)), "a text is none")
    need(all(re.fullmatch("[0-9a-f]{64}", line[k]) for k in ("sha256", "content_id") if k in line), "a digest is none")
    numbers = {"major", "minor", "i", "off", "clen", "ulen", "tar", "size", "frame", "at", "http", "listed", "requests", *STATES}
    need(all(type(line[k]) is int and line[k] >= 0 for k in numbers & set(line)), "a number is none")
    need("kind" not in line or re.fullmatch("[a-z0-9_-]{1,64}", line["kind"]), "not the name of a kind")


def check_name(name, kind):
    tar, parts = "bundle/" + name, name.split("/")
    need(name.startswith(f"data/{kind}/") and len(tar.encode()) <= 1024 and len(parts) + 1 <= 64, f"name {name!r}")
    for part in parts:
        stem = part.split(".")[0].rstrip(" ").upper()
        need(part and len(part.encode()) <= 255 and part[-1] not in ". " and not DEVICE.match(stem), f"name {name!r}")
        need(not re.search(r'[\x00-\x1f\x7f\\:*?"<>|]|%(?![0-9A-F]{2})', part), f"name {name!r}")


def fold(name):
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def check_manifest(lines, trailer_minor, zm_off):
    first = lines[0]
    need(first.get("t") == "bundle" and first.get("requires") == [], f"needs {first.get('requires')}")
    lenient = trailer_minor > 0
    by = {t: [line for line in lines if line.get("t") == t] for t in KEYS}
    known = [list(KEYS).index(line["t"]) for line in lines if line.get("t") in KEYS]
    need(known == sorted(known) and (lenient or len(known) == len(lines)) and len(by["bundle"]) == 1, "order or sort of lines")
    for line in lines:
        line.get("t") in KEYS and check_line(line, lenient)
    need((first["format"], first["major"], first["minor"]) == ("lifeboat", 1, trailer_minor), "format or version")
    need(len(first["created"]) == 20 and datetime.strptime(first["created"], "%Y-%m-%dT%H:%M:%SZ"), "created")
    off = tar = 0
    for i, f in enumerate(by["frame"]):
        need((f["i"], f["off"], f["tar"]) == (i, off, tar) and f["clen"] and f["ulen"] and f["ulen"] % 512 == 0, f"frame {i}")
        need(f["ulen"] <= (4 * MIB if i else 65536) and f["clen"] <= 4 * MIB + 65536, f"frame {i} is too large")
        off, tar = off + f["clen"], tar + f["ulen"]
    need(off == zm_off, "frames do not end at the manifest")
    for t, key in (("member", ("path", "kind")), ("gap", ("path", "kind")), ("kind", ("kind",)), ("redacted", ("path", "kind", "pointer"))):
        keys = [tuple(line[k].encode() for k in key) for line in by[t]]
        need(all(a < b for a, b in zip(keys, keys[1:])), f"{t} lines out of order or twice")
    names, folders = [fold(m["name"]) for m in by["member"]], set()
    for member, name in zip(by["member"], names):
        check_name(member["name"], member["kind"])
        need(member.get("state", "degraded") == "degraded" and ("state" in member) <= ("reason" in member), "state of a member")
        folders.update(name[:at.start()] for at in re.finditer("/", name))
    need(len(set(names)) == len(names) and not folders & set(names), "names collide")
    check_sums(first, by)
    return by


def check_sums(first, by):
    need(first["counts"]["members"] == len(by["member"]) and first["counts"]["frames"] == len(by["frame"])
         and first["counts"]["bytes"] == sum(m["size"] for m in by["member"]), "counts")
    objects = {(m["kind"], m["path"]): m.get("state", "captured") for m in by["member"]}
    gaps = {(g["kind"], g["path"]): g["state"] for g in by["gap"]}
    need(not objects.keys() & gaps.keys() and set(gaps.values()) <= set(STATES[2:]), "an object has two lines")
    objects.update(gaps)
    need({k for k, _ in objects} <= {line["kind"] for line in by["kind"]}, "a kind without account")
    for line in by["kind"]:
        found = [sum(k == line["kind"] and s == state for (k, _), s in objects.items()) for state in STATES]
        need(found == [line[s] for s in STATES] and line["listed"] == sum(found), f"account of {line['kind']}")
    need([sum(line[s] for line in by["kind"]) for s in STATES] == [first["states"][s] for s in STATES], "states")
    need(all((r["kind"], r["path"]) in objects for r in by["redacted"]), "redacted line without object")


def check_members(by, raws):
    """Takes the data frames apart, header by header; returns the bodies."""
    bodies, index, at = {}, 1, 0
    for m in sorted(by["member"], key=lambda m: (m["frame"], m["at"])):
        modified = m["meta"].get("modified_at")
        mtime = modified // 1000 if type(modified) is int and modified >= 0 else 0
        header = head("bundle/" + m["name"], m["size"], mtime if mtime <= 0o77777777777 else 0)
        if index < len(raws) and at == len(raws[index]):
            index, at = index + 1, 0
        need((m["frame"], m["at"]) == (index, at + len(header)), f"place of {m['path']}")
        total, stream, begin = len(header) + m["size"] + -m["size"] % 512, b"", index
        need(index < len(raws) and (at == 0 or total <= len(raws[index]) - at) and len(header) <= len(raws[index]), f"place of {m['path']}")
        while len(stream) < total:
            need(index < len(raws), "a member ends behind its frames")
            if at == len(raws[index]):
                index, at = index + 1, 0
                continue
            piece = raws[index][at:at + total - len(stream)]
            stream, at = stream + piece, at + len(piece)
        need(begin == index or at == len(raws[index]), "something stands behind a big member")
        body = stream[len(header):len(header) + m["size"]]
        need(stream == header + pad(body), f"tar header or padding of {m['path']}")
        need(sha(body) == m["sha256"], f"digest of {m['path']}")
        bodies[m["path"]] = body
    need(index == len(raws) - 1 and at == len(raws[index]) or len(raws) == 1, "members do not fill the frames")
    return bodies


def read(data):
    need(data[:4] == b"\x28\xb5\x2f\xfd" and len(data) > 160 and data[-8:] == b"LIFEBOAT", "cut off, or no bundle")
    t = data[-160:]
    zm, zm_len, zm_ulen, zt, zt_len = struct.unpack_from("<5Q", t, 8)
    length, major, minor = struct.unpack_from("<IHH", t, 144)
    need(major == 1, f"needs format {major}")
    need(t[:8] == b"\x5d\x2a\x4d\x18\x98\0\0\0" and length == 160, "trailer's constants")
    need(hashlib.sha256(t[:112] + t[144:]).digest() == t[112:144], "trailer's digest")
    need(zm + zm_len == zt and zt + zt_len + 160 == len(data), "tiling")
    need(hashlib.sha256(data[zm:zt]).digest() == t[48:80] and hashlib.sha256(data[zt:-160]).digest() == t[80:112], "digest of manifest or tail")
    rest, files = frame(data[zm:zt], zm_ulen, 128 * MIB), {}
    for name in TAGS:
        need(re.fullmatch(b"[0-7]{11}", rest[124:135]), f"header of {name}")
        size = int(rest[124:135], 8)
        files[name] = rest[512:512 + size]
        entry = head("bundle/" + name, size) + pad(files[name])
        need(len(files[name]) == size and rest[:len(entry)] == entry, f"header or padding of {name}")
        rest = rest[len(entry):]
    need(not rest and files["manifest.jsonl"][-1:] == b"\n", "end of the manifest")
    text = files["manifest.jsonl"][:-1].split(b"\n")
    by = check_manifest([strict(line) for line in text], minor, zm)
    stored = [data[f["off"]:f["off"] + f["clen"]] for f in by["frame"]]
    for f, bytes_ in zip(by["frame"], stored):
        need(sha(bytes_) == f["sha256"], f"digest of frame {f['i']}")
    raws = [frame(s, f["ulen"]) for f, s in zip(by["frame"], stored)]
    first, line = by["bundle"][0], text[0] + b"\n"
    need(raws[0] == head("bundle/bundle.json", len(line)) + pad(line), "bundle.json")
    bodies = check_members(by, raws)
    sums = "".join(f"{m['sha256']}  {m['name']}\n" for m in by["member"])
    files["bundle.json"] = line
    info = f"Bag-Software-Agent: {first['tool']}\nBagging-Date: {first['created'][:10]}\nPayload-Oxum: {first['counts']['bytes']}.{first['counts']['members']}\n"
    tags = "".join(f"{sha(files[n])}  {n}\n" for n in ("bag-info.txt", "bagit.txt", "bundle.json", "manifest-sha256.txt", "manifest.jsonl"))
    wanted = {"bagit.txt": "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n", "bag-info.txt": info, "manifest-sha256.txt": sums, "tagmanifest-sha256.txt": tags}
    need(all(files[n] == t.encode() for n, t in wanted.items()), "tag files")
    tail, signatures = frame(data[zt:-160], None), []
    while len(tail) > 1024:
        name, size = tail[:100].rstrip(b"\0").decode(), int(tail[124:135], 8)
        need(re.fullmatch(r"bundle/manifest\.jsonl(\.[A-Za-z0-9_-]{1,64})?\.minisig", name) and size <= 65536, "tail")
        entry = head(name, size) + pad(tail[512:512 + size])
        need(tail.startswith(entry) and (not signatures or signatures[-1] < name), "tail")
        signatures, tail = signatures + [name], tail[len(entry):]
    need(tail == bytes(1024), "end of the archive")
    return {"identity": sha(files["manifest.jsonl"]), "content_id": first["content_id"], "created": first["created"], "counts": first["counts"],
            "states": first["states"], "signatures": signatures, "bytes": len(data)}, bodies


def main():
    with open(sys.argv[1], "rb") as file:
        data = file.read()
    try:
        summary, bodies = read(data)
    except (Bad, ValueError, KeyError, TypeError, IndexError) as error:
        print(f"{sys.argv[1]}: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    if len(sys.argv) > 2:
        sys.stdout.buffer.write(bodies[sys.argv[2]])
    else:
        print(json.dumps(summary))
    return 0


if __name__ == "__main__":
    sys.exit(main())
