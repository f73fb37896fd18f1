#!/usr/bin/env python3
"""The way before: the scripts of the 2019 article "Regional disaster recovery for Azure Databricks clusters", beside `lifeboat`.

    article_scripts.py [--latency 20ms] [--seed sample] [--rounds 3]

Both carry the same embedded workspace into an empty one, at the same latency, in one run. The article's steps are written anew for
Python 3 and call the same commands of `databricks-cli` 0.18, one after another, as it does: homes and notebooks (step 4, names
unquoted in a shell), clusters by an allow-list of fields with a map of ids (5), jobs without their schedule (6), init scripts through
DBFS (9). Of its steps by hand, the users (3) are made beforehand, untimed, since homes come with them; libraries, mounts and access
control are left out. That client drops the port of a
host, so each workspace listens on a loopback address of its own at port 80: that takes root, or
`net.ipv4.ip_unprivileged_port_start=80`.

What arrived is judged by the official SDK, object by object: right is what equals the source, but for what a restore changes on
purpose (`round_trip.ON_PURPOSE`) and, for the article, the schedule that it strips. Goals: the export takes at most 1.5 × requests ×
latency ÷ 16, and is at least 20 times faster than the scripts. Ends with 1 if one is missed.
Both speak of what latency and concurrency allow, so they judge the export without the known limits of the API; the one that keeps to
them is told beside it.
"""

import argparse
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.request

import measure

sys.path.insert(0, str(measure.ROOT / "tests/interop"))
import harness  # noqa: E402
import inventory  # noqa: E402
from inventory import Expected, Reader  # noqa: E402
from round_trip import ON_PURPOSE  # noqa: E402

# Kinds that are recorded for what refers to them, and not restored.
RECORDED = ("warehouse", "query", "alert", "dashboard", "pipeline", "notification_destination")
PRIMARY, SECONDARY = "127.0.0.2", "127.0.0.3"
IN_FLIGHT = 16
CLUSTER_FIELDS = """num_workers autoscale cluster_name spark_version spark_conf node_type_id driver_node_type_id custom_tags
cluster_log_conf spark_env_vars autotermination_minutes enable_elastic_disk""".split()
STRIPPED = Expected("job", "/schedule*", "the article strips schedules", lambda old, new: not new)


# --- the article's steps --------------------------------------------------------------------------------------------


