#!/usr/bin/env python3
"""Reads and checks a bundle after bundle-format.md alone: the second opinion on the format.

`read_bundle.py BUNDLE` (needs `zstandard`) prints a JSON summary and exits with 0, or prints what is wrong and exits with 1."""
import datetime, hashlib, json, re, struct, sys, unicodedata, zstandard

MIB, OCTAL_MAX = 1 << 20, 0o77777777777
TAGS = ["bagit.txt", "bag-info.txt", "manifest-sha256.txt", "manifest.jsonl", "tagmanifest-sha256.txt"]
BAGIT = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
STATES = ["captured", "degraded", "missing", "excluded", "unavailable"]
KEYS = {  # required; optional
    "bundle": "format major minor requires created tool source content_id counts states; selection previous",
    "frame": "i off clen ulen tar sha256;", "member": "path kind name size sha256 frame at meta; key state reason",
    "gap": "state path kind reason; http", "kind": "kind listed captured degraded missing excluded unavailable requests;",
    "redacted": "path kind pointer reason;"}  # in the order of the lines
INNER = {"counts": "members frames bytes;", "states": " ".join(STATES) + ";", "previous": "manifest_sha256 created;", "source": None, "meta": None}
DIGESTS = {"sha256", "content_id", "manifest_sha256"}
TEXTS = set("format created tool path kind name key state reason pointer".split()) | DIGESTS
NUMBERS = set("major minor i off clen ulen tar size frame at http listed requests members frames bytes".split()) | set(STATES)
DEVICE = re.compile(r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9¹²³])\Z")

class Bad(Exception): ...
def need(holds, what):
    if not holds:
        raise Bad(what)
def sha(data): return hashlib.sha256(data).hexdigest()
def pad(data): return data + bytes(-len(data) % 512)
def frame(data, ulen, window_max=8 * MIB):
    """Decompresses exactly one allowed zstd frame."""
    need(data[:4] == b"\x28\xb5\x2f\xfd" and len(data) > 5, "not a zstd frame")
    need(data[4] & 0x0F == 0x04, "frame header: reserved bit, dictionary or no checksum")
    size, window = (lambda params: (params.content_size, params.window_size))(zstandard.get_frame_parameters(data))
    need(size == (size if ulen is None else ulen) and size <= (4 * MIB if window_max == 8 * MIB else 1 << 30), "size of a frame")
    need((size if data[4] & 0x20 else window) <= window_max, "window too large")
    decoder = zstandard.ZstdDecompressor(max_window_size=window_max).decompressobj()
    raw = decoder.decompress(data)
    need(decoder.eof and not decoder.unused_data and len(raw) == size, "not exactly one whole frame")
    return raw
def ustar(name, size, mtime, kind=b"0"):
    slash = name.find(b"/", len(name) - 101) if len(name) > 100 else -1
    prefix, name = name[:max(slash, 0)], name[slash + 1:]
    head = (name.ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + b"%011o\0%011o\0" % (size, mtime) + b" " * 8 + kind + bytes(100)
            + b"ustar\x0000" + bytes(64) + b"0000000\0" * 2 + prefix.ljust(155, b"\0") + bytes(12))
    return head[:148] + b"%06o\0 " % sum(head) + head[156:]
def fits(name):
    slash = name.find(b"/", max(0, len(name) - 101))
    return name.isascii() and (len(name) <= 100 or 0 < slash <= 155 and slash + 1 < len(name))
def head(name, size, mtime=0):
    """All bytes before a body."""
    name, records = name.encode(), b""
    for record in [b" path=%s\n" % name] * (not fits(name)) + [b" size=%d\n" % size] * (size > OCTAL_MAX):
        length = next(n for n in range(len(record), len(record) + 9) if len(str(n)) + len(record) == n)
        records += b"%d" % length + record
    plain = ustar(name if fits(name) else b"bundle/pax", 0 if size > OCTAL_MAX else size, mtime)
    return ustar(b"bundle/PaxHeader", len(records), 0, b"x") + pad(records) + plain if records else plain
def refuse(text): need(False, f"{text} is no exact integer")
def strict(line):
    def once(pairs):
        need(len({k for k, _ in pairs}) == len(pairs), "a key stands twice")
        return dict(pairs)
    def integer(text): return int(text) if text != "-0" and len(text) < 18 and abs(int(text)) < 1 << 53 else refuse(text)
    def depth(value):
        inner = value.values() if isinstance(value, dict) else value
        return 1 + max(map(depth, inner), default=0) if isinstance(value, (dict, list)) else 0
    need(len(line) <= MIB and line[:1] == b"{" and line[-1:] == b"}", "a line is too long or no object")
    value = json.loads(line.decode(), object_pairs_hook=once, parse_int=integer, parse_float=refuse, parse_constant=refuse)
    json.dumps(value, ensure_ascii=False).encode()  # refuses half surrogates
    need(depth(value) <= 16, "a line is too deep")
    return value

