"""What a workspace holds, as the official client sees it; and in what two workspaces differ.

Nothing here comes from the program under test: kinds, keys and the fields that count are taken from the client (a cluster is
what `clusters/create` takes). Ids differ between workspaces by nature: objects are paired by the stamp that an import
leaves in their tags, else by their name or path, and ids in the second workspace are read as those of the first.
"""

import contextlib
import dataclasses
import fnmatch
import hashlib
import json
import re

from databricks.sdk.errors import DatabricksError, NotFound, NotImplemented as Unsupported
from databricks.sdk.service.compute import ListClustersFilterBy
from databricks.sdk.service.workspace import ExportFormat

import sdk_routes

STAMP = "lifeboat_source"
ALL_PURPOSE = (None, "UI", "API")
TAGS = {"cluster": "custom_tags", "instance_pool": "custom_tags", "job": "tags"}
PROMISED_DBFS = ("/FileStore/", "/databricks/init", "/databricks/scripts/")


@dataclasses.dataclass
class Inventory:
    """Documents by kind and id (a path, for what has one); the same documents are known by a name."""

    documents: dict = dataclasses.field(default_factory=dict)
    names: dict = dataclasses.field(default_factory=dict)
    permissions: dict = dataclasses.field(default_factory=dict)
    states: dict = dataclasses.field(default_factory=dict)

    def add(self, kind, one_id, name, document):
        self.documents.setdefault(kind, {})[str(one_id)] = document
        self.names.setdefault(kind, {})[str(one_id)] = name

    def of(self, kind):
        return self.documents.get(kind, {})


@dataclasses.dataclass(frozen=True)
class Difference:
    """One place where two workspaces differ; `None` stands for what is not there."""

    kind: str
    name: str
    at: str
    first: object
    second: object

    def __str__(self):
        shorten = lambda value: (text := json.dumps(value, ensure_ascii=False, default=str))[:160] + "…" * (len(text) > 160)
        return f"{self.kind} {self.name} {self.at}: {shorten(self.first)} → {shorten(self.second)}"


@dataclasses.dataclass
class Expected:
    """A difference that must be there, with its reason. `kind`, `name` and `at` are patterns; `test` sees both values."""

    kind: str
    at: str
    reason: str
    test: object = lambda first, second: True
    name: str = "*"
    met: int = 0

    def covers(self, difference):
        fits = fnmatch.fnmatchcase
        here = fits(difference.kind, self.kind) and fits(difference.name, self.name) and fits(difference.at, self.at)
        return here and bool(self.test(difference.first, difference.second))


# What an import leaves in a target for the next one, on whatever machine. minilake keeps no files but notebooks: there, nothing
# is left in the folder.
KEPT_FOLDER = Expected("directory", "", "the folder that imports keep", lambda first, second: first is None, "/Shared/.lifeboat")
KEPT = [
    KEPT_FOLDER,
    Expected("file", "", "ids and lock, for the next import", lambda first, second: first is None, "/Shared/.lifeboat/*"),
]


# --- reading --------------------------------------------------------------------------------------------------------


