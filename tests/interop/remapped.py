#!/usr/bin/env python3
"""Shows for every field that names something else that it leads to the target's own thing after a restore.

The fields are those of the official SDK's dataclasses of which the table of kinds says what they name (`reference_coverage.py`
sees to it that it says something of each). For each field, and each sort of thing that it may name, an object is made in a
source workspace whose field names such a thing. The workspace is exported and restored into one where all things have
other ids, and under rules that give other names and paths to the rest. Then the official client must find in the field
what the client itself calls that very thing in the target. No field has an expectation of its own.

What cannot be made or shown stands in REASONS; a reason that excuses nothing fails.

    remapped.py FOLDER        leaves bundle, rules and report there
"""

import base64
import fnmatch
import json
import pathlib
import shutil
import sys

import harness
import reference_coverage as coverage
from harness import Failure, Lifeboat, say
from sdk_routes import keys_of

# Kind, pointer below the body as the SDK has it, sort of thing, reason.
REASONS = [
    ("secret_scope", "/keyvault_metadata/*", "key_vault", "only a sign-in to Entra ID ties a vault to a scope: tests/it/peers has that"),
]

OLD, NEW = "north", "west"
PEOPLE = {"user": "remap.{}@northwind.example", "group": "remap {}", "service_principal": "{}"}
APPLICATIONS = {OLD: "0a0a0a0a-0000-4000-8000-000000000001", NEW: "0b0b0b0b-0000-4000-8000-000000000002"}
# Values that a workspace checks; others may be anything.
CHECKED = {
    "node_type": ("Standard_DS3_v2", "Standard_DS4_v2"),
    "spark_version": ("15.4.x-scala2.12", "16.4.x-scala2.12"),
    "dbt_job": ("1001", "2002"),
    "instance_profile": ("arn:aws:iam::123456789012:instance-profile/north", "arn:aws:iam::123456789012:instance-profile/west"),
}
MOVES = {
    "/Shared/remap": "/Shared/moved",
    "dbfs:/FileStore/remap": "dbfs:/FileStore/moved",
    "/Volumes/energy/ops/libs": "/Volumes/energy/ops/scripts/moved",
    "/Shared/ML": "/Shared/moved ML",
}
PATHS = {
    "notebook": "/Shared/remap/notebook",
    "file": "/Shared/remap/file.py",
    "directory": "/Shared/remap",
    "repo": "/Shared/ML/sparse-models",
    "workspace_object": "/Shared/remap/experiment",
    "dbfs_file": "dbfs:/FileStore/remap/file.jar",
    "volume_file": "/Volumes/energy/ops/libs/northwind_meters-1.4.2-py3-none-any.whl",
}
STORAGE = "abfss://data@{}.dfs.core.windows.net/landing"
SECRET = "{{{{secrets/remap-{}/key}}}}"
# What cannot be read back as it is written: anything else that must be there has a value that fits its name.
FITTING = {"quartz_cron_expression": "0 0 2 * * ?", "timezone_id": "UTC", "inputs": "[1]", "unit": "DAYS", "interval": 1}
# Texts in which a workspace looks for secrets.
WITH_SECRETS = ("*/spark_conf/*", "*/spark_env_vars/*", "*arameters/*")


# --- the things -----------------------------------------------------------------------------------------------------


