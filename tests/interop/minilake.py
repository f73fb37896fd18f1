#!/usr/bin/env python3
"""Backs up and restores minilake, an emulator of the workspace API by other hands.

Seeds it through the official client, checks what it kept of that, exports, wipes it, imports, and compares what the client sees
before and after. What minilake loses by itself and what a restore changes on purpose stand below as data with reasons; what
else differs fails, and so does an expectation that is not met. A second import must change nothing.

    minilake.py               the journey
    minilake.py --self-test   no journey: checks that the comparison sees planted changes, and nothing else
"""

import base64
import contextlib
import io
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import urllib.request

from databricks.sdk.service import compute, iam, jobs, settings, workspace

import harness
from harness import Failure, Lifeboat, say
from inventory import KEPT_FOLDER, Expected, Reader, compare, judge
from recording_proxy import read_log, recording, writes

EMULATOR = pathlib.Path(sys.executable).parent / "minilake"
CALLER = "minilake-user"

# What is gone as soon as it was sent: minilake accepts these fields and forgets them.
FORGOTTEN = {
    "cluster": {
        "init_scripts", "cluster_log_conf", "data_security_mode", "single_user_name", "runtime_engine", "azure_attributes",
        "docker_image", "ssh_public_keys", "workload_type", "enable_local_disk_encryption", "enable_elastic_disk",
    },
    "notebook_task": {"source"},
    "spark_python_task": {"source"},
}

# What a restore changes on purpose.
INERT = [
    Expected("job", "/schedule/pause_status", "a restored schedule is paused", lambda old, new: new == "PAUSED"),
    Expected("job", "/continuous/pause_status", "a restored continuous job is paused", lambda old, new: new == "PAUSED"),
    Expected("job", "/trigger/pause_status", "a restored trigger is paused", lambda old, new: new == "PAUSED"),
    Expected("instance_pool", "/min_idle_instances", "a restored pool keeps no idle instances", lambda old, new: not new),
    Expected("global_init_script", "/enabled", "a restored script is disabled", lambda old, new: old is True and not new),
] + [
    # Here nobody is an admin.
    Expected(f"permissions of {kind}", f"/user:{CALLER}", "a caller who is no admin keeps what lets it manage its restore",
             lambda old, new: (old, new) == (None, "CAN_MANAGE"))
    for kind in ("cluster", "instance_pool")
]

# What minilake makes of a restore.
LOST = [
    Expected("permissions of job", f"/user:{CALLER}", "a job has an owner, but here nobody is one unless that is asked for",
             lambda old, new: (old, new) == ("CAN_MANAGE", "IS_OWNER")),
    Expected("secret_scope", "/keys", "values cannot be read, so that keys cannot be set", lambda old, new: old and not new),
    Expected("notification_destination", "", "recorded, not restored", lambda old, new: new is None),
    Expected("warehouse", "", "recorded, not restored", lambda old, new: new is None),
]


