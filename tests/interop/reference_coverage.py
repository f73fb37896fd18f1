#!/usr/bin/env python3
"""Checks the table of kinds against the bodies that the official Databricks SDK can send.

The SDK is generated from the vendor's OpenAPI description, so its bodies name every field that an object can have. For
each text and each id among them somebody must have decided what a restore does with it: the table of kinds (`lifeboat
kinds --json`) says what it refers to, or that it is a secret or the server's; or EXCEPTIONS below says why it needs
nothing. In the same way the table has a class for each field that can be set, each field that may start something belongs
to standby, each reference of the table stands where the SDK has a field, and what a cluster refers to, a policy does too. A new version of the SDK thus tells
what has come up; an exception that excuses nothing fails as well.

    reference_coverage.py               check the table
    reference_coverage.py --self-test   check that planted omissions are found
"""

import copy
import fnmatch
import json
import os
import re
import subprocess
import sys

from sdk_routes import Shape, keys_of, routes

# Bodies of kinds that are no collection, so that the table names no create for them.
OTHER_BODIES = {
    "cluster_libraries": "POST /api/2.0/libraries/install",
    "permissions": "PUT /api/2.0/permissions/{}/{}",
    "repo": "POST /api/2.0/repos",
    "secret_acl": "POST /api/2.0/secrets/acls/put",
}
# Not in the OpenAPI description that this SDK is made from, under the name that the workspace API has.
SCIM = {"user": "UsersV2API", "group": "GroupsV2API", "service_principal": "ServicePrincipalsV2API"}

STARTS = re.compile(r"(paus|^enabled$|^disabled$|min_idle|enforce|continuous$|auto_?start)")

NAMED = "the owner's own word, the same in every workspace"
TEXT = "free text: an id of the source in it is told, and a person decides"
CATALOG = "a name in Unity Catalog, which keeps its names"
LOCAL = "names something in the same body"
OUTSIDE = "a package, an image, a Git repository: outside of every workspace"
STORAGE = "belongs to the address of the storage beside it, which is told"
WORD = "one of a few words, or a time"
RUNS_ONLY = "acts in a run only, and whatever starts one is paused"
BY_SERVER = "what the server shows of a reference by id"
POLICY = "inside the text of a policy, where the SDK sees no fields: held against those of a cluster instead"
CLUSTER = "no attribute that a policy can set (the vendor's reference of policy attributes)"
NEWER = "not in this SDK: an earlier or a later description of the API has it"