class World:
    """One workspace: makes the things that fields name, or finds them, by the name that they have on both sides."""

    LISTS = {
        "warehouse": ("/api/2.0/sql/warehouses", "warehouses", "id"),
        "query": ("/api/2.0/sql/queries", "results", "id"),
        "alert": ("/api/2.0/sql/alerts", "results", "id"),
        "dashboard": ("/api/2.0/lakeview/dashboards", "dashboards", "dashboard_id"),
        "pipeline": ("/api/2.0/pipelines", "statuses", "pipeline_id"),
        "notification_destination": ("/api/2.0/notification-destinations", "results", "id"),
        "cluster": ("/api/2.1/clusters/list", "clusters", "cluster_id"),
        "instance_pool": ("/api/2.0/instance-pools/list", "instance_pools", "instance_pool_id"),
        "cluster_policy": ("/api/2.0/policies/clusters/list", "policies", "policy_id"),
        "job": ("/api/2.2/jobs/list", "jobs", "job_id"),
    }

    def __init__(self, workspace):
        self.client = harness.client(workspace["url"], workspace["token"])
        self.known = {}

    def do(self, verb, path, body=None, query=None):
        return self.client.api_client.do(verb, path, body=body, query=query)

    def post(self, endpoint, /, **body):
        return self.do("POST", endpoint, body)

    def people(self, which):
        """A user, a group and a service principal."""
        base = "/api/2.0/preview/scim/v2/"
        schema = "urn:ietf:params:scim:schemas:core:2.0:"
        self.post(f"{base}Users", schemas=[f"{schema}User"], userName=PEOPLE["user"].format(which))
        self.post(f"{base}Groups", schemas=[f"{schema}Group"], displayName=PEOPLE["group"].format(which))
        self.post(f"{base}ServicePrincipals", schemas=[f"{schema}ServicePrincipal"], applicationId=APPLICATIONS[which], displayName=f"remap {which}")

    def things(self):
        """One of each kind that an import can make."""
        for folder in ("/Shared/remap", "/Shared/remap/inner"):
            self.post("/api/2.0/workspace/mkdirs", path=folder)
        text = lambda code: base64.b64encode(code.encode()).decode()
        self.post("/api/2.0/workspace/import", path=PATHS["notebook"], format="SOURCE", language="PYTHON", content=text("# Databricks notebook source\n1\n"))
        self.post("/api/2.0/workspace/import", path=PATHS["file"], format="RAW", content=text("print(1)\n"))
        self.post("/api/2.0/dbfs/put", path=PATHS["dbfs_file"].removeprefix("dbfs:"), contents=text("jar"))
        self.post("/api/2.0/secrets/scopes/create", scope=f"remap-{OLD}")
        self.post("/api/2.0/instance-pools/create", instance_pool_name="remap", node_type_id="Standard_DS3_v2")
        self.post("/api/2.0/policies/clusters/create", name="remap", definition="{}")
        self.post("/api/2.1/clusters/create", cluster_name="remap", **CLUSTER)
        self.post("/api/2.2/jobs/create", name="remap", tasks=[{"task_key": "t"}])

    def id_of(self, kind, name):
        """The id of the one thing of this kind and name."""
        if (kind, name) not in self.known:
            found = [one for one, own in self.all(kind) if own == name]
            if len(found) != 1:
                raise Failure(f"{len(found)} of {kind} \"{name}\"")
            self.known[kind, name] = found[0]
        return self.known[kind, name]

    def all(self, kind):
        """Id and name of all things of a kind."""
        path, items, key = self.LISTS[kind]
        token = {}
        while True:
            page = self.do("GET", path, query=token)
            for one in page.get(items, []):
                names = (one.get(name) for name in ("name", "display_name", "cluster_name", "instance_pool_name"))
                yield one[key], next(filter(None, names), None) or one.get("settings", {}).get("name")
            if not page.get("next_page_token"):
                return
            token = {"page_token": page["next_page_token"]}


CLUSTER = {"spark_version": "15.4.x-scala2.12", "node_type_id": "Standard_DS3_v2", "num_workers": 1}


def names(source):
    """The name of one thing of each listed kind."""
    made = dict.fromkeys(("cluster", "instance_pool", "cluster_policy", "job"), "remap")
    return {kind: made.get(kind) or next(name for _, name in source.all(kind)) for kind in World.LISTS}


def moved(path):
    for old, new in MOVES.items():
        if path == old or path.startswith(f"{old}/"):
            return new + path.removeprefix(old)
    raise Failure(f"{path} does not move")


