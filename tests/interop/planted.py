#!/usr/bin/env python3
"""Plants changes in a workspace by the official client, and demands of `lifeboat diff` exactly these.

The sample workspace is exported; then the client renames, edits, grants, revokes, adds and deletes, one thing of each sort,
and does much that means nothing: lists in another order, JSON laid out anew, clusters that start, secrets that get another
value. What no interface offers, a notebook that a person drags to another folder, is done to the saved state of the workspace.
Two bundles, and the first bundle beside the live workspace, must tell of the planted changes, in the words of PLANTED, and of
nothing else; with the sides exchanged, of the same number.

    planted.py FOLDER        leaves bundles and comparisons there
"""

import base64
import io
import json
import pathlib
import re
import shutil
import sys

import harness
from databricks.sdk.service import compute, iam, jobs, workspace
from databricks.sdk.service.iam import PermissionLevel
from harness import Failure, Lifeboat, say

HOME = "/Shared/planted"
BRUNO, HANA, IGOR, JULIA = (f"{name}@northwind.example" for name in ("bruno.sato", "hana.ito", "igor.petrov", "julia.mendes"))
MANY = 60

PLANTED = [
    # jobs
    "renamed job ping → ping planted",
    "field job pong /settings/timeout_seconds 0 → 77",
    "removed job quarter end",
    "added job planted",
    "field job weekly scoring /settings/tasks/planted null → {}",
    "field job per region /settings/max_concurrent_runs 1 → 7",
    "field job pooled /settings/parameters/planted null → {}",
    "field job from git /settings/git_source/git_branch \"main\" → \"planted\"",
    "field job tariffs on arrival /settings/email_notifications/on_failure null → []",
    "field job nightly settlement /settings/schedule/pause_status \"UNPAUSED\" → \"PAUSED\"",
    "field job nightly settlement /settings/tasks/load/max_retries 2 → 5",
    # compute
    "renamed cluster container → container planted",
    "field cluster georg's single node /autotermination_minutes 30 → 33",
    "field cluster georg's single node /spark_conf null → {}",
    "field cluster shared autoscale pinned true → null",
    "field cluster_libraries Grace: interactive /libraries null → []",
    "field instance_pool memory /idle_instance_autotermination_minutes 60 → 44",
    "added instance_pool planted",
    "field cluster_policy planted text /definition/autotermination_minutes/maxValue 60 → 90",
    "removed cluster_policy planted old",
    "added cluster_policy planted new",
    # people
    f"member group ingest-team +{HANA}",
    f"member group analysts -{JULIA}",
    "added group planted new",
    "removed group planted old",
    f"field user {BRUNO} /entitlements/allow-cluster-create null → {{}}",
    f"field user {IGOR} /active true → false",
    "added service_principal planted",
    "added directory /Users/(service principal)",
    "added user planted@northwind.example",
    "added directory /Users/planted@northwind.example",
    # secrets
    "added secret platform/planted",
    "removed secret platform/weather-api-key",
    "access secret_acl Ops principal ml-research +READ",
    "added secret_scope planted-new",
    "removed secret_scope planted-old",
    # who may do what
    f"access permissions job:dbt gold user {HANA} +CAN_MANAGE_RUN",
    "access permissions directory:/Shared/Reporting group ml-research +CAN_EDIT",
    f"access permissions cluster:georg's single node user {IGOR} +CAN_RESTART -CAN_ATTACH_TO",
    f"access permissions instance_pool:memory user {IGOR} -CAN_ATTACH_TO",
    f"access permissions notebook:{HOME}/access user {HANA} +CAN_RUN",
    # the tree
    f"cell notebook {HOME}/cells changed 2 → 2",
    f"cell notebook {HOME}/cells removed 3",
    f"cell notebook {HOME}/cells added 4",
    f"cell notebook {HOME}/jupyter changed 1 → 1",
    f"bytes notebook {HOME}/outputs",
    f"added notebook {HOME}/new",
    f"removed notebook {HOME}/old",
    f"replaced notebook {HOME}/anew",
    f"lines file {HOME}/text.yaml -b: 2 +b: 3",
    f"bytes file {HOME}/binary.bin",
    f"added file {HOME}/new.txt",
    f"removed file {HOME}/old.txt",
    "moved dbfs_file /FileStore/planted/here.bin → /FileStore/planted/there/here.bin",
    "lines dbfs_file /FileStore/planted/text.txt -one +two",
    "field global_init_script planted /script \"echo 1\\n\" → \"echo 2\\n\"",
    "field repo /Repos/ada.lind@northwind.example/playground /branch \"feature/second season\" → \"planted\"",
    f"renamed notebook {HOME}/name → {HOME}/other name",
    f"moved notebook {HOME}/place → /Shared/place",
    f"moved directory {HOME}/carry → /Shared/ML/carry with 3",
]