def check_keys(value, keys, lenient, what):
    required, optional = (set(part.split()) for part in keys.split(";"))
    need(isinstance(value, dict) and required <= set(value) and (lenient or set(value) <= required | optional), f"keys of {what}")
    known = {key: value[key] for key in (required | optional) & set(value)}
    need(all(isinstance(known[k], str) for k in TEXTS & set(known)), "a text is none")
    need(all(re.fullmatch("[0-9a-f]{64}", known[k]) for k in DIGESTS & set(known)), "a digest is none")
    need(all(type(known[k]) is int and known[k] >= 0 for k in NUMBERS & set(known)), "a number is none")
    need(re.fullmatch("[a-z0-9_-]{1,64}", known.get("kind", "x")) and known.get("http", 0) < 1 << 16, "no name of a kind, or no status")
    if "created" in known:
        need(re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", known["created"]), "a time is none")
        datetime.datetime.strptime(known["created"], "%Y-%m-%dT%H:%M:%SZ")
    for key in INNER.keys() & set(known):
        check_keys(known[key], INNER[key] or ";", lenient or not INNER[key], key)
def check_name(name, kind):
    tar, parts = "bundle/" + name, name.split("/")
    need(name.startswith(f"data/{kind}/") and len(tar.encode()) <= 1024 and len(parts) + 1 <= 64, f"name {name!r}")
    for part in parts:
        stem = part.split(".")[0].rstrip(" ").upper()
        need(part and len(part.encode()) <= 255 and part[-1] not in ". " and not DEVICE.match(stem), f"name {name!r}")
        need(not re.search(r'[\x00-\x1f\x7f\\:*?"<>|]|%(?![0-9A-F]{2})', part), f"name {name!r}")

def check_manifest(lines, trailer_minor, zm_off):
    first, lenient = lines[0], trailer_minor > 0
    need(first.get("t") == "bundle" and first.get("requires") == [], f"needs {first.get('requires')}")
    by = {t: [line for line in lines if line.get("t") == t] for t in KEYS}
    known = [line for line in lines if line.get("t") in KEYS]
    need(known == sum(by.values(), []) and (lenient or known == lines) and len(by["bundle"]) == 1, "order or sort of lines")
    [check_keys(line, "t " + KEYS[line["t"]], lenient, f"a {line['t']} line") for line in known]
    need((first["format"], first["major"], first["minor"]) == ("lifeboat", 1, trailer_minor), "format or version")
    need(not re.search(r"[\x00-\x1f\x7f-\x9f]", first["tool"]), "control characters in the tool's name")
    off = tar = 0
    for i, f in enumerate(by["frame"]):
        sizes = 0 < f["ulen"] <= (4 * MIB if i else 65536) and f["ulen"] % 512 == 0 and 0 < f["clen"] <= 4 * MIB + 65536
        need(sizes and (f["i"], f["off"], f["tar"]) == (i, off, tar), f"frame {i}")
        off, tar = off + f["clen"], tar + f["ulen"]
    need(off == zm_off, "frames do not end at the manifest")
    for t, key in {"member": "path kind", "gap": "path kind", "kind": "kind", "redacted": "path kind pointer"}.items():
        keys = [tuple(line[k].encode() for k in key.split()) for line in by[t]]
        need(all(a < b for a, b in zip(keys, keys[1:])), f"{t} lines out of order or twice")
    nfc, folders = (lambda name: unicodedata.normalize("NFC", name)), set()
    names = [nfc(nfc(m["name"]).casefold()) for m in by["member"]]
    for m, name in zip(by["member"], names):
        check_name(m["name"], m["kind"])
        need(m.get("state", "degraded") == "degraded" and ("state" in m) == ("reason" in m), "state of a member")
        folders.update(name[:at.start()] for at in re.finditer("/", name))
    need(len(set(names)) == len(names) and not folders & set(names), "names collide")
    check_sums(first, by)
    return by
def check_sums(first, by):
    found = {"members": len(by["member"]), "frames": len(by["frame"]), "bytes": sum(m["size"] for m in by["member"])}
    need(all(first["counts"][key] == value for key, value in found.items()), "counts")
    objects = {(m["kind"], m["path"]): m.get("state", "captured") for m in by["member"]}
    gaps = {(g["kind"], g["path"]): g["state"] for g in by["gap"]}
    need(not objects.keys() & gaps.keys() and set(gaps.values()) <= set(STATES[2:]), "an object has two lines")
    objects.update(gaps)
    for line in by["kind"]:
        found = [sum(k == line["kind"] and s == state for (k, _), s in objects.items()) for state in STATES]
        need(found == [line[s] for s in STATES] and line["listed"] == sum(found), f"account of {line['kind']}")
    need({k for k, _ in objects} <= {line["kind"] for line in by["kind"]}, "a kind without account")
    need([sum(line[s] for line in by["kind"]) for s in STATES] == [first["states"][s] for s in STATES], "states")
    need(objects.keys() >= {(r["kind"], r["path"]) for r in by["redacted"]}, "redacted line without object")
def check_members(by, tar):
    frames, pos = by["frame"], by["frame"][0]["ulen"]
    ends = {f["tar"] + f["ulen"] for f in frames}
    for m in sorted(by["member"], key=lambda m: (m["frame"], m["at"])):
        frame_, modified = frames[m["frame"]], m["meta"].get("modified_at")
        mtime = modified // 1000 if type(modified) is int and 0 <= modified // 1000 <= OCTAL_MAX else 0
        header = head("bundle/" + m["name"], m["size"], mtime)
        begin, body_at, last = frame_["tar"], pos + len(header), frame_["tar"] + frame_["ulen"]
        end = body_at + m["size"] + -m["size"] % 512
        whole = begin <= pos and end <= last or pos == begin and end in ends
        need(whole and body_at == begin + m["at"] <= last, f"place of {m['path']}")
        body = tar[body_at:body_at + m["size"]]
        need(tar[pos:end] == header + pad(body) and sha(body) == m["sha256"], f"header, padding or digest of {m['path']}")
        pos = end
    need(pos == len(tar), "members do not fill the frames")
def small_entry(name, tar):
    """The body of the entry that must stand at the start, and what follows it."""
    need(re.fullmatch(b"[0-7]{11}", tar[124:135]), f"header of {name}")
    size = int(tar[124:135], 8)
    entry = head(name, size) + pad(tar[512:512 + size])
    need(len(tar) >= 512 + size and tar[:len(entry)] == entry, f"header or padding of {name}")
    return tar[512:512 + size], tar[len(entry):]
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
        files[name], rest = small_entry("bundle/" + name, rest)
    need(not rest and files["manifest.jsonl"][-1:] == b"\n", "end of the manifest")
    text = files["manifest.jsonl"][:-1].split(b"\n")
    by = check_manifest([strict(line) for line in text], minor, zm)
    stored = [data[f["off"]:f["off"] + f["clen"]] for f in by["frame"]]
    need([sha(s) for s in stored] == [f["sha256"] for f in by["frame"]], "digest of a frame")
    raws = [frame(s, f["ulen"]) for f, s in zip(by["frame"], stored)]
    first, line = by["bundle"][0], text[0] + b"\n"
    need(raws[0] == head("bundle/bundle.json", len(line)) + pad(line), "bundle.json")
    check_members(by, b"".join(raws))
    sums = "".join(f"{m['sha256']}  {m['name']}\n" for m in by["member"])
    files["bundle.json"], counts = line, first["counts"]
    info = f"Bag-Software-Agent: {first['tool']}\nBagging-Date: {first['created'][:10]}\nPayload-Oxum: {counts['bytes']}.{counts['members']}\n"
    tags = "".join(f"{sha(files[n])}  {n}\n" for n in sorted(files) if n != TAGS[4])
    wanted = [BAGIT, info, sums, None, tags]
    need(all(text is None or files[name] == text.encode() for name, text in zip(TAGS, wanted)), "tag files")
    tail, signatures = frame(data[zt:-160], None), []
    while len(tail) > 1024:
        name = tail[:100].rstrip(b"\0").decode()
        need(re.fullmatch(r"bundle/manifest\.jsonl(\.[A-Za-z0-9_-]{1,64})?\.minisig", name), "tail")
        text, tail = small_entry(name, tail)
        need(len(text) <= 65536 and (not signatures or signatures[-1] < name), "tail")
        signatures.append(name)
    need(tail == bytes(1024), "end of the archive")
    summary = {key: first[key] for key in ("content_id", "created", "counts", "states")}
    return {"identity": sha(files["manifest.jsonl"]), **summary, "signatures": signatures, "bytes": len(data)}
if __name__ == "__main__":
    try:
        with open(sys.argv[1], "rb") as file:
            print(json.dumps(read(file.read())))
    except (Bad, OSError, zstandard.ZstdError, RecursionError, ValueError, KeyError, TypeError, IndexError) as error:
        sys.exit(f"{sys.argv[1]}: {type(error).__name__}: {error}")