class Thing:
    """Something that a field can name: what the source calls it, and what the target must call it."""

    def __init__(self, kind, by, world_names):
        self.kind, self.by, self.names = kind, by, world_names

    def called(self, world, which):
        if self.kind == "secret":
            return SECRET.format(which)
        if self.kind == "storage":
            return STORAGE.format(which)
        if self.kind in CHECKED:
            return CHECKED[self.kind][which == NEW]
        if isinstance(self.by, dict):
            return f"{self.by['elsewhere']}-{which}"
        if self.by == "path":
            return PATHS[self.kind] if which == OLD else moved(PATHS[self.kind])
        if self.kind == "service_principal":
            return APPLICATIONS[which]
        return PEOPLE[self.kind].format(which) if self.kind in PEOPLE else world.id_of(self.kind, self.names[self.kind])


def things(reference, world_names):
    """All sorts of things that a reference may name."""
    by = reference["by"]
    if isinstance(by, dict):
        return [Thing(by["elsewhere"], by, world_names)]
    return [Thing(kind, by, world_names) for kind in reference["to"] or ["storage"]]


# --- the cases ------------------------------------------------------------------------------------------------------


class Case:
    """One field of one object, and what it names."""

    def __init__(self, kind, at, thing, shape):
        self.kind, self.at, self.thing, self.shape = kind, at, thing, shape
        self.object = self.was = None

    def __str__(self):
        return f"{self.kind} {self.at} → {self.thing.kind}"


def cases(kinds, shapes, world_names):
    """A case for each field of the SDK and each thing that the table lets it name."""
    found = []
    for kind, shape in shapes:
        prefix = kinds[kind]["body"][0]
        refs = [(one["at"].removeprefix(prefix), one) for one in kinds[kind]["references"] if one["at"].startswith(prefix)]
        leaves = [at for at, _ in coverage.leaves(shape)]
        for at in leaves:
            fitting = [one for pointer, one in refs if coverage.fits(pointer, at)]
            found += [Case(kind, at, thing, shape) for one in fitting for thing in things(one, world_names)]
            if any(fnmatch.fnmatchcase(at, pattern) for pattern in WITH_SECRETS):
                found.append(Case(kind, at, Thing("secret", "text", world_names), shape))
    return found


def attributes(kinds, world_names):
    """A case for each attribute of a policy, in each form in which a definition gives values."""
    found = []
    for one in kinds["cluster_policy"]["references"]:
        if "/#/" in one["at"]:
            found += [Case("cluster_policy", one["at"], thing, None) for thing in things(one, world_names)]
    for field in ("definition", "policy_family_definition_overrides"):
        found.append(Case("cluster_policy", f"/{field}/#/spark_conf.remap/*value", Thing("secret", "text", world_names), None))
    return found


def build(shape, parts, value):
    """The smallest body in which the value stands at this place."""
    if not parts:
        return value
    name, rest = parts[0], parts[1:]
    if shape.kind == "list":
        return [build(shape.of, rest, value)]
    if shape.kind == "map":
        return {"remap": build(shape.of, rest, value)}
    members, needed = (shape.of, set()) if isinstance(shape.of, dict) else keys_of(shape.of)
    body = {key: sample(key, members[key]) for key in needed if key != name and key in members}
    return body | {name: build(members[name], rest, value)}


def sample(name, shape):
    """Something that may stand where something must."""
    if name in FITTING:
        return FITTING[name]
    if shape.kind == "object" and not isinstance(shape.of, dict):
        members, needed = keys_of(shape.of)
        return {key: sample(key, members[key]) for key in needed if key in members}
    words = [one.value for one in shape.of] if isinstance(shape.of, type) and shape.kind == "string" else ["remap"]
    return {"string": words[0], "integer": 1, "number": 1.0, "boolean": False, "list": [], "map": {}}.get(shape.kind, {})


def complete(value, name=""):
    """Gives every cluster what it cannot do without."""
    if isinstance(value, list):
        return [complete(one) for one in value]
    if not isinstance(value, dict):
        return value
    value = {key: complete(one, key) for key, one in value.items()}
    return cluster(value) if name == "new_cluster" else value


def cluster(body):
    if "driver_instance_pool_id" in body:
        body["instance_pool_id"] = body["driver_instance_pool_id"]
    pooled = "instance_pool_id" in body
    return {key: one for key, one in CLUSTER.items() if not (pooled and key == "node_type_id")} | body