# --- what differs, in words -----------------------------------------------------------------------------------------------


def short(value):
    """Values that are not plain are told by their sort alone."""
    if isinstance(value, (dict, list)):
        return "{}" if isinstance(value, dict) else "[]"
    return json.dumps(value, ensure_ascii=False)


def words(change):
    """A change as `lifeboat diff --json` has it, one line for each thing that differs."""
    before, after, kind = change["before"], change["after"], change["kind"]
    name = (before or after)["name"]
    if kind == "service_principal":
        name = "planted"
    if kind == "directory" and re.fullmatch("/Users/[0-9a-f-]{36}", name):
        name = "/Users/(service principal)"
    if change["what"] != "changed":
        return [f"{change['what']} {kind} {name}"]
    lines = []
    both = f"{before['name']} → {after['name']}"
    along = f" with {change['along']}" if change["along"] else ""
    lines += [f"{word} {kind} {both}{along}" for word in ("renamed", "moved") if change[word]]
    lines += [f"replaced {kind} {name}"] if change["replaced"] else []
    for field in change["fields"]:
        lines.append(f"field {kind} {name} {field['at']} {short(field['before'])} → {short(field['after'])}")
    for one in change["access"]:
        levels = [f"+{level}" for level in one["gained"]] + [f"-{level}" for level in one["lost"]]
        lines.append(f"access {kind} {name} {one['sort']} {one['principal']} {' '.join(levels)}")
    for sign, list_of in (("+", "gained"), ("-", "lost")):
        lines += [f"member {kind} {name} {sign}{member}" for member in (change["members"] or {}).get(list_of, [])]
    if content := change["content"]:
        for cell in content["cells"]:
            places = " → ".join(str(cell[side]) for side in ("before", "after") if cell[side])
            lines.append(f"cell {kind} {name} {cell['what']} {places}")
        signed = [line for line in content["lines"] if line[0] in "+-"]
        if content["lines"]:
            lines.append(f"lines {kind} {name} {' '.join(signed)}")
        elif not content["cells"]:
            lines.append(f"bytes {kind} {name}")
    return lines


def told(diff):
    return sorted(line for change in diff["changes"] for line in words(change))


# --- the changes ----------------------------------------------------------------------------------------------------------