# Kind, pointer below the body (`*` is anything), reason.
EXCEPTIONS = [
    ("*", "*/cran/*", OUTSIDE),
    ("*", "*/maven/*", OUTSIDE),
    ("*", "*/pypi/*", OUTSIDE),
    ("*", "*/init_scripts/*/file/destination", OUTSIDE),
    ("*", "*docker_image*url", OUTSIDE),
    ("*", "*/basic_auth/username", "useless without the password, and left out with it"),
    ("*", "*/s3/canned_acl", STORAGE),
    ("*", "*/s3/encryption_type", STORAGE),
    ("*", "*/s3/endpoint", STORAGE),
    ("*", "*/s3/region", STORAGE),
    ("*", "*/custom_tags/*", TEXT),
    ("*", "*/ssh_public_keys/*", "a public key"),
    ("*", "*/description", TEXT),
    ("cluster", "/clone_from*", "an order to copy another cluster, which no read shows"),
    ("cluster", "/cluster_name", NAMED),
    ("cluster_policy", "/definition", POLICY),
    ("cluster_policy", "/policy_family_definition_overrides", POLICY),
    ("cluster_policy", "/policy_family_id", "every workspace has the same families"),
    ("cluster_policy", "/name", NAMED),
    ("cluster_policy", "*/#/cluster_log_conf.path/*", "a policy has one address for all storages"),
    ("cluster_policy", "/definition/#/policy_id", "a policy governs no other policy"),
    ("cluster_policy", "/definition/#/azure_attributes.*", CLUSTER),
    ("cluster_policy", "/definition/#/cluster_log_conf.*", "a policy has one address for all storages"),
    ("cluster_policy", "/definition/#/init_scripts.*.kms_key", CLUSTER),
    ("cluster_policy", "/definition/#/*_node_type_flexibility.*", CLUSTER),
    ("cluster_libraries", "/library_statuses/*", "as a read shows it, from which the list of a write is made"),
    ("global_init_script", "/name", NAMED),
    ("global_init_script", "/script", TEXT),
    ("instance_pool", "/instance_pool_name", NAMED),
    ("instance_profile", "/instance_profile_arn", "the key of the kind itself, mapped as such"),
    ("instance_profile", "/iam_role_arn", "goes with the ARN beside it, by an administrator of the cloud account"),
    ("job", "/access_control_list*", "written as permissions, once the job is there"),
    ("job", "/duration_target", WORD),
    ("job", "*/timezone_id", WORD),
    ("job", "*/quartz_cron_expression", WORD),
    ("job", "/environments/*/spec/client", WORD),
    ("job", "/environments/*/spec/environment_version", WORD),
    ("job", "*_key", LOCAL),
    ("job", "*/depends_on/*/outcome", LOCAL),
    ("job", "/name", NAMED),
    ("job", "/tags/*", TEXT),
    ("job", "*/cluster_name", NAMED),
    ("job", "/git_source/*", OUTSIDE),
    ("job", "/queue/enabled", RUNS_ONLY),
    ("job", "*/disabled", RUNS_ONLY),
    ("job", "*/dashboard_task/subscription/paused", RUNS_ONLY),
    ("job", "*/pause_subscriptions", RUNS_ONLY),
    ("job", "/schedule/file_arrival/url", "one list of references for all that starts a job: only triggers have files"),
    ("job", "/trigger*/model/*", CATALOG),
    ("job", "/trigger*/table_names/*", CATALOG),
    ("job", "*/dbt_task/catalog", CATALOG),
    ("job", "*/dbt_task/schema", CATALOG),
    ("job", "*/power_bi_task/tables/*", CATALOG),
    ("job", "*/unity_catalog_image_path", CATALOG),
    ("job", "*/power_bi_task/power_bi_model/*", "a name in Power BI, outside of every workspace"),
    ("job", "*refresh_selection/*", "a table of the pipeline, by name"),
    ("job", "*/refresh_flow_selection/*", "a flow of the pipeline, by name"),
    ("job", "*/reset_checkpoint_selection/*", "a flow of the pipeline, by name"),
    ("job", "*/subscription/attachment/*", "a part of the dashboard, which goes with it"),
    ("job", "*/custom_subject", TEXT),
    ("job", "*arameters/*", TEXT),
    ("job", "*_params/*", TEXT),
    ("job", "*/dashboard_task/filters/*", TEXT),
    ("job", "*ommands/*", TEXT),
    ("job", "*/condition_task/*", TEXT),
    ("job", "*/for_each_task/inputs", TEXT),
    ("job", "*/clean_rooms_notebook_task/notebook_name", "a notebook of the clean room, which is told"),
    ("job", "*/python_wheel_task/entry_point", NAMED),
    ("job", "*/python_wheel_task/package_name", NAMED),
    ("job", "*/main_class_name", NAMED),
    ("job", "*/ai_runtime_task/deployments/*/name", NAMED),
    ("job", "*/ai_runtime_task/experiment", "made where there is none"),
    ("job", "*/ai_runtime_task/mlflow_run", NAMED),
    ("job", "*/gen_ai_compute_task/command", TEXT),
    ("job", "*/gen_ai_compute_task/yaml_parameters", TEXT),
    ("job", "*/gen_ai_compute_task/dl_runtime_image", OUTSIDE),
    ("job", "*/gen_ai_compute_task/compute/gpu_type", WORD),
    ("job", "*/gen_ai_compute_task/code_source_tar_path", NEWER),
    ("job", "*/gen_ai_compute_task/requirements_yaml_path", NEWER),
    ("job", "*/genie_task/configuration_id", NEWER),
    ("job", "*/agentic_task/*", NEWER),
    ("repo", "/git_credential_id", "of whoever makes the folder: no read shows it, and a person signs in anew"),
    ("repo", "/path", "where the folder itself lies"),
    ("repo", "/provider", OUTSIDE),
    ("repo", "/url", OUTSIDE),
    ("repo", "/sparse_checkout/*", OUTSIDE),
    ("secret_acl", "/*", "one call for each entry of the list that a read shows"),
    ("secret_scope", "/initial_manage_principal", "no read shows it: who may manage a scope is in its ACL"),
    ("secret_scope", "/name", NAMED),
    ("service_principal", "/applicationId", "the key of the kind itself, mapped as such"),
    ("user", "/userName", "the key of the kind itself, mapped as such"),
    ("*", "/displayName", NAMED),
    ("user", "/name/*Name", NAMED),
    ("*", "/entitlements/*/value", WORD),
    ("*", "/*/display", BY_SERVER),
    ("*", "/*/$ref", BY_SERVER),
    ("*", "/*/type", BY_SERVER),
]