class Reader:
    """Reads one workspace. `formats`: those in which a notebook's content is compared."""

    def __init__(self, client, formats=("SOURCE", "JUPYTER")):
        self.client, self.formats, self.found = client, formats, Inventory()
        self.accepted = {
            kind: set(next(route for route in sdk_routes.module_routes(module()) if route.name == name).body.of)
            for kind, (module, name) in {
                "cluster": (compute_module, "ClustersAPI.create"),
                "instance_pool": (compute_module, "InstancePoolsAPI.create"),
                "cluster_policy": (compute_module, "ClusterPoliciesAPI.create"),
            }.items()
        }

    def read(self):
        """Everything. What the server does not have at all is left out."""
        for part in (
            self.principals, self.tree, self.repos, self.dbfs, self.pools, self.policies, self.profiles, self.clusters,
            self.scripts, self.jobs, self.scopes, self.recorded, self.volumes,
        ):
            with contextlib.suppress(Unsupported):
                part()
        self.leave_unpromised_dbfs()
        return self.found

    def principals(self):
        users, groups = list(self.client.users.list()), list(self.client.groups.list())
        services = list(self.client.service_principals.list())
        names = {one.id: f"user:{one.user_name.lower()}" for one in users}
        names |= {one.id: f"group:{one.display_name}" for one in groups}
        names |= {one.id: f"service_principal:{one.display_name}" for one in services}
        for one in users:
            self.found.add("user", one.id, one.user_name.lower(), scim(one))
        for one in services:
            self.found.add("service_principal", one.application_id, one.display_name, scim(one))
        for one in groups:
            full = self.client.groups.get(one.id)
            members = sorted(names.get(member.value, f"unknown:{member.value}") for member in full.members or [])
            self.found.add("group", one.id, one.display_name, scim(full) | {"members": members})

    def tree(self, path="/"):
        for item in self.client.api_client.do("GET", "/api/2.0/workspace/list", query={"path": path}).get("objects", []):
            git = item["object_type"] == "REPO" or item.get("directory_info", {}).get("is_git_folder")
            self.tree_object(item, "repo" if git else item["object_type"])
            if item["object_type"] == "DIRECTORY" and not git:
                self.tree(item["path"])

    def tree_object(self, item, kind):
        path, document = item["path"], {"language": item.get("language")}
        if kind == "NOTEBOOK":
            document |= {form: self.content(path, form) for form in self.formats}
        if kind == "FILE":
            document |= {"bytes": self.content(path, "AUTO")}
        name = {"NOTEBOOK": "notebook", "FILE": "file", "DIRECTORY": "directory", "repo": "repo"}.get(kind, kind)
        self.found.add(name, path, folded_home(path), document)
        if name in ("notebook", "file", "directory", "repo"):
            plural = {"directory": "directories"}.get(name, f"{name}s")
            self.acl(name, path, plural, item["object_id"])

    def content(self, path, form):
        with self.client.workspace.download(path, format=ExportFormat(form)) as stream:
            return digest(stream.read())

    def repos(self):
        for repo in self.client.repos.list():
            document = keep(repo.as_dict(), {"url", "provider", "branch", "sparse_checkout"})
            self.found.add("repo", repo.path, folded_home(repo.path), document)

    def dbfs(self):
        for entry in self.client.dbfs.list("/", recursive=True):
            if not entry.is_dir:
                with self.client.dbfs.open(entry.path, read=True) as stream:
                    self.found.add("dbfs_file", entry.path, entry.path, {"bytes": digest(stream.read())})

    def leave_unpromised_dbfs(self):
        """A backup carries some folders of DBFS, and elsewhere what is referred to."""
        text = json.dumps({kind: documents for kind, documents in self.found.documents.items() if kind != "dbfs_file"})
        for path in list(self.found.of("dbfs_file")):
            if not path.startswith(PROMISED_DBFS) and json.dumps(path)[1:-1] not in text:
                del self.found.documents["dbfs_file"][path]

    def volumes(self):
        for path in sorted(set(re.findall(r"/Volumes/[^\s\"'\\,}\]]+", json.dumps(self.found.documents)))):
            with contextlib.suppress(DatabricksError):
                content = self.client.files.download(path).contents.read()
                self.found.add("volume_file", path, path, {"bytes": digest(content)})

    def pools(self):
        for pool in self.client.instance_pools.list():
            document = keep(self.client.instance_pools.get(pool.instance_pool_id).as_dict(), self.accepted["instance_pool"])
            self.found.add("instance_pool", pool.instance_pool_id, pool.instance_pool_name, document)
            self.acl("instance_pool", pool.instance_pool_id, "instance-pools")

    def policies(self):
        for policy in self.client.cluster_policies.list():
            document = keep(policy.as_dict(), self.accepted["cluster_policy"])
            for field in ("definition", "policy_family_definition_overrides"):
                if isinstance(document.get(field), str):
                    document[field] = json.loads(document[field] or "{}")
            self.found.add("cluster_policy", policy.policy_id, policy.name, document | {"is_default": bool(policy.is_default)})
            self.acl("cluster_policy", policy.policy_id, "cluster-policies")

    def profiles(self):
        for profile in self.client.instance_profiles.list():
            self.found.add("instance_profile", profile.instance_profile_arn, profile.instance_profile_arn, profile.as_dict())

    def clusters(self):
        pinned = {one.cluster_id for one in self.client.clusters.list(filter_by=ListClustersFilterBy(is_pinned=True))}
        for cluster in self.client.clusters.list():
            if (cluster.cluster_source.value if cluster.cluster_source else None) not in ALL_PURPOSE:
                continue
            full = self.client.clusters.get(cluster.cluster_id)
            document = keep((full.spec or full).as_dict(), self.accepted["cluster"])
            document |= {"pinned": cluster.cluster_id in pinned, "libraries": self.libraries(cluster.cluster_id)}
            self.found.add("cluster", cluster.cluster_id, cluster.cluster_name, document)
            self.found.states[cluster.cluster_id] = full.state.value
            self.acl("cluster", cluster.cluster_id, "clusters")

    def libraries(self, cluster_id):
        with contextlib.suppress(Unsupported):
            statuses = list(self.client.libraries.cluster_status(cluster_id))
            own = (one for one in statuses if not one.is_library_for_all_clusters)
            stay = (one for one in own if one.status.value != "UNINSTALL_ON_RESTART")
            return sorted((one.library.as_dict() for one in stay), key=json.dumps)
        return []

    def scripts(self):
        for script in self.client.global_init_scripts.list():
            full = self.client.global_init_scripts.get(script.script_id).as_dict()
            name = f"{script.name} {digest(full['script'].encode())[:8]}"
            self.found.add("global_init_script", script.script_id, name, keep(full, {"name", "script", "position", "enabled"}))

    def jobs(self):
        for job in self.client.jobs.list():
            full = self.client.jobs.get(job.job_id)
            document = full.settings.as_dict() | {"run_as": full.run_as_user_name}
            document.pop("format", None)
            document.pop("deployment", None)
            self.found.add("job", job.job_id, document.get("name", ""), document)
            self.acl("job", job.job_id, "jobs")

    def scopes(self):
        for scope in self.client.secrets.list_scopes():
            acls = {acl.principal: acl.permission.value for acl in self.client.secrets.list_acls(scope.name)}
            keys = sorted(secret.key for secret in self.client.secrets.list_secrets(scope.name))
            document = keep(scope.as_dict(), {"backend_type", "keyvault_metadata"}) | {"keys": keys, "acls": acls}
            self.found.add("secret_scope", scope.name, scope.name, document)

    def recorded(self):
        """What others refer to, by id; this version restores none of it."""
        for kind, listing, one_id, name in (
            ("warehouse", self.client.warehouses.list, "id", "name"),
            ("query", self.client.queries.list, "id", "display_name"),
            ("alert", self.client.alerts.list, "id", "display_name"),
            ("dashboard", self.client.lakeview.list, "dashboard_id", "display_name"),
            ("pipeline", self.client.pipelines.list_pipelines, "pipeline_id", "name"),
            ("notification_destination", self.client.notification_destinations.list, "id", "display_name"),
        ):
            with contextlib.suppress(Unsupported, NotFound):
                for one in listing():
                    self.found.add(kind, getattr(one, one_id), getattr(one, name), {})

    def acl(self, kind, one_id, object_type, object_id=None):
        """What was granted on the object itself; `admins` have everything everywhere."""
        answer = self.client.permissions.get(object_type, str(object_id or one_id))
        granted = {}
        for entry in answer.access_control_list or []:
            who = next(f"{k}:{v}" for k in ("user", "group", "service_principal") if (v := getattr(entry, principal(k))))
            levels = [one.permission_level.value for one in entry.all_permissions or [] if not one.inherited]
            if levels and who != "group:admins":
                granted[who.lower() if who.startswith("user:") else who] = levels[0]
        self.found.permissions.setdefault(kind, {})[str(one_id)] = granted