def number(case, value):
    """An id in the type that the field has."""
    leaf = next(shape for at, shape in coverage.leaves(case.shape) if at == case.at)
    return int(value) if leaf.kind == "integer" else str(value)


# --- making them, and reading them again ----------------------------------------------------------------------------


def value_at(body, at):
    """What stands at a place in which `*` is the only element, or the member that was made."""
    for part in at.split("/")[1:]:
        if isinstance(body, list):
            body = body[0] if body else None
        elif isinstance(body, dict):
            body = body.get(part, body.get("remap"))
        else:
            return None
    return body


class Maker:
    """Makes the object of a case, and reads its field again by the official client."""

    def __init__(self, world_names):
        self.count, self.names = 0, world_names

    def make(self, source, case):
        self.count += 1
        case.object = f"remap {self.count:04}"
        case.was = case.thing.called(source, OLD)
        getattr(self, f"make_{case.kind}")(source, case, case.was)

    def body(self, case, value):
        return build(case.shape, case.at.split("/")[1:], number(case, value))

    def make_job(self, source, case, value):
        source.post("/api/2.2/jobs/create", **complete(self.body(case, value)) | {"name": case.object})

    def read_job(self, world, case):
        job = world.client.jobs.get(int(world.id_of("job", case.object))).settings.as_dict()
        return value_at(job, case.at)

    def make_cluster(self, source, case, value):
        source.post("/api/2.1/clusters/create", **cluster(self.body(case, value)) | {"cluster_name": case.object})

    def read_cluster(self, world, case):
        return value_at(world.client.clusters.get(world.id_of("cluster", case.object)).spec.as_dict(), case.at)

    def make_instance_pool(self, source, case, value):
        source.post("/api/2.0/instance-pools/create", **{"node_type_id": "Standard_DS3_v2"} | self.body(case, value) | {"instance_pool_name": case.object})

    def read_instance_pool(self, world, case):
        return value_at(world.client.instance_pools.get(world.id_of("instance_pool", case.object)).as_dict(), case.at)

    def make_cluster_policy(self, source, case, value):
        if case.shape:
            body = {"definition": "{}"} | self.body(case, value)
        else:
            field, attribute, form = self.parts(case)
            body = {field: json.dumps({attribute: {"type": "allowlist", "values": [value]} if form == "values" else {"type": "fixed", "value": value, "defaultValue": value}})}
            body |= {"policy_family_id": "job-cluster"} if field != "definition" else {}
        source.post("/api/2.0/policies/clusters/create", **body | {"name": case.object})

    def parts(self, case):
        _, field, _, attribute, form = case.at.split("/")[:5]
        return field, attribute.replace("*", "0" if attribute.startswith("init_scripts") else "dbfs"), form

    def read_cluster_policy(self, world, case):
        policy = world.client.cluster_policies.get(world.id_of("cluster_policy", case.object)).as_dict()
        if case.shape:
            return value_at(policy, case.at)
        field, attribute, form = self.parts(case)
        rule = json.loads(policy[field])[attribute]
        values = rule["values"] if form == "values" else [rule["value"], rule["defaultValue"]]
        return values[0] if len(set(values)) == 1 else values

    def make_cluster_libraries(self, source, case, value):
        source.post("/api/2.1/clusters/create", **CLUSTER | {"cluster_name": case.object})
        body = self.body(case, value) | {"cluster_id": source.id_of("cluster", case.object)}
        source.post("/api/2.0/libraries/install", **body)

    def read_cluster_libraries(self, world, case):
        found = list(world.client.libraries.cluster_status(world.id_of("cluster", case.object)))
        return value_at({"libraries": [one.library.as_dict() for one in found]}, case.at)

    def make_secret_acl(self, source, case, value):
        source.post("/api/2.0/secrets/acls/put", scope=f"remap-{OLD}", principal=value, permission="READ")

    def read_secret_acl(self, world, case):
        wanted = case.thing.called(world, NEW)
        return next((one.principal for one in world.client.secrets.list_acls(f"remap-{NEW}") if one.principal == wanted), None)

    def make_permissions(self, source, case, value):
        field = case.at.split("/")[-1]
        entry = {field: value, "permission_level": "CAN_MANAGE"}
        source.do("PATCH", f"/api/2.0/permissions/jobs/{source.id_of('job', 'remap')}", {"access_control_list": [entry]})

    def read_permissions(self, world, case):
        field, wanted = case.at.split("/")[-1], case.thing.called(world, NEW)
        rows = world.client.permissions.get("jobs", str(world.id_of("job", "remap"))).as_dict()["access_control_list"]
        return next((row[field] for row in rows if row.get(field) == wanted), None)

    def make_user(self, source, case, value):
        self.principal(source, case, "User", userName=f"{case.object.replace(' ', '.')}@northwind.example", roles=[{"value": value}])

    def make_service_principal(self, source, case, value):
        number = f"0c0c0c0c-0000-4000-8000-{self.count:012}"
        self.principal(source, case, "ServicePrincipal", applicationId=number, displayName=case.object, roles=[{"value": value}])

    def make_group(self, source, case, value):
        if case.at.startswith("/roles/"):
            return self.principal(source, case, "Group", displayName=case.object, roles=[{"value": value}])
        member = next(one["id"] for where in PRINCIPALS for one in scim(source, where) if value in one.values())
        self.principal(source, case, "Group", displayName=case.object, members=[{"value": member}])

    def principal(self, world, case, schema, **body):
        world.post(f"/api/2.0/preview/scim/v2/{schema}s", schemas=[f"urn:ietf:params:scim:schemas:core:2.0:{schema}"], **body)

    def read_principal(self, world, case, where):
        names = (case.object, f"{case.object.replace(' ', '.')}@northwind.example")
        own = next(one for one in scim(world, where) if {one.get("displayName"), one.get("userName")} & set(names))
        whole = world.do("GET", f"/api/2.0/preview/scim/v2/{where}/{own['id']}")
        if case.at.startswith("/roles/"):
            return value_at(whole, case.at)
        members = [one["value"] for one in whole.get("members", [])]
        found = [one for where in PRINCIPALS for one in scim(world, where) if one["id"] in members]
        return next((one.get("applicationId") or one.get("userName") or one["displayName"] for one in found), None)

    def read_user(self, world, case):
        return self.read_principal(world, case, "Users")

    def read_service_principal(self, world, case):
        return self.read_principal(world, case, "ServicePrincipals")

    def read_group(self, world, case):
        return self.read_principal(world, case, "Groups")


