#!/usr/bin/env python3
"""The journey between two embedded workspaces, judged by the official client and by what went over the wire.

Exports the sample workspace, restores it into a prepared one, and checks that
- the source was only read, and nothing was fetched twice;
- every object that the client sees in the source has its line in the manifest;
- both workspaces are equal but for what stands in ON_PURPOSE, each with its reason, and the restored one is inert;
- a second import from a machine with no memory of the first sends not one write;
- no planted secret is in the bundle, or in anything that the program printed, logged, reported or remembered.

    round_trip.py FOLDER        leaves bundle, reports and request logs there
"""

import base64
import collections
import json
import pathlib
import re
import shutil
import sys
import tarfile
import urllib.parse

import zstandard

import harness
from harness import Failure, Lifeboat, say
from inventory import KEPT, Expected, Reader, compare, judge
from recording_proxy import read_log, recording, writes

CANARIES = harness.ROOT / "fixtures/sample/canaries.txt"
RESTORED_TREE = ("notebook", "file", "directory", "repo")
CALLER = "operator@northwind.example"


def secret(value):
    return "CANARY-" in json.dumps(value)


def without_secrets(value):
    """What is left of a value when every text with a planted secret is taken out, and what is empty then."""
    if isinstance(value, dict):
        left = {key: without_secrets(one) for key, one in value.items()}
        return {key: one for key, one in left.items() if one not in (None, {})}
    return None if secret(value) else value


def same_name(old, new):
    return isinstance(old, str) and isinstance(new, str) and old.lower() == new.lower()


def redacted(old, new):
    return secret(old) and (without_secrets(old) or None) == (new or None)


def half_a_login(old, new):
    return secret(old) and new is None


# What a restore changes on purpose. An expectation that the sample does not show fails.
ON_PURPOSE = [
    Expected("job", "*/pause_status", "whatever starts a job is paused", lambda old, new: new == "PAUSED"),
    Expected("instance_pool", "/min_idle_instances", "a restored pool keeps no idle instances", lambda old, new: old and not new),
    Expected("global_init_script", "/enabled", "a restored script is disabled", lambda old, new: old is True and not new),
    Expected("cluster", "/docker_image/basic_auth*", "half a login is no login", half_a_login),
    Expected("instance_pool", "*/basic_auth", "half a login is no login", half_a_login),
    Expected("cluster", "/spark_conf/*", "a secret in the clear is not stored", redacted),
    Expected("cluster", "/spark_env_vars/*", "as in spark_conf", redacted),
    Expected("cluster", "*/log_analytics_primary_key", "as in spark_conf", redacted),
    Expected("job", "*/spark_env_vars", "as in spark_conf", redacted),
    Expected("job", "/environment_variables/*/spec/variables/*", "as in spark_conf", redacted),
    Expected("cluster_policy", "/definition/spark_conf.*", "as in spark_conf",
             lambda old, new: "CANARY" in str(old) and new is None),
    Expected("job", "*/spec/dependencies/*", "an address keeps all but its login",
             lambda old, new: "CANARY" in old and new == re.sub("//.*@", "//", old)),
    Expected("cluster", "/policy_id", "the policy was dead at the source", lambda old, new: old and new is None),
    Expected("job", "", "its cluster was dead at the source, and a job is refused without", lambda old, new: new is None,
             "on a cluster that is gone"),
    Expected("job", "/edit_mode", "locked by a deployment that has no hold here", lambda old, new: (old, new) == ("UI_LOCKED", "EDITABLE")),
    Expected("secret_scope", "/keys*", "values cannot be read, so that keys cannot be set", lambda old, new: not new),
    Expected("secret_scope", "", "a scope in a Key Vault needs a sign-in to Entra ID", lambda old, new: new is None, "kv-northwind"),
    Expected("[A-Z]*", "", "a type of object that nobody can create by an API", lambda old, new: new is None),
    Expected("cluster_policy", "/description", "the words of a default policy are the workspace's", lambda old, new: old is None, "* Compute"),
    Expected("*", "*/*user_name", "user names have no case", same_name),
    Expected("group", "/members", "nobody becomes an admin unless that is asked for",
             lambda old, new: sorted([*new, "user:hana.ito@northwind.example"]) == old, "admins"),
    Expected("secret_scope", f"/acls/{CALLER}", "who makes a scope manages it", lambda old, new: (old, new) == (None, "MANAGE")),
    Expected("permissions of [ci]*", f"/user:{CALLER}", "who makes a thing manages it", lambda old, new: (old, new) == (None, "CAN_MANAGE")),
    Expected("permissions of job", f"/user:{CALLER}", "its owner is gone, and a job has one",
             lambda old, new: (old, new) == (None, "IS_OWNER"), "nobody's job"),
    Expected("job", "/run_as", "as its owner", lambda old, new: (old, new) == (None, CALLER), "nobody's job"),
]