def table():
    """The kinds, by name."""
    program = os.environ.get("LIFEBOAT", "lifeboat")
    answer = subprocess.run([program, "kinds", "--json"], check=True, capture_output=True, text=True).stdout
    return {kind["kind"]: kind for kind in map(json.loads, answer.splitlines())}


def bodies(kinds):
    """Kind → the shape of the body that makes one, for whatever the SDK can make."""
    made = {name: kind["create"] for name, kind in kinds.items() if kind.get("create")} | OTHER_BODIES
    known = list(routes())
    for name, call in made.items():
        verb, path = call.replace("{}", "*").split()
        fits = [r for r in known if r.verb == verb and list(r.path) == path.strip("/").split("/")]
        fits += [r for r in known if name in SCIM and r.name == f"{SCIM[name]}.create"]
        if not fits or not fits[0].body:
            sys.exit(f"FAILED: the SDK makes no {name} by {call}")
        yield name, fits[0].body


def leaves(shape, at="", around=()):
    """Every field that holds no others, with its pointer and shape; a type inside of itself is followed once."""
    if shape.kind == "object":
        members = shape.of if isinstance(shape.of, dict) else keys_of(shape.of)[0]
        more = around if isinstance(shape.of, dict) else (*around, shape.of)
        if more.count(shape.of) < 3:
            for name, member in members.items():
                yield from leaves(member, f"{at}/{name}", more)
    elif shape.kind in ("list", "map"):
        yield from leaves(shape.of, f"{at}/*", around)
    else:
        yield at, shape


def names_something(at, shape):
    """Whether a field may hold an id, a name, a path or a secret: any text but a word of a fixed list, any number of that name."""
    by_name = at.endswith(("_id", "_ids/*"))
    return (shape.kind == "string" and shape.of is None) or shape.kind == "any" or (shape.kind == "integer" and by_name)


class Check:
    """Holds one kind's part of the table against its body; `faults` says what nobody decided."""

    def __init__(self, kind, exceptions):
        self.kind, self.exceptions, self.used, self.faults = kind, exceptions, set(), []
        prefix = kind["body"][0]
        below = lambda one: one["at"].removeprefix(prefix)
        self.refs = [below(one) for one in kind["references"] if one["at"].startswith(prefix)]
        fields = [one for one in kind["fields"] if one["at"].startswith(prefix)]
        self.fields = [(below(one), "".join(one["class"]) if isinstance(one["class"], dict) else one["class"]) for one in fields]
        self.names = {one["class"]["sent_as"]: below(one) for one in fields if "sent_as" in one["class"]}

    def body(self, shape):
        found = [(self.renamed(at), shape) for at, shape in leaves(shape)]
        for at, shape in found:
            self.leaf(at, shape)
        for name in {at.split("/")[1] for at, _ in found}:
            self.setting(f"/{name}")
        for at in self.refs:
            if "#" not in at and not any(fits(at, leaf) for leaf, _ in found):
                self.fault(at, "the table has a reference here, and the SDK no field")

    def attributes(self, cluster):
        """A policy names the fields of a cluster with dots: what one refers to, the other does."""
        inside = [at for at in self.refs if at.startswith("/definition/#/")]
        names = {at: "/" + at.split("/")[3].replace(".", "/") for at in inside}
        for at, name in names.items():
            if name not in cluster.refs:
                self.fault(at, "no field of a cluster")
        for at in set(cluster.refs) - set(names.values()):
            self.fault("/definition/#" + at.replace("/", ".").replace(".", "/", 1), "a cluster refers to something here, a policy does not")

    def renamed(self, at):
        """The table names fields as a read does."""
        first = at.split("/")[1]
        return self.names[first] + at.removeprefix(f"/{first}") if first in self.names else at

    def leaf(self, at, shape):
        classes = [kind_of for name, kind_of in self.fields if fits(name, at)]
        inside = [kind_of for name, kind_of in self.fields if at.startswith(f"{name}/")]
        decided = not {"secret", "server_set", "volatile"}.isdisjoint(classes + inside)
        if names_something(at, shape) and not decided and not any(fits(ref, at) for ref in self.refs):
            self.fault(at, "may name another object, and the table does not say which")
        if STARTS.search(at.split("/")[-1]) and "activation" not in classes:
            self.fault(at, "may start something, and standby does not know it")

    def setting(self, at):
        if not any(name == at for name, _ in self.fields):
            self.fault(at, "can be set, and the table has no word on it")

    def fault(self, at, what):
        name = self.kind["kind"]
        excuses = [i for i, (kind, place, _) in enumerate(self.exceptions)
                   if fnmatch.fnmatchcase(name, kind) and fnmatch.fnmatchcase(at, place)]
        self.used.update(excuses)
        if not excuses:
            self.faults.append(f"{name} {at}: {what}")