def compute_module():
    import databricks.sdk.service.compute
    return databricks.sdk.service.compute


def principal(kind):
    return {"user": "user_name", "group": "group_name", "service_principal": "service_principal_name"}[kind]


def scim(one):
    """The part of a principal that a person decides; what came through a group comes back through the group."""
    direct = lambda entries: sorted(entry.value for entry in entries or [] if entry.type in (None, "direct"))
    document = {"display_name": one.display_name, "entitlements": direct(one.entitlements), "roles": direct(one.roles)}
    return document | ({"active": one.active} if hasattr(one, "active") else {})


def keep(document, keys):
    return {key: value for key, value in document.items() if key in keys}


def folded_home(path):
    """A path with the home in it as the user name is compared: without case. A workspace may show either."""
    return re.sub(r"^(/Users/|/Repos/)([^/]+@[^/]+)", lambda home: home[1] + home[2].lower(), path)


def digest(data):
    return hashlib.sha256(data).hexdigest()


# --- comparing ------------------------------------------------------------------------------------------------------


def compare(first, second, same_ids=False):
    """All differences; ids of the second are read as those of the first. `same_ids`: one workspace, read twice."""
    pairs = pair_ids(first, second) if same_ids else pair(first, second)
    same = {theirs: ours for kind in pairs.values() for theirs, ours in kind.items()}
    differences = []
    for kind in sorted(set(first.documents) | set(second.documents)):
        differences += compare_kind(first, second, kind, pairs.get(kind, {}), same)
    return differences


def pair_ids(first, second):
    """What has the same id in both."""
    return {kind: {one: one for one in second.of(kind) if one in first.of(kind)} for kind in second.documents}


def pair(first, second):
    """For each kind: id in the second workspace → id in the first."""
    return {kind: pair_kind(first, second, kind) for kind in second.documents}