PRINCIPALS = ("Users", "Groups", "ServicePrincipals")


def scim(world, where):
    return world.do("GET", f"/api/2.0/preview/scim/v2/{where}", query={"count": 1000}).get("Resources", [])


# --- the journey ----------------------------------------------------------------------------------------------------


def rules(kinds):
    """Rules under which nothing is called as it was."""
    maps = {kind: {PEOPLE[kind].format(OLD): PEOPLE[kind].format(NEW)} for kind in ("user", "group")}
    maps["service_principal"] = {APPLICATIONS[OLD]: APPLICATIONS[NEW]}
    maps["storage"] = {f"{OLD}.dfs.core.windows.net": f"{NEW}.dfs.core.windows.net"}
    for kind in kinds.values():
        for section in (one["by"]["elsewhere"] for one in kind["references"] if isinstance(one["by"], dict)):
            old, new = CHECKED.get(section, (f"{section}-{OLD}", f"{section}-{NEW}"))
            maps.setdefault(section, {})[old] = new
    maps["instance_profile"] = dict([CHECKED["instance_profile"]])
    renamed = {"name": "scope", "for": {"kind": "secret_scope", "name": f"remap-{OLD}"}, "rename": {"to": f"remap-{NEW}"}}
    return {"maps": maps, "rules": [{"name": "moves", "move": MOVES}, renamed]}