class Scripts:
    """Steps 4, 5, 6 and 9. Like the originals they go on after a failure, and end with 0."""

    def __init__(self, folder, token):
        self.folder, self.failures = folder, []
        self.spent = {"primary": 0.0, "secondary": 0.0}
        self.client = str(pathlib.Path(sys.executable).with_name("databricks"))
        config = folder / "databrickscfg"
        config.write_text(f"[primary]\nhost = http://{PRIMARY}/\ntoken = {token}\n[secondary]\nhost = http://{SECONDARY}/\ntoken = {token}\n")
        path = f"{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environment = os.environ | {"DATABRICKS_CONFIG_FILE": str(config), "PYTHONWARNINGS": "ignore", "PATH": path, "HOME": str(folder)}

    def call(self, profile, *words, text=None):
        """One command of the client, by words or as the text of a shell. Gives what it printed, or nothing if it failed."""
        begun = time.monotonic()
        command = f"{text} --profile {profile}" if text else [self.client, *map(str, words), "--profile", profile]
        done = subprocess.run(command, shell=bool(text), env=self.environment, cwd=self.folder, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        self.spent[profile] += time.monotonic() - begun
        if done.returncode != 0:
            self.failures.append(f"{text or ' '.join(map(str, words))}: {(done.stderr or done.stdout).strip()[:200]}")
        return done.stdout if done.returncode == 0 else None

    def run(self):
        self.notebooks()
        self.jobs(self.clusters())
        self.init_scripts()

    def notebooks(self):
        for user in (self.call("primary", "workspace", "ls", "/Users") or "").splitlines():
            subprocess.run(f"mkdir -p {user}", shell=True, cwd=self.folder, capture_output=True)
            if self.call("primary", text=f"databricks workspace export_dir /Users/{user} ./{user}") is not None:
                self.call("secondary", text=f"databricks workspace import_dir ./{user} /Users/{user}")

    def clusters(self):
        new_ids = {}
        for listed in json.loads(self.call("primary", "clusters", "list", "--output", "JSON") or "{}").get("clusters", []):
            cluster = json.loads(self.call("primary", "clusters", "get", "--cluster-id", listed["cluster_id"]) or "{}")
            if cluster.get("cluster_source") == "JOB":
                continue
            made = self.create("clusters", {field: cluster[field] for field in CLUSTER_FIELDS if field in cluster})
            new_ids[listed["cluster_id"]] = made.get("cluster_id")
        return new_ids

    def jobs(self, new_ids):
        for listed in json.loads(self.call("primary", "jobs", "list", "--output", "JSON") or "{}").get("jobs", []):
            settings = json.loads(self.call("primary", "jobs", "get", "--job-id", listed["job_id"]) or "{}").get("settings", {})
            settings.pop("schedule", None)
            if "existing_cluster_id" in settings:
                settings["existing_cluster_id"] = new_ids.get(settings["existing_cluster_id"], settings["existing_cluster_id"])
            self.create("jobs", settings)

    def create(self, group, body):
        path = self.folder / "body.json"
        path.write_text(json.dumps(body))
        return json.loads(self.call("secondary", group, "create", "--json-file", path) or "{}")

    def init_scripts(self):
        self.call("primary", "fs", "cp", "-r", "dbfs:/databricks/init", "init-scripts", "--overwrite")
        self.call("secondary", "fs", "cp", "-r", "init-scripts", "dbfs:/databricks/init", "--overwrite")


# --- what arrived ---------------------------------------------------------------------------------------------------


def right(before, after, allowed, tell=False):
    """For each kind: how many objects of the source stand in the target as they should, of how many; and so for what was granted."""
    pairs = inventory.pair(before, after)
    same = {theirs: ours for kind in pairs.values() for theirs, ours in kind.items()}
    score = {}
    for kind, documents in before.documents.items():
        if kind in RECORDED or kind[:1].isupper():
            continue
        theirs_of = {ours: theirs for theirs, ours in pairs.get(kind, {}).items()}
        for ours, document in documents.items():
            theirs = theirs_of.get(ours)
            other = after.of(kind).get(theirs)
            good = other is not None and equal(kind, document, inventory.translate(inventory.unstamped(kind, other), same), allowed)
            add(score, kind, good)
            if not good and tell:
                harness.say(f"not right: {kind} {before.names[kind][ours]} ({'differs' if other is not None else 'not there'})")
            if granted := inventory.grants(before, kind, ours):
                add(score, "access control", inventory.translate(inventory.grants(after, kind, theirs), same) == granted)
    return score


def add(score, kind, good):
    have, all_of = score.get(kind, (0, 0))
    score[kind] = (have + bool(good), all_of + 1)


def equal(kind, first, second, allowed):
    found = inventory.differences(kind, "", "", inventory.unstamped(kind, first), second)
    return all(any(rule.covers(one) for rule in allowed) for one in found)


def live(after, before):
    """What runs, bills or starts by itself in the target."""
    running = sum(not state.startswith("TERMINAT") for state in after.states.values())
    starters = ("schedule", "trigger", "continuous")
    awake = sum(any((job.get(name) or {}).get("pause_status", "UNPAUSED") != "PAUSED" for name in starters if job.get(name)) for job in after.of("job").values())
    return running, awake


# --- the run --------------------------------------------------------------------------------------------------------


def requests_of(workspace):
    """How many requests a workspace answered since it was last asked, and starts again at zero."""
    def ask(method):
        request = urllib.request.Request(f"{workspace['url']}/_simulator/requests", method=method)
        request.add_header("Authorization", f"Bearer {workspace['token']}")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)
    number = len(ask("GET")["requests"])
    ask("DELETE")
    return number


def workspaces(stack, folder, address, seed, latency):
    """An embedded workspace at port 80 of an address of its own, and an empty one, with another id, at port 81."""
    environment = harness.Lifeboat(folder / address).environment()
    command = [harness.program(), "simulate", "--listen", f"{address}:80", "--json", "--seed", seed, "--latency", latency, "--workspaces", "2"]
    process = stack.enter_context(harness.server(command, folder / address / "simulate.log", stdout=subprocess.PIPE, env=environment))
    return [harness.ready(process, folder / address) for _ in range(2)]


def users_by_hand(source, target):
    """Step 3: a person makes the same users in the second workspace."""
    first, second = (harness.client(one["url"], one["token"]) for one in (source, target))
    known = {user.user_name.lower() for user in second.users.list()}
    for user in first.users.list():
        if user.user_name.lower() not in known:
            second.users.create(user_name=user.user_name, display_name=user.display_name, active=user.active)


def article(folder, source, target):
    scripts = Scripts(folder, source["token"])
    begun = time.monotonic()
    scripts.run()
    took = time.monotonic() - begun
    return {"total": took, "reading": scripts.spent["primary"], "writing": scripts.spent["secondary"], "failures": scripts.failures,
            "requests": requests_of(source) + requests_of(target)}


def say_failures(scripts):
    """What the article's scripts would have printed and gone on from."""
    for failure in scripts["failures"]:
        harness.say(f"the article: {failure}")