@contextlib.contextmanager
def emulator(folder):
    """minilake on a free port, with data of its own; it is never restarted, since it forgets kinds and ids then."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {
        "MINILAKE_DATA_DIR": str(folder / "minilake"),
        "MINILAKE_NOTEBOOK": "0",
        "MINILAKE_CLUSTER_START_DELAY": "0",  # else a cluster that was stopped while it started goes on starting
    }
    command = [EMULATOR, "--host", "127.0.0.1", "--port", port]
    with harness.server(command, folder / "minilake.log", stdout=subprocess.DEVNULL, env=environment) as process:
        url = f"http://127.0.0.1:{port}"
        harness.wait_until_healthy(f"{url}/_minilake/health", process)
        yield url


def wipe(url, client):
    """Takes everything away, and gives back what a workspace makes by itself: the home of who is signed in."""
    with urllib.request.urlopen(urllib.request.Request(f"{url}/_minilake/reset?full=true", method="POST"), timeout=30) as answer:
        answer.read()
    client.workspace.mkdirs(f"/Users/{CALLER}")


# --- the seed -------------------------------------------------------------------------------------------------------


def seed(client):
    """Objects of every kind that minilake has. Gives what was sent where it may forget something."""
    principals(client)
    tree(client)
    dbfs(client)
    secrets(client)
    pool = client.instance_pools.create(
        "small", "Standard_DS3_v2", min_idle_instances=2, max_capacity=10, custom_tags={"team": "grid"},
        idle_instance_autotermination_minutes=15,
    ).instance_pool_id
    fixed, sizes = {"type": "fixed", "value": pool, "hidden": True}, {"type": "range", "maxValue": 8}
    rules = json.dumps({"instance_pool_id": fixed, "num_workers": sizes})
    policy = client.cluster_policies.create(name="Grid small", definition=rules, max_clusters_per_user=3).policy_id
    clusters = make_clusters(client, pool, policy)
    scripts(client)
    recorded(client)
    made = make_jobs(client, clusters, pool, policy)
    guarded = {"clusters": clusters["plain"], "jobs": made["nightly"], "instance-pools": pool, "cluster-policies": policy}
    permissions(client, guarded)
    return {"clusters": clusters, "jobs": made}


def principals(client):
    anna = client.users.create(user_name="Anna@northwind.example", display_name="Anna Åkesson", active=True)
    bert = client.users.create(user_name="bert@northwind.example", display_name="Bert", active=True)
    robot = client.service_principals.create(application_id="6f1c6f0a-0d5e-4b53-9d4c-0c2f6a3f9a11", display_name="nightly-robot")
    member = lambda one: iam.ComplexValue(value=one.id)
    may = [iam.ComplexValue(value="allow-cluster-create")]
    inner = client.groups.create(display_name="grid-core", members=[member(anna), member(robot)], entitlements=may)
    client.groups.create(display_name="grid", members=[member(inner), member(bert)])


NOTEBOOKS = {
    "/Users/minilake-user/etl": "# Databricks notebook source\nprint('etl')\n",
    "/Shared/reports/Überblick 100% #1": "# Databricks notebook source\n# MAGIC %sql select 1\n",
    "/Shared/reports/deep/er/still/nb": "# Databricks notebook source\n\n# COMMAND ----------\n\nx = 'ß'\n",
    "/Shared/empty": "",
}
FILES = {
    "/Shared/lib/tool.whl": bytes(range(256)) * 300,
    "/Shared/lib/nothing.txt": b"",
    "/Shared/lib/looks_like_a_notebook.py": b"# Databricks notebook source\nprint('file')\n",
    "/Shared/init/setup.sh": b"#!/bin/bash\necho ready\n",
}


def tree(client):
    for path, text in NOTEBOOKS.items():
        client.workspace.import_(
            path, content=base64.b64encode(text.encode()).decode(), format=workspace.ImportFormat.SOURCE,
            language=workspace.Language.PYTHON, overwrite=True,
        )
    for path, data in FILES.items():  # the call by which the vendor's CLI makes files; minilake has no other
        client.api_client.do(
            "POST", "/api/2.0/workspace-files/import-file" + path.replace(" ", "%20"), query={"overwrite": "true"},
            headers={"Content-Type": "application/octet-stream"}, data=io.BytesIO(data),
        )
    client.workspace.mkdirs("/Shared/an empty folder")


def dbfs(client):
    files = {
        "/FileStore/jars/grid-1.0.jar": bytes(range(251)) * 9000,  # more than one block of 1 MiB
        "/databricks/scripts/old.sh": b"#!/bin/sh\n",
        "/FileStore/empty": b"",
    }
    for path, data in files.items():
        with client.dbfs.open(path, write=True, overwrite=True) as file:
            file.write(data)


def secrets(client):
    client.secrets.create_scope("grid")
    client.secrets.put_secret("grid", "storage-key", string_value="CANARY-minilake-secret")
    client.secrets.put_acl("grid", "grid-core", workspace.AclPermission.READ)
    client.secrets.put_acl("grid", "bert@northwind.example", workspace.AclPermission.WRITE)
    client.secrets.create_scope("unused")


def cluster_specs(pool, policy):
    """What is sent, in full, so that it shows what minilake forgets."""
    version = "15.4.x-scala2.12"
    init = [compute.InitScriptInfo(workspace=compute.WorkspaceStorageInfo(destination="/Shared/init/setup.sh"))]
    return {
        "plain": dict(
            cluster_name="plain", spark_version=version, node_type_id="Standard_DS3_v2", num_workers=2,
            autotermination_minutes=30,
            spark_conf={"spark.speculation": "true", "fs.key": "{{secrets/grid/storage-key}}"}, spark_env_vars={"STAGE": "prod"},
            custom_tags={"team": "grid"}, init_scripts=init, data_security_mode=compute.DataSecurityMode.SINGLE_USER,
            single_user_name="Anna@northwind.example", runtime_engine=compute.RuntimeEngine.PHOTON, enable_elastic_disk=True,
            cluster_log_conf=compute.ClusterLogConf(dbfs=compute.DbfsStorageInfo(destination="dbfs:/cluster-logs")),
            azure_attributes=compute.AzureAttributes(first_on_demand=1), ssh_public_keys=["ssh-ed25519 AAAA nobody"],
            workload_type=compute.WorkloadType(clients=compute.ClientsTypes(jobs=False, notebooks=True)),
            enable_local_disk_encryption=True, docker_image=compute.DockerImage(url="registry.example/grid:1"),
        ),
        "pooled": dict(
            cluster_name="pooled", spark_version=version, instance_pool_id=pool, driver_instance_pool_id=pool, policy_id=policy,
            autoscale=compute.AutoScale(min_workers=1, max_workers=4), autotermination_minutes=20,
        ),
        "twin-1": dict(cluster_name="twin", spark_version=version, node_type_id="Standard_DS3_v2", num_workers=1),
        "twin-2": dict(cluster_name="twin", spark_version=version, node_type_id="Standard_DS4_v2", num_workers=3),
    }


def make_clusters(client, pool, policy):
    made = {}
    for name, spec in cluster_specs(pool, policy).items():
        made[name] = client.clusters.create(**spec).response.cluster_id
        forgets("cluster", client.clusters.get(made[name]).as_dict(), spec)
    client.clusters.pin(made["pooled"])
    return made


def forgets(kind, kept, sent):
    """What was sent must have been kept, but for what is known to be forgotten; and that must really be."""
    gone = {name for name in sent if name not in kept}
    if surprise := gone ^ (FORGOTTEN[kind] & set(sent)):
        raise Failure(f"minilake forgets other fields of a {kind} than FORGOTTEN says: {sorted(surprise)}")


def scripts(client):
    encode = lambda text: base64.b64encode(text.encode()).decode()
    client.global_init_scripts.create("proxy settings", encode("#!/bin/sh\nexport A=1\n"), enabled=True, position=0)
    client.global_init_scripts.create("certificates", encode("#!/bin/sh\nupdate-ca-certificates\n"), enabled=False, position=1)


def recorded(client):
    """What jobs refer to and this version does not restore."""
    client.warehouses.create(name="reporting", cluster_size="2X-Small", max_num_clusters=1)
    client.notification_destinations.create(
        display_name="on-call", config=settings.Config(email=settings.EmailConfig(addresses=["on-call@northwind.example"]))
    )


def make_jobs(client, clusters, pool, policy):
    notebook = jobs.NotebookTask("/Shared/reports/Überblick 100% #1", base_parameters={"day": "1"}, source=jobs.Source.WORKSPACE)
    file = jobs.SparkPythonTask("/Shared/lib/looks_like_a_notebook.py", parameters=["--fast"], source=jobs.Source.WORKSPACE)
    small = compute.ClusterSpec(spark_version="15.4.x-scala2.12", policy_id=policy, num_workers=1, instance_pool_id=pool)
    nightly = client.jobs.create(
        name="nightly", max_concurrent_runs=1, tags={"team": "grid"},
        schedule=jobs.CronSchedule("0 0 2 * * ?", "Europe/Stockholm", pause_status=jobs.PauseStatus.UNPAUSED),
        tasks=[
            jobs.Task("extract", notebook_task=notebook, existing_cluster_id=clusters["pooled"]),
            jobs.Task("load", spark_python_task=file, depends_on=[jobs.TaskDependency("extract")], job_cluster_key="small"),
        ],
        job_clusters=[jobs.JobCluster("small", small)],
    ).job_id
    forget_task(client, nightly, "notebook_task", notebook)
    made = {"nightly": nightly, "loop": client.jobs.create(name="loop", continuous=jobs.Continuous(), tasks=[
        jobs.Task("again", run_job_task=jobs.RunJobTask(nightly))]).job_id}
    arrival = jobs.FileArrivalTriggerConfiguration(url="abfss://in@store.dfs.core.windows.net/")
    client.jobs.create(name="on arrival", trigger=jobs.TriggerSettings(file_arrival=arrival), tasks=[
        jobs.Task("each", for_each_task=jobs.ForEachTask("[1,2]", jobs.Task("run", run_job_task=jobs.RunJobTask(made["loop"]))))])
    inner = jobs.Task("twin", existing_cluster_id=clusters["twin-2"], notebook_task=notebook)
    for parameter in ("a", "b"):
        client.jobs.create(name="same name", description=f"variant {parameter}", tasks=[inner])
    return made


def forget_task(client, job, field, sent):
    kept = next(task for task in client.jobs.get(job).settings.tasks if getattr(task, field)).as_dict()[field]
    forgets(field, kept, {name: value for name, value in sent.as_dict().items() if value is not None})


def permissions(client, objects):
    for object_type, object_id in objects.items():
        level = iam.PermissionLevel.CAN_ATTACH_TO if object_type in ("clusters", "instance-pools") else None
        level = level or (iam.PermissionLevel.CAN_USE if object_type == "cluster-policies" else iam.PermissionLevel.CAN_VIEW)
        entries = [
            iam.AccessControlRequest(group_name="grid-core", permission_level=level),
            iam.AccessControlRequest(user_name="bert@northwind.example", permission_level=level),
        ]
        if object_type == "jobs":
            entries.append(iam.AccessControlRequest(user_name=CALLER, permission_level=iam.PermissionLevel.IS_OWNER))
        client.permissions.set(object_type, str(object_id), access_control_list=entries)


# --- the check ------------------------------------------------------------------------------------------------------


def read(client):
    return Reader(client, formats=("SOURCE",)).read()


def check():
    with tempfile.TemporaryDirectory(prefix="lifeboat-minilake-") as name:
        folder = pathlib.Path(name)
        with emulator(folder) as url:
            client = harness.client(url)
            seed(client)
            before = read(client)
            counts = {kind: len(documents) for kind, documents in before.documents.items()}
            say(f"seeded: {counts}")
            if "--self-test" in sys.argv:
                self_test(url, client, before)
            else:
                journey(folder, url, client, before)


def self_test(url, client, before):
    """The same seed twice is the same; each planted change is seen where it was made, and nothing else."""
    wipe(url, client)
    made = seed(client)
    if same := compare(before, read(client)):
        raise Failure("the same seed twice differs:\n  " + "\n  ".join(map(str, same)))
    planted = plant(client, made)
    found = [(one.kind, one.name, one.at) for one in compare(before, read(client))]
    if set(found) != planted or len(found) != len(planted):
        raise Failure(f"planted {sorted(planted)}\n  found {sorted(found)}")
    say(f"{len(planted)} planted changes, all found")


def plant(client, made):
    """Changes a little of everything; gives the places where that must show."""
    text = base64.b64encode(b"# Databricks notebook source\nprint('changed')\n").decode()
    python = {"format": workspace.ImportFormat.SOURCE, "language": workspace.Language.PYTHON}
    client.workspace.import_("/Users/minilake-user/etl", content=text, overwrite=True, **python)
    client.workspace.delete("/Shared/lib/nothing.txt")
    client.workspace.mkdirs("/Shared/new")
    client.dbfs.delete("/FileStore/empty")
    group = next(one for one in client.groups.list() if one.display_name == "grid")
    client.groups.patch(group.id, operations=[iam.Patch(op=iam.PatchOp.REPLACE, path="members", value=[])])
    client.secrets.put_acl("grid", "grid-core", workspace.AclPermission.MANAGE)
    client.jobs.update(made["jobs"]["nightly"], new_settings=jobs.JobSettings(name="nightly", max_concurrent_runs=7))
    client.clusters.edit(**cluster_specs(None, None)["twin-1"] | {"num_workers": 9}, cluster_id=made["clusters"]["twin-1"])
    client.permissions.update("jobs", str(made["jobs"]["nightly"]), access_control_list=[
        iam.AccessControlRequest(group_name="grid", permission_level=iam.PermissionLevel.CAN_MANAGE)])
    return {
        ("notebook", "/Users/minilake-user/etl", "/SOURCE"),
        ("file", "/Shared/lib/nothing.txt", ""),
        ("directory", "/Shared/new", ""),
        ("dbfs_file", "/FileStore/empty", ""),
        ("group", "grid", "/members"),
        ("secret_scope", "grid", "/acls/grid-core"),
        ("job", "nightly", "/max_concurrent_runs"),
        ("cluster", "twin", "/num_workers"),
        ("permissions of job", "nightly", "/group:grid"),
    }


def journey(folder, url, client, before):
    lifeboat, bundle = Lifeboat(folder / "first"), folder / "minilake.tar.zst"
    log = os.environ.get("WITNESS_REQUESTS", str(folder / "requests")) + ".minilake.jsonl"
    with recording(url, log) as proxy:
        lifeboat.run("export", "-o", bundle, url=proxy, expect=(0, 3))
        lifeboat.run("verify", "--full", bundle)
        wipe(url, client)
        same = lifeboat.flag("import", "--allow-same")
        looked = len(read_log(log))
        checked = lifeboat.run("check", bundle, same, url=proxy, expect=(3, 4))
        unknown = "could not check" in checked.stdout.decode()
        check_wrote = writes(read_log(log)[looked:])
        lifeboat.run("import", bundle, "--yes", same, "--report", folder / "report.json", url=proxy, expect=(0, 3))
        after, sent = read(client), len(read_log(log))
        elsewhere = Lifeboat(folder / "second")  # another machine, with no memory of the first
        elsewhere.run("import", bundle, "--yes", same, url=proxy, expect=(0, 3))
    again, repeated = read(client), writes(read_log(log)[sent:])
    faults = judge(compare(before, after), INERT + LOST + [KEPT_FOLDER], "restored against seeded")
    faults += [f"the second import changed {one}" for one in compare(after, again, same_ids=True)]
    faults += [f"cluster {one} is {state}" for one, state in after.states.items() if not state.startswith("TERMINAT")]
    faults += [f"the second import wrote: {one['method']} {one['path']}" for one in repeated]
    faults += [f"the check wrote: {one['method']} {one['path']}" for one in check_wrote]
    faults += [] if unknown else ["the check does not say what minilake does not answer"]
    if faults:
        raise Failure("\n  ".join([f"{len(faults)} faults", *faults]))


if __name__ == "__main__":
    harness.main(check)
