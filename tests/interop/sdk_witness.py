"""The official Databricks SDK reads and writes the embedded workspace: whatever it cannot read is a fault of ours.

Wants DATABRICKS_HOST and DATABRICKS_TOKEN of a simulator that was seeded with the sample, and `pip install databricks-sdk`.
To start one: `cargo test --test it serve_the_sample -- --ignored` (LIFEBOAT_SIMULATOR_ADDRESS says where).
Prints one line for each kind; leaves with 1 if any went wrong. It changes the workspace, and resets it at the end.
"""

import base64
import io
import sys
import traceback

from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import BadRequest, DatabricksError, InvalidParameterValue, NotFound, PermissionDenied, ResourceAlreadyExists, ResourceConflict
from databricks.sdk.service import compute, iam, jobs, workspace as ws

w = WorkspaceClient()
CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def same(seen, wanted, what=""):
    assert seen == wanted, f"{what}: saw {seen!r}, wanted {wanted!r}"


def refused(kind, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except kind as error:
        return error
    raise AssertionError(f"{getattr(call, '__name__', call)} was not refused")


@check
def identity():
    me = w.current_user.me()
    if w.config.auth_type == "pat":
        assert "admins" in [group.display for group in me.groups], me
    else:
        assert me.user_name, me
    assert w.get_workspace_id() > 0
    users = list(w.users.list())
    same(len({user.user_name for user in users}), 12, "users")
    same([user.user_name for user in users if user.active is False], ["emil.novak@northwind.example"])
    found = list(w.users.list(filter='userName eq "grace.okafor@northwind.example"'))
    same([user.user_name for user in found], ["Grace.Okafor@Northwind.example"])
    groups = {group.display_name: group for group in w.groups.list()}
    same(len(groups), 8, "groups")
    inner = w.groups.get(groups["ingest-team"].id)
    assert any(member.ref.startswith("ServicePrincipals/") for member in inner.members), inner
    same({above.display: above.type for above in inner.groups}, {"data-engineers": "direct", "data-platform": "indirect"})
    principals = list(w.service_principals.list())
    same(len(principals), 3, "service principals")
    assert all(len(one.application_id) == 36 for one in principals)

    made = w.users.create(user_name="Witness@Northwind.example", display_name="Witness")
    same(made.user_name, "witness@northwind.example")
    refused(ResourceConflict, w.users.create, user_name="WITNESS@northwind.example")
    same(w.workspace.get_status("/Users/witness@northwind.example").object_type, ws.ObjectType.DIRECTORY)
    group = w.groups.create(display_name="witnesses")
    patch = iam.Patch(op=iam.PatchOp.ADD, path="members", value=[{"value": made.id}])
    schemas = [iam.PatchSchema.URN_IETF_PARAMS_SCIM_API_MESSAGES_2_0_PATCH_OP]
    w.groups.patch(group.id, operations=[patch], schemas=schemas)
    same([member.value for member in w.groups.get(group.id).members], [made.id])
    patch = iam.Patch(op=iam.PatchOp.REMOVE, path=f'members[value eq "{made.id}"]')
    w.groups.patch(group.id, operations=[patch], schemas=schemas)
    same(w.groups.get(group.id).members or [], [])
    patch = iam.Patch(op=iam.PatchOp.ADD, path="entitlements", value=[{"value": "allow-cluster-create"}])
    w.groups.patch(group.id, operations=[patch], schemas=schemas)
    same([right.value for right in w.groups.get(group.id).entitlements], ["allow-cluster-create"])
    service = w.service_principals.create(display_name="witness", entitlements=[iam.ComplexValue(value="workspace-access")])
    same([right.value for right in w.service_principals.get(service.id).entitlements], ["workspace-access"])
    w.service_principals.delete(service.id)
    w.users.patch(made.id, operations=[iam.Patch(op=iam.PatchOp.REPLACE, path="active", value=[{"value": "false"}])], schemas=schemas)
    same(w.users.get(made.id).active, False)
    w.groups.delete(group.id)
    refused(NotFound, w.groups.get, group.id)


@check
def tree():
    listed = list(w.workspace.list("/Shared/twins"))
    kinds = {one.path.rsplit("/", 1)[1]: one.object_type for one in listed}
    same(kinds, {"A": ws.ObjectType.NOTEBOOK, "a": ws.ObjectType.NOTEBOOK, "A.py": ws.ObjectType.FILE, "looks_like_a_notebook.py": ws.ObjectType.FILE})
    same(list(w.workspace.list("/Shared/Ingest/empty landing")), [])
    everything = list(w.workspace.list("/", recursive=True))
    same(sum(one.object_type == ws.ObjectType.NOTEBOOK for one in everything) >= 39, True, "notebooks")
    assert any(one.object_type is None for one in everything), "an object type that the SDK does not know"
    assert any(one.object_type == ws.ObjectType.REPO for one in everything)
    wheel = w.workspace.download("/Shared/libs/northwind_meters-1.4.2-py3-none-any.whl", format=ws.ExportFormat.AUTO).read()
    same(wheel[:2], b"PK")
    source = base64.b64decode(w.workspace.export("/Shared/Curated/Größen/einheiten", format=ws.ExportFormat.SOURCE).content)
    assert source.startswith(b"# Databricks notebook source\n") and not source.endswith(b"\n"), source
    w.workspace.mkdirs("/Shared/witness")
    w.workspace.upload("/Shared/witness/n", io.BytesIO(b"-- Databricks notebook source\nSELECT 1\n"), format=ws.ImportFormat.SOURCE, language=ws.Language.SQL)
    same(w.workspace.get_status("/Shared/witness/n").language, ws.Language.SQL)
    refused(DatabricksError, w.workspace.upload, "/Shared/witness/n", io.BytesIO(b"x"), format=ws.ImportFormat.RAW, overwrite=True)
    w.workspace.upload("/Shared/witness/f.py", io.BytesIO(source), format=ws.ImportFormat.RAW)
    same(w.workspace.get_status("/Shared/witness/f.py").object_type, ws.ObjectType.FILE)
    same(w.workspace.get_status("/Shared/witness/f.py").size, len(source))
    w.workspace.upload("/Shared/witness/g.py", io.BytesIO(source), format=ws.ImportFormat.AUTO)
    same(w.workspace.get_status("/Shared/witness/g").object_type, ws.ObjectType.NOTEBOOK)
    refused(NotFound, w.workspace.get_status, "/Shared/nothing")
    refused(BadRequest, w.workspace.delete, "/Shared/witness")
    w.workspace.delete("/Shared/witness", recursive=True)
    refused(NotFound, lambda: list(w.workspace.list("/Shared/witness")))


@check
def files():
    same({file.path for file in w.dbfs.list("dbfs:/FileStore/jars")}, {"/FileStore/jars/geo", "/FileStore/jars/settle-2.1.jar"})
    body = bytes(range(256)) * 9000
    w.dbfs.upload("dbfs:/tmp/witness.bin", io.BytesIO(body), overwrite=True)
    same(w.dbfs.download("/tmp/witness.bin").read(), body)
    refused(ResourceAlreadyExists, w.dbfs.put, "/tmp/witness.bin", contents="")
    w.dbfs.delete("/tmp", recursive=True)
    inbox = [entry.name for entry in w.files.list_directory_contents("/Volumes/energy/raw/inbox")]
    same(inbox, ["meter file #1.json"])
    w.files.create_directory("/Volumes/energy/raw/inbox/new folder/deep")
    w.files.upload("/Volumes/energy/raw/inbox/new folder/a %.bin", io.BytesIO(body), overwrite=True)
    same(w.files.download("/Volumes/energy/raw/inbox/new folder/a %.bin").contents.read(), body)
    same(w.files.get_metadata("/Volumes/energy/raw/inbox/new folder/a %.bin").content_length, len(body))
    refused(NotFound, w.files.create_directory, "/Volumes/energy/none/x")
    w.files.delete("/Volumes/energy/raw/inbox/new folder/a %.bin")


@check
def clusters():
    every = list(w.clusters.list(page_size=2))
    same(len({one.cluster_id for one in every}), 9, "clusters")
    same(sum(one.cluster_source == compute.ClusterSource.JOB for one in every), 1)
    pinned = list(w.clusters.list(filter_by=compute.ListClustersFilterBy(is_pinned=True)))
    same(len(pinned), 3, "pinned clusters")
    shared = next(one for one in every if one.cluster_name == "shared autoscale")
    got = w.clusters.get(shared.cluster_id)
    same(got.spec.autoscale.max_workers, 8)
    same(got.init_scripts[1].volumes.destination, "/Volumes/energy/ops/scripts/tune_kernel.sh")
    pool = next(iter(w.instance_pools.list())).instance_pool_id
    version = w.clusters.select_spark_version(long_term_support=True)
    machines = w.clusters.list_node_types().node_types
    node = machines[0].node_type_id
    same({one.node_info.status for one in machines}, {None}, "node types that cannot be had")
    same(w.clusters.list_zones().default_zone, "1")
    refused(InvalidParameterValue, w.clusters.create, spark_version=version, cluster_name="x", instance_pool_id=pool, node_type_id=node, num_workers=1)
    refused(InvalidParameterValue, w.clusters.create, spark_version=version, node_type_id=node, num_workers=1, policy_id="DEAD00000000BEEF")
    made = w.clusters.create(spark_version=version, cluster_name="witness", node_type_id=node, num_workers=0, autotermination_minutes=30).response
    same(w.clusters.get(made.cluster_id).state, compute.State.PENDING)
    w.clusters.delete(made.cluster_id)
    w.clusters.wait_get_cluster_terminated(made.cluster_id)
    w.clusters.edit(made.cluster_id, spark_version=version, cluster_name="witness 2", node_type_id=node, num_workers=3)
    same(w.clusters.get(made.cluster_id).spec.num_workers, 3)
    w.clusters.pin(made.cluster_id)
    refused(BadRequest, w.clusters.permanent_delete, made.cluster_id)
    w.clusters.change_owner(made.cluster_id, "ada.lind@northwind.example")
    same(w.clusters.get(made.cluster_id).creator_user_name, "ada.lind@northwind.example")
    w.libraries.install(made.cluster_id, [compute.Library(pypi=compute.PythonPyPiLibrary("a")), compute.Library(whl="/Workspace/a.whl")])
    status = list(w.libraries.cluster_status(made.cluster_id))
    same([one.status for one in status], [compute.LibraryInstallStatus.PENDING] * 2)
    same(len(list(w.libraries.all_cluster_statuses())), 6, "clusters with libraries")
    w.clusters.unpin(made.cluster_id)
    w.clusters.permanent_delete(made.cluster_id)
    refused(DatabricksError, w.clusters.get, made.cluster_id)


@check
def switches():
    same(w.workspace_conf.get_status("enableTokensConfig"), {"enableTokensConfig": None, "undocumented_note": {"since": "2026-06", "level": 3}})
    w.workspace_conf.set_status({"enableTokensConfig": "true"})
    same(w.workspace_conf.get_status("enableTokensConfig")["enableTokensConfig"], "true")
    refused(BadRequest, w.workspace_conf.get_status, "enableMagic")


@check
def pools_policies_scripts():
    pools = {pool.instance_pool_name: pool for pool in w.instance_pools.list()}
    same(set(pools), {"general purpose", "memory", "drivers"})
    refused(InvalidParameterValue, w.instance_pools.create, "memory", "Standard_DS3_v2")
    made = w.instance_pools.create("witness", "Standard_DS3_v2", min_idle_instances=0)
    w.instance_pools.edit(made.instance_pool_id, "witness", "Standard_DS3_v2", max_capacity=5)
    same(w.instance_pools.get(made.instance_pool_id).max_capacity, 5)
    w.instance_pools.delete(made.instance_pool_id)
    refused(NotFound, w.instance_pools.get, made.instance_pool_id)

    policies = {policy.name: policy for policy in w.cluster_policies.list()}
    same(len(policies), 11, "policies")
    same(sum(bool(policy.is_default) for policy in policies.values()), 4, "default policies")
    merged = policies["job compute, small"]
    assert merged.definition and merged.policy_family_id == "job-cluster" and "Standard_DS3_v2" in merged.definition
    refused(InvalidParameterValue, w.cluster_policies.create, name="x", definition=merged.definition, policy_family_id="job-cluster")
    refused(InvalidParameterValue, w.cluster_policies.create, name="with libraries", definition="{}")
    refused(InvalidParameterValue, w.cluster_policies.delete, policies["Personal Compute"].policy_id)
    made = w.cluster_policies.create(name="witness", definition='{"num_workers":{"type":"fixed","value":1}}')
    w.cluster_policies.edit(made.policy_id, name="witness 2", definition="{}")
    same(w.cluster_policies.get(made.policy_id).name, "witness 2")
    w.cluster_policies.delete(made.policy_id)
    same({family.policy_family_id for family in w.policy_families.list(max_results=1)}, {"personal-vm", "power-user", "shared-compute", "job-cluster"})
    same(list(w.instance_profiles.list()), [])
    arn = "arn:aws:iam::123456789012:instance-profile/witness"
    w.instance_profiles.add(arn, skip_validation=True)
    refused(ResourceAlreadyExists, w.instance_profiles.add, arn)
    same([profile.instance_profile_arn for profile in w.instance_profiles.list()], [arn])
    w.instance_profiles.remove(arn)

    scripts = list(w.global_init_scripts.list())
    same([(script.name, script.position, script.enabled) for script in scripts], [("proxy settings", 0, True), ("corporate-ca", 1, True), ("audit_agent", 2, False), ("time.sync", 3, True)])
    made = w.global_init_scripts.create("witness", base64.b64encode(b"#!/bin/bash\n").decode(), position=1)
    same([script.position for script in w.global_init_scripts.list()], [0, 1, 2, 3, 4])
    got = w.global_init_scripts.get(made.script_id)
    same((got.position, got.enabled, base64.b64decode(got.script)), (1, False, b"#!/bin/bash\n"))
    w.global_init_scripts.delete(made.script_id)


@check
def all_jobs():
    every = list(w.jobs.list(limit=4))
    same(len({job.job_id for job in every}), 25, "jobs")
    assert all(job.job_id > 2**53 for job in every)
    wide = w.jobs.get(next(job.job_id for job in every if job.settings.name == "two hundred and fifty meters"))
    same((len(wide.settings.tasks), len(wide.settings.job_clusters)), (250, 3))
    same(len(list(w.jobs.list(name="SETTLE"))), 2, "jobs of one name")
    triggers = w.jobs.get(next(job.job_id for job in every if job.settings.name == "many triggers")).settings.triggers
    same([one.pause_status for one in triggers], [jobs.PauseStatus.UNPAUSED, jobs.PauseStatus.PAUSED, jobs.PauseStatus.UNPAUSED])
    ping = w.jobs.get(next(job.job_id for job in every if job.settings.name == "ping"))
    pong = w.jobs.get(ping.settings.tasks[0].for_each_task.task.run_job_task.job_id)
    same(pong.settings.tasks[1].run_job_task.job_id, ping.job_id)

    task = jobs.Task(task_key="one", notebook_task=jobs.NotebookTask("/Shared/twins/A"))
    made = w.jobs.create(name="witness", tasks=[task], continuous=jobs.Continuous())
    got = w.jobs.get(made.job_id)
    same(got.settings.continuous.pause_status, jobs.PauseStatus.UNPAUSED, "an omitted pause_status")
    same(got.settings.tasks[0].notebook_task.source, jobs.Source.WORKSPACE)
    w.jobs.update(made.job_id, new_settings=jobs.JobSettings(tasks=[jobs.Task(task_key="two", run_job_task=jobs.RunJobTask(made.job_id))]), fields_to_remove=["continuous"])
    got = w.jobs.get(made.job_id)
    same(([one.task_key for one in got.settings.tasks], got.settings.continuous), (["one", "two"], None))
    w.jobs.reset(made.job_id, jobs.JobSettings(name="witness 2", tasks=[task]))
    same((len(w.jobs.get(made.job_id).settings.tasks), w.jobs.get(made.job_id).settings.name), (1, "witness 2"))
    lost = jobs.Task(task_key="x", existing_cluster_id="none", notebook_task=task.notebook_task)
    refused(InvalidParameterValue, w.jobs.create, tasks=[lost])
    w.jobs.delete(made.job_id)
    refused(DatabricksError, w.jobs.get, made.job_id)


@check
def secrets():
    scopes = {scope.name: scope for scope in w.secrets.list_scopes()}
    same(set(scopes), {"platform", "Ops", "kv-northwind", "empty-scope"})
    same(scopes["kv-northwind"].backend_type, ws.ScopeBackendType.AZURE_KEYVAULT)
    assert scopes["kv-northwind"].keyvault_metadata.dns_name.endswith("vault.azure.net/")
    same(len(list(w.secrets.list_secrets("platform"))), 5)
    same((list(w.secrets.list_secrets("empty-scope")), list(w.secrets.list_acls("empty-scope"))), ([], []))
    refused(BadRequest, w.secrets.get_secret, "platform", "weather-api-key")
    refused(BadRequest, w.secrets.put_secret, "kv-northwind", "x", string_value="y")
    w.secrets.create_scope("witness")
    refused(ResourceAlreadyExists, w.secrets.create_scope, "WITNESS")
    same([acl.permission for acl in w.secrets.list_acls("witness")], [ws.AclPermission.MANAGE])
    w.secrets.put_secret("witness", "k", bytes_value=base64.b64encode(b"\xff").decode())
    w.secrets.put_acl("witness", "analysts", ws.AclPermission.READ)
    same(w.secrets.get_acl("witness", "analysts").permission, ws.AclPermission.READ)
    w.secrets.delete_scope("witness")
    refused(NotFound, lambda: list(w.secrets.list_secrets("witness")))


@check
def permissions():
    job = next(iter(w.jobs.list(name="pooled"))).job_id
    owner = iam.AccessControlRequest(user_name="ada.lind@northwind.example", permission_level=iam.PermissionLevel.IS_OWNER)
    view = iam.AccessControlRequest(group_name="analysts", permission_level=iam.PermissionLevel.CAN_VIEW)
    refused(InvalidParameterValue, w.permissions.set, "jobs", str(job), access_control_list=[view])
    w.permissions.set("jobs", str(job), access_control_list=[owner, view])
    rows = w.permissions.get("jobs", str(job)).access_control_list
    direct = {row.user_name or row.group_name: entry.permission_level for row in rows for entry in row.all_permissions if not entry.inherited}
    same(direct, {"ada.lind@northwind.example": iam.PermissionLevel.IS_OWNER, "analysts": iam.PermissionLevel.CAN_VIEW})
    stranger = iam.AccessControlRequest(user_name="no@one", permission_level=iam.PermissionLevel.CAN_VIEW)
    refused(NotFound, w.permissions.update, "jobs", str(job), access_control_list=[stranger])
    folder = w.workspace.get_status("/Shared/Ingest/Smart meters")
    rows = w.permissions.get("directories", str(folder.object_id)).access_control_list
    analysts = next(row for row in rows if row.group_name == "analysts")
    same([(entry.permission_level.value, entry.inherited) for entry in analysts.all_permissions], [("CAN_READ", True), ("CAN_RUN", False)])
    levels = w.permissions.get_permission_levels("clusters", next(iter(w.clusters.list())).cluster_id).permission_levels
    same([level.permission_level.value for level in levels], ["CAN_ATTACH_TO", "CAN_RESTART", "CAN_MANAGE"])
    refused(DatabricksError, w.permissions.set, "directories", str(w.workspace.get_status("/Shared").object_id), access_control_list=[])
    passwords = w.permissions.get("authorization", "tokens")
    same({row.group_name for row in passwords.access_control_list}, {"admins", "users"})


@check
def git_folders():
    same(len(list(w.repos.list())), 2, "classic repos under /Repos")
    every = list(w.repos.list(path_prefix="/Workspace"))
    same(len(every), 4, "classic repos")
    sparse = next(repo for repo in every if repo.path == "/Shared/ML/sparse-models")
    same(sparse.sparse_checkout.patterns, ["src/", "README.md"])
    newer = w.workspace.get_status("/Users/bruno.sato@northwind.example/meter-tools")
    same((newer.object_type, w.repos.get(newer.object_id).branch), (ws.ObjectType.DIRECTORY, "dev"))
    w.workspace.mkdirs("/Repos/witness")
    made = w.repos.create("https://github.com/a/b.git", "gitHub", path="/Repos/witness/b")
    w.repos.update(made.id, branch="dev")
    same(w.repos.get(made.id).branch, "dev")
    same(len(list(w.workspace.list("/Repos/witness/b"))), 2)
    refused(NotFound, w.repos.create, "https://github.com/a/b.git", "gitHub", path="/Repos/nobody/b")
    w.repos.delete(made.id)
    refused(NotFound, w.workspace.get_status, "/Repos/witness/b")
    same([one.git_provider for one in w.git_credentials.list()], ["azureDevOpsServices"])


@check
def shown_only():
    same({one.name for one in w.warehouses.list()}, {"Serverless Starter Warehouse", "bi"})
    pipelines = list(w.pipelines.list_pipelines(max_results=1))
    same(len(pipelines), 2, "pipelines")
    same(w.pipelines.get(pipelines[1].pipeline_id).spec.continuous, True)
    same({one.display_name for one in w.notification_destinations.list()}, {"ops mail", "pager", "grid channel"})
    same(len(list(w.queries.list(page_size=1))), 2, "queries")
    same(len(list(w.alerts.list())), 1, "alerts")
    dashboard = next(iter(w.lakeview.list()))
    same(dashboard.path, None, "a list is short of fields")
    assert w.lakeview.get(dashboard.dashboard_id).serialized_dashboard
    refused(NotFound, lambda: list(w.serving_endpoints.list()))


@check
def refusals_as_exceptions():
    error = refused(DatabricksError, w.api_client.do, "GET", "/api/2.0/no/such/thing")
    same(error.error_code, "ENDPOINT_NOT_FOUND")
    fault = {"path": "/api/2.0/secrets/scopes/list", "action": {"error": {"status": 403, "code": "PERMISSION_DENIED", "message": "no", "shape": "standard"}}}
    w.api_client.do("POST", "/_simulator/faults", body=fault)
    refused(PermissionDenied, lambda: list(w.secrets.list_scopes()))
    throttle = {"path": "/api/2.0/secrets/scopes/list", "action": {"status": {"status": 429, "retry_after": {"seconds": 0}}}}
    w.api_client.do("POST", "/_simulator/faults", body=throttle)
    same(len(list(w.secrets.list_scopes())), 4, "a throttled call is tried again")


def main():
    failed = 0
    w.api_client.do("POST", "/_simulator/reset", body={})
    for function in CHECKS:
        try:
            function()
            print(f"ok      {function.__name__}")
        except Exception:
            failed += 1
            print(f"FAILED  {function.__name__}")
            traceback.print_exc()
    w.api_client.do("POST", "/_simulator/reset", body={})
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