def ours(folder, source, target, rounds):
    """Exports some times over, then imports the last bundle."""
    lifeboat, exports = harness.Lifeboat(folder / "lifeboat"), []
    for turn in range(rounds):
        bundle = folder / f"bundle-{turn}.tar.zst"
        begun = time.monotonic()
        lifeboat.run("--quiet", "export", "-o", bundle, url=source["url"], token=source["token"], expect=(0, 3))
        exports.append((time.monotonic() - begun, requests_of(source)))
    begun = time.monotonic()
    lifeboat.run("--quiet", "import", bundle, "--yes", url=target["url"], token=target["token"], expect=(0, 3))
    export = measure.median(seconds for seconds, _ in exports)
    return {"export": export, "import": time.monotonic() - begun, "export requests": exports[-1][1], "import requests": requests_of(target)}


def check():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--latency", default="20ms")
    parser.add_argument("--seed", default="sample")
    parser.add_argument("--rounds", type=int, default=3, help="exports; the median counts")
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="article-")))
        source, new = workspaces(stack, folder, PRIMARY, arguments.seed, arguments.latency)
        old, _ = workspaces(stack, folder, SECONDARY, "empty", arguments.latency)
        read = lambda one: Reader(harness.client(one["url"], one["token"])).read()
        before = read(source)
        users_by_hand(source, old)
        for one in (source, old, new):
            requests_of(one)
        scripts = article(folder, source, old)
        say_failures(scripts)
        paced = ours(folder, source, new, arguments.rounds)
        unpaced = unlimited_export(folder, source, arguments.rounds)
        report(arguments, scripts, paced, unpaced, before, read(old), read(new))


def unlimited_export(folder, source, rounds):
    lifeboat, seconds = harness.Lifeboat(folder / "unlimited"), []
    for turn in range(rounds):
        begun = time.monotonic()
        lifeboat.run("--quiet", "export", "--unlimited", "-o", folder / f"unlimited-{turn}.tar.zst", url=source["url"], token=source["token"], expect=(0, 3))
        seconds.append(time.monotonic() - begun)
        requests = requests_of(source)
    return {"export": measure.median(seconds), "export requests": requests}


def report(arguments, scripts, paced, unpaced, before, after_scripts, after_ours):
    latency = float(arguments.latency.removesuffix("ms")) / 1000
    print(measure.table(["", "seconds", "requests"], [
        ["the article's scripts, all", f"{scripts['total']:.1f}", scripts["requests"]],
        ["  of it reading the first workspace", f"{scripts['reading']:.1f}", ""],
        ["  of it writing the second", f"{scripts['writing']:.1f}", f"{len(scripts['failures'])} commands failed, unnoticed"],
        ["lifeboat export", f"{paced['export']:.2f}", paced["export requests"]],
        ["lifeboat export --unlimited", f"{unpaced['export']:.2f}", unpaced["export requests"]],
        ["lifeboat import", f"{paced['import']:.2f}", paced["import requests"]],
    ]), "\n")
    scores = [right(before, after_scripts, [*ON_PURPOSE, STRIPPED]), right(before, after_ours, ON_PURPOSE, tell=True)]
    of = lambda score, kind: "{} of {}".format(*score.get(kind, (0, 0)))
    print(measure.table(["arrived right", "the article", "lifeboat"], [[kind, *(of(score, kind) for score in scores)] for kind in sorted(scores[1])]), "\n")
    alive = [live(after, before) for after in (after_scripts, after_ours)]
    print(measure.table(["in the second workspace", "the article", "lifeboat"], [
        ["clusters that run", *(str(running) for running, _ in alive)], ["jobs that start by themselves", *(str(awake) for _, awake in alive)],
    ]), "\n")
    judge(scripts, paced, unpaced, latency)


def judge(scripts, paced, unpaced, latency):
    bound = 1.5 * unpaced["export requests"] * latency / IN_FLIGHT
    goals = [
        ["export --unlimited, seconds", f"{unpaced['export']:.2f}", f"at most {bound:.2f}", unpaced["export"] <= bound],
        ["scripts ÷ export --unlimited", f"{scripts['total'] / unpaced['export']:.0f}", "at least 20", scripts["total"] >= 20 * unpaced["export"]],
    ]
    print(measure.table(["goal", "measured", "wanted", "verdict"], [[*goal[:3], "met" if goal[3] else "MISSED"] for goal in goals]))
    both = paced["export"] + paced["import"]
    print(f"at the pace that a real workspace allows: scripts ÷ export {scripts['total'] / paced['export']:.0f}, ÷ both {scripts['total'] / both:.1f}")
    if not all(goal[3] for goal in goals):
        raise harness.Failure("a goal is missed")


if __name__ == "__main__":
    harness.main(check)