def fits(pattern, at):
    """Whether a pointer of the table leads to a field."""
    patterns, names = pattern.split("/"), at.split("/")
    return len(patterns) == len(names) and all(n == "*" or fnmatch.fnmatchcase(n, p) for p, n in zip(patterns, names))


def check(kinds, shapes, exceptions):
    """All that is wrong."""
    faults, used = [], set()
    for name, shape in shapes:
        one = Check(kinds[name], exceptions)
        one.body(shape)
        if name == "cluster_policy":
            one.attributes(Check(kinds["cluster"], ()))
        faults += one.faults
        used |= one.used
    return faults + [f"unused exception: {one}" for i, one in enumerate(exceptions) if i not in used]


def self_test(kinds, shapes):
    """Plants one mistake after another: each must be found, and nothing else."""
    job = next(shape for name, shape in shapes if name == "job")

    def planted(at, add=None, drop=None, member=None):
        """The faults when the table gains or loses a reference, or the SDK a member of a job."""
        other = copy.deepcopy(kinds)
        refs = other["job"]["references"]
        other["job"]["references"] = [one for one in refs if one["at"] != drop] + ([{"at": add}] if add else [])
        more = Shape("object", job.of | member) if member else job
        found = check(other, [(name, more if name == "job" else shape) for name, shape in shapes], EXCEPTIONS)
        if len(found) != 1 or f"job {at}:" not in found[0]:
            sys.exit(f"FAILED: planted at {at}, found {found}")

    text = Shape("string")
    planted("/tasks/*/existing_cluster_id", drop="/settings/tasks/*/existing_cluster_id")
    nested = "/tasks/*/for_each_task/task/run_job_task/job_id"
    planted(nested, drop=f"/settings{nested}")
    planted("/tasks/*/existing_clusterid", add="/settings/tasks/*/existing_clusterid")
    planted("/schedule/owner_id", member={"schedule": Shape("object", {"owner_id": Shape("integer"), **keys_of_member(job)})})
    planted("/continuous/auto_start", member={"continuous": Shape("object", {"auto_start": Shape("boolean")})})
    planted("/launch", member={"launch": Shape("boolean")})
    unused = check(kinds, shapes, [*EXCEPTIONS, ("job", "/nowhere", "a test")])
    if unused != ["unused exception: ('job', '/nowhere', 'a test')"]:
        sys.exit(f"FAILED: {unused}")
    print("ok: planted omissions are found")


def keys_of_member(job):
    """The members of a schedule, so that one more can stand beside them."""
    return keys_of(job.of["schedule"].of)[0]


def main():
    kinds = table()
    shapes = list(bodies(kinds))
    if sys.argv[1:] == ["--self-test"]:
        return self_test(kinds, shapes)
    faults = check(kinds, shapes, EXCEPTIONS)
    print("\n".join(faults))
    count = sum(len(list(leaves(shape))) for _, shape in shapes)
    print(f"{len(faults)} faults in {count} fields of {len(shapes)} kinds")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