# --- the journey ----------------------------------------------------------------------------------------------------


def check():
    folder = pathlib.Path(sys.argv[1]).resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    # The second workspace has no more than what others must prepare: warehouses, dashboards, pipelines, volumes of the same names.
    with harness.simulator(folder / "simulator", "--seed", "sample", "--workspaces", "2") as [source, target]:
        faults = journey(folder, source, target)
    faults += canary_faults(folder)
    if faults:
        raise Failure("\n  ".join([f"{len(faults)} faults", *faults]))


def journey(folder, source, target):
    first, bundle = Lifeboat(folder / "first"), folder / "bundle.tar.zst"
    ours, theirs = (harness.client(one["url"], one["token"]) for one in (source, target))
    before = Reader(ours).read()
    say(f"sample: { {kind: len(documents) for kind, documents in sorted(before.documents.items())} }")
    planted_in_source(before)
    with recording(source["url"], folder / "requests.export.jsonl") as proxy:
        first.run("export", "-o", bundle, url=proxy, token=source["token"], expect=(0, 3))
    first.run("verify", "--full", bundle, expect=(3,))
    with recording(target["url"], folder / "requests.check.jsonl") as proxy:
        first.run("check", bundle, url=proxy, token=target["token"], expect=(4,))
    with recording(target["url"], folder / "requests.import.jsonl") as proxy:
        report = folder / "report.json"
        first.run("import", bundle, "--yes", "--report", report, url=proxy, token=target["token"], expect=(0, 3))
    with recording(target["url"], folder / "requests.again.jsonl") as proxy:
        second, again = Lifeboat(folder / "second"), folder / "again.json"
        second.run("import", bundle, "--yes", "--report", again, url=proxy, token=target["token"], expect=(0, 3))
    after = Reader(theirs).read()
    faults = judge(compare(before, after), ON_PURPOSE + KEPT, "restored against sample")
    faults += [f"the source changed: {one}" for one in compare(before, Reader(ours).read(), same_ids=True)]
    faults += [f"the check wrote: {one['method']} {one['path']}" for one in writes(read_log(folder / "requests.check.jsonl"))]
    return faults + inert_faults(after) + export_faults(folder) + again_faults(folder) + account_faults(bundle, before, ours)


# --- what each part says --------------------------------------------------------------------------------------------


def inert_faults(after):
    """Whatever could run, bill or notify in the restored workspace."""
    faults = [f"cluster {one} is {state}" for one, state in after.states.items() if not state.startswith("TERMINAT")]
    pools, scripts = after.of("instance_pool"), after.of("global_init_script")
    faults += [f"pool {one} keeps idle instances" for one, pool in pools.items() if pool.get("min_idle_instances")]
    faults += [f"script {one} is enabled" for one, script in scripts.items() if script.get("enabled")]
    for one, job in after.of("job").items():
        faults += [f"job {one} is not paused: {starter}" for starter in starters(job) if starter.get("pause_status") != "PAUSED"]
    return faults


def starters(job):
    """What starts a job by itself; without a `pause_status` it does."""
    named = [job[name] for name in ("schedule", "trigger", "continuous") if job.get(name)]
    return named + list(job.get("triggers") or [])