def check():
    folder = pathlib.Path(sys.argv[1]).resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with harness.simulator(folder / "simulator", "--seed", "sample", "--workspaces", "2") as [one, other]:
        faults = journey(folder, one, other)
    if faults:
        raise Failure(f"{len(faults)} faults\n  " + "\n  ".join(faults))


def journey(folder, one, other):
    kinds, (source, target) = coverage.table(), (World(one), World(other))
    source.people(OLD), source.things(), target.people(NEW)
    world_names = names(source)
    for kind in ("warehouse", "pipeline", "job"):
        FITTING[f"{kind}_id"] = source.id_of(kind, world_names[kind])
    every = cases(kinds, coverage.bodies(kinds), world_names) + attributes(kinds, world_names)
    judge, maker = Judge(), Maker(world_names)
    made = [case for case in every if judge.attempt(case, lambda: show(maker, source, case))]
    say(f"{len(made)} of {len(every)} cases made")
    lifeboat, bundle, written = Lifeboat(folder / "program"), folder / "bundle.tar.zst", folder / "rules.yaml"
    written.write_text(json.dumps(rules(kinds), indent=1), encoding="utf-8")
    lifeboat.run("export", "-o", bundle, url=one["url"], token=one["token"], expect=(0, 3))
    report = folder / "report.json"
    lifeboat.run("import", bundle, "--rules", written, "--yes", "--report", report, url=other["url"], token=other["token"], expect=(0, 3))
    for case in made:
        judge.attempt(case, lambda: lead(maker, target, case))
    untried(kinds, made, judge)
    return judge.faults + judge.unused()


def show(maker, source, case):
    """Makes an object, and sees that the source shows what was put into it."""
    maker.make(source, case)
    if case.kind in ("secret_acl", "permissions"):
        return
    found = getattr(maker, f"read_{case.kind}")(source, case)
    if str(found) != str(case.was):
        raise LookupError(f"the source shows {found!r} where {case.was!r} was put")


def lead(maker, target, case):
    """The field must hold what the target itself calls the thing."""
    found, wanted = getattr(maker, f"read_{case.kind}")(target, case), case.thing.called(target, NEW)
    if str(wanted) == str(case.was):
        raise LookupError(f"{wanted!r} is the same on both sides, so that nothing is shown")
    if str(found) != str(wanted):
        raise LookupError(f"leads to {found!r}, not to {wanted!r}")


class Judge:
    """What went wrong, less what REASONS excuses."""

    def __init__(self):
        self.faults, self.used = [], set()

    def attempt(self, case, act):
        try:
            act()
            return True
        except FAILURES as error:
            self.fault(case.kind, case.at, case.thing.kind, f"{type(error).__name__} {error}")
            return False

    def fault(self, kind, at, thing, text):
        fits = lambda reason: all(fnmatch.fnmatchcase(*pair) for pair in zip((kind, at, thing), reason))
        excuses = [number for number, reason in enumerate(REASONS) if fits(reason)]
        self.used.update(excuses)
        if not excuses:
            self.faults.append(f"{kind} {at} → {thing}: {text}")

    def unused(self):
        return [f"unused reason: {one}" for number, one in enumerate(REASONS) if number not in self.used]


FAILURES = (LookupError, AttributeError, TypeError, ValueError, StopIteration, Failure, harness.databricks.sdk.errors.DatabricksError)


def untried(kinds, made, judge):
    """References of the table for which there is no case: the SDK has no such field, so somebody must have said why."""
    for name, kind in kinds.items():
        prefix = (kind["body"] or [""])[0]
        for one in kind["references"] if kind["restored"] else ():
            at = one["at"].removeprefix(prefix)
            known = any(fnmatch.fnmatchcase(name, k) and fnmatch.fnmatchcase(at, place) for k, place, _ in coverage.EXCEPTIONS)
            tried = any(case.kind == name and (coverage.fits(at, case.at) or at == case.at) for case in made)
            if one["at"].startswith(prefix) and not known and not tried:
                thing = one["by"]["elsewhere"] if isinstance(one["by"], dict) else "or".join(one["to"])
                judge.fault(name, at, thing, "no case shows where it leads")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    harness.main(check)