def pair_kind(first, second, kind):
    found = {theirs: ours for theirs, document in second.of(kind).items() if (ours := stamped(kind, document)) in first.of(kind)}
    left, free = set(first.of(kind)) - set(found.values()), set(second.of(kind)) - set(found)
    for name in {first.names[kind][ours] for ours in left}:
        ours = sorted(one for one in left if first.names[kind][one] == name)
        theirs = sorted(one for one in free if second.names[kind][one] == name)
        found |= likest(kind, first, second, ours, theirs)
    return found


def likest(kind, first, second, ours, theirs):
    """Pairs objects of one name: those that differ least first."""
    def distance(one, other):
        documents = unstamped(kind, first.of(kind)[one]), unstamped(kind, second.of(kind)[other])
        return len(list(differences(kind, "", "", *documents))) if len(ours) > 1 else 0

    ranked = sorted((distance(one, other), one, other) for one in ours for other in theirs)
    found = {}
    for _, one, other in ranked:
        if one not in found.values() and other not in found:
            found[other] = one
    return found


def stamped(kind, document):
    """The source id in an object's tags."""
    stamp = (document.get(TAGS.get(kind)) or {}).get(STAMP, "")
    return stamp.partition("/")[2]


def compare_kind(first, second, kind, pairs, same):
    theirs_of = {ours: theirs for theirs, ours in pairs.items()}
    for ours, document in first.of(kind).items():
        name = first.names[kind][ours]
        if ours not in theirs_of:
            yield Difference(kind, name, "", "present", None)
            continue
        theirs = theirs_of[ours]
        other = translate(unstamped(kind, second.of(kind)[theirs]), same)
        yield from differences(kind, name, "", unstamped(kind, document), other)
        granted = [grants(side, kind, one) for side, one in ((first, ours), (second, theirs))]
        yield from differences(f"permissions of {kind}", name, "", granted[0], translate(granted[1], same))
    for theirs in set(second.of(kind)) - set(pairs):
        yield Difference(kind, second.names[kind][theirs], "", None, "present")


def grants(inventory, kind, one_id):
    return inventory.permissions.get(kind, {}).get(one_id, {})


def unstamped(kind, document):
    """A document without the stamp, and without the tags if that was the only one."""
    field = TAGS.get(kind)
    tags = {name: value for name, value in (document.get(field) or {}).items() if name != STAMP}
    return {k: v for k, v in document.items() if k != field} | ({field: tags} if tags else {})


def translate(value, same, key=None):
    """A value with ids of the second workspace read as those of the first, in keys, texts and numbers."""
    if isinstance(value, dict):
        return {translate(name, same): translate(one, same, name) for name, one in value.items()}
    if isinstance(value, list):
        return [translate(one, same, key) for one in value]
    if isinstance(value, int) and not isinstance(value, bool) and is_id(str(value), key):
        return int(same.get(str(value), value))
    return translate_text(value, same, key) if isinstance(value, str) else value


def is_id(text, key):
    """Small numbers are ids only where one is expected."""
    return not text.isdigit() or len(text) > 2 or key == "job_id"


def translate_text(text, same, key):
    if text in same:
        return same[text] if is_id(text, key) else text
    who, _, name = text.partition(":")
    return f"{who}:{same[name]}" if who == "service_principal" and name in same else text


def differences(kind, name, at, first, second):
    """Places where two values differ; nothing, an empty text, list or object and `false` are the same."""
    if isinstance(first, dict) and isinstance(second, dict):
        for key in sorted(set(first) | set(second)):
            yield from differences(kind, name, f"{at}/{key}", first.get(key), second.get(key))
    elif keyed(first) and keyed(second):
        yield from differences(kind, name, at, keyed(first), keyed(second))
    elif isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        for i, (one, other) in enumerate(zip(first, second)):
            yield from differences(kind, name, f"{at}/{i}", one, other)
    elif first != second and not (empty(first) and empty(second)):
        yield Difference(kind, name, at, first, second)


def keyed(value):
    """A list whose order means nothing, as an object: by the member that tells its elements apart."""
    if not isinstance(value, list) or not value or not all(isinstance(one, dict) for one in value):
        return None
    for member in ("task_key", "job_cluster_key", "environment_key"):
        if all(member in one for one in value):
            return {one[member]: one for one in value}
    return None


def empty(value):
    return value is None or value is False or value in ("", 0) or value == [] or value == {}


def judge(found, expected, title):
    """Prints how differences and expectations fit; gives the texts of what does not."""
    left = []
    for difference in found:
        rule = next((one for one in expected if one.covers(difference)), None)
        if rule:
            rule.met += 1
        else:
            left.append(str(difference))
    unmet = [f"expected, but not seen: {one.kind} {one.name} {one.at}: {one.reason}" for one in expected if not one.met]
    met = f"{len(expected) - len(unmet)} of {len(expected)} expectations met"
    print(f"  {title}: {len(found)} differences, {len(left)} unexpected; {met}")
    return left + unmet