def export_faults(folder):
    """The export only reads, and nothing twice."""
    requests = read_log(folder / "requests.export.jsonl")
    say(f"export: {len(requests)} requests")
    texts = (f"{one['method']} {one['path']} {one['query']}" for one in requests if one["status"] == 200)
    good = collections.Counter(texts)
    faults = [f"the export wrote: {one['method']} {one['path']}" for one in writes(requests)]
    return faults + [f"fetched {count} times: {what}" for what, count in good.items() if count > 1]


def again_faults(folder):
    """A second import makes no write request, not even one that would be refused again."""
    requests, done = (read_log(folder / f"requests.{name}.jsonl") for name in ("again", "import"))
    for name, log in (("import", done), ("again", requests)):
        say(f"{name}: {len(log)} requests, {len(writes(log))} of them writes")
    faults = [] if writes(done) else ["the first import wrote nothing, so that the second proves nothing"]
    sent = [f"{one['method']} {one['path']} {one['status']} {json.dumps(one['json'])}" for one in writes(requests)]
    return faults + [f"the second import wrote: {text[:200]}" for text in sent]


def account_faults(bundle, before, client):
    """Objects that the official client sees and the manifest does not name."""
    lines = manifest(bundle)
    named = {(line["kind"], line["path"]) for line in lines if line["t"] in ("member", "gap")}
    services = {one.application_id: one.id for one in client.service_principals.list()}
    faults = []
    for kind, documents in before.documents.items():
        ids = (services.get(one, one) if kind == "service_principal" else one for one in documents)
        name = kind if kind in RESTORED_TREE or kind.islower() else "workspace_object"
        faults += [f"not in the manifest: {name} {one}" for one in ids if (name, one) not in named]
    return faults + sum_faults(lines)


def sum_faults(lines):
    """The `kind` lines must add up to the lines of the objects."""
    objects = (line for line in lines if line["t"] in ("member", "gap"))
    states = collections.Counter((line["kind"], line.get("state", "captured")) for line in objects)
    for line in (line for line in lines if line["t"] == "kind"):
        for state in ("captured", "degraded", "missing", "excluded", "unavailable"):
            if line[state] != states.pop((line["kind"], state), 0):
                return [f"the kind line of {line['kind']} does not add up for {state}"]
    return [f"no kind line counts {left}" for left in states]


def manifest(bundle):
    with open(bundle, "rb") as file:
        stream = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            for member in tar:
                if member.name == "bundle/manifest.jsonl":
                    return [json.loads(line) for line in tar.extractfile(member).read().splitlines()]
    raise Failure("the bundle has no manifest")


# --- planted secrets ------------------------------------------------------------------------------------------------


def canaries():
    found = sorted(set(re.findall(r"CANARY-[A-Za-z0-9_./+-]+", CANARIES.read_text(encoding="utf-8"))))
    if not found:
        raise Failure(f"{CANARIES.name} names no canaries")
    return found


def planted_in_source(before):
    """The check below is worth something only if the workspace shows secrets to those who read it."""
    text = json.dumps(before.documents)
    shown = [one for one in canaries() if one in text]
    if not shown:
        raise Failure("the sample shows no planted secret to the official client")
    say(f"{len(shown)} of {len(canaries())} planted secrets are shown by the API")


def spellings(canary):
    """A secret as it is, in a URL, and in base64 at each of its three offsets."""
    raw = canary.encode()
    yield raw
    yield urllib.parse.quote(canary, safe="").encode()
    for offset in range(3):
        coded = base64.b64encode(b"\0" * offset + raw)
        yield coded[(0, 2, 3)[offset]:len(coded) - 4]


def canary_faults(folder):
    """Planted secrets in anything that the program left behind."""
    wanted = {spelling: canary for canary in canaries() for spelling in spellings(canary)}
    faults, looked = [], 0
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            looked += 1
            data = contents(path)
            where = path.relative_to(folder)
            faults += [f"{canary} stands in {where}" for spelling, canary in wanted.items() if spelling in data]
    say(f"looked for {len(canaries())} planted secrets in {looked} files")
    return faults


def contents(path):
    if path.name.endswith(".tar.zst"):
        with open(path, "rb") as file:
            return zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True).read() + path.read_bytes()
    return path.read_bytes()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    harness.main(check)