class World:
    """The workspace, by the official client."""

    def __init__(self, url, token):
        self.w = harness.client(url, token)

    def do(self, verb, path, body=None, **query):
        return self.w.api_client.do(verb, path, body=body, query=query)

    def job(self, name):
        return next(job for job in self.w.jobs.list(name=name)).job_id

    def cluster(self, name):
        return next(one for one in self.w.clusters.list() if one.cluster_name == name).cluster_id

    def pool(self, name):
        return next(one for one in self.w.instance_pools.list() if one.instance_pool_name == name)

    def policy(self, name):
        return next(one for one in self.w.cluster_policies.list() if one.name == name)

    def user(self, name):
        return next(self.w.users.list(filter=f'userName eq "{name}"'))

    def group(self, name):
        return next(self.w.groups.list(filter=f'displayName eq "{name}"'))

    def notebook(self, path, cells, language="python"):
        sign = {"python": "#", "sql": "--"}[language]
        text = f"{sign} Databricks notebook source\n" + f"\n\n{sign} COMMAND ----------\n\n".join(cells) + "\n"
        self.put(path, text.encode(), workspace.ImportFormat.SOURCE, workspace.Language[language.upper()])

    def put(self, path, data, shape=workspace.ImportFormat.AUTO, language=None):
        content = base64.b64encode(data).decode()
        self.w.workspace.import_(path=path, content=content, format=shape, language=language, overwrite=True)

    def jupyter(self, path, first, count):
        cell = lambda text, number: {
            "cell_type": "code", "id": number, "source": [text], "metadata": {}, "execution_count": count,
            "outputs": [{"output_type": "stream", "name": "stdout", "text": [f"{count}\n"]}],
        }
        document = {"cells": [cell(first, "a"), cell("print(x)", "b")], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        self.put(path, json.dumps(document).encode(), workspace.ImportFormat.JUPYTER)

    def edit_cluster(self, name, change):
        document = self.do("GET", "/api/2.1/clusters/get", cluster_id=self.cluster(name))
        spec = document.get("spec") or document
        change(spec)
        self.do("POST", "/api/2.1/clusters/edit", spec | {"cluster_id": document["cluster_id"]})

    def grant(self, sort, number, level, user=None, group=None):
        entry = iam.AccessControlRequest(user_name=user, group_name=group, permission_level=PermissionLevel[level])
        self.w.permissions.update(sort, str(number), access_control_list=[entry])

    def object_id(self, path):
        return self.w.workspace.get_status(path).object_id

    def patch(self, api, number, op, path, value=None):
        """`api` is that of users or groups."""
        operation = iam.Patch(op=iam.PatchOp[op], path=path, value=value)
        api.patch(number, operations=[operation], schemas=[iam.PatchSchema.URN_IETF_PARAMS_SCIM_API_MESSAGES_2_0_PATCH_OP])


def prepare(world):
    """What is there on both nights, or only on the first."""
    w = world.w
    w.workspace.mkdirs(f"{HOME}/carry/deep")
    for name in ("access", "old", "anew", "name", "place", "carry/one", "carry/deep/two"):
        world.notebook(f"{HOME}/{name}", [f"print({name!r})"])
    world.notebook(f"{HOME}/cells", ["import os", "a = 1\nb = 2\nc = 3", "print('gone')", "display(a)"])
    world.jupyter(f"{HOME}/jupyter", "x = 1", 1)
    world.jupyter(f"{HOME}/outputs", "x = 1", 1)
    world.put(f"{HOME}/text.yaml", b"a: 1\nb: 2\nc: 3\n")
    world.put(f"{HOME}/binary.bin", bytes(range(256)))
    world.put(f"{HOME}/old.txt", b"old\n")
    w.dbfs.mkdirs("/FileStore/planted")
    w.dbfs.upload("/FileStore/planted/here.bin", io.BytesIO(b"\0planted\xff"))
    w.dbfs.upload("/FileStore/planted/text.txt", io.BytesIO(b"one\n"))
    w.global_init_scripts.create(name="planted", script=base64.b64encode(b"echo 1\n").decode(), enabled=False)
    w.groups.create(display_name="planted old")
    w.secrets.create_scope("planted-old")
    definition = {"autotermination_minutes": {"type": "range", "maxValue": 60}, "num_workers": {"type": "fixed", "value": 1}}
    for name in ("planted text", "planted layout", "planted old"):
        w.cluster_policies.create(name=name, definition=json.dumps(definition))
    world.grant("clusters", world.cluster("georg's single node"), "CAN_ATTACH_TO", user=IGOR)
    world.grant("instance-pools", world.pool("memory").instance_pool_id, "CAN_ATTACH_TO", user=IGOR)
    members = {member.display or member.value for member in w.groups.get(world.group("analysts").id).members or []}
    if not any(JULIA in member for member in members):
        add = [{"value": world.user(JULIA).id}]
        world.patch(w.groups, world.group("analysts").id, "ADD", "members", add)


def plant_jobs(world):
    w = world.w
    update = lambda of, **new: w.jobs.update(world.job(of), new_settings=jobs.JobSettings(**new))
    update("pong", timeout_seconds=77)
    update("per region", max_concurrent_runs=7)
    update("pooled", parameters=[jobs.JobParameterDefinition(name="planted", default="x")])
    update("tariffs on arrival", email_notifications=jobs.JobEmailNotifications(on_failure=[HANA]))
    task = jobs.Task(task_key="planted", notebook_task=jobs.NotebookTask(notebook_path=f"{HOME}/access"))
    update("weekly scoring", tasks=[task])
    settings = w.jobs.get(world.job("from git")).settings
    settings.git_source.git_branch = "planted"
    update("from git", git_source=settings.git_source)
    settings = w.jobs.get(world.job("nightly settlement")).settings
    settings.schedule.pause_status = jobs.PauseStatus.PAUSED
    load = next(task for task in settings.tasks if task.task_key == "load")
    load.max_retries = 5
    update("nightly settlement", schedule=settings.schedule, tasks=[load])
    update("ping", name="ping planted")
    w.jobs.delete(world.job("quarter end"))
    w.jobs.create(name="planted", tasks=[task])
    # Another order, which means nothing.
    number = world.job("every kind of task")
    document = world.do("GET", "/api/2.2/jobs/get", job_id=number)
    document["settings"]["tasks"].reverse()
    document["settings"]["environments"].reverse()
    world.do("POST", "/api/2.2/jobs/reset", {"job_id": number, "new_settings": document["settings"]})


def plant_compute(world):
    w = world.w
    world.edit_cluster("container", lambda spec: spec.update(cluster_name="container planted"))

    def georg(spec):
        spec["autotermination_minutes"] = 33
        spec.setdefault("spark_conf", {})["spark.planted"] = "true"

    world.edit_cluster("georg's single node", georg)
    w.clusters.unpin(world.cluster("shared autoscale"))
    library = compute.Library(pypi=compute.PythonPyPiLibrary(package="planted==1.0"))
    w.libraries.install(world.cluster("Grace: interactive"), [library])
    pool = world.pool("memory")
    w.instance_pools.edit(
        pool.instance_pool_id, pool.instance_pool_name, pool.node_type_id, idle_instance_autotermination_minutes=44,
        min_idle_instances=pool.min_idle_instances, max_capacity=pool.max_capacity, custom_tags=pool.custom_tags,
    )
    w.instance_pools.create("planted", pool.node_type_id)
    edit = lambda name, change, **layout: w.cluster_policies.edit(
        world.policy(name).policy_id, name=name, definition=json.dumps(change(json.loads(world.policy(name).definition)), **layout)
    )

    def longer(definition):
        definition["autotermination_minutes"]["maxValue"] = 90
        return definition

    edit("planted text", longer)
    edit("planted layout", lambda definition: dict(reversed(list(definition.items()))), indent=8)
    w.cluster_policies.delete(world.policy("planted old").policy_id)
    w.cluster_policies.create(name="planted new", definition="{}")
    script = next(one for one in w.global_init_scripts.list() if one.name == "planted")
    w.global_init_scripts.update(script.script_id, name="planted", script=base64.b64encode(b"echo 2\n").decode())
    # What clusters do all day.
    for one in list(w.clusters.list()):
        if one.state == compute.State.TERMINATED and one.cluster_name == "lake keys":
            w.clusters.start(one.cluster_id)
        elif one.state == compute.State.RUNNING and one.cluster_name == "etl":
            w.clusters.restart(one.cluster_id)


def plant_people(world):
    w = world.w
    world.patch(w.groups, world.group("ingest-team").id, "ADD", "members", [{"value": world.user(HANA).id}])
    world.patch(w.groups, world.group("analysts").id, "REMOVE", f'members[value eq "{world.user(JULIA).id}"]')
    w.groups.create(display_name="planted new")
    w.groups.delete(world.group("planted old").id)
    world.patch(w.users, world.user(BRUNO).id, "ADD", "entitlements", [{"value": "allow-cluster-create"}])
    world.patch(w.users, world.user(IGOR).id, "REPLACE", "active", False)
    w.service_principals.create(display_name="planted")
    w.users.create(user_name="planted@northwind.example")
    w.secrets.put_secret("platform", "planted", string_value="anything")
    w.secrets.put_secret("platform", "metastore-password", string_value="another value")
    w.secrets.delete_secret("platform", "weather-api-key")
    w.secrets.put_acl("Ops", "ml-research", workspace.AclPermission.READ)
    w.secrets.create_scope("planted-new")
    w.secrets.delete_scope("planted-old")
    world.grant("jobs", world.job("dbt gold"), "CAN_MANAGE_RUN", user=HANA)
    world.grant("directories", world.object_id("/Shared/Reporting"), "CAN_EDIT", group="ml-research")
    world.grant("clusters", world.cluster("georg's single node"), "CAN_RESTART", user=IGOR)
    world.grant("notebooks", world.object_id(f"{HOME}/access"), "CAN_RUN", user=HANA)
    pool = world.pool("memory").instance_pool_id
    kept = []
    for entry in world.do("GET", f"/api/2.0/permissions/instance-pools/{pool}")["access_control_list"]:
        direct = [one for one in entry["all_permissions"] if not one.get("inherited")]
        who = {key: value for key, value in entry.items() if key.endswith("_name") and key != "display_name"}
        if direct and who.get("user_name") != IGOR and who.get("group_name") != "admins":
            kept.append(who | {"permission_level": direct[0]["permission_level"]})
    world.do("PUT", f"/api/2.0/permissions/instance-pools/{pool}", {"access_control_list": kept})


def plant_tree(world):
    w = world.w
    world.notebook(f"{HOME}/cells", ["import os", "a = 1\nb = 9\nc = 3", "display(a)", "# MAGIC %md planted"])
    world.jupyter(f"{HOME}/jupyter", "x = 2", 1)
    # Somebody ran it: its cells are the same, and its bytes are not.
    world.jupyter(f"{HOME}/outputs", "x = 1", 2)
    world.notebook(f"{HOME}/new", ["print('new')"])
    w.workspace.delete(f"{HOME}/old")
    w.workspace.delete(f"{HOME}/anew")
    world.notebook(f"{HOME}/anew", ["print('anew')"])
    world.put(f"{HOME}/text.yaml", b"a: 1\nb: 3\nc: 3\n")
    world.put(f"{HOME}/binary.bin", bytes(range(255, -1, -1)))
    world.put(f"{HOME}/new.txt", b"new\n")
    w.workspace.delete(f"{HOME}/old.txt")
    w.dbfs.delete("/FileStore/planted/here.bin")
    w.dbfs.mkdirs("/FileStore/planted/there")
    w.dbfs.upload("/FileStore/planted/there/here.bin", io.BytesIO(b"\0planted\xff"))
    w.dbfs.upload("/FileStore/planted/text.txt", io.BytesIO(b"two\n"), overwrite=True)
    repo = next(one for one in w.repos.list() if one.path.endswith("/playground"))
    w.repos.update(repo.id, branch="planted")
    # Saved again as it is.
    world.notebook("/Shared/planted/access", ["print('access')"])


def drag(folder):
    """What only the workspace's own pages do: objects under another path, with the ids that they had."""
    [place] = pathlib.Path(folder).rglob("state.json")
    state = json.loads(place.read_text())
    moves = [
        (f"{HOME}/name", f"{HOME}/other name"), (f"{HOME}/place", "/Shared/place"), (f"{HOME}/carry", "/Shared/ML/carry"),
    ]
    nodes = {}
    for key, node in state["tree"]["nodes"].items():
        path = key.replace("\0", "/")
        for old, new in moves:
            if path == old or path.startswith(f"{old}/"):
                path = new + path[len(old):]
        parent, _, name = path.rpartition("/")
        nodes[f"{parent}\0{name}"] = node
    state["tree"]["nodes"] = nodes
    place.write_text(json.dumps(state))


# --- the witness ----------------------------------------------------------------------------------------------------------


def compare(found, wanted, where):
    wanted = sorted(wanted)
    lacks = [line for line in wanted if line not in found]
    more = [line for line in found if line not in wanted]
    if found != wanted:
        raise Failure(f"{where}: not told: {json.dumps(lacks, indent=2, ensure_ascii=False)}\n"
                      f"told, and not planted: {json.dumps(more, indent=2, ensure_ascii=False)}")
    say(f"{where}: the {len(wanted)} planted changes, and nothing else")


def check():
    if len(PLANTED) != MANY or len(set(PLANTED)) != MANY:
        raise Failure(f"{len(set(PLANTED))} changes are planted, not {MANY}")
    folder = pathlib.Path(sys.argv[1])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    lifeboat, state = Lifeboat(folder / "run"), folder / "state"
    first, second = folder / "first.tar.zst", folder / "second.tar.zst"
    export = lambda target, url, token: lifeboat.run("export", "--unlimited", "-o", target, url=url, token=token, expect=(0, 3))
    with harness.simulator(folder / "night", "--seed", "sample", "--folder", state) as [one]:
        world = World(one["url"], one["token"])
        prepare(world)
        export(first, one["url"], one["token"])
        for plant in (plant_jobs, plant_compute, plant_people, plant_tree):
            plant(world)
    drag(state)
    with harness.simulator(folder / "day", "--folder", state) as [one]:
        export(second, one["url"], one["token"])
        diff = lambda *sides: json.loads(lifeboat.run("diff", *sides, "--json", url=one["url"], token=one["token"], expect=(4,)).stdout)
        bundles, back, live = diff(first, second), diff(second, first), diff(first)
        for name, found in (("bundles", bundles), ("back", back), ("live", live)):
            (folder / f"{name}.json").write_text(json.dumps(found, indent=1, ensure_ascii=False))
        same = lifeboat.run("diff", second, "--json", url=one["url"], token=one["token"], expect=(0, 3))
    compare(told(bundles), PLANTED, "two bundles")
    compare(told(live), PLANTED, "a bundle and the live workspace")
    if len(told(back)) != MANY or json.loads(same.stdout)["changes"]:
        raise Failure("with the sides exchanged something else is told, or of what is the same something differs")


if __name__ == "__main__":
    harness.main(check)
